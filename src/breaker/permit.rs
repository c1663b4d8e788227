//! The right to make one call.

use super::clock::Nanos;
use super::handle::Breaker;
use super::outcome::{Classify, Ending};
use super::state::Admission;

/// The right to make one call, to be returned with how it went. It cannot be lost: dropped without
/// a word it counts as cancelled, dropped by a panic as a failure.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts as a cancelled call"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    admission: Admission,
    started: Nanos,
    waited: bool,
}

impl<'a> Permit<'a> {
    #[inline]
    pub(super) fn new(breaker: &'a Breaker, admission: Admission, started: Nanos) -> Self {
        Self { breaker, admission, started, waited: false }
    }

    /// The call is one that waits, so it is worth measuring by the fine clock, from now on.
    pub(super) fn waits(&mut self) {
        self.started = self.breaker.clock().fine();
        self.waited = true;
    }

    /// The time now, and how long the call took.
    #[expect(clippy::inline_always, reason = "part of the closed breaker's way")]
    #[inline(always)]
    fn took(&self) -> (Nanos, Nanos) {
        let now = if self.waited { self.breaker.clock().fine() } else { self.breaker.clock().coarse() };
        (now, now.saturating_sub(self.started))
    }

    /// The dependency answered.
    #[expect(clippy::inline_always, reason = "part of the closed breaker's way")]
    #[inline(always)]
    pub fn succeed(self) {
        let (now, took) = self.took();
        // A probe's number would only matter in a generation in which nothing is merely counted.
        if !self.breaker.count_success(now, took, self.admission.generation) {
            self.breaker.settle(now, took, self.admission, Ending::Successful);
        }
        std::mem::forget(self);
    }

    /// The call failed; the error says how that counts.
    pub fn fail(self, error: &impl Classify) {
        self.settle(Ending::of(error));
        std::mem::forget(self);
    }

    /// The call took too long.
    pub fn time_out(self) {
        self.settle(Ending::TimedOut);
        std::mem::forget(self);
    }

    #[cold]
    fn settle(&self, ending: Ending) {
        let (now, took) = self.took();
        self.breaker.settle(now, took, self.admission, ending);
    }
}

impl Drop for Permit<'_> {
    #[cold]
    fn drop(&mut self) {
        let panic = std::thread::panicking();
        self.settle(if panic { Ending::Failed { retry_after: None } } else { Ending::Cancelled });
    }
}

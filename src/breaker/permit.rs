//! The right to make one call.

use std::time::Duration;

use super::handle::Breaker;
use super::metrics::Ending;
use super::state::{Admission, Vote};
use super::{Class, Classify};

/// The right to make one call, to be returned with how it went. It cannot be lost: dropped without
/// a word it counts as cancelled, dropped by a panic as a failure.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts as a cancelled call"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    admission: Admission,
    started: Duration,
    settled: bool,
}

impl<'a> Permit<'a> {
    pub(crate) fn new(breaker: &'a Breaker, admission: Admission, started: Duration) -> Self {
        Self { breaker, admission, started, settled: false }
    }

    /// The dependency answered.
    pub fn succeed(self) {
        self.settle(Vote::Success, Ending::Successful);
    }

    /// The call failed; the error says how that counts.
    pub fn fail(self, error: &impl Classify) {
        match error.class() {
            Class::Failure => self.settle(Vote::Failure { retry_after: None }, Ending::Failed),
            Class::Overload { retry_after } => self.settle(Vote::Failure { retry_after }, Ending::Failed),
            Class::Caller => self.settle(Vote::None, Ending::Ignored),
            Class::Cancelled => self.settle(Vote::None, Ending::Cancelled),
        }
    }

    /// The call took too long.
    pub fn time_out(self) {
        self.settle(Vote::Failure { retry_after: None }, Ending::TimedOut);
    }

    fn settle(mut self, vote: Vote, ending: Ending) {
        self.settled = true;
        self.breaker.settle(self.admission, self.started, vote, ending);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let (vote, ending) = if std::thread::panicking() {
            (Vote::Failure { retry_after: None }, Ending::Failed)
        } else {
            (Vote::None, Ending::Cancelled)
        };
        self.breaker.settle(self.admission, self.started, vote, ending);
    }
}

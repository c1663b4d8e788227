//! A timeout cancels the work, it doesn't just stop waiting.
//!
//! Asynchronous work is cancelled by dropping its future. Native and blocking work can't be
//! dropped; it gets an [`AbortFlag`] to poll, which is set when the wait ends for whatever reason.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

/// Tells blocking work to stop. Cheap to poll and to clone.
#[derive(Debug, Clone, Default)]
pub struct AbortFlag(Arc<AtomicBool>);

impl AbortFlag {
    /// Whether the work should stop: nobody waits for its result any more.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Asks the work to stop. Can't be taken back.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Sets the flag when it goes out of scope.
pub(crate) struct AbortOnDrop(pub(crate) AbortFlag);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// How the wait for some work ended.
pub(crate) enum Ended<T> {
    InTime(T),
    TimedOut,
}

/// Waits for the work, but no longer than `limit`; it is dropped in any case.
///
/// Work that is done at its first poll never costs a timer: that is made, and `waits` is called,
/// when it turns out that the work waits. The limit counts from there. Work that uses up its task's
/// share of polls is still timed out, since the timer is exempt from that.
pub(crate) async fn within<F: Future>(limit: Duration, work: F, waits: impl FnOnce()) -> Ended<F::Output> {
    let mut work = pin!(work);
    let mut timer = pin!(None);
    let mut waits = Some(waits);
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Ended::InTime(output));
        }
        if let Some(waits) = waits.take() {
            waits();
            timer.set(Some(tokio::task::coop::unconstrained(tokio::time::sleep(limit))));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(context).map(|()| Ended::TimedOut),
            None => Poll::Pending,
        }
    })
    .await
}

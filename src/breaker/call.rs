//! Making a call behind a breaker: asynchronous, blocking, or on this thread.

use std::time::Duration;

use super::timeout::{AbortOnDrop, Ended, within};
use super::{AbortFlag, Breaker, CallError, Classify, Permit};

impl Breaker {
    /// Makes a call under the breaker's own timeout.
    ///
    /// Cancel-safe: dropping the returned future drops `work` and counts as cancelled. A timeout
    /// drops `work` too, so dropping it must cancel what it does.
    pub async fn call<T, E: Classify>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        self.call_within(self.timeout(), work).await
    }

    /// As [`Breaker::call`], with another limit for this one call.
    pub async fn call_within<T, E: Classify>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        let mut permit = self.try_acquire().map_err(CallError::Rejected)?;
        match within(limit, work, || permit.waits()).await {
            Ended::InTime(result) => report(permit, result),
            Ended::TimedOut => {
                permit.time_out();
                Err(CallError::TimedOut { after: limit })
            }
        }
    }

    /// Makes a call under the breaker's own timeout, and if that gives nothing, the next best thing.
    ///
    /// The fallback is told why. It runs outside of the breaker, whose permit has been given back by
    /// then: however it ends, it doesn't vote. For more than one fallback there is
    /// [`Chain`](super::Chain).
    pub async fn call_or<T, E: Classify>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        fallback: impl AsyncFnOnce(CallError<E>) -> T,
    ) -> T {
        match self.call(work).await {
            Ok(value) => value,
            Err(error) => fallback(error).await,
        }
    }

    /// Makes a call that blocks, on the runtime's blocking threads, under the breaker's own timeout.
    ///
    /// The work polls the flag: it is set after a timeout, or when the returned future is dropped.
    /// A panic of the work counts as a failure and goes on in the caller.
    pub async fn call_blocking<T, E>(
        &self,
        work: impl FnOnce(&AbortFlag) -> Result<T, E> + Send + 'static,
    ) -> Result<T, CallError<E>>
    where
        T: Send + 'static,
        E: Classify + Send + 'static,
    {
        let mut permit = self.try_acquire().map_err(CallError::Rejected)?;
        let limit = self.timeout();
        let flag = AbortFlag::default();
        let _abort = AbortOnDrop(flag.clone());
        let handle = tokio::task::spawn_blocking(move || work(&flag));
        match within(limit, handle, || permit.waits()).await {
            Ended::InTime(Ok(result)) => report(permit, result),
            Ended::InTime(Err(panic)) => match panic.try_into_panic() {
                // Unwinding drops the permit, which counts it as a failure.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(CallError::TimedOut { after: limit }),
            },
            Ended::TimedOut => {
                permit.time_out();
                Err(CallError::TimedOut { after: limit })
            }
        }
    }

    /// Makes a call on this thread. It can't be timed out; how long it took is measured, to the tick
    /// of the coarse clock.
    #[inline]
    pub fn call_sync<T, E: Classify>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, CallError<E>> {
        let permit = self.try_acquire().map_err(CallError::Rejected)?;
        report(permit, work())
    }
}

#[inline]
fn report<T, E: Classify>(permit: Permit<'_>, result: Result<T, E>) -> Result<T, CallError<E>> {
    match result {
        Ok(value) => {
            permit.succeed();
            Ok(value)
        }
        Err(error) => {
            permit.fail(&error);
            Err(CallError::Failed(error))
        }
    }
}

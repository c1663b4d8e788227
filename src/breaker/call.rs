//! Making a call behind a breaker: asynchronous, blocking, or on this thread.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Sleep, sleep};

use super::timeout::AbortOnDrop;
use super::{AbortFlag, Breaker, CallError, Classify, Permit};

impl Breaker {
    /// Makes a call under the breaker's own timeout.
    ///
    /// Cancel-safe: dropping the returned future drops `work` and counts as cancelled. A timeout
    /// drops `work` too, so dropping it must cancel what it does.
    #[inline]
    pub fn call<T, E: Classify, F: Future<Output = Result<T, E>>>(&self, work: F) -> Call<'_, F> {
        Call::new(self, None, work)
    }

    /// As [`Breaker::call`], with another limit for this one call.
    #[inline]
    pub fn call_within<T, E: Classify, F: Future<Output = Result<T, E>>>(
        &self,
        limit: Duration,
        work: F,
    ) -> Call<'_, F> {
        Call::new(self, Some(limit), work)
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
        let work = async {
            let flag = AbortFlag::default();
            let _abort = AbortOnDrop(flag.clone());
            match tokio::task::spawn_blocking(move || work(&flag)).await {
                Ok(result) => result,
                Err(ended) => match ended.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime is shutting down, and will drop this too.
                    Err(_) => std::future::pending().await,
                },
            }
        };
        self.call(work).await
    }

    /// Makes a call on this thread. It can't be timed out; how long it took is measured, to the tick
    /// of the coarse clock.
    #[inline]
    pub fn call_sync<T, E: Classify>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, CallError<E>> {
        let now = self.clock().coarse();
        if let Some(permit) = self.pass(now) {
            return report(permit, work());
        }
        if let Some(no) = self.refuse(now) {
            return Err(CallError::Rejected(no));
        }
        match self.ask(now) {
            Ok(permit) => report(permit, work()),
            Err(no) => Err(CallError::Rejected(no)),
        }
    }
}

#[expect(clippy::inline_always, reason = "so that the permit of a closed breaker lives in registers")]
#[inline(always)]
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

pin_project! {
    /// A call under way; see [`Breaker::call`]. Nothing happens before it is polled.
    ///
    /// Written by hand, since a nested `async fn` is moved as a whole at each level, with the room
    /// for the timer in it. Work that is done at its first poll never costs a timer: that is made
    /// when it turns out that the work waits, and the limit counts from there. Work that uses up its
    /// task's share of polls is still timed out, since the timer is exempt from that.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Call<'a, F> {
        breaker: &'a Breaker,
        // The breaker's own, if none.
        limit: Option<Duration>,
        begun: bool,
        // None while it is polled: then it is on the stack, where a panic finds it.
        permit: Option<Permit<'a>>,
        #[pin]
        work: Option<F>,
        #[pin]
        timer: Option<Unconstrained<Sleep>>,
    }
}

impl<'a, F> Call<'a, F> {
    #[inline]
    fn new(breaker: &'a Breaker, limit: Option<Duration>, work: F) -> Self {
        Self { breaker, limit, begun: false, permit: None, work: Some(work), timer: None }
    }
}

impl<'a, T, E: Classify, F: Future<Output = Result<T, E>>> Call<'a, F> {
    /// The first poll, with a permit.
    #[expect(clippy::inline_always, reason = "so that the permit of a closed breaker lives in registers")]
    #[inline(always)]
    fn begin(
        mut self: Pin<&mut Self>,
        permit: Permit<'a>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, CallError<E>>> {
        let mut this = self.as_mut().project();
        let Some(work) = this.work.as_mut().as_pin_mut() else { return Poll::Pending };
        if let Poll::Ready(result) = work.poll(context) {
            return Poll::Ready(report(permit, result));
        }
        self.wait(permit, context)
    }

    /// The work isn't done at once.
    #[inline(never)]
    fn wait(
        mut self: Pin<&mut Self>,
        mut permit: Permit<'a>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, CallError<E>>> {
        let mut this = self.as_mut().project();
        let limit = *this.limit.get_or_insert_with(|| this.breaker.timeout());
        permit.waits();
        this.timer.set(Some(unconstrained(sleep(limit))));
        self.see_the_time(permit, context)
    }

    /// A later poll.
    fn go_on(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, CallError<E>>> {
        let mut this = self.as_mut().project();
        let (Some(permit), Some(work)) = (this.permit.take(), this.work.as_mut().as_pin_mut()) else {
            return Poll::Pending;
        };
        match work.poll(context) {
            Poll::Ready(result) => Poll::Ready(report(permit, result)),
            Poll::Pending => self.see_the_time(permit, context),
        }
    }

    fn see_the_time(
        self: Pin<&mut Self>,
        permit: Permit<'a>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, CallError<E>>> {
        let mut this = self.project();
        if let (Some(timer), Some(limit)) = (this.timer.as_mut().as_pin_mut(), *this.limit)
            && timer.poll(context).is_ready()
        {
            this.work.set(None);
            permit.time_out();
            return Poll::Ready(Err(CallError::TimedOut { after: limit }));
        }
        *this.permit = Some(permit);
        Poll::Pending
    }
}

impl<T, E: Classify, F: Future<Output = Result<T, E>>> Future for Call<'_, F> {
    type Output = Result<T, CallError<E>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        if std::mem::replace(this.begun, true) {
            return self.go_on(context);
        }
        let breaker = *this.breaker;
        let now = breaker.clock().coarse();
        if let Some(permit) = breaker.pass(now) {
            return self.begin(permit, context);
        }
        if let Some(no) = breaker.refuse(now) {
            return Poll::Ready(Err(CallError::Rejected(no)));
        }
        match breaker.ask(now) {
            Ok(permit) => self.begin(permit, context),
            Err(no) => Poll::Ready(Err(CallError::Rejected(no))),
        }
    }
}

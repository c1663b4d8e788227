//! The breaker that is shared: the pure state machine, a clock, counters and an event stream.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::backoff::draw;
use super::clock::{Clock, MonotonicClock};
use super::metrics::{Ending, Tally};
use super::state::{Admission, Change, Machine, Vote};
use super::timeout::AbortOnDrop;
use super::{
    AbortFlag, CallError, Classify, Permit, Rejected, Settings, SettingsError, Snapshot, State, Transition,
};

/// A circuit breaker around one dependency. Share it as `Arc<Breaker>`; calls borrow it.
#[derive(Debug)]
pub struct Breaker {
    name: String,
    clock: Arc<dyn Clock>,
    events: broadcast::Sender<Transition>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    machine: Machine,
    tally: Tally,
}

impl Breaker {
    /// A closed breaker on the machine's monotonic clock, watched by nobody.
    pub fn new(name: impl Into<String>, settings: Settings) -> Self {
        Self::with(name, settings, Arc::new(MonotonicClock::default()), broadcast::Sender::new(16))
    }

    /// A closed breaker on the given clock, which tells its transitions to `events`.
    pub fn with(
        name: impl Into<String>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        events: broadcast::Sender<Transition>,
    ) -> Self {
        let tally = Tally::new(clock.now());
        let inner = Mutex::new(Inner { machine: Machine::new(settings), tally });
        Self { name: name.into(), clock, events, inner }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its state. Looking takes no permit.
    pub fn state(&self) -> State {
        self.inner.lock().machine.state()
    }

    /// How long one call may take.
    pub fn timeout(&self) -> Duration {
        self.inner.lock().machine.settings().timeout
    }

    /// A copy of the settings in force.
    pub fn settings(&self) -> Settings {
        self.inner.lock().machine.settings().clone()
    }

    /// Asks for the right to make one call.
    pub fn try_acquire(&self) -> Result<Permit<'_>, Rejected> {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let (admission, change) = inner.machine.admit(now, draw());
        inner.tally.asked(admission.is_some());
        self.announce(&mut inner, now, change);
        match admission {
            Some(admission) => Ok(Permit::new(self, admission, now)),
            None => Err(Rejected {
                breaker: self.name.clone(),
                state: inner.machine.state(),
                retry_in: inner.machine.retry_in(now),
            }),
        }
    }

    pub(crate) fn settle(&self, admission: Admission, started: Duration, vote: Vote, ending: Ending) {
        let now = self.clock.now();
        let took = now.saturating_sub(started);
        let mut inner = self.inner.lock();
        let (counted, change) = inner.machine.settle(now, draw(), admission, vote, took);
        inner.tally.ended(now, took, ending, counted);
        self.announce(&mut inner, now, change);
    }

    /// Sends under the lock, so that watchers see transitions in their order; sending never waits.
    fn announce(&self, inner: &mut Inner, now: Duration, change: Option<Change>) {
        let Some(change) = change else { return };
        inner.tally.changed(now, change);
        let Change { from, to, cause } = change;
        // No receiver is no error: nobody watches.
        let _ = self.events.send(Transition {
            breaker: self.name.clone(),
            from,
            to,
            cause,
            at: Timestamp::now(),
        });
    }

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
        let permit = self.try_acquire().map_err(CallError::Rejected)?;
        if let Ok(result) = tokio::time::timeout(limit, work).await {
            Self::report(permit, result)
        } else {
            permit.time_out();
            Err(CallError::TimedOut { after: limit })
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
        let permit = self.try_acquire().map_err(CallError::Rejected)?;
        let limit = self.timeout();
        let flag = AbortFlag::default();
        let _abort = AbortOnDrop(flag.clone());
        let handle = tokio::task::spawn_blocking(move || work(&flag));
        match tokio::time::timeout(limit, handle).await {
            Ok(Ok(result)) => Self::report(permit, result),
            Ok(Err(panic)) => match panic.try_into_panic() {
                // Unwinding drops the permit, which counts it as a failure.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(CallError::TimedOut { after: limit }),
            },
            Err(_) => {
                permit.time_out();
                Err(CallError::TimedOut { after: limit })
            }
        }
    }

    /// Makes a call on this thread. It can't be timed out; how long it took is measured.
    pub fn call_sync<T, E: Classify>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, CallError<E>> {
        let permit = self.try_acquire().map_err(CallError::Rejected)?;
        Self::report(permit, work())
    }

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

    /// Changes the settings while calls run; state and counts that still apply are kept.
    pub fn configure(&self, settings: Settings) -> Result<(), SettingsError> {
        settings.validate()?;
        let now = self.clock.now();
        self.inner.lock().machine.configure(now, settings);
        Ok(())
    }

    /// Holds it open by hand.
    pub fn isolate(&self) {
        self.by_hand(Machine::isolate);
    }

    /// Holds it closed by hand; it still measures.
    pub fn disable(&self) {
        self.by_hand(Machine::disable);
    }

    /// Back to closed, with a clean window.
    pub fn reset(&self) {
        self.by_hand(Machine::reset);
    }

    fn by_hand(&self, change: impl FnOnce(&mut Machine) -> Option<Change>) {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        let change = change(&mut inner.machine);
        self.announce(&mut inner, now, change);
    }

    /// Everything that is known of it, of one moment.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.clock.now();
        let inner = self.inner.lock();
        inner.tally.snapshot(now, &self.name, inner.machine.state(), inner.machine.retry_in(now))
    }
}

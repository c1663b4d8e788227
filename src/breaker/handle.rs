//! The breaker that is shared: its name, its clock, its [`Core`], and who is told of transitions.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::clock::{Clock, Nanos};
use super::core::Core;
use super::name::Name;
use super::outcome::Ending;
use super::state::{Admission, Change, Machine};
use super::{Permit, Rejected, Settings, SettingsError, Snapshot, State, Transition};

/// A circuit breaker around one dependency. Share it as `Arc<Breaker>`; calls borrow it.
///
/// The ways of making a call are [`call`](Breaker::call) and its relatives.
#[derive(Debug)]
pub struct Breaker {
    core: Core,
    clock: Clock,
    name: Name,
    events: Option<broadcast::Sender<Transition>>,
}

impl Breaker {
    /// A closed breaker on the machine's monotonic clock, watched by nobody.
    pub fn new(name: impl Into<Name>, settings: Settings) -> Self {
        let clock = Clock::default();
        Self { core: Core::new(settings, &clock), clock, name: name.into(), events: None }
    }

    /// A closed breaker on the given clock, which tells its transitions to `events`.
    pub fn with(
        name: impl Into<Name>,
        settings: Settings,
        clock: impl Into<Clock>,
        events: broadcast::Sender<Transition>,
    ) -> Self {
        let clock = clock.into();
        Self { core: Core::new(settings, &clock), clock, name: name.into(), events: Some(events) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its state. Looking takes no permit and no lock.
    pub fn state(&self) -> State {
        self.core.state()
    }

    /// Whether a call would be refused now: it is open, and not yet to be tried again, or held open by hand. Looking
    /// takes no permit and no lock, and counts nothing.
    pub fn would_refuse(&self) -> bool {
        self.core.refusal(self.clock.coarse()).is_some()
    }

    /// How long one call may take.
    pub fn timeout(&self) -> Duration {
        self.core.timeout()
    }

    /// A copy of the settings in force.
    pub fn settings(&self) -> Settings {
        self.core.settings()
    }

    /// Asks for the right to make one call.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, Rejected> {
        let now = self.clock.coarse();
        if let Some(permit) = self.pass(now) {
            return Ok(permit);
        }
        match self.refuse(now) {
            Some(no) => Err(no),
            None => self.ask(now),
        }
    }

    /// The permit of a closed breaker. This and [`Breaker::refuse`] are apart from
    /// [`Breaker::try_acquire`] for those who want their results in registers, not in a `Result` in
    /// memory: twice as fast.
    #[expect(clippy::inline_always, reason = "see above")]
    #[inline(always)]
    pub(super) fn pass(&self, now: Nanos) -> Option<Permit<'_>> {
        let generation = self.core.passes()?;
        Some(Permit::new(self, Admission { generation, probe: None }, now))
    }

    /// The answer of an open breaker.
    #[inline]
    pub(super) fn refuse(&self, now: Nanos) -> Option<Rejected> {
        let no = self.core.refuses(now)?;
        Some(Rejected { breaker: self.name, state: no.state, retry_in: no.retry_in })
    }

    /// The answer of a breaker that must think about it.
    #[cold]
    #[inline(never)]
    pub(super) fn ask(&self, now: Nanos) -> Result<Permit<'_>, Rejected> {
        match self.core.admit(now, &self.clock, |change| self.announce(change)) {
            Ok(admission) => Ok(Permit::new(self, admission, now)),
            Err(no) => Err(Rejected { breaker: self.name, state: no.state, retry_in: no.retry_in }),
        }
    }

    #[inline]
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    #[expect(clippy::inline_always, reason = "part of the closed breaker's way")]
    #[inline(always)]
    pub(super) fn count_success(&self, now: Nanos, took: Nanos, generation: u64) -> bool {
        self.core.count_success(now, took, generation)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn settle(&self, now: Nanos, took: Nanos, admission: Admission, ending: Ending) {
        self.core.settle(now, took, admission, ending, &self.clock, |change| self.announce(change));
    }

    /// Called under the core's lock, so that watchers see transitions in their order. Sending never
    /// waits: a watcher that is too slow misses the oldest.
    fn announce(&self, change: Change) {
        let Some(events) = &self.events else { return };
        let Change { from, to, cause } = change;
        // No receiver is no error: nobody watches.
        let _ =
            events.send(Transition { breaker: self.name.to_string(), from, to, cause, at: Timestamp::now() });
    }

    /// Changes the settings while calls run; state and counts that still apply are kept.
    pub fn configure(&self, settings: Settings) -> Result<(), SettingsError> {
        settings.validate()?;
        self.core.configure(&self.clock, settings);
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
        self.core.intervene(&self.clock, change, |change| self.announce(change));
    }

    /// Everything that is known of it, of one moment.
    pub fn snapshot(&self) -> Snapshot {
        self.core.snapshot(&self.clock, &self.name)
    }
}

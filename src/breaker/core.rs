//! The state machine, shared between threads: a lock-free front with the machine behind it.
//!
//! **Mechanics.** The [`Machine`] is the truth and stays under a small mutex. In front of it lie
//! three shortcuts for what nearly every call is, each of which does exactly what the machine would:
//!
//! - *Admission while closed* ([`Core::passes`]), *rejection while open* ([`Core::refuses`]): the
//!   [`Word`] says which. One `Acquire` load decides; a rejection also looks at the time.
//! - *Success while all is well*: counted in the [`Stripes`], as long as they are armed.
//!
//! Everything else takes the lock. Whoever holds it first takes the counts out of the stripes and
//! gives them to the machine ([`Core::locked`]), so the machine always sees every success that was
//! counted before; in the end it publishes what the shortcuts may do from now on. A failure disarms
//! the stripes and the next success arms them again, so that "failures in a row" is exact too.
//!
//! **Why it is linearizable.** Each operation takes effect at one instant: under the lock; at the
//! word's load, for a shortcut of admission; or at the exchange of the stripe's cell, for a counted
//! success. The last needs an argument, since it depends on four loads before: epoch, word, end of
//! the slice, and limit of slowness. They are written only while the stripes are disarmed, and each
//! arming has a new epoch. The success loads the epoch first (`Acquire`), and its exchange fails
//! unless the cell still has that epoch; so nothing that it read in between had changed. There is no
//! vote across generations, because a transition needs the lock, hence disarms.
//!
//! **When a success takes the lock**: the first of each slice of the window (a twelfth of it), the
//! first after a failure, a slow one if those are counted, a probe's, and one that meets somebody who
//! has the lock. It is held for well under a microsecond, and nothing is awaited or called under it
//! but a bounded channel's non-blocking send.
//!
//! **Memory.** The front's words are read by everybody and written on the slow way only, so they
//! have cache lines of their own, apart from those of the lock, the stripes and the histogram.

use std::time::Duration;

use super::clock::{Clock, Nanos, nanos};
use super::metrics::{About, LATENCIES, Latency, Snapshot, Tally, latency_bucket};
use super::outcome::Ending;
use super::policy::Settings;
use super::state::{Admission, Change, Gate, Machine, State};
use super::stripe::Stripes;
use super::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use super::word::{Sign, Word};

/// A gap between the clocks shorter than this is jitter of their ticks.
const SUSPEND: Duration = Duration::from_secs(1);

/// For ever; also what can't be reached.
const NEVER: Nanos = u64::MAX;

#[derive(Debug)]
pub(crate) struct Core {
    front: Front,
    stripes: Stripes,
    inner: Padded<Mutex<Inner>>,
    /// Of the calls that took longer than a tick. Those are too slow to fight for a cache line.
    latency: [AtomicU64; LATENCIES],
}

/// Keeps what threads write away from what they only read.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

#[derive(Debug)]
#[repr(align(128))]
struct Front {
    word: AtomicU64,
    /// Until when the gate refuses. Written before the word, read after it.
    not_before: AtomicU64,
    /// With what the stripes are armed; 0 is not.
    epoch: AtomicU64,
    /// When the slice is over for which the stripes count.
    slice_ends: AtomicU64,
    /// A success that took so long isn't a quick one.
    slow_from: AtomicU64,
    /// How long a call may take.
    timeout: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    machine: Machine,
    tally: Tally,
    /// The last epoch that the stripes were armed with.
    epoch: u32,
    /// Any time within the slice for which the stripes count; `None` while they are disarmed.
    slice: Option<Nanos>,
    /// When it was last looked whether the machine had been suspended.
    looked: Nanos,
}

/// A call that isn't let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) state: State,
    pub(crate) retry_in: Option<Duration>,
}

impl Core {
    pub(crate) fn new(settings: Settings, clock: &Clock) -> Self {
        let now = clock.coarse();
        let machine = Machine::new(settings);
        let core = Self {
            front: Front {
                word: AtomicU64::new(Word::new(machine.state(), machine.gate(), machine.generation()).bits()),
                not_before: AtomicU64::new(NEVER),
                epoch: AtomicU64::new(0),
                slice_ends: AtomicU64::new(0),
                slow_from: AtomicU64::new(NEVER),
                timeout: AtomicU64::new(0),
            },
            stripes: Stripes::new(),
            inner: Padded(Mutex::new(Inner {
                tally: Tally::new(now, clock.slept()),
                machine,
                epoch: 0,
                slice: None,
                looked: now,
            })),
            latency: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        core.publish(&mut core.inner.0.lock(), now);
        core
    }

    #[inline]
    fn word(&self) -> Word {
        Word::from_bits(self.front.word.load(Ordering::Acquire))
    }

    pub(crate) fn state(&self) -> State {
        self.word().state()
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_nanos(self.front.timeout.load(Ordering::Relaxed))
    }

    pub(crate) fn settings(&self) -> Settings {
        self.inner.0.lock().machine.settings().clone()
    }

    /// The generation in which a call is admitted, if that needs no more than a look.
    #[expect(clippy::inline_always, reason = "one load and two shifts")]
    #[inline(always)]
    pub(crate) fn passes(&self) -> Option<u64> {
        let word = self.word();
        (word.sign() == Sign::Pass).then(|| word.generation())
    }

    /// The refusal of a call, if that needs no more than a look.
    #[inline]
    pub(crate) fn refuses(&self, now: Nanos) -> Option<Refusal> {
        let refusal = self.refusal(now)?;
        self.stripes.reject();
        Some(refusal)
    }

    /// As [`Core::refuses`], of a call that nobody makes.
    #[inline]
    pub(crate) fn refusal(&self, now: Nanos) -> Option<Refusal> {
        let word = self.word();
        if word.sign() != Sign::Refuse {
            return None;
        }
        let until = self.front.not_before.load(Ordering::Relaxed);
        (now < until).then(|| Refusal::new(word.state(), until, now))
    }

    /// Asks the machine whether a call may be made.
    #[cold]
    #[inline(never)]
    pub(crate) fn admit(
        &self,
        now: Nanos,
        clock: &Clock,
        announce: impl FnOnce(Change),
    ) -> Result<Admission, Refusal> {
        let mut inner = self.locked(now, clock);
        let (admission, change) = inner.machine.admit(now, || clock.draw());
        self.finish(&mut inner, now, change, announce);
        admission.ok_or_else(|| {
            self.stripes.reject();
            let until = match inner.machine.gate() {
                Gate::Refuse { until: Some(until) } => until,
                Gate::Refuse { until: None } | Gate::Pass | Gate::Ask => NEVER,
            };
            Refusal::new(inner.machine.state(), until, now)
        })
    }

    /// Reports a success of an ordinary call, if that needs no more than to be counted.
    #[expect(clippy::inline_always, reason = "five loads and an exchange")]
    #[inline(always)]
    pub(crate) fn count_success(&self, now: Nanos, took: Nanos, generation: u64) -> bool {
        let epoch = self.front.epoch.load(Ordering::Acquire);
        let counted = epoch != 0
            && self.word().generation() == generation
            && took < self.front.slow_from.load(Ordering::Relaxed)
            && now < self.front.slice_ends.load(Ordering::Relaxed)
            && self.stripes.count(epoch as u32, now);
        if counted && took > 0 {
            self.measure(took);
        }
        counted
    }

    /// Reports how a call ended.
    #[cold]
    #[inline(never)]
    pub(crate) fn settle(
        &self,
        now: Nanos,
        took: Nanos,
        admission: Admission,
        ending: Ending,
        clock: &Clock,
        announce: impl FnOnce(Change),
    ) {
        let mut inner = self.locked(now, clock);
        let (counted, change) = inner.machine.settle(now, || clock.draw(), admission, ending.vote(), took);
        inner.tally.ended(now, took, ending, counted);
        self.measure(took);
        self.finish(&mut inner, now, change, announce);
    }

    fn measure(&self, took: Nanos) {
        if took > 0 {
            self.latency[latency_bucket(took)].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Changes the machine by hand.
    pub(crate) fn intervene(
        &self,
        clock: &Clock,
        change: impl FnOnce(&mut Machine) -> Option<Change>,
        announce: impl FnOnce(Change),
    ) {
        let now = clock.coarse();
        let mut inner = self.locked(now, clock);
        let change = change(&mut inner.machine);
        self.finish(&mut inner, now, change, announce);
    }

    /// Changes the settings while calls run.
    pub(crate) fn configure(&self, clock: &Clock, settings: Settings) {
        let now = clock.coarse();
        let mut inner = self.locked(now, clock);
        inner.machine.configure(now, settings);
        self.publish(&mut inner, now);
    }

    pub(crate) fn snapshot(&self, clock: &Clock, name: &str) -> Snapshot {
        let now = clock.coarse();
        let mut inner = self.locked(now, clock);
        let measured = std::array::from_fn(|bucket| self.latency[bucket].load(Ordering::Relaxed));
        let retry_in = match (inner.machine.state(), inner.machine.gate()) {
            (State::Open, Gate::Refuse { until: Some(until) }) => Some(until.saturating_sub(now)),
            _ => None,
        };
        let about = About {
            name,
            state: inner.machine.state(),
            retry_in: retry_in.map(Duration::from_nanos),
            rejected: self.stripes.rejected(),
            latency: Latency::new(measured, inner.tally.all_ended(), clock.tick()),
        };
        let snapshot = inner.tally.snapshot(now, about);
        self.publish(&mut inner, now);
        snapshot
    }

    /// Takes the lock, disarms the stripes and gives the machine what they counted, so that it is up
    /// to date.
    fn locked(&self, now: Nanos, clock: &Clock) -> MutexGuard<'_, Inner> {
        let mut guard = self.inner.0.lock();
        let inner = &mut *guard;
        if let Some(slice) = inner.slice.take() {
            self.front.epoch.store(0, Ordering::Relaxed);
            let taken = self.stripes.disarm();
            if taken.successes > 0 {
                inner.machine.count_successes(slice, taken.successes);
                inner.tally.succeeded(taken.latest, taken.successes);
            }
        }
        // Not at every failure of a burst: this reads another clock.
        if inner.looked != now {
            inner.looked = now;
            let gap = inner.tally.slept_since(clock.slept());
            if gap >= SUSPEND {
                inner.machine.slept(gap);
            }
        }
        guard
    }

    fn finish(&self, inner: &mut Inner, now: Nanos, change: Option<Change>, announce: impl FnOnce(Change)) {
        if let Some(change) = change {
            inner.tally.changed(now, change);
            announce(change);
        }
        self.publish(inner, now);
    }

    /// Says what the shortcuts may do from now on. The stripes are disarmed when this is called.
    fn publish(&self, inner: &mut Inner, now: Nanos) {
        let machine = &inner.machine;
        let front = &self.front;
        let settings = machine.settings();
        front.timeout.store(nanos(settings.timeout), Ordering::Relaxed);
        front.slow_from.store(settings.slow_call.map_or(NEVER, nanos), Ordering::Relaxed);
        if let Gate::Refuse { until } = machine.gate() {
            front.not_before.store(until.unwrap_or(NEVER), Ordering::Relaxed);
        }
        let word = Word::new(machine.state(), machine.gate(), machine.generation());
        front.word.store(word.bits(), Ordering::Release);
        if machine.merely_counts_successes() {
            front.slice_ends.store(machine.slice_ends(now), Ordering::Relaxed);
            inner.slice = Some(now);
            inner.epoch = inner.epoch.checked_add(1).unwrap_or(1);
            self.stripes.arm(inner.epoch);
            front.epoch.store(u64::from(inner.epoch), Ordering::Release);
        }
    }
}

impl Refusal {
    fn new(state: State, until: Nanos, now: Nanos) -> Self {
        let retry_in = (until != NEVER).then(|| Duration::from_nanos(until.saturating_sub(now)));
        Self { state, retry_in }
    }
}

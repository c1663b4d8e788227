//! The policy as a pure state machine. Time and randomness come in as arguments; nothing here
//! waits, locks or allocates on the way of a successful call.
//!
//! ```text
//!                failures in a row, or their rate in the window
//!    ┌──────────┐ ────────────────────────────────────────▶ ┌──────────┐
//!    │  CLOSED  │                                            │   OPEN   │ ◀─┐
//!    └──────────┘ ◀──────────┐               reset time over └──────────┘   │
//!                enough      │          ┌───────────┐ ◀──────────┘          │
//!                successes   └───────── │ HALF-OPEN │ ──────────────────────┘
//!                                       └───────────┘   any failure, or a hung probe
//!    by hand, from and to anywhere:  ISOLATED (lets nothing through)  DISABLED (lets all through)
//! ```
//!
//! Every transition starts a new *generation*. A call remembers the generation in which it was
//! admitted, and its result votes only if that is still the present one: a call that began before
//! an outage says nothing about the time after it.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::Backoff;
use super::clock::{Nanos, nanos};
use super::policy::Settings;
use super::window::{Counts, Window};

/// Whether calls get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Calls get through.
    Closed,
    /// Calls are rejected until the reset time is over.
    Open,
    /// A few probes get through.
    HalfOpen,
    /// Held open by hand.
    Isolated,
    /// Held closed by hand; still measures.
    Disabled,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::Isolated => "isolated",
            Self::Disabled => "disabled",
        })
    }
}

/// Why a breaker changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// `failure_threshold` failures came in a row.
    ConsecutiveFailures,
    /// Failures in the window passed number, volume and rate.
    FailureRate,
    /// Slow calls in the window passed their rate.
    SlowCalls,
    /// The reset time is over.
    ResetElapsed,
    /// Enough probes succeeded.
    ProbesSucceeded,
    /// A probe failed.
    ProbeFailed,
    /// A probe did not report within its lease.
    ProbeHung,
    /// Somebody did it by hand.
    ByHand,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The state it left.
    pub from: State,
    /// The state it entered.
    pub to: State,
    /// Why.
    pub cause: Cause,
}

/// Proof that a call was let in; given back with its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    pub(crate) generation: u64,
    /// The probe's number within its generation; `None` for an ordinary call.
    pub(crate) probe: Option<NonZeroU64>,
}

/// What the next call will meet, as far as it can be told without the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It is let in.
    Pass,
    /// It is rejected.
    Refuse {
        /// Until then; `None` is until somebody intervenes.
        until: Option<Nanos>,
    },
    /// That depends on the state machine.
    Ask,
}

/// How a call counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vote {
    /// The dependency answered.
    Success,
    /// The dependency failed; the next attempt is not before this.
    Failure {
        /// What the server asked for.
        retry_after: Option<Duration>,
    },
    /// Says nothing about the dependency: the caller's fault, or cancelled.
    None,
}

/// Whether a result counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It voted.
    Voted,
    /// The call began before the last transition, so it did not vote.
    Late,
}

/// A server may ask for a longer rest than `reset_cap`, but not for ever.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, Copy)]
struct Probe {
    number: NonZeroU64,
    lease_ends: Nanos,
}

/// The state machine of one breaker. All times are since the same arbitrary zero.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    state: State,
    generation: u64,
    window: Window,
    consecutive_failures: u32,
    next_attempt: Nanos,
    reopenings: u32,
    probes: Vec<Probe>,
    next_probe: NonZeroU64,
    probe_successes: u32,
}

impl Machine {
    /// A closed breaker.
    pub fn new(settings: Settings) -> Self {
        Self {
            window: Window::new(settings.monitoring_window),
            settings,
            state: State::Closed,
            generation: 0,
            consecutive_failures: 0,
            next_attempt: 0,
            reopenings: 0,
            probes: Vec::new(),
            next_probe: NonZeroU64::MIN,
            probe_successes: 0,
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The state. Looking takes no permit, and an open breaker whose time is over stays open until
    /// a call comes.
    pub fn state(&self) -> State {
        self.state
    }

    /// Counted up by every transition.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What the next call will meet.
    pub fn gate(&self) -> Gate {
        match self.state {
            State::Closed | State::Disabled => Gate::Pass,
            State::Isolated => Gate::Refuse { until: None },
            State::Open => Gate::Refuse { until: Some(self.next_attempt) },
            State::HalfOpen if self.probes.len() < self.settings.half_open_permits as usize => Gate::Ask,
            // The first lease to run out changes that; so does a probe that returns.
            State::HalfOpen => {
                Gate::Refuse { until: Some(self.probes.iter().map(|it| it.lease_ends).min().unwrap_or(0)) }
            }
        }
    }

    /// Whether all that a quick success does now is to be counted in the window's present slice.
    pub fn merely_counts_successes(&self) -> bool {
        matches!(self.state, State::Closed | State::Disabled) && self.consecutive_failures == 0
    }

    /// When the window's present slice is over.
    pub fn slice_ends(&self, now: Nanos) -> Nanos {
        self.window.slice_ends(now)
    }

    /// Counts so many quick successes of the slice that holds `at`, at a time when they merely
    /// counted.
    pub fn count_successes(&mut self, at: Nanos, successes: u64) {
        self.window.record(at, Counts { calls: successes, failures: 0, slow: 0 });
    }

    /// Asks to make a call. `draw` gives the jitter (0.0 ‥ 1.0) of a transition that this may cause.
    pub fn admit(&mut self, now: Nanos, draw: impl FnOnce() -> f64) -> (Option<Admission>, Option<Change>) {
        let mut change = None;
        if self.state == State::Open && now >= self.next_attempt {
            change = Some(self.enter(State::HalfOpen, Cause::ResetElapsed));
        }
        match self.state {
            State::Closed | State::Disabled => {
                (Some(Admission { generation: self.generation, probe: None }), change)
            }
            State::Open | State::Isolated => (None, change),
            State::HalfOpen => {
                if self.probes.iter().any(|probe| now >= probe.lease_ends) {
                    return (None, Some(self.open(now, draw, None, Cause::ProbeHung)));
                }
                if self.probes.len() >= self.settings.half_open_permits as usize {
                    return (None, change);
                }
                let number = self.next_probe;
                self.next_probe = number.saturating_add(1);
                let lease_ends = now.saturating_add(nanos(self.settings.probe_lease));
                self.probes.push(Probe { number, lease_ends });
                (Some(Admission { generation: self.generation, probe: Some(number) }), change)
            }
        }
    }

    /// Reports how an admitted call went. `took` decides whether it was slow.
    pub fn settle(
        &mut self,
        now: Nanos,
        draw: impl FnOnce() -> f64,
        admission: Admission,
        vote: Vote,
        took: Nanos,
    ) -> (Counted, Option<Change>) {
        if admission.generation != self.generation {
            return (Counted::Late, None);
        }
        if let Some(number) = admission.probe {
            self.probes.retain(|probe| probe.number != number);
        }
        let change = match (self.state, vote) {
            (_, Vote::None) => None,
            (State::HalfOpen, Vote::Failure { retry_after }) => {
                Some(self.open(now, draw, retry_after, Cause::ProbeFailed))
            }
            (State::HalfOpen, Vote::Success) => {
                self.probe_successes += 1;
                (self.probe_successes >= self.settings.success_threshold).then(|| {
                    self.reopenings = 0;
                    self.enter(State::Closed, Cause::ProbesSucceeded)
                })
            }
            (_, vote) => self.count(now, draw, vote, took),
        };
        (Counted::Voted, change)
    }

    fn count(&mut self, now: Nanos, draw: impl FnOnce() -> f64, vote: Vote, took: Nanos) -> Option<Change> {
        let slow = self.is_slow(took);
        let failed = matches!(vote, Vote::Failure { .. });
        self.window.record(now, Counts { calls: 1, failures: failed.into(), slow: slow.into() });
        self.consecutive_failures = if failed { self.consecutive_failures.saturating_add(1) } else { 0 };
        if self.state != State::Closed || !(failed || slow) {
            return None;
        }
        let retry_after = match vote {
            Vote::Failure { retry_after } => retry_after,
            Vote::Success | Vote::None => None,
        };
        self.crossed(now, failed).map(|cause| self.open(now, draw, retry_after, cause))
    }

    fn is_slow(&self, took: Nanos) -> bool {
        self.settings.slow_call.is_some_and(|limit| took >= nanos(limit))
    }

    /// Whether the call just counted crossed a line, and which.
    fn crossed(&self, now: Nanos, failed: bool) -> Option<Cause> {
        let limits = &self.settings;
        if failed && self.consecutive_failures >= limits.failure_threshold {
            return Some(Cause::ConsecutiveFailures);
        }
        let seen = self.window.sum(now);
        if seen.calls < u64::from(limits.volume_threshold.max(1)) {
            return None;
        }
        let rate = |part: u64| part as f64 / seen.calls as f64;
        if failed
            && seen.failures >= u64::from(limits.failure_threshold)
            && rate(seen.failures) >= limits.failure_rate_threshold
        {
            return Some(Cause::FailureRate);
        }
        let slow_rule = limits.slow_call.is_some() && seen.slow > 0;
        (slow_rule && rate(seen.slow) >= limits.slow_rate_threshold).then_some(Cause::SlowCalls)
    }

    /// The jitter is drawn here, once for each opening, and not anew at every look.
    fn open(
        &mut self,
        now: Nanos,
        draw: impl FnOnce() -> f64,
        retry_after: Option<Duration>,
        cause: Cause,
    ) -> Change {
        let backoff = Backoff { base: self.settings.reset_timeout, cap: self.settings.reset_cap };
        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        let wait = backoff.delay_with(self.reopenings, draw()).max(asked);
        self.next_attempt = now.saturating_add(nanos(wait));
        self.reopenings = self.reopenings.saturating_add(1);
        self.enter(State::Open, cause)
    }

    fn enter(&mut self, to: State, cause: Cause) -> Change {
        let from = std::mem::replace(&mut self.state, to);
        self.generation += 1;
        self.consecutive_failures = 0;
        self.probes.clear();
        self.probe_successes = 0;
        if to == State::Closed {
            self.window.clear();
        }
        Change { from, to, cause }
    }

    /// Holds it open by hand, until [`Machine::reset`].
    pub fn isolate(&mut self) -> Option<Change> {
        (self.state != State::Isolated).then(|| self.enter(State::Isolated, Cause::ByHand))
    }

    /// Holds it closed by hand, until [`Machine::reset`].
    pub fn disable(&mut self) -> Option<Change> {
        (self.state != State::Disabled).then(|| self.enter(State::Disabled, Cause::ByHand))
    }

    /// Back to closed, with a clean window. Calls that are under way vote if it was closed already.
    pub fn reset(&mut self) -> Option<Change> {
        self.reopenings = 0;
        self.consecutive_failures = 0;
        self.window.clear();
        (self.state != State::Closed).then(|| self.enter(State::Closed, Cause::ByHand))
    }

    /// The machine was suspended for `gap`, in which its clock stood still: what the window holds is
    /// older than it looks, and an open breaker has waited longer. Failures in a row stay in a row.
    pub fn slept(&mut self, gap: Duration) {
        self.window.clear();
        self.next_attempt = self.next_attempt.saturating_sub(nanos(gap));
    }

    /// Changes the settings while calls run. State, generation and the counts that still apply are
    /// kept; an open breaker is not held longer than its new reset time.
    pub fn configure(&mut self, now: Nanos, settings: Settings) {
        if settings.monitoring_window != self.settings.monitoring_window {
            self.window = self.window.resized(settings.monitoring_window, now);
        }
        if self.state == State::Open && settings.reset_timeout < self.settings.reset_timeout {
            let latest = now.saturating_add(nanos(settings.reset_timeout));
            self.next_attempt = self.next_attempt.min(latest);
        }
        self.settings = settings;
    }
}

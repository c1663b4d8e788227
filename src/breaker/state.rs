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

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::Backoff;
use super::policy::Settings;
use super::window::Window;

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
    generation: u64,
    /// The probe's number within its generation; `None` for an ordinary call.
    probe: Option<u64>,
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

#[derive(Debug, Clone, Copy)]
struct Probe {
    number: u64,
    lease_ends: Duration,
}

/// The state machine of one breaker. All times are since the same arbitrary zero.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    state: State,
    generation: u64,
    window: Window,
    consecutive_failures: u32,
    next_attempt: Duration,
    reopenings: u32,
    probes: Vec<Probe>,
    probes_begun: u64,
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
            next_attempt: Duration::ZERO,
            reopenings: 0,
            probes: Vec::new(),
            probes_begun: 0,
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

    /// When the next attempt may be made, from `now`; `None` unless it is open.
    pub fn retry_in(&self, now: Duration) -> Option<Duration> {
        (self.state == State::Open).then(|| self.next_attempt.saturating_sub(now))
    }

    /// Asks to make a call. `draw` (0.0 ‥ 1.0) is the jitter of a transition that this may cause.
    pub fn admit(&mut self, now: Duration, draw: f64) -> (Option<Admission>, Option<Change>) {
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
                self.probes_begun += 1;
                let number = self.probes_begun;
                self.probes.push(Probe { number, lease_ends: now + self.settings.probe_lease });
                (Some(Admission { generation: self.generation, probe: Some(number) }), change)
            }
        }
    }

    /// Reports how an admitted call went. `took` decides whether it was slow.
    pub fn settle(
        &mut self,
        now: Duration,
        draw: f64,
        admission: Admission,
        vote: Vote,
        took: Duration,
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

    fn count(&mut self, now: Duration, draw: f64, vote: Vote, took: Duration) -> Option<Change> {
        let slow = self.settings.slow_call.is_some_and(|limit| took >= limit);
        let failed = matches!(vote, Vote::Failure { .. });
        self.window.record(now, failed, slow);
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

    /// Whether the call just counted crossed a line, and which.
    fn crossed(&self, now: Duration, failed: bool) -> Option<Cause> {
        let limits = &self.settings;
        if failed && self.consecutive_failures >= limits.failure_threshold {
            return Some(Cause::ConsecutiveFailures);
        }
        let seen = self.window.sum(now);
        if seen.calls < limits.volume_threshold.max(1) {
            return None;
        }
        let rate = |part: u32| f64::from(part) / f64::from(seen.calls);
        if failed
            && seen.failures >= limits.failure_threshold
            && rate(seen.failures) >= limits.failure_rate_threshold
        {
            return Some(Cause::FailureRate);
        }
        let slow_rule = limits.slow_call.is_some() && seen.slow > 0;
        (slow_rule && rate(seen.slow) >= limits.slow_rate_threshold).then_some(Cause::SlowCalls)
    }

    fn open(&mut self, now: Duration, draw: f64, retry_after: Option<Duration>, cause: Cause) -> Change {
        let backoff = Backoff { base: self.settings.reset_timeout, cap: self.settings.reset_cap };
        let wait = backoff.delay_with(self.reopenings, draw).max(retry_after.unwrap_or_default());
        self.next_attempt = now + wait;
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

    /// Back to closed, with a clean window.
    pub fn reset(&mut self) -> Option<Change> {
        self.reopenings = 0;
        (self.state != State::Closed).then(|| self.enter(State::Closed, Cause::ByHand))
    }

    /// Changes the settings while calls run. State, generation and the counts that still apply are
    /// kept; an open breaker is not held longer than its new reset time.
    pub fn configure(&mut self, now: Duration, settings: Settings) {
        if settings.monitoring_window != self.settings.monitoring_window {
            self.window = self.window.resized(settings.monitoring_window, now);
        }
        if self.state == State::Open && settings.reset_timeout < self.settings.reset_timeout {
            self.next_attempt = self.next_attempt.min(now + settings.reset_timeout);
        }
        self.settings = settings;
    }
}

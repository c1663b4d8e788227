//! What a breaker counts.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::clock::{Nanos, nanos};
use super::outcome::Ending;
use super::state::{Change, Counted, State};

/// How many latencies are told apart: powers of two of a microsecond, up to about 35 minutes.
pub(crate) const LATENCIES: usize = 32;

/// The bucket that holds this latency.
pub(crate) fn latency_bucket(took: Nanos) -> usize {
    let micros = took / 1000;
    ((u64::BITS - micros.leading_zeros()) as usize).min(LATENCIES - 1)
}

/// A histogram of latencies; bucket `n` holds those below `2ⁿ` µs that are not in an earlier one.
/// A call that ended within the clock's tick (1–10 ms) without ever waiting counts as one tick long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    buckets: [u64; LATENCIES],
}

impl Latency {
    /// From what was measured, and how many more ended within a `tick`.
    pub(crate) fn new(mut buckets: [u64; LATENCIES], ended: u64, tick: Duration) -> Self {
        let measured: u64 = buckets.iter().sum();
        buckets[latency_bucket(nanos(tick))] += ended.saturating_sub(measured);
        Self { buckets }
    }

    /// How many calls it holds.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// An upper bound of the given quantile (0.0 ‥ 1.0), right to a factor of two.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let all: u64 = self.buckets.iter().sum();
        if all == 0 {
            return None;
        }
        let wanted = ((all as f64 * quantile).ceil() as u64).clamp(1, all);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration::from_micros(1 << bucket))
    }
}

/// Everything that is known of one breaker at one moment.
///
/// `total = successful + failed + timeouts + rejected + ignored + cancelled`. Every call that was asked
/// for is in exactly one of them as soon as it has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// When the next attempt may be made, while open.
    pub retry_in: Option<Duration>,
    /// Calls that have ended, or were rejected; not those under way.
    pub total: u64,
    /// Calls that returned a value.
    pub successful: u64,
    /// Calls that failed, panics among them.
    pub failed: u64,
    /// Calls that took too long.
    pub timeouts: u64,
    /// Calls that were not made.
    pub rejected: u64,
    /// Calls that failed by the caller's own fault.
    pub ignored: u64,
    /// Calls that were dropped or cancelled.
    pub cancelled: u64,
    /// Of the above, those that came too late to vote.
    pub late: u64,
    /// Changes of state.
    pub transitions: u64,
    /// When a call last failed or timed out.
    pub last_failure: Option<Timestamp>,
    /// When a call last succeeded.
    pub last_success: Option<Timestamp>,
    /// The share of its life in which it let calls through, 0.0 ‥ 1.0.
    pub uptime: f64,
    /// From the first failure of the last outage to its opening.
    pub time_to_open: Option<Duration>,
    /// From the last opening to its closing.
    pub time_to_recover: Option<Duration>,
    /// How long calls took that were made.
    pub latency: Latency,
}

/// The counters behind a [`Snapshot`] that change on the slow way only. Kept under the same lock as
/// the state machine, so that both are of one moment.
#[derive(Debug)]
pub(crate) struct Tally {
    created: Nanos,
    successful: u64,
    failed: u64,
    timeouts: u64,
    ignored: u64,
    cancelled: u64,
    late: u64,
    transitions: u64,
    last_failure: Option<Seen>,
    last_success: Option<Seen>,
    /// How long the machine had been suspended when that was last looked at.
    slept: Duration,
    /// The beginning of the first failure since the last success.
    failing_since: Option<Nanos>,
    /// When it left the closed state.
    down_since: Option<Nanos>,
    down_for: Nanos,
    time_to_open: Option<Nanos>,
    time_to_recover: Option<Nanos>,
}

/// A moment that can be told in wall-clock time later, a suspend in between or not.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Nanos,
    slept: Duration,
}

impl Tally {
    pub(crate) fn new(now: Nanos, slept: Duration) -> Self {
        Self {
            created: now,
            successful: 0,
            failed: 0,
            timeouts: 0,
            ignored: 0,
            cancelled: 0,
            late: 0,
            transitions: 0,
            last_failure: None,
            last_success: None,
            slept,
            failing_since: None,
            down_since: None,
            down_for: 0,
            time_to_open: None,
            time_to_recover: None,
        }
    }

    /// How much longer the machine has been suspended than when it was asked last.
    pub(crate) fn slept_since(&mut self, slept: Duration) -> Duration {
        let gap = slept.saturating_sub(self.slept);
        self.slept = self.slept.max(slept);
        gap
    }

    pub(crate) fn succeeded(&mut self, latest: Nanos, successes: u64) {
        self.successful += successes;
        self.last_success = Some(Seen { at: latest, slept: self.slept });
        self.failing_since = None;
    }

    pub(crate) fn ended(&mut self, now: Nanos, took: Nanos, ending: Ending, counted: Counted) {
        self.late += u64::from(counted == Counted::Late);
        match ending {
            Ending::Successful => self.succeeded(now, 1),
            Ending::Failed { .. } | Ending::TimedOut => {
                if ending == Ending::TimedOut {
                    self.timeouts += 1;
                } else {
                    self.failed += 1;
                }
                self.last_failure = Some(Seen { at: now, slept: self.slept });
                self.failing_since.get_or_insert(now.saturating_sub(took));
            }
            Ending::Ignored => self.ignored += 1,
            Ending::Cancelled => self.cancelled += 1,
        }
    }

    pub(crate) fn changed(&mut self, now: Nanos, change: Change) {
        self.transitions += 1;
        let down = |state| matches!(state, State::Open | State::HalfOpen | State::Isolated);
        match (down(change.from), down(change.to)) {
            (false, true) => {
                self.down_since = Some(now);
                self.time_to_open = self.failing_since.map(|since| now.saturating_sub(since));
            }
            (true, false) => {
                if let Some(since) = self.down_since.take() {
                    let down_for = now.saturating_sub(since);
                    self.down_for += down_for;
                    self.time_to_recover = Some(down_for);
                }
            }
            (true, true) | (false, false) => {}
        }
    }

    /// Calls that were made and have ended.
    pub(crate) fn all_ended(&self) -> u64 {
        self.successful + self.failed + self.timeouts + self.ignored + self.cancelled
    }

    pub(crate) fn snapshot(&self, now: Nanos, about: About<'_>) -> Snapshot {
        let life = now.saturating_sub(self.created);
        let down = self.down_for + self.down_since.map_or(0, |since| now.saturating_sub(since));
        let wall = Timestamp::now();
        let told = |seen: Seen| {
            let slept = self.slept.saturating_sub(seen.slept);
            wall - (Duration::from_nanos(now.saturating_sub(seen.at)) + slept)
        };
        Snapshot {
            name: about.name.to_owned(),
            state: about.state,
            retry_in: about.retry_in,
            total: self.all_ended() + about.rejected,
            successful: self.successful,
            failed: self.failed,
            timeouts: self.timeouts,
            rejected: about.rejected,
            ignored: self.ignored,
            cancelled: self.cancelled,
            late: self.late,
            transitions: self.transitions,
            last_failure: self.last_failure.map(told),
            last_success: self.last_success.map(told),
            uptime: if life > 0 { (1.0 - down as f64 / life as f64).clamp(0.0, 1.0) } else { 1.0 },
            time_to_open: self.time_to_open.map(Duration::from_nanos),
            time_to_recover: self.time_to_recover.map(Duration::from_nanos),
            latency: about.latency,
        }
    }
}

/// What a snapshot says that isn't counted here.
pub(crate) struct About<'a> {
    pub(crate) name: &'a str,
    pub(crate) state: State,
    pub(crate) retry_in: Option<Duration>,
    pub(crate) rejected: u64,
    pub(crate) latency: Latency,
}

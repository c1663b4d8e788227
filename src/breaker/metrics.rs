//! What a breaker counts.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::State;
use super::state::{Change, Counted};

/// How many latencies are told apart: powers of two of a microsecond, up to about 35 minutes.
const LATENCY_BUCKETS: usize = 32;

/// A histogram of latencies; bucket `n` holds those below `2ⁿ` µs that are not in an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    buckets: [u64; LATENCY_BUCKETS],
}

impl Latency {
    fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - micros.leading_zeros()) as usize;
        self.buckets[bucket.min(LATENCY_BUCKETS - 1)] += 1;
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
/// `total = successful + failed + timeouts + rejected + ignored + cancelled`, once no call is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// When the next attempt may be made, while open.
    pub retry_in: Option<Duration>,
    /// Calls asked for.
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

/// How a call that was made went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Successful,
    Failed,
    TimedOut,
    Ignored,
    Cancelled,
}

/// The counters behind a [`Snapshot`]. Kept under the same lock as the state machine, so that a
/// snapshot is of one moment.
#[derive(Debug)]
pub(crate) struct Tally {
    created: Duration,
    total: u64,
    successful: u64,
    failed: u64,
    timeouts: u64,
    rejected: u64,
    ignored: u64,
    cancelled: u64,
    late: u64,
    transitions: u64,
    last_failure: Option<Timestamp>,
    last_success: Option<Timestamp>,
    latency: Latency,
    /// The first failure since the last success.
    failing_since: Option<Duration>,
    /// When it left the closed state.
    down_since: Option<Duration>,
    down_for: Duration,
    time_to_open: Option<Duration>,
    time_to_recover: Option<Duration>,
}

impl Tally {
    pub(crate) fn new(now: Duration) -> Self {
        Self {
            created: now,
            total: 0,
            successful: 0,
            failed: 0,
            timeouts: 0,
            rejected: 0,
            ignored: 0,
            cancelled: 0,
            late: 0,
            transitions: 0,
            last_failure: None,
            last_success: None,
            latency: Latency::default(),
            failing_since: None,
            down_since: None,
            down_for: Duration::ZERO,
            time_to_open: None,
            time_to_recover: None,
        }
    }

    pub(crate) fn asked(&mut self, admitted: bool) {
        self.total += 1;
        self.rejected += u64::from(!admitted);
    }

    pub(crate) fn ended(&mut self, now: Duration, took: Duration, ending: Ending, counted: Counted) {
        self.late += u64::from(counted == Counted::Late);
        self.latency.record(took);
        match ending {
            Ending::Successful => {
                self.successful += 1;
                self.last_success = Some(Timestamp::now());
                self.failing_since = None;
            }
            Ending::Failed | Ending::TimedOut => {
                if ending == Ending::Failed {
                    self.failed += 1;
                } else {
                    self.timeouts += 1;
                }
                self.last_failure = Some(Timestamp::now());
                self.failing_since.get_or_insert(now.saturating_sub(took));
            }
            Ending::Ignored => self.ignored += 1,
            Ending::Cancelled => self.cancelled += 1,
        }
    }

    pub(crate) fn changed(&mut self, now: Duration, change: Change) {
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

    pub(crate) fn snapshot(
        &self,
        now: Duration,
        name: &str,
        state: State,
        retry_in: Option<Duration>,
    ) -> Snapshot {
        let life = now.saturating_sub(self.created).as_secs_f64();
        let down = self.down_for + self.down_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        Snapshot {
            name: name.to_owned(),
            state,
            retry_in,
            total: self.total,
            successful: self.successful,
            failed: self.failed,
            timeouts: self.timeouts,
            rejected: self.rejected,
            ignored: self.ignored,
            cancelled: self.cancelled,
            late: self.late,
            transitions: self.transitions,
            last_failure: self.last_failure,
            last_success: self.last_success,
            uptime: if life > 0.0 { (1.0 - down.as_secs_f64() / life).clamp(0.0, 1.0) } else { 1.0 },
            time_to_open: self.time_to_open,
            time_to_recover: self.time_to_recover,
            latency: self.latency.clone(),
        }
    }
}

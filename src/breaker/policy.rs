//! The settings of one breaker.

use std::time::Duration;

/// When a breaker opens, for how long, and what closes it again.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Failures that open it: so many in the window (if volume and rate agree), or so many in a row.
    pub failure_threshold: u32,
    /// Successes of probes that close it again.
    pub success_threshold: u32,
    /// How long one call may take. A timeout cancels the work and counts as a failure.
    pub timeout: Duration,
    /// How long it stays open before the first probe.
    pub reset_timeout: Duration,
    /// The reset time doubles on each re-opening, up to this.
    pub reset_cap: Duration,
    /// The sliding window in which calls are counted.
    pub monitoring_window: Duration,
    /// Calls in the window before a rate means anything.
    pub volume_threshold: u32,
    /// The rate of failures in the window that opens it, 0.0 ‥ 1.0; 0 is the plain count rule.
    pub failure_rate_threshold: f64,
    /// A call that takes at least this long is slow; `None` turns the slow-call rule off.
    pub slow_call: Option<Duration>,
    /// The rate of slow calls in the window that opens it, 0.0 ‥ 1.0.
    pub slow_rate_threshold: f64,
    /// Probes allowed at the same time while half-open.
    pub half_open_permits: u32,
    /// A probe that hasn't reported after this is taken for hung, and counts as a failure.
    pub probe_lease: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            success_threshold: 2,
            timeout: Duration::from_secs(5),
            reset_timeout: Duration::from_secs(60),
            reset_cap: Duration::from_secs(600),
            monitoring_window: Duration::from_secs(60),
            volume_threshold: 10,
            failure_rate_threshold: 0.5,
            slow_call: None,
            slow_rate_threshold: 0.5,
            half_open_permits: 1,
            probe_lease: Duration::from_secs(60),
        }
    }
}

/// A setting that can't be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} must be {must_be}")]
pub struct SettingsError {
    /// The setting's name.
    pub setting: &'static str,
    /// What it must be.
    pub must_be: &'static str,
}

impl Settings {
    /// Refuses settings under which a breaker could never open, close, or let anything through.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let rate = |value: f64| (0.0..=1.0).contains(&value);
        let rules = [
            (self.failure_threshold > 0, "failure_threshold", "at least 1"),
            (self.success_threshold > 0, "success_threshold", "at least 1"),
            (!self.timeout.is_zero(), "timeout", "longer than 0s"),
            (!self.reset_timeout.is_zero(), "reset_timeout", "longer than 0s"),
            (self.reset_cap >= self.reset_timeout, "reset_cap", "at least reset_timeout"),
            (self.monitoring_window >= Duration::from_millis(12), "monitoring_window", "at least 12ms"),
            (rate(self.failure_rate_threshold), "failure_rate_threshold", "from 0.0 to 1.0"),
            (rate(self.slow_rate_threshold), "slow_rate_threshold", "from 0.0 to 1.0"),
            ((1..=255).contains(&self.half_open_permits), "half_open_permits", "from 1 to 255"),
            (!self.probe_lease.is_zero(), "probe_lease", "longer than 0s"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, setting, must_be)) => Err(SettingsError { setting, must_be }),
        }
    }
}

//! How much may be asked of a dependency that costs: so fast, and so much in a day.
//!
//! **Mechanics.** The rate is held by the generic cell rate algorithm (ITU-T I.371): one number, the
//! time at which an evenly spaced sequence of the calls so far would have its next; a call may be
//! early by the burst. The budget counts units (calls, seconds of audio, cents) in
//! periods that follow each other from the quota's beginning.
//!
//! Tiers that draw on one account share one `Arc<Quota>`. A tier looks in
//! [`Tier::ready`](super::Tier::ready), so that the chain passes it over without a vote, and takes
//! when it serves.
//!
//! **Limits.** It is of this process. A budget that must survive a restart and goes by the calendar is
//! kept on disk, as `cloud` does. The clock stands still in suspend, so a quota is never fuller than it
//! should be.
//!
//! This is thirty lines on the breaker's own clock; `governor`, which does the same for the rate,
//! would bring a second clock to keep in step in simulations, a hash map and a random generator.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::clock::{Clock, Nanos, nanos};
use super::{SettingsError, Unready};

/// So many calls in so long, evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in a period; as many may come at once after a rest.
    pub calls: u32,
    /// The period.
    pub period: Duration,
}

/// So many units in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Units in a period.
    pub units: u64,
    /// The period.
    pub period: Duration,
}

/// Nothing is left for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    /// Too many calls at once.
    #[error("used too often; again in {} s", retry_in.as_secs() + 1)]
    Rate {
        /// When one more may be made.
        retry_in: Duration,
    },
    /// The period's units are used up.
    #[error("its budget is used up; again in {} min", retry_in.as_secs() / 60 + 1)]
    Budget {
        /// When the next period begins.
        retry_in: Duration,
    },
}

impl From<Spent> for Unready {
    fn from(spent: Spent) -> Self {
        Self(spent.to_string())
    }
}

/// A rate and a budget, each optional. Share it as `Arc<Quota>`.
#[derive(Debug)]
pub struct Quota {
    clock: Clock,
    began: Nanos,
    /// Between two evenly spaced calls, and how early one may be; 0 is no rate.
    interval: Nanos,
    burst: Nanos,
    /// When the next evenly spaced call would be.
    next: AtomicU64,
    budget: Option<Budget>,
    /// The number of the period, and what is spent in it.
    spent: Mutex<(u64, u64)>,
}

impl Quota {
    /// A fresh quota.
    pub fn new(
        rate: Option<Rate>,
        budget: Option<Budget>,
        clock: impl Into<Clock>,
    ) -> Result<Self, SettingsError> {
        let clock = clock.into();
        let interval = match rate {
            None => 0,
            Some(Rate { calls: 0, .. }) => {
                return Err(SettingsError { setting: "rate", must_be: "at least 1 call" });
            }
            Some(Rate { calls, period }) => (nanos(period) / u64::from(calls)).max(1),
        };
        if budget.is_some_and(|budget| budget.period.is_zero()) {
            return Err(SettingsError { setting: "budget", must_be: "for longer than 0s" });
        }
        let burst = interval.saturating_mul(rate.map_or(0, |rate| u64::from(rate.calls) - 1));
        let began = clock.coarse();
        Ok(Self { began, interval, burst, next: AtomicU64::new(0), budget, spent: Mutex::default(), clock })
    }

    /// Whether a call of one unit could be made now.
    pub fn look(&self) -> Result<(), Spent> {
        let now = self.clock.coarse();
        self.rate_at(now, self.next.load(Ordering::Relaxed))?;
        self.budget_at(now, 1).map(|_| ())
    }

    /// Takes one call of so many units, or nothing.
    pub fn take(&self, units: u64) -> Result<(), Spent> {
        let now = self.clock.coarse();
        // Held over both, so that the two are taken together or not at all.
        let mut spent = self.spent.lock();
        let after = self.afford(now, *spent, units)?;
        let next = self.rate_at(now, self.next.load(Ordering::Relaxed))?;
        self.next.store(next, Ordering::Relaxed);
        *spent = after;
        Ok(())
    }

    /// Units spent in the present period.
    pub fn spent(&self) -> u64 {
        let now = self.clock.coarse();
        let spent = *self.spent.lock();
        if spent.0 == self.period(now) { spent.1 } else { 0 }
    }

    /// When the next evenly spaced call would be, after one now.
    fn rate_at(&self, now: Nanos, next: Nanos) -> Result<Nanos, Spent> {
        let early = next.saturating_sub(now);
        if early > self.burst {
            return Err(Spent::Rate { retry_in: Duration::from_nanos(early - self.burst) });
        }
        Ok(next.max(now).saturating_add(self.interval))
    }

    fn budget_at(&self, now: Nanos, units: u64) -> Result<(u64, u64), Spent> {
        let spent = *self.spent.lock();
        self.afford(now, spent, units)
    }

    fn afford(&self, now: Nanos, spent: (u64, u64), units: u64) -> Result<(u64, u64), Spent> {
        let Some(budget) = self.budget else { return Ok(spent) };
        let period = self.period(now);
        let before = if spent.0 == period { spent.1 } else { 0 };
        let after = before.saturating_add(units);
        if after > budget.units {
            let ends = (period + 1).saturating_mul(nanos(budget.period)).saturating_add(self.began);
            return Err(Spent::Budget { retry_in: Duration::from_nanos(ends.saturating_sub(now)) });
        }
        Ok((period, after))
    }

    fn period(&self, now: Nanos) -> u64 {
        self.budget.map_or(0, |budget| now.saturating_sub(self.began) / nanos(budget.period).max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::ManualClock;
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn quota(rate: Option<Rate>, budget: Option<Budget>) -> (Quota, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        (Quota::new(rate, budget, Arc::clone(&clock)).unwrap(), clock)
    }

    #[test]
    fn a_burst_and_then_evenly() {
        let (quota, clock) = quota(Some(Rate { calls: 3, period: S(30) }), None);
        for _ in 0..3 {
            quota.take(1).unwrap();
        }
        assert_eq!(quota.take(1), Err(Spent::Rate { retry_in: S(10) }));
        assert_eq!(quota.look(), quota.take(1));
        clock.advance(S(10));
        quota.take(1).unwrap();
        assert!(quota.take(1).is_err());
        clock.advance(S(1000));
        assert_eq!((0..10).filter(|_| quota.take(1).is_ok()).count(), 3);
    }

    #[test]
    fn a_budget_is_for_a_period_and_is_never_overdrawn() {
        let (quota, clock) = quota(None, Some(Budget { units: 10, period: S(3600) }));
        quota.take(7).unwrap();
        assert_eq!(quota.take(4), Err(Spent::Budget { retry_in: S(3600) }));
        quota.take(3).unwrap();
        assert_eq!(quota.spent(), 10);
        clock.advance(S(3600));
        assert_eq!(quota.spent(), 0);
        quota.take(10).unwrap();
    }

    #[test]
    fn what_the_budget_refuses_costs_no_rate() {
        let rate = Rate { calls: 1, period: S(60) };
        let (quota, _) = quota(Some(rate), Some(Budget { units: 1, period: S(3600) }));
        assert!(matches!(quota.take(2), Err(Spent::Budget { .. })));
        quota.take(1).unwrap();
    }

    #[test]
    fn many_threads_take_no_more_than_there_is() {
        let (quota, _) = quota(Some(Rate { calls: 100, period: S(60) }), None);
        let taken = std::thread::scope(|scope| {
            let takers = [(); 4].map(|()| scope.spawn(|| (0..50).filter(|_| quota.take(1).is_ok()).count()));
            takers.map(|taker| taker.join().unwrap()).iter().sum::<usize>()
        });
        assert_eq!(taken, 100);
    }
}

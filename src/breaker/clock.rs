//! Time as the breaker knows it: monotonic, and injected.
//!
//! **Why two readings.** Reading the clock costs more than everything else that a closed breaker
//! does. Measured on an AMD EPYC guest (Linux, TSC clock source): `Instant::now` 21 ns, the time
//! stamp counter 9 ns, `CLOCK_MONOTONIC_COARSE` 2.6 ns. The coarse clock is the fine one's value at
//! the kernel's last tick (1–10 ms ago), so the two share a zero and can be mixed. Rules in seconds
//! need no more than the tick; only a call that really waited is measured by the fine clock, and
//! beside its wait the reading is lost in the noise.
//!
//! **Suspend.** Both stop while the machine sleeps, which is right for how long a call took, and
//! wrong for how old a window is. [`Clock::slept`] tells how long it has slept since boot; the cold
//! paths compare it with what they saw last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::backoff::draw;

/// Nanoseconds since a clock's zero. 64 bits last for 584 years.
pub(crate) type Nanos = u64;

/// A duration in nanoseconds; what doesn't fit is for ever.
pub(crate) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A monotonic clock. Its zero is arbitrary; only differences mean anything. An enum rather than a
/// trait, so that the hot path reads it without an indirect call.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    Machine,
    /// One that moves only when told to.
    Manual(Arc<ManualClock>),
}

impl From<Arc<ManualClock>> for Clock {
    fn from(clock: Arc<ManualClock>) -> Self {
        Self::Manual(clock)
    }
}

impl Clock {
    /// How far [`Clock::coarse`] may be behind.
    pub(crate) fn tick(&self) -> Duration {
        match self {
            Self::Machine => machine::tick(),
            Self::Manual(_) => Duration::ZERO,
        }
    }

    /// The time at the last tick.
    #[inline]
    pub(crate) fn coarse(&self) -> Nanos {
        match self {
            Self::Machine => machine::coarse(),
            Self::Manual(clock) => clock.now.load(Ordering::Acquire),
        }
    }

    /// The time.
    pub(crate) fn fine(&self) -> Nanos {
        match self {
            Self::Machine => machine::fine(),
            Self::Manual(clock) => clock.now.load(Ordering::Acquire),
        }
    }

    /// A random number in 0.0 ‥ 1.0. It belongs to the clock since a simulation must have both in hand.
    pub(crate) fn draw(&self) -> f64 {
        match self {
            Self::Machine => draw(),
            Self::Manual(clock) => f64::from_bits(clock.drawn.load(Ordering::Acquire)),
        }
    }

    /// How long the machine has been suspended, by now; right to a tick.
    pub(crate) fn slept(&self) -> Duration {
        match self {
            Self::Machine => machine::slept(),
            Self::Manual(clock) => Duration::from_nanos(clock.slept.load(Ordering::Acquire)),
        }
    }
}

/// A clock that moves only when told to, for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: AtomicU64,
    slept: AtomicU64,
    /// The bits of an `f64`; at first 0.0.
    drawn: AtomicU64,
}

impl ManualClock {
    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.now.fetch_add(nanos(by), Ordering::AcqRel);
    }

    /// Suspends the machine for so long: time goes by, but the clock doesn't show it.
    pub fn suspend(&self, by: Duration) {
        self.slept.fetch_add(nanos(by), Ordering::AcqRel);
    }

    /// What random draws give from now on, 0.0 ‥ 1.0; at first 0.0.
    pub fn set_draw(&self, draw: f64) {
        self.drawn.store(draw.to_bits(), Ordering::Release);
    }

    /// The time since its zero.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.now.load(Ordering::Acquire))
    }
}

#[cfg(target_os = "linux")]
mod machine {
    use std::time::Duration;

    use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

    use super::Nanos;

    /// These clocks count from boot, so neither part is ever negative.
    fn nanos(time: Timespec) -> Nanos {
        (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
    }

    pub(super) fn tick() -> Duration {
        Duration::from_nanos(nanos(clock_getres(ClockId::MonotonicCoarse)))
    }

    #[inline]
    pub(super) fn coarse() -> Nanos {
        nanos(clock_gettime(ClockId::MonotonicCoarse))
    }

    pub(super) fn fine() -> Nanos {
        nanos(clock_gettime(ClockId::Monotonic))
    }

    pub(super) fn slept() -> Duration {
        let awake = coarse();
        Duration::from_nanos(nanos(clock_gettime(ClockId::Boottime)).saturating_sub(awake))
    }
}

/// Other systems have no cheap clock that is known to be monotonic; theirs mostly run on in suspend.
#[cfg(not(target_os = "linux"))]
mod machine {
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    use super::Nanos;

    static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(super) fn tick() -> Duration {
        Duration::ZERO
    }

    pub(super) fn coarse() -> Nanos {
        fine()
    }

    pub(super) fn fine() -> Nanos {
        super::nanos(ZERO.elapsed())
    }

    pub(super) fn slept() -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarse_clock_follows_the_fine_one() {
        let clock = Clock::Machine;
        // A loaded machine may be late with a tick; a second would be another clock.
        let tolerance = nanos(clock.tick()) + 1_000_000_000;
        for _ in 0..1000 {
            let coarse = clock.coarse();
            let fine = clock.fine();
            assert!(coarse <= fine, "it is the past");
            assert!(fine - coarse <= tolerance, "and a recent one");
        }
    }
}

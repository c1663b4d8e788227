//! Waiting longer each time, and not in step with everybody else.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Exponential growth with jitter: the wait before attempt `n` is drawn between `base` and
/// `base · 2ⁿ`, and never longer than `cap`.
///
/// The draw is "full jitter" over the part that grew, so that it never falls below the base: a
/// breaker whose reset time is a minute does not probe after a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Backoff {
    /// The wait before attempt `n`, counted from 0, with a fresh random draw.
    pub fn delay(&self, n: u32) -> Duration {
        self.delay_with(n, draw())
    }

    /// The same with the draw given, 0.0 ‥ 1.0.
    pub(crate) fn delay_with(&self, n: u32, draw: f64) -> Duration {
        let grown = self.base.saturating_mul(2_u32.saturating_pow(n)).min(self.cap);
        let floor = self.base.min(self.cap);
        floor + grown.saturating_sub(floor).mul_f64(draw.clamp(0.0, 1.0))
    }
}

/// A random number in 0.0 ‥ 1.0, from the randomness that the standard library seeds its hash maps with.
pub(crate) fn draw() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_stays_within_its_bounds() {
        let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
        assert_eq!(backoff.delay_with(0, 1.0), Duration::from_secs(1));
        assert_eq!(backoff.delay_with(3, 1.0), Duration::from_secs(8));
        assert_eq!(backoff.delay_with(3, 0.0), Duration::from_secs(1));
        assert_eq!(backoff.delay_with(40, 1.0), Duration::from_secs(60));
    }

    #[test]
    fn draws_differ() {
        let draws: Vec<f64> = (0..20).map(|_| draw()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        assert!(draws.windows(2).any(|pair| (pair[0] - pair[1]).abs() > 1e-9));
    }
}

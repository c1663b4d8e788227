//! Seeded chance: the same numbers on every machine.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 0.0 ‥ 1.0
    pub(super) fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.draw() < probability
    }

    /// The time to the next of events that come independently, `rate` of them a second.
    pub(super) fn until_next(&mut self, rate: f64) -> Duration {
        Duration::from_secs_f64(-(1.0 - self.draw()).ln() / rate)
    }

    /// A duration that is `median` half of the time: log-normal, as answers of services tend to be.
    pub(super) fn around(&mut self, median: Duration) -> Duration {
        // The sum of twelve uniform draws is near enough to a normal one.
        let normal: f64 = (0..12).map(|_| self.draw()).sum::<f64>() - 6.0;
        median.mul_f64((0.3 * normal).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_seeded_and_has_the_right_means() {
        let (mut one, mut two) = (Chance::new(7), Chance::new(7));
        assert!((0..100).all(|_| one.draw().to_bits() == two.draw().to_bits()));
        let mean = (0..20_000).map(|_| one.until_next(4.0).as_secs_f64()).sum::<f64>() / 20_000.0;
        assert!((0.24..0.26).contains(&mean), "{mean}");
        let below =
            (0..20_000).filter(|_| one.around(Duration::from_secs(1)) < Duration::from_secs(1)).count();
        assert!((9_700..10_300).contains(&below), "{below}");
    }
}

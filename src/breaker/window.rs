//! The sliding window: what happened lately, in constant memory.
//!
//! Twelve buckets, each a twelfth of the window wide and stamped with the number of the time slice
//! that it holds. A bucket whose stamp is too old is stale and counts for nothing; it is wiped when
//! its turn comes again. So nothing has to run in the background, and the window's length is right
//! to one bucket (8 %).

use std::time::Duration;

const BUCKETS: usize = 12;

/// Counts of settled calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u32,
    pub(crate) failures: u32,
    pub(crate) slow: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// The number of the time slice, plus one; 0 is a bucket that was never used.
    stamp: u64,
    counts: Counts,
}

#[derive(Debug, Clone)]
pub(crate) struct Window {
    width: Duration,
    buckets: [Bucket; BUCKETS],
}

impl Window {
    pub(crate) fn new(length: Duration) -> Self {
        let width = (length / BUCKETS as u32).max(Duration::from_nanos(1));
        Self { width, buckets: Default::default() }
    }

    fn stamp(&self, now: Duration) -> u64 {
        u64::try_from(now.as_nanos() / self.width.as_nanos()).unwrap_or(u64::MAX - 1) + 1
    }

    pub(crate) fn record(&mut self, now: Duration, failed: bool, slow: bool) {
        let counts = Counts { calls: 1, failures: failed.into(), slow: slow.into() };
        self.add(self.stamp(now), counts);
    }

    fn add(&mut self, stamp: u64, counts: Counts) {
        let bucket = &mut self.buckets[(stamp % BUCKETS as u64) as usize];
        if bucket.stamp < stamp {
            *bucket = Bucket { stamp, counts: Counts::default() };
        }
        // A bucket that is ahead of `stamp` belongs to a later slice; a call that old is forgotten.
        if bucket.stamp == stamp {
            bucket.counts.calls = bucket.counts.calls.saturating_add(counts.calls);
            bucket.counts.failures = bucket.counts.failures.saturating_add(counts.failures);
            bucket.counts.slow = bucket.counts.slow.saturating_add(counts.slow);
        }
    }

    pub(crate) fn sum(&self, now: Duration) -> Counts {
        let newest = self.stamp(now);
        let mut sum = Counts::default();
        for bucket in self.live(newest) {
            sum.calls = sum.calls.saturating_add(bucket.counts.calls);
            sum.failures = sum.failures.saturating_add(bucket.counts.failures);
            sum.slow = sum.slow.saturating_add(bucket.counts.slow);
        }
        sum
    }

    fn live(&self, newest: u64) -> impl Iterator<Item = &Bucket> {
        let oldest = (newest + 1).saturating_sub(BUCKETS as u64).max(1);
        self.buckets.iter().filter(move |bucket| (oldest..=newest).contains(&bucket.stamp))
    }

    pub(crate) fn clear(&mut self) {
        self.buckets = Default::default();
    }

    /// The same window with another length; counts that are still within it are kept.
    pub(crate) fn resized(&self, length: Duration, now: Duration) -> Self {
        let mut resized = Self::new(length);
        let newest = resized.stamp(now);
        for bucket in self.live(self.stamp(now)) {
            let at = self.width.saturating_mul(u32::try_from(bucket.stamp - 1).unwrap_or(u32::MAX));
            let stamp = resized.stamp(at).min(newest);
            if stamp + BUCKETS as u64 > newest {
                resized.add(stamp, bucket.counts);
            }
        }
        resized
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn forgets_what_is_older_than_the_window() {
        let mut window = Window::new(S(60));
        window.record(S(0), true, false);
        window.record(S(30), false, true);
        assert_eq!(window.sum(S(59)), Counts { calls: 2, failures: 1, slow: 1 });
        assert_eq!(window.sum(S(61)), Counts { calls: 1, failures: 0, slow: 1 });
        assert_eq!(window.sum(S(95)), Counts::default());
    }

    #[test]
    fn a_bucket_that_comes_round_again_starts_empty() {
        let mut window = Window::new(S(60));
        window.record(S(2), true, false);
        window.record(S(62), false, false);
        assert_eq!(window.sum(S(62)), Counts { calls: 1, failures: 0, slow: 0 });
    }

    #[test]
    fn resizing_keeps_what_still_applies() {
        let mut window = Window::new(S(60));
        window.record(S(100), true, false);
        window.record(S(140), true, false);
        assert_eq!(window.resized(S(120), S(145)).sum(S(145)).failures, 2);
        assert_eq!(window.resized(S(24), S(145)).sum(S(145)).failures, 1);
    }
}

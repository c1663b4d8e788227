//! The sliding window: what happened lately, in constant memory.
//!
//! Twelve buckets, each a twelfth of the window wide and stamped with the number of the time slice
//! that it holds. A bucket whose stamp is too old is stale and counts for nothing; it is wiped when
//! its turn comes again. So nothing has to run in the background, and the window's length is right
//! to one bucket (8 %).

use std::time::Duration;

use super::clock::{Nanos, nanos};

const BUCKETS: usize = 12;

/// Counts of settled calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) slow: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// The number of the time slice, plus one; 0 is a bucket that was never used.
    stamp: u64,
    counts: Counts,
}

#[derive(Debug, Clone)]
pub(crate) struct Window {
    width: Nanos,
    buckets: [Bucket; BUCKETS],
}

impl Window {
    pub(crate) fn new(length: Duration) -> Self {
        Self { width: (nanos(length) / BUCKETS as u64).max(1), buckets: Default::default() }
    }

    fn stamp(&self, now: Nanos) -> u64 {
        (now / self.width).saturating_add(1)
    }

    /// When the slice that holds `now` is over.
    pub(crate) fn slice_ends(&self, now: Nanos) -> Nanos {
        (now / self.width).saturating_add(1).saturating_mul(self.width)
    }

    pub(crate) fn record(&mut self, now: Nanos, counts: Counts) {
        self.add(self.stamp(now), counts);
    }

    fn add(&mut self, stamp: u64, counts: Counts) {
        let bucket = &mut self.buckets[(stamp % BUCKETS as u64) as usize];
        if bucket.stamp < stamp {
            *bucket = Bucket { stamp, counts: Counts::default() };
        }
        // A bucket that is ahead of `stamp` belongs to a later slice; a call that old is forgotten.
        if bucket.stamp == stamp {
            bucket.counts.add(counts);
        }
    }

    pub(crate) fn sum(&self, now: Nanos) -> Counts {
        let mut sum = Counts::default();
        for bucket in self.live(self.stamp(now)) {
            sum.add(bucket.counts);
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
    pub(crate) fn resized(&self, length: Duration, now: Nanos) -> Self {
        let mut resized = Self::new(length);
        let newest = resized.stamp(now);
        for bucket in self.live(self.stamp(now)) {
            let at = self.width.saturating_mul(bucket.stamp - 1);
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
    const FAILED: Counts = Counts { calls: 1, failures: 1, slow: 0 };
    const SLOW: Counts = Counts { calls: 1, failures: 0, slow: 1 };

    const fn at(seconds: u64) -> Nanos {
        seconds * 1_000_000_000
    }

    #[test]
    fn forgets_what_is_older_than_the_window() {
        let mut window = Window::new(S(60));
        window.record(at(0), FAILED);
        window.record(at(30), SLOW);
        assert_eq!(window.sum(at(59)), Counts { calls: 2, failures: 1, slow: 1 });
        assert_eq!(window.sum(at(61)), SLOW);
        assert_eq!(window.sum(at(95)), Counts::default());
    }

    #[test]
    fn a_bucket_that_comes_round_again_starts_empty() {
        let mut window = Window::new(S(60));
        window.record(at(2), FAILED);
        window.record(at(62), SLOW);
        assert_eq!(window.sum(at(62)), SLOW);
    }

    #[test]
    fn resizing_keeps_what_still_applies() {
        let mut window = Window::new(S(60));
        window.record(at(100), FAILED);
        window.record(at(140), FAILED);
        assert_eq!(window.resized(S(120), at(145)).sum(at(145)).failures, 2);
        assert_eq!(window.resized(S(24), at(145)).sum(at(145)).failures, 1);
    }

    #[test]
    fn a_slice_ends_where_the_next_stamp_begins() {
        let window = Window::new(S(60));
        assert_eq!(window.slice_ends(at(7)), at(10));
        assert_eq!(window.slice_ends(at(10)), at(15));
        assert_ne!(window.stamp(at(9)), window.stamp(at(10)));
    }
}

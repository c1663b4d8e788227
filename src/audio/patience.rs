//! How long something has been waited for, by whoever was there to see it come.
//!
//! A program that was stopped (by a debugger, or with the whole machine) finds when it goes on that nothing has come for
//! long. That says nothing of the device: what has come meanwhile is just being read, on another thread. So of the time
//! between two looks no more counts than a busy machine may put between them.

use std::time::{Duration, Instant};

/// So far apart are two looks at most, if nobody is stopped.
const APART: Duration = Duration::from_millis(500);

/// Waits for something that comes again and again, and is looked for more often than twice a second.
#[derive(Debug)]
pub(super) struct Patience {
    waited: Duration,
    looked: Instant,
}

impl Patience {
    /// Something has come.
    pub(super) fn begin(now: Instant) -> Self {
        Self { waited: Duration::ZERO, looked: now }
    }

    /// Looks: nothing has come since. Tells for how long.
    pub(super) fn waited(&mut self, now: Instant) -> Duration {
        self.waited += now.saturating_duration_since(self.looked).min(APART);
        self.looked = now;
        self.waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_stopped_has_not_waited() {
        let begin = Instant::now();
        let at = |milliseconds: u64| begin + Duration::from_millis(milliseconds);
        let mut patience = Patience::begin(begin);
        for look in 1..=10 {
            assert_eq!(patience.waited(at(100 * look)), Duration::from_millis(100 * look));
        }
        // Stopped for an hour; awake for a second more.
        let hour = 3_600_000;
        assert_eq!(patience.waited(at(1_000 + hour)), Duration::from_millis(1_500));
        assert_eq!(patience.waited(at(2_000 + hour)), Duration::from_millis(2_000));
        assert_eq!(patience.waited(at(2_300 + hour)), Duration::from_millis(2_300));
    }
}

//! Successes of a closed breaker, counted without a lock and without two threads writing to one
//! cache line.
//!
//! **Mechanics.** Each thread counts in the stripe that its number picks. A stripe's cell holds the
//! *epoch* for which it counts, and the count:
//!
//! ```text
//!  63          32 31           0
//! ┌──────────────┬──────────────┐
//! │ epoch, 0: off│ successes    │
//! └──────────────┴──────────────┘
//! ```
//!
//! The state machine *arms* the stripes with a new epoch whenever a success means nothing but "one
//! more in this slice of the window": closed (or disabled), no failure since the last success. It
//! *disarms* them, taking the counts out, before anything else happens: a failure, a transition, a
//! change of settings, the end of the slice, a look at the metrics.
//!
//! **Why that is exact.** [`Stripes::count`] raises the count by a compare-and-swap of the whole
//! cell, so it succeeds only while the epoch is still the one that the caller read before it
//! decided that its call may be counted so. Disarming swaps the cell for an empty one. The two are
//! read-modify-writes of one location, hence totally ordered: a success is either in the count that
//! the disarming takes out, or it isn't counted and goes the slow way under the lock. Nothing is
//! lost, counted twice, or counted for another generation.
//!
//! **Coming round.** Epochs are 32 bits. A wrong count needs one thread to be stopped between two
//! neighbouring loads while the others arm *exactly* a multiple of 2³² − 1 times (minutes of nothing
//! but that), and to find the same count then. Counts are 32 bits too; a full cell refuses, and the
//! call goes the slow way, which empties it.
//!
//! **Orderings.** Arming is a `Release` store and counting an `AcqRel` exchange, so whoever counts
//! has seen all that was published before the arming; disarming is an `AcqRel` swap, so it sees
//! `latest` of every success that it takes out. `rejected` orders nothing: it is only summed.

use super::clock::Nanos;
use super::sync::{AtomicU64, Ordering, STRIPES, thread_number};

/// For how many stripes' worth of threads a breaker scales. Two cache lines each, since neighbouring
/// lines are fetched in pairs.
#[derive(Debug)]
pub(crate) struct Stripes([Stripe; STRIPES]);

#[derive(Debug)]
#[repr(align(128))]
struct Stripe {
    cell: AtomicU64,
    /// When the latest success was counted here.
    latest: AtomicU64,
    /// Rejected calls, ever.
    rejected: AtomicU64,
}

/// What the stripes held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) successes: u64,
    pub(crate) latest: Nanos,
}

const EPOCH_SHIFT: u32 = 32;

impl Stripes {
    /// Off.
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Stripe {
            cell: AtomicU64::new(0),
            latest: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
        }))
    }

    #[inline]
    fn mine(&self) -> &Stripe {
        &self.0[thread_number() % STRIPES]
    }

    /// Counts a success, if the stripes are still armed with this epoch.
    #[inline]
    pub(crate) fn count(&self, epoch: u32, now: Nanos) -> bool {
        let stripe = self.mine();
        let mut cell = stripe.cell.load(Ordering::Relaxed);
        loop {
            if (cell >> EPOCH_SHIFT) as u32 != epoch || cell as u32 == u32::MAX {
                return false;
            }
            stripe.latest.store(now, Ordering::Relaxed);
            match stripe.cell.compare_exchange_weak(cell, cell + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(changed) => cell = changed,
            }
        }
    }

    /// Counts a rejected call.
    #[inline]
    pub(crate) fn reject(&self) {
        self.mine().rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls rejected so far.
    pub(crate) fn rejected(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.rejected.load(Ordering::Relaxed)).sum()
    }

    /// Lets successes be counted for this epoch, which isn't 0. Only while disarmed.
    pub(crate) fn arm(&self, epoch: u32) {
        for stripe in &self.0 {
            stripe.cell.store(u64::from(epoch) << EPOCH_SHIFT, Ordering::Release);
        }
    }

    /// Stops the counting and takes out what was counted.
    pub(crate) fn disarm(&self) -> Taken {
        let mut taken = Taken::default();
        for stripe in &self.0 {
            let count = stripe.cell.swap(0, Ordering::AcqRel) as u32;
            if count > 0 {
                taken.successes += u64::from(count);
                taken.latest = taken.latest.max(stripe.latest.load(Ordering::Relaxed));
            }
        }
        taken
    }
}

//! The primitives that the lock-free part is made of. Collected here so that a model checker can
//! put its own in their place and run the very same code.

use std::cell::Cell;
pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::atomic::Ordering;

pub(crate) use parking_lot::{Mutex, MutexGuard};

/// How many threads can count at the same time without meeting.
pub(crate) const STRIPES: usize = 8;

/// This thread's number: the first to ask is 0, the next 1, and so on.
#[inline]
pub(crate) fn thread_number() -> usize {
    use std::sync::atomic::AtomicUsize;

    const NONE: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<usize> = const { Cell::new(NONE) });

    NUMBER.with(|number| {
        if number.get() == NONE {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) % NONE);
        }
        number.get()
    })
}

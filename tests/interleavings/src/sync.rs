//! What takes the place of `src/breaker/sync.rs`.

pub(crate) use std::sync::atomic::Ordering;

/// Two, so that threads meet on one, and count on different ones too.
pub(crate) const STRIPES: usize = 2;

#[cfg(feature = "loom")]
mod primitives {
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::AtomicU64;
    pub(crate) use loom::thread::spawn;

    loom::thread_local!(static NUMBER: std::cell::Cell<usize> = std::cell::Cell::new(0));

    pub(crate) fn thread_number() -> usize {
        NUMBER.with(std::cell::Cell::get)
    }

    pub(crate) fn set_thread_number(number: usize) {
        NUMBER.with(|it| it.set(number));
    }

    /// Loom's mutex without the poison.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }

    /// Runs the schedule in every order that has at most so many preemptions.
    pub(crate) fn model(preemptions: usize, schedule: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.max_branches = 10_000;
        builder.check(schedule);
    }
}

#[cfg(not(feature = "loom"))]
mod primitives {
    pub(crate) use std::sync::Arc;
    pub(crate) use std::sync::atomic::AtomicU64;
    pub(crate) use std::thread::spawn;

    pub(crate) use parking_lot::{Mutex, MutexGuard};

    thread_local!(static NUMBER: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });

    pub(crate) fn thread_number() -> usize {
        NUMBER.get()
    }

    pub(crate) fn set_thread_number(number: usize) {
        NUMBER.set(number);
    }

    /// Runs the schedule a few times, in whatever order comes.
    pub(crate) fn model(_: usize, schedule: impl Fn()) {
        for _ in 0..20 {
            schedule();
        }
    }
}

pub(crate) use primitives::*;

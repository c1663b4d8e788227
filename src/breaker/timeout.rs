//! A timeout cancels the work, it doesn't just stop waiting.
//!
//! Asynchronous work is cancelled by dropping its future. Native and blocking work can't be
//! dropped; it gets an [`AbortFlag`] to poll, which is set when the wait ends for whatever reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells blocking work to stop. Cheap to poll and to clone.
#[derive(Debug, Clone, Default)]
pub struct AbortFlag(Arc<AtomicBool>);

impl AbortFlag {
    /// Whether the work should stop: nobody waits for its result any more.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Asks the work to stop. Can't be taken back.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Sets the flag when it goes out of scope.
pub(crate) struct AbortOnDrop(pub(crate) AbortFlag);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

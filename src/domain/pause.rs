//! Falling silent: perhaps at the end of what one has to say, perhaps in the middle.

use std::sync::atomic::{AtomicU64, Ordering};

/// Names a pause in what somebody says; no other pause of this run has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PauseId(u64);

impl PauseId {
    /// A new one.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// Whether words that were said are all that somebody has to say, as far as the words tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Completeness {
    /// They are a whole command, and nothing that goes on from them is one.
    Complete,
    /// They are a whole command, and so is something that goes on from them.
    Extensible,
    /// Something must follow, or can be anything.
    Unfinished,
    /// The words tell nothing, or are not known yet.
    #[default]
    Unknown,
}

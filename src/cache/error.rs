//! Why Redis gave nothing.

use crate::breaker::{Class, Classify};

/// Why Redis gave nothing. Details went to the log; nobody is told, since nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// It can't be reached.
    #[error("Redis can't be reached")]
    Unreachable,
    /// It answers, but not with what was asked for: no rights, no memory, still loading.
    #[error("Redis refuses")]
    Refused,
}

impl Classify for CacheError {
    fn class(&self) -> Class {
        Class::Failure
    }
}

//! How a call went, and how that counts.

use std::time::Duration;

use super::name::Name;
use super::state::{State, Vote};

/// How an error counts. Decided where the error arises, by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The dependency failed. Counts.
    Failure,
    /// The dependency is overloaded. Counts, and sets the time of the next attempt.
    Overload {
        /// What the server asked for, as `Retry-After` does.
        retry_after: Option<Duration>,
    },
    /// The caller's own fault, such as a bad request. The dependency works; doesn't count.
    Caller,
    /// The user or a shutdown stopped it. Doesn't count.
    Cancelled,
    /// The dependency was not asked at all: over budget, no permission. Doesn't count, and says nothing
    /// of other tiers.
    Declined,
}

/// Says how an error counts.
pub trait Classify {
    /// How it counts.
    fn class(&self) -> Class;

    /// Whether the work may have taken effect in spite of the error. Such a call is never repeated
    /// on another tier when its effect must happen at most once.
    fn may_have_happened(&self) -> bool {
        false
    }
}

impl Classify for std::convert::Infallible {
    fn class(&self) -> Class {
        match *self {}
    }
}

/// How a call that was made went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Successful,
    Failed { retry_after: Option<Duration> },
    TimedOut,
    Ignored,
    Cancelled,
}

impl Ending {
    pub(crate) fn of(error: &impl Classify) -> Self {
        match error.class() {
            Class::Failure => Self::Failed { retry_after: None },
            Class::Overload { retry_after } => Self::Failed { retry_after },
            Class::Caller | Class::Declined => Self::Ignored,
            Class::Cancelled => Self::Cancelled,
        }
    }

    pub(crate) fn vote(self) -> Vote {
        match self {
            Self::Successful => Vote::Success,
            Self::Failed { retry_after } => Vote::Failure { retry_after },
            Self::TimedOut => Vote::Failure { retry_after: None },
            Self::Ignored | Self::Cancelled => Vote::None,
        }
    }
}

/// A call that was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{breaker} is {state}")]
pub struct Rejected {
    /// The breaker.
    pub breaker: Name,
    /// Its state.
    pub state: State,
    /// After this at the latest the next attempt may be made; `None` while it is held open by hand.
    pub retry_in: Option<Duration>,
}

/// Why a call gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError<E> {
    /// It was not made: the breaker is open.
    #[error(transparent)]
    Rejected(Rejected),
    /// It took too long, and was cancelled.
    #[error("no answer within {after:?}")]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// It was made, and failed.
    #[error("{0}")]
    Failed(E),
}

impl<E> CallError<E> {
    /// The call's own error, if it was made and failed.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Rejected(_) | Self::TimedOut { .. } => None,
        }
    }
}

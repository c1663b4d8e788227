//! What a breaker tells those who watch it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, State};

/// A breaker changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The breaker.
    pub breaker: String,
    /// The state it left.
    pub from: State,
    /// The state it entered.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// When, by the wall clock.
    pub at: Timestamp,
}

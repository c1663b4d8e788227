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

/// A chain did not serve a request by its first tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// The chain.
    pub chain: String,
    /// The tier that served; `None` if none did.
    pub served: Option<String>,
    /// The tiers before it, and why each was passed over.
    pub passed: Vec<(String, Passed)>,
}

/// Why a tier was passed over, without anything of the error itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passed {
    /// It may not be tried.
    Unready,
    /// Its breaker is open.
    Rejected,
    /// The deadline was over before its turn.
    NoTime,
    /// It took too long.
    TimedOut,
    /// It failed.
    Failed,
}

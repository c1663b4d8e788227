//! How one can talk to the program at the moment.

use serde::{Deserialize, Serialize};

/// How the user is heard. Text works in every mode; this says whether voice does too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not known yet: devices and models are still being opened. Text works already.
    Starting,
    /// The microphone is heard and recognised.
    Voice,
    /// Only typed lines.
    Text,
}

/// Where the chains end without which nobody is heard, when none of their tiers works.
pub const TEXT_INPUT: &str = "text-input-mode";

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Voice => "voice",
            Self::Text => "text",
        })
    }
}

/// A chain that is not served by its first tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degradation {
    /// The chain, such as `audio-input`.
    pub chain: String,
    /// What works instead, such as `text-input-mode`.
    pub now: String,
    /// One plain sentence: what is lost, what works instead.
    pub what: String,
    /// One plain sentence: what the user can do.
    pub remedy: String,
}

//! Whether a meaning may be acted on.

use serde::{Deserialize, Serialize};

use super::Intent;

/// What the safety policy says. Ordered: a later variant is stricter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Act at once.
    Allow,
    /// Ask first, saying what would come of it.
    Confirm {
        /// One sentence, in the user's words: "This deletes files."
        consequence: String,
    },
    /// Do not act.
    Refuse {
        /// One sentence that says why and what to do instead.
        reason: String,
    },
}

impl Verdict {
    /// The stricter of two verdicts; of two equally strict ones, the first.
    #[must_use]
    pub fn or_stricter(self, other: Self) -> Self {
        if other.strictness() > self.strictness() { other } else { self }
    }

    /// The verdict on two things that are done together: the stricter one; of two questions, both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Confirm { consequence: one }, Self::Confirm { consequence: other }) => {
                let consequence = if one.contains(&other) { one } else { format!("{one} {other}") };
                Self::Confirm { consequence }
            }
            (one, other) => one.or_stricter(other),
        }
    }

    fn strictness(&self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Confirm { .. } => 1,
            Self::Refuse { .. } => 2,
        }
    }
}

/// An intent with the verdict on it: all that the conversation needs to act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interpretation {
    /// What was meant.
    #[serde(flatten)]
    pub intent: Intent,
    /// Whether it may be done.
    #[serde(flatten)]
    pub verdict: Verdict,
}

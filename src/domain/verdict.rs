//! Whether a meaning may be acted on.

use serde::{Deserialize, Serialize};

use super::{Confidence, Intent};

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
    /// The verdict on two things that are done together: the stricter one; of two questions, both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Confirm { consequence: one }, Self::Confirm { consequence: other }) => {
                let consequence = if one.contains(&other) { one } else { format!("{one} {other}") };
                Self::Confirm { consequence }
            }
            (one, other) if other.strictness() > one.strictness() => other,
            (one, _) => one,
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
    /// What was taken for something else than was heard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<Correction>,
}

impl Interpretation {
    /// Of what was heard as it was said.
    pub fn new(intent: Intent, verdict: Verdict) -> Self {
        Self { intent, verdict, corrections: Vec::new() }
    }
}

/// Words that were taken for others, which they sound like and which mean something now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    /// As it was heard.
    pub heard: String,
    /// As what it was taken.
    pub taken: String,
    /// How much the one sounds like the other. What was heard is that much less sure.
    pub likeness: Confidence,
}

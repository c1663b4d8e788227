//! What is answered.

use serde::{Deserialize, Serialize};

/// An answer: printed long, spoken short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// How it is meant.
    pub tone: Tone,
    /// What is printed; may have several lines.
    pub text: String,
    /// What is spoken: one or two sentences.
    pub speech: String,
}

/// How a reply is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// It was done, or here is what was asked for.
    Answer,
    /// Something is asked back; see the pending confirmation.
    Question,
    /// A question about what an AI thought of: whoever agrees must have seen it.
    Proposal,
    /// It was not done.
    Problem,
}

impl Reply {
    /// Whether something is asked back.
    pub fn asks(&self) -> bool {
        matches!(self.tone, Tone::Question | Tone::Proposal)
    }

    /// The same words printed and spoken.
    pub fn plain(tone: Tone, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { tone, speech: text.clone(), text }
    }

    /// Different words printed and spoken.
    pub fn new(tone: Tone, text: impl Into<String>, speech: impl Into<String>) -> Self {
        Self { tone, text: text.into(), speech: speech.into() }
    }
}

/// Words as a sentence: with a capital at the beginning and a full stop at the end.
pub fn sentence(words: &str) -> String {
    let words = words.trim();
    let mut characters = words.chars();
    let Some(first) = characters.next() else { return String::new() };
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), characters.as_str())
}

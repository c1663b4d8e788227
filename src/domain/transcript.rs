//! Speech as text.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How sure a recogniser is, 0.0 ‥ 1.0. Text that was typed has [`Confidence::CERTAIN`].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confidence(f32);

impl Confidence {
    /// Typed, or confirmed by hand.
    pub const CERTAIN: Self = Self(1.0);

    /// Clamps into 0.0 ‥ 1.0; not-a-number becomes 0.0.
    pub fn new(value: f32) -> Self {
        Self(if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) })
    }

    /// The number.
    pub fn get(self) -> f32 {
        self.0
    }
}

/// What a recogniser made of an utterance. The same type whichever tier made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The words, as the recogniser writes them. Empty when nothing was said.
    pub text: String,
    /// The mean probability of the tokens.
    pub confidence: Confidence,
    /// The tier that served it, such as `local-whisper`.
    pub tier: String,
    /// From the end of the utterance to this text.
    pub took: Duration,
}

impl Transcript {
    /// Whether nobody said anything.
    pub fn is_silence(&self) -> bool {
        self.text.trim().is_empty()
    }
}

//! What somebody said or typed, before anything is made of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Pcm;

/// Names an utterance for ever: a UUIDv7, so that ids sort by time. It is also the idempotency key
/// under which the utterance is executed at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UtteranceId(Uuid);

impl UtteranceId {
    /// A new id, from the wall clock and randomness.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl From<UtteranceId> for Uuid {
    fn from(id: UtteranceId) -> Self {
        id.0
    }
}

impl From<Uuid> for UtteranceId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl std::fmt::Display for UtteranceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for UtteranceId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// Where an utterance came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Spoken into the microphone.
    Microphone,
    /// Spoken in a recording.
    Recording,
    /// Typed at the console or piped in.
    Typed,
    /// Sent over the control socket or given to `do`.
    Control,
}

/// What came in.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Sound between two endpoints, pre-roll and tail included.
    Speech(Pcm),
    /// A line of text.
    Text(String),
    /// Speech that was made into words elsewhere, with a recogniser's habits in it.
    Transcribed(String),
}

/// One turn's worth of input.
#[derive(Debug, Clone, PartialEq)]
pub struct Utterance {
    /// Its name and idempotency key.
    pub id: UtteranceId,
    /// Where it came in.
    pub origin: Origin,
    /// When its end was found (speech) or it was submitted (text).
    pub at: Timestamp,
    /// What came in.
    pub content: Content,
    /// Whether it is for the program, as far as is known when it arrives.
    pub is_attended: bool,
    /// Whether whoever said it agrees beforehand to what would be asked. What an AI makes of it is asked all the same.
    pub is_agreed: bool,
}

impl Utterance {
    /// Speech that has just ended.
    pub fn spoken(origin: Origin, pcm: Pcm) -> Self {
        Self::new(origin, Content::Speech(pcm))
    }

    /// A line that has just been submitted.
    pub fn typed(origin: Origin, text: impl Into<String>) -> Self {
        Self::new(origin, Content::Text(text.into()))
    }

    /// What `do` is given, or the control socket: a line, or a transcript of speech.
    pub fn sent(text: String, spoken: bool, is_agreed: bool) -> Self {
        let content = if spoken { Content::Transcribed(text) } else { Content::Text(text) };
        Self { is_agreed, ..Self::new(Origin::Control, content) }
    }

    fn new(origin: Origin, content: Content) -> Self {
        Self {
            id: UtteranceId::generate(),
            origin,
            at: Timestamp::now(),
            content,
            is_attended: true,
            is_agreed: false,
        }
    }
}

//! The durable record of an utterance.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Command, Interpretation, Origin, Outcome, Reply, Transcript, UtteranceId};

/// A step of a turn, added to the record as it is reached.
///
/// [`Stage::Commanded`] is written *before* the command is sent: after a crash, a record that has a
/// command and no outcome is known to be uncertain, and is never executed again.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// The words are known.
    Transcribed(Transcript),
    /// The meaning and the verdict are known.
    Understood(Interpretation),
    /// This is about to be sent to the terminal.
    Commanded(Command),
    /// The terminal did it.
    Acted(Outcome),
    /// The turn is over; this was answered.
    Replied(Reply),
    /// The turn is over without an answer: cancelled, failed, interrupted by a crash.
    Abandoned {
        /// Why, in a few words.
        reason: String,
    },
}

impl Stage {
    /// The reason that the program was stopped before it came to it.
    pub const STOPPED: &str = "the program was stopped first";
}

/// An utterance with all that came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The utterance.
    pub id: UtteranceId,
    /// Where it came in.
    pub origin: Origin,
    /// When.
    pub at: Timestamp,
    /// How long the speech was, in seconds; `None` for typed text.
    pub speech_seconds: Option<f64>,
    /// The words: typed, or recognised.
    pub text: Option<String>,
    /// The recogniser's tier and confidence.
    pub transcript: Option<Transcript>,
    /// Meaning and verdict.
    pub interpretation: Option<Interpretation>,
    /// What was sent to the terminal.
    pub command: Option<Command>,
    /// What came of it.
    pub outcome: Option<Outcome>,
    /// What was answered.
    pub reply: Option<Reply>,
    /// Why the turn ended without an answer.
    pub abandoned: Option<String>,
}

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
    /// It is asked first, in these words.
    Asked {
        /// What a "yes" would do.
        summary: String,
    },
    /// What became of the question that was asked. It comes when that turn is over.
    Settled(Settled),
    /// It answers what this utterance has asked, or cancels what that one has begun.
    Concerns(UtteranceId),
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

/// A meaning with its verdict, and what it led to besides commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Understood {
    /// Meaning and verdict.
    #[serde(flatten)]
    pub interpretation: Interpretation,
    /// What was asked before anything was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Asked>,
    /// The utterance whose question this answers, or that it cancels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concerns: Option<UtteranceId>,
}

impl From<Interpretation> for Understood {
    fn from(interpretation: Interpretation) -> Self {
        Self { interpretation, question: None, concerns: None }
    }
}

/// A question, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What a "yes" would do.
    pub summary: String,
    /// Nothing while it is open, and for ever if the program died meanwhile.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// How it ended.
    pub answer: Answered,
    /// The utterance that did it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UtteranceId>,
}

/// How a question ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// Yes: what was asked is done.
    Confirmed,
    /// No, or "cancel".
    Declined,
    /// Something else was said, and done instead.
    Replaced,
    /// Nobody answered in time.
    Expired,
    /// The program was stopped first.
    Stopped,
}

/// The last of the commands that a turn has sent, and those before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The last.
    #[serde(flatten)]
    pub command: Command,
    /// Those before it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
}

impl From<Command> for Sent {
    fn from(command: Command) -> Self {
        Self { command, earlier: Vec::new() }
    }
}

/// A command that others followed, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// What was sent.
    pub command: Command,
    /// What came of it, as in [`Record::outcome`].
    pub outcome: Option<Outcome>,
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
    /// Meaning and verdict, and what became of the question where there was one.
    pub interpretation: Option<Understood>,
    /// What was sent to the terminal last, and what before it.
    pub command: Option<Sent>,
    /// What came of the last. Without it: it failed or was cancelled, as the answer tells; after a crash, nobody knows.
    pub outcome: Option<Outcome>,
    /// What was answered.
    pub reply: Option<Reply>,
    /// Why the turn ended without an answer.
    pub abandoned: Option<String>,
}

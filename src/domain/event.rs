//! What happens, for everybody who watches: console, log, control socket.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Command, Cue, Degradation, InputMode, Interpretation, Listening, Mode, Origin, Reply, Transcript,
    UtteranceId,
};

/// Something that happened. A closed set: a watcher matches on all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Voice became possible or impossible.
    ModeChanged {
        /// The mode from now on.
        mode: Mode,
    },
    /// It listens to others, or not any more, or does so otherwise.
    ListeningChanged(Listening),
    /// Words are taken otherwise from now on.
    InputChanged {
        /// As what.
        input: InputMode,
    },
    /// A sign is due, for whoever wants to hear one.
    Cue {
        /// Which.
        cue: Cue,
    },
    /// A chain left its first tier, or moved to another.
    Degraded(Degradation),
    /// A chain is served by its first tier again.
    Recovered {
        /// The chain.
        chain: String,
        /// One plain sentence.
        what: String,
    },
    /// Something that takes longer than a second.
    Progress(Progress),
    /// What was being said aloud is cut off, because somebody wants to say something.
    Interrupted {
        /// How.
        by: Interruption,
    },
    /// Somebody began to speak.
    SpeechStarted,
    /// It came to nothing: a click, or a cough.
    NothingSaid,
    /// What somebody who still speaks, or has just fallen silent, seems to have said so far. It may be
    /// taken back by the next of these, and by [`Event::Transcribed`].
    Partial {
        /// The words.
        text: String,
    },
    /// An utterance came in and is in the journal.
    Heard {
        /// Its id.
        id: UtteranceId,
        /// Where from.
        origin: Origin,
        /// How long the speech was.
        speech: Option<Duration>,
    },
    /// The words are known.
    Transcribed {
        /// Its id.
        id: UtteranceId,
        /// The words.
        transcript: Transcript,
    },
    /// The meaning is known.
    Understood {
        /// Its id.
        id: UtteranceId,
        /// Meaning and verdict.
        interpretation: Interpretation,
    },
    /// The terminal is being asked.
    Acting {
        /// Its id.
        id: UtteranceId,
        /// What for.
        command: Command,
    },
    /// The turn is over.
    Replied {
        /// Its id.
        id: UtteranceId,
        /// The answer.
        reply: Reply,
    },
    /// Something to tell that belongs to no turn.
    Notice {
        /// One line or more.
        text: String,
    },
    /// The program is going down in order.
    Stopping,
}

/// How somebody cuts off what is being said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// By speaking over it.
    Voice,
    /// By a key: the one that is held to talk, or any at the prompt.
    Key,
    /// By a line.
    Line,
}

/// How far something has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What, such as "loading tiny.en".
    pub what: String,
    /// Done units, such as bytes.
    pub done: u64,
    /// All units, when known.
    pub total: Option<u64>,
    /// Whether this is the last report of it.
    pub finished: bool,
}

//! The lines of the control socket.

use serde::{Deserialize, Serialize};

use crate::breaker::Snapshot;
use crate::config::BreakerOverride;
use crate::conversation::Standing;
use crate::domain::{Event, Forgotten, Listening, ListeningChange, Record, Reply, Selection};

/// The longest line that is read, in bytes: 10,000 spoken words and room to spare.
pub(super) const LONGEST_LINE: usize = 1 << 20;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// One typed turn. → [`Response::Answer`]
    Do {
        /// The words.
        text: String,
        /// Answer a question with yes.
        #[serde(default)]
        yes: bool,
        /// The words were spoken, and recognised elsewhere.
        #[serde(default)]
        spoken: bool,
    },
    /// → [`Response::Status`]
    Status,
    /// Something done to a breaker by hand. → [`Response::Breaker`]
    Breaker {
        /// Its name.
        name: String,
        /// What.
        hand: ByHand,
    },
    /// Listen, or don't; without a change, only asks. → [`Response::Listening`]
    Listen {
        /// What is asked.
        #[serde(default)]
        change: Option<ListeningChange>,
    },
    /// Forget turns of the history. → [`Response::Forgotten`]
    Forget {
        /// Which.
        #[serde(default)]
        selection: Selection,
    },
    /// What a search finds among the turns that are not on disk yet. → [`Response::Unsaved`]
    Unsaved {
        /// The words; all turns without any.
        #[serde(default)]
        search: Option<String>,
        /// How many at most.
        limit: u32,
    },
    /// → [`Response::Event`], until the client goes.
    Watch,
}

/// What is done to a breaker by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByHand {
    /// Held open, until it is reset.
    Isolate,
    /// Held closed, until it is reset.
    Disable,
    /// Back to closed, with a clean window.
    Reset,
    /// Other settings, until the configuration changes or the program ends.
    Set(BreakerOverride),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
pub enum Response {
    /// The turn is over. `None` when nothing was said.
    Answer {
        /// The answer.
        reply: Option<Reply>,
    },
    /// How things stand.
    Status(Box<Status>),
    /// How the breaker is now.
    Breaker(Box<Snapshot>),
    /// How listening stands now.
    Listening(Listening),
    /// So much was forgotten.
    Forgotten(Forgotten),
    /// These are in memory only, the newest first.
    Unsaved {
        /// The turns.
        records: Vec<Record>,
    },
    /// Something happened.
    Event(Box<Event>),
    /// The request can't be served.
    Error {
        /// One line.
        what: String,
    },
}

/// How a running voice-terminal stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The conversation.
    pub standing: Standing,
    /// The chains, and the tier of each that is in use.
    pub chains: Vec<ChainStanding>,
    /// The breakers.
    pub breakers: Vec<Snapshot>,
    /// What the database has not been given of the history; `None` if there is no database.
    #[serde(default)]
    pub delivery: Option<Delivery>,
    /// Tasks that are alive in it: what it grows by, if it grows.
    #[serde(default)]
    pub tasks: usize,
}

/// What a database has not been given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Turns that wait.
    pub waiting: u64,
    /// Turns that it will never take.
    pub refused: u64,
}

/// A chain, and who serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainStanding {
    /// The chain.
    pub chain: String,
    /// Its tiers in order.
    pub tiers: Vec<String>,
    /// The tier in use, or what works instead of all of them.
    pub in_use: String,
}

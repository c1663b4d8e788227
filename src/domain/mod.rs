//! Plain data and the few ports that the rest of the program speaks in.
//!
//! Nothing here does I/O, knows a library of the outside world, or imports another module of this
//! crate. Data flows one way through these types:
//! [`Utterance`] → [`Transcript`] → [`Intent`] → [`Verdict`] → [`Command`] → [`Outcome`] → [`Reply`].
//!
//! **Architecture invariant:** `domain` knows nobody.

mod aliases;
mod command;
mod event;
mod expectation;
mod failure;
mod forgetting;
mod front;
mod host;
mod input;
mod intent;
mod listening;
mod mode;
mod names;
mod pause;
mod pcm;
mod ports;
mod reading;
mod record;
mod reply;
mod text;
mod transcript;
mod typed;
mod utterance;
mod verdict;

pub use aliases::{Alias, AliasPlace, Aliases, ShellNames};
pub use command::{
    Action, Activity, Command, Outcome, PaneId, Ran, SessionId, SessionInfo, Stop, Surveyed, Target,
};
pub use event::{Event, Interruption, Progress};
pub use expectation::{End, Expectation, Fork, Named, Phrases};
pub use failure::{Failure, FailureKind};
pub use forgetting::{Forgotten, Selection};
pub use front::Front;
pub use host::is_this_machine;
pub use input::InputMode;
pub use intent::{Direction, Intent, Key, KeyPress, Pane, Scroll, Window};
pub use listening::{Attention, Cue, Gate, Listening, ListeningChange, ListeningMode};
pub use mode::{Degradation, Mode, TEXT_INPUT};
pub use names::{LiveNames, Whereabouts};
pub use pause::{Completeness, PauseId};
pub use pcm::{Pcm, SAMPLE_RATE, Sound};
pub use ports::{
    Assistant, BoxFuture, Cache, CacheKey, Interpreter, Journal, Privacy, Puzzle, Reader, Recogniser,
    Situation, Terminal,
};
pub use reading::{Digest, Finding, FindingKind, Printed};
pub use record::{Answered, Asked, Earlier, Record, Sent, Settled, Stage, Understood};
pub use reply::{Reply, Tone, sentence};
pub use text::is_invisible;
pub use transcript::{Confidence, Transcript};
pub use typed::{AtPrompt, LineTaker, Typed, TypedLine};
pub use utterance::{Content, Origin, Utterance, UtteranceId};
pub use verdict::{Correction, Interpretation, Verdict};

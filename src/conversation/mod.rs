//! The conversation: one loop that owns its state and steers a turn from words to an answer.
//!
//! [`Coordinator`] receives [`Input`]s on a bounded queue, runs one turn at a time, and tells
//! everything that happens as [`Event`](crate::domain::Event)s. Recognition runs beside the turn,
//! so that a spoken "cancel" is heard while a command is being waited for. What to do with a
//! meaning is decided by a pure function ([`turn`]), what to say by another ([`wording`]).
//!
//! Whom to listen to is decided by one more ([`listening`]): a mode, a mute, sleep, and a wake phrase.
//!
//! **Architecture invariant:** `conversation` knows `domain` (and `redact`) only; the world comes in as ports.

mod condition;
mod confirmation;
mod coordinator;
mod echo;
mod hearing;
mod insertions;
mod listening;
mod performance;
mod recent;
mod turn;
mod wake;
mod wording;

pub use coordinator::{Coordinator, Input, Options, Ports, Standing};
pub use listening::ListeningOptions;
pub use recent::Memory;

//! Configuration: every setting, the layers that fill them, and where things live.
//!
//! An unknown or mistyped key is an error that names its place and the nearest right key: a setting
//! that is silently ignored is worse than none.

mod cloud;
mod layers;
mod paths;
mod reload;
mod schema;
mod secret;
mod suggestions;
mod validate;

pub use cloud::{Ai, Azure, Cache, Cloud, Google, OpenAi, Redis};
pub use layers::{ConfigError, Origin, Sources};
pub use paths::Paths;
pub use reload::{Difference, Watcher};
pub use schema::{
    Audio, BargeIn, BreakerOverride, Config, Cues, Endpoint, InputMode, Interpreter, Journal, KeepSound,
    Listening, ListeningMode, Phrases, Postgres, Safety, Sound, Speech, Store, Stt, Terminal, Tts,
};
pub use secret::DatabaseUrl;
use validate::BREAKER_NAMES;

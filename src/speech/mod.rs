//! Speech to text, text to speech, and the models for both.
//!
//! [`Recognisers`] is what gets out; every call goes through the breaker of its tier. The local
//! tier is whisper.cpp in a process of its own (see [`worker`]); the services elsewhere are in `cloud`.

mod cloud;
mod decode;
mod error;
mod frame;
mod guarded;
pub mod models;
pub mod synthesis;
mod weights;
mod whisper;
pub mod worker;

pub use cloud::Clouds;
pub use guarded::{CHAIN, Parts, Recognisers, TIERS};

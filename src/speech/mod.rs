//! Speech to text, text to speech, and the models for both.
//!
//! [`Recognisers`] is what gets out; every call goes through the breaker of its tier. The local
//! tier is whisper.cpp in a process of its own (see [`worker`]).

mod decode;
mod frame;
mod guarded;
mod http;
pub mod models;
pub mod synthesis;
mod whisper;
pub mod worker;

pub use guarded::{CHAIN, Parts, Recognisers, TIERS};

//! Speech to text, and the models for it.
//!
//! [`Recognisers`] is what gets out; every call goes through the breaker of its tier. The local
//! tier is whisper.cpp in a process of its own (see [`worker`]).

mod decode;
mod frame;
mod guarded;
pub mod models;
mod whisper;
pub mod worker;

pub use guarded::{CHAIN, Parts, Recognisers, TIERS};

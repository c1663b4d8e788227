//! Text to speech: a reply becomes sound, clause by clause, by the best voice that works.
//!
//! **Mechanics.** [`Synthesisers`] splits a reply into clauses (`clauses`), writes each out as it is
//! read aloud (`pronounce`), and sends it down the chain: a neural voice (`piper`, from phonemes by
//! espeak-ng), a plain and quick one (`formant`), a server on this machine (`coqui`), or a service elsewhere ([`super::cloud`]).

mod cache;
mod clauses;
mod coqui;
mod error;
mod formant;
mod guarded;
mod lead;
mod loudness;
mod neural;
mod phonemes;
mod piper;
mod pronounce;
mod voiced;
pub(in crate::speech) mod wav;

pub use error::SynthesisError;
pub use guarded::{CHAIN, Parts, Spoken, Synthesisers, TIERS};

//! **voice-terminal**: talk to your terminal, and never be left stranded by it.
//!
//! The modules in reading order; data flows the same way.
//!
//! - [`domain`]: plain data and the few ports.
//! - [`breaker`]: the circuit breaker, and chains of fallbacks. Every call to anything that can
//!   fail goes through it.
//! - [`process`]: a child process that can't be left behind.

pub mod config;
pub mod domain;

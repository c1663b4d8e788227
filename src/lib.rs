//! **voice-terminal**: talk to your terminal, and never be left stranded by it.
//!
//! The modules in reading order; data flows the same way.
//!
//! - [`domain`]: plain data and the few ports.
//! - [`breaker`]: the circuit breaker, and chains of fallbacks. Every call to anything that can
//!   fail goes through it.
//! - [`config`]: every setting, and the layers that fill them.
//! - [`cloud`]: the one gate before what is sent to services elsewhere.
//! - [`cache`]: what can be made again.
//! - [`audio`]: microphone and recordings to utterances.
//! - [`speech`]: models and recognisers.
//! - [`interpreter`]: words to intent and verdict.
//! - [`ai`]: what the rules don't understand, put to a language model.
//! - [`terminal`]: sessions, panes and commands in tmux.
//! - [`reading`]: output to what matters in it.
//! - [`store`]: the journal, and what is read from it.
//! - [`conversation`]: the one loop that owns the state of a conversation.
//! - [`console`], [`server`], [`cli`]: those who watch it and steer it.
//! - [`simulation`]: breakers under scripted weather.
//! - [`app`]: composition. [`onnx`], [`process`], [`memory`] and [`shutdown`] serve all.

pub mod ai;
pub mod app;
pub mod audio;
pub mod breaker;
pub mod cache;
pub mod cli;
pub mod cloud;
pub mod config;
pub mod console;
pub mod conversation;
pub mod domain;
mod http;
pub mod interpreter;
pub mod memory;
pub mod onnx;
pub mod process;
pub mod reading;
mod redact;
pub mod server;
pub mod shutdown;
pub mod simulation;
pub mod speech;
pub mod store;
pub mod terminal;

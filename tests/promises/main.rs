//! What users are promised, tested against the real thing: a module per promise.
#![cfg(test)]

mod arrows;
mod history;
mod history_crash;
mod history_trouble;
mod interpreter;
mod models;
mod recogniser;
mod recogniser_trouble;
mod recordings;
mod support;
mod terminal;
mod terminal_safety;
mod terminal_trouble;

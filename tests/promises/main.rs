//! What users are promised, tested against the real thing: a module per promise.
#![cfg(test)]

mod history;
mod history_crash;
mod history_trouble;
mod interpreter;

//! What users are promised, tested against the real thing: a module per promise.
#![cfg(test)]

mod arrows;
mod assistant;
mod by_ear;
mod cache;
mod clouds;
mod command_line;
mod configuration;
mod database;
mod database_crash;
mod database_trouble;
mod device_failures;
mod device_permission;
mod devices;
mod hearing;
mod history;
mod history_crash;
mod history_trouble;
mod interpreter;
mod listening;
mod microphone;
mod models;
mod never_stranded;
mod one_daemon;
mod recogniser;
mod recogniser_trouble;
mod recordings;
mod speaking;
mod spoken;
mod spoken_language;
mod support;
mod terminal;
mod terminal_safety;
mod terminal_trouble;
mod typed_turns;

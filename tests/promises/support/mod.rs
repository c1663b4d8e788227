//! Set-up of the real things that the promises are tested against.

pub mod clouds;
pub mod disk;
pub mod meter;
pub mod models;
pub mod postgres;
pub mod proxy;
pub mod pulse;
pub mod recogniser;
pub mod recordings;
pub mod redis;
pub mod shells;
pub mod speech_server;
pub mod spoken;
pub mod tmux;
pub mod user;

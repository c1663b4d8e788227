//! Set-up of the real things that the promises are tested against.

pub mod models;
pub mod recogniser;
pub mod recordings;
pub mod tmux;

//! Set-up of the real things that the promises are tested against.

pub mod tmux;

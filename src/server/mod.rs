//! Steering a running voice-terminal: a Unix socket that speaks lines of JSON.
//!
//! One request a line, one response a line; `watch` answers with a line for every event until the
//! client goes. The socket is 0600 in a 0700 directory, and the peer must be the same user.

mod client;
mod control;
mod lock;
mod protocol;

pub use client::{Client, ClientError};
pub use control::{Control, ControlError};
pub use lock::{Lock, LockError};
pub use protocol::{ByHand, ChainStanding, Delivery, Request, Response, Status};

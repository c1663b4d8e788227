//! What can be made again, kept for a while: phrases that were spoken, words that were understood.
//!
//! **Mechanics.** [`Layers`] looks into this process's memory first, then into Redis if there is one, and
//! gives up then: whatever is kept here can be made anew, so a cache is never waited for, never right against
//! its maker, and never a reason to fail. Memory is bounded in bytes, and the least used goes first. Redis has
//! a breaker that opens at the first failure: one that hangs costs one timeout, and then nothing.
//!
//! **Trust.** Redis may be shared, and what lies in it may be anybody's. A key (`vt:1:KIND:…`, with the version
//! of this layout) says nothing of what it is for: it is a keyed hash. A value is sealed (`seal`) to its key, with
//! its end of life, by a secret of this user; what was changed, moved, replayed or made by somebody else
//! is as good as not there. It is not encrypted, so Redis must be on this machine.

mod error;
mod guarded;
mod memory;
mod redis;
mod seal;

pub use error::CacheError;
pub use guarded::{CHAIN, Layers, TIERS};

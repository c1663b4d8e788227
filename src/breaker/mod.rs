//! The circuit breaker, and chains of fallbacks. Every call to anything that can fail goes through
//! here.
//!
//! **Why.** A dependency that is down makes its callers wait, pile up and fail late. A breaker
//! notices, answers at once instead of calling, and probes carefully for the return; a [`Chain`]
//! turns that quick "no" into the next best way of doing the same thing.
//!
//! **Mechanics.** [`state`] is the whole policy as a pure state machine: time comes in as an
//! argument, nothing is measured or slept in it. [`Breaker`] is the shell around it that can be
//! shared between tasks. A call takes a [`Permit`], which reports its outcome and which cannot be
//! lost: dropping the future, a panic or an early return gives it back. Errors say themselves how
//! they count ([`Classify`]).
//!
//! ```
//! # use voice_terminal::breaker::{Breaker, CallError, Class, Classify, Settings};
//! #[derive(Debug)]
//! enum Trouble { Refused, BadRequest }
//! impl Classify for Trouble {
//!     fn class(&self) -> Class {
//!         match self { Self::Refused => Class::Failure, Self::BadRequest => Class::Caller }
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let breaker = Breaker::new("weather", Settings { failure_threshold: 1, ..Settings::default() });
//! let ask = async || Err::<u32, _>(Trouble::Refused);
//! assert!(matches!(breaker.call(ask()).await, Err(CallError::Failed(Trouble::Refused))));
//! assert!(matches!(breaker.call(ask()).await, Err(CallError::Rejected(_)))); // not called again
//! # });
//! ```
//!
//! **Limits.** One process: state isn't shared with others.
//!
//! **Architecture invariant:** `breaker` knows nobody.

mod backoff;
mod call;
mod chain;
mod clock;
mod core;
mod event;
mod handle;
mod metrics;
mod name;
mod outcome;
mod permit;
mod policy;
mod registry;
pub mod state;
mod stripe;
mod sync;
mod timeout;
mod window;
mod word;

#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use call::Call;
pub use chain::{Chain, ChainReport, Effect, Exhausted, Served, Skipped, Stop, Tier, Unready, Why};
pub(crate) use clock::nanos;
pub use clock::{Clock, ManualClock};
pub use event::Transition;
pub use handle::Breaker;
pub use metrics::{Latency, Snapshot};
pub use name::Name;
pub use outcome::{CallError, Class, Classify, Rejected};
pub use permit::Permit;
pub use policy::{Settings, SettingsError};
pub use registry::{Health, Registry};
pub use state::{Cause, State};
pub use timeout::AbortFlag;

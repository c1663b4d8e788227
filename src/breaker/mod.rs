//! The circuit breaker, and chains of fallbacks. Every call to anything that can fail goes through
//! here.
//!
//! **Why.** A dependency that is down makes its callers wait, pile up and fail late. A breaker
//! notices, answers at once instead of calling, and probes carefully for the return; a [`Chain`]
//! turns that quick "no" into the next best way of doing the same thing.
//!
//! **Mechanics.** [`state`] is the whole policy as a pure state machine: time comes in as an
//! argument, nothing is measured or slept in it. The `core` module shares it between threads: the
//! machine under a mutex, and in front of it atomics that take the calls of a closed breaker and the
//! rejections of an open one without the lock. [`Breaker`] adds a name, a clock and a stream of
//! events. A call takes a [`Permit`], which reports its outcome and which cannot be lost: dropping
//! the future, a panic or an early return gives it back. Errors say themselves how they count
//! ([`Classify`]). Beside the breaker stand the [`Bulkhead`] (how many at a time) and the [`Quota`]
//! (how much in a day).
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
//! With a fallback, and what is known of all of them:
//!
//! ```
//! # use voice_terminal::breaker::{Class, Classify, Health, Notice, Registry, Settings, State};
//! # #[derive(Debug)] struct Down;
//! # impl Classify for Down { fn class(&self) -> Class { Class::Failure } }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let registry = Registry::default();
//! let (tell, told) = std::sync::mpsc::channel();
//! let hook = registry.on_state_change(move |notice| { let _ = tell.send(notice); }).unwrap();
//! let breaker = registry.get_or_create("weather", Settings::default());
//! for _ in 0..5 {
//!     let sky = breaker.call_or(async { Err(Down) }, async |_why| "look out of the window").await;
//!     assert_eq!(sky, "look out of the window");
//! }
//! assert_eq!(registry.get("weather").unwrap().state(), State::Open);
//! assert_eq!(registry.health()["weather"], Health::Down);
//! assert_eq!(registry.snapshots()[0].failed, 5);
//! breaker.configure(Settings { failure_threshold: 10, ..breaker.settings() }).unwrap();
//! assert!(matches!(told.recv(), Ok(Notice::Event(change)) if change.to == State::Open));
//! # drop(hook);
//! # });
//! ```
//!
//! **Limits.** One process: state isn't shared with others.
//!
//! **Architecture invariant:** `breaker` knows nobody.

mod backoff;
mod bulkhead;
mod call;
mod chain;
mod clock;
mod core;
mod event;
mod handle;
mod hook;
mod metrics;
mod name;
mod outcome;
mod permit;
mod policy;
mod quota;
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
pub use bulkhead::{Bulkhead, Full, Priority, Slot};
pub use call::Call;
pub use chain::{Chain, ChainReport, Effect, Entry, Exhausted, Served, Skipped, Stop, Tier, Unready, Why};
pub(crate) use clock::nanos;
pub use clock::{Clock, ManualClock};
pub use event::{Fallback, Passed, Transition};
pub use handle::Breaker;
pub use hook::{Hook, Notice};
pub use metrics::{Latency, Snapshot};
pub use name::Name;
pub use outcome::{CallError, Class, Classify, Rejected};
pub use permit::Permit;
pub use policy::{Settings, SettingsError};
pub use quota::{Budget, Quota, Rate, Spent};
pub use registry::{Health, Registry};
pub use state::{Cause, State};
pub use timeout::AbortFlag;

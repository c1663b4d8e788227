//! The breaker's lock-free part, compiled with other primitives; see Cargo.toml.
#![cfg(test)]
#![allow(dead_code, reason = "what the product needs, and these tests don't")]

#[path = "../../../src/breaker/backoff.rs"]
mod backoff;
#[path = "../../../src/breaker/clock.rs"]
mod clock;
#[path = "../../../src/breaker/core.rs"]
mod core;
#[path = "../../../src/breaker/metrics.rs"]
mod metrics;
#[path = "../../../src/breaker/name.rs"]
mod name;
#[path = "../../../src/breaker/outcome.rs"]
mod outcome;
#[path = "../../../src/breaker/policy.rs"]
mod policy;
#[path = "../../../src/breaker/state.rs"]
mod state;
#[path = "../../../src/breaker/stripe.rs"]
mod stripe;
#[path = "../../../src/breaker/window.rs"]
mod window;
#[path = "../../../src/breaker/word.rs"]
mod word;

mod sync;

mod schedules;

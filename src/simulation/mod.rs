//! Breakers under scripted weather: what a policy would do to calls in an outage that nobody wants to
//! wait for.
//!
//! **Why.** Whether `failure_threshold = 5` is better than 3 can't be seen by thinking about it. A
//! [`Scenario`] says how each tier's dependency fares (outage, brown-out, flapping, slowness, recovery,
//! overload), how often it is called, and how its breaker is set; [`run()`] plays it and counts.
//!
//! **Mechanics.** A discrete-event simulation around the very [state machine](crate::breaker::state) that
//! decides in the product, under virtual time and seeded chance: ten minutes take milliseconds, and the
//! same scenario gives the same figures on every machine. Each scenario is also played with the breakers
//! disabled, so that one sees what they are worth.
//!
//! **Limits.** The walk along the tiers is the chain's rule written again for virtual time: tiers in
//! order, the rest of the deadline divided among those that are not open.

mod chance;
mod picture;
mod report;
mod run;
mod scenario;

pub use picture::svg;
pub use report::table;
pub use run::{Outcome, Spell, TierOutcome, run};
pub use scenario::{SHIPPED, Scenario, ScenarioError};

//! The one gate before everything that is sent to a service elsewhere.
//!
//! **Why.** What is said at home is private, and what is asked of a cloud costs money. Whatever leaves
//! this machine goes through here, so that there is one place that can say no.
//!
//! **Mechanics.** The [`Gate`] knows whether anything may be sent (`cloud.consent`, withdrawn for the run by
//! "stay local"), how often (a [`Quota`](crate::breaker::Quota) over all services), and how much in a
//! calendar month: sound and money are written to a ledger on disk *before* they are spent, so that
//! no crash, restart or second process forgets any. Whoever uses it announces it first. A [`Server`] is
//! one service: its address, its [`Key`], one POST with a bounded answer; [`Service`] is what it is asked, and
//! [`Remote`] all of these together. Its errors ([`CloudError`]) say how
//! they count and what to do.
//!
//! A server on this machine is no cloud: what it is told stays here, so it needs neither consent nor key,
//! and costs nothing. That it sends nothing on is for whoever runs it to see to.

mod error;
mod gate;
mod key;
mod ledger;
mod remote;
mod server;

pub use error::CloudError;
pub use gate::{Announcement, Gate, Use};
pub use key::Key;
pub use ledger::Cost;
pub use remote::{Remote, Service};
pub use server::{Authorisation, Request, Server, is_local};

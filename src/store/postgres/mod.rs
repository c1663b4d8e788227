//! PostgreSQL servers: a primary that is written, replicas that are read when it is down.
//!
//! **Mechanics.** Each server has a breaker and a bulkhead: so many connections, and a person who
//! waits goes before what is carried over. The bulkhead is the pool: a caller that has a slot takes
//! an idle connection, or opens one, straight away, so that a server that is down says so at once
//! and with the cause. (sqlx's own pool waits its whole patience for a refused connection, tells
//! only that it timed out, and loses a place for each query that is dropped.) A connection is asked
//! whether it still works before it is used, belongs to one call at a time, and is closed if the
//! call is dropped in the middle.
//!
//! Causes are told apart by SQLSTATE (`error`): what is the server's failure counts against it, what
//! is the record's or the role's doesn't; where either may be at fault, a blank record tells. The tables
//! are in a schema of their own, `voice_terminal`, made under a lock by whoever comes first, and anew if
//! they are dropped, which is told from the number of the table that a statement has met; tables of a newer version are
//! left alone.
//!
//! **Limits.** Nothing is deleted on a server but what somebody wants forgotten. A proxy that hands each statement to another
//! connection (such as pgbouncer by transactions) doesn't go together with prepared statements.

mod error;
mod guarded;
mod row;
mod session;

pub(super) use error::{PostgresError, SOON, told};
pub use guarded::{Database, Place};
pub(super) use guarded::{Page, Server};
pub(super) use row::Age;
pub(super) use session::Whereabouts;

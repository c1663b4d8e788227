//! The history: a durable journal of every utterance and what came of it.
//!
//! **Why.** An utterance is a record before it is a wish. After a crash the journal knows what was
//! said, what was sent to the terminal and what isn't known any more; nothing is executed twice.
//!
//! **Mechanics.** SQLite in WAL mode, with an fsync for every commit. This run's unfinished records
//! are held in memory (`held`); each change of one is written as its whole row, guarded by a revision
//! number, so that opening, adding and replaying are one idempotent statement. One task (`writer`) owns the
//! connection that writes: a caller that stops waiting leaves nothing half done. Readers
//! have a small pool. [`Store`] puts the breaker around all of it.
//!
//! When the disk fails, records stay in memory, whoever watches [`Store::standing`] is told, and
//! they are written as soon as the disk can be written again. A damaged file is set aside, never
//! deleted; a file of a newer version is left alone.
//!
//! With a PostgreSQL server (`postgres`), the journal is its outbox (`outbox`): every write is
//! acknowledged when it is in the journal, and carried over behind it (`replay`). It is read from the
//! primary, else from a replica, else from the journal (`reading`); what is here and not there is always
//! added: what waits for a server that has the rest, and whatever matches for any other, such as a replica.
//!
//! Several processes may share the file. A lock file per run (`owner`) tells whose unfinished records
//! were left by a crash.
//!
//! Nothing is kept with a secret in it that can be told (`record`), sound only where that is wanted (`sounds`), and what
//! somebody wants forgotten is gone for good (`forgetting`).
//!
//! **Limits.** Texts longer than 64 KiB are cut. While the disk can't be written, the
//! newest 1,000 records are kept. The journal has a size that it keeps: what a server has makes way
//! first, then the oldest turns; that it comes to this is told at 80 %.

mod error;
mod file;
mod forgetting;
mod guarded;
mod held;
mod outbox;
mod owner;
mod postgres;
mod reading;
mod record;
mod replay;
mod row;
mod search;
mod sounds;
mod sqlite;
mod standing;
mod writer;

pub use error::recovered;
pub use guarded::{Parts, Store};
pub use outbox::Backlog;
pub use postgres::{Database, Place};
pub use reading::{Delivery, Found, Kept};
pub use replay::Replaying;
pub use sounds::{KeepSound, SoundOptions};
pub use sqlite::Recovered;

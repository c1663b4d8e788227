//! What can go wrong with the journal, by cause.

use std::io;

use super::outbox::Room;
use crate::breaker::{CallError, Class, Classify};
use crate::domain::{Degradation, Failure, FailureKind};

/// The chain that the journal belongs to.
pub(super) const CHAIN: &str = "database";

/// SQLite's primary result codes, of which the extended ones keep the lowest byte.
mod code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READ_ONLY: i32 = 8;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANNOT_OPEN: i32 = 14;
    pub(super) const NOT_A_DATABASE: i32 = 26;
}

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// The file or its directory can't be used.
    #[error("the journal's place can't be used: {0}")]
    Place(io::Error),
    /// It can be read, not written.
    #[error("the journal can't be written")]
    ReadOnly,
    /// No space is left.
    #[error("the disk is full")]
    Full,
    /// Somebody else holds it for too long.
    #[error("the journal is locked by another process")]
    Busy,
    /// What the file holds is no journal any more.
    #[error("the journal is damaged")]
    Corrupt,
    /// A record that this version can't read. That says nothing of the others, or of the file.
    #[error("a record of the journal can't be read")]
    Unreadable,
    /// A newer version of the program wrote it.
    #[error("the journal's schema is not one of this version's")]
    OtherVersion,
    /// Another run has chosen another server since, or the journal was begun anew.
    #[error("the journal is not this run's to carry over to that server")]
    Overruled,
    /// Nobody opened this record.
    #[error("there is no such record")]
    NoSuchRecord,
    /// The task that writes has ended: the program is going down.
    #[error("the journal is closed")]
    Closed,
    /// Anything else that the database says.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Place(error),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // A value isn't what its column holds, which says nothing of the file.
        if matches!(error, sqlx::Error::ColumnDecode { .. }) {
            return Self::Unreadable;
        }
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
        match code.map(|code| code & 0xff) {
            Some(code::BUSY | code::LOCKED) => Self::Busy,
            Some(code::READ_ONLY | code::CANNOT_OPEN) => Self::ReadOnly,
            Some(code::CORRUPT | code::NOT_A_DATABASE) => Self::Corrupt,
            Some(code::FULL) => Self::Full,
            _ => Self::Database(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::VersionMissing(_)
            | MigrateError::VersionMismatch(_)
            | MigrateError::VersionTooNew(..)
            | MigrateError::Dirty(_) => Self::OtherVersion,
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Database(sqlx::Error::Migrate(Box::new(other))),
        }
    }
}

impl Classify for StoreError {
    fn class(&self) -> Class {
        match self {
            Self::NoSuchRecord | Self::Unreadable | Self::Overruled => Class::Caller,
            Self::Closed => Class::Cancelled,
            _ => Class::Failure,
        }
    }
}

/// Where records are kept while the disk can't be written.
const NOW: &str = "memory";

/// Where they are kept after the journal was found damaged.
const NEW_JOURNAL: &str = "new-journal";

/// Where they are kept while no server takes them.
pub(super) const JOURNAL: &str = "journal";

/// Where they are kept while a replica that was promoted takes them.
pub(super) const REPLICA: &str = "postgresql-replica";

const FORGOTTEN: &str = "what is said now is forgotten when the program ends";
const RESUMES: &str = "it is then written by itself";

/// What the user is told when the journal can't be written.
pub(super) fn degradation(error: &CallError<StoreError>) -> Degradation {
    let (what, remedy) = match error {
        CallError::Failed(StoreError::Full) => {
            (format!("The disk is full, so {FORGOTTEN}."), format!("Free some space; {RESUMES}."))
        }
        CallError::Failed(StoreError::OtherVersion) => (
            format!(
                "The history was written by another version of this program and is left as it is; {FORGOTTEN}."
            ),
            "Use the newest version, or set store.journal.path to another file.".to_owned(),
        ),
        CallError::Failed(StoreError::Busy) => (
            "Another program is holding the history, so it is kept in memory for now.".to_owned(),
            format!("End the other program; {RESUMES}."),
        ),
        CallError::Failed(StoreError::ReadOnly | StoreError::Place(_)) => (
            format!("The history can't be written to disk, so {FORGOTTEN}."),
            format!(
                "Make the state directory writable for you, or set store.journal.path to another file; {RESUMES}."
            ),
        ),
        _ => (
            format!("The disk doesn't take the history, so {FORGOTTEN}."),
            format!("Check the disk; {RESUMES}."),
        ),
    };
    Degradation { chain: CHAIN.into(), now: NOW.into(), what, remedy }
}

/// What the user is told when a damaged journal was set aside under this name.
pub(super) fn set_aside(name: &str) -> Degradation {
    Degradation {
        chain: CHAIN.into(),
        now: NEW_JOURNAL.into(),
        what: "The history was damaged. It was set aside, and a new one begun.".into(),
        remedy: format!("Nothing was deleted: it is the file {name} beside the new one."),
    }
}

/// What the user is told when the journal has no room left for what is nowhere else.
pub(super) fn no_room(room: Room, delivers: bool) -> Option<Degradation> {
    let remedy = if delivers {
        "See to it that the database takes what waits for it, or raise store.journal.limit."
    } else {
        "Raise store.journal.limit, or configure a database that takes what is old."
    };
    let what = match room {
        Room::Enough | Room::Made => return None,
        Room::Short { full } => format!(
            "The history's room on this machine is {full} % full; when it is full, the oldest turns are dropped."
        ),
        Room::Dropped { .. } => {
            "The history's room on this machine is full, so the oldest turns are dropped.".to_owned()
        }
    };
    // One name for both: it is told in time, and once.
    Some(Degradation { chain: CHAIN.into(), now: "journal-nearly-full".into(), what, remedy: remedy.into() })
}

/// What the user is told when this is over.
pub fn recovered(degradation: &Degradation) -> &'static str {
    match degradation.now.as_str() {
        NOW | NEW_JOURNAL => "The history is written to disk again.",
        JOURNAL | REPLICA => "The database is back; what waited for it is being carried over.",
        _ => "The history has room again.",
    }
}

/// What the user is told when another run of the program has begun with another server since.
pub(super) fn overruled() -> Degradation {
    Degradation {
        chain: CHAIN.into(),
        now: JOURNAL.into(),
        what: "Another voice-terminal on this machine, which was started later, gives the history to another database; \
               this one keeps it on this machine."
            .into(),
        remedy: "Start this one again, so that both have the same settings; nothing is lost meanwhile.".into(),
    }
}

/// What the user is told when the database's turns are not shown, since what was forgotten here can't be known.
pub(super) fn only_here() -> Degradation {
    Degradation {
        chain: CHAIN.into(),
        now: JOURNAL.into(),
        what: "This machine can't tell what was forgotten, so nothing of the database is shown.".into(),
        remedy: "Check the disk; what is here is shown as far as it can be read.".into(),
    }
}

/// What the user is told when the database's turns are all that can be shown.
pub(super) fn only_there() -> Degradation {
    Degradation {
        chain: CHAIN.into(),
        now: JOURNAL.into(),
        what: "What the database doesn't have yet can't be read on this machine, and is missing here.".into(),
        remedy: "Check the disk, and ask again.".into(),
    }
}

/// The failure to read.
pub(super) fn unreadable(error: &CallError<StoreError>) -> Failure {
    tracing::warn!(%error, "the journal can't be read");
    Failure::new(
        FailureKind::Unavailable,
        CHAIN,
        "The history can't be read at the moment.",
        "Try again in a minute; nothing that is said is lost.",
    )
}

/// The failure to forget.
pub(super) fn not_forgotten(error: &CallError<StoreError>) -> Failure {
    tracing::warn!(%error, "nothing could be forgotten");
    let Degradation { remedy, .. } = degradation(error);
    Failure::new(
        FailureKind::Unavailable,
        CHAIN,
        "The history can't be written at the moment, so nothing was forgotten.",
        remedy,
    )
}

/// The failure of a call that memory can't serve either.
pub(super) fn failure(error: &CallError<StoreError>) -> Failure {
    match error {
        CallError::Failed(StoreError::NoSuchRecord) => Failure::new(
            FailureKind::Request,
            CHAIN,
            "There is no record of that utterance.",
            "Nothing needs to be done.",
        ),
        CallError::Failed(StoreError::Closed) => {
            Failure::new(FailureKind::Cancelled, CHAIN, "The history is closed.", "Start the program again.")
        }
        error => {
            let Degradation { what, remedy, .. } = degradation(error);
            Failure::new(FailureKind::Unavailable, CHAIN, what, remedy)
        }
    }
}

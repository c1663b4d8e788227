//! What can go wrong with a PostgreSQL server, by cause. Told apart by SQLSTATE, never by a text.

use std::io;
use std::time::Duration;

use super::session::Whereabouts;
use crate::breaker::{CallError, Class, Classify, Full};

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum PostgresError {
    /// What is configured can't be understood.
    #[error("the server's address can't be used: {0}")]
    Address(sqlx::Error),
    /// The file with the password can't be read.
    #[error("the file with the password can't be read: {0}")]
    PasswordFile(io::Error),
    /// Others may read the file with the password.
    #[error("others can read the file with the password")]
    PasswordFileOpen,
    /// Nobody answers there, or the connection broke.
    #[error("the server can't be reached: {0}")]
    Unreachable(io::Error),
    /// The encrypted connection can't be had.
    #[error("no encrypted connection: {0}")]
    Tls(sqlx::Error),
    /// It is starting, or recovering from a crash.
    #[error("the server is starting ({0})")]
    Starting(String),
    /// It is going down, or somebody ended the session.
    #[error("the server is going down")]
    Stopping,
    /// It doesn't let this user in.
    #[error("the server refuses the user or the password")]
    Password,
    /// There is no such database, or it was dropped.
    #[error("the server has no such database")]
    NoSuchDatabase,
    /// The user may not do what is needed.
    #[error("the user has not the rights that are needed")]
    NotAllowed,
    /// Others use all of its connections.
    #[error("the server has no connection left")]
    TooManyConnections,
    /// It is a replica, or was made read-only.
    #[error("the server can't be written")]
    ReadOnly,
    /// Somebody holds a lock for too long.
    #[error("a lock was not to be had in time")]
    Locked,
    /// The server gave up on a statement that took too long.
    #[error("a statement took too long")]
    Slow,
    /// Another transaction was in the way.
    #[error("another transaction was in the way")]
    Conflict,
    /// Its disk is full.
    #[error("the server's disk is full")]
    DiskFull,
    /// It has no memory left.
    #[error("the server has no memory left")]
    NoMemory,
    /// Its tables are not as any version of the program makes them.
    #[error("the server's tables were changed, or made by halves")]
    ForeignSchema,
    /// A newer version of the program has made its tables.
    #[error("the server's tables are of a newer version")]
    NewerSchema,
    /// Its tables are of an older version, or not there, and can't be made here.
    #[error("the server has not the tables that are needed")]
    NoSchema,
    /// It will never take this record.
    #[error("the server refuses the record (SQLSTATE {0})")]
    Refused(String),
    /// It didn't take what it was given, and it may be the record's fault or its own.
    #[error("the server refuses what it was given (SQLSTATE {state}): {cause}")]
    Doubtful {
        /// As it says itself.
        state: String,
        /// What it is if it is the server's fault.
        cause: Box<PostgresError>,
    },
    /// It is not the server, or not the history of it, that was expected.
    #[error("it is another server than before: {0:?}")]
    Elsewhere(Whereabouts),
    /// Too many calls wait for this server.
    #[error("too many calls wait: {0}")]
    Busy(Full),
    /// Anything else.
    #[error("the server failed: {0}")]
    Other(sqlx::Error),
}

/// How long a server that is starting or going down is left alone before it is looked at again.
pub(in crate::store) const SOON: Duration = Duration::from_secs(3);

/// The same for one that has too much to do.
const LATER: Duration = Duration::from_secs(15);

impl From<sqlx::Error> for PostgresError {
    fn from(error: sqlx::Error) -> Self {
        let state = error.as_database_error().and_then(|error| Some(error.code()?.into_owned()));
        if let Some(state) = state {
            return Self::from_state(state, error);
        }
        match error {
            // So rustls tells of a certificate.
            sqlx::Error::Io(ref io) if io.kind() == io::ErrorKind::InvalidData => Self::Tls(error),
            sqlx::Error::Io(error) => Self::Unreachable(error),
            sqlx::Error::Tls(_) => Self::Tls(error),
            sqlx::Error::Configuration(_) => Self::Address(error),
            sqlx::Error::Encode(_) => Self::Refused("none: it can't be sent".into()),
            error => Self::Other(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for PostgresError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => Self::NewerSchema,
            MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) => Self::ForeignSchema,
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Other(sqlx::Error::Migrate(Box::new(other))),
        }
    }
}

impl PostgresError {
    fn from_state(state: String, error: sqlx::Error) -> Self {
        match state.as_str() {
            "57P03" => Self::Starting(state),
            "57P01" | "57P02" => Self::Stopping,
            "28P01" | "28000" => Self::Password,
            "3D000" | "57P04" => Self::NoSuchDatabase,
            "42501" => Self::NotAllowed,
            "53300" => Self::TooManyConnections,
            "25006" => Self::ReadOnly,
            "55P03" => Self::Locked,
            "57014" => Self::Slow,
            "40001" | "40P01" => Self::Conflict,
            "53100" => Self::DiskFull,
            "53200" => Self::NoMemory,
            "3F000" | "42P01" | "42703" => Self::NoSchema,
            _ => match &state[..state.floor_char_boundary(2)] {
                "08" => Self::Unreachable(io::Error::other(error)),
                // A value or a constraint, or more than PostgreSQL can hold.
                "22" | "23" | "54" => Self::Refused(state),
                _ => Self::Other(error),
            },
        }
    }

    /// The error of the very statement that hands records over. A server that takes others refuses these: a policy
    /// for rows (42501), what a trigger raises, or what it stumbles over. What is clearly the server's own trouble
    /// stays that.
    pub(super) fn at_records(error: sqlx::Error) -> Self {
        let state = error.as_database_error().and_then(|error| Some(error.code()?.into_owned()));
        match (state, Self::from(error)) {
            (Some(state), cause @ (Self::NotAllowed | Self::NoSchema | Self::Other(_))) => {
                Self::Doubtful { state, cause: Box::new(cause) }
            }
            (_, error) => error,
        }
    }

    /// The same, once it is known to be the server's own fault.
    pub(super) fn of_the_server(self) -> Self {
        if let Self::Doubtful { cause, .. } = self { *cause } else { self }
    }

    /// Whether something isn't there that a statement needs.
    pub(super) fn lacks_something(&self) -> bool {
        match self {
            Self::Doubtful { cause, .. } => cause.lacks_something(),
            error => matches!(error, Self::NoSchema),
        }
    }

    /// Whether the connection can be used on. Where the tables are gone, a new one makes them anew.
    pub(super) fn spares_the_connection(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::Doubtful { .. }
                | Self::Elsewhere(_)
                | Self::ReadOnly
                | Self::Conflict
                | Self::Locked
                | Self::Slow
        )
    }

    /// What it means for the history, and what can be done; nothing internal in it.
    pub(in crate::store) fn told(&self) -> (&'static str, &'static str) {
        match self {
            Self::Address(_) => (
                "The database's address can't be understood",
                "Write store.postgres.primary as postgres://USER@HOST/DATABASE",
            ),
            Self::PasswordFile(_) => {
                ("The file with the database's password can't be read", "Check store.postgres.password_file")
            }
            Self::PasswordFileOpen => (
                "Others can read the file with the database's password, so it is not used",
                "Make it yours only (chmod 600)",
            ),
            Self::Unreachable(_) => {
                ("The database can't be reached", "Check that the server runs and the network is there")
            }
            Self::Tls(_) => (
                "The database offers no encrypted connection that can be trusted",
                "Check the server's certificate, or sslmode and sslrootcert in store.postgres.primary",
            ),
            Self::Starting(_) => ("The database is starting", "Wait until it has come up"),
            Self::Stopping => ("The database is going down", "Start it again"),
            Self::Password => (
                "The database refuses the user or the password",
                "Correct store.postgres.primary or its password, or the server's pg_hba.conf",
            ),
            Self::NoSuchDatabase => {
                ("The server has no such database", "Create it, or correct store.postgres.primary")
            }
            Self::NotAllowed => (
                "The database doesn't let this user keep the history",
                "Give the user the right to create a schema in the database",
            ),
            Self::TooManyConnections => (
                "The database has no connection left",
                "End some of its other users, or raise max_connections",
            ),
            Self::ReadOnly => (
                "The database can't be written: it is a replica, or read-only",
                "Set store.postgres.primary to the server that is the primary now",
            ),
            Self::Locked => ("Somebody holds a lock in the database", "End the transaction that holds it"),
            Self::Slow => ("The database takes too long", "See what else it is doing"),
            Self::Conflict => {
                ("Another transaction is in the way in the database", "See what else it is doing")
            }
            Self::DiskFull => ("The database's disk is full", "Free some space on the server"),
            Self::NoMemory => ("The database has no memory left", "Relieve the server"),
            Self::NewerSchema => (
                "A newer version of this program keeps its history in the database, which is left as it is",
                "Use the newest version",
            ),
            Self::NoSchema => (
                "The database has not the tables of the history",
                "Let the program write to the primary once",
            ),
            Self::ForeignSchema => (
                "The tables of the history in the database are not as this program makes them",
                "Restore the schema voice_terminal from a backup, or drop it: the program makes it anew",
            ),
            Self::Doubtful { cause, .. } => cause.told(),
            Self::Refused(_) | Self::Elsewhere(_) | Self::Other(_) => {
                ("The database doesn't take the history", "See the log")
            }
            Self::Busy(_) => ("Too much is asked of the database at the moment", "Wait a little"),
        }
    }
}

impl Classify for PostgresError {
    fn class(&self) -> Class {
        match self {
            // The server works: the record, the server's role or the moment is at fault; or it can't be written now,
            // and may well be read.
            Self::Refused(_)
            | Self::Doubtful { .. }
            | Self::Elsewhere(_)
            | Self::ReadOnly
            | Self::Conflict
            | Self::NotAllowed
            | Self::Locked
            | Self::DiskFull => Class::Caller,
            // It will be there in a moment, or was asked to go. Our own queue says nothing of it.
            Self::Starting(_) | Self::Stopping | Self::Busy(_) => Class::Declined,
            Self::TooManyConnections | Self::NoMemory => Class::Overload { retry_after: Some(LATER) },
            _ => Class::Failure,
        }
    }
}

/// What a failed call means for the history, and what can be done.
pub(in crate::store) fn told(error: &CallError<PostgresError>) -> (&'static str, &'static str) {
    match error {
        CallError::Failed(error) => error.told(),
        CallError::TimedOut { .. } => {
            ("The database doesn't answer in time", "Check the server and the network to it")
        }
        CallError::Rejected(_) => {
            ("The database is not asked for a while, after it has failed", "Check the server")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_state(state: &str) -> PostgresError {
        PostgresError::from_state(state.into(), sqlx::Error::RowNotFound)
    }

    #[test]
    fn causes_count_by_what_they_say_of_the_server() {
        for state in
            ["22P05", "22021", "23514", "54000", "25006", "40001", "40P01", "42501", "53100", "55P03"]
        {
            assert_eq!(of_state(state).class(), Class::Caller, "{state}");
        }
        for state in ["28P01", "3D000", "57014", "08006", "XX000"] {
            assert_eq!(of_state(state).class(), Class::Failure, "{state}");
        }
        for state in ["57P01", "57P03"] {
            assert_eq!(of_state(state).class(), Class::Declined, "{state}");
        }
        for state in ["53300", "53200"] {
            assert!(matches!(of_state(state).class(), Class::Overload { retry_after: Some(_) }), "{state}");
        }
    }

    #[test]
    fn a_broken_connection_is_never_used_again() {
        for state in ["57P01", "08006", "XX000", "53300"] {
            assert!(!of_state(state).spares_the_connection(), "{state}");
        }
        assert!(
            !PostgresError::from(sqlx::Error::Io(io::ErrorKind::BrokenPipe.into())).spares_the_connection()
        );
    }

    #[test]
    fn where_the_tables_are_gone_a_new_connection_is_made() {
        for state in ["3F000", "42P01", "42703"] {
            let error = of_state(state);
            assert!(error.lacks_something() && !error.spares_the_connection(), "{state}");
            let doubtful = PostgresError::Doubtful { state: state.into(), cause: Box::new(error) };
            assert!(doubtful.lacks_something() && doubtful.spares_the_connection(), "{state}");
        }
    }
}

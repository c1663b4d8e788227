//! The raw client: one connection, and what is known of the server behind it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{ConnectOptions, Connection, PgConnection, Row};

use super::error::PostgresError;

/// They are in the program's own schema, as everything else.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("migrations/postgres");
    migrations.dangerous_set_table_name("voice_terminal.migration");
    migrations.create_schema("voice_terminal");
    migrations
});

/// Where a server is, and how to get in.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) url: String,
    /// Read at every connection, so that a password can be changed under way.
    pub(super) password_file: Option<PathBuf>,
}

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whether it is a primary that takes writes.
    pub(super) writable: bool,
    /// Tells this table, on this server, in this course of its history, from any other: of a server
    /// that was restored or promoted it can't be known what it has kept.
    pub(super) identity: String,
    /// The version of its tables, 0 if there are none.
    version: i64,
}

/// A connection that works, as far as is known.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) facts: Facts,
    pub(super) idle_since: Instant,
}

impl Session {
    /// Connects, and makes the tables if they lack and can be made. `limit` is how long a call may
    /// take: the server gives up on a statement before, so that the cause is known.
    pub(super) async fn open(address: &Address, limit: Duration) -> Result<Self, PostgresError> {
        let milliseconds = |part: f64| limit.mul_f64(part).as_millis().max(1).to_string();
        let mut options: PgConnectOptions = address.url.parse::<PgConnectOptions>()?;
        if let Some(file) = &address.password_file {
            options = options.password(&password(file).await?);
        }
        let options = options.application_name("voice-terminal").disable_statement_logging().options([
            ("statement_timeout", milliseconds(0.8)),
            ("lock_timeout", milliseconds(0.4)),
            ("idle_in_transaction_session_timeout", milliseconds(2.0)),
        ]);
        let mut connection = options.connect().await?;
        let mut facts = look(&mut connection).await?;
        if facts.version < newest_version() {
            if !facts.writable {
                return Err(if facts.version == 0 {
                    PostgresError::NoSchema
                } else {
                    PostgresError::ReadOnly
                });
            }
            // Locked by the server, so that of several only one does it. `run_direct` is `run`
            // without a generic connection, which the compiler can't prove to be `Send`.
            MIGRATIONS.run_direct(None, &mut connection, false).await?;
            facts = look(&mut connection).await?;
        }
        if facts.version > newest_version() {
            return Err(PostgresError::NewerSchema);
        }
        Ok(Self { connection, facts, idle_since: Instant::now() })
    }

    /// Looks again: a replica may have become the primary.
    pub(super) async fn look(&mut self) -> Result<(), PostgresError> {
        self.facts = look(&mut self.connection).await?;
        Ok(())
    }

    /// Whether the server still answers.
    pub(super) async fn is_alive(&mut self) -> bool {
        self.connection.ping().await.is_ok()
    }
}

fn newest_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Everything that matters about the server, in one round trip, and one more for the version.
async fn look(connection: &mut PgConnection) -> Result<Facts, PostgresError> {
    let row: PgRow = sqlx::query(
        "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable,
             concat_ws('-',
                 (SELECT system_identifier FROM pg_control_system()),
                 (SELECT oid FROM pg_database WHERE datname = current_database()),
                 to_regclass('voice_terminal.record')::oid,
                 CASE WHEN NOT pg_is_in_recovery()
                     THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END) AS identity,
             to_regclass('voice_terminal.migration') IS NOT NULL AS has_tables",
    )
    .fetch_one(&mut *connection)
    .await?;
    let version = if row.try_get::<bool, _>("has_tables")? {
        let query = sqlx::query_scalar::<_, Option<i64>>("SELECT max(version) FROM voice_terminal.migration");
        query.fetch_one(connection).await?.unwrap_or_default()
    } else {
        0
    };
    Ok(Facts { writable: row.try_get("writable")?, identity: row.try_get("identity")?, version })
}

/// The password, from a file that nobody else can read.
async fn password(file: &Path) -> Result<String, PostgresError> {
    let metadata = tokio::fs::metadata(file).await.map_err(PostgresError::PasswordFile)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(PostgresError::PasswordFileOpen);
    }
    let text = tokio::fs::read_to_string(file).await.map_err(PostgresError::PasswordFile)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

impl std::fmt::Debug for Address {
    /// It may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address")
    }
}

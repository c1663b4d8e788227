//! The raw client: one connection, and what is known of the server behind it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgRow, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection, Row};

use super::error::PostgresError;
use crate::domain::is_this_machine;

/// After this a server is looked at again: its tables may be others by now.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

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
    /// Whether it may be reached over a network without an encryption that can be trusted.
    pub(super) unencrypted: bool,
}

/// Which history a server is in, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::store) struct Whereabouts {
    /// Tells this table, on this server, in this course of its history, from any other: of a server
    /// that was restored or promoted it can't be known what it has kept.
    pub(in crate::store) identity: String,
    /// How much of its log is safe on its disk, in bytes; 0 if that can't be known.
    pub(in crate::store) position: i64,
}

impl Whereabouts {
    /// Whether whoever was there has lost nothing that was there at `before`.
    pub(in crate::store) fn follows(&self, before: &Self) -> bool {
        self.identity == before.identity && self.position >= before.position
    }
}

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whether it is a primary that takes writes.
    pub(super) writable: bool,
    pub(super) whereabouts: Whereabouts,
    /// The number of the table of records, which another one made in its place has not; `None` if there is none.
    pub(super) table: Option<i64>,
    /// The version of its tables, 0 if there are none.
    version: i64,
}

/// A connection that works, as far as is known.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) facts: Facts,
    /// When that was seen.
    pub(super) looked: Instant,
    /// Whether it is what is written: the server was seen to follow what it was before.
    pub(super) vouched: bool,
    pub(super) idle_since: Instant,
}

impl Session {
    /// Connects, and makes the tables if they lack and can be made. `limit` is how long a call may
    /// take: the server gives up on a statement before, so that the cause is known.
    pub(super) async fn open(address: &Address, limit: Duration) -> Result<Self, PostgresError> {
        let milliseconds = |part: f64| limit.mul_f64(part).as_millis().max(1).to_string();
        let mut options = encrypted(address.url.parse()?, address.unencrypted);
        if let Some(file) = &address.password_file {
            options = options.password(&password(file).await?);
        }
        let options = options.application_name("voice-terminal").disable_statement_logging().options([
            ("statement_timeout", milliseconds(0.8)),
            ("lock_timeout", milliseconds(0.4)),
            ("idle_in_transaction_session_timeout", milliseconds(2.0)),
            // What is taken out of the outbox is on the server's disk, whatever is usual there. A standby is not
            // waited for: whichever is promoted gets everything again.
            ("synchronous_commit", "local".into()),
        ]);
        let mut connection = options.connect().await?;
        let facts = prepare(&mut connection).await?;
        let now = Instant::now();
        Ok(Self { connection, facts, looked: now, vouched: false, idle_since: now })
    }

    /// Looks again: a replica may have become the primary, tables may have been dropped, and are made anew then, or
    /// made newer.
    pub(super) async fn look(&mut self) -> Result<(), PostgresError> {
        self.vouched = false;
        self.facts = prepare(&mut self.connection).await?;
        self.looked = Instant::now();
        Ok(())
    }

    /// Whether it is time to look again.
    pub(super) fn is_stale(&self) -> bool {
        self.looked.elapsed() >= LOOK_AGAIN
    }

    /// Whether the server still answers.
    pub(super) async fn is_alive(&mut self) -> bool {
        self.connection.ping().await.is_ok()
    }
}

/// What leaves this machine is encrypted, for whom can prove who it is.
fn encrypted(options: PgConnectOptions, unencrypted: bool) -> PgConnectOptions {
    let host = options.get_host().trim_matches(['[', ']']);
    let is_here = options.get_socket().is_some() || is_this_machine(host);
    let is_verified = matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    if is_here || is_verified || unencrypted { options } else { options.ssl_mode(PgSslMode::VerifyFull) }
}

fn newest_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Everything that matters about the server, which has the tables then: they are made if they lack and can be made.
async fn prepare(connection: &mut PgConnection) -> Result<Facts, PostgresError> {
    let mut facts = look(connection).await?;
    if facts.version < newest_version() {
        if !facts.writable {
            return Err(if facts.version == 0 { PostgresError::NoSchema } else { PostgresError::ReadOnly });
        }
        // Locked by the server, so that of several only one does it. `run_direct` is `run`
        // without a generic connection, which the compiler can't prove to be `Send`.
        MIGRATIONS.run_direct(None, connection, false).await?;
        facts = look(connection).await?;
    }
    if facts.version > newest_version() {
        return Err(PostgresError::NewerSchema);
    }
    // They are made together.
    if facts.table.is_none() { Err(PostgresError::ForeignSchema) } else { Ok(facts) }
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
             CASE WHEN NOT pg_is_in_recovery()
                 THEN pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint ELSE 0 END AS position,
             to_regclass('voice_terminal.record')::oid::bigint AS record_table,
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
    let whereabouts = Whereabouts { identity: row.try_get("identity")?, position: row.try_get("position")? };
    let (writable, table) = (row.try_get("writable")?, row.try_get("record_table")?);
    Ok(Facts { writable, whereabouts, table, version })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str, unencrypted: bool) -> PgSslMode {
        encrypted(url.parse().unwrap(), unencrypted).get_ssl_mode()
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted() {
        for elsewhere in ["postgres://me@db.example/history", "postgres://me@10.0.0.7/h?sslmode=require"] {
            assert!(matches!(mode(elsewhere, false), PgSslMode::VerifyFull), "{elsewhere}");
            assert!(!matches!(mode(elsewhere, true), PgSslMode::VerifyFull), "{elsewhere}");
        }
        assert!(matches!(mode("postgres://me@db.example/h?sslmode=verify-ca", false), PgSslMode::VerifyCa));
        for here in
            ["postgres://me@127.0.0.1/h", "postgres://me@[::1]/h", "postgres:///h?host=/run/postgresql"]
        {
            assert!(!matches!(mode(here, false), PgSslMode::VerifyFull), "{here}");
        }
    }

    #[test]
    fn a_server_that_was_set_back_does_not_follow() {
        let at = |identity: &str, position| Whereabouts { identity: identity.into(), position };
        assert!(at("a", 7).follows(&at("a", 7)) && at("a", 8).follows(&at("a", 7)));
        assert!(!at("a", 6).follows(&at("a", 7)) && !at("b", 9).follows(&at("a", 7)));
    }
}

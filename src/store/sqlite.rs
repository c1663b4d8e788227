//! The raw client: one connection that writes, a small pool that reads.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::error::StoreError;
use super::file::{self, Identity};
use super::forgetting::{self, Condition, Deleted, Tombstones};
use super::held::Revised;
use super::outbox::{self, Change, Room};
use super::owner::{Gate, Locks, Owner};
use super::row;
use super::search::{self, Wanted};
use crate::domain::{Record, UtteranceId};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long to wait for another process that writes. Less than a breaker's timeout, so that the
/// cause is known.
const BUSY: Duration = Duration::from_secs(2);

/// The connection that writes.
#[derive(Debug)]
pub(super) struct Disk {
    connection: SqliteConnection,
    locks: Locks,
    owner: Owner,
    identity: Identity,
    path: PathBuf,
}

/// What a crash had left unfinished, and is now marked so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Nothing had been sent to the terminal, or its outcome is known.
    pub interrupted: u64,
    /// A command had been sent, and nobody knows what came of it.
    pub uncertain: u64,
}

impl Disk {
    /// Opens the journal and brings its schema up to date. One that is damaged is set aside and a
    /// new one begun; the second value is then the name of the old one. `known_damaged` says that
    /// damage was found in the file of this identity.
    pub(super) async fn open(
        path: &Path,
        known_damaged: Option<Identity>,
    ) -> Result<(Self, Option<String>), StoreError> {
        let place = path.to_owned();
        let prepared = move || -> Result<(Locks, Gate, Option<String>), StoreError> {
            file::prepare(&place)?;
            let locks = Locks::of(&place)?;
            let gate = locks.gate()?.ok_or(StoreError::Busy)?;
            let mut aside = None;
            if known_damaged.is_some() && known_damaged == Some(file::identity(&place)?) {
                aside = Some(file::set_aside(&place)?);
                file::prepare(&place)?;
            }
            Ok((locks, gate, aside))
        };
        let (locks, _gate, mut aside) = blocking(prepared).await?;
        let connection = match connect(path).await {
            Err(StoreError::Corrupt) => {
                let place = path.to_owned();
                let replaced = move || -> Result<String, StoreError> {
                    let name = file::set_aside(&place)?;
                    file::prepare(&place)?;
                    Ok(name)
                };
                aside = Some(blocking(replaced).await?);
                connect(path).await?
            }
            connection => connection?,
        };
        let place = path.to_owned();
        let registered = move || -> Result<_, StoreError> {
            let owner = locks.register()?;
            Ok((locks, owner, file::identity(&place)?))
        };
        let (locks, owner, identity) = blocking(registered).await?;
        Ok((Self { connection, locks, owner, identity, path: path.to_owned() }, aside))
    }

    /// Which file it writes.
    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether the path still names the file that is written. If somebody took it away, writing on
    /// would be writing into the void.
    pub(super) fn is_in_place(&self) -> bool {
        file::identity(&self.path).is_ok_and(|now| now == self.identity)
    }

    /// Writes records in one transaction. Gives the ids of those of which the disk has a newer
    /// state.
    pub(super) async fn save(&mut self, records: &[Revised]) -> Result<Vec<UtteranceId>, StoreError> {
        let mut outdated = Vec::new();
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for revised in records {
            let done = row::save(revised, self.owner.id()).execute(&mut *transaction).await?;
            if done.rows_affected() == 0 {
                outdated.push(revised.record.id);
            }
        }
        transaction.commit().await?;
        Ok(outdated)
    }

    /// One record, as it is on disk.
    pub(super) async fn load(&mut self, id: UtteranceId) -> Result<Option<Revised>, StoreError> {
        load(&mut self.connection, id).await
    }

    /// Marks what runs that have died left unfinished. Records of runs that live are not touched.
    pub(super) async fn recover(&mut self) -> Result<Recovered, StoreError> {
        let owners = sqlx::query(
            "SELECT DISTINCT owner FROM record WHERE reply IS NULL AND abandoned IS NULL AND owner <> ?1",
        );
        let rows: Vec<SqliteRow> = owners.bind(self.owner.id()).fetch_all(&mut self.connection).await?;
        // One that is damaged is no reason to leave the others unfinished.
        let owners: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        if owners.is_empty() {
            return Ok(Recovered::default());
        }
        let locks = self.locks.clone();
        let dead = move || -> Result<Vec<String>, StoreError> {
            let _gate = locks.gate()?.ok_or(StoreError::Busy)?;
            Ok(owners.into_iter().filter(|owner| !locks.is_alive(owner)).collect())
        };
        let dead = blocking(dead).await?;
        let mut recovered = Recovered::default();
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for owner in dead {
            let uncertain = sqlx::query(
                "UPDATE record SET revision = revision + 1, abandoned = 'uncertain: the program was stopped before it knew what came of the command'
                 WHERE owner = ?1 AND reply IS NULL AND abandoned IS NULL
                     AND command IS NOT NULL AND outcome IS NULL",
            );
            recovered.uncertain += uncertain.bind(&owner).execute(&mut *transaction).await?.rows_affected();
            let interrupted = sqlx::query(
                "UPDATE record SET revision = revision + 1, abandoned = 'interrupted: the program was stopped first'
                 WHERE owner = ?1 AND reply IS NULL AND abandoned IS NULL",
            );
            recovered.interrupted +=
                interrupted.bind(&owner).execute(&mut *transaction).await?.rows_affected();
        }
        transaction.commit().await?;
        Ok(recovered)
    }

    /// Changes the outbox.
    pub(super) async fn change(&mut self, change: &Change) -> Result<(), StoreError> {
        outbox::change(&mut self.connection, change).await
    }

    /// Deletes what is meant, for good; `delivers` says that there is a server.
    pub(super) async fn forget(
        &mut self,
        condition: &Condition,
        delivers: bool,
    ) -> Result<Deleted, StoreError> {
        forgetting::delete(&mut self.connection, condition, delivers).await
    }

    /// Overwrites what was deleted; see [`forgetting`].
    pub(super) async fn overwrite(&mut self) -> Result<(), StoreError> {
        forgetting::overwrite(&mut self.connection).await
    }

    /// Folds the log into the file and cuts it off; `false` when somebody uses it just now.
    pub(super) async fn cut_log_off(&mut self) -> Result<bool, StoreError> {
        forgetting::cut_log_off(&mut self.connection, BUSY).await
    }

    /// How many records are meant.
    pub(super) async fn count(&mut self, condition: &Condition) -> Result<u64, StoreError> {
        forgetting::count(&mut self.connection, condition).await
    }

    /// What a server must still forget.
    pub(super) async fn tombstones(&mut self) -> Result<Tombstones, StoreError> {
        forgetting::waiting(&mut self.connection).await
    }

    /// Keeps the journal within bounds.
    pub(super) async fn keep_within(&mut self, limit: u64, delivers: bool) -> Result<Room, StoreError> {
        outbox::keep_within(&mut self.connection, limit, delivers).await
    }

    /// Closes it; the last one to do so folds the write-ahead log into the file.
    pub(super) async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(StoreError::Closed),
        },
    }
}

async fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is deleted is overwritten where that costs nothing; `forgetting` sees to the rest.
        .pragma("secure_delete", "FAST")
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    migrate(&mut connection).await?;
    Ok(connection)
}

/// Brings the schema up to date. `run_direct` is `run` without a generic connection, which the
/// compiler can't prove to be `Send`.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    Ok(MIGRATIONS.run_direct(None, connection, false).await?)
}

/// A pool that opens its connections when they are needed. `frozen`: nobody can write this file, so
/// that not even locks can be had; what was in an unfinished write-ahead log is then missing.
pub(super) fn readers(path: &Path, frozen: bool) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .read_only(true)
        .immutable(frozen)
        .disable_statement_logging();
    SqlitePoolOptions::new()
        .max_connections(2)
        .acquire_timeout(BUSY)
        .idle_timeout(Duration::from_secs(60))
        .connect_lazy_with(options)
}

/// One record.
pub(super) async fn load<'c>(
    executor: impl sqlx::SqliteExecutor<'c>,
    id: UtteranceId,
) -> Result<Option<Revised>, StoreError> {
    let query = sqlx::query("SELECT * FROM record WHERE id = ?1").bind(id.to_string());
    query.fetch_optional(executor).await?.as_ref().and_then(row::readable).transpose()
}

/// Which records are looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Among {
    /// All.
    All,
    /// Those that a server doesn't have yet, and these.
    UndeliveredAnd(Vec<UtteranceId>),
}

/// The newest records that match, newest first.
pub(super) async fn search<'c>(
    executor: impl sqlx::SqliteExecutor<'c>,
    among: Among,
    wanted: &Wanted,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    /// Of which the database has nothing, and those of these ids.
    const UNDELIVERED: &str = "seq IN (SELECT seq FROM outbox
        UNION SELECT seq FROM record WHERE id IN (SELECT value FROM json_each(?2)))";
    const MATCHING: &str = "seq IN (SELECT rowid FROM record_search WHERE record_search MATCH ?3)";

    let (among, ids) = match among {
        Among::All => ("true", None),
        Among::UndeliveredAnd(ids) => (UNDELIVERED, serde_json::to_string(&ids).ok()),
    };
    let (matching, words) = match wanted {
        Wanted::Nothing => return Ok(Vec::new()),
        Wanted::All => ("true", None),
        Wanted::Matching(words) => (MATCHING, Some(search::fts5(words))),
    };
    let statement = format!("SELECT * FROM record WHERE {matching} AND {among} ORDER BY id DESC LIMIT ?1");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(limit).bind(ids).bind(words);
    let rows: Vec<SqliteRow> = query.fetch_all(executor).await?;
    rows.iter().filter_map(row::readable).map(|read| Ok(read?.record.into_record())).collect()
}

/// The same search, among records that are not on disk: a database in memory, so that it is the same
/// indeed.
pub(super) async fn search_among(
    records: &[Revised],
    wanted: &Wanted,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let options = SqliteConnectOptions::new().in_memory(true).disable_statement_logging();
    let mut connection = options.connect().await?;
    migrate(&mut connection).await?;
    let mut transaction = connection.begin().await?;
    for revised in records {
        row::save(revised, "").execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    search(&mut connection, Among::All, wanted, limit).await
}

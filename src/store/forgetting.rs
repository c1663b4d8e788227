//! Forgetting for good.
//!
//! **Why.** What somebody wants forgotten must be gone: from the file's free pages, its log and its index as well as from
//! its tables, and from the server, even if that is down now, was restored from a copy, or gets a batch late.
//!
//! **Mechanics.** One transaction deletes the records and notes their ids; then the index is merged into one piece without
//! the deleted words, free pages are overwritten, and the log is folded in and cut off. Somebody who reads from the log
//! is not waited for: the writer tries it again until they have let go, between other work. The ids are tombstones: a
//! record of such an id is not inserted any more, here or on the server (triggers), and not shown when a replica still has it.
//! What a server may have beyond the journal is asked for by time and words (`forgetting`); the server answers with the
//! ids, and the words are forgotten, too. All that is carried over by [`replay`](super::replay), before whatever waits to
//! be written, and again to a server that is another than before.
//!
//! **Limits.** A turn under way is not forgotten. A server's own log and free pages are that server's affair.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Row, SqliteExecutor};

use super::error::StoreError;
use super::search::{self, Wanted};
use crate::domain::{Selection, UtteranceId};

/// Ids that are sent at once.
const BATCH: i64 = 5_000;
/// Ids that are remembered, the newest, once a server has them.
const REMEMBERED: i64 = 100_000;

/// Which records are meant, in the words of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) id: Option<UtteranceId>,
    /// In nanoseconds since 1970.
    pub(super) before: i64,
    pub(super) wanted: Wanted,
}

impl Condition {
    /// What a selection means now: what is said later is never meant.
    pub(super) fn of(selection: &Selection) -> Self {
        let before = selection.before.unwrap_or_else(Timestamp::now).as_nanosecond();
        Self {
            id: selection.id,
            before: i64::try_from(before).unwrap_or(i64::MAX),
            wanted: search::wanted(selection.search.as_deref()),
        }
    }

    fn words(&self) -> Option<&[String]> {
        match &self.wanted {
            Wanted::Matching(words) => Some(words),
            Wanted::All | Wanted::Nothing => None,
        }
    }
}

/// What was deleted here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Deleted {
    pub(super) ids: Vec<UtteranceId>,
    /// What was typed, as far as a console could remember it.
    pub(super) texts: Vec<String>,
    /// Whether it is gone from the file, too.
    pub(super) wiped: bool,
}

/// The finished records that are meant, by number, id and text.
const MEANT: &str = "SELECT seq FROM record
    WHERE (reply IS NOT NULL OR abandoned IS NOT NULL) AND at < ?1 AND (?2 IS NULL OR id = ?2)
        AND (?3 IS NULL OR seq IN (SELECT rowid FROM record_search WHERE record_search MATCH ?3))";

/// How many records are meant.
pub(super) async fn count<'c>(
    executor: impl SqliteExecutor<'c>,
    condition: &Condition,
) -> Result<u64, StoreError> {
    if condition.wanted == Wanted::Nothing {
        return Ok(0);
    }
    let statement = format!("SELECT count(*) FROM ({MEANT})");
    let query = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(statement));
    let query = query.bind(condition.before).bind(condition.id.map(|id| id.to_string()));
    Ok(query.bind(condition.words().map(search::fts5)).fetch_one(executor).await?.cast_unsigned())
}

/// Deletes the records that are meant, and notes it for a server, if there is one or was. They are in the file still.
pub(super) async fn delete(
    connection: &mut SqliteConnection,
    condition: &Condition,
    delivers: bool,
) -> Result<Deleted, StoreError> {
    /// Nobody types a longer line twice.
    const LONGEST: usize = 4_096;

    if condition.wanted == Wanted::Nothing {
        return Ok(Deleted { wiped: true, ..Deleted::default() });
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let statement = format!(
        "SELECT id, CASE WHEN length(text) < {LONGEST} THEN text END, seq FROM record WHERE seq IN ({MEANT})"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    let query = query.bind(condition.before).bind(condition.id.map(|id| id.to_string()));
    let rows: Vec<SqliteRow> =
        query.bind(condition.words().map(search::fts5)).fetch_all(&mut *transaction).await?;
    let (mut deleted, mut numbers) = (Deleted::default(), Vec::new());
    for row in &rows {
        numbers.push(row.try_get::<i64, _>(2)?);
        // One with a damaged id goes too, and no server has it.
        deleted.ids.extend(readable(row.try_get(0).unwrap_or_default()));
        deleted.texts.extend(row.try_get::<Option<String>, _>(1).ok().flatten());
    }
    let mut ids = deleted.ids.clone();
    // One that only a server has is named by whoever has seen it there.
    if let Some(id) = condition.id.filter(|id| delivers && !ids.contains(id)) {
        let here = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM record WHERE id = ?1");
        if here.bind(id.to_string()).fetch_one(&mut *transaction).await? == 0 {
            ids.push(id);
        }
    }
    let list = serde_json::to_string(&ids).unwrap_or_default();
    let query = sqlx::query("INSERT OR IGNORE INTO forgotten (id) SELECT value FROM json_each(?1)");
    query.bind(list).execute(&mut *transaction).await?;
    let query = sqlx::query(
        "DELETE FROM record WHERE seq IN (SELECT value FROM json_each(?1))
             AND (reply IS NOT NULL OR abandoned IS NOT NULL)",
    );
    query.bind(serde_json::to_string(&numbers).unwrap_or_default()).execute(&mut *transaction).await?;
    let known = sqlx::query_scalar::<_, String>("SELECT identity FROM destination");
    let has_server = delivers || known.fetch_optional(&mut *transaction).await?.is_some();
    if has_server && condition.id.is_none() {
        let words = condition.words().map(|words| serde_json::to_string(words).unwrap_or_default());
        let query = sqlx::query("INSERT INTO forgetting (before, words) VALUES (?1, ?2)");
        query.bind(condition.before).bind(words).execute(&mut *transaction).await?;
        // The later one says it all.
        sqlx::query(
            "DELETE FROM forgetting WHERE words IS NULL
                 AND before < (SELECT max(before) FROM forgetting WHERE words IS NULL)",
        )
        .execute(&mut *transaction)
        .await?;
    }
    let prune = sqlx::query(
        "DELETE FROM forgotten WHERE (delivered OR NOT ?2)
             AND id < (SELECT id FROM forgotten ORDER BY id DESC LIMIT 1 OFFSET ?1)",
    );
    prune.bind(REMEMBERED).bind(has_server).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(deleted)
}

/// Sees to it that what was deleted is in no page of the file any more, once the log is folded in.
///
/// To overwrite at once whatever is deleted would double what each turn writes. So the free pages are overwritten here:
/// they are taken by zeros, and given back.
pub(super) async fn overwrite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    /// Bytes in a piece.
    const PIECE: i64 = 8 << 20;

    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Into one piece, without the words of what was deleted.
    sqlx::query("INSERT INTO record_search (record_search) VALUES ('optimize')")
        .execute(&mut *transaction)
        .await?;
    let free = sqlx::query_scalar::<_, i64>(
        "SELECT (freelist_count + 1) * page_size FROM pragma_freelist_count(), pragma_page_size()",
    );
    let mut free = free.fetch_one(&mut *transaction).await?;
    sqlx::query("CREATE TABLE wiping (bytes BLOB) STRICT").execute(&mut *transaction).await?;
    while free > 0 {
        let query = sqlx::query("INSERT INTO wiping (bytes) VALUES (zeroblob(?1))");
        query.bind(free.min(PIECE)).execute(&mut *transaction).await?;
        free -= PIECE;
    }
    sqlx::query("DROP TABLE wiping").execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// Folds the log in and cuts it off, so that nothing is in it any more. `false` when somebody uses it just now, who is
/// not waited for; `patience` is how long the connection waits otherwise.
pub(super) async fn cut_log_off(
    connection: &mut SqliteConnection,
    patience: Duration,
) -> Result<bool, StoreError> {
    // Prepared anew each time, which is when it takes effect.
    sqlx::raw_sql("PRAGMA busy_timeout = 0").execute(&mut *connection).await?;
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await;
    let restored = format!("PRAGMA busy_timeout = {}", patience.as_millis());
    sqlx::raw_sql(sqlx::AssertSqlSafe(restored)).execute(&mut *connection).await?;
    Ok(row?.try_get::<i64, _>(0)? == 0)
}

/// What a server is to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tombstones {
    pub(super) ids: Vec<UtteranceId>,
    pub(super) asked: Vec<Asked>,
}

/// Something that a server is asked to look for, and forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) seq: i64,
    pub(super) before: i64,
    /// As they are searched for.
    pub(super) wanted: Wanted,
}

impl Tombstones {
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.asked.is_empty()
    }

    /// Whether words are among it that are kept only until a server was told.
    pub(super) fn has_words(&self) -> bool {
        self.asked.iter().any(|asked| asked.wanted != Wanted::All)
    }
}

/// What a server has not been told yet, the first of it.
pub(super) async fn waiting(connection: &mut SqliteConnection) -> Result<Tombstones, StoreError> {
    let query =
        sqlx::query_scalar::<_, Vec<u8>>("SELECT id FROM forgotten WHERE delivered = 0 ORDER BY id LIMIT ?1");
    let ids = query.bind(BATCH).fetch_all(&mut *connection).await?;
    let ids = ids.iter().filter_map(|id| readable(str::from_utf8(id).unwrap_or_default())).collect();
    Ok(Tombstones { ids, asked: asked(connection).await? })
}

/// What a server has not been asked for yet.
pub(super) async fn asked<'c>(executor: impl SqliteExecutor<'c>) -> Result<Vec<Asked>, StoreError> {
    let query = sqlx::query("SELECT seq, before, words FROM forgetting WHERE delivered = 0 ORDER BY seq");
    let rows: Vec<SqliteRow> = query.fetch_all(executor).await?;
    let asked = rows.iter().map(|row| {
        let words = row.try_get::<Option<&str>, _>("words")?;
        let words =
            words.map(serde_json::from_str::<Vec<String>>).transpose().map_err(|_| StoreError::Unreadable)?;
        let wanted = words.map_or(Wanted::All, Wanted::Matching);
        Ok(Asked { seq: row.try_get("seq")?, before: row.try_get("before")?, wanted })
    });
    asked.collect()
}

/// An id, unless it is damaged.
fn readable(id: &str) -> Option<UtteranceId> {
    id.parse().inspect_err(|_| tracing::warn!("the journal holds a damaged id")).ok()
}

/// Notes, in a transaction, that a server was told: of these ids, and of what it was asked; it has found those.
pub(super) async fn delivered(
    connection: &mut SqliteConnection,
    told: &Tombstones,
    found: &[UtteranceId],
) -> Result<(), StoreError> {
    let list = |ids: &[UtteranceId]| serde_json::to_string(ids).unwrap_or_default();
    let query =
        sqlx::query("UPDATE forgotten SET delivered = 1 WHERE id IN (SELECT value FROM json_each(?1))");
    query.bind(list(&told.ids)).execute(&mut *connection).await?;
    let query =
        sqlx::query("INSERT OR IGNORE INTO forgotten (id, delivered) SELECT value, 1 FROM json_each(?1)");
    query.bind(list(found)).execute(&mut *connection).await?;
    for asked in &told.asked {
        // The words have done what they were kept for; the ids stand for them.
        let query = sqlx::query("DELETE FROM forgetting WHERE seq = ?1 AND words IS NOT NULL");
        query.bind(asked.seq).execute(&mut *connection).await?;
        let query = sqlx::query("UPDATE forgetting SET delivered = 1 WHERE seq = ?1");
        query.bind(asked.seq).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Has all of it told again, to another server.
pub(super) async fn tell_again(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for table in ["UPDATE forgotten SET delivered = 0", "UPDATE forgetting SET delivered = 0"] {
        sqlx::query(table).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Those of these records that were forgotten here, whatever a server says.
pub(super) async fn forgotten_of<'c>(
    executor: impl SqliteExecutor<'c>,
    ids: &[UtteranceId],
) -> Result<Vec<UtteranceId>, StoreError> {
    let query = sqlx::query_scalar::<_, String>(
        "SELECT id FROM forgotten WHERE id IN (SELECT value FROM json_each(?1))",
    );
    let found = query.bind(serde_json::to_string(ids).unwrap_or_default()).fetch_all(executor).await?;
    Ok(found.iter().filter_map(|id| readable(id)).collect())
}

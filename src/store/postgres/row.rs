//! Records in PostgreSQL: written as they are in the journal, read into the program's types.

use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, PgConnection, Postgres, Row};
use uuid::Uuid;

use super::super::forgetting::Tombstones;
use super::super::held::Revised;
use super::super::outbox::Parcel;
use super::super::record::Clean;
use super::super::row::origin;
use super::super::search::{Wanted, tsquery, tsvector};
use super::error::PostgresError;
use crate::domain::{Record, UtteranceId};

/// Idempotent: the same again, or something older, changes nothing.
const CARRY: &str = "
    INSERT INTO voice_terminal.record AS known (id, revision, origin, at, speech_seconds, text,
        transcript, interpretation, command, outcome, reply, abandoned, words)
    SELECT id, revision, origin, at, speech_seconds, text, transcript::jsonb, interpretation::jsonb,
        command::jsonb, outcome::jsonb, reply::jsonb, abandoned, words::tsvector
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::double precision[], $6::text[],
        $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
        AS parcel (id, revision, origin, at, speech_seconds, text, transcript, interpretation, command,
            outcome, reply, abandoned, words)
    ON CONFLICT (id) DO UPDATE SET
        revision = excluded.revision, text = excluded.text, transcript = excluded.transcript,
        interpretation = excluded.interpretation, command = excluded.command,
        outcome = excluded.outcome, reply = excluded.reply, abandoned = excluded.abandoned,
        words = excluded.words
    WHERE excluded.revision > known.revision
    RETURNING pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, known.tableoid::bigint";

/// The statement that writes these, all or none. Gives for each that changes something how far the server's log had
/// come then, which is safe once this is committed, and which table it is in.
pub(super) fn carry(parcels: &[Parcel]) -> Query<'static, Postgres, PgArguments> {
    fn column<T>(parcels: &[Parcel], field: impl Fn(&Parcel) -> T) -> Vec<T> {
        parcels.iter().map(field).collect()
    }
    let words = |parcel: &Parcel| {
        let texts = parcel.text.iter().chain(&parcel.words);
        tsvector(texts.map(String::as_str))
    };
    sqlx::query(CARRY)
        .bind(column(parcels, |it| Uuid::from(it.id)))
        .bind(column(parcels, |it| it.revision))
        .bind(column(parcels, |it| it.origin.clone()))
        .bind(column(parcels, |it| it.at))
        .bind(column(parcels, |it| it.speech_seconds))
        .bind(column(parcels, |it| it.text.clone()))
        .bind(column(parcels, |it| it.transcript.clone()))
        .bind(column(parcels, |it| it.interpretation.clone()))
        .bind(column(parcels, |it| it.command.clone()))
        .bind(column(parcels, |it| it.outcome.clone()))
        .bind(column(parcels, |it| it.reply.clone()))
        .bind(column(parcels, |it| it.abandoned.clone()))
        .bind(column(parcels, words))
}

/// The newest records that match, newest first.
pub(super) async fn search(
    connection: &mut PgConnection,
    wanted: &Wanted,
    limit: u32,
) -> Result<Vec<Revised>, PostgresError> {
    let words = match wanted {
        Wanted::Nothing => return Ok(Vec::new()),
        Wanted::All => None,
        Wanted::Matching(words) => match tsquery(words) {
            None => return Ok(Vec::new()),
            words => words,
        },
    };
    let columns = "SELECT id, revision, origin, at, speech_seconds, text, transcript::text,
        interpretation::text, command::text, outcome::text, reply::text, abandoned
        FROM voice_terminal.record";
    let rows: Vec<PgRow> = match words {
        None => {
            let query = sqlx::query(sqlx::AssertSqlSafe(format!("{columns} ORDER BY id DESC LIMIT $1")));
            query.bind(i64::from(limit)).fetch_all(connection).await?
        }
        Some(words) => {
            let text = format!("{columns} WHERE words @@ $2::tsquery ORDER BY id DESC LIMIT $1");
            let query = sqlx::query(sqlx::AssertSqlSafe(text));
            query.bind(i64::from(limit)).bind(words).fetch_all(connection).await?
        }
    };
    Ok(rows.iter().filter_map(readable).collect())
}

/// A row that this version can't read, because another wrote it, is no reason to hide the others.
fn readable(row: &PgRow) -> Option<Revised> {
    read(row).inspect_err(|error| tracing::warn!(%error, "a record of the database can't be read")).ok()
}

/// What is said to a server of what is to be forgotten: nobody writes meanwhile, and whoever wrote before is done.
const ALONE: &str = "LOCK TABLE voice_terminal.record IN SHARE ROW EXCLUSIVE MODE";

/// These, whether they are there or come later.
const FORGET: &str = "
    WITH gone AS (DELETE FROM voice_terminal.record WHERE id = ANY($1))
    INSERT INTO voice_terminal.forgotten (id) SELECT unnest($1) ON CONFLICT DO NOTHING";

/// Those that are found.
const FORGET_FOUND: &str = "
    WITH gone AS (
        DELETE FROM voice_terminal.record
        WHERE at < $1 AND (reply IS NOT NULL OR abandoned IS NOT NULL) AND ($2 IS NULL OR words @@ $2::tsquery)
        RETURNING id),
    noted AS (INSERT INTO voice_terminal.forgotten (id) SELECT id FROM gone ON CONFLICT DO NOTHING)
    SELECT id FROM gone";

/// Forgets, all or nothing, and for good; gives what was found of what was asked for. Idempotent.
pub(super) async fn forget(
    connection: &mut PgConnection,
    tombstones: &Tombstones,
) -> Result<Vec<UtteranceId>, PostgresError> {
    let mut transaction = connection.begin().await?;
    sqlx::query(ALONE).execute(&mut *transaction).await?;
    let ids: Vec<Uuid> = tombstones.ids.iter().map(|id| Uuid::from(*id)).collect();
    sqlx::query(FORGET).bind(ids).execute(&mut *transaction).await?;
    let mut found = Vec::new();
    for asked in &tombstones.asked {
        let words = match &asked.wanted {
            Wanted::Nothing => continue,
            Wanted::All => None,
            Wanted::Matching(words) => match tsquery(words) {
                None => continue,
                words => words,
            },
        };
        let query = sqlx::query_scalar::<_, Uuid>(FORGET_FOUND).bind(asked.before).bind(words);
        found.extend(query.fetch_all(&mut *transaction).await?.into_iter().map(UtteranceId::from));
    }
    transaction.commit().await?;
    Ok(found)
}

/// How old what a server knows may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Age {
    /// It is a primary: what it knows is so.
    Current,
    /// It is a replica, and the last change that has reached it is so old. Nothing may have changed
    /// since.
    LastChange(Duration),
    /// It is a replica that no change has reached since its start.
    Unknown,
}

/// How far behind the server may be.
pub(super) async fn age(connection: &mut PgConnection) -> Result<Age, PostgresError> {
    let query = sqlx::query_as::<_, (bool, Option<f64>)>(
        "SELECT pg_is_in_recovery(),
             extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::double precision",
    );
    let (follows, seconds) = query.fetch_one(connection).await?;
    let age = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
    Ok(match age {
        _ if !follows => Age::Current,
        Some(age) => Age::LastChange(age),
        None => Age::Unknown,
    })
}

fn read(row: &PgRow) -> Result<Revised, PostgresError> {
    let damaged = |what: &str| PostgresError::Other(sqlx::Error::Decode(what.into()));
    let at: i64 = row.try_get("at")?;
    let record = Record {
        id: row.try_get::<Uuid, _>("id")?.into(),
        origin: origin(row.try_get("origin")?).ok_or_else(|| damaged("an unknown origin"))?,
        at: Timestamp::from_nanosecond(at.into()).map_err(|_| damaged("an impossible time"))?,
        speech_seconds: row.try_get("speech_seconds")?,
        text: row.try_get("text")?,
        transcript: parsed(row, "transcript")?,
        interpretation: parsed(row, "interpretation")?,
        command: parsed(row, "command")?,
        outcome: parsed(row, "outcome")?,
        reply: parsed(row, "reply")?,
        abandoned: row.try_get("abandoned")?,
    };
    Ok(Revised { record: Clean::kept(record), revision: row.try_get("revision")? })
}

/// A field that this version can't read, because another wrote it, is no reason to hide the rest.
fn parsed<T: DeserializeOwned>(row: &PgRow, column: &str) -> Result<Option<T>, PostgresError> {
    let Some(text) = row.try_get::<Option<&str>, _>(column)? else { return Ok(None) };
    let value = serde_json::from_str(text);
    if let Err(error) = &value {
        tracing::warn!(column, %error, "a field of the database can't be read");
    }
    Ok(value.ok())
}

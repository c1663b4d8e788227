//! A record as a row, and back.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};

use super::error::StoreError;
use super::held::Revised;
use super::record::Clean;
use crate::domain::{Origin, Record};

/// Writes the whole row, unless a newer state of it is there already.
const SAVE: &str = "
    INSERT INTO record (id, owner, revision, origin, at, speech_seconds, text, transcript,
        interpretation, command, outcome, reply, abandoned)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
    ON CONFLICT (id) DO UPDATE SET
        owner = excluded.owner, revision = excluded.revision, text = excluded.text,
        transcript = excluded.transcript, interpretation = excluded.interpretation,
        command = excluded.command, outcome = excluded.outcome, reply = excluded.reply,
        abandoned = excluded.abandoned
    WHERE excluded.revision >= record.revision";

/// The statement that saves a record.
pub(super) fn save<'q>(revised: &'q Revised, owner: &'q str) -> Query<'q, Sqlite, SqliteArguments> {
    let Revised { record, revision } = revised;
    sqlx::query(SAVE)
        .bind(record.id.to_string())
        .bind(owner)
        .bind(revision)
        .bind(origin_name(record.origin))
        .bind(nanoseconds(record.at))
        .bind(record.speech_seconds)
        .bind(&record.text)
        .bind(json(record.transcript.as_ref()))
        .bind(json(record.interpretation.as_ref()))
        .bind(json(record.command.as_ref()))
        .bind(json(record.outcome.as_ref()))
        .bind(json(record.reply.as_ref()))
        .bind(&record.abandoned)
}

/// Reads a row of all columns.
fn read(row: &SqliteRow) -> Result<Revised, StoreError> {
    let id: &str = row.try_get("id")?;
    let at: i64 = row.try_get("at")?;
    let record = Record {
        id: id.parse().map_err(|_| StoreError::Unreadable)?,
        origin: origin(row.try_get("origin")?).ok_or(StoreError::Unreadable)?,
        at: Timestamp::from_nanosecond(at.into()).map_err(|_| StoreError::Unreadable)?,
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

/// The same; one that this version can't read, because another wrote it or it was damaged, is passed over.
pub(super) fn readable(row: &SqliteRow) -> Option<Result<Revised, StoreError>> {
    match read(row) {
        Err(StoreError::Unreadable) => {
            tracing::warn!("a record of the journal can't be read, and is left as it is");
            None
        }
        read => Some(read),
    }
}

const ORIGINS: [(Origin, &str); 4] = [
    (Origin::Microphone, "microphone"),
    (Origin::Recording, "recording"),
    (Origin::Typed, "typed"),
    (Origin::Control, "control"),
];

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Microphone => ORIGINS[0].1,
        Origin::Recording => ORIGINS[1].1,
        Origin::Typed => ORIGINS[2].1,
        Origin::Control => ORIGINS[3].1,
    }
}

pub(super) fn origin(name: &str) -> Option<Origin> {
    ORIGINS.iter().find(|(_, known)| *known == name).map(|(origin, _)| *origin)
}

/// Enough until the year 2262.
fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

/// These types are plain data with text keys, which JSON can always hold.
fn json<T: Serialize>(value: Option<&T>) -> Option<String> {
    value.and_then(|value| serde_json::to_string(value).ok())
}

/// A field that this version can't read, because another wrote it or it was damaged, is no reason to hide the rest.
fn parsed<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<Option<T>, StoreError> {
    let Some(text) = row.try_get::<Option<&[u8]>, _>(column)? else { return Ok(None) };
    let value = serde_json::from_slice(text);
    if let Err(error) = &value {
        tracing::warn!(column, %error, "a field of the journal can't be read");
    }
    Ok(value.ok())
}

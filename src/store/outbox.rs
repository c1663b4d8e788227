//! The journal's outbox: what a PostgreSQL server has not been given yet, and what is done about the
//! journal's size.
//!
//! The triggers of the schema put a record's revision in with the very change of it, so that what is
//! acknowledged is either in the outbox or on the server. It is taken out when the server has
//! committed it; a crash in between sends it again, which changes nothing there.
//!
//! Several runs may share the journal, and not know of the same servers. So the journal has one server at a time that
//! things go to, the one that a run has begun with last: its settings are the newest. Whatever was done by another
//! one is noted in the same transaction that sees which one that is, or not at all; see [`replay`](super::replay).

use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Connection, Row, SqliteExecutor};
use uuid::Uuid;

use super::error::StoreError;
use super::forgetting::{self, Tombstones};
use super::postgres::Whereabouts;
use crate::domain::UtteranceId;

/// How full the journal may be before it is told.
const TOLD: f64 = 0.8;

/// Records dropped at once: more than are added between two looks, and one in so many, so that a
/// full journal stays nearly full.
const DROPPED: i64 = 64;
const ONE_IN: i64 = 20;

/// A record takes hardly more room than so many times its texts, the index and all the rest of it counted in.
const ROOM_OF_TEXT: f64 = 4.0;

/// A record on its way to a server, as it is in the journal: its fields are passed on unread, those
/// that this version doesn't know among them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parcel {
    pub(super) id: UtteranceId,
    pub(super) revision: i64,
    pub(super) origin: String,
    pub(super) at: i64,
    pub(super) speech_seconds: Option<f64>,
    pub(super) text: Option<String>,
    pub(super) transcript: Option<String>,
    pub(super) interpretation: Option<String>,
    pub(super) command: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) reply: Option<String>,
    pub(super) abandoned: Option<String>,
    /// What can be searched for, besides the text.
    pub(super) words: [String; 3],
}

impl Parcel {
    fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get::<&str, _>("id")?.parse().map_err(|_| StoreError::Unreadable)?,
            revision: row.try_get("revision")?,
            origin: row.try_get("origin")?,
            at: row.try_get("at")?,
            speech_seconds: row.try_get("speech_seconds")?,
            text: row.try_get("text")?,
            transcript: row.try_get("transcript")?,
            interpretation: row.try_get("interpretation")?,
            command: row.try_get("command")?,
            outcome: row.try_get("outcome")?,
            reply: row.try_get("reply")?,
            abandoned: row.try_get("abandoned")?,
            words: [row.try_get("command_words")?, row.try_get("output_words")?, row.try_get("reply_words")?],
        })
    }

    /// One of which nothing is known.
    pub(super) fn blank() -> Self {
        Self {
            id: UtteranceId::generate(),
            revision: 1,
            origin: "typed".into(),
            at: 0,
            speech_seconds: None,
            text: Some(String::new()),
            transcript: None,
            interpretation: None,
            command: None,
            outcome: None,
            reply: None,
            abandoned: None,
            words: Default::default(),
        }
    }

    /// How many bytes of text it has.
    pub(super) fn size(&self) -> usize {
        let fields = [
            &self.text,
            &self.transcript,
            &self.interpretation,
            &self.command,
            &self.outcome,
            &self.reply,
            &self.abandoned,
        ];
        let fields = fields.into_iter().flatten().map(String::len).sum::<usize>();
        fields + self.words.iter().map(String::len).sum::<usize>()
    }

    /// Which state of which record this is.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { id: self.id, revision: self.revision }
    }
}

/// A state of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) id: UtteranceId,
    pub(super) revision: i64,
}

/// How many records wait for the server, and how many it will never take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Not there yet.
    pub waiting: u64,
    /// Set aside, each with its reason.
    pub refused: u64,
}

/// What changes in the outbox.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A server has committed these, and is there now.
    Delivered { stamps: Vec<Stamp>, there: Whereabouts },
    /// These, by their numbers, can't be read, and so no server will get them.
    Damaged(Vec<i64>),
    /// A server will never take this.
    Refused { stamp: Stamp, reason: String, there: Whereabouts },
    /// From now on things go to this server; if another one had them before, or this one was set back, all of them
    /// do. If there is an identity, it is in place of that one only. `known` is how far it had come as far as the journal
    /// knew when it was asked: what another run has delivered since is no sign that it was set back.
    Destination { there: Whereabouts, instead_of: Option<String>, known: Option<i64> },
    /// What was refused is tried again.
    RetryRefused,
    /// A server was told to forget this, and has found those.
    Forgotten { told: Tombstones, found: Vec<UtteranceId>, there: Whereabouts },
}

impl Change {
    /// Whether it is of another server than things go to, so that noting it would lose them for that one.
    fn is_overruled(&self, known: Option<&Whereabouts>) -> bool {
        let known = known.map(|known| known.identity.as_str());
        match self {
            Self::Delivered { there, .. } | Self::Refused { there, .. } | Self::Forgotten { there, .. } => {
                known != Some(there.identity.as_str())
            }
            Self::Destination { there, instead_of, .. } => known.is_some_and(|known| {
                known != there.identity && instead_of.as_ref().is_some_and(|before| before != known)
            }),
            Self::Damaged(_) | Self::RetryRefused => false,
        }
    }
}

/// The first that wait, in the order in which they were begun; and the numbers of those among them that can't be read.
pub(super) async fn waiting(pool: &SqlitePool, most: usize) -> Result<(Vec<Parcel>, Vec<i64>), StoreError> {
    // By pages: those that can't be delivered don't hide what is behind them.
    let (mut parcels, mut damaged, mut after) = (Vec::new(), Vec::new(), i64::MIN);
    while parcels.len() < most {
        let query = sqlx::query(
            "SELECT record.* FROM outbox JOIN record USING (seq)
             WHERE outbox.refused IS NULL AND outbox.seq > ?2 ORDER BY outbox.seq LIMIT ?1",
        );
        let page = query.bind(i64::try_from(most).unwrap_or(i64::MAX)).bind(after).fetch_all(pool).await?;
        let Some(last) = page.last() else { break };
        after = last.try_get("seq")?;
        for row in &page {
            match Parcel::read(row) {
                Err(StoreError::Unreadable) => damaged.push(row.try_get("seq")?),
                parcel => parcels.push(parcel?),
            }
        }
    }
    parcels.truncate(most);
    Ok((parcels, damaged))
}

/// How many wait.
pub(super) async fn backlog<'c>(executor: impl SqliteExecutor<'c>) -> Result<Backlog, StoreError> {
    let query = sqlx::query("SELECT count(*) AS everything, count(refused) AS refused FROM outbox");
    let row = query.fetch_one(executor).await?;
    let count = |column| Ok::<_, StoreError>(row.try_get::<i64, _>(column)?.cast_unsigned());
    let (everything, refused) = (count("everything")?, count("refused")?);
    Ok(Backlog { waiting: everything - refused, refused })
}

/// Where these records stand: those that wait, and those that were refused, with the reason.
pub(super) async fn standing_of<'c>(
    executor: impl SqliteExecutor<'c>,
    ids: &[UtteranceId],
) -> Result<Vec<(UtteranceId, Option<String>)>, StoreError> {
    let query = sqlx::query(
        "SELECT record.id, outbox.refused FROM outbox JOIN record USING (seq)
         WHERE record.id IN (SELECT value FROM json_each(?1))",
    );
    let rows = query.bind(list(ids)).fetch_all(executor).await?;
    let read = |row: &SqliteRow| {
        let id = row.try_get::<&str, _>("id")?.parse().map_err(|_| StoreError::Unreadable)?;
        Ok((id, row.try_get("refused")?))
    };
    rows.iter().map(read).collect()
}

/// Which server was given what is not in the outbox, and how far it had come when it took something last; `None` if
/// none was.
pub(super) async fn destination<'c>(
    executor: impl SqliteExecutor<'c>,
) -> Result<Option<Whereabouts>, StoreError> {
    let query = sqlx::query_as::<_, (String, i64)>("SELECT identity, position FROM destination");
    let known = query.fetch_optional(executor).await?;
    Ok(known.map(|(identity, position)| Whereabouts { identity, position }))
}

/// Those of which the journal has a newer state than this.
pub(super) async fn newer_than<'c>(
    executor: impl SqliteExecutor<'c>,
    stamps: &[Stamp],
) -> Result<Vec<UtteranceId>, StoreError> {
    let pairs: Vec<(Uuid, i64)> = stamps.iter().map(|stamp| (stamp.id.into(), stamp.revision)).collect();
    let query = sqlx::query_scalar::<_, String>(
        "SELECT record.id FROM record JOIN json_each(?1) AS known ON record.id = known.value ->> 0
         WHERE record.revision > known.value ->> 1",
    );
    let ids = query.bind(serde_json::to_string(&pairs).unwrap_or_default()).fetch_all(executor).await?;
    ids.iter().map(|id| id.parse().map_err(|_| StoreError::Unreadable)).collect()
}

/// Ids as a JSON list, which they can always be.
fn list(ids: &[UtteranceId]) -> String {
    serde_json::to_string(ids).unwrap_or_default()
}

/// Does one change, durably.
pub(super) async fn change(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let before = destination(&mut *transaction).await?;
    if change.is_overruled(before.as_ref()) {
        return Err(StoreError::Overruled);
    }
    match change {
        Change::Delivered { stamps, there } => {
            // By the id, which means the same in a journal that was begun anew.
            for Stamp { id, revision } in stamps {
                let query = sqlx::query(
                    "DELETE FROM outbox
                     WHERE seq = (SELECT seq FROM record WHERE id = ?1) AND revision <= ?2",
                );
                query.bind(id.to_string()).bind(revision).execute(&mut *transaction).await?;
            }
            let query =
                sqlx::query("UPDATE destination SET position = max(position, ?2) WHERE identity = ?1");
            query.bind(&there.identity).bind(there.position).execute(&mut *transaction).await?;
        }
        Change::Damaged(numbers) => {
            let query = sqlx::query(
                "UPDATE outbox SET refused = 'it is damaged' WHERE seq IN (SELECT value FROM json_each(?1))",
            );
            query.bind(serde_json::to_string(numbers).unwrap_or_default()).execute(&mut *transaction).await?;
        }
        Change::Refused { stamp, reason, .. } => {
            let query = sqlx::query(
                "UPDATE outbox SET refused = ?3
                 WHERE seq = (SELECT seq FROM record WHERE id = ?1) AND revision = ?2",
            );
            let query = query.bind(stamp.id.to_string()).bind(stamp.revision).bind(reason);
            query.execute(&mut *transaction).await?;
        }
        Change::Destination { there, known, .. } => {
            let follows = before.is_some_and(|before| {
                let position = known.map_or(before.position, |known| known.min(before.position));
                there.follows(&Whereabouts { position, ..before })
            });
            if !follows {
                for statement in [
                    "INSERT INTO outbox (seq, revision) SELECT seq, revision FROM record WHERE true
                     ON CONFLICT (seq) DO UPDATE SET refused = NULL",
                    "DELETE FROM destination",
                ] {
                    sqlx::query(statement).execute(&mut *transaction).await?;
                }
                forgetting::tell_again(&mut transaction).await?;
                let query =
                    sqlx::query("INSERT INTO destination (one, identity, position) VALUES (1, ?1, ?2)");
                query.bind(&there.identity).bind(there.position).execute(&mut *transaction).await?;
            }
        }
        Change::RetryRefused => {
            let query = sqlx::query("UPDATE outbox SET refused = NULL WHERE refused IS NOT NULL");
            query.execute(&mut *transaction).await?;
        }
        Change::Forgotten { told, found, .. } => {
            forgetting::delivered(&mut transaction, told, found).await?;
        }
    }
    Ok(transaction.commit().await?)
}

/// How much room the journal has, and what was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Enough, or what there is can make way when it must.
    Enough,
    /// It was full, and something that a server has was dropped. It may be full still.
    Made,
    /// It is nearly full of what is nowhere else.
    Short {
        /// In percent.
        full: u8,
    },
    /// It was full, and the oldest records that are nowhere else were dropped. It may be full still.
    Dropped {
        /// So many.
        records: u64,
    },
}

/// Keeps the journal within `limit` bytes: what a server has makes way first, then the oldest that is
/// finished. `delivers` says that there is a server, so that what isn't in the outbox is there. One step, so that
/// nobody waits for long: as long as something was dropped, there may be more to do.
pub(super) async fn keep_within(
    connection: &mut SqliteConnection,
    limit: u64,
    delivers: bool,
) -> Result<Room, StoreError> {
    let used = used(connection).await?;
    if used >= limit {
        if delivers && drop_oldest(connection, true).await? > 0 {
            return Ok(Room::Made);
        }
        return Ok(Room::Dropped { records: drop_oldest(connection, false).await? });
    }
    let told = limit as f64 * TOLD;
    if (used as f64) < told {
        return Ok(Room::Enough);
    }
    let only_here = if delivers { only_here(connection, used, told).await? } else { used as f64 };
    if only_here < told {
        return Ok(Room::Enough);
    }
    Ok(Room::Short { full: (only_here / limit as f64 * 100.0) as u8 })
}

/// Bytes in use. Pages that became free are used again before the file grows.
async fn used(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let query = sqlx::query_scalar::<_, i64>(
        "SELECT (page_count - freelist_count) * page_size
         FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()",
    );
    Ok(query.fetch_one(connection).await?.cast_unsigned())
}

/// How many of the bytes in use no server has, about; 0 if they are surely less than `least`.
async fn only_here(connection: &mut SqliteConnection, used: u64, least: f64) -> Result<f64, StoreError> {
    let waiting = bytes(connection, "outbox JOIN record USING (seq)").await?;
    if waiting * ROOM_OF_TEXT < least {
        // The rest need not be looked through.
        return Ok(0.0);
    }
    Ok(used as f64 * waiting / bytes(connection, "record").await?.max(1.0))
}

/// The bytes of these records, whose lengths are known without reading the texts.
async fn bytes(connection: &mut SqliteConnection, records: &'static str) -> Result<f64, StoreError> {
    let statement = format!(
        "SELECT total(octet_length(id) + octet_length(owner)
             + coalesce(octet_length(text), 0) + coalesce(octet_length(transcript), 0)
             + coalesce(octet_length(interpretation), 0) + coalesce(octet_length(command), 0)
             + coalesce(octet_length(outcome), 0) + coalesce(octet_length(reply), 0)
             + coalesce(octet_length(abandoned), 0))
         FROM {records}"
    );
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(connection).await?)
}

async fn drop_oldest(connection: &mut SqliteConnection, delivered: bool) -> Result<u64, StoreError> {
    let query = sqlx::query(
        "DELETE FROM record WHERE seq IN (
             SELECT seq FROM record
             WHERE (reply IS NOT NULL OR abandoned IS NOT NULL)
                 AND (NOT ?1 OR NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.seq = record.seq))
             ORDER BY seq LIMIT max(?2, (SELECT count(*) FROM record) / ?3))",
    );
    Ok(query.bind(delivered).bind(DROPPED).bind(ONE_IN).execute(connection).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_noted_of_another_server_than_things_go_to() {
        let at = |identity: &str| Whereabouts { identity: identity.into(), position: 7 };
        let of = |there: &str| Change::Delivered { stamps: Vec::new(), there: at(there) };
        assert!(!of("mine").is_overruled(Some(&at("mine"))));
        assert!(of("mine").is_overruled(Some(&at("other"))));
        assert!(of("mine").is_overruled(None), "the journal was begun anew");
        let settles = |instead_of: Option<&str>, known: Option<&str>| {
            let instead_of = instead_of.map(str::to_owned);
            let change = Change::Destination { there: at("mine"), instead_of, known: None };
            !change.is_overruled(known.map(at).as_ref())
        };
        assert!(settles(None, Some("other")), "whoever begins has the newest settings");
        assert!(settles(Some("before"), Some("before")) && settles(Some("before"), Some("mine")));
        assert!(settles(Some("before"), None));
        assert!(!settles(Some("before"), Some("other")) && !settles(Some("mine"), Some("other")));
    }
}

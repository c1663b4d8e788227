//! A server as the rest of the module has it: behind its breaker and its bulkhead.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::{Connection, Row};

use super::super::forgetting::Tombstones;
use super::super::held::Revised;
use super::super::outbox::{Parcel, Stamp};
use super::super::search::Wanted;
use super::error::PostgresError;
use super::row::{self, Age};
use super::session::{Address, Session, Whereabouts};
use crate::breaker::{Breaker, Bulkhead, CallError, Full, Priority, Slot, Unready};
use crate::domain::{BoxFuture, Record, UtteranceId};

/// Callers that may wait for one of the server's connections; one more is turned away.
const PLACES: usize = 16;

/// A connection that nobody needs is closed after this.
const IDLE: Duration = Duration::from_secs(60);

/// Which servers there are.
#[derive(Debug)]
pub struct Database {
    /// The one that is written.
    pub primary: Place,
    /// Those that are read when it is down, in order.
    pub replicas: Vec<Place>,
    /// A file with the password for all of them, which only the user can read.
    pub password_file: Option<PathBuf>,
    /// Connections to each, at most.
    pub connections: usize,
    /// Whether they may be reached over a network without an encryption that can be trusted.
    pub unencrypted: bool,
}

/// Where a server is.
pub struct Place {
    /// A URL, which may hold a password: it is never shown.
    pub url: String,
    /// Its breaker.
    pub breaker: Arc<Breaker>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("breaker", &self.breaker.name()).finish_non_exhaustive()
    }
}

/// One server.
#[derive(Debug)]
pub(in crate::store) struct Server {
    address: Address,
    breaker: Arc<Breaker>,
    bulkhead: Bulkhead,
    /// What is not in use; the bulkhead bounds it together with what is.
    idle: Mutex<Vec<Session>>,
}

/// What a server knows of a search.
#[derive(Debug)]
pub(in crate::store) struct Page {
    pub(in crate::store) records: Vec<Record>,
    /// Which states of them these are.
    pub(in crate::store) stamps: Vec<Stamp>,
    /// How old that may be.
    pub(in crate::store) age: Age,
    /// Which history it is of; see [`Whereabouts`].
    pub(in crate::store) identity: String,
}

impl Database {
    /// The servers, the primary first. Nothing is connected before it is needed.
    pub(in crate::store) fn servers(self) -> Vec<Arc<Server>> {
        let Self { primary, replicas, password_file, connections, unencrypted } = self;
        let server = |place: Place| {
            Arc::new(Server {
                address: Address { url: place.url, password_file: password_file.clone(), unencrypted },
                breaker: place.breaker,
                bulkhead: Bulkhead::new(connections, PLACES),
                idle: Mutex::default(),
            })
        };
        std::iter::once(primary).chain(replicas).map(server).collect()
    }
}

impl Server {
    /// Its breaker, which has its name.
    pub(in crate::store) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Whether somebody who comes now would be turned away.
    pub(in crate::store) fn has_room(&self) -> Result<(), Unready> {
        let (_, waiting) = self.bulkhead.load();
        if waiting < PLACES { Ok(()) } else { Err(Unready("too much is asked of it at the moment".into())) }
    }

    /// Whether it can be written; gives where its history is.
    pub(in crate::store) async fn ready(&self) -> Result<Whereabouts, CallError<PostgresError>> {
        self.in_the_background(|session| {
            Box::pin(async {
                session.look().await?;
                writable(session)?;
                Ok(session.facts.whereabouts.clone())
            })
        })
        .await
    }

    /// Writes these, all or none. Idempotent. `meant` is the server that they are for, and where it was; gives where
    /// it is then.
    pub(in crate::store) async fn carry(
        &self,
        parcels: &[Parcel],
        meant: &Whereabouts,
    ) -> Result<Whereabouts, CallError<PostgresError>> {
        let statement = row::carry(parcels);
        let mut meant = meant.clone();
        self.in_the_background(move |session| {
            Box::pin(async move {
                vouched(session, &meant).await?;
                let taken = statement.fetch_all(&mut session.connection).await;
                let taken = taken.map_err(PostgresError::at_records);
                // The tables are gone, or somebody has made them anew; or it is a trigger that lacks something.
                let is_doubtful = match &taken {
                    Ok(rows) => rows.iter().any(|row| row.try_get(1).ok() != session.facts.table),
                    Err(error) => error.lacks_something(),
                };
                if is_doubtful {
                    session.vouched = false;
                    vouched(session, &meant).await?;
                }
                for row in taken? {
                    meant.position = meant.position.max(row.try_get(0)?);
                }
                Ok(meant)
            })
        })
        .await
    }

    /// Whether it takes records at all: a blank one, which is taken back.
    pub(in crate::store) async fn takes_any(&self, blank: Parcel) -> Result<(), CallError<PostgresError>> {
        self.in_the_background(move |session| {
            Box::pin(async move {
                let mut transaction = session.connection.begin().await?;
                let taken = row::carry(&[blank]).fetch_all(&mut *transaction).await;
                transaction.rollback().await?;
                taken.map_err(|error| PostgresError::at_records(error).of_the_server())?;
                Ok(())
            })
        })
        .await
    }

    /// Forgets these, for good; gives what it has found of what it was asked for. Idempotent. `meant` is the server
    /// that they are for.
    pub(in crate::store) async fn forget(
        &self,
        tombstones: &Tombstones,
        meant: &Whereabouts,
    ) -> Result<Vec<UtteranceId>, CallError<PostgresError>> {
        let (tombstones, meant) = (tombstones.clone(), meant.clone());
        self.in_the_background(move |session| {
            Box::pin(async move {
                vouched(session, &meant).await?;
                row::forget(&mut session.connection, &tombstones).await
            })
        })
        .await
    }

    /// A slot for a search. Goes before everything that waits to be written.
    pub(in crate::store) async fn slot(&self) -> Result<Slot<'_>, Full> {
        self.bulkhead.enter(Priority::Interactive).await
    }

    /// Searches. The caller brings the slot and the breaker.
    pub(in crate::store) async fn search(&self, wanted: &Wanted, limit: u32) -> Result<Page, PostgresError> {
        let wanted = wanted.clone();
        self.with_session(move |session| {
            Box::pin(async move {
                if session.is_stale() {
                    session.look().await?;
                }
                // Before: a replica that is promoted in between may have answered as one.
                let age = row::age(&mut session.connection).await?;
                let found = row::search(&mut session.connection, &wanted, limit).await?;
                let stamp = |it: &Revised| Stamp { id: it.record.id, revision: it.revision };
                let stamps = found.iter().map(stamp).collect();
                let records = found.into_iter().map(|revised| revised.record.into_record()).collect();
                Ok(Page { records, stamps, age, identity: session.facts.whereabouts.identity.clone() })
            })
        })
        .await
    }

    /// Closes connections that nobody has needed for a while.
    pub(in crate::store) fn close_idle(&self) {
        self.idle.lock().retain(|session| session.idle_since.elapsed() < IDLE);
    }

    /// First the slot, then the breaker: who waits for a slot holds no permit.
    async fn in_the_background<T: Send>(
        &self,
        work: impl for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T, PostgresError>> + Send,
    ) -> Result<T, CallError<PostgresError>> {
        let slot = self.bulkhead.enter(Priority::Background).await;
        let _slot = slot.map_err(|full| CallError::Failed(PostgresError::Busy(full)))?;
        self.breaker.call(self.with_session(work)).await
    }

    /// Does it on a connection that is known to work. A connection that was dropped in the middle, as
    /// after a timeout, is closed and not used again.
    async fn with_session<T: Send>(
        &self,
        work: impl for<'s> FnOnce(&'s mut Session) -> BoxFuture<'s, Result<T, PostgresError>> + Send,
    ) -> Result<T, PostgresError> {
        let mut session = self.session().await?;
        let result = work(&mut session).await;
        if result.as_ref().err().is_none_or(PostgresError::spares_the_connection) {
            session.idle_since = Instant::now();
            self.idle.lock().push(session);
        }
        result
    }

    async fn session(&self) -> Result<Session, PostgresError> {
        self.close_idle();
        loop {
            let idle = self.idle.lock().pop();
            match idle {
                None => return Session::open(&self.address, self.breaker.timeout()).await,
                Some(mut session) => {
                    if session.is_alive().await {
                        return Ok(session);
                    }
                }
            }
        }
    }
}

/// Whether it took writes when it was looked at.
fn writable(session: &Session) -> Result<(), PostgresError> {
    if session.facts.writable { Ok(()) } else { Err(PostgresError::ReadOnly) }
}

/// Whether it takes writes, is the server that is meant, and was not set back since. That is looked at once a
/// connection, and now and then: a server can't be set back under one, but its tables can be made anew.
async fn vouched(session: &mut Session, meant: &Whereabouts) -> Result<(), PostgresError> {
    if !session.vouched || session.is_stale() {
        session.look().await?;
    }
    writable(session)?;
    let here = &session.facts.whereabouts;
    if here.identity != meant.identity || !(session.vouched || here.follows(meant)) {
        return Err(PostgresError::Elsewhere(here.clone()));
    }
    session.vouched = true;
    Ok(())
}

//! A server as the rest of the module has it: behind its breaker and its bulkhead.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::super::forgetting::Tombstones;
use super::super::held::Revised;
use super::super::outbox::{Parcel, Stamp};
use super::super::search::Wanted;
use super::error::PostgresError;
use super::row::{self, Age};
use super::session::{Address, Session};
use crate::breaker::{Breaker, Bulkhead, CallError, Priority, Unready};
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
}

impl Database {
    /// The servers, the primary first. Nothing is connected before it is needed.
    pub(in crate::store) fn servers(self) -> Vec<Arc<Server>> {
        let Self { primary, replicas, password_file, connections } = self;
        let server = |place: Place| {
            Arc::new(Server {
                address: Address { url: place.url, password_file: password_file.clone() },
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

    /// Whether it can be written; gives its identity.
    pub(in crate::store) async fn ready(&self) -> Result<String, CallError<PostgresError>> {
        self.in_the_background(|session| Box::pin(writable(session))).await
    }

    /// Writes these, all or none. Idempotent. `identity` is the server that they are meant for.
    pub(in crate::store) async fn carry(
        &self,
        parcels: &[Parcel],
        identity: &str,
    ) -> Result<(), CallError<PostgresError>> {
        let statement = row::carry(parcels);
        let identity = identity.to_owned();
        self.in_the_background(move |session| {
            Box::pin(async move {
                let here = writable(session).await?;
                if here != identity {
                    return Err(PostgresError::Elsewhere(here));
                }
                statement.execute(&mut session.connection).await?;
                Ok(())
            })
        })
        .await
    }

    /// Forgets these, for good; gives what it has found of what it was asked for. Idempotent. `identity` is the server
    /// that is meant.
    pub(in crate::store) async fn forget(
        &self,
        tombstones: &Tombstones,
        identity: &str,
    ) -> Result<Vec<UtteranceId>, CallError<PostgresError>> {
        let (tombstones, identity) = (tombstones.clone(), identity.to_owned());
        self.in_the_background(move |session| {
            Box::pin(async move {
                let here = writable(session).await?;
                if here != identity {
                    return Err(PostgresError::Elsewhere(here));
                }
                row::forget(&mut session.connection, &tombstones).await
            })
        })
        .await
    }

    /// Searches. The caller brings the breaker. Goes before everything that waits to be written.
    pub(in crate::store) async fn search(&self, wanted: &Wanted, limit: u32) -> Result<Page, PostgresError> {
        let _slot = self.bulkhead.enter(Priority::Interactive).await.map_err(PostgresError::Busy)?;
        let wanted = wanted.clone();
        self.with_session(move |session| {
            Box::pin(async move {
                let found = row::search(&mut session.connection, &wanted, limit).await?;
                let age = row::age(&mut session.connection).await?;
                let stamp = |it: &Revised| Stamp { id: it.record.id, revision: it.revision };
                let stamps = found.iter().map(stamp).collect();
                let records = found.into_iter().map(|revised| revised.record.into_record()).collect();
                Ok(Page { records, stamps, age })
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

/// The server's identity, if it takes writes. One that didn't is looked at again.
async fn writable(session: &mut Session) -> Result<String, PostgresError> {
    if !session.facts.writable {
        session.look().await?;
    }
    if session.facts.writable { Ok(session.facts.identity.clone()) } else { Err(PostgresError::ReadOnly) }
}

//! The history as the rest of the program has it: behind its breakers.

mod forget;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};

use super::error::{self, JOURNAL, StoreError};
use super::held::{Held, Revised};
use super::outbox::{self, Backlog, Stamp};
use super::postgres::{Database, Page, Server};
use super::reading::{Answer, Delivery, Found, Kept, Reading, Search};
use super::replay::{Replay, Replaying};
use super::search::wanted;
use super::sounds::{SoundOptions, Sounds};
use super::sqlite::{self, Among, Recovered};
use super::standing::Standing;
use super::writer::{Bounds, Job, QUEUE, Shared, Writer};
use crate::breaker::{Breaker, CallError, Fallback};
use crate::domain::{BoxFuture, Degradation, Failure, Journal, Record, Stage, Utterance, UtteranceId};
use crate::redact::Redactor;

/// How long the program's start waits for the file. It goes on in memory then, and the file is
/// opened behind it.
const OPENING: Duration = Duration::from_millis(800);

/// How long going down waits for the last write.
const CLOSING: Duration = Duration::from_secs(1);

/// What a history is made of.
#[derive(Debug)]
pub struct Parts {
    /// The journal's file.
    pub path: PathBuf,
    /// How large it may become, in bytes.
    pub limit: u64,
    /// How old records become before they are forgotten; `None` is any age.
    pub retention: Option<Duration>,
    /// The journal's breaker.
    pub breaker: Arc<Breaker>,
    /// How the sound of what was said is kept, if it is.
    pub sound: Option<SoundOptions>,
    /// The servers that it is carried over to.
    pub database: Option<Database>,
    /// Told when another than the first tier is read.
    pub fallbacks: Option<broadcast::Sender<Fallback>>,
}

/// The history. Cheap to clone; the last clone's end closes it.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    database: Option<Arc<Servers>>,
    sounds: Option<Sounds>,
}

/// The database beyond the journal.
#[derive(Debug)]
struct Servers {
    in_order: Vec<Arc<Server>>,
    reading: Reading,
    backlog: watch::Sender<Backlog>,
}

impl Store {
    /// Opens the journal at this path with no database behind it; see [`Store::begin`].
    pub async fn open(path: PathBuf, breaker: Arc<Breaker>) -> (Self, Option<Degradation>) {
        let parts = Parts {
            path,
            limit: u64::MAX,
            retention: None,
            breaker,
            sound: None,
            database: None,
            fallbacks: None,
        };
        Self::begin(parts).await
    }

    /// Opens the journal, making it and its directory if there is none. No server is waited for, or
    /// asked before it is needed.
    ///
    /// Never fails: if the file can't be used, records stay in memory until it can, and the
    /// degradation says so. If it was damaged, it is set aside, and the degradation says where.
    pub async fn begin(parts: Parts) -> (Self, Option<Degradation>) {
        let Parts { path, limit, retention, breaker, sound, database, fallbacks } = parts;
        let sounds = sound.map(Sounds::new);
        let shared = Arc::new(Shared {
            held: Mutex::new(Held::default()),
            readers: Mutex::new(None),
            standing: Standing::new(),
            breaker: Arc::clone(&breaker),
            saved: Notify::new(),
        });
        let bounds = Bounds { limit, delivers: database.is_some(), retention };
        let mut writer = Writer::new(path, bounds, Arc::clone(&shared), sounds.clone());
        if let Err(error) = breaker.call_within(OPENING, writer.open()).await {
            shared.degrade(&error);
        }
        let (jobs, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(writer.run(inbox));
        let degradation = shared.standing.now();
        let database = database.map(|database| {
            let servers = database.servers();
            let reading = Reading::new(&servers, &shared, fallbacks);
            Arc::new(Servers { in_order: servers, reading, backlog: watch::Sender::default() })
        });
        (Self { shared, jobs, database, sounds }, degradation)
    }

    /// Takes secrets out with this: what is named in a turn is known to whoever shares it before the turn goes on.
    pub(crate) fn redact_with(&self, redactor: Arc<Redactor>) {
        self.shared.held.lock().redact_with(redactor);
    }

    /// Carries the journal over to the database from now on, until it is told to finish. `None` if
    /// there is none.
    pub fn replay(&self) -> Option<Replaying> {
        let database = self.database.as_ref()?;
        let (shared, jobs) = (Arc::clone(&self.shared), self.jobs.clone());
        Some(Replay::new(shared, jobs, database.in_order.clone(), database.backlog.clone()).start())
    }

    /// What the database has not been given, as far as [`Store::replay`] has counted it; `None` if
    /// there is no database.
    pub fn backlog(&self) -> Option<watch::Receiver<Backlog>> {
        Some(self.database.as_ref()?.backlog.subscribe())
    }

    /// What is degraded, now and from now on; `None` while the disk takes every write, and the
    /// database, if there is one, is given all of it.
    pub fn standing(&self) -> watch::Receiver<Option<Degradation>> {
        self.shared.standing.subscribe()
    }

    /// Marks as abandoned what runs that crashed left unfinished, and counts it. Leaves alone what
    /// belongs to a run that lives.
    ///
    /// # Errors
    /// When the journal can't be read or written.
    pub async fn recover(&self) -> Result<Recovered, Failure> {
        self.ask(Job::Recover).await.map_err(|error| error::failure(&error))
    }

    /// Saves what isn't saved, and closes the file; later calls are refused. A last chance: it is
    /// made even if the breaker is open, and waits for a second at most.
    pub async fn close(&self) {
        let (done, saved) = oneshot::channel();
        if self.jobs.send(Job::Close(done)).await.is_err() {
            return;
        }
        match tokio::time::timeout(CLOSING, saved).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "the end of the history could not be written"),
            Ok(Err(_)) | Err(_) => tracing::error!("the end of the history could not be written in time"),
        }
    }

    /// Gives the task a job, behind the breaker. Dropping this leaves the job with the task.
    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> Result<T, CallError<StoreError>> {
        let work = async {
            let (done, result) = oneshot::channel();
            self.jobs.send(job(done)).await.map_err(|_| StoreError::Closed)?;
            result.await.map_err(|_| StoreError::Closed)?
        };
        self.shared.breaker.call(work).await
    }

    /// Saves; if the disk doesn't take it, memory holds it until it does.
    async fn save(&self, id: UtteranceId) -> Result<(), Failure> {
        if self.shared.held.lock().is_saved(id) {
            return Ok(());
        }
        match self.ask(Job::Save).await {
            Ok(()) => Ok(()),
            Err(error @ CallError::Failed(StoreError::Closed)) => Err(error::failure(&error)),
            Err(error) => {
                self.shared.degrade(&error);
                Ok(())
            }
        }
    }

    /// Reads, behind the breaker, in a task of its own: a query that is dropped half-way would take
    /// its place in the pool with it.
    async fn read<T, F>(
        &self,
        query: impl FnOnce(SqlitePool) -> F + Send,
    ) -> Result<Option<T>, CallError<StoreError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let Some(pool) = self.shared.readers.lock().clone() else { return Ok(None) };
        let query = query(pool);
        let work = async { tokio::spawn(query).await.map_err(|_| StoreError::Closed)? };
        self.shared.breaker.call(work).await.map(Some)
    }

    async fn add_stage(&self, id: UtteranceId, stage: &Stage) -> Result<(), Failure> {
        if !self.shared.held.lock().add(id, stage) {
            // It was finished, and let go: something came late.
            let found = self.read(move |pool| async move { sqlite::load(&pool, id).await }).await;
            let found = found.map_err(|error| error::unreadable(&error))?.flatten();
            let found = found.ok_or_else(|| error::failure(&CallError::Failed(StoreError::NoSuchRecord)))?;
            let mut held = self.shared.held.lock();
            held.adopt(found);
            held.add(id, stage);
        }
        self.save(id).await
    }

    /// Searches, as [`Journal::search`] does, and tells where what was found is. The database is asked
    /// first, then a replica, then the journal; what is here and not there is always added.
    ///
    /// # Errors
    /// When nothing can be read.
    pub async fn look(&self, query: Option<&str>, limit: u32) -> Result<Found, Failure> {
        let search = Search { wanted: wanted(query), limit };
        let (mut records, held) = self.in_memory(&search).await?;
        let (saved, tier, degradation) = match &self.database {
            None => (self.in_journal(search).await?, JOURNAL.to_owned(), None),
            Some(database) => {
                // First: what is delivered in between would be found nowhere.
                let given = self.given(&search).await;
                let Answer { page, tier, is_journal, degradation } = database.reading.search(&search).await?;
                let Page { records, stamps, identity, .. } = page;
                if is_journal {
                    (records, tier, degradation)
                } else if let Some(records) = self.without_forgotten(records).await {
                    let waiting = given.filter(|(to, _)| *to == identity).map(|(_, waiting)| waiting);
                    let (records, missing) = self.with_what_is_here(search, records, stamps, waiting).await;
                    (records, tier, missing.or(degradation))
                } else {
                    // A server may have what is to be gone. Better too little than that.
                    (self.in_journal(search).await?, JOURNAL.to_owned(), Some(error::only_here()))
                }
            }
        };
        records.extend(saved.into_iter().filter(|record| !held.contains(&record.id)));
        records.sort_by_key(|record| std::cmp::Reverse(record.id));
        records.truncate(limit as usize);
        Ok(Found { records: self.delivery_of(records, &held).await, tier, degradation })
    }

    /// What a search finds among what is not on disk yet, the newest first: another program that searches can't see
    /// it.
    ///
    /// # Errors
    /// When it can't be searched.
    pub async fn unsaved(&self, query: Option<&str>, limit: u32) -> Result<Vec<Record>, Failure> {
        Ok(self.in_memory(&Search { wanted: wanted(query), limit }).await?.0)
    }

    /// What is found among what is not on disk yet, and all that isn't.
    async fn in_memory(&self, search: &Search) -> Result<(Vec<Record>, HashSet<UtteranceId>), Failure> {
        let unsaved: Vec<Revised> = self.shared.held.lock().unsaved().cloned().collect();
        if unsaved.is_empty() {
            return Ok(Default::default());
        }
        let found = sqlite::search_among(&unsaved, &search.wanted, search.limit).await;
        let found = found.map_err(|error| error::unreadable(&CallError::Failed(error)))?;
        Ok((found, unsaved.iter().map(|revised| revised.record.id).collect()))
    }

    /// One record; `None` if there is none on this machine.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub async fn load(&self, id: UtteranceId) -> Result<Option<Record>, Failure> {
        let found = self.read(move |pool| async move { sqlite::load(&pool, id).await }).await;
        let found = found.map_err(|error| error::unreadable(&error))?.flatten();
        Ok(found.map(|revised| revised.record.into_record()))
    }

    /// The sound that is kept, the oldest first.
    ///
    /// # Errors
    /// When its directory can't be read.
    pub fn kept_sound(&self) -> std::io::Result<Vec<(UtteranceId, PathBuf)>> {
        self.sounds.as_ref().map_or(Ok(Vec::new()), Sounds::kept)
    }

    async fn in_journal(&self, search: Search) -> Result<Vec<Record>, Failure> {
        let found = self.read(move |pool| async move {
            sqlite::search(&pool, Among::All, &search.wanted, search.limit).await
        });
        match found.await {
            Ok(records) => Ok(records.unwrap_or_default()),
            // What memory has is better than nothing, and that it isn't all is told already.
            Err(error) if self.shared.standing.now().is_some() => {
                tracing::debug!(%error, "the journal can't be read");
                Ok(Vec::new())
            }
            Err(error) => Err(error::unreadable(&error)),
        }
    }

    /// Which server was given all that is searched for, but for what still waits; `None` if that can't be known.
    async fn given(&self, search: &Search) -> Option<(String, Vec<UtteranceId>)> {
        let (wanted, limit) = (search.wanted.clone(), search.limit);
        let given = self.read(move |pool| async move {
            let Some(to) = outbox::destination(&pool).await? else { return Ok(None) };
            let among = Among::UndeliveredAnd(Vec::new());
            let waiting = sqlite::search(&pool, among, &wanted, limit).await?;
            Ok(Some((to.identity, waiting.iter().map(|record| record.id).collect())))
        });
        given.await.ok().flatten().flatten()
    }

    /// What a server has, with what it lacks, and the newer in place of the older; and what is degraded if that can't be
    /// known. `waiting` is what waited for it before it was asked, if it was given the rest; any other, such as a replica
    /// that is behind, may lack whatever is here.
    async fn with_what_is_here(
        &self,
        search: Search,
        mut records: Vec<Record>,
        stamps: Vec<Stamp>,
        waiting: Option<Vec<UtteranceId>>,
    ) -> (Vec<Record>, Option<Degradation>) {
        let here = self.read(move |pool| async move {
            let outdated = outbox::newer_than(&pool, &stamps).await?;
            let among = match waiting {
                Some(waiting) => Among::UndeliveredAnd([waiting, outdated.clone()].concat()),
                None => Among::All,
            };
            Ok((outdated, sqlite::search(&pool, among, &search.wanted, search.limit).await?))
        });
        match here.await {
            Ok(Some((outdated, here))) => {
                records.retain(|record| !outdated.contains(&record.id));
                let there: HashSet<UtteranceId> = records.iter().map(|record| record.id).collect();
                records.extend(here.into_iter().filter(|record| !there.contains(&record.id)));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "what the database doesn't have yet can't be read");
                return (records, Some(error::only_there()));
            }
        }
        (records, None)
    }

    /// Says of each record whether the database has it.
    async fn delivery_of(&self, records: Vec<Record>, held: &HashSet<UtteranceId>) -> Vec<Kept> {
        if self.database.is_none() {
            return records.into_iter().map(|record| Kept { record, delivery: None }).collect();
        }
        let ids: Vec<UtteranceId> = records.iter().map(|record| record.id).collect();
        let known = self.read(move |pool| async move { outbox::standing_of(&pool, &ids).await }).await;
        let known: Option<HashMap<_, _>> = match known {
            Ok(known) => Some(known.unwrap_or_default().into_iter().collect()),
            Err(error) => {
                tracing::warn!(%error, "what the database has can't be known");
                None
            }
        };
        let delivery = |record: &Record| {
            if held.contains(&record.id) {
                return Some(Delivery::Waiting);
            }
            Some(match known.as_ref()?.get(&record.id) {
                None => Delivery::Delivered,
                Some(None) => Delivery::Waiting,
                Some(Some(reason)) => Delivery::Refused(reason.clone()),
            })
        };
        let kept = |record| Kept { delivery: delivery(&record), record };
        records.into_iter().map(kept).collect()
    }
}

impl Journal for Store {
    fn open<'a>(&'a self, utterance: &'a Utterance) -> BoxFuture<'a, Result<(), Failure>> {
        self.shared.held.lock().open(utterance);
        Box::pin(async move {
            let Some(sounds) = &self.sounds else { return self.save(utterance.id).await };
            let (saved, ()) = tokio::join!(self.save(utterance.id), sounds.opened(utterance));
            saved
        })
    }

    fn add<'a>(&'a self, id: UtteranceId, stage: &'a Stage) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let added = self.add_stage(id, stage).await;
            if let Some(sounds) = &self.sounds {
                sounds.stage(id, stage).await;
            }
            added
        })
    }

    fn search<'a>(
        &'a self,
        query: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Record>, Failure>> {
        Box::pin(async move {
            let found = self.look(query, limit).await?;
            Ok(found.records.into_iter().map(|kept| kept.record).collect())
        })
    }
}

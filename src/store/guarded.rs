//! The journal as the rest of the program has it: behind its breaker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::{self, StoreError};
use super::held::{Held, Revised};
use super::search::{Wanted, wanted};
use super::sqlite::{self, Recovered};
use super::writer::{Job, QUEUE, Shared, Writer};
use crate::breaker::{Breaker, CallError};
use crate::domain::{BoxFuture, Degradation, Failure, Journal, Record, Stage, Utterance, UtteranceId};

/// How long the program's start waits for the file. It goes on in memory then, and the file is
/// opened behind it.
const OPENING: Duration = Duration::from_millis(800);

/// How long going down waits for the last write.
const CLOSING: Duration = Duration::from_secs(1);

/// The history. Cheap to clone; the last clone's end closes it.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Opens the journal at this path, making it and its directory if there is none.
    ///
    /// Never fails: if the file can't be used, records stay in memory until it can, and the
    /// degradation says so. If it was damaged, it is set aside, and the degradation says where.
    pub async fn open(path: PathBuf, breaker: Arc<Breaker>) -> (Self, Option<Degradation>) {
        let shared = Arc::new(Shared {
            held: Mutex::new(Held::default()),
            readers: Mutex::new(None),
            standing: watch::Sender::new(None),
            breaker: Arc::clone(&breaker),
        });
        let mut writer = Writer::new(path, Arc::clone(&shared));
        if let Err(error) = breaker.call_within(OPENING, writer.open()).await {
            shared.degrade(&error);
        }
        let (jobs, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(writer.run(inbox));
        let degradation = shared.standing.borrow().clone();
        (Self { shared, jobs }, degradation)
    }

    /// What is degraded, now and from now on; `None` while the disk takes every write.
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

    async fn find(&self, wanted: Wanted, limit: u32) -> Result<Vec<Record>, Failure> {
        let wanted = Arc::new(wanted);
        let unsaved: Vec<Revised> = self.shared.held.lock().unsaved().cloned().collect();
        let found = if unsaved.is_empty() {
            Vec::new()
        } else {
            let found = sqlite::search_among(&unsaved, &wanted, limit).await;
            found.map_err(|error| error::unreadable(&CallError::Failed(error)))?
        };
        let on_disk = {
            let wanted = Arc::clone(&wanted);
            self.read(move |pool| async move { sqlite::search(&pool, &wanted, limit).await }).await
        };
        let on_disk = match on_disk {
            Ok(records) => records.unwrap_or_default(),
            // What memory has is better than nothing, and that it isn't all is told already.
            Err(error) if self.shared.standing.borrow().is_some() => {
                tracing::debug!(%error, "the journal can't be read");
                Vec::new()
            }
            Err(error) => return Err(error::unreadable(&error)),
        };
        let mut records = found;
        records.extend(
            on_disk.into_iter().filter(|record| !unsaved.iter().any(|newer| newer.record.id == record.id)),
        );
        records.sort_by_key(|record| std::cmp::Reverse(record.id));
        records.truncate(limit as usize);
        Ok(records)
    }
}

impl Journal for Store {
    fn open<'a>(&'a self, utterance: &'a Utterance) -> BoxFuture<'a, Result<(), Failure>> {
        self.shared.held.lock().open(utterance);
        Box::pin(self.save(utterance.id))
    }

    fn add<'a>(&'a self, id: UtteranceId, stage: &'a Stage) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.add_stage(id, stage))
    }

    fn search<'a>(
        &'a self,
        query: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Record>, Failure>> {
        Box::pin(self.find(wanted(query), limit))
    }
}

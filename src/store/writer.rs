//! The one task that owns the connection that writes.
//!
//! It saves all that is unsaved, in one transaction for what came together. A caller that stops
//! waiting, because of its breaker's timeout or because it was dropped, takes nothing back: the
//! record is held, and is saved with the next job or the next retry.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{Notify, mpsc, oneshot};

use super::error::{self, StoreError};
use super::file::Identity;
use super::forgetting::{Condition, Deleted, Tombstones};
use super::held::{Held, Revised};
use super::outbox::{Change, Room};
use super::sounds::Sounds;
use super::sqlite::{self, Disk, Recovered};
use super::standing::{Part, Standing};
use crate::breaker::{Breaker, CallError, Rejected};
use crate::domain::Selection;

/// Callers that may wait in line; the next waits to get into it, under its breaker's timeout.
pub(super) const QUEUE: usize = 64;

/// Records in one transaction.
const BATCH: usize = 200;

/// How long to wait before what could not be saved is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The longest wait, while the breaker is open.
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// How often records are looked for that are too old.
const EXPIRY: Duration = Duration::from_secs(3600);

/// Saves after which the journal's size is looked at.
const SAVES_PER_LOOK: u32 = 64;

/// How soon it is looked at after a server has taken something of what fills it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How soon a log that somebody reads from is tried to be cut off again, and how soon after a failure.
const WIPE_AGAIN: Duration = Duration::from_secs(1);
const WIPE_LATER: Duration = Duration::from_secs(60);

/// What the task and its callers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) held: Mutex<Held>,
    pub(super) readers: Mutex<Option<SqlitePool>>,
    pub(super) standing: Standing,
    pub(super) breaker: Arc<Breaker>,
    /// Told when something was saved.
    pub(super) saved: Notify,
}

impl Shared {
    /// Tells that the disk doesn't take it, unless that is told already.
    pub(super) fn degrade(&self, error: &CallError<StoreError>) {
        if matches!(error, CallError::Failed(StoreError::Closed | StoreError::NoSuchRecord)) {
            return;
        }
        if self.standing.set(Part::Disk, Some(error::degradation(error))) {
            tracing::warn!(%error, "the journal is kept in memory");
        }
    }

    fn recovered(&self) {
        if self.standing.set(Part::Disk, None) {
            tracing::info!("the journal is written to disk again");
        }
    }
}

/// What the task is asked to do. Whoever asked may have gone when it is done.
#[derive(Debug)]
pub(super) enum Job {
    /// Save what is unsaved.
    Save(oneshot::Sender<Result<(), StoreError>>),
    /// Mark what crashes left unfinished.
    Recover(oneshot::Sender<Result<Recovered, StoreError>>),
    /// Change what is to be delivered.
    Change(Change, oneshot::Sender<Result<(), StoreError>>),
    /// Delete what is meant, for good.
    Forget(Condition, oneshot::Sender<Result<Deleted, StoreError>>),
    /// Is what was deleted gone from the file, too?
    Wiped(oneshot::Sender<Result<bool, StoreError>>),
    /// What must a server still forget?
    Tombstones(oneshot::Sender<Result<Tombstones, StoreError>>),
    /// Save, close, end.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// How large the journal may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// In bytes.
    pub(super) limit: u64,
    /// Whether there is a server, and so what isn't in the outbox is there.
    pub(super) delivers: bool,
    /// How old records become.
    pub(super) retention: Option<Duration>,
}

/// Where what was deleted may still be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traces {
    None,
    /// In the log.
    InLog,
    /// In free pages of the file, too.
    InPages,
}

/// The task.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    path: PathBuf,
    bounds: Bounds,
    /// What is kept beside the journal.
    sounds: Option<Sounds>,
    /// Since its size was looked at. The first is enough: a program may end soon.
    saves: u32,
    /// When its size is looked at, whatever is saved until then.
    look: Option<tokio::time::Instant>,
    disk: Option<Disk>,
    /// Damage was found in this file.
    damaged: Option<Identity>,
    /// When records are looked for next that are too old.
    expiry: tokio::time::Instant,
    traces: Traces,
    /// When they are wiped next.
    wiping: tokio::time::Instant,
}

impl Writer {
    pub(super) fn new(path: PathBuf, bounds: Bounds, shared: Arc<Shared>, sounds: Option<Sounds>) -> Self {
        let now = tokio::time::Instant::now();
        Self {
            shared,
            path,
            bounds,
            sounds,
            saves: SAVES_PER_LOOK - 1,
            look: None,
            disk: None,
            damaged: None,
            expiry: now,
            traces: Traces::None,
            wiping: now,
        }
    }

    /// Serves until every sender is gone, or it is asked to close.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut retry = None;
        loop {
            let unsaved = self.shared.held.lock().unsaved().next().is_some();
            let now = tokio::time::Instant::now();
            // Whatever else there is to do meanwhile doesn't put it off.
            retry = unsaved.then(|| retry.unwrap_or(now + RETRY));
            tokio::select! {
                biased;
                job = jobs.recv() => match job {
                    // A last chance for what the disk did not take.
                    None => {
                        if unsaved && let Err(error) = self.save().await {
                            tracing::error!(%error, "the end of the history could not be written");
                        }
                        return self.let_go().await;
                    }
                    Some(Job::Save(done)) => drop(done.send(self.save().await)),
                    Some(Job::Recover(done)) => drop(done.send(self.recover().await)),
                    Some(Job::Change(change, done)) => drop(done.send(self.change(&change).await)),
                    Some(Job::Forget(condition, done)) => drop(done.send(self.forget(&condition).await)),
                    Some(Job::Wiped(done)) => drop(done.send(self.wipe().await)),
                    Some(Job::Tombstones(done)) => drop(done.send(self.tombstones().await)),
                    Some(Job::Close(done)) => {
                        let saved = self.save().await;
                        self.let_go().await;
                        drop(done.send(saved));
                        return;
                    }
                },
                () = tokio::time::sleep_until(retry.unwrap_or(now)), if unsaved => {
                    retry = Some(tokio::time::Instant::now() + self.try_again().await);
                }
                () = tokio::time::sleep_until(self.expiry), if self.bounds.retention.is_some() => {}
                () = tokio::time::sleep_until(self.wiping), if self.has_traces() => {}
                () = tokio::time::sleep_until(self.look.unwrap_or(now)), if self.look.is_some() => {}
            }
            self.keep_within().await;
            self.expire().await;
            self.wipe_on().await;
        }
    }

    /// Saves what could not be saved before, if the breaker agrees. Gives the wait until the next
    /// try.
    async fn try_again(&mut self) -> Duration {
        let breaker = Arc::clone(&self.shared.breaker);
        let permit = match breaker.try_acquire() {
            Ok(permit) => permit,
            Err(Rejected { retry_in, .. }) => {
                return retry_in.unwrap_or(LONGEST_RETRY).clamp(RETRY, LONGEST_RETRY);
            }
        };
        match self.save().await {
            Ok(()) => permit.succeed(),
            Err(error) => {
                permit.fail(&error);
                self.shared.degrade(&CallError::Failed(error));
            }
        }
        RETRY
    }

    /// Opens the file, or opens it anew if it was taken away.
    pub(super) async fn open(&mut self) -> Result<(), StoreError> {
        if let Some(disk) = &self.disk {
            if disk.is_in_place() {
                return Ok(());
            }
            tracing::warn!("the journal's file was taken away");
            self.let_go().await;
            self.shared.held.lock().lost();
        }
        match Disk::open(&self.path, self.damaged.take()).await {
            Ok((disk, aside)) => {
                self.disk = Some(disk);
                *self.shared.readers.lock() = Some(sqlite::readers(&self.path, false));
                if let Some(name) = aside {
                    tracing::warn!(name, "the journal was damaged and set aside");
                    self.shared.held.lock().lost();
                    self.shared.standing.set(Part::Disk, Some(error::set_aside(&name)));
                }
                Ok(())
            }
            Err(error) => {
                let unwritable =
                    matches!(error, StoreError::ReadOnly | StoreError::Place(_) | StoreError::Full);
                *self.shared.readers.lock() = unwritable.then(|| sqlite::readers(&self.path, true));
                Err(error)
            }
        }
    }

    /// Waits until the file is closed: SQLite removes its log by name when it closes, which must
    /// not hit the log of a new file.
    async fn let_go(&mut self) {
        if let Some(disk) = self.disk.take()
            && let Err(error) = disk.close().await
        {
            tracing::debug!(%error, "the journal did not close cleanly");
        }
    }

    async fn save(&mut self) -> Result<(), StoreError> {
        self.open().await?;
        let Some(disk) = &mut self.disk else { return Err(StoreError::Closed) };
        let saved = save_all(disk, &self.shared.held).await;
        self.judged(saved).await?;
        self.shared.recovered();
        self.shared.saved.notify_one();
        self.saves += 1;
        Ok(())
    }

    /// Looks at the journal's size now and then, when nobody waits for it, and step by step: what is asked of the task
    /// goes between. What can't be looked at or dropped today can be tomorrow.
    async fn keep_within(&mut self) {
        let now = tokio::time::Instant::now();
        if self.saves < SAVES_PER_LOOK && self.look.is_none_or(|look| now < look) {
            return;
        }
        (self.saves, self.look) = (0, None);
        let Bounds { limit, delivers, .. } = self.bounds;
        let Some(disk) = &mut self.disk else { return };
        match disk.keep_within(limit, delivers).await {
            // That is no end yet, and nothing to be told.
            Ok(Room::Made) => self.look = Some(now),
            Ok(room) => {
                if matches!(room, Room::Dropped { records: 1.. }) {
                    self.look = Some(now);
                }
                if self.shared.standing.set(Part::Room, error::no_room(room, delivers)) {
                    tracing::warn!(?room, "the journal's room has changed");
                }
            }
            Err(error) => tracing::warn!(%error, "the journal's size can't be looked at"),
        }
    }

    async fn change(&mut self, change: &Change) -> Result<(), StoreError> {
        self.open().await?;
        let Some(disk) = &mut self.disk else { return Err(StoreError::Closed) };
        let changed = disk.change(change).await;
        self.judged(changed).await?;
        match change {
            Change::Delivered { .. } if self.shared.standing.is_set(Part::Room) => {
                self.look.get_or_insert_with(|| tokio::time::Instant::now() + LOOK_AGAIN);
            }
            Change::Forgotten { told, .. } if told.has_words() => self.has_deleted(),
            _ => {}
        }
        Ok(())
    }

    async fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.open().await?;
        let Some(disk) = &mut self.disk else { return Err(StoreError::Closed) };
        let recovered = disk.recover().await;
        self.judged(recovered).await
    }

    /// What isn't on disk yet is written first, so that one transaction finds all of it.
    async fn forget(&mut self, condition: &Condition) -> Result<Deleted, StoreError> {
        self.save().await?;
        let Some(disk) = &mut self.disk else { return Err(StoreError::Closed) };
        let deleted = disk.forget(condition, self.bounds.delivers).await;
        let mut deleted = self.judged(deleted).await?;
        self.shared.held.lock().forget(&deleted.ids);
        if !deleted.wiped {
            self.has_deleted();
            deleted.wiped = self.wipe().await.unwrap_or_default();
        }
        // It may wait for a server.
        self.shared.saved.notify_one();
        Ok(deleted)
    }

    fn has_deleted(&mut self) {
        (self.traces, self.wiping) = (Traces::InPages, tokio::time::Instant::now());
    }

    fn has_traces(&self) -> bool {
        self.traces != Traces::None && self.disk.is_some()
    }

    /// Goes on wiping, if it is time.
    async fn wipe_on(&mut self) {
        if self.has_traces() && self.wiping <= tokio::time::Instant::now() {
            drop(self.wipe().await);
        }
    }

    /// Wipes what was deleted out of the file as far as that can be done now; whether all of it is gone. Nobody is waited
    /// for who reads from the file: whatever is to be saved would wait, too.
    async fn wipe(&mut self) -> Result<bool, StoreError> {
        let now = tokio::time::Instant::now();
        let wiped = self.wipe_once().await;
        self.wiping = now + if wiped.is_ok() { WIPE_AGAIN } else { WIPE_LATER };
        wiped.inspect_err(|error| tracing::warn!(%error, "what was deleted can't be overwritten now"))
    }

    async fn wipe_once(&mut self) -> Result<bool, StoreError> {
        if self.traces == Traces::InPages {
            let Some(disk) = &mut self.disk else { return Ok(false) };
            let overwritten = disk.overwrite().await;
            self.judged(overwritten).await?;
            self.traces = Traces::InLog;
        }
        if self.traces == Traces::InLog {
            let Some(disk) = &mut self.disk else { return Ok(false) };
            let cut = disk.cut_log_off().await;
            if self.judged(cut).await? {
                self.traces = Traces::None;
            }
        }
        Ok(self.traces == Traces::None)
    }

    async fn tombstones(&mut self) -> Result<Tombstones, StoreError> {
        self.open().await?;
        let Some(disk) = &mut self.disk else { return Err(StoreError::Closed) };
        let tombstones = disk.tombstones().await;
        self.judged(tombstones).await
    }

    /// Forgets what is older than it may become, at the start and every hour.
    async fn expire(&mut self) {
        let Some(retention) = self.bounds.retention else { return };
        let now = tokio::time::Instant::now();
        if now < self.expiry || self.disk.is_none() {
            return;
        }
        self.expiry = now + EXPIRY;
        let Ok(before) = Timestamp::now().checked_sub(retention) else { return };
        let condition = Condition::of(&Selection { before: Some(before), ..Selection::default() });
        let Some(disk) = &mut self.disk else { return };
        match disk.count(&condition).await {
            Ok(0) => {}
            Ok(_) => match self.forget(&condition).await {
                Ok(deleted) => {
                    tracing::info!(
                        turns = deleted.ids.len(),
                        "what was older than store.retention is forgotten"
                    );
                    if let Some(sounds) = &self.sounds {
                        sounds.forget(deleted.ids).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "what is too old can't be forgotten"),
            },
            Err(error) => tracing::warn!(%error, "what is too old can't be looked for"),
        }
    }

    /// Decides by the cause whether the connection can still be used.
    async fn judged<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match &result {
            Ok(_)
            | Err(StoreError::Busy | StoreError::Full | StoreError::Unreadable | StoreError::Overruled) => {}
            Err(StoreError::Corrupt) => {
                self.damaged = self.disk.as_ref().map(Disk::identity);
                self.let_go().await;
            }
            Err(_) => self.let_go().await,
        }
        result
    }
}

async fn save_all(disk: &mut Disk, held: &Mutex<Held>) -> Result<(), StoreError> {
    loop {
        let batch: Vec<Revised> = held.lock().unsaved().take(BATCH).cloned().collect();
        if batch.is_empty() {
            return Ok(());
        }
        save_batch(disk, &batch, held).await?;
    }
}

async fn save_batch(disk: &mut Disk, batch: &[Revised], held: &Mutex<Held>) -> Result<(), StoreError> {
    let outdated = disk.save(batch).await?;
    for revised in batch {
        let id = revised.record.id;
        if outdated.contains(&id) {
            // The utterance was recorded before this run knew of it; what is there is further on.
            if let Some(newer) = disk.load(id).await? {
                held.lock().adopt(newer);
            }
        }
        held.lock().saved(id, revised.revision);
    }
    Ok(())
}

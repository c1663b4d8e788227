//! Carries the journal over to PostgreSQL.
//!
//! **Journal first, then the server**, and not "the server, else the journal": what a person waits
//! for is an fsync on this machine, half a millisecond, whether the server is near, far or dead; there is
//! one way of writing, which every day's use tests, and none that is taken only in trouble; the order
//! of changes is the journal's; and a write whose answer from the server got lost needs no
//! thought, since nobody was told that it was there. The price is that the server is behind by a
//! moment.
//!
//! **Mechanics.** A task takes what is in the outbox, oldest first, in batches; a batch is one
//! statement, all or none, keyed by the utterance's UUIDv7 and guarded by its revision. It leaves
//! the outbox when the server has committed it. A crash at any instant therefore sends it again at
//! most, and the server has each state of each record once. After a failure batches begin small and
//! grow, and the task rests for as long as a batch took, so that a server that has just come back
//! is asked half of the time at most, by one connection. What was not taken in time is tried in smaller
//! parts, down to one record; batches grow again while they take much less than the time that they have.
//!
//! A record that the server will never take is found by halving the batch and set aside with its reason;
//! the others go on. It is tried again when it changes, and at the next start. A value or a constraint
//! (SQLSTATE 22, 23, 54) is the record's fault. What a policy, a trigger or the like says is that too if the
//! server takes others: those of the same batch, or a blank one, which is taken back. Else it is the server's.
//!
//! One that takes too long, whose row is locked, or at which the connection breaks is tried three times by itself. After
//! the first of them a blank one goes before it each time: a server that doesn't take that either is in trouble itself,
//! and the record waits. If it does, the record is set aside like others.
//!
//! What is to be forgotten is told first, so that nothing that was forgotten is written after it.
//!
//! A server that isn't the one of last time, or was restored, promoted or set back since, may lack what the old
//! one had acknowledged: all that the journal has is sent again, which changes nothing where it is
//! there. If the primary can't be written and a replica was promoted, that one is written.
//!
//! Another run that shares the journal may have other settings. Things go to the server that a run has begun with last,
//! since its settings are the newest; the journal knows which one that is, and what another has taken stays in the outbox.
//! A run that finds another server there than its own follows if it knows that server, too; else it carries
//! nothing over any more, tells that, and looks again now and then. It never turns the others round, so that two don't
//! send everything again and again for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::{self, CHAIN, JOURNAL, REPLICA, StoreError};
use super::forgetting::Tombstones;
use super::outbox::{self, Backlog, Change, Parcel, Stamp};
use super::postgres::{PostgresError, SOON, Server, Whereabouts, told};
use super::standing::Part;
use super::writer::{Job, Shared};
use crate::breaker::CallError;
use crate::domain::Degradation;

/// Records that are refused for a reason that may be the server's, before it is found out whose it is.
const DOUBTS: usize = 10;

/// How often a record is tried by itself that a server doesn't manage to take, while it takes others.
const TRIES: u32 = 3;

/// What changes within this is carried over together.
const GATHER: Duration = Duration::from_millis(200);

/// Another process may write the journal too, and doesn't tell.
const LOOK: Duration = Duration::from_secs(30);

/// The first wait after a failure, which doubles up to the longest.
const RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// While the breaker is open it is asked this often at least: somebody may close it by hand.
const ASK: Duration = Duration::from_secs(2);

/// How often what waits is counted while much of it does.
const COUNT: Duration = Duration::from_secs(1);

/// How long the program's end waits for what was said last to be carried over.
const LAST: Duration = Duration::from_millis(400);

/// The task. Dropping this ends it, too.
#[derive(Debug)]
pub struct Replaying {
    end: DropGuard,
    task: JoinHandle<()>,
}

impl Replaying {
    /// Carries over what it can within a moment, and ends. The rest keeps until the next start.
    pub async fn finish(self) {
        drop(self.end);
        if self.task.await.is_err() {
            tracing::error!("carrying over ended badly");
        }
    }
}

/// What the task has.
#[derive(Debug)]
pub(super) struct Replay {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    servers: Vec<Arc<Server>>,
    backlog: watch::Sender<Backlog>,
    counted: Option<Instant>,
    /// The server that is written, once it is known.
    destination: Option<Whereabouts>,
    /// Another run has chosen another server since: this one follows.
    overruled: bool,
    /// What was not taken when it was sent by itself, and how often.
    suspect: Option<(Stamp, u32)>,
    batch: Batch,
    retry: Duration,
}

/// How much is sent at once: so many records, and so many bytes, about. Long outputs make a batch short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Batch {
    records: usize,
    bytes: usize,
}

impl Batch {
    /// What can be had within seconds over any network that is worth it.
    const LEAST: Self = Self { records: 1, bytes: 32 << 10 };
    /// The first one, and the most after a failure.
    const FIRST: Self = Self { records: 10, bytes: 256 << 10 };
    const MOST: Self = Self { records: 200, bytes: 2 << 20 };

    /// After one that was taken within `took` of the time that it had. One that took long would not be taken in time
    /// if it were twice as large.
    fn grow(&mut self, took: Duration, had: Duration) {
        if took < had / 4 {
            self.records = (self.records * 2).min(Self::MOST.records);
            self.bytes = (self.bytes * 2).min(Self::MOST.bytes);
        }
    }

    /// After one that was not taken in time: quickly, since a breaker counts along.
    fn shrink(&mut self) {
        self.records = (self.records / 4).max(Self::LEAST.records);
        self.bytes = (self.bytes / 4).max(Self::LEAST.bytes);
    }

    /// After another failure.
    fn begin_anew(&mut self) {
        self.records = self.records.min(Self::FIRST.records);
        self.bytes = self.bytes.min(Self::FIRST.bytes);
    }

    /// How many of these it is, and whether others are left. One goes, however heavy.
    fn cut(self, parcels: &mut Vec<Parcel>) -> bool {
        let mut bytes = 0;
        let heavy = parcels.iter().position(|parcel| {
            bytes += parcel.size();
            bytes > self.bytes
        });
        let full = parcels.len() >= self.records || heavy.is_some();
        parcels.truncate(heavy.map_or(self.records, |heavy| heavy.max(1)));
        full
    }
}

/// When to go on.
enum Next {
    /// When something was written.
    News,
    /// After this.
    After(Duration),
}

/// Why something was not carried over.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error("the server: {0}")]
    Server(CallError<PostgresError>),
    #[error("the journal: {0}")]
    Journal(StoreError),
}

impl From<StoreError> for Stuck {
    fn from(error: StoreError) -> Self {
        Self::Journal(error)
    }
}

impl Replay {
    pub(super) fn new(
        shared: Arc<Shared>,
        jobs: mpsc::Sender<Job>,
        servers: Vec<Arc<Server>>,
        backlog: watch::Sender<Backlog>,
    ) -> Self {
        let (batch, retry) = (Batch::FIRST, RETRY);
        Self {
            shared,
            jobs,
            servers,
            backlog,
            counted: None,
            destination: None,
            overruled: false,
            suspect: None,
            batch,
            retry,
        }
    }

    pub(super) fn start(self) -> Replaying {
        let end = CancellationToken::new();
        Replaying { task: tokio::spawn(self.run(end.clone())), end: end.drop_guard() }
    }

    async fn run(mut self, end: CancellationToken) {
        let shared = Arc::clone(&self.shared);
        let going_on = async {
            loop {
                match self.round().await {
                    Next::After(wait) => self.rest(wait).await,
                    Next::News => {
                        // What other processes write is found at the next look.
                        if tokio::time::timeout(LOOK, shared.saved.notified()).await.is_ok() {
                            tokio::time::sleep(GATHER).await;
                        }
                        self.servers.iter().for_each(|server| server.close_idle());
                    }
                }
            }
        };
        if end.run_until_cancelled(going_on).await.is_none() {
            self.last_rounds().await;
        }
    }

    /// Waits for so long, and keeps the count of what waits.
    async fn rest(&mut self, wait: Duration) {
        let shared = Arc::clone(&self.shared);
        let over = tokio::time::Instant::now() + wait;
        while tokio::time::timeout_at(over, shared.saved.notified()).await.is_ok() {
            tokio::time::sleep_until(over.min(tokio::time::Instant::now() + GATHER)).await;
            if let Err(error) = self.count(true).await {
                tracing::debug!(%error, "what waits can't be counted");
            }
        }
    }

    /// What was said last needn't wait for the next start, if the server is there.
    async fn last_rounds(&mut self) {
        let rounds = async { while matches!(self.round().await, Next::After(wait) if wait < RETRY) {} };
        if tokio::time::timeout(LAST, rounds).await.is_err() {
            tracing::debug!("not everything was carried over before the end");
        }
    }

    /// One batch.
    async fn round(&mut self) -> Next {
        let began = Instant::now();
        match self.carry_one_batch().await {
            Ok(None) => Next::News,
            Ok(Some(full)) => {
                self.retry = RETRY;
                let rest = began.elapsed();
                let had = self.servers.first().map(|server| server.breaker().timeout()).unwrap_or_default();
                self.batch.grow(rest, had);
                Next::After(if full { rest } else { Duration::ZERO })
            }
            Err(Stuck::Journal(error)) => {
                tracing::debug!(%error, "the outbox can't be used");
                self.wait_longer()
            }
            Err(Stuck::Server(error)) => {
                tracing::debug!(%error, "nothing is carried over");
                match error {
                    CallError::Rejected(no) => Next::After(no.retry_in.unwrap_or(ASK).clamp(GATHER, ASK)),
                    error if suspicion(&error).is_some() => {
                        self.batch.shrink();
                        self.wait_longer()
                    }
                    error => {
                        self.batch.begin_anew();
                        match error {
                            CallError::Failed(PostgresError::Starting(_) | PostgresError::Stopping) => {
                                Next::After(SOON)
                            }
                            _ => self.wait_longer(),
                        }
                    }
                }
            }
        }
    }

    fn wait_longer(&mut self) -> Next {
        let wait = self.retry;
        self.retry = (wait * 2).min(LONGEST_RETRY);
        Next::After(wait)
    }

    /// `None` if there was nothing, else whether the batch was full.
    async fn carry_one_batch(&mut self) -> Result<Option<bool>, Stuck> {
        let most = self.batch.records;
        let waiting = self.read(move |pool| async move { outbox::waiting(&pool, most).await }).await?;
        let (mut parcels, damaged) = waiting;
        if !damaged.is_empty() {
            tracing::warn!(records = damaged.len(), "what is damaged can't be carried over; it is set aside");
            self.change(Change::Damaged(damaged)).await?;
        }
        self.count(parcels.len() < most).await?;
        let degraded = self.shared.standing.is_set(Part::Server);
        let is_all_forgotten = self.tombstones().await?.is_empty();
        if parcels.is_empty() && self.destination.is_some() && !degraded && is_all_forgotten {
            return Ok(None);
        }
        let full = self.batch.cut(&mut parcels);
        let (mut first_error, mut overruled) = (None, false);
        for (rank, server) in self.servers.clone().iter().enumerate() {
            match self.deliver(server, &parcels).await {
                Ok(()) => {
                    // All agree on the one that this run would choose.
                    self.overruled &= rank > 0;
                    self.serving(rank, first_error.as_ref());
                    self.count(!full).await?;
                    return Ok(Some(full));
                }
                Err(Stuck::Server(error)) => {
                    if rank > 0 {
                        tracing::debug!(%error, rank, "no replica to write");
                    }
                    first_error.get_or_insert(error);
                }
                Err(Stuck::Journal(StoreError::Overruled)) => overruled = true,
                Err(stuck) => return Err(stuck),
            }
        }
        if overruled {
            if self.shared.standing.set(Part::Server, Some(error::overruled())) {
                tracing::warn!("another run gives the history to another database");
            }
            return Err(StoreError::Overruled.into());
        }
        let error = first_error.unwrap_or(CallError::Failed(PostgresError::ReadOnly));
        self.failing(&error);
        Err(Stuck::Server(error))
    }

    /// Gives these to a server, if it is the one that things go to.
    async fn deliver(&mut self, server: &Server, parcels: &[Parcel]) -> Result<(), Stuck> {
        // Which server it is, is asked once at least, and before anything is written.
        if self.destination.is_none() || self.overruled || parcels.is_empty() {
            self.settle(server).await?;
        }
        match self.hand_over(server, parcels).await {
            // It was when it was asked. What waits is another matter now, unless the journal was only begun anew.
            Err(Stuck::Journal(StoreError::Overruled)) => self.settle(server).await,
            handed => handed,
        }
    }

    /// Gives these to a server: those that it will never take are set aside.
    async fn hand_over(&mut self, server: &Server, parcels: &[Parcel]) -> Result<(), Stuck> {
        self.forget(server).await?;
        let mut parts = vec![parcels];
        let (mut takes_others, mut doubted) = (false, Vec::new());
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            let meant = self.destination.clone().unwrap_or_default();
            if let [parcel] = part
                && self.is_suspect(parcel)
            {
                takes_anything(server).await?;
            }
            let error = match server.carry(part, &meant).await {
                Ok(there) => {
                    takes_others = true;
                    let stamps = part.iter().map(Parcel::stamp).collect();
                    self.change(Change::Delivered { stamps, there: there.clone() }).await?;
                    self.destination = Some(there);
                    continue;
                }
                // What waits is another matter then, and begins with the oldest.
                Err(CallError::Failed(PostgresError::Elsewhere(there))) => {
                    return self.settle_on(there, None).await;
                }
                Err(error) => error,
            };
            match (error, part) {
                (
                    CallError::Failed(PostgresError::Refused(_) | PostgresError::Doubtful { .. }),
                    [_, _, ..],
                ) => {
                    let (older, newer) = part.split_at(part.len() / 2);
                    parts.extend([newer, older]);
                }
                (CallError::Failed(PostgresError::Refused(state)), [parcel]) => {
                    self.set_aside(parcel, reason(&state)).await?;
                }
                (CallError::Failed(PostgresError::Doubtful { state, .. }), [parcel]) => {
                    doubted.push((parcel, state));
                    if !takes_others && doubted.len() >= DOUBTS {
                        break;
                    }
                }
                (error, [parcel]) => match suspicion(&error) {
                    Some(why) if self.suspect(parcel) >= TRIES => {
                        self.set_aside(parcel, why.into()).await?;
                    }
                    _ => return Err(Stuck::Server(error)),
                },
                (error, _) => return Err(Stuck::Server(error)),
            }
        }
        if !doubted.is_empty() && !takes_others {
            takes_anything(server).await?;
        }
        for (parcel, state) in doubted {
            self.set_aside(parcel, reason(&state)).await?;
        }
        Ok(())
    }

    async fn set_aside(&self, parcel: &Parcel, reason: String) -> Result<(), StoreError> {
        tracing::warn!(id = %parcel.id, reason, "the database doesn't take a record; it is set aside");
        let there = self.destination.clone().unwrap_or_default();
        self.change(Change::Refused { stamp: parcel.stamp(), reason, there }).await
    }

    /// Whether this state of the record was not taken when it was sent by itself.
    fn is_suspect(&self, parcel: &Parcel) -> bool {
        self.suspect.is_some_and(|(stamp, _)| stamp == parcel.stamp())
    }

    /// Notes that it was not taken when it was sent by itself; how often that was so.
    fn suspect(&mut self, parcel: &Parcel) -> u32 {
        let before = self.suspect.filter(|(stamp, _)| *stamp == parcel.stamp()).map_or(0, |(_, times)| times);
        self.suspect = Some((parcel.stamp(), before + 1));
        before + 1
    }

    /// Tells a server what is to be forgotten, before it is given anything.
    async fn forget(&mut self, server: &Server) -> Result<(), Stuck> {
        loop {
            let told = self.tombstones().await?;
            if told.is_empty() {
                return Ok(());
            }
            let meant = self.destination.clone().unwrap_or_default();
            match server.forget(&told, &meant).await {
                Ok(found) => self.change(Change::Forgotten { told, found, there: meant }).await?,
                Err(CallError::Failed(PostgresError::Elsewhere(there))) => {
                    self.settle_on(there, None).await?;
                }
                Err(error) => return Err(Stuck::Server(error)),
            }
        }
    }

    async fn tombstones(&self) -> Result<Tombstones, StoreError> {
        let (done, result) = oneshot::channel();
        self.jobs.send(Job::Tombstones(done)).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Asks a server where it is, and writes to it from now on.
    async fn settle(&mut self, server: &Server) -> Result<(), Stuck> {
        let known = self.read(|pool| async move { outbox::destination(&pool).await }).await?;
        let there = server.ready().await.map_err(Stuck::Server)?;
        self.settle_on(there, known.map(|known| known.position)).await
    }

    /// Writes to this server from now on, unless another run has chosen another one.
    async fn settle_on(&mut self, there: Whereabouts, known: Option<i64>) -> Result<(), Stuck> {
        let mine = if self.overruled { Some(&there) } else { self.destination.as_ref() };
        let instead_of = mine.map(|mine| mine.identity.clone());
        let settled = self.change(Change::Destination { there: there.clone(), instead_of, known }).await;
        self.overruled |= matches!(settled, Err(StoreError::Overruled));
        settled?;
        if self.destination.replace(there).is_none() {
            self.change(Change::RetryRefused).await?;
        }
        Ok(())
    }

    fn serving(&self, rank: usize, error: Option<&CallError<PostgresError>>) {
        let degradation = error.filter(|_| rank > 0).map(|error| {
            let (why, _) = told(error);
            Degradation {
                chain: CHAIN.into(),
                now: REPLICA.into(),
                what: format!("{why}; the history is written to a replica that is the primary now."),
                remedy: "Set store.postgres.primary to that server.".into(),
            }
        });
        if self.shared.standing.set(Part::Server, degradation) {
            tracing::info!(rank, "the history is carried over to the database");
        }
    }

    fn failing(&self, error: &CallError<PostgresError>) {
        // Why it is left alone is told already.
        if matches!(error, CallError::Rejected(_)) && self.shared.standing.is_set(Part::Server) {
            return;
        }
        // It is over in a moment, and says nothing of the server.
        if matches!(error, CallError::Failed(PostgresError::Conflict | PostgresError::Busy(_))) {
            return;
        }
        let (why, remedy) = told(error);
        let degradation = Degradation {
            chain: CHAIN.into(),
            now: JOURNAL.into(),
            what: format!("{why}; the history is kept on this machine and carried over later."),
            remedy: format!("{remedy}; the rest happens by itself."),
        };
        if self.shared.standing.set(Part::Server, Some(degradation)) {
            tracing::warn!(%error, "the database doesn't take the history");
        }
    }

    /// Counts what waits, now and then at least.
    async fn count(&mut self, now: bool) -> Result<(), StoreError> {
        if now || self.counted.is_none_or(|counted| counted.elapsed() >= COUNT) {
            let backlog = self.read(|pool| async move { outbox::backlog(&pool).await }).await?;
            self.backlog.send_replace(backlog);
            self.counted = Some(Instant::now());
        }
        Ok(())
    }

    async fn read<T, F>(&self, query: impl FnOnce(sqlx::SqlitePool) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let pool = self.shared.readers.lock().clone().ok_or(StoreError::Closed)?;
        // A task of its own: a query that is dropped half-way would take its place in the pool.
        let reading = tokio::spawn(query(pool));
        match self.shared.breaker.call(async { reading.await.map_err(|_| StoreError::Closed)? }).await {
            Ok(value) => Ok(value),
            Err(CallError::Failed(error)) => Err(error),
            Err(CallError::Rejected(_) | CallError::TimedOut { .. }) => Err(StoreError::Busy),
        }
    }

    /// The journal's own task does it. Not through the breaker: the disk is asked as gently as the
    /// server is.
    async fn change(&self, change: Change) -> Result<(), StoreError> {
        let (done, result) = oneshot::channel();
        self.jobs.send(Job::Change(change, done)).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }
}

/// Finds out whether a server takes anything at all: a blank record, which is taken back.
async fn takes_anything(server: &Server) -> Result<(), Stuck> {
    match server.takes_any(Parcel::blank()).await {
        Ok(()) | Err(CallError::Failed(PostgresError::Refused(_))) => Ok(()),
        Err(error) => Err(Stuck::Server(error)),
    }
}

/// If this may be the fault of the one record that was sent as well as of the server: why, in the user's words.
fn suspicion(error: &CallError<PostgresError>) -> Option<&'static str> {
    match error {
        CallError::TimedOut { .. } | CallError::Failed(PostgresError::Slow) => {
            Some("the database takes too long for it, though it takes others")
        }
        CallError::Failed(PostgresError::Locked) => Some("somebody holds a lock on it in the database"),
        CallError::Failed(PostgresError::Unreachable(_)) => {
            Some("the connection to the database breaks at it, though not at others")
        }
        _ => None,
    }
}

/// Why a record was set aside, in the user's words.
fn reason(state: &str) -> String {
    let why = match &state[..state.floor_char_boundary(2)] {
        "22" => "it holds what PostgreSQL can't, such as a character with the code 0",
        "23" => "a rule of the database forbids it",
        "54" => "it is larger than PostgreSQL allows",
        "no" => "it can't be sent",
        _ => "a policy or a trigger of the database refuses it",
    };
    format!("{why} (SQLSTATE {state})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_shrinks_to_one_record_and_grows_while_there_is_time() {
        const HAD: Duration = Duration::from_secs(10);
        let mut batch = Batch::FIRST;
        for _ in 0..4 {
            batch.shrink();
        }
        assert_eq!(batch, Batch::LEAST);
        batch.grow(HAD / 2, HAD);
        assert_eq!(batch, Batch::LEAST, "it would not be taken in time");
        for _ in 0..20 {
            batch.grow(HAD / 100, HAD);
        }
        assert_eq!(batch, Batch::MOST);
        batch.begin_anew();
        assert_eq!(batch, Batch::FIRST);
        let parcel = |size| Parcel { text: Some("x".repeat(size)), ..Parcel::blank() };
        let cut = |sizes: &[usize]| {
            let mut parcels = sizes.iter().map(|size| parcel(*size)).collect();
            (batch.cut(&mut parcels), parcels.len())
        };
        assert_eq!(cut(&[1; 9]), (false, 9));
        assert_eq!(cut(&[1; 10]), (true, 10));
        assert_eq!(cut(&[200 << 10, 200 << 10]), (true, 1));
        assert_eq!(cut(&[300 << 10, 1]), (true, 1), "one goes, however heavy");
    }
}

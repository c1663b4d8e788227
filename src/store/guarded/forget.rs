//! Forgetting, as whoever wants it has it.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::oneshot;

use super::super::error::{self, StoreError};
use super::super::forgetting::{self, Asked, Condition, Deleted};
use super::super::held::Revised;
use super::super::record::Clean;
use super::super::sqlite;
use super::super::writer::Job;
use super::Store;
use crate::domain::{Failure, Forgotten, Record, Selection, UtteranceId};

/// How long forgetting may take: a large index is made anew.
const FORGETTING: Duration = Duration::from_secs(60);

/// How long whoever wants something forgotten waits for the database.
const TELLING: Duration = Duration::from_secs(4);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long they wait for somebody who reads the file meanwhile.
const WIPING: Duration = Duration::from_millis(500);

/// How long whoever searches waits for what was forgotten here.
const KNOWING: Duration = Duration::from_secs(2);

impl Store {
    /// How many turns on this machine a selection means.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub async fn meant(&self, selection: &Selection) -> Result<u64, Failure> {
        let condition = Condition::of(selection);
        let counted = self.read(move |pool| async move { forgetting::count(&pool, &condition).await }).await;
        Ok(counted.map_err(|error| error::unreadable(&error))?.unwrap_or_default())
    }

    /// Forgets what a selection means, for good: here at once, and in the database as soon as it is there. Turns under
    /// way stay. Gives what had been typed, too, for whoever keeps that elsewhere.
    ///
    /// # Errors
    /// When the journal can't be written; then nothing was forgotten.
    pub async fn forget(&self, selection: &Selection) -> Result<(Forgotten, Vec<String>), Failure> {
        let condition = Condition::of(selection);
        let deleted = self.shared.breaker.call_within(FORGETTING, async {
            let (done, result) = oneshot::channel();
            self.jobs.send(Job::Forget(condition, done)).await.map_err(|_| StoreError::Closed)?;
            result.await.map_err(|_| StoreError::Closed)?
        });
        let Deleted { ids, texts, wiped } = deleted.await.map_err(|error| error::not_forgotten(&error))?;
        let here = ids.len() as u64;
        if let Some(sounds) = &self.sounds {
            sounds.forget(ids).await;
        }
        let database = match self.database {
            None => None,
            Some(_) => Some(self.is_forgotten_everywhere().await),
        };
        let wiped = wiped || self.is_wiped().await;
        tracing::info!(turns = here, wiped, ?database, "turns were forgotten");
        Ok((Forgotten { here, wiped, database, cache: None }, texts))
    }

    /// Whether the database has been told of everything that is to be forgotten; waits a little for that.
    async fn is_forgotten_everywhere(&self) -> bool {
        let told = async {
            loop {
                let (done, result) = oneshot::channel();
                if self.jobs.send(Job::Tombstones(done)).await.is_err() {
                    return false;
                }
                match result.await {
                    Ok(Ok(left)) if left.is_empty() => return true,
                    Ok(Ok(_)) => tokio::time::sleep(LOOK_AGAIN).await,
                    Ok(Err(_)) | Err(_) => return false,
                }
            }
        };
        tokio::time::timeout(TELLING, told).await.unwrap_or(false)
    }

    /// Whether what was deleted is gone from the file, too; waits a little for that.
    async fn is_wiped(&self) -> bool {
        let wiped = async {
            loop {
                tokio::time::sleep(LOOK_AGAIN).await;
                let (done, result) = oneshot::channel();
                if self.jobs.send(Job::Wiped(done)).await.is_err() {
                    return false;
                }
                match result.await {
                    Ok(Ok(true)) => return true,
                    Ok(Ok(false)) => {}
                    Ok(Err(_)) | Err(_) => return false,
                }
            }
        };
        tokio::time::timeout(WIPING, wiped).await.unwrap_or(false)
    }

    /// What a server has without what was forgotten here: it may not have been told yet, or be a replica that is behind.
    /// `None` if what was forgotten can't be known.
    pub(super) async fn without_forgotten(&self, records: Vec<Record>) -> Option<Vec<Record>> {
        let ids: Vec<UtteranceId> = records.iter().map(|record| record.id).collect();
        let known = self.read(move |pool| async move {
            Ok((forgetting::forgotten_of(&pool, &ids).await?, forgetting::asked(&pool).await?))
        });
        let (gone, asked) = match tokio::time::timeout(KNOWING, known).await {
            Ok(Ok(known)) => known?,
            Ok(Err(error)) => {
                tracing::warn!(%error, "what was forgotten can't be known");
                return None;
            }
            Err(_) => {
                tracing::warn!("what was forgotten can't be known in time");
                return None;
            }
        };
        let mut gone: HashSet<UtteranceId> = gone.into_iter().collect();
        for Asked { before, wanted, .. } in asked {
            let older = records.iter().filter(|record| record.at.as_nanosecond() < i128::from(before));
            let older: Vec<Revised> =
                older.map(|record| Revised { record: Clean::kept(record.clone()), revision: 1 }).collect();
            let found = sqlite::search_among(&older, &wanted, u32::MAX).await;
            let found =
                found.inspect_err(|error| tracing::warn!(%error, "what was forgotten can't be known"));
            gone.extend(found.ok()?.iter().map(|record| record.id));
        }
        Some(records.into_iter().filter(|record| !gone.contains(&record.id)).collect())
    }
}

//! Where the history is read: the primary, a replica, the journal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::sync::broadcast;

use super::error::{CHAIN, StoreError, unreadable};
use super::postgres::{Age, Page, PostgresError, Server, told};
use super::search::Wanted;
use super::sqlite::{self, Among};
use super::writer::Shared;
use crate::breaker::{
    Breaker, CallError, Chain, Class, Classify, Effect, Entry, Fallback, Rejected, Served, Skipped, Tier,
    Unready, Why,
};
use crate::domain::{Degradation, Failure, Record};

/// How long a person waits at most; it is divided among the tiers.
const PATIENCE: Duration = Duration::from_secs(6);

/// What a search has found.
#[derive(Debug)]
pub struct Found {
    /// The newest first.
    pub records: Vec<Kept>,
    /// Which tier served.
    pub tier: String,
    /// If that wasn't the first, or that is a replica: why, and what it means.
    pub degradation: Option<Degradation>,
}

impl Found {
    /// With what another program holds in memory in place of what is on disk of it; `delivers`, if there is a database.
    #[must_use]
    pub fn with_unsaved(mut self, unsaved: Vec<Record>, limit: u32, delivers: bool) -> Self {
        self.records.retain(|kept| unsaved.iter().all(|newer| newer.id != kept.record.id));
        let kept = |record| Kept { record, delivery: delivers.then_some(Delivery::Waiting) };
        self.records.extend(unsaved.into_iter().map(kept));
        self.records.sort_by_key(|kept| std::cmp::Reverse(kept.record.id));
        self.records.truncate(limit as usize);
        self
    }
}

/// A record, and where it is.
#[derive(Debug, Clone, Serialize)]
pub struct Kept {
    /// The record.
    #[serde(flatten)]
    pub record: Record,
    /// Whether the database has it; `None` if none is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

impl Kept {
    /// What is to be said of it, beside the record itself.
    pub fn remark(&self) -> Option<String> {
        match self.delivery.as_ref()? {
            Delivery::Delivered => None,
            Delivery::Waiting => Some("waits for the database".into()),
            Delivery::Refused(reason) => Some(format!("kept on this machine only: {reason}")),
        }
    }
}

/// Whether the database has a record as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It has.
    Delivered,
    /// Not yet.
    Waiting,
    /// It will never take it, for this reason.
    Refused(String),
}

/// What is asked of a tier.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) wanted: Wanted,
    pub(super) limit: u32,
}

/// The chain.
#[derive(Debug)]
pub(super) struct Reading(Chain<'static, Search, Page, ReadError>);

impl Reading {
    /// These servers, in order, and the journal behind them.
    pub(super) fn new(
        servers: &[Arc<Server>],
        shared: &Arc<Shared>,
        fallbacks: Option<broadcast::Sender<Fallback>>,
    ) -> Self {
        let mut tiers: Vec<Box<dyn Tier<Search, Page, ReadError>>> = Vec::new();
        for server in servers {
            tiers.push(Box::new(OnServer(Arc::clone(server))));
        }
        tiers.push(Box::new(InJournal(Arc::clone(shared))));
        // Whoever searches waits for less long than a server may take; what is carried over finds out whether it
        // hangs.
        let chain = Chain::new(CHAIN, PATIENCE, tiers).impatient();
        Self(match fallbacks {
            Some(fallbacks) => chain.telling(fallbacks),
            None => chain,
        })
    }

    /// What the first tier that can says; whether that is the journal, and what is degraded.
    pub(super) async fn search(&self, search: &Search) -> Result<Answer, Failure> {
        match self.0.call(search, Effect::Idempotent).await {
            Ok(served) => Ok(Answer::of(served)),
            Err(none) => {
                tracing::warn!(error = %none, "no tier of the history can be read");
                Err(unreadable(&CallError::Failed(StoreError::Closed)))
            }
        }
    }
}

/// What a tier has said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) page: Page,
    pub(super) tier: String,
    /// Whether it has everything that there is on this machine.
    pub(super) is_journal: bool,
    pub(super) degradation: Option<Degradation>,
}

impl Answer {
    fn of(served: Served<Page, ReadError>) -> Self {
        let Served { value: page, tier, skipped, .. } = served;
        let is_journal = tier == super::error::JOURNAL;
        for skip in &skipped {
            tracing::warn!(tier = skip.tier, why = %skip.why, "the history is not read here");
        }
        let reason = match skipped.first() {
            Some(first) => Some(why(first)),
            // The first server, which is no primary any more.
            None if page.age != Age::Current => {
                let (why, remedy) = PostgresError::ReadOnly.told();
                Some((why.into(), remedy))
            }
            None => None,
        };
        let degradation = reason.map(|(why, remedy)| {
            let now = if is_journal {
                "this is the history of this machine".to_owned()
            } else {
                format!("this is what a replica knows, {}", how_old(page.age))
            };
            Degradation {
                chain: CHAIN.into(),
                now: tier.clone(),
                what: format!("{why}; {now}."),
                remedy: format!("{remedy}."),
            }
        });
        Self { page, tier, is_journal, degradation }
    }
}

fn how_old(age: Age) -> String {
    const ADDED: &str = "what this machine has is added";

    let age = match age {
        Age::Current => return format!("which is the primary now; {ADDED}"),
        Age::Unknown => return format!("and it may be old; {ADDED}"),
        Age::LastChange(age) => age,
    };
    let seconds = age.as_secs();
    let ago = match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    format!("whose last change arrived {ago} ago; {ADDED}")
}

/// Why a server was passed over, in the user's words.
fn why(skipped: &Skipped<ReadError>) -> (String, &'static str) {
    let error = match &skipped.why {
        Why::Failed(ReadError::Server(error)) => {
            let (what, remedy) = error.told();
            return (what.into(), remedy);
        }
        Why::TimedOut { after } => CallError::TimedOut { after: *after },
        Why::Rejected { state, retry_in } => CallError::Rejected(Rejected {
            breaker: skipped.tier.as_str().into(),
            state: *state,
            retry_in: *retry_in,
        }),
        Why::Unready(_) | Why::NoTime | Why::Failed(ReadError::Journal(_)) => {
            return ("The database has too much to do".into(), "Wait a little");
        }
    };
    let (what, remedy) = told(&error);
    (what.into(), remedy)
}

/// A server, as a tier.
struct OnServer(Arc<Server>);

impl Tier<Search, Page, ReadError> for OnServer {
    fn breaker(&self) -> &Breaker {
        self.0.breaker()
    }

    fn serve<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Result<Page, ReadError>> {
        Box::pin(async { self.0.search(&search.wanted, search.limit).await.map_err(ReadError::Server) })
    }

    fn ready(&self) -> Result<(), Unready> {
        self.0.has_room()
    }

    fn enter<'a>(&'a self, _search: &'a Search) -> Option<BoxFuture<'a, Result<Entry<'a>, Unready>>> {
        Some(Box::pin(async {
            let slot = self.0.slot().await.map_err(|full| Unready(full.to_string()))?;
            Ok(Box::new(slot) as Entry<'a>)
        }))
    }
}

/// The journal, as a tier.
struct InJournal(Arc<Shared>);

impl Tier<Search, Page, ReadError> for InJournal {
    fn breaker(&self) -> &Breaker {
        &self.0.breaker
    }

    fn serve<'a>(&'a self, search: &'a Search) -> BoxFuture<'a, Result<Page, ReadError>> {
        let pool = self.0.readers.lock().clone();
        let (wanted, limit) = (search.wanted.clone(), search.limit);
        Box::pin(async move {
            let Some(pool) = pool else { return Ok(Page::of(Vec::new())) };
            // A task of its own: a query that is dropped half-way would take its place in the pool
            // with it.
            let query = async move { sqlite::search(&pool, Among::All, &wanted, limit).await };
            let found = tokio::spawn(query).await.unwrap_or(Err(StoreError::Closed));
            found.map(Page::of).map_err(ReadError::Journal)
        })
    }
}

impl Page {
    fn of(records: Vec<Record>) -> Self {
        Self { records, stamps: Vec::new(), age: Age::Current, identity: String::new() }
    }
}

/// A tier's failure.
#[derive(Debug)]
pub(super) enum ReadError {
    Server(PostgresError),
    Journal(StoreError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
        }
    }
}

impl Classify for ReadError {
    fn class(&self) -> Class {
        match self {
            // To read there is always another tier, whatever is wrong with this one.
            Self::Server(error) => match error.class() {
                Class::Caller | Class::Cancelled => Class::Failure,
                class => class,
            },
            Self::Journal(error) => error.class(),
        }
    }
}

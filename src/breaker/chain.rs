//! A chain of fallbacks: the same thing done in other ways, in order, each behind its own breaker.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::{Breaker, CallError, Class, Classify, Fallback, Passed, State};

/// One way of answering a request of type `Q` with a `T`.
pub trait Tier<Q: ?Sized, T, E>: Send + Sync {
    /// Its breaker; the tier is called by the breaker's name.
    fn breaker(&self) -> &Breaker;

    /// Does the work. The chain calls it behind the breaker; a timeout drops the future, which must
    /// cancel the work.
    fn serve<'a>(&'a self, request: &'a Q) -> BoxFuture<'a, Result<T, E>>;

    /// Whether it may be tried at all; a tier that isn't ready is passed over without a vote.
    fn ready(&self) -> Result<(), Unready> {
        Ok(())
    }

    /// How long this request may take here; by default the breaker's timeout. For work whose
    /// honest duration grows with the request.
    fn limit(&self, _request: &Q) -> Duration {
        self.breaker().timeout()
    }

    /// What must be had first, such as a [`Slot`](super::Slot); it is held until the work is done. By default
    /// nothing. Waiting for it takes of the chain's time, but holds no permit, and says nothing of the tier.
    fn enter<'a>(&'a self, _request: &'a Q) -> Option<BoxFuture<'a, Result<Entry<'a>, Unready>>> {
        None
    }
}

/// What a tier must have to be asked; dropping it gives it back.
pub type Entry<'a> = Box<dyn Send + 'a>;

/// Why a tier may not be tried, in the user's words: not configured, no consent, over budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unready(pub String);

/// What repeating a request on another tier would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing more than doing it once.
    Idempotent,
    /// Harm. After a timeout, or an error that says that it may have happened, the chain stops.
    Once,
}

/// Why a tier did not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why<E> {
    /// It may not be tried.
    #[error(transparent)]
    Unready(Unready),
    /// Its breaker is open.
    #[error("not tried while its breaker is {state}")]
    Rejected {
        /// The breaker's state.
        state: State,
        /// When the next attempt may be made.
        retry_in: Option<Duration>,
    },
    /// The chain's deadline was over before its turn.
    #[error("no time was left for it")]
    NoTime,
    /// It took too long.
    #[error("no answer within {after:?}")]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// It failed.
    #[error("{0}")]
    Failed(E),
}

impl<E> Why<E> {
    fn passed(&self) -> Passed {
        match self {
            Self::Unready(_) => Passed::Unready,
            Self::Rejected { .. } => Passed::Rejected,
            Self::NoTime => Passed::NoTime,
            Self::TimedOut { .. } => Passed::TimedOut,
            Self::Failed(_) => Passed::Failed,
        }
    }
}

/// A tier that did not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped<E> {
    /// The tier.
    pub tier: String,
    /// Why.
    pub why: Why<E>,
}

/// A value, with the tier that served it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served<T, E> {
    /// The value.
    pub value: T,
    /// The tier that served it.
    pub tier: String,
    /// Its place in the chain; 0 is the first choice.
    pub rank: usize,
    /// The tiers before it, and why they did not serve.
    pub skipped: Vec<Skipped<E>>,
}

/// Why a chain ended without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Every tier was tried or passed over.
    Exhausted,
    /// The request itself is at fault; another tier would say the same.
    Caller,
    /// It was cancelled.
    Cancelled,
    /// It may have happened, and must not happen twice.
    Uncertain,
}

/// No tier served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{chain}: {}", skipped.iter().map(|skip| format!("{}: {}", skip.tier, skip.why)).collect::<Vec<_>>().join("; "))]
pub struct Exhausted<E: Display> {
    /// The chain.
    pub chain: String,
    /// Why it ended.
    pub stop: Stop,
    /// The tiers, in order, and why each did not serve.
    pub skipped: Vec<Skipped<E>>,
}

impl<E: Display> Exhausted<E> {
    /// The last error that a tier returned itself.
    pub fn last_error(&self) -> Option<&E> {
        self.skipped.iter().rev().find_map(|skip| match &skip.why {
            Why::Failed(error) => Some(error),
            _ => None,
        })
    }
}

/// Which tiers a chain has and how often each served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainReport {
    /// The chain.
    pub chain: String,
    /// The tiers in order, each with its breaker's state and how often it served.
    pub tiers: Vec<(String, State, u64)>,
    /// How often none served.
    pub exhausted: u64,
}

/// The tiers of one dependency, in order, under one overall deadline.
pub struct Chain<'a, Q: ?Sized, T, E> {
    name: String,
    deadline: Duration,
    tiers: Vec<Box<dyn Tier<Q, T, E> + 'a>>,
    served: Vec<AtomicU64>,
    exhausted: AtomicU64,
    fallbacks: Option<broadcast::Sender<Fallback>>,
    impatient: bool,
}

impl<'a, Q: ?Sized, T, E: Classify + Display> Chain<'a, Q, T, E> {
    /// A chain of these tiers. `deadline` bounds a whole walk; what is left of it is divided evenly
    /// among the tiers that are left, so that a slow first tier can't starve the last.
    pub fn new(name: impl Into<String>, deadline: Duration, tiers: Vec<Box<dyn Tier<Q, T, E> + 'a>>) -> Self {
        let served = tiers.iter().map(|_| AtomicU64::new(0)).collect();
        let (exhausted, fallbacks) = (AtomicU64::new(0), None);
        Self { name: name.into(), deadline, tiers, served, exhausted, fallbacks, impatient: false }
    }

    /// A tier that is given up because its share of the chain's time is over, before its own limit, doesn't vote: the
    /// one who waits was impatient. Only for tiers of which something else, with more time, finds out that they hang.
    #[must_use]
    pub fn impatient(mut self) -> Self {
        self.impatient = true;
        self
    }

    /// Tells whenever another than the first tier served, or none did; see [`Registry::fallbacks`](super::Registry::fallbacks).
    #[must_use]
    pub fn telling(mut self, fallbacks: broadcast::Sender<Fallback>) -> Self {
        self.fallbacks = Some(fallbacks);
        self
    }

    /// The chain's name, which is the dependency's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Walks the tiers until one serves. Cancel-safe: dropping it drops the tier's work.
    pub async fn call(&self, request: &Q, effect: Effect) -> Result<Served<T, E>, Exhausted<E>> {
        self.call_within(self.deadline, request, effect).await
    }

    /// As [`Chain::call`], with another overall deadline for this one request.
    pub async fn call_within(
        &self,
        deadline: Duration,
        request: &Q,
        effect: Effect,
    ) -> Result<Served<T, E>, Exhausted<E>> {
        let result = self.walk(deadline, request, effect).await;
        match &result {
            Ok(Served { rank: 0, .. }) => {}
            Ok(served) => self.tell(Some(&served.tier), &served.skipped),
            Err(none) => self.tell(None, &none.skipped),
        }
        result
    }

    fn tell(&self, served: Option<&String>, skipped: &[Skipped<E>]) {
        let Some(fallbacks) = &self.fallbacks else { return };
        let passed = skipped.iter().map(|skip| (skip.tier.clone(), skip.why.passed())).collect();
        // No receiver is no error: nobody watches. Sending never waits.
        let _ = fallbacks.send(Fallback { chain: self.name.clone(), served: served.cloned(), passed });
    }

    async fn walk(
        &self,
        deadline: Duration,
        request: &Q,
        effect: Effect,
    ) -> Result<Served<T, E>, Exhausted<E>> {
        let ends = Instant::now() + deadline;
        let mut skipped = Vec::new();
        for (rank, tier) in self.tiers.iter().enumerate() {
            let breaker = tier.breaker();
            let mut skip = |why| skipped.push(Skipped { tier: breaker.name().to_owned(), why });
            if let Err(unready) = tier.ready() {
                skip(Why::Unready(unready));
                continue;
            }
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                skip(Why::NoTime);
                continue;
            }
            let mut share = left / self.tiers_left(rank);
            let mut entry = None;
            if let Some(waiting) = tier.enter(request) {
                let until = Instant::now() + share;
                match enter(breaker, waiting, until).await {
                    Ok(had) => entry = Some(had),
                    Err(why) => {
                        skip(why);
                        continue;
                    }
                }
                share = until.saturating_duration_since(Instant::now());
            }
            let served = self.serve(tier.as_ref(), request, share).await;
            drop(entry);
            let stop = match served {
                Ok(value) => {
                    self.served[rank].fetch_add(1, Ordering::Relaxed);
                    let tier = breaker.name().to_owned();
                    return Ok(Served { value, tier, rank, skipped });
                }
                Err(CallError::Rejected(no)) => {
                    skip(Why::Rejected { state: no.state, retry_in: no.retry_in });
                    None
                }
                Err(CallError::TimedOut { after }) => {
                    skip(Why::TimedOut { after });
                    (effect == Effect::Once).then_some(Stop::Uncertain)
                }
                Err(CallError::Failed(error)) => {
                    let stop = match error.class() {
                        Class::Caller => Some(Stop::Caller),
                        Class::Cancelled => Some(Stop::Cancelled),
                        Class::Declined => None,
                        Class::Failure | Class::Overload { .. } => {
                            (effect == Effect::Once && error.may_have_happened()).then_some(Stop::Uncertain)
                        }
                    };
                    skip(Why::Failed(error));
                    stop
                }
            };
            if let Some(stop) = stop {
                return Err(Exhausted { chain: self.name.clone(), stop, skipped });
            }
        }
        self.exhausted.fetch_add(1, Ordering::Relaxed);
        Err(Exhausted { chain: self.name.clone(), stop: Stop::Exhausted, skipped })
    }

    /// Asks one tier, behind its breaker, for `share` at most.
    async fn serve(
        &self,
        tier: &(dyn Tier<Q, T, E> + 'a),
        request: &Q,
        share: Duration,
    ) -> Result<T, CallError<E>> {
        let (breaker, limit) = (tier.breaker(), tier.limit(request));
        if self.impatient && share < limit {
            // Dropping the call doesn't vote.
            let call = breaker.call_within(limit, tier.serve(request));
            return match tokio::time::timeout(share, call).await {
                Ok(result) => result,
                Err(_) => Err(CallError::TimedOut { after: share }),
            };
        }
        breaker.call_within(limit.min(share), tier.serve(request)).await
    }

    /// How many tiers from `rank` on could be called now, the one at `rank` always among them.
    fn tiers_left(&self, rank: usize) -> u32 {
        let callable =
            |tier: &(dyn Tier<Q, T, E> + 'a)| !tier.breaker().would_refuse() && tier.ready().is_ok();
        1 + self.tiers[rank + 1..].iter().filter(|tier| callable(tier.as_ref())).count() as u32
    }

    /// Which tiers it has and how often each served.
    pub fn report(&self) -> ChainReport {
        let tiers = self.tiers.iter().zip(&self.served).map(|(tier, served)| {
            let breaker = tier.breaker();
            (breaker.name().to_owned(), breaker.state(), served.load(Ordering::Relaxed))
        });
        ChainReport {
            chain: self.name.clone(),
            tiers: tiers.collect(),
            exhausted: self.exhausted.load(Ordering::Relaxed),
        }
    }
}

/// What a tier must have to be asked. Nobody waits for it while the tier's breaker is open.
async fn enter<'t, E>(
    breaker: &Breaker,
    waiting: BoxFuture<'t, Result<Entry<'t>, Unready>>,
    until: Instant,
) -> Result<Entry<'t>, Why<E>> {
    if let Some(no) = breaker.refuse(breaker.clock().coarse()) {
        return Err(Why::Rejected { state: no.state, retry_in: no.retry_in });
    }
    match tokio::time::timeout_at(until, waiting).await {
        Ok(Ok(entry)) => Ok(entry),
        Ok(Err(unready)) => Err(Why::Unready(unready)),
        Err(_) => Err(Why::NoTime),
    }
}

impl<Q: ?Sized, T, E> std::fmt::Debug for Chain<'_, Q, T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tiers: Vec<&str> = self.tiers.iter().map(|tier| tier.breaker().name()).collect();
        f.debug_struct("Chain").field("name", &self.name).field("tiers", &tiers).finish_non_exhaustive()
    }
}

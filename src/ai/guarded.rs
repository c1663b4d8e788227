//! The AI as it gets out: the chain `ai-service`, each endpoint behind its breaker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use super::prompt::{self, MOST_TOKENS, Shown};
use super::{Endpoint, answer};
use crate::breaker::{Breaker, Chain, Effect, Exhausted, Fallback, Stop, Tier, Unready, Why};
use crate::cloud::{CloudError, Cost, Gate, Remote, Use};
use crate::config::Ai;
use crate::domain::{Assistant, BoxFuture, Cache, CacheKey, Failure, FailureKind, Intent, Puzzle};
use crate::redact::Redactor;

/// The name of the chain.
pub const CHAIN: &str = "ai-service";
/// The breakers of the endpoints, in their order; more than these are not used.
pub const TIERS: [&str; 4] = ["ai-1", "ai-2", "ai-3", "ai-4"];

/// How long the same words mean the same.
const KEEP: Duration = Duration::from_hours(24);

const AGAIN: &str = "it is tried again by itself; `voice-terminal breakers` shows when";

/// All endpoints, in order.
pub struct Assistants {
    chain: Chain<'static, Shown, Intent, CloudError>,
    redactor: Arc<Redactor>,
    wants_screen: bool,
    cache: Arc<dyn Cache>,
    /// Who is asked.
    endpoints: String,
    /// Whether any could ever be asked, as it is configured.
    is_there: Box<dyn Fn() -> bool + Send + Sync>,
}

/// What they are built from.
pub struct Parts<'a> {
    /// The settings.
    pub config: &'a Ai,
    /// What everything that leaves the machine goes through.
    pub gate: Arc<Gate>,
    /// Where key files are.
    pub keys: PathBuf,
    /// Told when another endpoint has to serve.
    pub fallbacks: broadcast::Sender<Fallback>,
    /// Keeps meanings.
    pub cache: Arc<dyn Cache>,
    /// Takes secrets out of what is asked.
    pub(crate) redactor: Arc<Redactor>,
    /// The breaker of each.
    pub breaker: &'a dyn Fn(&str) -> Arc<Breaker>,
}

impl Assistants {
    /// Builds the chain. Nothing is asked.
    ///
    /// # Errors
    /// An endpoint that can't be meant, in the user's words.
    pub fn start(parts: &Parts<'_>) -> Result<Self, String> {
        let Parts { config, gate, keys, fallbacks, cache, redactor, breaker } = parts;
        if config.endpoints.len() > TIERS.len() {
            return Err(format!("ai.endpoints holds more than {}", TIERS.len()));
        }
        let endpoints =
            config.endpoints.iter().map(|text| text.parse()).collect::<Result<Vec<Endpoint>, String>>()?;
        let mut tiers: Vec<Box<dyn Tier<Shown, Intent, CloudError>>> = Vec::new();
        let first = endpoints.first().map(Endpoint::who);
        for (endpoint, name) in endpoints.iter().zip(TIERS) {
            let using = Use {
                chain: CHAIN,
                tier: name.to_owned(),
                who: endpoint.who(),
                what: if config.screen {
                    "words that the rules don't know, and the end of the screen,"
                } else {
                    "words that the rules don't know"
                },
                instead_of: first.filter(|_| name != TIERS[0]).map(capital),
                otherwise: "do without",
            };
            let (gate, own, price) = (Arc::clone(gate), endpoint.is_own(), config.price);
            let remote = endpoint.server(keys).map(|server| {
                let cost = Box::new(move |shown: &Shown| cost(shown, price));
                Remote::new(server, endpoint.service(), cost, gate, using, own)
            });
            tiers.push(Box::new(Model { breaker: breaker(name), remote }));
        }
        let (own, gate) = (endpoints.iter().any(Endpoint::is_own), Arc::clone(gate));
        let any = !endpoints.is_empty();
        let is_there = Box::new(move || own || any && gate.consents().is_ok());
        let deadline = Duration::from_secs(20) * tiers.len().max(1) as u32;
        let chain = Chain::new(CHAIN, deadline, tiers).telling(fallbacks.clone());
        Ok(Self {
            chain,
            redactor: Arc::clone(redactor),
            wants_screen: config.screen,
            cache: Arc::clone(cache),
            endpoints: config.endpoints.join("\n"),
            is_there,
        })
    }
}

impl Assistants {
    /// What a meaning is kept under. What depends on the screen is not kept.
    fn key(&self, puzzle: &Puzzle) -> Option<CacheKey> {
        let id = || format!("{}\0{}\0{}", self.endpoints, puzzle.sessions.join("\n"), puzzle.words);
        puzzle.screen.is_none().then(|| CacheKey { kind: "meaning", id: id(), keep: KEEP })
    }
}

fn capital(who: &str) -> String {
    let mut letters = who.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

/// At most what a question costs: a token has a byte at least, and mostly four.
fn cost(shown: &Shown, price: f64) -> Cost {
    let bytes = prompt::TASK.len() + prompt::form().to_string().len() + shown.question().len();
    Cost::of_text(bytes / 2 + MOST_TOKENS as usize, price, Duration::ZERO)
}

fn failure(none: &Exhausted<CloudError>) -> Failure {
    let told = |kind, what: String, remedy: String| Failure::new(kind, CHAIN, what, remedy);
    if none.stop == Stop::Cancelled {
        return told(FailureKind::Cancelled, "the AI was stopped".into(), String::new());
    }
    if let Some(error) = none.last_error() {
        return told(FailureKind::Unavailable, error.to_string(), error.remedy());
    }
    if let Some(Why::Unready(unready)) = none.skipped.first().map(|skip| &skip.why) {
        let remedy = "see ai and cloud in your configuration";
        return told(FailureKind::Unavailable, unready.to_string(), remedy.into());
    }
    told(FailureKind::Unavailable, "the AI does not answer".into(), AGAIN.into())
}

impl Assistant for Assistants {
    fn is_there(&self) -> bool {
        (self.is_there)()
    }

    fn wants_screen(&self) -> bool {
        self.wants_screen
    }

    fn understand<'a>(&'a self, puzzle: &'a Puzzle) -> BoxFuture<'a, Result<Intent, Failure>> {
        Box::pin(async move {
            let key = self.key(puzzle);
            if let Some(key) = &key
                && let Some(kept) = self.cache.get(key).await
                && let Some(intent) = serde_json::from_slice(&kept).ok().as_ref().and_then(answer::intent)
            {
                return Ok(intent);
            }
            let shown = Shown::of(puzzle, &self.redactor);
            let served = self.chain.call(&shown, Effect::Idempotent).await.map_err(|none| failure(&none))?;
            let is_known = !matches!(served.value, Intent::Unknown { .. });
            // A meaning with a secret in it is not kept, and without it would be another.
            if let (Some(key), true, Ok(content)) = (&key, is_known, serde_json::to_string(&served.value))
                && self.redactor.text(&content) == content
            {
                self.cache.put(key, content.into_bytes()).await;
            }
            Ok(served.value)
        })
    }
}

struct Model {
    breaker: Arc<Breaker>,
    /// Or what is wrong with its configuration.
    remote: Result<Remote<Shown, Intent>, Unready>,
}

impl Tier<Shown, Intent, CloudError> for Model {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, shown: &'a Shown) -> BoxFuture<'a, Result<Intent, CloudError>> {
        Box::pin(async move {
            match &self.remote {
                Ok(remote) => remote.ask(shown).await,
                Err(unready) => Err(CloudError::NotSent { what: unready.to_string() }),
            }
        })
    }

    fn ready(&self) -> Result<(), Unready> {
        self.remote.as_ref().map_err(Clone::clone)?.ready()
    }
}

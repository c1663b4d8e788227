//! Synthesis as it gets out: the chain `voice-tts`, each tier behind its breaker, clause by clause.
//!
//! A reply is split into clauses, and each goes down the chain by itself: a tier that fails or is late
//! in the middle of a reply hands over at the next clause, and nothing is said twice. A clause is heard while it is
//! still being made; one of which a part has been heard is not begun anew by another voice.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};

use super::cache;
use super::clauses::clauses;
use super::coqui::Coqui;
use super::error::SynthesisError;
use super::formant;
use super::neural::{Finder, Neural};
use super::pronounce::Pronouncer;
use super::voiced::Voiced;
use crate::breaker::{Breaker, Chain, Effect, Exhausted, Fallback, Tier, Unready, Why};
use crate::cloud::CloudError;
use crate::config::Tts;
use crate::domain::{BoxFuture, Cache, Failure, FailureKind, Progress, Sound};
use crate::redact::Redactor;
use crate::speech::cloud::{self, Clouds, Remote};

/// The name of the chain.
pub const CHAIN: &str = "voice-tts";
/// The tiers that `speech.tts.chain` can name.
pub const TIERS: [&str; 6] =
    ["local-neural", "local-fast", "local-coqui", cloud::TTS[0], cloud::TTS[1], cloud::TTS[2]];

/// How long a clause may take at each tier, one after the other. A reply that comes later than two or three of
/// these is printed long since, but who listens may not see it.
const PATIENCE: Duration = Duration::from_secs(3);
/// Loading a voice that takes longer is told.
const SOON: Duration = Duration::from_secs(1);
/// Clauses that wait to be taken, and parts of one.
const AHEAD: usize = 1;
const PARTS: usize = 2;

/// A clause that is being said.
#[derive(Debug)]
pub struct Spoken {
    /// The tier that says it; none where its sound was kept from an earlier time, which tells nothing of any tier.
    pub tier: Option<String>,
    /// Its sound, part by part, each of the same rate; the first comes at once.
    pub parts: mpsc::Receiver<Sound>,
}

/// All voices of the chain, in order.
pub struct Synthesisers {
    chain: Chain<'static, str, Voiced, SynthesisError>,
    first: Option<Arc<Breaker>>,
    neural: Option<Arc<Neural>>,
    pronouncer: Pronouncer,
    cache: Arc<dyn Cache>,
    /// What the first voice is called.
    name: String,
    /// All that the sound of a text depends on.
    voice: String,
    redactor: Arc<Redactor>,
}

/// What the voices are built from.
pub struct Parts<'a> {
    /// The settings.
    pub config: Tts,
    /// Finds the voice's model.
    pub voice: Finder,
    /// Told when another voice has to speak.
    pub fallbacks: broadcast::Sender<Fallback>,
    /// The services elsewhere.
    pub clouds: Clouds,
    /// Keeps phrases.
    pub cache: Arc<dyn Cache>,
    /// Takes secrets out of what is said.
    pub(crate) redactor: Arc<Redactor>,
    /// The breaker of each tier.
    pub breaker: &'a dyn Fn(&str) -> Arc<Breaker>,
}

impl Synthesisers {
    /// Builds the chain. Nothing is loaded or started before it is needed.
    pub fn start(parts: &Parts<'_>) -> Self {
        let config = &parts.config;
        let mut neural = None;
        let tiers: Vec<Box<dyn Tier<str, Voiced, SynthesisError>>> = config
            .chain
            .iter()
            .filter_map(|name| {
                let (breaker, rate) = ((parts.breaker)(name), config.rate);
                let tier: Box<dyn Tier<str, Voiced, SynthesisError>> = match name.as_str() {
                    "local-neural" => {
                        let tier = Arc::new(Neural::new(breaker, rate, Arc::clone(&parts.voice)));
                        neural = Some(Arc::clone(&tier));
                        Box::new(tier)
                    }
                    "local-fast" => Box::new(Fast { breaker, rate }),
                    "local-coqui" => Box::new(Server { breaker, server: Coqui::new(&config.coqui) }),
                    elsewhere if cloud::TTS.contains(&elsewhere) => {
                        let first = config.chain.first().is_some_and(|first| first == name);
                        let instead_of = (!first).then(|| "My usual voice".to_owned());
                        Box::new(Elsewhere { breaker, remote: parts.clouds.voice(name, rate, instead_of) })
                    }
                    _ => return None,
                };
                Some(tier)
            })
            .collect();
        let first = config.chain.first().map_or("", String::as_str);
        let Tts { voice, rate, coqui, .. } = config;
        let name = voice.clone();
        let voice = format!("{first} {voice} {rate} {coqui} {}", parts.clouds.voices());
        Self {
            first: config.chain.first().map(|name| (parts.breaker)(name)),
            neural,
            chain: Chain::new(CHAIN, PATIENCE * tiers.len().max(2) as u32, tiers)
                .telling(parts.fallbacks.clone()),
            pronouncer: Pronouncer::new(&config.lexicon),
            cache: Arc::clone(&parts.cache),
            name,
            voice,
            redactor: Arc::clone(&parts.redactor),
        }
    }

    /// Whether a tier is the one that is wanted.
    pub fn is_first(&self, tier: &str) -> bool {
        self.first.as_ref().is_some_and(|first| first.name() == tier)
    }

    /// Has what takes long to begin with done before anything is to be said, and tells if that takes a while. What fails
    /// is told when it is needed.
    pub async fn prepare(&self, progress: impl Fn(Progress)) {
        let Some(neural) = self.neural.as_ref().filter(|neural| self.is_first(neural.name())) else { return };
        let mut preparing = pin!(neural.prepare());
        let mut prepared = tokio::time::timeout(SOON, &mut preparing).await;
        if prepared.is_err() {
            let what = format!("loading the voice {}", self.name);
            progress(Progress { what: what.clone(), done: 0, total: None, finished: false });
            prepared = Ok(preparing.await);
            progress(Progress { what, done: 0, total: None, finished: true });
        }
        if let Ok(Err(error)) = prepared {
            tracing::debug!(?error, "the voice is not ready");
        }
    }

    /// Has a text said, without its secrets, clause by clause: while one is heard, the next is made. The receiver yields the
    /// clauses in order, and ends; dropping it stops the work. A clause that no tier can say ends it with
    /// an error.
    pub fn say(self: &Arc<Self>, text: &str) -> mpsc::Receiver<Result<Spoken, Failure>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (this, clauses) = (Arc::clone(self), clauses(&self.redactor.text(text)));
        tokio::spawn(async move {
            for clause in clauses {
                let said = tokio::select! {
                    said = this.clause(&clause, &sender) => said,
                    () = sender.closed() => return,
                };
                if said.is_err() {
                    return;
                }
            }
        });
        receiver
    }

    /// One clause, to its end. Cancel-safe.
    async fn clause(&self, clause: &str, to: &mpsc::Sender<Result<Spoken, Failure>>) -> Result<(), Over> {
        let text = self.pronouncer.say(clause);
        let key = cache::key(&self.voice, &text);
        if let Some(key) = &key
            && let Some(sound) = self.cache.get(key).await.and_then(|kept| cache::unpack(&kept))
        {
            return hand_over(Voiced::whole(sound), None, to).await.map(|_| ());
        }
        let served = match self.chain.call(&text, Effect::Idempotent).await {
            Ok(served) => served,
            Err(none) => {
                // Whoever has gone need not know.
                let _ = to.send(Err(failure(&none))).await;
                return Err(Over);
            }
        };
        let whole = hand_over(served.value, Some(&served.tier), to).await?;
        match (whole, key) {
            // What another voice said is not kept: it would be heard long after the first is back.
            (Ok(sound), Some(key)) if served.rank == 0 => self.cache.put(&key, cache::pack(&sound)).await,
            (Err(error), _) => {
                tracing::warn!(%error, tier = served.tier, "a clause was not said to its end");
                // Only it makes a clause in parts.
                if let Some(neural) = &self.neural {
                    neural.broke_off(error);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Nobody listens any more, or nobody can speak.
struct Over;

/// Passes a clause on, part by part, and gives what it was as a whole, or why it isn't.
async fn hand_over(
    mut voiced: Voiced,
    tier: Option<&str>,
    to: &mpsc::Sender<Result<Spoken, Failure>>,
) -> Result<Result<Sound, SynthesisError>, Over> {
    let (sender, parts) = mpsc::channel(PARTS);
    to.send(Ok(Spoken { tier: tier.map(str::to_owned), parts })).await.map_err(|_| Over)?;
    let (mut whole, mut rate) = (Vec::new(), 0);
    while let Some(part) = voiced.next().await {
        let part = match part {
            Ok(part) => part,
            Err(error) => return Ok(Err(error)),
        };
        rate = part.rate();
        whole.extend_from_slice(part.samples());
        sender.send(part).await.map_err(|_| Over)?;
    }
    Ok(Ok(Sound::new(whole, rate)))
}

fn failure(none: &Exhausted<SynthesisError>) -> Failure {
    let (what, remedy) = match none.last_error() {
        Some(error) => (error.to_string(), error.remedy()),
        None => match none.skipped.last().map(|skip| &skip.why) {
            Some(Why::Unready(unready)) => {
                (unready.to_string(), "see speech.tts in your configuration".into())
            }
            _ => (
                "speech synthesis is down".into(),
                "it is tried again by itself; `voice-terminal breakers` shows when".into(),
            ),
        },
    };
    Failure::new(FailureKind::Unavailable, CHAIN, what, remedy)
}

struct Fast {
    breaker: Arc<Breaker>,
    rate: f32,
}

impl Tier<str, Voiced, SynthesisError> for Fast {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, clause: &'a str) -> BoxFuture<'a, Result<Voiced, SynthesisError>> {
        Box::pin(async move { formant::speak(clause, self.rate).await.map(Voiced::whole) })
    }
}

struct Server {
    breaker: Arc<Breaker>,
    server: Result<Coqui, String>,
}

impl Tier<str, Voiced, SynthesisError> for Server {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, clause: &'a str) -> BoxFuture<'a, Result<Voiced, SynthesisError>> {
        Box::pin(async move {
            match &self.server {
                Ok(server) => server.speak(clause).await.map(Voiced::whole),
                Err(_) => Err(SynthesisError::Unreachable),
            }
        })
    }

    fn ready(&self) -> Result<(), Unready> {
        self.server.as_ref().map(|_| ()).map_err(|what| Unready(what.clone()))
    }
}

/// A service elsewhere.
struct Elsewhere {
    breaker: Arc<Breaker>,
    /// Or what is wrong with its configuration.
    remote: Result<Remote<str, Sound>, Unready>,
}

impl Tier<str, Voiced, SynthesisError> for Elsewhere {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, clause: &'a str) -> BoxFuture<'a, Result<Voiced, SynthesisError>> {
        Box::pin(async move {
            match &self.remote {
                Ok(remote) => Ok(Voiced::whole(remote.ask(clause).await?)),
                Err(unready) => Err(CloudError::NotSent { what: unready.to_string() }.into()),
            }
        })
    }

    fn ready(&self) -> Result<(), Unready> {
        self.remote.as_ref().map_err(Clone::clone)?.ready()
    }
}

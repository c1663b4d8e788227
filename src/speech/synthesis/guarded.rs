//! Synthesis as it gets out: the chain `voice-tts`, each tier behind its breaker, clause by clause.
//!
//! A reply is split into clauses, and each goes down the chain by itself: a tier that fails or is late
//! in the middle of a reply hands over at the next clause, and nothing is said twice.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, broadcast, mpsc};

use super::cache;
use super::clauses::clauses;
use super::coqui::Coqui;
use super::error::SynthesisError;
use super::formant;
use super::phonemes::Phonemiser;
use super::piper::Piper;
use super::pronounce::Pronouncer;
use crate::breaker::{Breaker, Chain, Effect, Exhausted, Fallback, Tier, Unready, Why};
use crate::cloud::CloudError;
use crate::config::Tts;
use crate::domain::{BoxFuture, Cache, Failure, FailureKind, Sound};
use crate::redact::redacted;
use crate::speech::cloud::{self, Clouds, Remote};

/// The name of the chain.
pub const CHAIN: &str = "voice-tts";
/// The tiers that `speech.tts.chain` can name.
pub const TIERS: [&str; 6] =
    ["local-neural", "local-fast", "local-coqui", cloud::TTS[0], cloud::TTS[1], cloud::TTS[2]];

/// How long a clause may take at each tier, one after the other. A reply that comes later than two or three of
/// these is printed long since, but who listens may not see it.
const PATIENCE: Duration = Duration::from_secs(3);
/// Clauses that are made ahead of the one that is heard.
const AHEAD: usize = 2;

/// A clause that was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    /// Its sound.
    pub sound: Sound,
    /// The tier that made it.
    pub tier: String,
}

/// All voices of the chain, in order.
pub struct Synthesisers {
    chain: Chain<'static, str, Sound, SynthesisError>,
    first: Option<String>,
    pronouncer: Pronouncer,
    cache: Arc<dyn Cache>,
    /// All that the sound of a text depends on.
    voice: String,
}

/// What the voices are built from.
pub struct Parts<'a> {
    /// The settings.
    pub config: Tts,
    /// Finds the voice's model.
    pub voice: Arc<dyn Fn() -> Result<PathBuf, (String, String)> + Send + Sync>,
    /// Told when another voice has to speak.
    pub fallbacks: broadcast::Sender<Fallback>,
    /// The services elsewhere.
    pub clouds: Clouds,
    /// Keeps phrases.
    pub cache: Arc<dyn Cache>,
    /// The breaker of each tier.
    pub breaker: &'a dyn Fn(&str) -> Arc<Breaker>,
}

impl Synthesisers {
    /// Builds the chain. Nothing is loaded or started before it is needed.
    pub fn start(parts: &Parts<'_>) -> Self {
        let config = &parts.config;
        let tiers: Vec<Box<dyn Tier<str, Sound, SynthesisError>>> = config
            .chain
            .iter()
            .filter_map(|name| {
                let (breaker, rate) = ((parts.breaker)(name), config.rate);
                let tier: Box<dyn Tier<str, Sound, SynthesisError>> = match name.as_str() {
                    "local-neural" => Box::new(Neural {
                        breaker,
                        rate,
                        voice: Arc::clone(&parts.voice),
                        loaded: Mutex::default(),
                        phonemiser: AsyncMutex::default(),
                    }),
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
        let voice = format!("{first} {} {} {}", config.voice, config.rate, parts.clouds.voices());
        Self {
            first: tiers.first().map(|tier| tier.breaker().name().to_owned()),
            chain: Chain::new(CHAIN, PATIENCE * tiers.len().max(2) as u32, tiers)
                .telling(parts.fallbacks.clone()),
            pronouncer: Pronouncer::new(&config.lexicon),
            cache: Arc::clone(&parts.cache),
            voice,
        }
    }

    /// Whether a tier is the one that is wanted.
    pub fn is_first(&self, tier: &str) -> bool {
        self.first.as_deref() == Some(tier)
    }

    /// One clause. Cancel-safe.
    async fn clause(&self, clause: &str) -> Result<Spoken, Failure> {
        let text = self.pronouncer.say(clause);
        let key = cache::key(&self.voice, &text);
        if let (Some(key), Some(first)) = (&key, &self.first)
            && let Some(sound) = self.cache.get(key).await.and_then(|kept| cache::unpack(&kept))
        {
            return Ok(Spoken { sound, tier: first.clone() });
        }
        let served = self.chain.call(&text, Effect::Idempotent).await.map_err(|none| failure(&none))?;
        if let (0, Some(key)) = (served.rank, &key) {
            // What another voice said is not kept: it would be heard long after the first is back.
            self.cache.put(key, cache::pack(&served.value)).await;
        }
        Ok(Spoken { sound: served.value, tier: served.tier })
    }

    /// Has a text said, without its secrets, clause by clause: while one is heard, the next is made. The receiver yields the
    /// clauses in order, and ends; dropping it stops the work. A clause that no tier can say ends it with
    /// an error.
    pub fn say(self: &Arc<Self>, text: &str) -> mpsc::Receiver<Result<Spoken, Failure>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (this, clauses) = (Arc::clone(self), clauses(&redacted(text)));
        tokio::spawn(async move {
            for clause in clauses {
                let said = tokio::select! {
                    said = this.clause(&clause) => said,
                    () = sender.closed() => return,
                };
                let failed = said.is_err();
                if sender.send(said).await.is_err() || failed {
                    return;
                }
            }
        });
        receiver
    }
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

struct Neural {
    breaker: Arc<Breaker>,
    rate: f32,
    voice: Arc<dyn Fn() -> Result<PathBuf, (String, String)> + Send + Sync>,
    loaded: Mutex<Option<Loaded>>,
    phonemiser: AsyncMutex<Option<Phonemiser>>,
}

/// A voice that is loaded.
#[derive(Clone)]
struct Loaded {
    /// Held by work under way, so that one clause at a time is made.
    piper: Arc<Mutex<Piper>>,
    espeak_voice: String,
}

impl Neural {
    async fn voice(&self) -> Result<Loaded, SynthesisError> {
        if let Some(voice) = self.loaded.lock().clone() {
            return Ok(voice);
        }
        let path = (self.voice)().map_err(|(what, remedy)| SynthesisError::NoVoice { what, remedy })?;
        let loading = tokio::task::spawn_blocking(move || Piper::load(&path));
        let voice = loading.await.map_err(|_| SynthesisError::Unusable)??;
        let espeak_voice = voice.espeak_voice().to_owned();
        let loaded = Loaded { piper: Arc::new(Mutex::new(voice)), espeak_voice };
        Ok(self.loaded.lock().insert(loaded).clone())
    }

    async fn phonemes(&self, espeak_voice: &str, clause: &str) -> Result<String, SynthesisError> {
        let mut place = self.phonemiser.lock().await;
        // Taken out, so that a call that is dropped in the middle leaves nothing half-read behind.
        let running = place.take().and_then(|mut running| (!running.has_ended()).then_some(running));
        let mut phonemiser = match running {
            Some(running) => running,
            None => Phonemiser::start(espeak_voice).await?,
        };
        let phonemes = phonemiser.phonemes(clause).await?;
        *place = Some(phonemiser);
        Ok(phonemes)
    }
}

impl Tier<str, Sound, SynthesisError> for Neural {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, clause: &'a str) -> BoxFuture<'a, Result<Sound, SynthesisError>> {
        Box::pin(async move {
            let Loaded { piper, espeak_voice } = self.voice().await?;
            let phonemes = self.phonemes(&espeak_voice, clause).await?;
            let rate = self.rate;
            let speaking = tokio::task::spawn_blocking(move || piper.lock().speak(&phonemes, rate));
            speaking.await.map_err(|_| SynthesisError::Broken("the voice panicked"))?
        })
    }
}

struct Fast {
    breaker: Arc<Breaker>,
    rate: f32,
}

impl Tier<str, Sound, SynthesisError> for Fast {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, clause: &'a str) -> BoxFuture<'a, Result<Sound, SynthesisError>> {
        Box::pin(formant::speak(clause, self.rate))
    }
}

struct Server {
    breaker: Arc<Breaker>,
    server: Result<Coqui, String>,
}

impl Tier<str, Sound, SynthesisError> for Server {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, clause: &'a str) -> BoxFuture<'a, Result<Sound, SynthesisError>> {
        Box::pin(async move {
            match &self.server {
                Ok(server) => server.speak(clause).await,
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

impl Tier<str, Sound, SynthesisError> for Elsewhere {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, clause: &'a str) -> BoxFuture<'a, Result<Sound, SynthesisError>> {
        Box::pin(async move {
            match &self.remote {
                Ok(remote) => Ok(remote.ask(clause).await?),
                Err(unready) => Err(CloudError::NotSent { what: unready.to_string() }.into()),
            }
        })
    }

    fn ready(&self) -> Result<(), Unready> {
        self.remote.as_ref().map_err(Clone::clone)?.ready()
    }
}

//! The tier of the neural voice: its model and its phonemes, each loaded and started once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use super::error::SynthesisError;
use super::lead::Lead;
use super::phonemes::Phonemiser;
use super::piper::Piper;
use super::voiced::Voiced;
use crate::breaker::{Breaker, CallError, Tier};
use crate::domain::BoxFuture;

/// How long a voice may take to be loaded when nobody waits for it yet.
const LOAD: Duration = Duration::from_secs(60);

/// Finds the voice's model.
pub(super) type Finder = Arc<dyn Fn() -> Result<PathBuf, (String, String)> + Send + Sync>;

/// The tier.
pub(super) struct Neural {
    breaker: Arc<Breaker>,
    rate: f32,
    find: Finder,
    /// Held while it is loaded, so that it is loaded once, and also for those who have stopped waiting.
    loaded: Arc<Mutex<Option<Loaded>>>,
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
    pub(super) fn new(breaker: Arc<Breaker>, rate: f32, find: Finder) -> Self {
        Self { breaker, rate, find, loaded: Arc::default(), phonemiser: AsyncMutex::default() }
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        self.breaker.name()
    }

    /// Has the voice loaded and the phonemes' maker started.
    pub(super) async fn prepare(&self) -> Result<(), CallError<SynthesisError>> {
        let prepare = async {
            let voice = self.voice().await?;
            self.phonemes(&voice.espeak_voice, "Ready.").await?;
            Ok(())
        };
        self.breaker.call_within(LOAD, prepare).await
    }

    /// Notes that it failed in the middle of a clause that had begun well.
    pub(super) fn broke_off(&self, error: SynthesisError) {
        let _ = self.breaker.call_sync(|| Err::<(), _>(error));
    }

    async fn voice(&self) -> Result<Loaded, SynthesisError> {
        if let Some(voice) = self.loaded.try_lock().and_then(|loaded| loaded.clone()) {
            return Ok(voice);
        }
        let path = (self.find)().map_err(|(what, remedy)| SynthesisError::NoVoice { what, remedy })?;
        let loaded = Arc::clone(&self.loaded);
        let loading = move || {
            let mut place = loaded.lock();
            if let Some(voice) = &*place {
                return Ok(voice.clone());
            }
            let piper = Piper::load(&path)?;
            let espeak_voice = piper.espeak_voice().to_owned();
            Ok(place.insert(Loaded { piper: Arc::new(Mutex::new(piper)), espeak_voice }).clone())
        };
        tokio::task::spawn_blocking(loading).await.map_err(|_| SynthesisError::Unusable)?
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

impl Tier<str, Voiced, SynthesisError> for Arc<Neural> {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, clause: &'a str) -> BoxFuture<'a, Result<Voiced, SynthesisError>> {
        Box::pin(async move {
            let Loaded { piper, espeak_voice } = self.voice().await?;
            let phonemes = self.phonemes(&espeak_voice, clause).await?;
            let rate = self.rate;
            Voiced::made_by(move |give| {
                let piper = piper.lock();
                match piper.speak(&phonemes, rate) {
                    Ok(windows) => {
                        let mut windows = Lead::of(windows);
                        while windows.next().is_some_and(&give) {}
                    }
                    Err(error) => {
                        give(Err(error));
                    }
                }
            })
            .await
        })
    }
}

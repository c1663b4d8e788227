//! Recognition as it gets out: the chain `voice-stt`, each tier behind its breaker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::decode::DecodeOptions;
use super::models::Models;
use super::whisper::{self, LOAD, Launch, LocalWhisper, WhisperFailure};
use crate::breaker::{Breaker, Chain, Effect, Exhausted, Stop, Tier};
use crate::config::Stt;
use crate::domain::{BoxFuture, Confidence, Failure, FailureKind, Pcm, Progress, Recogniser, Transcript};

/// The name of the chain.
pub const CHAIN: &str = "voice-stt";
/// The tiers that `speech.stt.chain` can name.
pub const TIERS: [&str; 1] = ["local-whisper"];

/// All recognisers of the chain, in order.
pub struct Recognisers {
    chain: Chain<'static, Pcm, Transcript, WhisperFailure>,
    whisper: Arc<LocalWhisper>,
    whisper_breaker: Arc<Breaker>,
}

/// What the recognisers are built from.
pub struct Parts {
    /// The settings.
    pub config: Stt,
    /// The models of this machine.
    pub models: Models,
    /// `local-whisper`
    pub breaker: Arc<Breaker>,
    /// This program, of which the worker is another process.
    pub executable: PathBuf,
    /// Told when a model is being loaded.
    pub progress: Box<dyn Fn(Progress) + Send + Sync>,
}

impl Recognisers {
    /// Builds the chain. Nothing is started before it is needed; see [`Recognisers::warm`].
    pub fn start(parts: Parts, cancel: CancellationToken) -> Self {
        let Parts { config, models, breaker, executable, progress } = parts;
        let options = DecodeOptions {
            language: config.language,
            threads: config.threads,
            minimum_audio_context: config.minimum_audio_context,
            no_speech_threshold: config.no_speech_threshold,
            log_probability_threshold: config.log_probability_threshold,
        };
        let name = config.model.clone();
        let launch = Launch {
            executable,
            model: Box::new(move || models.resolve(&config.model)),
            name,
            arguments: whisper::arguments(&options),
            abort_grace: config.abort_grace,
            progress,
        };
        let whisper = Arc::new(LocalWhisper::start(launch, cancel));
        let tier = LocalTier { whisper: Arc::clone(&whisper), breaker: Arc::clone(&breaker) };
        // One tier now: its own limit decides.
        let chain = Chain::new(CHAIN, LOAD * 2, vec![Box::new(tier)]);
        Self { chain, whisper, whisper_breaker: breaker }
    }

    /// Loads the model, so that the first utterance does not wait for it.
    ///
    /// # Errors
    /// When it can't be loaded.
    pub async fn warm(&self) -> Result<(), Failure> {
        match self.whisper_breaker.call_within(LOAD, self.whisper.warm()).await {
            Ok(()) => Ok(()),
            Err(crate::breaker::CallError::Failed(error)) => {
                Err(unavailable(error.to_string(), error.remedy()))
            }
            Err(other) => Err(unavailable(other.to_string(), "it is tried again by itself")),
        }
    }

    /// The worker's process, while there is one.
    pub fn worker_pid(&self) -> Option<u32> {
        self.whisper.pid()
    }
}

fn unavailable(what: impl Into<String>, remedy: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Unavailable, CHAIN, what, remedy)
}

fn failure(none: &Exhausted<WhisperFailure>) -> Failure {
    if none.stop == Stop::Cancelled {
        return Failure::new(FailureKind::Cancelled, CHAIN, "recognition was stopped", "");
    }
    if let Some(error) = none.last_error() {
        return unavailable(error.to_string(), error.remedy());
    }
    tracing::warn!(%none, "no recogniser served");
    unavailable(
        "speech recognition is down",
        "it is tried again by itself; `voice-terminal breakers` shows when",
    )
}

impl Recogniser for Recognisers {
    fn recognise<'a>(&'a self, speech: &'a Pcm) -> BoxFuture<'a, Result<Transcript, Failure>> {
        Box::pin(async move {
            match self.chain.call(speech, Effect::Idempotent).await {
                Ok(served) => Ok(served.value),
                Err(none) => Err(failure(&none)),
            }
        })
    }
}

struct LocalTier {
    whisper: Arc<LocalWhisper>,
    breaker: Arc<Breaker>,
}

impl Tier<Pcm, Transcript, WhisperFailure> for LocalTier {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, speech: &'a Pcm) -> BoxFuture<'a, Result<Transcript, WhisperFailure>> {
        Box::pin(async move {
            let began = Instant::now();
            let heard = self.whisper.recognise(speech).await?;
            Ok(Transcript {
                text: heard.text,
                confidence: Confidence::new(heard.confidence),
                tier: self.breaker.name().to_owned(),
                took: began.elapsed(),
            })
        })
    }

    /// The breaker's timeout is for a command of a few seconds. A long utterance honestly takes
    /// longer, by at most its own length again; and loading a model is no slowness of the recogniser.
    fn limit(&self, speech: &Pcm) -> Duration {
        let load = if self.whisper.is_warm() { Duration::ZERO } else { LOAD };
        self.breaker.timeout() + speech.duration() + load
    }
}

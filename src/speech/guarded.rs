//! Recognition as it gets out: the chain `voice-stt`, each tier behind its breaker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::decode::DecodeOptions;
use super::models::{Models, manifest};
use super::whisper::{self, LOAD, Launch, LocalWhisper, WhisperFailure};
use crate::breaker::{Breaker, CallError, Chain, Effect, Exhausted, Fallback, Stop, Tier, Unready, Why};
use crate::config::Stt;
use crate::domain::{BoxFuture, Confidence, Failure, FailureKind, Pcm, Progress, Recogniser, Transcript};

/// The name of the chain.
pub const CHAIN: &str = "voice-stt";
/// The tiers that `speech.stt.chain` can name.
pub const TIERS: [&str; 1] = ["local-whisper"];

/// Loading has its own limit; this leaves it the time to say so.
const LOAD_AND_TELL: Duration = LOAD.saturating_add(Duration::from_secs(5));

const AGAIN: &str = "it is tried again by itself; `voice-terminal breakers` shows when";
const CHANGE: &str = "choose another speech.stt.language or speech.stt.model in your configuration";

/// All recognisers of the chain, in order.
pub struct Recognisers {
    chain: Chain<'static, Pcm, Transcript, WhisperFailure>,
    whisper: Arc<LocalWhisper>,
    whisper_breaker: Arc<Breaker>,
    unready: Option<Unready>,
}

/// What the recognisers are built from.
pub struct Parts {
    /// The settings.
    pub config: Stt,
    /// The models of this machine.
    pub models: Models,
    /// `local-whisper`
    pub breaker: Arc<Breaker>,
    /// Told when another tier has to serve.
    pub fallbacks: broadcast::Sender<Fallback>,
    /// This program, of which the worker is another process.
    pub executable: PathBuf,
    /// Told when a model is being loaded.
    pub progress: Box<dyn Fn(Progress) + Send + Sync>,
}

impl Recognisers {
    /// Builds the chain. Nothing is started before it is needed; see [`Recognisers::warm`].
    pub fn start(parts: Parts, cancel: CancellationToken) -> Self {
        let Parts { config, models, breaker, fallbacks, executable, progress } = parts;
        let options = DecodeOptions {
            language: config.language,
            threads: config.threads,
            minimum_audio_context: config.minimum_audio_context,
            no_speech_threshold: config.no_speech_threshold,
            log_probability_threshold: config.log_probability_threshold,
        };
        let unready = mistaken(&config.model, &options.language).map(Unready);
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
        let tier = LocalTier {
            whisper: Arc::clone(&whisper),
            breaker: Arc::clone(&breaker),
            unready: unready.clone(),
        };
        // One tier now: its own limit decides.
        let chain = Chain::new(CHAIN, LOAD * 2, vec![Box::new(tier) as _]).telling(fallbacks);
        Self { chain, whisper, whisper_breaker: breaker, unready }
    }

    /// Loads the model, so that the first utterance does not wait for it.
    ///
    /// # Errors
    /// When it can't be loaded.
    pub async fn warm(&self) -> Result<(), Failure> {
        if let Some(unready) = &self.unready {
            return Err(unavailable(unready.to_string(), CHANGE));
        }
        match self.whisper_breaker.call_within(LOAD_AND_TELL, self.whisper.warm()).await {
            Ok(()) => Ok(()),
            Err(CallError::Failed(error)) => Err(unavailable(error.to_string(), error.remedy())),
            Err(other) => Err(unavailable(other.to_string(), AGAIN)),
        }
    }

    /// The worker's process, while there is one.
    pub fn worker_pid(&self) -> Option<u32> {
        self.whisper.pid()
    }
}

/// What is wrong with a model and a language together, if anything.
fn mistaken(model: &str, language: &str) -> Option<String> {
    // Else it complains on the standard error of the daemon.
    whisper_rs::install_logging_hooks();
    let known = language == "auto" || !language.contains('\0') && whisper_rs::get_lang_id(language).is_some();
    if !known {
        return Some(format!("Whisper knows no language \"{language}\""));
    }
    let english = manifest::find(model).is_some() && model.strip_suffix(".en").is_some();
    (english && !matches!(language, "en" | "english" | "auto"))
        .then(|| format!("the model {model} understands English only, and speech.stt.language is {language}"))
}

fn unavailable(what: impl Into<String>, remedy: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Unavailable, CHAIN, what, remedy)
}

fn failure(none: &Exhausted<WhisperFailure>) -> Failure {
    if none.stop == Stop::Cancelled {
        return Failure::new(FailureKind::Cancelled, CHAIN, "recognition was stopped", "");
    }
    if let Some(error) = none.last_error() {
        if none.stop == Stop::Caller {
            return Failure::new(FailureKind::Request, CHAIN, error.to_string(), error.remedy());
        }
        return unavailable(error.to_string(), error.remedy());
    }
    if let Some(Why::Unready(unready)) = none.skipped.last().map(|skip| &skip.why) {
        return unavailable(unready.to_string(), CHANGE);
    }
    tracing::warn!(%none, "no recogniser served");
    unavailable("speech recognition is down", AGAIN)
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

    fn overhear<'a>(&'a self, speech: &'a Pcm) -> BoxFuture<'a, Result<Transcript, Failure>> {
        Box::pin(async move {
            if let Some(unready) = &self.unready {
                return Err(unavailable(unready.to_string(), CHANGE));
            }
            let tier = LocalTier {
                whisper: Arc::clone(&self.whisper),
                breaker: Arc::clone(&self.whisper_breaker),
                unready: None,
            };
            match self.whisper_breaker.call_within(tier.limit(speech), tier.serve(speech)).await {
                Ok(transcript) => Ok(transcript),
                Err(CallError::Failed(error)) => Err(unavailable(error.to_string(), error.remedy())),
                Err(other) => Err(unavailable(other.to_string(), AGAIN)),
            }
        })
    }

    fn speculate<'a>(&'a self, speech: &'a Pcm) -> BoxFuture<'a, Option<Transcript>> {
        Box::pin(async move {
            if !self.whisper.is_warm() || self.unready.is_some() {
                return None;
            }
            let tier = LocalTier {
                whisper: Arc::clone(&self.whisper),
                breaker: Arc::clone(&self.whisper_breaker),
                unready: None,
            };
            let guess = self.whisper_breaker.call_within(tier.limit(speech), tier.serve(speech));
            guess.await.inspect_err(|error| tracing::debug!(%error, "no speculation")).ok()
        })
    }
}

struct LocalTier {
    whisper: Arc<LocalWhisper>,
    breaker: Arc<Breaker>,
    unready: Option<Unready>,
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

    fn ready(&self) -> Result<(), Unready> {
        self.unready.clone().map_or(Ok(()), Err)
    }

    /// The breaker's timeout is for a command of a few seconds. A long utterance honestly takes
    /// longer, by at most its own length again; and loading a model is no slowness of the recogniser.
    fn limit(&self, speech: &Pcm) -> Duration {
        let load = if self.whisper.is_warm() { Duration::ZERO } else { LOAD_AND_TELL };
        self.breaker.timeout() + speech.duration() + load
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_and_language_must_fit() {
        assert_eq!(mistaken("tiny.en", "en"), None);
        assert_eq!(mistaken("base", "de"), None);
        assert_eq!(mistaken("base", "auto"), None);
        assert_eq!(mistaken("/a/model/of/mine.bin", "fr"), None);
        assert!(mistaken("tiny.en", "de").unwrap().contains("English only"));
        assert!(mistaken("base", "klingon").is_some());
        assert!(mistaken("base", "e\0n").is_some());
    }
}

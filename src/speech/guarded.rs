//! Recognition as it gets out: the chain `voice-stt`, each tier behind its breaker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::cloud::{self, Clouds, Remote, Said};
use super::decode::DecodeOptions;
use super::error::RecognitionError;
use super::models::{Models, manifest};
use super::whisper::{self, LOAD, Launch, LocalWhisper};
use crate::breaker::{Breaker, CallError, Chain, Effect, Exhausted, Fallback, Stop, Tier, Unready, Why};
use crate::config::Stt;
use crate::domain::{
    BoxFuture, Confidence, Degradation, Expectation, Failure, FailureKind, Pcm, Progress, Recogniser,
    Transcript,
};

/// The name of the chain.
pub const CHAIN: &str = "voice-stt";
/// The tiers that `speech.stt.chain` can name.
pub const TIERS: [&str; 4] = [LOCAL, cloud::STT[0], cloud::STT[1], cloud::STT[2]];
const LOCAL: &str = "local-whisper";

/// Loading has its own limit; this leaves it the time to say so.
const TELL: Duration = Duration::from_secs(5);
const LOAD_AND_TELL: Duration = LOAD.saturating_add(TELL);

const AGAIN: &str = "it is tried again by itself; `voice-terminal breakers` shows when";
const TYPE: &str = "type instead; `voice-terminal doctor` tells more";
const CHANGE: &str = "choose another speech.stt.language or speech.stt.model in your configuration";

/// What goes down the chain.
struct Speech {
    pcm: Pcm,
    /// Stays on this machine: there are names in it.
    expectation: Expectation,
    /// Whether somebody else can be asked.
    others: bool,
    /// Not for the local recogniser, which has just hung over the same words.
    elsewhere: bool,
}

/// What is said so soon after a guess is what was guessed at.
const SAME_WORDS: Duration = Duration::from_secs(1);

/// How long a recogniser must have been there, to be told that it is back.
const STAYS: Duration = Duration::from_secs(1);

/// All recognisers of the chain, in order.
pub struct Recognisers {
    chain: Chain<'static, Speech, Transcript, RecognitionError>,
    local: Arc<LocalTier>,
    /// Whether what is expected matters.
    bias: bool,
    /// The tiers in order.
    names: Vec<String>,
    clouds: Vec<Arc<CloudTier>>,
    /// When a guess was given up, because the local recogniser hung, at work or as it was started.
    hung: Mutex<Option<Instant>>,
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
    /// The services elsewhere.
    pub clouds: Clouds,
    /// Told when a model is being loaded.
    pub progress: Box<dyn Fn(Progress) + Send + Sync>,
}

impl Recognisers {
    /// Builds the chain. Nothing is started before it is needed; see [`Recognisers::warm`].
    pub fn start(parts: Parts, cancel: CancellationToken) -> Self {
        let Parts { config, models, breaker, fallbacks, executable, clouds, progress } = parts;
        let (names, bias) = (config.chain.clone(), config.bias);
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
        let local = Arc::new(LocalTier { whisper: LocalWhisper::start(launch, cancel), breaker, unready });
        let mut tiers: Vec<Box<dyn Tier<Speech, Transcript, RecognitionError>>> = Vec::new();
        let mut remotes = Vec::new();
        for name in &names {
            if name == LOCAL {
                tiers.push(Box::new(Arc::clone(&local)));
                continue;
            }
            let instead_of =
                names.first().filter(|first| *first != name).map(|first| title(first).to_owned());
            let remote = clouds.recogniser(name, instead_of);
            let tier = Arc::new(CloudTier { breaker: (clouds.breaker)(name), remote });
            remotes.push(Arc::clone(&tier));
            tiers.push(Box::new(tier));
        }
        // So much that each tier's own limit decides.
        let deadline = LOAD * 2 * tiers.len().max(1) as u32;
        let chain = Chain::new(CHAIN, deadline, tiers).telling(fallbacks);
        let hung = Mutex::new(None);
        Self { chain, local, bias, names, clouds: remotes, hung }
    }

    /// Makes ready what can be: the local recogniser's model, if that is in the chain. Without it, what is
    /// degraded while another tier serves.
    ///
    /// # Errors
    /// Nobody could recognise anything.
    pub async fn prepare(&self) -> Result<Option<Degradation>, Failure> {
        let local = self.names.iter().any(|name| name == LOCAL);
        let failure = if local { self.warm().await.err() } else { None };
        let ready = self.clouds.iter().find(|tier| tier.is_usable());
        let Some(failure) = failure else {
            let is_there = local || ready.is_some();
            return if is_there { Ok(None) } else { Err(self.nobody()) };
        };
        let Some(ready) = ready else { return Err(failure) };
        Ok((!self.is_first(ready.breaker.name())).then(|| Degradation {
            chain: CHAIN.into(),
            now: "another recogniser".into(),
            what: format!("{} is down: {}", title(LOCAL), failure.what),
            remedy: failure.remedy,
        }))
    }

    /// The services elsewhere of the chain, and whether each may be asked.
    pub fn clouds(&self) -> Vec<(String, Result<(), Unready>)> {
        self.clouds.iter().map(|tier| (tier.breaker.name().to_owned(), tier.may_be_asked())).collect()
    }

    /// Why no tier of a chain without a local one can serve.
    fn nobody(&self) -> Failure {
        let unready = self.clouds.iter().find_map(|tier| tier.may_be_asked().err());
        let why = unready.map_or_else(|| "no recogniser is configured".into(), |unready| unready.to_string());
        unavailable(why, TYPE)
    }

    /// Loads the model, so that the first utterance does not wait for it.
    ///
    /// # Errors
    /// When it can't be loaded.
    pub async fn warm(&self) -> Result<(), Failure> {
        self.may_be_local()?;
        let LocalTier { breaker, whisper, .. } = self.local.as_ref();
        let warm = async { Ok(whisper.warm().await?) };
        breaker.call_within(LOAD_AND_TELL, warm).await.map_err(not_local)
    }

    /// Whether the local recogniser can serve, as configured.
    fn may_be_local(&self) -> Result<(), Failure> {
        self.local.ready().map_err(|unready| unavailable(unready.to_string(), CHANGE))
    }

    /// Whether the local recogniser is there, and stays. One that is killed whenever it comes is there for a moment, too.
    pub async fn is_back(&self) -> bool {
        let is_local = self.names.iter().any(|name| name == LOCAL);
        if !is_local || self.warm().await.is_err() {
            return false;
        }
        tokio::time::sleep(STAYS).await;
        self.warm().await.is_ok()
    }

    fn speech(&self, pcm: &Pcm, expectation: &Expectation) -> Speech {
        let expectation = if self.bias { expectation.clone() } else { Expectation::default() };
        let others = self.clouds.iter().any(|tier| tier.is_usable());
        Speech { pcm: pcm.clone(), expectation, others, elsewhere: false }
    }

    /// The worker's process, while there is one.
    pub fn worker_pid(&self) -> Option<u32> {
        self.local.whisper.pid()
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

/// What is told where nobody else is asked.
fn not_local(error: CallError<RecognitionError>) -> Failure {
    match error {
        CallError::Failed(error) => unavailable(error.to_string(), error.remedy()),
        other => unavailable(other.to_string(), AGAIN),
    }
}

/// A tier as people call it.
fn title(tier: &str) -> &'static str {
    match tier {
        LOCAL => "Local Whisper",
        "cloud-google-stt" => "Google",
        "cloud-azure-stt" => "Azure",
        _ => "The speech server",
    }
}

/// What is told of a chain that didn't serve: of its first tier that failed, as the one that should work.
fn failure(none: &Exhausted<RecognitionError>) -> Failure {
    if none.stop == Stop::Cancelled {
        return Failure::new(FailureKind::Cancelled, CHAIN, "recognition was stopped", "");
    }
    let first = none.skipped.iter().find_map(|skip| match &skip.why {
        Why::Failed(error) => Some(error),
        _ => None,
    });
    if let Some(error) = first.filter(|_| none.stop != Stop::Caller).or_else(|| none.last_error()) {
        if none.stop == Stop::Caller {
            return Failure::new(FailureKind::Request, CHAIN, error.to_string(), error.remedy());
        }
        return unavailable(error.to_string(), error.remedy());
    }
    if let Some(Why::Unready(unready)) = none.skipped.first().map(|skip| &skip.why) {
        let is_local = none.skipped.first().is_some_and(|skip| skip.tier == LOCAL);
        return unavailable(unready.to_string(), if is_local { CHANGE } else { TYPE });
    }
    tracing::warn!(%none, "no recogniser served");
    unavailable("speech recognition is down", AGAIN)
}

impl Recogniser for Recognisers {
    fn is_first(&self, tier: &str) -> bool {
        self.names.first().is_none_or(|first| first == tier)
    }

    fn recognise<'a>(
        &'a self,
        speech: &'a Pcm,
        expectation: &'a Expectation,
    ) -> BoxFuture<'a, Result<Transcript, Failure>> {
        let mut speech = self.speech(speech, expectation);
        let hung = self.hung.lock().take().is_some_and(|at| at.elapsed() < SAME_WORDS);
        // Whoever waits has waited for it once. Without anybody else, one that was started anew may do.
        speech.elsewhere = hung && speech.others;
        Box::pin(async move {
            if speech.elsewhere {
                if let Ok(served) = self.chain.call(&speech, Effect::Idempotent).await {
                    return Ok(served.value);
                }
                speech.elsewhere = false;
            }
            match self.chain.call(&speech, Effect::Idempotent).await {
                Ok(served) => Ok(served.value),
                Err(none) => Err(failure(&none)),
            }
        })
    }

    fn overhear<'a>(&'a self, speech: &'a Pcm) -> BoxFuture<'a, Result<Transcript, Failure>> {
        let speech = Speech { others: false, ..self.speech(speech, &Expectation::default()) };
        Box::pin(async move {
            self.may_be_local()?;
            self.local.alone(&speech).await.map_err(not_local)
        })
    }

    fn speculate<'a>(
        &'a self,
        speech: &'a Pcm,
        expectation: &'a Expectation,
    ) -> BoxFuture<'a, Option<Transcript>> {
        let speech = self.speech(speech, expectation);
        Box::pin(async move {
            if !self.is_first(LOCAL) || !self.local.whisper.is_warm() || self.local.ready().is_err() {
                return None;
            }
            let guess = self.local.alone(&speech).await;
            let guess = guess.inspect_err(|error| tracing::debug!(%error, "no speculation"));
            let took_too_long = match &guess {
                Err(CallError::TimedOut { .. }) => true,
                // What was started in the place of one that hung.
                Err(CallError::Failed(error)) => error.is_late(),
                _ => false,
            };
            if took_too_long {
                *self.hung.lock() = Some(Instant::now());
            }
            guess.ok()
        })
    }
}

/// The recogniser of this machine.
struct LocalTier {
    whisper: LocalWhisper,
    breaker: Arc<Breaker>,
    unready: Option<Unready>,
}

impl LocalTier {
    /// Asks it, and nobody else if it fails.
    async fn alone(self: &Arc<Self>, speech: &Speech) -> Result<Transcript, CallError<RecognitionError>> {
        self.breaker.call_within(self.limit(speech), self.serve(speech)).await
    }
}

impl Tier<Speech, Transcript, RecognitionError> for Arc<LocalTier> {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, speech: &'a Speech) -> BoxFuture<'a, Result<Transcript, RecognitionError>> {
        Box::pin(async move {
            if speech.elsewhere {
                return Err(RecognitionError::unready(&Unready("it has just hung".into())));
            }
            let began = Instant::now();
            let heard = self.whisper.recognise(&speech.pcm, &speech.expectation).await?;
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
    /// longer, by at most its own length again; and loading a model is no slowness of the recogniser,
    /// but nobody waits longer for that while another can be asked.
    fn limit(&self, speech: &Speech) -> Duration {
        let is_there = self.whisper.is_warm() || speech.others;
        let load = if is_there { Duration::ZERO } else { self.whisper.load_limit() + TELL };
        self.breaker.timeout() + speech.pcm.duration() + load
    }
}

/// A service elsewhere.
struct CloudTier {
    breaker: Arc<Breaker>,
    /// Or what is wrong with its configuration.
    remote: Result<Remote<Pcm, Said>, Unready>,
}

impl CloudTier {
    /// Whether it may be asked.
    fn may_be_asked(&self) -> Result<(), Unready> {
        self.remote.as_ref().map_err(Clone::clone)?.ready()
    }

    /// Whether it could be asked now.
    fn is_usable(&self) -> bool {
        !self.breaker.would_refuse() && self.may_be_asked().is_ok()
    }
}

impl Tier<Speech, Transcript, RecognitionError> for Arc<CloudTier> {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, speech: &'a Speech) -> BoxFuture<'a, Result<Transcript, RecognitionError>> {
        Box::pin(async move {
            let remote = self.remote.as_ref().map_err(RecognitionError::unready)?;
            let began = Instant::now();
            let Said { text, confidence } = remote.ask(&speech.pcm).await?;
            Ok(Transcript { text, confidence, tier: self.breaker.name().to_owned(), took: began.elapsed() })
        })
    }

    fn ready(&self) -> Result<(), Unready> {
        self.may_be_asked()
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

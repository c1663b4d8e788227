//! The daemon's side of the recogniser: starts the worker, feeds it, cancels it, replaces it.
//!
//! One task owns the child. Requests reach it through a bounded queue, in which they wait when it is
//! full, and are served one at a time. Whoever drops a request's future cancels it: the worker is
//! told to abort, and killed if it has not obeyed after a grace. A worker that dies costs the call
//! that it was serving; the next one starts another. One that keeps dying, as with a damaged model,
//! is let be for a while that grows, and calls during that time get its last failure at once.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::frame::{Answer, LARGEST, LONGEST, Request};
use super::models::ModelError;
use crate::breaker::{Backoff, Class, Classify};
use crate::domain::{Expectation, Pcm, Phrases, Progress};
use crate::process::Group;

/// How long a model may take to load: a large one from a slow disk.
pub(super) const LOAD: Duration = Duration::from_secs(60);
/// Requests that may wait. The conversation sends one at a time; more would be somebody's mistake.
const WAITING: usize = 4;
const RESTART: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(30) };
/// A pause before a restart that a call waits for; what takes longer, it is told instead.
const PATIENCE: Duration = Duration::from_millis(300);
/// Frames on their way to the worker: a request and its abort, and room to spare.
const FRAMES: usize = 4;

/// Why the local recogniser gave no words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WhisperFailure {
    /// There is no model to load.
    #[error("{what}")]
    NoModel { what: String, remedy: String },
    /// The model can't be loaded.
    #[error("the Whisper model can't be used")]
    Unusable,
    /// The model took too long to load.
    #[error("the Whisper model took too long to load")]
    LoadTimeout,
    /// The worker can't be started.
    #[error("the recogniser can't be started")]
    NotStarted,
    /// The worker died.
    #[error("the recogniser crashed")]
    Crashed,
    /// The worker could not decode this.
    #[error("the recogniser could not decode this")]
    Undecodable,
    /// It was aborted, or the program is going down.
    #[error("recognition was stopped")]
    Stopped,
    /// No utterance is that long.
    #[error("this is too long for one utterance ({0:.0?})")]
    TooLong(Duration),
}

impl WhisperFailure {
    pub(super) fn remedy(&self) -> String {
        match self {
            Self::NoModel { remedy, .. } => remedy.clone(),
            Self::Unusable => {
                "check it with `voice-terminal models verify`, or choose another with speech.stt.model".into()
            }
            Self::LoadTimeout => "use a smaller model, such as tiny.en".into(),
            Self::NotStarted => "see the log; the machine may be out of memory or processes".into(),
            Self::Crashed | Self::Undecodable => "it is started anew by itself".into(),
            Self::Stopped => String::new(),
            Self::TooLong(_) => format!("cut it into pieces of at most {LONGEST:.0?}"),
        }
    }
}

impl Classify for WhisperFailure {
    fn class(&self) -> Class {
        match self {
            Self::Stopped => Class::Cancelled,
            // It may be fetched at any moment.
            Self::NoModel { .. } => Class::Declined,
            Self::TooLong(_) => Class::Caller,
            _ => Class::Failure,
        }
    }
}

/// What a worker is started with.
pub(super) struct Launch {
    /// This program.
    pub(super) executable: PathBuf,
    /// Finds the model, anew at each start: it may have been fetched meanwhile.
    pub(super) model: Box<dyn Fn() -> Result<PathBuf, ModelError> + Send + Sync>,
    /// The model's name, to tell.
    pub(super) name: String,
    /// The rest of the worker's arguments.
    pub(super) arguments: Vec<String>,
    /// How long an abort may take.
    pub(super) abort_grace: Duration,
    /// Told when a model is being loaded and when it is there.
    pub(super) progress: Box<dyn Fn(Progress) + Send + Sync>,
}

/// The arguments of `voice-terminal worker stt`, but for the model.
pub(super) fn arguments(options: &super::decode::DecodeOptions) -> Vec<String> {
    vec![
        format!("--language={}", options.language),
        format!("--threads={}", options.threads),
        format!("--minimum-audio-context={}", options.minimum_audio_context),
        format!("--no-speech-threshold={}", options.no_speech_threshold),
        format!("--log-probability-threshold={}", options.log_probability_threshold),
    ]
}

/// Words from the worker.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) confidence: f32,
}

enum Order {
    Warm(oneshot::Sender<Result<(), WhisperFailure>>),
    Recognise(Pcm, Expectation, oneshot::Sender<Result<Heard, WhisperFailure>>),
}

/// The local recogniser.
pub(super) struct LocalWhisper {
    orders: mpsc::Sender<Order>,
    warm: Arc<AtomicBool>,
    pid: Arc<AtomicU32>,
    load: Arc<LoadLimit>,
}

/// How long loading the model may take: when it was loaded before, not much longer than it took then. A worker that
/// stands still as it starts would else keep whoever has spoken waiting for a minute.
#[derive(Debug, Default)]
struct LoadLimit(AtomicU64);

impl LoadLimit {
    /// A machine that was idle may be busy now.
    const BUSIER: u32 = 4;
    const SPARE: Duration = Duration::from_secs(2);

    fn took(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        // The longest counts. 0 is never.
        self.0.fetch_max(millis.max(1), Ordering::Relaxed);
    }

    /// Whether it was ever loaded.
    fn is_known(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn now(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            0 => LOAD,
            millis => (Duration::from_millis(millis) * Self::BUSIER + Self::SPARE).min(LOAD),
        }
    }
}

impl LocalWhisper {
    /// Starts the task that owns the worker, on the current runtime; the worker itself is started by
    /// the first request. Both end with the token, or when this is dropped.
    pub(super) fn start(launch: Launch, cancel: CancellationToken) -> Self {
        let (orders, inbox) = mpsc::channel(WAITING);
        let (warm, pid) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let load = Arc::<LoadLimit>::default();
        let supervisor = Supervisor {
            launch,
            worker: None,
            crashes: 0,
            pause: None,
            next_id: 0,
            warm: Arc::clone(&warm),
            pid: Arc::clone(&pid),
            load_limit: Arc::clone(&load),
        };
        tokio::spawn(async move { cancel.run_until_cancelled(supervisor.run(inbox)).await });
        Self { orders, warm, pid, load }
    }

    /// Whether the model is loaded.
    pub(super) fn is_warm(&self) -> bool {
        self.warm.load(Ordering::Acquire)
    }

    /// How long loading the model may take now.
    pub(super) fn load_limit(&self) -> Duration {
        self.load.now()
    }

    /// The worker's process, while there is one.
    pub(super) fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Acquire)).filter(|pid| *pid != 0)
    }

    /// Loads the model, if it isn't.
    pub(super) async fn warm(&self) -> Result<(), WhisperFailure> {
        self.order(Order::Warm).await
    }

    /// Recognises one utterance. Dropping the future aborts the work.
    pub(super) async fn recognise(
        &self,
        speech: &Pcm,
        expectation: &Expectation,
    ) -> Result<Heard, WhisperFailure> {
        if speech.duration() > LONGEST {
            return Err(WhisperFailure::TooLong(speech.duration()));
        }
        self.order(|answer| Order::Recognise(speech.clone(), expectation.clone(), answer)).await
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, WhisperFailure>>) -> Order,
    ) -> Result<T, WhisperFailure> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(order(answer)).await.map_err(|_| WhisperFailure::Stopped)?;
        answered.await.map_err(|_| WhisperFailure::Stopped)?
    }
}

struct Worker {
    group: Group,
    frames: mpsc::Sender<Vec<u8>>,
    answers: mpsc::Receiver<Answer>,
    /// What it has learned that can be said.
    learned: Option<Arc<Phrases>>,
}

impl Worker {
    /// Sees to it that it knows what can be said.
    async fn learn(&mut self, phrases: Option<&Arc<Phrases>>) -> Result<(), WhisperFailure> {
        let Some(phrases) = phrases else { return Ok(()) };
        if self.learned.as_ref().is_none_or(|learned| !Arc::ptr_eq(learned, phrases)) {
            let lesson = Request::Learn(Phrases::clone(phrases)).encode();
            if lesson.len() <= LARGEST {
                self.frames.send(lesson).await.map_err(|_| WhisperFailure::Crashed)?;
            } else {
                tracing::warn!("there are too many phrases for the recogniser to lean towards");
            }
            self.learned = Some(Arc::clone(phrases));
        }
        Ok(())
    }
}

struct Supervisor {
    launch: Launch,
    worker: Option<Worker>,
    crashes: u32,
    /// When it may be started again, and what it failed with.
    pause: Option<(Instant, WhisperFailure)>,
    next_id: u32,
    warm: Arc<AtomicBool>,
    pid: Arc<AtomicU32>,
    load_limit: Arc<LoadLimit>,
}

impl Supervisor {
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        while let Some(order) = inbox.recv().await {
            // Whoever asked may have gone; then the answer is nobody's.
            match order {
                Order::Warm(answer) => {
                    let result = self.ensure().await;
                    let _ = answer.send(result);
                }
                // Nothing is started for somebody who has gone while it waited.
                Order::Recognise(_, _, answer) if answer.is_closed() => {}
                // A load that has begun is finished: the next one who asks will want it.
                Order::Recognise(pcm, expectation, answer) => match self.ensure().await {
                    Ok(()) => self.serve(&pcm, &expectation, answer).await,
                    Err(failure) => {
                        let _ = answer.send(Err(failure));
                    }
                },
            }
        }
    }

    /// Sees to it that a worker is there, with its model loaded.
    async fn ensure(&mut self) -> Result<(), WhisperFailure> {
        if let Some(worker) = &mut self.worker {
            // One that died in its sleep costs nobody anything.
            if !worker.group.has_ended() {
                return Ok(());
            }
            self.lose();
        }
        if let Some((end, failure)) = &self.pause {
            let pause = end.saturating_duration_since(Instant::now());
            if pause > PATIENCE {
                return Err(failure.clone());
            }
            sleep(pause).await;
        }
        let name = self.launch.name.clone();
        let report = |finished| Progress { what: format!("loading {name}"), done: 0, total: None, finished };
        match self.load(|| (self.launch.progress)(report(false))).await {
            Ok(worker) => {
                self.pid.store(worker.group.id().unwrap_or(0), Ordering::Release);
                self.worker = Some(worker);
                self.warm.store(true, Ordering::Release);
                (self.launch.progress)(report(true));
                Ok(())
            }
            Err(failure) => {
                // Looking for the model costs nothing, and it may be fetched at any moment.
                if !matches!(failure, WhisperFailure::NoModel { .. }) {
                    self.crashed(failure.clone());
                }
                Err(failure)
            }
        }
    }

    /// `began` is told once there is something to wait for.
    async fn load(&self, began: impl FnOnce()) -> Result<Worker, WhisperFailure> {
        let mut worker = self.spawn()?;
        began();
        let start = Instant::now();
        match timeout(self.load_limit.now(), worker.answers.recv()).await {
            Ok(Some(Answer::Ready)) => {
                self.load_limit.took(start.elapsed());
                Ok(worker)
            }
            Ok(Some(Answer::Unusable { why })) => {
                tracing::warn!(why, "the model can't be used");
                Err(WhisperFailure::Unusable)
            }
            // The model was loaded before: this is not its fault.
            Ok(_) if self.load_limit.is_known() => Err(WhisperFailure::Crashed),
            // whisper.cpp aborts on some damaged models.
            Ok(_) => Err(WhisperFailure::Unusable),
            Err(_) => Err(WhisperFailure::LoadTimeout),
        }
    }

    fn spawn(&self) -> Result<Worker, WhisperFailure> {
        let model = (self.launch.model)()
            .map_err(|error| WhisperFailure::NoModel { what: error.what, remedy: error.remedy })?;
        let mut command = Command::new(&self.launch.executable);
        command
            .args(["worker", "stt", "--model"])
            .arg(model)
            .args(&self.launch.arguments)
            // Whisper's threads meet thousands of times in a second of work. Waiting for each other by
            // spinning is ten times slower on a busy machine; but to wait a few microseconds so before
            // they sleep halves the time for a token on an idle one.
            .env("OMP_WAIT_POLICY", "passive")
            .env("GOMP_SPINCOUNT", "2000")
            // Else an abort starts a debugger, if there is one, to draw a backtrace that nobody reads.
            .env("GGML_NO_BACKTRACE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let failed = |error: std::io::Error| {
            tracing::warn!(%error, "the recogniser's process can't be started");
            WhisperFailure::NotStarted
        };
        let mut group = Group::spawn(command).map_err(failed)?;
        let (Some(mut input), Some(mut output), Some(complaints)) =
            (group.take_stdin(), group.take_stdout(), group.take_stderr())
        else {
            return Err(WhisperFailure::NotStarted);
        };
        // These tasks end with the worker's pipes. Frames are written by a task of their own, so that
        // none is cut in half when a request is cancelled.
        let (frames, mut queue) = mpsc::channel::<Vec<u8>>(FRAMES);
        tokio::spawn(async move {
            while let Some(frame) = queue.recv().await {
                if input.write_all(&frame).await.is_err() || input.flush().await.is_err() {
                    break;
                }
            }
        });
        let (send, answers) = mpsc::channel(FRAMES);
        tokio::spawn(async move {
            while let Ok(Some(answer)) = Answer::read(&mut output).await {
                if send.send(answer).await.is_err() {
                    break;
                }
            }
        });
        tokio::spawn(async move {
            let mut lines = BufReader::new(complaints).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                tracing::debug!(target: "whisper", "{line}");
            }
        });
        Ok(Worker { group, frames, answers, learned: None })
    }

    async fn serve(
        &mut self,
        pcm: &Pcm,
        expectation: &Expectation,
        mut answer: oneshot::Sender<Result<Heard, WhisperFailure>>,
    ) {
        self.next_id = self.next_id.wrapping_add(1);
        let id = self.next_id;
        let Some(worker) = &mut self.worker else { return };
        let leaning = expectation.into();
        let request = Request::Recognise { id, leaning, samples: pcm.samples().to_vec() }.encode();
        let result = tokio::select! {
            result = async {
                worker.learn(expectation.phrases.as_ref()).await?;
                exchange(worker, id, request).await
            } => result,
            () = answer.closed() => {
                self.abort(id).await;
                return;
            }
        };
        if let Err(WhisperFailure::Crashed) = result {
            self.lose();
            self.crashed(WhisperFailure::Crashed);
        } else {
            (self.crashes, self.pause) = (0, None);
        }
        // Whoever asked may have gone.
        let _ = answer.send(result);
    }

    /// Tells the worker to stop working on a request; kills it if it doesn't obey.
    async fn abort(&mut self, id: u32) {
        let Some(worker) = &mut self.worker else { return };
        let obeyed = timeout(self.launch.abort_grace, async {
            worker.frames.send(Request::Abort { id }.encode()).await.ok()?;
            loop {
                match worker.answers.recv().await? {
                    Answer::Aborted { id: done } | Answer::Recognised { id: done, .. } if done == id => {
                        return Some(());
                    }
                    _ => {}
                }
            }
        });
        if !matches!(obeyed.await, Ok(Some(()))) {
            tracing::warn!("the recogniser did not obey an abort and is killed");
            self.lose();
        }
    }

    /// Lets go of the worker, which kills it.
    fn lose(&mut self) {
        self.worker = None;
        self.warm.store(false, Ordering::Release);
        self.pid.store(0, Ordering::Release);
    }

    fn crashed(&mut self, failure: WhisperFailure) {
        self.pause = Some((Instant::now() + RESTART.delay(self.crashes), failure));
        self.crashes = self.crashes.saturating_add(1);
    }
}

/// Sends a request and waits for its answer.
async fn exchange(worker: &mut Worker, id: u32, request: Vec<u8>) -> Result<Heard, WhisperFailure> {
    worker.frames.send(request).await.map_err(|_| WhisperFailure::Crashed)?;
    loop {
        match worker.answers.recv().await {
            Some(Answer::Recognised { id: done, text, confidence }) if done == id => {
                return Ok(Heard { text, confidence });
            }
            Some(Answer::Aborted { id: done }) if done == id => return Err(WhisperFailure::Stopped),
            Some(Answer::Failed { id: done, why }) if done == id => {
                tracing::warn!(why, "an utterance could not be decoded");
                return Err(WhisperFailure::Undecodable);
            }
            // Of an earlier request.
            Some(_) => {}
            None => return Err(WhisperFailure::Crashed),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::decode::DecodeOptions;
    use super::super::worker::WorkerOptions;
    use super::*;

    #[test]
    fn a_model_that_was_loaded_before_is_not_waited_for_as_at_first() {
        let limit = LoadLimit::default();
        assert_eq!(limit.now(), LOAD);
        limit.took(Duration::from_millis(500));
        assert_eq!(limit.now(), Duration::from_secs(4));
        limit.took(Duration::from_millis(100));
        assert_eq!(limit.now(), Duration::from_secs(4), "the longest counts");
        limit.took(Duration::from_secs(50));
        assert_eq!(limit.now(), LOAD);
    }

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        options: WorkerOptions,
    }

    #[test]
    fn the_worker_understands_its_arguments() {
        let decode = DecodeOptions {
            language: "en".into(),
            threads: 2,
            minimum_audio_context: 512,
            no_speech_threshold: 0.6,
            log_probability_threshold: -1.0,
        };
        let line = ["worker".to_owned(), "--model=/tmp/m".to_owned()].into_iter().chain(arguments(&decode));
        let options = Parsed::parse_from(line).options;
        assert_eq!(options, WorkerOptions { model: "/tmp/m".into(), decode });
    }
}

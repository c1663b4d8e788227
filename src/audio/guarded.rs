//! The microphone as the rest of the program sees it: always there, or telling why not.
//!
//! **Mechanics.** One task supervises. It opens the microphone through the breaker `audio-input` on
//! a thread of its own (a sound server that is stopped never answers, and such a thread can be left
//! behind; there is never more than one of them), lets a listening thread run, and when that ends,
//! tells what was lost and tries again, waiting longer each time. A stream that runs votes success
//! every [`VOTE`], one that dies votes failure, so the breaker's state is that of the microphone.
//!
//! Isolating the breaker by hand switches the microphone off; resetting it switches it on again.
//!
//! **Limits.** A microphone that is plugged in while there is none is noticed by looking, every [`ABSENT`]. Where a
//! sound server is there that is a connection and three questions; else it is a look at ALSA's default device.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, mpsc as blocking};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;

use crate::breaker::{Backoff, Breaker, CallError, Rejected};
use crate::config;
use crate::domain::{Completeness, Degradation, Listening, PauseId, Pcm, TEXT_INPUT};

use super::cancel::Cleaned;
use super::device::{self, ListedDevice, Missing, Wish};
use super::gate::Gatekeeper;
use super::listen::{Ended, Outbox, Senses, Stop, listen};
use super::microphone::Microphone;
use super::reference::Reference;
use super::segment::Listener;
use super::trouble::{Direction, Trouble};
use super::vad::VoiceDetector;

/// The chain's name.
const CHAIN: &str = "audio-input";
/// That of what tells speech from silence.
pub const DETECTION: &str = "voice-activity";
/// Events that wait for the consumer; see [`Ear`] for what happens beyond.
const QUEUE: usize = 16;
/// How often a running stream votes, and for how long it must have run to count as healthy.
const VOTE: Duration = Duration::from_secs(5);
/// Waits after a failure.
const AFTER_FAILURE: Backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(30) };
/// How often to look while there is no microphone at all.
const ABSENT: Duration = Duration::from_secs(2);
/// How often to try whether permission has been given.
const WHILE_REFUSED: Duration = Duration::from_secs(5);
/// How often to look whether a breaker that is held open by hand was released.
const WHILE_HELD: Duration = Duration::from_secs(2);

/// What the ear tells.
#[derive(Debug)]
pub enum Heard {
    /// Somebody began to speak. Only a hint: it may be missing, or come to nothing.
    SpeechStarted,
    /// What had begun was too short to be an utterance.
    NothingSaid,
    /// Whoever speaks has fallen silent, perhaps at the end.
    Paused {
        /// Names the pause.
        pause: PauseId,
        /// What was said until now.
        so_far: Pcm,
        /// Takes what is known of the words, to end the utterance sooner or later; of no use any more
        /// once they have gone on.
        ending: oneshot::Sender<Completeness>,
    },
    /// Whoever paused has gone on.
    Resumed,
    /// Whoever speaks goes on. What was said until now.
    Continues(Pcm),
    /// Somebody said something.
    Utterance {
        /// The sound, pre-roll and trailing silence included.
        pcm: Pcm,
        /// The last pause, if nothing was said after it.
        pause: Option<PauseId>,
        /// Whether it is surely a person's, and not what the loudspeaker played.
        surely: bool,
    },
    /// It is not heard any more, or never was. Told once until it is heard again.
    Lost {
        /// What that means.
        degradation: Degradation,
    },
    /// It is heard from now on: for the first time, or again after [`Heard::Lost`].
    Recovered {
        /// Its name.
        device: String,
    },
    /// It is heard, but less well than it could be: speech is told from silence by loudness alone.
    Degraded(Degradation),
    /// Speech is told from noises by what it sounds like, perhaps again after [`Heard::Degraded`].
    Discerned,
    /// Something to tell the user.
    Notice(String),
}

/// Hears the microphone.
#[derive(Debug)]
pub struct Ear;

impl Ear {
    /// Starts to listen. Call it within a tokio runtime.
    ///
    /// Ends when `cancel` is cancelled or the receiver is dropped; the receiver yields `None` once
    /// everything has ended. With `audio.input = "none"` nothing is opened, and nothing comes.
    ///
    /// Of what is said, only that is heard which `listening` lets through; while it is muted, the
    /// microphone is closed.
    ///
    /// What the loudspeaker plays, by `reference`, is not taken for a person's voice; with `audio.barge_in` a person
    /// is heard over it.
    ///
    /// The queue is bounded. When it is full, capture goes on, utterances wait (some more of them),
    /// and if even that is not enough, new ones are dropped and a [`Heard::Notice`] says how many.
    pub fn start(
        config: config::Audio,
        vad_model: Option<PathBuf>,
        breaker: Arc<Breaker>,
        listening: watch::Receiver<Listening>,
        reference: Reference,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<Heard> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            let outbox = Outbox::new(sender);
            match Wish::parse(&config.input) {
                None => cancel.cancelled().await,
                Some(wish) => {
                    let gate = Gatekeeper::new(listening, config.endpoint.pre_roll);
                    // Over is over: there is nobody left to tell.
                    let supervisor = Supervisor::new(config, wish, breaker, cancel);
                    let _ = supervisor.run(outbox, gate, reference, vad_model).await;
                }
            }
        });
        receiver
    }
}

/// Lists the devices of a direction, for the user to choose from; `setting` is what is configured. Blocks for some
/// seconds at most.
///
/// # Errors
/// What is wrong with the sound system, and the remedy.
pub fn devices(direction: Direction, setting: &str) -> Result<Vec<ListedDevice>, (String, &'static str)> {
    const LIMIT: Duration = Duration::from_secs(5);

    let (sender, receiver) = blocking::sync_channel(1);
    let setting = setting.to_owned();
    let spawned = thread::Builder::new().name("audio-list".into()).spawn(move || {
        let listed = catch_unwind(|| device::list(direction, &setting));
        // Nobody may wait any more.
        let _ = sender.send(listed.unwrap_or(Err(Trouble::Broken)));
    });
    let listed = match spawned {
        Ok(_) => receiver.recv_timeout(LIMIT).unwrap_or(Err(Trouble::Stuck)),
        Err(_) => Err(Trouble::Broken),
    };
    listed.map_err(|trouble| (trouble.what(direction), trouble.remedy(direction)))
}

struct Supervisor {
    config: config::Audio,
    wish: Wish,
    breaker: Arc<Breaker>,
    cancel: CancellationToken,
    /// An attempt to open that has not come back yet.
    opening: Option<Opening>,
    told: Told,
    /// Whether it was told last that the microphone that was asked for is missing.
    told_missing: bool,
    /// What was listened to last.
    device: Option<String>,
    /// Attempts that failed since the microphone was last healthy.
    failures: u32,
}

/// What the consumer believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Heard,
    Lost,
}

/// Why the microphone is not heard.
#[derive(Debug)]
enum Reason {
    Fails(Trouble),
    /// The breaker lets nothing through.
    Rejected(Rejected),
}

/// The consumer has gone, or the program stops.
struct Over;

/// An attempt to open, on its own thread.
struct Opening {
    receiver: oneshot::Receiver<Opened>,
    opened: Option<Opened>,
}

type Opened = Result<Microphone, Trouble>;

impl Opening {
    fn start(wish: Wish, patience: Duration) -> Self {
        let (sender, receiver) = oneshot::channel();
        let spawned = thread::Builder::new().name("audio-open".into()).spawn(move || {
            // Whoever gave up on it lets the microphone close here.
            let _ = sender.send(Microphone::open(&wish, patience));
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread to open the microphone on");
        }
        Self { receiver, opened: None }
    }

    /// Waits until it has come back. Cancel-safe.
    async fn ready(&mut self) {
        if self.opened.is_none() {
            let opened = (&mut self.receiver).await;
            self.opened = Some(opened.unwrap_or(Err(Trouble::Broken)));
        }
    }
}

impl Supervisor {
    fn new(config: config::Audio, wish: Wish, breaker: Arc<Breaker>, cancel: CancellationToken) -> Self {
        Self {
            config,
            wish,
            breaker,
            cancel,
            opening: None,
            told: Told::Nothing,
            told_missing: false,
            device: None,
            failures: 0,
        }
    }

    async fn run(
        mut self,
        mut outbox: Outbox,
        gate: Gatekeeper<Cleaned>,
        reference: Reference,
        vad_model: Option<PathBuf>,
    ) -> Result<(), Over> {
        let detector = self.detector(&mut outbox, vad_model).await?;
        let mut senses = Senses {
            listener: Listener::new(detector, &self.config.endpoint),
            outbox,
            gate,
            feed: reference.feed(),
            cancels: self.config.barge_in == config::BargeIn::Auto,
        };
        loop {
            // Whoever is muted opens no microphone.
            let may_open = self.cancel.run_until_cancelled(senses.gate.may_open()).await;
            if may_open != Some(true) {
                return Err(Over);
            }
            let reason = match self.open(&senses.outbox).await? {
                Ok(microphone) => {
                    let (device, missing) = (microphone.name.clone(), microphone.missing.clone());
                    self.tell_heard(&mut senses.outbox, device, missing).await?;
                    let (returned, reason) = self.hear(microphone, senses).await?;
                    senses = returned;
                    match reason {
                        Some(reason) => reason,
                        None => continue,
                    }
                }
                Err(reason) => reason,
            };
            self.tell_lost(&mut senses.outbox, &reason).await?;
            let wait = self.wait_after(&reason);
            tracing::debug!(?reason, ?wait, "the microphone is tried again later");
            tokio::select! {
                () = sleep(wait) => {}
                // An attempt that was given up on may still come back.
                () = came_back(&mut self.opening) => {}
                () = self.cancel.cancelled() => return Err(Over),
                () = senses.outbox.unheard() => return Err(Over),
            }
        }
    }

    async fn detector(&mut self, outbox: &mut Outbox, model: Option<PathBuf>) -> Result<VoiceDetector, Over> {
        let loaded = match model {
            None => None,
            Some(model) => {
                let load = tokio::task::spawn_blocking(move || {
                    VoiceDetector::silero(&model)
                        .inspect_err(
                            |error| tracing::warn!(%error, cause = ?error, "no neural voice detection"),
                        )
                        .ok()
                });
                let loaded = self.cancel.run_until_cancelled(load).await.ok_or(Over)?;
                loaded.ok().flatten()
            }
        };
        if let Some(detector) = loaded {
            send(&self.cancel, outbox, Heard::Discerned).await?;
            return Ok(detector);
        }
        send(&self.cancel, outbox, Heard::Degraded(by_loudness())).await?;
        Ok(VoiceDetector::energy())
    }

    /// Opens the microphone, on a thread of its own and through the breaker.
    async fn open(&mut self, outbox: &Outbox) -> Result<Result<Microphone, Reason>, Over> {
        let Self { opening, wish, config, breaker, cancel, .. } = self;
        let attempt = breaker.call(async {
            let attempt = opening.get_or_insert_with(|| Opening::start(wish.clone(), config.watchdog));
            attempt.ready().await;
            opening.take().and_then(|done| done.opened).unwrap_or(Err(Trouble::Broken))
        });
        let opened = tokio::select! {
            opened = attempt => opened,
            () = cancel.cancelled() => return Err(Over),
            () = outbox.unheard() => return Err(Over),
        };
        Ok(opened.map_err(|error| match error {
            CallError::Failed(error) => Reason::Fails(error),
            // The attempt goes on; should it succeed, it is taken up.
            CallError::TimedOut { .. } => Reason::Fails(Trouble::Stuck),
            CallError::Rejected(rejected) => {
                if opening.as_ref().is_some_and(|opening| opening.opened.is_some()) {
                    *opening = None;
                }
                Reason::Rejected(rejected)
            }
        }))
    }

    /// Listens until the microphone dies, is switched off, or is muted or to be chosen anew (no reason).
    async fn hear(
        &mut self,
        microphone: Microphone,
        senses: Senses,
    ) -> Result<(Senses, Option<Reason>), Over> {
        let nodes = microphone.waits_for_nodes().then(device::nodes);
        let stop = Arc::new(Stop::default());
        let mut session = session(microphone, senses, Arc::clone(&stop), &self.config);
        let mut votes = interval_at(tokio::time::Instant::now() + VOTE, VOTE);
        votes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut held, mut anew) = (None, false);
        let (senses, ended) = loop {
            tokio::select! {
                ended = &mut session => break ended.map_err(|_| Over)?,
                () = self.cancel.cancelled(), if held.is_none() => {
                    stop.ask();
                    // It ends within a chunk's work; what was being said comes out of it.
                    let _ = session.await;
                    return Err(Over);
                }
                _ = votes.tick(), if held.is_none() => {
                    match self.breaker.call_sync(|| Ok::<(), Trouble>(())) {
                        Err(CallError::Rejected(rejected)) => {
                            stop.ask();
                            held = Some(rejected);
                        }
                        _ => self.failures = 0,
                    }
                    // A small directory, in memory.
                    if nodes.as_ref().is_some_and(|before| *before != device::nodes()) {
                        stop.ask();
                        anew = true;
                    }
                }
            }
        };
        match (held, ended) {
            (Some(rejected), _) => Ok((senses, Some(Reason::Rejected(rejected)))),
            (None, Ended::Muted) => Ok((senses, None)),
            (None, Ended::Stopped) if anew => Ok((senses, None)),
            (None, Ended::Died(error)) => {
                tracing::warn!(%error, "the microphone died");
                let _ = self.breaker.call_sync(|| Err::<(), _>(error));
                Ok((senses, Some(Reason::Fails(error))))
            }
            (None, Ended::Stopped | Ended::Unheard) => Err(Over),
        }
    }

    async fn tell_heard(
        &mut self,
        outbox: &mut Outbox,
        device: String,
        missing: Option<Missing>,
    ) -> Result<(), Over> {
        let before = self.device.replace(device.clone()).filter(|_| self.told == Told::Heard);
        self.told = Told::Heard;
        let has_changed = before.is_some_and(|before| before != device);
        let tell = match &missing {
            Some(_) => !self.told_missing,
            None => has_changed,
        };
        self.told_missing = missing.is_some();
        let notice = tell.then(|| changed(&device, missing.as_ref()));
        send(&self.cancel, outbox, Heard::Recovered { device }).await?;
        if let Some(notice) = notice {
            send(&self.cancel, outbox, Heard::Notice(notice)).await?;
        }
        Ok(())
    }

    async fn tell_lost(&mut self, outbox: &mut Outbox, reason: &Reason) -> Result<(), Over> {
        if self.told == Told::Lost {
            return Ok(());
        }
        self.told = Told::Lost;
        let (what, remedy) = match reason {
            Reason::Fails(error) => (sentence(&error.what(Direction::Input)), error.remedy(Direction::Input)),
            Reason::Rejected(Rejected { retry_in: None, .. }) => (
                "The microphone is switched off".into(),
                "switch it on: voice-terminal breakers reset audio-input",
            ),
            Reason::Rejected(_) => (
                "The microphone failed too often".into(),
                "it is tried again by and by; the log has the details",
            ),
        };
        send(&self.cancel, outbox, Heard::Lost { degradation: deaf(&what, remedy) }).await
    }

    fn wait_after(&mut self, reason: &Reason) -> Duration {
        match reason {
            Reason::Fails(Trouble::NotFound) => ABSENT,
            Reason::Fails(Trouble::Forbidden | Trouble::Refused) => WHILE_REFUSED,
            Reason::Fails(_) => {
                self.failures = self.failures.saturating_add(1);
                AFTER_FAILURE.delay(self.failures - 1)
            }
            // Somebody may close it by hand at any moment.
            Reason::Rejected(Rejected { retry_in, .. }) => {
                retry_in.unwrap_or(WHILE_HELD).clamp(AFTER_FAILURE.base, WHILE_HELD)
            }
        }
    }
}

/// Waits until the consumer has room.
async fn send(cancel: &CancellationToken, outbox: &mut Outbox, heard: Heard) -> Result<(), Over> {
    match cancel.run_until_cancelled(outbox.send(heard)).await {
        Some(true) => Ok(()),
        Some(false) | None => Err(Over),
    }
}

/// Runs a listening thread, which gives back what it was lent.
fn session(
    microphone: Microphone,
    senses: Senses,
    stop: Arc<Stop>,
    config: &config::Audio,
) -> oneshot::Receiver<(Senses, Ended)> {
    let (sender, receiver) = oneshot::channel();
    let (watchdog, endpoint) = (config.watchdog, config.endpoint.clone());
    let spawned = thread::Builder::new().name("audio-listen".into()).spawn(move || {
        let mut senses = senses;
        let listening = AssertUnwindSafe(|| listen(microphone, &mut senses, &stop, watchdog));
        let ended = catch_unwind(listening).unwrap_or_else(|_| {
            // Only the neural network does anything that could; without it there is less to go wrong.
            senses.listener = Listener::new(VoiceDetector::energy(), &endpoint);
            senses.outbox.put(Heard::Degraded(by_loudness()));
            Ended::Died(Trouble::Broken)
        });
        let _ = sender.send((senses, ended));
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread to listen on");
    }
    receiver
}

async fn came_back(opening: &mut Option<Opening>) {
    match opening {
        Some(opening) => opening.ready().await,
        None => std::future::pending().await,
    }
}

/// That nobody is heard.
fn deaf(what: &str, remedy: &str) -> Degradation {
    Degradation {
        chain: CHAIN.into(),
        now: TEXT_INPUT.into(),
        what: format!("{what}; type instead."),
        remedy: remedy.into(),
    }
}

/// That a microphone is muted at the sound server, and by what command that ends.
pub(super) fn muted(name: &str, unmute: &str) -> Degradation {
    deaf(&format!("The microphone is muted ({name})"), &format!("unmute it: {unmute}"))
}

/// That sound comes from another microphone now.
pub(super) fn changed(device: &str, missing: Option<&Missing>) -> String {
    match missing {
        Some(missing) => missing.told(Direction::Input, &format!("listening to {device}")),
        None => format!("The microphone has changed; listening to {device}."),
    }
}

fn by_loudness() -> Degradation {
    Degradation {
        chain: DETECTION.into(),
        now: "energy".into(),
        what: "Speech is told from silence by loudness alone, so noises may be taken for it.".into(),
        remedy: "fetch the voice detection model: voice-terminal models fetch silero-vad".into(),
    }
}

fn sentence(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

//! The ear: a microphone that is kept alive behind the breaker `audio-input`.
//!
//! **Mechanics.** One thread listens: it takes what has arrived, finds utterances in it, and hands
//! them on. It watches that samples keep arriving, since some sound systems die without a word; a
//! dead microphone is opened anew, after pauses that grow. Opening can hang for ever, so it happens
//! on a spare thread that can be left behind.
//!
//! **When nobody takes what was heard**, it is kept in order, up to [`BACKLOG`] things; capture goes
//! on meanwhile. Beyond that, the newest is dropped, and that is told.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

use crate::breaker::{Backoff, Breaker};
use crate::config::Audio;
use crate::domain::{Degradation, Pcm, SAMPLE_RATE};

use super::device::{InputDevice, SoundSystem, Wish};
use super::endpoint::Event;
use super::microphone::{Microphone, MicrophoneError};
use super::segment::Listener;
use super::vad::VoiceDetector;

/// The chain's name.
const CHAIN: &str = "audio-input";
/// Things heard that wait to be taken by the program.
const QUEUE: usize = 16;
/// And of more, those that wait here.
const BACKLOG: usize = 32;
/// How soon the thread notices that it should stop.
const TICK: Duration = Duration::from_millis(200);
/// How long a device's opening may take.
const OPENING: Duration = Duration::from_secs(5);
/// A microphone that delivers nothing but zeros for so long is muted, or forbidden.
const MUTED: Duration = Duration::from_secs(8);

/// Opening anew after a failure, and looking whether a microphone was plugged in.
const AFTER_FAILURE: Backoff = Backoff { base: Duration::from_millis(300), cap: Duration::from_secs(15) };
const AFTER_NONE: Backoff = Backoff { base: Duration::from_secs(5), cap: Duration::from_secs(60) };

/// What the ear tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Somebody began to speak.
    SpeechStarted,
    /// Somebody said this: mono, 16 kHz, pre-roll and tail included.
    Utterance(Pcm),
    /// Nobody can be heard any more.
    Lost {
        /// What it means.
        degradation: Degradation,
    },
    /// Sound arrives, through this device.
    Recovered {
        /// Its name.
        device: String,
    },
    /// Something to tell the user.
    Notice(String),
}

/// The ear.
#[derive(Debug)]
pub struct Ear;

impl Ear {
    /// Starts listening on a thread of its own, which ends with the token or when the receiver is
    /// dropped. Nothing is ever opened when `audio.input` is `none`.
    pub fn start(
        config: Audio,
        vad_model: Option<PathBuf>,
        breaker: Arc<Breaker>,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<Heard> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let outbox = Outbox { sender, waiting: VecDeque::new(), dropped: 0 };
        let mut thread = Thread { breaker, cancel, outbox, system: SoundSystem::default(), lost: false };
        let spawned =
            std::thread::Builder::new().name("ear".into()).spawn(move || thread.run(&config, vad_model));
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread to listen on");
        }
        receiver
    }
}

/// All input devices, for whoever wants to choose one. Blocks: not for an async thread. Empty when
/// the sound system doesn't work at all.
pub fn devices() -> Vec<InputDevice> {
    let (send, receive) = std_mpsc::channel();
    let spawned = std::thread::Builder::new().name("devices".into()).spawn(move || {
        let listed = std::panic::catch_unwind(|| SoundSystem::default().list());
        // Whoever asked may have given up.
        let _ = send.send(listed.unwrap_or(Err(MicrophoneError::Broken)));
    });
    match spawned.map(|_| receive.recv_timeout(OPENING)) {
        Ok(Ok(Ok(devices))) => devices,
        failure => {
            tracing::debug!(?failure, "the devices can't be listed");
            Vec::new()
        }
    }
}

/// Why listening ended.
enum Over {
    /// It is to stop.
    Stopped,
    /// The microphone is gone.
    Lost(MicrophoneError),
}

struct Thread {
    breaker: Arc<Breaker>,
    cancel: CancellationToken,
    outbox: Outbox,
    system: SoundSystem,
    /// Told to be lost, and not yet recovered.
    lost: bool,
}

impl Thread {
    fn run(&mut self, config: &Audio, vad_model: Option<PathBuf>) {
        let Some(wish) = Wish::parse(&config.input) else {
            self.outbox.put(Heard::Lost { degradation: unwanted() });
            self.outbox.flush_for(TICK);
            return;
        };
        let mut listener = Listener::new(self.detector(vad_model), &config.endpoint);
        let mut failures = 0;
        while !self.stopped() {
            let error = match self.open(&wish, config.watchdog) {
                Ok(microphone) => {
                    failures = 0;
                    match self.listen(microphone, &mut listener, config.watchdog) {
                        Over::Stopped => return,
                        Over::Lost(error) => Some(error),
                    }
                }
                Err(error) => error,
            };
            if let Some(error) = error {
                self.tell_lost(error);
            }
            let backoff = if error == Some(MicrophoneError::NotFound) { AFTER_NONE } else { AFTER_FAILURE };
            self.pause(backoff.delay(failures));
            failures += 1;
        }
    }

    fn detector(&mut self, model: Option<PathBuf>) -> VoiceDetector {
        let Some(path) = model else {
            self.outbox.put(Heard::Notice(
                "The voice detection model is not here, so I go by loudness: noise may be taken for speech. \
                 Fetch it with `voice-terminal models fetch silero-vad`."
                    .into(),
            ));
            return VoiceDetector::energy();
        };
        VoiceDetector::silero(&path).unwrap_or_else(|error| {
            self.outbox.put(Heard::Notice(format!(
                "{error}, so I go by loudness. Fetch it anew with `voice-terminal models fetch silero-vad`."
            )));
            VoiceDetector::energy()
        })
    }

    fn stopped(&self) -> bool {
        self.cancel.is_cancelled() || self.outbox.sender.is_closed()
    }

    /// Waits, but not longer than it takes to notice that it should stop.
    fn pause(&mut self, time: Duration) {
        let ends = Instant::now() + time;
        while !self.stopped() {
            self.outbox.flush();
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(TICK));
        }
    }

    /// Opens the microphone behind the breaker; `Err(None)` while that is open.
    fn open(&mut self, wish: &Wish, watchdog: Duration) -> Result<Microphone, Option<MicrophoneError>> {
        let breaker = Arc::clone(&self.breaker);
        let permit = breaker.try_acquire().map_err(|_| None)?;
        let mut system = std::mem::take(&mut self.system);
        let wish = wish.clone();
        let (send, receive) = std_mpsc::channel();
        let spawned = std::thread::Builder::new().name("audio-open".into()).spawn(move || {
            let opened = Microphone::open(&mut system, &wish, watchdog);
            // Nobody waits any more: then it is closed again.
            let _ = send.send((system, opened));
        });
        let limit = OPENING.min(self.breaker.timeout()).max(watchdog);
        let Ok(Ok((system, opened))) = spawned.map(|_| receive.recv_timeout(limit)) else {
            permit.time_out();
            return Err(Some(MicrophoneError::Silent));
        };
        self.system = system;
        match opened {
            Ok(microphone) => {
                permit.succeed();
                Ok(microphone)
            }
            Err(error) => {
                permit.fail(&error);
                Err(Some(error))
            }
        }
    }

    /// Listens until the microphone is gone. Speech that was under way then is handed on as it is.
    fn listen(&mut self, mut microphone: Microphone, listener: &mut Listener, watchdog: Duration) -> Over {
        self.lost = false;
        self.outbox.put(Heard::Recovered { device: microphone.name.clone() });
        if microphone.instead {
            let text =
                format!("The microphone that is configured is not there; I listen to {}.", microphone.name);
            self.outbox.put(Heard::Notice(text));
        }
        microphone.wake_me();
        let (mut arrived, mut samples) = (Instant::now(), Vec::new());
        let mut muted = Muted::default();
        let over = loop {
            if self.stopped() {
                break Over::Stopped;
            }
            samples.clear();
            if microphone.take(&mut samples) {
                arrived = Instant::now();
                listener.hear(&samples, |event| self.outbox.hear(event));
                if muted.notices(&samples) {
                    self.outbox.put(Heard::Notice(format!(
                        "{} delivers perfect silence: it is muted, or this program may not listen.",
                        microphone.name
                    )));
                }
            } else if let Some(fault) = microphone.fault() {
                break Over::Lost(fault);
            } else if arrived.elapsed() > watchdog {
                break Over::Lost(MicrophoneError::Silent);
            } else {
                std::thread::park_timeout(TICK);
            }
            if let Some(lost) = microphone.lost(|frames| Duration::from_secs(frames) / SAMPLE_RATE) {
                tracing::warn!(?lost, "the listening thread was too slow, sound was lost");
            }
            self.outbox.flush();
        };
        listener.finish(|event| self.outbox.hear(event));
        self.outbox.flush();
        if matches!(over, Over::Lost(_)) {
            self.system.forget();
        }
        over
    }

    fn tell_lost(&mut self, error: MicrophoneError) {
        if self.lost {
            return;
        }
        self.lost = true;
        tracing::info!(%error, "nobody can be heard");
        let what = match error {
            MicrophoneError::NotFound => {
                "No microphone was found, so I can't hear you; typing works.".to_owned()
            }
            other => format!("I can't hear you any more: {other}; typing works."),
        };
        let degradation = Degradation {
            chain: CHAIN.into(),
            now: "text-input-mode".into(),
            what,
            remedy: sentence(error.remedy()),
        };
        self.outbox.put(Heard::Lost { degradation });
    }
}

fn unwanted() -> Degradation {
    Degradation {
        chain: CHAIN.into(),
        now: "text-input-mode".into(),
        what: "The microphone is turned off by audio.input = \"none\".".into(),
        remedy: "Type, or set audio.input = \"auto\".".into(),
    }
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

/// Notices a microphone that is open and says nothing at all, once.
#[derive(Default)]
struct Muted {
    zeros: u64,
    told: bool,
}

impl Muted {
    fn notices(&mut self, samples: &[f32]) -> bool {
        if samples.iter().any(|&sample| sample != 0.0) {
            *self = Self::default();
            return false;
        }
        self.zeros += samples.len() as u64;
        let due = !self.told && Duration::from_secs(self.zeros) / SAMPLE_RATE >= MUTED;
        self.told |= due;
        due
    }
}

/// What was heard, on its way out.
struct Outbox {
    sender: mpsc::Sender<Heard>,
    waiting: VecDeque<Heard>,
    dropped: usize,
}

impl Outbox {
    fn hear(&mut self, event: Event) {
        match event {
            Event::SpeechStarted => self.put(Heard::SpeechStarted),
            Event::Utterance(segment) => self.put(Heard::Utterance(segment.pcm)),
            Event::TooShort => tracing::debug!("a sound was too short to be speech"),
        }
    }

    fn put(&mut self, heard: Heard) {
        self.flush();
        if self.waiting.len() >= BACKLOG {
            self.dropped += 1;
            tracing::warn!("nobody takes what is heard; the newest is dropped");
            return;
        }
        self.waiting.push_back(heard);
        self.flush();
    }

    fn flush(&mut self) {
        if self.dropped > 0 && self.waiting.len() < BACKLOG {
            let text = format!(
                "I was too busy to take {} things that I heard; please say them again.",
                self.dropped
            );
            self.waiting.push_back(Heard::Notice(text));
            self.dropped = 0;
        }
        while let Some(heard) = self.waiting.pop_front() {
            match self.sender.try_send(heard) {
                Ok(()) => {}
                Err(TrySendError::Full(heard)) => {
                    self.waiting.push_front(heard);
                    return;
                }
                Err(TrySendError::Closed(_)) => return,
            }
        }
    }

    /// Flushes, for so long at most.
    fn flush_for(&mut self, time: Duration) {
        let ends = Instant::now() + time;
        while !self.waiting.is_empty() && !self.sender.is_closed() && Instant::now() < ends {
            self.flush();
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_waits_in_order_and_overflow_is_told() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outbox = Outbox { sender, waiting: VecDeque::new(), dropped: 0 };
        for number in 0..BACKLOG + 5 {
            outbox.put(Heard::Recovered { device: number.to_string() });
        }
        let mut taken = Vec::new();
        while let Ok(heard) = receiver.try_recv() {
            taken.push(heard);
            outbox.flush();
        }
        assert_eq!(taken.len(), BACKLOG + 2, "one was under way, and the loss is told");
        assert_eq!(taken[7], Heard::Recovered { device: "7".into() });
        assert!(taken.iter().any(|heard| matches!(heard, Heard::Notice(text) if text.contains('4'))));
    }

    #[test]
    fn perfect_silence_is_noticed_once() {
        let mut muted = Muted::default();
        let second = vec![0.0; SAMPLE_RATE as usize];
        let noticed = (0..20).filter(|_| muted.notices(&second)).count();
        assert_eq!(noticed, 1);
        assert!(!muted.notices(&[0.0, 0.1]));
    }

    #[test]
    fn nothing_is_opened_when_no_microphone_is_wanted() {
        let config = Audio { input: "none".into(), ..Audio::default() };
        let breaker = Arc::new(Breaker::new("audio-input", crate::breaker::Settings::default()));
        let mut heard = Ear::start(config, None, Arc::clone(&breaker), CancellationToken::new());
        assert!(matches!(heard.blocking_recv(), Some(Heard::Lost { .. })));
        assert_eq!(heard.blocking_recv(), None);
        assert_eq!(breaker.snapshot().total, 0);
    }
}

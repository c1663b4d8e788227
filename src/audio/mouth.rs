//! The loudspeaker as the rest of the program sees it: it plays, stops at once, or tells why not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc as blocking};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, oneshot, watch};

use super::cue;
use super::device::Wish;
use super::sink::{Order, Sink};
use super::trouble::{Direction, Trouble};
use crate::breaker::{Breaker, CallError};
use crate::config;
use crate::domain::{Cue, Failure, FailureKind, Sound};

/// The chain's name.
const CHAIN: &str = "audio-output";
/// Orders that wait for the thread; it is only ever behind while it opens a device.
const QUEUE: usize = 16;
/// How long a sound may take to be queued: opening a device has a limit of its own, below this.
const PATIENCE: Duration = Duration::from_secs(3);

/// News that wait for whoever tells them.
const NEWS: usize = 4;

/// Whether something plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Playback {
    /// It plays.
    Playing,
    /// It doesn't.
    Silent {
        /// Since when; `None` if it never played.
        since: Option<Instant>,
    },
}

/// Plays sound. The device is opened by the first sound and closed when it has been idle for a while.
/// Ends with what is queued dropped when this is dropped.
#[derive(Debug)]
pub struct Mouth {
    /// `None` where nothing is to be heard.
    orders: Option<blocking::SyncSender<Order>>,
    playback: watch::Receiver<Playback>,
    news: broadcast::Sender<String>,
    /// Whether playback ended because the device went away.
    broke: Arc<AtomicBool>,
}

impl Mouth {
    /// Starts the thread that plays. With `audio.output = "none"` there is none, and nothing is heard.
    pub fn start(config: &config::Audio, breaker: Arc<Breaker>) -> Self {
        let (told, playback) = watch::channel(Playback::Silent { since: None });
        let (news, broke) = (broadcast::Sender::new(NEWS), Arc::new(AtomicBool::new(false)));
        let orders = Wish::parse(&config.output).and_then(|wish| {
            let (orders, receiver) = blocking::sync_channel(QUEUE);
            let sink = Sink::new(wish, config.volume, breaker, told, news.clone(), Arc::clone(&broke));
            let spawned = thread::Builder::new().name("audio-out".into()).spawn(move || sink.run(&receiver));
            spawned.is_ok().then_some(orders)
        });
        Self { orders, playback, news, broke }
    }

    /// Whether anything can be heard at all, as configured.
    pub fn is_wanted(&self) -> bool {
        self.orders.is_some()
    }

    /// Queues a sound behind those that play. Returns once it is queued.
    ///
    /// # Errors
    /// There is no device, or it doesn't answer.
    pub async fn play(&self, sound: Sound) -> Result<(), Failure> {
        let stuck = || unavailable(Trouble::Stuck);
        let Some(orders) = &self.orders else { return Ok(()) };
        let (answer, answered) = oneshot::channel();
        // A full queue means that the thread hangs.
        orders.try_send(Order::Play(sound, answer)).map_err(|_| stuck())?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(CallError::Failed(trouble)))) => Err(unavailable(trouble)),
            Ok(Ok(Err(_))) => Err(failure(
                "the loudspeaker is not used for a while, because it failed".into(),
                "it is tried again by itself; `voice-terminal breakers` shows when",
            )),
            Ok(Err(_)) | Err(_) => Err(stuck()),
        }
    }

    /// Plays a sign, unless something plays. It doesn't count as playing, and nobody waits for it: that it
    /// can't be heard is told with the next answer.
    pub fn cue(&self, cue: Cue) {
        if let Some(orders) = &self.orders {
            // A thread that hangs plays nothing.
            let _ = orders.try_send(Order::Cue(cue::sound(cue)));
        }
    }

    /// Silence, at once: whatever is queued is dropped.
    pub fn stop(&self) {
        if let Some(orders) = &self.orders {
            // A thread that hangs plays nothing.
            let _ = orders.try_send(Order::Stop);
        }
    }

    /// Whether it plays, now and as that changes.
    pub fn playback(&self) -> watch::Receiver<Playback> {
        self.playback.clone()
    }

    /// What the user is to be told of it, beside how playing went.
    pub fn news(&self) -> broadcast::Receiver<String> {
        self.news.subscribe()
    }

    /// Waits until it has played everything, or was stopped. Cancel-safe.
    ///
    /// # Errors
    /// The device went away in the middle.
    pub async fn finished(&self) -> Result<(), Failure> {
        // The thread ends only with us.
        let _ = self.playback.clone().wait_for(|playback| *playback != Playback::Playing).await;
        if self.broke.swap(false, Ordering::AcqRel) { Err(unavailable(Trouble::Gone)) } else { Ok(()) }
    }
}

fn unavailable(trouble: Trouble) -> Failure {
    failure(trouble.what(Direction::Output), trouble.remedy(Direction::Output))
}

fn failure(what: String, remedy: &str) -> Failure {
    Failure::new(FailureKind::Unavailable, CHAIN, what, remedy)
}

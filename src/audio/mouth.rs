//! The loudspeaker as the rest of the program sees it: it plays, stops at once, or tells why not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc as blocking};
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::cue;
use super::device::Wish;
use super::reference::Reference;
use super::sink::{Order, Sink, SinkError};
use crate::breaker::{Breaker, CallError};
use crate::config;
use crate::domain::{Cue, Failure, FailureKind, Sound};

/// The chain's name.
const CHAIN: &str = "audio-output";
/// Orders that wait for the thread; it is only ever behind while it opens a device.
const QUEUE: usize = 16;
/// How long a sound may take to be queued: opening a device has a limit of its own, below this.
const PATIENCE: Duration = Duration::from_secs(3);

/// Plays sound. The device is opened by the first sound and closed when it has been idle for a while.
/// Ends with what is queued dropped when this is dropped.
#[derive(Debug)]
pub struct Mouth {
    /// `None` where nothing is to be heard.
    orders: Option<blocking::SyncSender<Order>>,
    /// Whoever was cut off is not heard any more, however much of it is still to come.
    cut_off: AtomicBool,
    /// Whether it plays.
    playback: watch::Receiver<bool>,
}

impl Mouth {
    /// Starts the thread that plays. With `audio.output = "none"` there is none, and nothing is heard.
    /// `reference` learns what is played.
    pub fn start(config: &config::Audio, breaker: Arc<Breaker>, reference: &Reference) -> Self {
        let (told, playback) = watch::channel(false);
        let orders = Wish::parse(&config.output).and_then(|wish| {
            let (orders, receiver) = blocking::sync_channel(QUEUE);
            let sink = Sink::new(wish, config.volume, breaker, told, reference.clone());
            let spawned = thread::Builder::new().name("audio-out".into()).spawn(move || sink.run(&receiver));
            spawned.is_ok().then_some(orders)
        });
        Self { orders, cut_off: AtomicBool::new(false), playback }
    }

    /// Whether anything can be heard at all, as configured.
    pub fn is_wanted(&self) -> bool {
        self.orders.is_some()
    }

    /// Something else is to be said: sounds are played again after [`Mouth::stop`].
    pub fn begin(&self) {
        self.cut_off.store(false, Ordering::Release);
    }

    /// Queues a sound behind those that play. Returns once it is queued, or dropped because it was cut off.
    ///
    /// # Errors
    /// There is no device, or it doesn't answer.
    pub async fn play(&self, sound: Sound) -> Result<(), Failure> {
        let unavailable =
            |what: String, remedy: &str| Failure::new(FailureKind::Unavailable, CHAIN, what, remedy);
        let stuck = || unavailable(SinkError::Stuck.to_string(), "replies are printed until it does");
        let Some(orders) = &self.orders else { return Ok(()) };
        if self.cut_off.load(Ordering::Acquire) {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        // A full queue means that the thread hangs.
        orders.try_send(Order::Play(sound, answer)).map_err(|_| stuck())?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(CallError::Failed(error)))) => {
                Err(unavailable(error.to_string(), "`voice-terminal doctor` lists what there is"))
            }
            Ok(Ok(Err(_))) => Err(unavailable(
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

    /// Silence, at once: whatever is queued is dropped, and what follows until [`Mouth::begin`].
    pub fn stop(&self) {
        self.cut_off.store(true, Ordering::Release);
        if let Some(orders) = &self.orders {
            // A thread that hangs plays nothing.
            let _ = orders.try_send(Order::Stop);
        }
    }

    /// Waits until it has played everything, or was stopped. Cancel-safe.
    pub async fn finished(&self) {
        // The thread ends only with us.
        let _ = self.playback.clone().wait_for(|plays| !plays).await;
    }
}

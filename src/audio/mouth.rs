//! The loudspeaker as the rest of the program sees it: it talks, is silent at once, or tells why not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc as blocking};
use std::thread;
use std::time::Duration;

use tokio::sync::{broadcast, oneshot};

use super::cue;
use super::device::Wish;
use super::reference::Reference;
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
/// How much is queued ahead of what is heard. A busy machine may be late by as much, and whoever is told to be
/// silent has made no more in vain.
const AHEAD: Duration = Duration::from_secs(8);

/// News that wait for whoever tells them.
const NEWS: usize = 4;

/// Plays sound. The device is opened by the first sound and closed when it has been idle for a while.
/// Ends with what is queued dropped when this is dropped.
#[derive(Debug)]
pub struct Mouth {
    /// `None` where nothing is to be heard.
    orders: Option<blocking::SyncSender<Order>>,
    /// Whoever was cut off is not heard any more, however much of it is still to come.
    cut_off: AtomicBool,
    news: broadcast::Sender<String>,
}

impl Mouth {
    /// Starts the thread that plays. With `audio.output = "none"` there is none, and nothing is heard.
    /// `reference` learns what is played.
    pub fn start(config: &config::Audio, breaker: Arc<Breaker>, reference: &Reference) -> Self {
        let news = broadcast::Sender::new(NEWS);
        let orders = Wish::parse(&config.output).and_then(|wish| {
            let (orders, receiver) = blocking::sync_channel(QUEUE);
            let sink = Sink::new(wish, config.volume, breaker, reference.clone(), news.clone());
            let spawned = thread::Builder::new().name("audio-out".into()).spawn(move || sink.run(&receiver));
            spawned.is_ok().then_some(orders)
        });
        Self { orders, cut_off: AtomicBool::new(false), news }
    }

    /// What the user is to be told, beside how playing goes: that another device plays.
    pub fn news(&self) -> broadcast::Receiver<String> {
        self.news.subscribe()
    }

    /// Whether anything can be heard at all, as configured.
    pub fn is_wanted(&self) -> bool {
        self.orders.is_some()
    }

    /// Begins to talk: the device is opened while the first words are made, and sounds are played again after
    /// [`Mouth::stop`]. It counts as playing from the first sound until what this gives is dropped and all of it is heard.
    pub fn talk(&self) -> Talk<'_> {
        self.cut_off.store(false, Ordering::Release);
        if let Some(orders) = &self.orders {
            // A thread that hangs is noticed by the first sound.
            let _ = orders.try_send(Order::Open);
        }
        Talk { orders: self.orders.as_ref(), cut_off: &self.cut_off }
    }

    /// Plays a sign, unless something plays. It doesn't count as playing, and nobody waits for it: that it
    /// can't be heard is told with the next answer.
    pub fn cue(&self, cue: Cue) {
        if let Some(orders) = &self.orders {
            // A thread that hangs plays nothing.
            let _ = orders.try_send(Order::Cue(cue::sound(cue)));
        }
    }

    /// Silence, at once: whatever is queued is dropped, and what follows until [`Mouth::talk`].
    pub fn stop(&self) {
        self.cut_off.store(true, Ordering::Release);
        if let Some(orders) = &self.orders {
            // A thread that hangs plays nothing.
            let _ = orders.try_send(Order::Stop);
        }
    }
}

/// Somebody who talks, sound by sound.
#[derive(Debug)]
pub struct Talk<'a> {
    /// `None` where nothing is to be heard.
    orders: Option<&'a blocking::SyncSender<Order>>,
    /// Whether what is still to come is not to be heard.
    cut_off: &'a AtomicBool,
}

impl Talk<'_> {
    /// Queues a sound behind those that play, without a joint. Returns once it is queued, and not too much with it;
    /// or at once, if it was cut off.
    ///
    /// # Errors
    /// There is no device, it was lost since the last sound, or it doesn't answer.
    pub async fn play(&self, sound: Sound) -> Result<(), Failure> {
        let Some(orders) = self.orders.filter(|_| !self.cut_off.load(Ordering::Acquire)) else {
            return Ok(());
        };
        let (answer, answered) = oneshot::channel();
        // A full queue means that the thread hangs.
        orders.try_send(Order::Play(sound, answer)).map_err(|_| stuck())?;
        let answer = tokio::time::timeout(PATIENCE, answered).await;
        let waiting =
            answer.ok().and_then(Result::ok).ok_or_else(stuck)?.map_err(|error| unavailable(&error))?;
        tokio::time::sleep(waiting.saturating_sub(AHEAD)).await;
        Ok(())
    }

    /// Waits until all has been heard, or was stopped; tells whether it was heard. Cancel-safe.
    ///
    /// # Errors
    /// The device was lost before.
    pub async fn finished(mut self) -> Result<bool, Failure> {
        let Some(orders) = self.orders.take() else { return Ok(false) };
        let (ended, end) = oneshot::channel();
        orders.try_send(Order::End(Some(ended))).map_err(|_| stuck())?;
        end.await.map_err(|_| stuck())?.map_err(|error| unavailable(&error))?;
        Ok(!self.cut_off.load(Ordering::Acquire))
    }
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        if let Some(orders) = &self.orders {
            // A thread that hangs plays nothing.
            let _ = orders.try_send(Order::End(None));
        }
    }
}

fn unavailable(error: &CallError<Trouble>) -> Failure {
    let (what, remedy) = match error {
        CallError::Failed(trouble) => (trouble.what(Direction::Output), trouble.remedy(Direction::Output)),
        _ => (
            "the loudspeaker is not used for a while, because it failed".into(),
            "it is tried again by itself; `voice-terminal breakers` shows when",
        ),
    };
    Failure::new(FailureKind::Unavailable, CHAIN, what, remedy)
}

fn stuck() -> Failure {
    let remedy = "replies are printed until it does";
    Failure::new(FailureKind::Unavailable, CHAIN, Trouble::Stuck.to_string(), remedy)
}

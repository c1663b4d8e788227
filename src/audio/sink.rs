//! Playing sound on a device, on a thread of its own.
//!
//! **Mechanics.** The thread owns the stream, since opening, closing and dropping it may block: opening
//! has a limit, and what hangs is left behind on a spare thread. What is to be heard goes into a [`deck`], from
//! which the device takes it; a device that asks for nothing any more while something plays is dead. Whoever
//! talks says when that is over: until then it counts as playing, even when the next part is late. An idle stream
//! is closed, which gives the device and the processor back.
//!
//! At a sound server a second thread watches over the stream while it is open ([`Watch`]), and tells through what
//! it plays when that changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self as blocking, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use cpal::traits::HostTrait;
use cpal::{BufferSize, Device, HostId};
use parking_lot::Mutex;
use pulseaudio::protocol::{Command, Prop, SinkInputInfo, SinkInputInfoList};
use rodio::{DeviceSinkBuilder, MixerDeviceSink};
use tokio::sync::{broadcast, oneshot};

use super::deck::{self, Feed};
use super::device::{self, Chosen, Found, Missing, Place, Wish};
use super::patience::Patience;
use super::pulse::{Connection, Event, Message, Reading, ignore};
use super::reference::Reference;
use super::trouble::{Direction, Trouble};
use super::watch::{Change, Watch};
use crate::breaker::{Breaker, CallError};
use crate::domain::Sound;

/// How long opening may take.
const OPEN: Duration = Duration::from_secs(2);
/// How often a playing stream is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// An idle stream is closed after this.
const IDLE: Duration = Duration::from_secs(10);
/// For how long a device may ask for nothing before it is taken for dead. PulseAudio wakes one that nobody used, and
/// that is no hardware, every two seconds.
const GRACE: Duration = Duration::from_secs(3);
/// How long what the device has taken is still under way to the ear.
const TAIL: Duration = Duration::from_millis(100);
/// Frames in a buffer. rodio's own choice loses sound on PulseAudio.
const BUFFER: u32 = 2048;

/// What the thread is asked for.
pub(super) enum Order {
    /// Open the device: there will be something to play.
    Open,
    /// Queue a sound, and tell how long it takes until all that is queued is heard, or why that can't be.
    Play(Sound, oneshot::Sender<Result<Duration, CallError<Trouble>>>),
    /// Nothing more comes for now; tell when all is heard or dropped, or that the device was lost before.
    End(Option<Ended>),
    /// Play a sign, if nothing plays.
    Cue(Sound),
    /// Drop everything that is queued.
    Stop,
}

/// Told how talking ended.
pub(super) type Ended = oneshot::Sender<Result<(), CallError<Trouble>>>;

/// The thread's state.
pub(super) struct Sink {
    wish: Wish,
    volume: f32,
    breaker: Arc<Breaker>,
    /// Whether somebody talks, or what was said is still heard.
    plays: bool,
    /// Learns what is played.
    reference: Reference,
    stream: Option<Stream>,
    /// Why the device could not be opened, or was lost, until whoever talks was told.
    refused: Option<CallError<Trouble>>,
    /// Whether more is to come.
    talking: bool,
    /// Who waits for the end.
    ended: Option<Ended>,
    told: Told,
}

/// Tells through what sound goes, when that is another device than before.
#[derive(Clone)]
struct Told {
    news: broadcast::Sender<String>,
    before: Arc<Mutex<(Option<String>, bool)>>,
}

impl Told {
    fn tell(&self, name: &str, missing: Option<&Missing>) {
        let (has_changed, was_missing) = {
            let mut before = self.before.lock();
            let last = before.0.replace(name.to_owned());
            (last.is_some_and(|last| last != name), std::mem::replace(&mut before.1, missing.is_some()))
        };
        let told = match missing {
            Some(missing) if !was_missing => {
                missing.told(Direction::Output, &format!("answers are played through {name}"))
            }
            None if has_changed => format!("The loudspeaker has changed; answers are played through {name}."),
            _ => return,
        };
        // Nobody may listen.
        let _ = self.news.send(told);
    }
}

struct Stream {
    sink: MixerDeviceSink,
    /// Watches over it at a server.
    watch: Option<Reading>,
    feed: Feed,
    /// Feeds signs. They are no speech, so that nobody need know of them to tell what is.
    signs: Feed,
    broken: Arc<AtomicBool>,
    /// What the device had asked for when that was last seen to have grown, and how long ago that was.
    alive: (u64, Patience),
    /// Since when it has nothing to play.
    empty: Option<Instant>,
}

impl Sink {
    /// `news` are what the user is to be told beside how playing goes.
    pub(super) fn new(
        wish: Wish,
        volume: f32,
        breaker: Arc<Breaker>,
        reference: Reference,
        news: broadcast::Sender<String>,
    ) -> Self {
        Self {
            wish,
            volume,
            breaker,
            plays: false,
            reference,
            stream: None,
            refused: None,
            talking: false,
            ended: None,
            told: Told { news, before: Arc::default() },
        }
    }

    /// Serves until nobody can order any more; then what is queued is dropped.
    pub(super) fn run(mut self, orders: &blocking::Receiver<Order>) {
        loop {
            let patience = match (&self.stream, self.plays) {
                (Some(_), true) => LOOK,
                (Some(_), false) => IDLE,
                (None, _) => Duration::from_secs(3600),
            };
            match orders.recv_timeout(patience) {
                Ok(Order::Open) => self.refused = self.open().err(),
                Ok(Order::Play(sound, answer)) => {
                    let result = match self.refused.take() {
                        Some(error) => Err(error),
                        None => self.queue(&sound),
                    };
                    if result.is_ok() {
                        self.talking = true;
                        self.plays(true);
                    }
                    // Whoever asked may have gone.
                    let _ = answer.send(result);
                }
                Ok(Order::End(ended)) => {
                    self.talking = false;
                    self.ended = ended;
                    self.stream.iter_mut().for_each(|stream| stream.feed.flush());
                    if !self.plays {
                        self.silent();
                    }
                }
                Ok(Order::Cue(_)) if self.plays => {}
                Ok(Order::Cue(sound)) => match self.open() {
                    Ok(stream) => {
                        stream.signs.push(&sound);
                        stream.signs.flush();
                    }
                    Err(error) => tracing::debug!(?error, "a sign can't be heard"),
                },
                Ok(Order::Stop) => self.stop(),
                Err(RecvTimeoutError::Timeout) if self.plays => self.look(),
                Err(RecvTimeoutError::Timeout) => self.close(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.stop();
        self.close();
    }

    fn open(&mut self) -> Result<&mut Stream, CallError<Trouble>> {
        if self.stream.as_ref().is_some_and(|stream| stream.broken.load(Ordering::Acquire)) {
            self.close();
        }
        let stream = if let Some(stream) = self.stream.take() {
            stream
        } else {
            let (wish, volume) = (self.wish.clone(), self.volume);
            let (reference, told) = (self.reference.clone(), self.told.clone());
            self.breaker.call_sync(|| open(wish, volume, reference, told))?
        };
        Ok(self.stream.insert(stream))
    }

    /// Tells how long it takes until all is heard.
    fn queue(&mut self, sound: &Sound) -> Result<Duration, CallError<Trouble>> {
        let stream = self.open()?;
        if stream.feed.waiting().is_zero() {
            stream.alive = (stream.feed.asked(), Patience::begin(Instant::now()));
        }
        stream.feed.push(sound);
        stream.empty = None;
        Ok(stream.feed.waiting())
    }

    fn plays(&mut self, plays: bool) {
        self.plays = plays;
        self.reference.talks(plays);
    }

    fn silent(&mut self) {
        self.plays(false);
        if !self.talking {
            let result = self.refused.take().map_or(Ok(()), Err);
            // Nobody may wait.
            let _ = self.ended.take().map(|ended| ended.send(result));
        }
    }

    fn stop(&mut self) {
        if self.plays
            && let Some(stream) = &mut self.stream
        {
            stream.feed.clear();
        }
        self.talking = false;
        self.silent();
    }

    /// Whether the end has come, or the device is no more.
    fn look(&mut self) {
        let Some(stream) = &mut self.stream else {
            self.silent();
            return;
        };
        let (asked, now) = (stream.feed.asked(), Instant::now());
        if asked != stream.alive.0 {
            stream.alive = (asked, Patience::begin(now));
        }
        let dead = stream.alive.1.waited(now) > GRACE;
        if stream.broken.load(Ordering::Acquire) || dead {
            tracing::warn!(dead, "the loudspeaker went away");
            // The dependency failed in use, after it had been opened well; what is left of the answer is dropped.
            self.refused = self.breaker.call_sync(|| Err::<(), _>(Trouble::Gone)).err();
            self.close();
            self.silent();
        } else if !self.talking && stream.feed.waiting().is_zero() {
            let since = *stream.empty.get_or_insert(now);
            if now.duration_since(since) >= TAIL {
                self.silent();
            }
        }
    }

    /// Drops the stream on a thread that may be left behind: ALSA hangs for ever on a dead server.
    fn close(&mut self) {
        if let Some(Stream { sink, watch, .. }) = self.stream.take() {
            drop(watch);
            if thread::Builder::new().name("audio-close".into()).spawn(move || drop(sink)).is_err() {
                tracing::warn!("no thread to close the loudspeaker on");
            }
        }
    }
}

/// Opens a device, within the limit, and tells its name, now and when it changes.
fn open(wish: Wish, volume: f32, reference: Reference, told: Told) -> Result<Stream, Trouble> {
    let (sender, receiver) = blocking::sync_channel(1);
    let opening = move || {
        let open = std::panic::AssertUnwindSafe(|| open_here(&wish, volume, &reference, told));
        // Nobody may wait any more.
        let _ = sender.send(std::panic::catch_unwind(open).unwrap_or(Err(Trouble::Broken)));
    };
    thread::Builder::new().name("audio-open".into()).spawn(opening).map_err(|_| Trouble::Broken)?;
    receiver.recv_timeout(OPEN).unwrap_or(Err(Trouble::Stuck))
}

fn open_here(wish: &Wish, volume: f32, reference: &Reference, told: Told) -> Result<Stream, Trouble> {
    let Chosen { place, name, missing } = device::choose(Direction::Output, wish)?;
    let (device, server) = match place {
        Place::Server { connection, device } => (at_server(&device)?, Some((connection, device))),
        Place::Alsa(device) => (*device, None),
    };
    let id = device::id(&device);
    let broken = Arc::new(AtomicBool::new(false));
    let latch = Arc::clone(&broken);
    let refused = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, "the loudspeaker can't be opened");
        Trouble::Broken
    };
    let mut sink = DeviceSinkBuilder::from_device(device)
        .map_err(|error| refused(&error))?
        .with_buffer_size(BufferSize::Fixed(BUFFER))
        // It may be called hundreds of thousands of times in a second: latch, and say nothing.
        .with_error_callback(move |_| latch.store(true, Ordering::Release))
        .open_stream()
        .map_err(|error| refused(&error))?;
    sink.log_on_drop(false);
    let rate = sink.config().sample_rate();
    let (feed, deck) = deck::deck(rate, volume);
    let (signs, other) = deck::deck(rate, volume);
    reference.goes_to(&id);
    // As the device gets it, so that what is known of it is what is heard.
    sink.mixer().add(reference.tap(deck));
    sink.mixer().add(other);
    told.tell(&name, missing.as_ref());
    // Without a watch it plays all the same.
    let watch = server.and_then(|(connection, device)| {
        follow(connection, &device, wish.clone(), reference.clone(), told).ok()
    });
    Ok(Stream { sink, watch, feed, signs, broken, alive: (0, Patience::begin(Instant::now())), empty: None })
}

/// The same device, as the library knows it that plays.
fn at_server(device: &Found) -> Result<Device, Trouble> {
    let mut devices = cpal::host_from_id(HostId::PulseAudio)?.devices()?;
    devices.find(|other| device::id(other) == device.id).ok_or(Trouble::NotFound)
}

/// Watches over this process's stream, until what is returned is dropped.
fn follow(
    mut connection: Connection,
    device: &Found,
    wish: Wish,
    reference: Reference,
    told: Told,
) -> Result<Reading, Trouble> {
    connection.subscribe(Direction::Output)?;
    let mut watch = Watch::new(Direction::Output, wish, device);
    Reading::start(connection, "audio-watch", move |connection| {
        while let Ok(message) = connection.message() {
            if !matches!(message, Message::News(Event::Changed)) {
                continue;
            }
            match look(&mut watch, connection) {
                Ok(changes) => changes.iter().for_each(|change| {
                    if let Change::Moved { name, missing, id } = change {
                        reference.goes_to(id);
                        told.tell(name, missing.as_ref());
                    }
                }),
                // There will be news, or an end, which the stream notices by itself.
                Err(error) => tracing::debug!(%error, "the loudspeaker could not be looked at"),
            }
        }
    })
}

fn look(watch: &mut Watch, connection: &mut Connection) -> Result<Vec<Change>, Trouble> {
    let streams: SinkInputInfoList = connection.ask(&Command::GetSinkInputInfoList, &mut ignore)?;
    // One that is being closed may still be there.
    let ours = streams.iter().filter(|stream| is_ours(stream)).max_by_key(|stream| stream.index);
    let ours = ours.ok_or(Trouble::NotFound)?;
    let devices = connection.offer(Direction::Output, &mut ignore)?.devices;
    let at = devices.iter().find(|device| device.index == ours.sink_index).map_or("", |device| &device.id);
    Ok(watch.look(connection, ours.index, at, &mut ignore)?.1)
}

fn is_ours(stream: &SinkInputInfo) -> bool {
    let id = stream.props.get(Prop::ApplicationProcessId).unwrap_or_default();
    id.strip_suffix(b"\0").unwrap_or(id) == std::process::id().to_string().as_bytes()
}

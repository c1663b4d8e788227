//! Playing sound on a device, on a thread of its own.
//!
//! **Mechanics.** The thread owns the stream, since opening, closing and dropping it may block: opening
//! has a limit, and what hangs is left behind on a spare thread. Sounds are queued without a gap.
//! rodio's end of playback can't be trusted on a server that died or stands still, so the thread looks whether it
//! goes on. An idle stream is closed, which gives the device and the processor
//! back.
//!
//! At a sound server a second thread watches over the stream while it is open ([`Watch`]), and tells through what
//! it plays when that changes.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self as blocking, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use cpal::traits::HostTrait;
use cpal::{BufferSize, Device, HostId};
use parking_lot::Mutex;
use pulseaudio::protocol::{Command, Prop, SinkInputInfo, SinkInputInfoList};
use rodio::buffer::SamplesBuffer;
use rodio::{DeviceSinkBuilder, MixerDeviceSink, Player};
use tokio::sync::{broadcast, oneshot, watch};

use super::device::{self, Chosen, Found, Missing, Place, Wish};
use super::mouth::Playback;
use super::pulse::{Connection, Message, Reading, ignore};
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
/// How long playback may stand still before the device is taken for dead.
const GRACE: Duration = Duration::from_millis(1500);
/// Frames in a buffer. rodio's own choice loses sound on PulseAudio.
const BUFFER: u32 = 2048;

/// What the thread is asked for.
pub(super) enum Order {
    /// Queue a sound, and tell whether that could be done.
    Play(Sound, oneshot::Sender<Result<(), CallError<Trouble>>>),
    /// Play a sign, if nothing plays.
    Cue(Sound),
    /// Drop everything that is queued.
    Stop,
}

/// The thread's state.
pub(super) struct Sink {
    wish: Wish,
    volume: f32,
    breaker: Arc<Breaker>,
    playback: watch::Sender<Playback>,
    news: broadcast::Sender<String>,
    broke: Arc<AtomicBool>,
    stream: Option<Stream>,
    /// Through what it played last.
    through: Arc<Mutex<Through>>,
}

/// What the user was told of where sound goes.
#[derive(Default)]
struct Through {
    name: Option<String>,
    missing: bool,
}

/// Tells through what sound goes, when that is another device than before.
fn tell(through: &Mutex<Through>, news: &broadcast::Sender<String>, name: &str, missing: Option<&Missing>) {
    let mut before = through.lock();
    let has_changed = before.name.replace(name.to_owned()).is_some_and(|before| before != name);
    let was_missing = std::mem::replace(&mut before.missing, missing.is_some());
    let told = match missing {
        Some(missing) if !was_missing => {
            missing.told(Direction::Output, &format!("answers are played through {name}"))
        }
        None if has_changed => format!("The loudspeaker has changed; answers are played through {name}."),
        _ => return,
    };
    // Nobody may listen.
    let _ = news.send(told);
}

struct Stream {
    /// Watches over it at a server.
    watch: Option<Reading>,
    sink: MixerDeviceSink,
    player: Player,
    broken: Arc<AtomicBool>,
    /// How far it has played, sounds that are left and the place in the first, and since when.
    at: (usize, Duration),
    since: Instant,
}

impl Sink {
    pub(super) fn new(
        wish: Wish,
        volume: f32,
        breaker: Arc<Breaker>,
        playback: watch::Sender<Playback>,
        news: broadcast::Sender<String>,
        broke: Arc<AtomicBool>,
    ) -> Self {
        let through = Arc::default();
        Self { wish, volume, breaker, playback, news, broke, stream: None, through }
    }

    /// Serves until nobody can order any more; then what is queued is dropped.
    pub(super) fn run(mut self, orders: &blocking::Receiver<Order>) {
        loop {
            let patience = match (&self.stream, self.plays()) {
                (Some(_), true) => LOOK,
                (Some(_), false) => IDLE,
                (None, _) => Duration::from_secs(3600),
            };
            match orders.recv_timeout(patience) {
                Ok(Order::Play(sound, answer)) => {
                    let result = self.queue(&sound).map(|()| {
                        self.playback.send_replace(Playback::Playing);
                    });
                    // Whoever asked may have gone.
                    let _ = answer.send(result);
                }
                Ok(Order::Cue(_)) if self.plays() => {}
                Ok(Order::Cue(sound)) => {
                    if let Err(error) = self.queue(&sound) {
                        tracing::debug!(?error, "a sign can't be heard");
                    }
                }
                Ok(Order::Stop) => self.stop(),
                Err(RecvTimeoutError::Timeout) if self.plays() => self.look(),
                Err(RecvTimeoutError::Timeout) => self.close(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.stop();
        self.close();
    }

    fn queue(&mut self, sound: &Sound) -> Result<(), CallError<Trouble>> {
        let (Some(rate), Some(mono)) = (NonZeroU32::new(sound.rate()), NonZeroU16::new(1)) else {
            return Ok(());
        };
        if self.stream.as_ref().is_some_and(|stream| stream.broken.load(Ordering::Acquire)) {
            self.close();
        }
        if self.stream.is_none() {
            let told = (Arc::clone(&self.through), self.news.clone());
            let tell = move |name: &str, missing: Option<&Missing>| tell(&told.0, &told.1, name, missing);
            let (wish, volume) = (self.wish.clone(), self.volume);
            self.stream = Some(self.breaker.call_sync(|| open(wish, volume, tell))?);
            self.broke.store(false, Ordering::Release);
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        stream.player.append(SamplesBuffer::new(mono, rate, sound.samples().to_vec()));
        stream.player.play();
        stream.since = Instant::now();
        Ok(())
    }

    fn plays(&self) -> bool {
        *self.playback.borrow() == Playback::Playing
    }

    fn silent(&self) {
        self.playback.send_if_modified(|playback| {
            let played = *playback == Playback::Playing;
            if played {
                *playback = Playback::Silent { since: Some(Instant::now()) };
            }
            played
        });
    }

    fn stop(&mut self) {
        // A sign is short, and stays.
        if self.plays()
            && let Some(stream) = &mut self.stream
        {
            stream.player.clear();
        }
        self.silent();
    }

    /// Whether the end has come, or the device is no more.
    fn look(&mut self) {
        let Some(stream) = &mut self.stream else {
            self.silent();
            return;
        };
        let at = (stream.player.len(), stream.player.get_pos());
        if at != stream.at {
            (stream.at, stream.since) = (at, Instant::now());
        }
        let stands = !stream.player.empty() && stream.since.elapsed() > GRACE;
        if stream.broken.load(Ordering::Acquire) || stands {
            tracing::warn!(stands, "the loudspeaker went away");
            // The dependency failed in use, after it had been opened well.
            let _ = self.breaker.call_sync(|| Err::<(), _>(Trouble::Gone));
            self.broke.store(true, Ordering::Release);
            self.close();
            self.silent();
        } else if stream.player.empty() {
            self.silent();
        }
    }

    /// Drops the stream on a thread that may be left behind: ALSA hangs for ever on a dead server.
    fn close(&mut self) {
        if let Some(Stream { sink, player, watch, .. }) = self.stream.take() {
            drop(watch);
            let drop_both = move || drop((player, sink));
            if thread::Builder::new().name("audio-close".into()).spawn(drop_both).is_err() {
                tracing::warn!("no thread to close the loudspeaker on");
            }
        }
    }
}

/// Opens a device, within the limit, and tells its name, now and when it changes.
fn open(
    wish: Wish,
    volume: f32,
    tell: impl Fn(&str, Option<&Missing>) + Send + 'static,
) -> Result<Stream, Trouble> {
    let (sender, receiver) = blocking::sync_channel(1);
    let opening = move || {
        let open = std::panic::AssertUnwindSafe(|| open_here(&wish, volume, tell));
        // Nobody may wait any more.
        let _ = sender.send(std::panic::catch_unwind(open).unwrap_or(Err(Trouble::Broken)));
    };
    thread::Builder::new().name("audio-open".into()).spawn(opening).map_err(|_| Trouble::Broken)?;
    receiver.recv_timeout(OPEN).unwrap_or(Err(Trouble::Stuck))
}

fn open_here(
    wish: &Wish,
    volume: f32,
    tell: impl Fn(&str, Option<&Missing>) + Send + 'static,
) -> Result<Stream, Trouble> {
    let Chosen { place, name, missing } = device::choose(Direction::Output, wish)?;
    let (device, server) = match place {
        Place::Server { connection, device } => (at_server(&device)?, Some((connection, device))),
        Place::Alsa(device) => (device, None),
    };
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
    let player = Player::connect_new(sink.mixer());
    player.set_volume(volume);
    tell(&name, missing.as_ref());
    // Without a watch it plays all the same.
    let watch = server.and_then(|(connection, device)| follow(connection, &device, wish.clone(), tell).ok());
    Ok(Stream { watch, sink, player, broken, at: (0, Duration::ZERO), since: Instant::now() })
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
    tell: impl Fn(&str, Option<&Missing>) + Send + 'static,
) -> Result<Reading, Trouble> {
    connection.subscribe(Direction::Output)?;
    let mut watch = Watch::new(Direction::Output, wish, device);
    Reading::start(connection, "audio-watch", move |connection| {
        while let Ok(message) = connection.message() {
            if !matches!(message, Message::News(Command::SubscribeEvent(_))) {
                continue;
            }
            match look(&mut watch, connection) {
                Ok(changes) => changes.iter().for_each(|change| {
                    if let Change::Moved { name, missing, .. } = change {
                        tell(name, missing.as_ref());
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

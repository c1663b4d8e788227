//! Playing sound on a device, on a thread of its own.
//!
//! **Mechanics.** The thread owns the stream, since opening, closing and dropping it may block: opening
//! has a limit, and what hangs is left behind on a spare thread. Sounds are queued without a gap.
//! rodio's end of playback can't be trusted on a server that died, so the thread keeps its own account
//! of when the queue must have ended. An idle stream is closed, which gives the device and the processor
//! back.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self as blocking, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{BufferSize, Device, HostId};
use rodio::buffer::SamplesBuffer;
use rodio::source::UniformSourceIterator;
use rodio::{DeviceSinkBuilder, MixerDeviceSink, Player};
use tokio::sync::{oneshot, watch};

use super::device::{self, Wish};
use super::reference::Reference;
use crate::breaker::{Breaker, CallError, Class, Classify};
use crate::domain::Sound;

/// How long opening may take.
const OPEN: Duration = Duration::from_secs(2);
/// How often a playing stream is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// An idle stream is closed after this.
const IDLE: Duration = Duration::from_secs(10);
/// How much later than it should a queue may end before the device is taken for dead.
const GRACE: Duration = Duration::from_millis(1500);
/// Frames in a buffer. rodio's own choice loses sound on PulseAudio.
const BUFFER: u32 = 2048;

/// Why nothing is heard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SinkError {
    #[error("no loudspeaker was found")]
    NotFound,
    #[error("the loudspeaker can't be opened")]
    Refused,
    #[error("the sound system doesn't answer")]
    Stuck,
    #[error("the loudspeaker went away")]
    Gone,
}

impl Classify for SinkError {
    fn class(&self) -> Class {
        Class::Failure
    }
}

/// What the thread is asked for.
pub(super) enum Order {
    /// Queue a sound, and tell whether that could be done.
    Play(Sound, oneshot::Sender<Result<(), CallError<SinkError>>>),
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
    /// Whether it plays.
    playback: watch::Sender<bool>,
    /// Learns what is played.
    reference: Reference,
    stream: Option<Stream>,
}

struct Stream {
    sink: MixerDeviceSink,
    player: Player,
    /// Plays signs. They are no speech, so that nobody need know of them to tell what is.
    signs: Player,
    broken: Arc<AtomicBool>,
    /// When what is queued must have ended.
    ends: Instant,
}

impl Sink {
    pub(super) fn new(
        wish: Wish,
        volume: f32,
        breaker: Arc<Breaker>,
        playback: watch::Sender<bool>,
        reference: Reference,
    ) -> Self {
        Self { wish, volume, breaker, playback, reference, stream: None }
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
                    let result = self.queue(&sound, |stream| &stream.player).map(|()| {
                        self.playback.send_replace(true);
                    });
                    // Whoever asked may have gone.
                    let _ = answer.send(result);
                }
                Ok(Order::Cue(_)) if self.plays() => {}
                Ok(Order::Cue(sound)) => {
                    if let Err(error) = self.queue(&sound, |stream| &stream.signs) {
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

    fn queue(
        &mut self,
        sound: &Sound,
        player: impl Fn(&Stream) -> &Player,
    ) -> Result<(), CallError<SinkError>> {
        let (Some(rate), Some(mono)) = (NonZeroU32::new(sound.rate()), NonZeroU16::new(1)) else {
            return Ok(());
        };
        if self.stream.as_ref().is_some_and(|stream| stream.broken.load(Ordering::Acquire)) {
            self.close();
        }
        if self.stream.is_none() {
            let (wish, volume, reference) = (self.wish.clone(), self.volume, self.reference.clone());
            self.stream = Some(self.breaker.call_sync(|| open(wish, volume, reference))?);
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let player = player(stream);
        player.append(SamplesBuffer::new(mono, rate, sound.samples().to_vec()));
        player.play();
        stream.ends = stream.ends.max(Instant::now()) + sound.duration();
        Ok(())
    }

    fn plays(&self) -> bool {
        *self.playback.borrow()
    }

    fn silent(&self) {
        self.playback.send_if_modified(std::mem::take);
    }

    fn stop(&mut self) {
        if self.plays()
            && let Some(stream) = &mut self.stream
        {
            clear(&stream.player);
            stream.ends = Instant::now();
        }
        self.silent();
    }

    /// Whether the end has come, or the device is no more.
    fn look(&mut self) {
        let Some(stream) = &self.stream else {
            self.silent();
            return;
        };
        let late = Instant::now() > stream.ends + GRACE;
        if stream.broken.load(Ordering::Acquire) || late && !stream.player.empty() {
            tracing::warn!(late, "the loudspeaker went away");
            // The dependency failed in use, after it had been opened well.
            let _ = self.breaker.call_sync(|| Err::<(), _>(SinkError::Gone));
            self.close();
            self.silent();
        } else if stream.player.empty() {
            self.silent();
        }
    }

    /// Drops the stream on a thread that may be left behind: ALSA hangs for ever on a dead server.
    fn close(&mut self) {
        if let Some(Stream { sink, player, signs, .. }) = self.stream.take() {
            let drop_both = move || drop((player, signs, sink));
            if thread::Builder::new().name("audio-close".into()).spawn(drop_both).is_err() {
                tracing::warn!("no thread to close the loudspeaker on");
            }
        }
    }
}

/// Drops what is queued. rodio's own way of it waits until the stream has taken note, which one whose server has died
/// never does; and with it this thread, and every answer from then on.
fn clear(player: &Player) {
    for _ in 0..player.len() {
        player.skip_one();
    }
}

/// Opens a device, within the limit.
fn open(wish: Wish, volume: f32, reference: Reference) -> Result<Stream, SinkError> {
    let (sender, receiver) = blocking::sync_channel(1);
    let opening = move || {
        let opened =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open_here(&wish, volume, &reference)))
                .unwrap_or(Err(SinkError::Refused));
        // Nobody may wait any more.
        let _ = sender.send(opened);
    };
    thread::Builder::new().name("audio-open".into()).spawn(opening).map_err(|_| SinkError::Refused)?;
    receiver.recv_timeout(OPEN).unwrap_or(Err(SinkError::Stuck))
}

fn open_here(wish: &Wish, volume: f32, reference: &Reference) -> Result<Stream, SinkError> {
    device::silence_alsa();
    let broken = Arc::new(AtomicBool::new(false));
    let latch = Arc::clone(&broken);
    let refused = |error: &dyn std::fmt::Display| {
        tracing::warn!(%error, "the loudspeaker can't be opened");
        SinkError::Refused
    };
    let mut sink = DeviceSinkBuilder::from_device(choose(wish)?)
        .map_err(|error| refused(&error))?
        .with_buffer_size(BufferSize::Fixed(BUFFER))
        // It may be called hundreds of thousands of times in a second: latch, and say nothing.
        .with_error_callback(move |_| latch.store(true, Ordering::Release))
        .open_stream()
        .map_err(|error| refused(&error))?;
    sink.log_on_drop(false);
    let (player, queue) = Player::new();
    let (channels, rate) = (sink.config().channel_count(), sink.config().sample_rate());
    // As the device gets it, so that what is known of it is what is heard.
    sink.mixer().add(reference.tap(UniformSourceIterator::new(queue, channels, rate)));
    let signs = Player::connect_new(sink.mixer());
    player.set_volume(volume);
    signs.set_volume(volume);
    Ok(Stream { sink, player, signs, broken, ends: Instant::now() })
}

/// The device to play on: the sound server's when one answers, else ALSA's.
fn choose(wish: &Wish) -> Result<Device, SinkError> {
    let host = cpal::host_from_id(HostId::PulseAudio)
        .or_else(|_| cpal::host_from_id(HostId::Alsa))
        .map_err(|_| SinkError::NotFound)?;
    let named = match wish {
        Wish::Auto => None,
        Wish::Named(part) => host.devices().ok().and_then(|mut devices| {
            devices.find(|device| device.supports_output() && device::is_called(device, part))
        }),
    };
    // ALSA always names a default device; only asking how it plays tells whether there is one.
    named
        .or_else(|| host.default_output_device())
        .filter(|device| device.default_output_config().is_ok())
        .ok_or(SinkError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(level: f32) -> SamplesBuffer {
        let (mono, rate) = (NonZeroU16::new(1).unwrap(), NonZeroU32::new(48_000).unwrap());
        SamplesBuffer::new(mono, rate, vec![level; 48_000])
    }

    #[test]
    fn what_a_dead_stream_has_queued_is_dropped_without_waiting_for_it() {
        let (player, queue) = Player::new();
        player.append(tone(0.5));
        player.append(tone(0.5));
        let (sender, cleared) = blocking::sync_channel(1);
        thread::spawn(move || {
            // Nobody takes what is queued.
            clear(&player);
            sender.send(player).unwrap();
        });
        let player = cleared.recv_timeout(Duration::from_secs(20)).expect("it waits for a dead stream");
        // Of a stream that lives, nothing of it is heard, and all that comes after it.
        player.append(tone(0.25));
        let heard: Vec<f32> = queue.take(100_000).filter(|sample| *sample != 0.0).collect();
        let before = heard.iter().filter(|sample| **sample > 0.4).count();
        assert!(before < 1_000, "{before} samples of what was dropped");
        assert_eq!(heard.len() - before, 48_000);
    }
}

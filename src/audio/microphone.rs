//! A microphone that is open and delivers.
//!
//! **Mechanics.** The sound system calls back on its own thread whenever it has samples. The
//! callback turns them into floats, pushes them into a lock-free ring and wakes the listening
//! thread, nothing else: a callback that waits loses sound. Errors are latched, once: some failures
//! call back hundreds of thousands of times a second.
//!
//! The ring holds [`RING`] of sound. If the listening thread is starved for longer, the newest
//! samples are dropped and counted, and the listener says so.
//!
//! A dead stream may hang for ever when it is dropped, so that happens on a spare thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, Device, ErrorKind, FromSample, SampleFormat, SizedSample, Stream, StreamConfig};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::breaker::{Class, Classify};
use crate::domain::SAMPLE_RATE;

use super::device::{Chosen, Place, SoundSystem, Wish};
use super::resample::{Resampler, downmix};
use super::whereabouts::Whereabouts;

/// How much sound the ring holds.
const RING: Duration = Duration::from_secs(8);
/// Samples asked for at a time: twice the detector's chunk, since every delivery costs the sound
/// server's library far more than the samples in it.
const PERIOD: u32 = 1024;

/// Why a microphone can't be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum MicrophoneError {
    #[error("no microphone was found")]
    NotFound,
    #[error("the microphone is used by another program")]
    Busy,
    #[error("the microphone may not be used")]
    Forbidden,
    #[error("the microphone delivers no kind of sound that is understood")]
    Unsupported,
    #[error("the sound server has gone")]
    ServerGone,
    #[error("the microphone delivers nothing")]
    Silent,
    #[error("the sound system does not answer")]
    Stuck,
    #[error("the sound system does not work")]
    Broken,
}

impl MicrophoneError {
    /// What the user can do about it.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::NotFound => "plug one in, and it is taken up; `voice-terminal doctor` lists what there is",
            Self::Busy => "close the program that uses it, or choose another one with audio.input",
            Self::Forbidden => {
                "allow it in the system's privacy settings, or add yourself to the group `audio`"
            }
            Self::Unsupported => "choose another one with audio.input; `voice-terminal doctor` lists them",
            Self::ServerGone => {
                "it is taken up again when the server is back: systemctl --user restart pipewire-pulse (or pulseaudio)"
            }
            Self::Silent => "unplug it and plug it in again, or restart the sound server",
            Self::Stuck | Self::Broken => "restart the sound server; the log has the details",
        }
    }
}

impl Classify for MicrophoneError {
    /// A machine without a microphone has a sound system that works: that it has none is an answer,
    /// and must not delay taking one up that is plugged in.
    fn class(&self) -> Class {
        match self {
            Self::NotFound => Class::Caller,
            _ => Class::Failure,
        }
    }
}

/// An open stream of sound.
pub(super) struct Microphone {
    stream: Option<Stream>,
    whereabouts: Option<Whereabouts>,
    shared: Arc<Shared>,
    ring: Consumer<f32>,
    channels: usize,
    rate: u32,
    resampler: Resampler,
    mono: Vec<f32>,
    /// Its name, to tell the user.
    pub(super) name: String,
    /// Whether it is not the one that was asked for by name.
    pub(super) instead: bool,
}

/// What the callbacks and the listening thread share.
#[derive(Default)]
struct Shared {
    listener: OnceLock<Thread>,
    arrived: AtomicBool,
    dropped: AtomicU64,
    moved: AtomicBool,
    fault: OnceLock<ErrorKind>,
}

impl Shared {
    fn wake(&self) {
        if let Some(listener) = self.listener.get() {
            listener.unpark();
        }
    }

    fn fail(&self, kind: ErrorKind) {
        // These leave the stream running.
        if matches!(kind, ErrorKind::Xrun | ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged) {
            return;
        }
        if self.fault.get().is_none() && self.fault.set(kind).is_ok() {
            self.wake();
        }
    }
}

impl Microphone {
    /// Opens the microphone that is wished for, and waits until sound arrives from it, at most
    /// `patience`. Blocks, possibly for ever: call it on a thread that can be left behind.
    pub(super) fn open(
        system: &mut SoundSystem,
        wish: &Wish,
        patience: Duration,
    ) -> Result<Self, MicrophoneError> {
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let mut chosen = system.choose(wish)?;
            let place = chosen.place.take();
            Ok((Self::start(chosen)?, place))
        }));
        let opened = opened.unwrap_or(Err(MicrophoneError::Broken));
        let opened = opened.and_then(|(microphone, place)| Ok((microphone.delivering(patience)?, place)));
        match opened {
            Ok((mut microphone, place)) => {
                microphone.stay(std::mem::take(system), place);
                Ok(microphone)
            }
            Err(error) => {
                if error != MicrophoneError::NotFound {
                    system.forget();
                }
                Err(error)
            }
        }
    }

    /// From now on it is noticed when the sound server moves the stream.
    fn stay(&mut self, system: SoundSystem, place: Option<Place>) {
        let shared = Arc::clone(&self.shared);
        let moved = move || {
            shared.moved.store(true, Ordering::Release);
            shared.wake();
        };
        self.whereabouts = place.map(|place| Whereabouts::watch(system, place, moved));
    }

    fn start(Chosen { device, name, instead, .. }: Chosen) -> Result<Self, MicrophoneError> {
        let best =
            StreamConfig { channels: 1, sample_rate: SAMPLE_RATE, buffer_size: BufferSize::Fixed(PERIOD) };
        let (stream, config, shared, ring) = match build(&device, best, SampleFormat::I16) {
            Ok((stream, shared, ring)) => (stream, best, shared, ring),
            Err(error) => {
                tracing::debug!(%error, "no 16 kHz mono from this device; taking what it has");
                let native = device.default_input_config()?;
                let config = native.config();
                let (stream, shared, ring) = build(&device, config, native.sample_format())?;
                (stream, config, shared, ring)
            }
        };
        let resampler = Resampler::new(config.sample_rate).map_err(|_| MicrophoneError::Unsupported)?;
        let channels = usize::from(config.channels).max(1);
        let microphone = Self {
            stream: Some(stream),
            whereabouts: None,
            shared,
            ring,
            channels,
            rate: config.sample_rate,
            resampler,
            mono: Vec::new(),
            name,
            instead,
        };
        if let Some(stream) = &microphone.stream {
            stream.play()?;
        }
        tracing::info!(rate = config.sample_rate, channels, "listening to {}", microphone.name);
        Ok(microphone)
    }

    /// Waits for the first sound.
    fn delivering(self, patience: Duration) -> Result<Self, MicrophoneError> {
        // Polled, since this thread may not be the one that listens later.
        const POLL: Duration = Duration::from_millis(5);
        let begun = Instant::now();
        loop {
            if self.shared.arrived.load(Ordering::Acquire) {
                return Ok(self);
            }
            if let Some(fault) = self.fault() {
                return Err(fault);
            }
            if begun.elapsed() >= patience {
                return Err(MicrophoneError::Silent);
            }
            std::thread::sleep(POLL);
        }
    }

    /// From now on this thread is woken (unparked) when there are samples or a fault.
    pub(super) fn wake_me(&self) {
        // Only one thread ever listens; a second call is without effect.
        let _ = self.shared.listener.set(std::thread::current());
    }

    /// Appends what has arrived since the last call, as 16 kHz mono, to `out`; `false` if nothing has.
    pub(super) fn take(&mut self, out: &mut Vec<f32>) -> bool {
        let Ok(chunk) = self.ring.read_chunk(self.ring.slots()) else { return false };
        if chunk.is_empty() {
            return false;
        }
        self.mono.clear();
        let (first, second) = chunk.as_slices();
        if first.len().is_multiple_of(self.channels) {
            downmix(first, self.channels, &mut self.mono);
            downmix(second, self.channels, &mut self.mono);
        } else {
            downmix(&[first, second].concat(), self.channels, &mut self.mono);
        }
        chunk.commit_all();
        self.resampler.push(&self.mono, out);
        true
    }

    /// What went wrong with the stream, if it is known to be dead.
    pub(super) fn fault(&self) -> Option<MicrophoneError> {
        self.shared.fault.get().map(|&kind| match MicrophoneError::from(cpal::Error::new(kind)) {
            // It was there a moment ago.
            MicrophoneError::Unsupported => MicrophoneError::Broken,
            fault => fault,
        })
    }

    /// Whether the sound server may have moved the stream: what comes from now on, and came a moment
    /// ago, may be anything, such as what the loudspeaker plays.
    pub(super) fn moved(&self) -> bool {
        self.shared.moved.load(Ordering::Acquire)
    }

    /// How much sound, since the last call, found the ring full and was lost.
    pub(super) fn lost(&self) -> Option<Duration> {
        let samples = self.shared.dropped.swap(0, Ordering::Relaxed);
        let frames = samples / self.channels as u64;
        (samples > 0).then(|| Duration::from_secs_f64(frames as f64 / f64::from(self.rate)))
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            let whereabouts = self.whereabouts.take();
            let spare = std::thread::Builder::new().name("audio-drop".into());
            let close = move || {
                // The connection closes with the stream's own farewell, if nobody else holds it then.
                drop(whereabouts);
                drop(stream);
            };
            // Without a thread to spare, leaking a stream is better than hanging on it.
            if let Err(error) = spare.spawn(close) {
                tracing::warn!(%error, "no thread to close a stream on");
            }
        }
    }
}

type Built = (Stream, Arc<Shared>, Consumer<f32>);

fn build(device: &Device, config: StreamConfig, format: SampleFormat) -> Result<Built, MicrophoneError> {
    match format {
        SampleFormat::I8 => build_as::<i8>(device, config),
        SampleFormat::I16 => build_as::<i16>(device, config),
        SampleFormat::I24 => build_as::<cpal::I24>(device, config),
        SampleFormat::I32 => build_as::<i32>(device, config),
        SampleFormat::U8 => build_as::<u8>(device, config),
        SampleFormat::U16 => build_as::<u16>(device, config),
        SampleFormat::F32 => build_as::<f32>(device, config),
        SampleFormat::F64 => build_as::<f64>(device, config),
        _ => Err(MicrophoneError::Unsupported),
    }
}

fn build_as<T>(device: &Device, config: StreamConfig) -> Result<Built, MicrophoneError>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    /// For the sound server's answer to the wish for a stream.
    const PATIENCE: Duration = Duration::from_secs(2);

    let shared = Arc::new(Shared::default());
    let channels = usize::from(config.channels).max(1);
    let samples = RING.as_secs() as usize * config.sample_rate as usize * channels;
    let (mut producer, consumer) = RingBuffer::new(samples);
    let (of_data, of_errors) = (Arc::clone(&shared), Arc::clone(&shared));
    let stream = device.build_input_stream(
        config,
        move |data: &[T], _: &cpal::InputCallbackInfo| deliver(data, channels, &mut producer, &of_data),
        move |error: cpal::Error| of_errors.fail(error.kind()),
        Some(PATIENCE),
    )?;
    Ok((stream, shared, consumer))
}

/// Runs on the sound system's thread. The ring only ever holds whole frames.
fn deliver<T: Copy>(data: &[T], channels: usize, ring: &mut Producer<f32>, shared: &Shared)
where
    f32: FromSample<T>,
{
    let room = ring.slots().min(data.len()) / channels * channels;
    if let Ok(chunk) = ring.write_chunk_uninit(room) {
        chunk.fill_from_iter(data.iter().map(|&sample| <f32 as FromSample<T>>::from_sample_(sample)));
    }
    if room < data.len() {
        shared.dropped.fetch_add((data.len() - room) as u64, Ordering::Relaxed);
    }
    shared.arrived.store(true, Ordering::Release);
    shared.wake();
}

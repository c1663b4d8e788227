//! A microphone that is open and delivers.
//!
//! **Mechanics.** Sound comes from the server's connection ([`capture`]) or from ALSA's callback, on a thread of
//! its own. What comes is turned into floats, pushed into a lock-free ring, and the listening thread is woken,
//! nothing else: a callback that waits loses sound. Errors are latched, once: some failures call back hundreds of
//! thousands of times a second.
//!
//! The ring holds [`RING`] of sound. If the listening thread is starved for longer, the newest
//! samples are dropped and counted, and the listener says so.
//!
//! A dead stream of ALSA's may hang for ever when it is dropped, so that happens on a spare thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, Device, ErrorKind, FromSample, SampleFormat, SizedSample, Stream, StreamConfig};
use parking_lot::Mutex;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::domain::SAMPLE_RATE;

use super::capture::{self, News};
use super::device::{self, Found, Missing, Place, Wish};
use super::patience::Patience;
use super::pulse::{Connection, Reading};
use super::resample::{Resampler, downmix};
use super::trouble::{Direction, Trouble};
use super::vad::CHUNK;
use super::watch::Change;

/// How much sound the ring holds.
const RING: Duration = Duration::from_secs(8);
/// Frames that ALSA is asked for at a time.
const PERIOD: u32 = 1024;

/// An open stream of sound.
pub(super) struct Microphone {
    stream: Option<Source>,
    shared: Arc<Shared>,
    ring: Consumer<f32>,
    channels: usize,
    rate: u32,
    resampler: Resampler,
    mono: Vec<f32>,
    /// Its name, to tell the user.
    pub(super) name: String,
    /// That it is not the one that was asked for by name.
    pub(super) missing: Option<Missing>,
}

/// Where sound comes from.
enum Source {
    Server {
        /// Held open.
        _recording: Reading,
        /// The command that unmutes it.
        unmute: String,
    },
    Alsa {
        /// Held open.
        _stream: Stream,
    },
}

/// What the callbacks and the listening thread share.
#[derive(Default)]
struct Shared {
    listener: OnceLock<Thread>,
    arrived: AtomicBool,
    dropped: AtomicU64,
    has_changed: AtomicBool,
    changes: Mutex<Vec<Change>>,
    fault: OnceLock<Trouble>,
}

impl Shared {
    fn wake(&self) {
        if let Some(listener) = self.listener.get() {
            listener.unpark();
        }
    }

    fn fail(&self, trouble: Trouble) {
        if self.fault.get().is_none() && self.fault.set(trouble).is_ok() {
            self.wake();
        }
    }

    fn tell(&self, change: Change) {
        self.changes.lock().push(change);
        self.has_changed.store(true, Ordering::Release);
        self.wake();
    }
}

impl Microphone {
    /// Opens the microphone that is wished for, and waits until sound arrives from it, at most
    /// `patience`. Blocks, with ALSA possibly for ever: call it on a thread that can be left behind.
    pub(super) fn open(wish: &Wish, patience: Duration) -> Result<Self, Trouble> {
        let open = AssertUnwindSafe(|| {
            let chosen = device::choose(Direction::Input, wish)?;
            match chosen.place {
                Place::Server { connection, device } => Self::at_server(connection, &device, wish),
                Place::Alsa(device) => Self::of_alsa(&device),
            }
            .map(|mut microphone| {
                (microphone.name, microphone.missing) = (chosen.name, chosen.missing);
                microphone
            })
        });
        let microphone = catch_unwind(open).unwrap_or(Err(Trouble::Broken))?;
        tracing::info!(microphone.rate, microphone.channels, "listening to {}", microphone.name);
        microphone.delivering(patience)
    }

    fn at_server(connection: Connection, device: &Found, wish: &Wish) -> Result<Self, Trouble> {
        let shared = Arc::new(Shared::default());
        let (mut producer, ring) = RingBuffer::new(RING.as_secs() as usize * SAMPLE_RATE as usize);
        let told = Arc::clone(&shared);
        let tell = move |news: News<'_>| match news {
            News::Sound(bytes) => {
                let (samples, _) = bytes.as_chunks();
                let samples = samples.iter().map(|&sample| i16::from_le_bytes(sample));
                deliver(samples, 1, &mut producer, &told);
            }
            News::Changed(change) => told.tell(change),
            News::Failed(trouble) => told.fail(trouble),
        };
        let recording = capture::record(connection, device, wish.clone(), tell)?;
        let unmute = device::unmute(Direction::Input, &device.id);
        Self::with(Source::Server { _recording: recording, unmute }, shared, ring, 1, SAMPLE_RATE)
    }

    fn of_alsa(device: &Device) -> Result<Self, Trouble> {
        let best =
            StreamConfig { channels: 1, sample_rate: SAMPLE_RATE, buffer_size: BufferSize::Fixed(PERIOD) };
        let (config, (stream, shared, ring)) = match build(device, best, SampleFormat::I16) {
            Ok(built) => (best, built),
            Err(error) => {
                tracing::debug!(%error, "no 16 kHz mono from this device; taking what it has");
                let native = device.default_input_config()?;
                (native.config(), build(device, native.config(), native.sample_format())?)
            }
        };
        stream.play()?;
        let channels = usize::from(config.channels).max(1);
        Self::with(Source::Alsa { _stream: stream }, shared, ring, channels, config.sample_rate)
    }

    fn with(
        stream: Source,
        shared: Arc<Shared>,
        ring: Consumer<f32>,
        channels: usize,
        rate: u32,
    ) -> Result<Self, Trouble> {
        let resampler = Resampler::new(rate).map_err(|_| Trouble::Unsupported)?;
        let (stream, mono, name) = (Some(stream), Vec::new(), String::new());
        Ok(Self { stream, shared, ring, channels, rate, resampler, mono, name, missing: None })
    }

    /// Waits for the first sound.
    fn delivering(self, patience: Duration) -> Result<Self, Trouble> {
        // Polled, since this thread may not be the one that listens later.
        const POLL: Duration = Duration::from_millis(5);
        let mut waiting = Patience::begin(Instant::now());
        loop {
            if self.shared.arrived.load(Ordering::Acquire) {
                return Ok(self);
            }
            if let Some(fault) = self.fault() {
                return Err(fault);
            }
            if waiting.waited(Instant::now()) >= patience {
                return Err(Trouble::Silent);
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
    pub(super) fn fault(&self) -> Option<Trouble> {
        self.shared.fault.get().copied()
    }

    /// What has changed since the last call, though it goes on delivering.
    pub(super) fn changes(&mut self) -> Vec<Change> {
        if !self.shared.has_changed.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let changes = std::mem::take(&mut *self.shared.changes.lock());
        for change in &changes {
            if let (Change::Moved { name, id, .. }, Some(Source::Server { unmute, .. })) =
                (change, &mut self.stream)
            {
                self.name.clone_from(name);
                *unmute = device::unmute(Direction::Input, id);
            }
        }
        changes
    }

    /// Whether it serves in the place of one that comes without a word from the sound system.
    pub(super) fn waits_for_nodes(&self) -> bool {
        self.missing.is_some() && matches!(self.stream, Some(Source::Alsa { .. }))
    }

    /// What to do where nothing but silence comes from it.
    pub(super) fn unmuting(&self) -> String {
        match &self.stream {
            Some(Source::Server { unmute, .. }) => format!("Try its own switch, or `{unmute}`."),
            _ => "Try its own switch, or `alsamixer` (F4).".into(),
        }
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
        // One that hangs, or whose server does, must not keep anybody from being told.
        if let Some(stream) = self.stream.take() {
            let spare = std::thread::Builder::new().name("audio-drop".into());
            // Without a thread to spare, leaking a stream is better than hanging on it.
            if let Err(error) = spare.spawn(move || drop(stream)) {
                tracing::warn!(%error, "no thread to close a stream on");
            }
        }
    }
}

type Built = (Stream, Arc<Shared>, Consumer<f32>);

fn build(device: &Device, config: StreamConfig, format: SampleFormat) -> Result<Built, Trouble> {
    match format {
        SampleFormat::I8 => build_as::<i8>(device, config),
        SampleFormat::I16 => build_as::<i16>(device, config),
        SampleFormat::I24 => build_as::<cpal::I24>(device, config),
        SampleFormat::I32 => build_as::<i32>(device, config),
        SampleFormat::U8 => build_as::<u8>(device, config),
        SampleFormat::U16 => build_as::<u16>(device, config),
        SampleFormat::F32 => build_as::<f32>(device, config),
        SampleFormat::F64 => build_as::<f64>(device, config),
        _ => Err(Trouble::Unsupported),
    }
}

fn build_as<T>(device: &Device, config: StreamConfig) -> Result<Built, Trouble>
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
        move |data: &[T], _: &cpal::InputCallbackInfo| {
            deliver(data.iter().copied(), channels, &mut producer, &of_data);
        },
        move |error: cpal::Error| {
            // These leave the stream running. One that was told is dead, and needn't be told again.
            let alive = [ErrorKind::Xrun, ErrorKind::RealtimeDenied, ErrorKind::DeviceChanged];
            if !alive.contains(&error.kind()) && of_errors.fault.get().is_none() {
                of_errors.fail(fault(error));
            }
        },
        Some(PATIENCE),
    )?;
    Ok((stream, shared, consumer))
}

/// What an error means to a stream that ran.
fn fault(error: cpal::Error) -> Trouble {
    match Trouble::from(error) {
        // It was there a moment ago.
        Trouble::NotFound => Trouble::Gone,
        Trouble::Unsupported => Trouble::Broken,
        trouble => trouble,
    }
}

/// Runs on the sound system's thread. The ring only ever holds whole frames.
fn deliver<T>(
    data: impl ExactSizeIterator<Item = T>,
    channels: usize,
    ring: &mut Producer<f32>,
    shared: &Shared,
) where
    f32: FromSample<T>,
{
    let length = data.len();
    let room = ring.slots().min(length) / channels * channels;
    if let Ok(chunk) = ring.write_chunk_uninit(room) {
        chunk.fill_from_iter(data.map(<f32 as FromSample<T>>::from_sample_));
    }
    if room < length {
        shared.dropped.fetch_add((length - room) as u64, Ordering::Relaxed);
    }
    shared.arrived.store(true, Ordering::Release);
    // Some devices deliver a few samples at a time. Less than a chunk is no work yet.
    if ring.buffer().capacity() - ring.slots() >= CHUNK * channels {
        shared.wake();
    }
}

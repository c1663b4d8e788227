//! What the loudspeaker plays, for whoever has to tell it from what is heard.
//!
//! **Mechanics.** A tap sits where the sound goes to the device, behind volume and mixing, and puts every
//! sample into a lock-free ring; the listening thread takes them out. The tap runs on the sound system's thread
//! and never waits. Every stream of the loudspeaker has a ring of its own, so that it is noticed when another
//! one begins; so is sound that found its ring full, because then nobody knows any more which sample is which; and
//! so is it when sound goes to another loudspeaker, in a new stream or in the midst of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rodio::Source;
use rodio::source::SeekError;
use rtrb::{Consumer, Producer, RingBuffer};

use super::resample::Resampler;

/// How much sound a ring holds. The listening thread takes it several times a second.
const RING: Duration = Duration::from_secs(4);

/// Joins a [`Mouth`](super::Mouth) with the [`Ear`](super::Ear) that shares its room.
#[derive(Debug, Clone, Default)]
pub struct Reference(Arc<Mutex<Loudspeaker>>);

/// Where sound goes.
#[derive(Debug, Default)]
struct Loudspeaker {
    /// A stream that nobody has taken yet.
    stream: Option<Stream>,
    device: String,
    /// Whether that is another one than when this was looked at last.
    is_another: bool,
    /// Whether somebody talks through it, pauses included.
    talks: bool,
}

/// A stream of the loudspeaker that nobody has taken yet.
struct Stream {
    ring: Consumer<f32>,
    overrun: Arc<AtomicBool>,
    resampler: Resampler,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl Reference {
    /// From now on sound goes to the device of this name.
    pub(super) fn goes_to(&self, device: &str) {
        let mut loudspeaker = self.0.lock();
        if loudspeaker.device != device {
            device.clone_into(&mut loudspeaker.device);
            loudspeaker.is_another = true;
        }
    }

    /// Whether somebody talks through it from now on, though there may be pauses.
    pub(super) fn talks(&self, talks: bool) {
        self.0.lock().talks = talks;
    }

    /// Sees to it that what comes from this source, and goes to the device as it is, is known.
    pub(super) fn tap<S: Source>(&self, source: S) -> Tap<S> {
        let rate = source.sample_rate().get();
        let (producer, ring) = RingBuffer::new(RING.as_secs() as usize * rate as usize);
        let overrun = Arc::<AtomicBool>::default();
        // At a rate that can't be resampled it isn't known what is played; nothing comes out of a ring without reader.
        let stream = Resampler::new(rate).ok();
        self.0.lock().stream =
            stream.map(|resampler| Stream { ring, overrun: Arc::clone(&overrun), resampler });
        Tap { source, producer, overrun, channel: 0, sum: 0.0 }
    }

    /// The listening thread's end.
    pub(super) fn feed(&self) -> Feed {
        Feed { reference: self.clone(), stream: None, mono: Vec::new() }
    }
}

/// Passes samples on, and notes them.
pub(super) struct Tap<S> {
    source: S,
    producer: Producer<f32>,
    overrun: Arc<AtomicBool>,
    channel: u16,
    sum: f32,
}

impl<S: Source> Iterator for Tap<S> {
    type Item = rodio::Sample;

    fn next(&mut self) -> Option<rodio::Sample> {
        let sample = self.source.next()?;
        let channels = self.source.channels().get();
        self.sum += sample;
        self.channel += 1;
        if self.channel >= channels {
            if self.producer.push(self.sum / f32::from(channels)).is_err() {
                self.overrun.store(true, Ordering::Release);
            }
            (self.channel, self.sum) = (0, 0.0);
        }
        Some(sample)
    }
}

impl<S: Source> Source for Tap<S> {
    fn current_span_len(&self) -> Option<usize> {
        self.source.current_span_len()
    }

    fn channels(&self) -> rodio::ChannelCount {
        self.source.channels()
    }

    fn sample_rate(&self) -> rodio::SampleRate {
        self.source.sample_rate()
    }

    fn total_duration(&self) -> Option<Duration> {
        self.source.total_duration()
    }

    fn try_seek(&mut self, position: Duration) -> Result<(), SeekError> {
        self.source.try_seek(position)
    }
}

/// Gives what is played, as 16 kHz mono.
pub(super) struct Feed {
    reference: Reference,
    stream: Option<Stream>,
    mono: Vec<f32>,
}

/// Whether what was played goes on from what was played before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Continuity {
    /// It does, or nothing is played.
    Continues,
    /// It is another stream, or some of this one is missing.
    Begins,
    /// It is heard from another loudspeaker.
    Elsewhere,
}

impl Feed {
    /// Appends what was handed to the device since the last call.
    pub(super) fn take(&mut self, out: &mut Vec<f32>) -> Continuity {
        let (new, is_another) = {
            let mut loudspeaker = self.reference.0.lock();
            (loudspeaker.stream.take(), std::mem::take(&mut loudspeaker.is_another))
        };
        let begins = new.is_some();
        self.stream = new.or(self.stream.take());
        let mut continuity = match (is_another, begins) {
            (true, _) => Continuity::Elsewhere,
            (false, true) => Continuity::Begins,
            (false, false) => Continuity::Continues,
        };
        let Some(stream) = &mut self.stream else { return continuity };
        let closed = stream.ring.is_abandoned();
        if let Ok(chunk) = stream.ring.read_chunk(stream.ring.slots()) {
            let (first, second) = chunk.as_slices();
            self.mono.clear();
            self.mono.extend_from_slice(first);
            self.mono.extend_from_slice(second);
            chunk.commit_all();
            stream.resampler.push(&self.mono, out);
        }
        if stream.overrun.swap(false, Ordering::AcqRel) && continuity == Continuity::Continues {
            continuity = Continuity::Begins;
        }
        if closed {
            self.stream = None;
        }
        continuity
    }

    /// Whether somebody is talking, though nothing may sound at the moment.
    pub(super) fn talks(&self) -> bool {
        self.reference.0.lock().talks
    }

    /// Forgets what was played until now: another microphone begins.
    pub(super) fn begin(&mut self) {
        let mut before = Vec::new();
        self.take(&mut before);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // Whoever listens next goes on with it, unless there is another one by then.
        if let Some(stream) = self.stream.take() {
            self.reference.0.lock().stream.get_or_insert(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use rodio::buffer::SamplesBuffer;

    use super::*;

    fn source(samples: Vec<f32>, channels: u16) -> SamplesBuffer {
        SamplesBuffer::new(NonZero::new(channels).unwrap(), NonZero::new(16_000).unwrap(), samples)
    }

    #[test]
    fn what_is_played_is_known_and_a_new_stream_is_noticed() {
        let reference = Reference::default();
        let mut feed = reference.feed();
        let mut known = Vec::new();
        assert_eq!(feed.take(&mut known), Continuity::Continues);
        let mut tap = reference.tap(source(vec![0.2, 0.4, 0.5, -0.5], 2));
        assert_eq!(tap.by_ref().take(2).collect::<Vec<_>>(), [0.2, 0.4], "it passes as it is");
        assert_eq!(feed.take(&mut known), Continuity::Begins);
        assert_eq!(tap.by_ref().count(), 2);
        drop(tap);
        assert_eq!(feed.take(&mut known), Continuity::Continues);
        assert!(known.iter().zip([0.3, 0.0]).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{known:?}");
        assert!(feed.stream.is_none(), "a closed stream is let go");
        drop(reference.tap(source(vec![0.1], 1)));
        assert_eq!(feed.take(&mut known), Continuity::Begins);
    }

    #[test]
    fn another_loudspeaker_is_noticed_in_the_midst_of_a_stream_and_with_the_next() {
        let reference = Reference::default();
        let (mut feed, mut known) = (reference.feed(), Vec::new());
        reference.goes_to("one");
        let mut tap = reference.tap(source(vec![0.1; 9], 1));
        assert_eq!(feed.take(&mut known), Continuity::Elsewhere, "the first is another than none");
        tap.by_ref().take(3).for_each(drop);
        reference.goes_to("one");
        assert_eq!(feed.take(&mut known), Continuity::Continues);
        tap.by_ref().take(3).for_each(drop);
        reference.goes_to("other");
        assert_eq!(feed.take(&mut known), Continuity::Elsewhere);
        assert_eq!(feed.take(&mut known), Continuity::Continues, "it is told once");
        assert_eq!(known.len(), 6);
        drop(tap);
        for (device, told) in [("other", Continuity::Begins), ("one", Continuity::Elsewhere)] {
            reference.goes_to(device);
            drop(reference.tap(source(vec![0.1], 1)));
            assert_eq!(feed.take(&mut known), told);
        }
    }

    #[test]
    fn what_nobody_takes_makes_room_for_a_new_beginning() {
        let reference = Reference::default();
        let mut feed = reference.feed();
        let mut tap = reference.tap(source(vec![0.1; 80_000], 1));
        assert_eq!(feed.take(&mut Vec::new()), Continuity::Begins);
        assert_eq!(tap.by_ref().count(), 80_000, "the loudspeaker never waits");
        let mut known = Vec::new();
        assert_eq!(feed.take(&mut known), Continuity::Begins);
        assert_eq!(known.len(), 64_000);
    }

    #[test]
    fn another_listener_goes_on_with_the_same_stream() {
        let reference = Reference::default();
        let mut feed = reference.feed();
        let mut tap = reference.tap(source(vec![0.1; 20], 1));
        tap.by_ref().take(10).for_each(drop);
        feed.begin();
        drop(feed);
        tap.by_ref().for_each(drop);
        let (mut feed, mut known) = (reference.feed(), Vec::new());
        assert_eq!(feed.take(&mut known), Continuity::Begins);
        assert_eq!(known.len(), 10);
    }
}

//! What a device's callback plays: whatever is fed to it, without a gap, until it is told to stop.
//!
//! **Mechanics.** The callback must never wait, and nobody must ever wait for it, because on a server that
//! died it never comes again. So sound goes to it in blocks, resampled to the device's rate by whoever feeds it
//! (sounds of the same rate are one stream, so that there is no joint to be heard); it counts what it has taken, and gives silence
//! when there is nothing. To stop, a flag is raised that all blocks share that were fed before: what is
//! playing fades in a few milliseconds, so that it doesn't click, and what waits is dropped.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self as blocking, TryRecvError};
use std::time::Duration;

use rodio::Source;

use super::resample::Resampler;
use crate::domain::Sound;

/// How long what is stopped takes to fade.
const FADE: Duration = Duration::from_millis(5);

/// A deck, and what feeds it, for a device of this rate.
pub(super) fn deck(rate: NonZeroU32, volume: f32) -> (Feed, Deck) {
    // Whoever feeds it asks first how much is waiting; see `Feed::waiting`.
    let (sender, blocks) = blocking::channel();
    let (run, asked) = (Arc::<Run>::default(), Arc::<AtomicU64>::default());
    let feed = Feed { blocks: sender, run, asked: Arc::clone(&asked), fed: 0, rate, volume, resampler: None };
    let fade = 1.0 / (FADE.as_secs_f32() * rate.get() as f32);
    (feed, Deck { blocks, block: None, at: 0, asked, rate, loudness: 1.0, fade })
}

/// What was fed between one stop and the next.
#[derive(Debug, Default)]
struct Run {
    stopped: AtomicBool,
    /// Samples that were taken.
    taken: AtomicU64,
}

#[derive(Debug)]
struct Block {
    samples: Vec<f32>,
    run: Arc<Run>,
}

/// Feeds a deck.
#[derive(Debug)]
pub(super) struct Feed {
    blocks: blocking::Sender<Block>,
    run: Arc<Run>,
    /// Samples that the device has asked for, ever.
    asked: Arc<AtomicU64>,
    /// Samples that were fed in this run.
    fed: u64,
    rate: NonZeroU32,
    volume: f32,
    /// For sounds of this rate; between two of them nothing is lost.
    resampler: Option<(u32, Resampler)>,
}

impl Feed {
    /// Adds a sound. Its last few milliseconds may wait for the next one, or for [`Feed::flush`].
    pub(super) fn push(&mut self, sound: &Sound) {
        let mut samples = Vec::new();
        if self.resampler.as_ref().is_some_and(|(rate, _)| *rate != sound.rate()) {
            self.finish(&mut samples);
        }
        if self.resampler.is_none() {
            let Ok(resampler) = Resampler::between(sound.rate(), self.rate.get()) else {
                tracing::warn!(rate = sound.rate(), "a sound of this rate can't be played");
                return;
            };
            self.resampler = Some((sound.rate(), resampler));
        }
        if let Some((_, resampler)) = &mut self.resampler {
            resampler.push(sound.samples(), &mut samples);
        }
        self.send(samples);
    }

    /// Adds what is still under way.
    pub(super) fn flush(&mut self) {
        let mut samples = Vec::new();
        self.finish(&mut samples);
        self.send(samples);
    }

    /// Drops all that was fed.
    pub(super) fn clear(&mut self) {
        self.resampler = None;
        self.fed = 0;
        std::mem::take(&mut self.run).stopped.store(true, Ordering::Relaxed);
    }

    /// How long what was fed is still going to be played.
    pub(super) fn waiting(&self) -> Duration {
        let samples = self.fed - self.run.taken.load(Ordering::Relaxed);
        Duration::from_secs_f64(samples as f64 / f64::from(self.rate.get()))
    }

    /// A number that grows for as long as the device is alive.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn finish(&mut self, samples: &mut Vec<f32>) {
        if let Some((_, mut resampler)) = self.resampler.take() {
            resampler.finish(samples);
        }
    }

    fn send(&mut self, mut samples: Vec<f32>) {
        for sample in &mut samples {
            *sample *= self.volume;
        }
        self.fed += samples.len() as u64;
        // A deck that is gone asks for nothing more, and is noticed by that.
        let _ = self.blocks.send(Block { samples, run: Arc::clone(&self.run) });
    }
}

/// The side of the device: one channel, at its rate, without an end while there is somebody to feed it.
#[derive(Debug)]
pub(super) struct Deck {
    blocks: blocking::Receiver<Block>,
    block: Option<Block>,
    /// The place in the block.
    at: usize,
    asked: Arc<AtomicU64>,
    rate: NonZeroU32,
    loudness: f32,
    /// What the loudness loses with each sample after a stop.
    fade: f32,
}

impl Iterator for Deck {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        loop {
            if let Some(block) = &self.block {
                let stopped = block.run.stopped.load(Ordering::Relaxed);
                if stopped {
                    self.loudness -= self.fade;
                }
                if self.loudness > 0.0
                    && let Some(sample) = block.samples.get(self.at)
                {
                    self.at += 1;
                    block.run.taken.fetch_add(1, Ordering::Relaxed);
                    return Some(sample * self.loudness);
                }
            }
            match self.blocks.try_recv() {
                Ok(block) => {
                    // One that begins after a stop is heard at once; one that was stopped while it waited, not at all.
                    let fades =
                        self.block.as_ref().is_some_and(|before| Arc::ptr_eq(&before.run, &block.run));
                    if !fades {
                        self.loudness = if block.run.stopped.load(Ordering::Relaxed) { 0.0 } else { 1.0 };
                    }
                    (self.block, self.at) = (Some(block), 0);
                }
                Err(TryRecvError::Empty) => return Some(0.0),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
    }
}

impl Source for Deck {
    fn current_span_len(&self) -> Option<usize> {
        None
    }

    fn channels(&self) -> NonZeroU16 {
        NonZeroU16::MIN
    }

    fn sample_rate(&self) -> NonZeroU32 {
        self.rate
    }

    fn total_duration(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    fn tone(rate: u32, length: usize) -> Vec<f32> {
        (0..length).map(|i| 0.5 * (TAU * 300.0 * i as f32 / rate as f32).sin()).collect()
    }

    fn made(rate: u32) -> (Feed, Deck) {
        deck(NonZeroU32::new(rate).unwrap(), 1.0)
    }

    /// The largest step from one sample to the next.
    fn step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn parts_are_one_sound_without_a_joint() {
        let (sound, rate) = (tone(22_050, 22_050), 48_000);
        let (mut feed, mut deck) = made(rate);
        for part in sound.chunks(1_537) {
            feed.push(&Sound::new(part, 22_050));
        }
        feed.flush();
        let heard: Vec<f32> = deck.by_ref().take(48_000).collect();
        let wanted = tone(rate, 48_000);
        let error = heard.iter().zip(&wanted).skip(500).take(47_000).map(|(a, b)| (a - b).abs());
        assert!(error.fold(0.0, f32::max) < 0.03, "half a sample of delay at most");
        assert!(step(&heard) < 1.2 * step(&wanted), "{} {}", step(&heard), step(&wanted));
        assert_eq!(feed.waiting(), Duration::ZERO);
    }

    #[test]
    fn it_is_silent_between_sounds_and_ends_with_whoever_feeds_it() {
        let (mut feed, mut deck) = made(16_000);
        assert_eq!(deck.next(), Some(0.0));
        feed.push(&Sound::new([0.5, 0.25], 16_000));
        assert_eq!([deck.next(), deck.next(), deck.next()], [Some(0.5), Some(0.25), Some(0.0)]);
        assert_eq!((feed.waiting(), feed.asked()), (Duration::ZERO, 4));
        // Another rate.
        feed.push(&Sound::new(vec![0.5; 8_000], 8_000));
        feed.push(&Sound::new(vec![0.25; 16_000], 16_000));
        let heard: Vec<f32> = deck.by_ref().take(32_000).collect();
        assert!((heard[8_000] - 0.5).abs() < 0.01 && (heard[24_000] - 0.25).abs() < 0.01);
        drop(feed);
        assert_eq!(deck.next(), None);
    }

    #[test]
    fn a_stop_is_soon_soft_and_only_for_what_was_before() {
        let (mut feed, mut deck) = made(48_000);
        let sound = Sound::new(tone(48_000, 48_000), 48_000);
        feed.push(&sound);
        feed.push(&sound);
        let before: Vec<f32> = deck.by_ref().take(10_000).collect();
        feed.clear();
        assert_eq!(feed.waiting(), Duration::ZERO);
        let after: Vec<f32> = deck.by_ref().take(1_000).collect();
        assert!(step(&[before, after.clone()].concat()) < 0.03, "it clicks");
        assert!(after[..100].iter().any(|sample| sample.abs() > 0.1), "it fades");
        assert!(after[240..].iter().all(|sample| *sample == 0.0), "it goes on");
        // What is said next is said whole, though the device has not come to the stop yet.
        feed.push(&sound);
        feed.clear();
        feed.push(&sound);
        let next: Vec<f32> = deck.by_ref().take(48_000).collect();
        assert_eq!(next, sound.samples());
    }

    #[test]
    fn nobody_waits_for_a_device_that_is_gone() {
        let (mut feed, deck) = made(48_000);
        drop(deck);
        feed.push(&Sound::new(vec![0.5; 4_800], 48_000));
        assert_eq!((feed.waiting(), feed.asked()), (Duration::from_millis(100), 0));
        feed.clear();
        assert_eq!(feed.waiting(), Duration::ZERO);
    }
}

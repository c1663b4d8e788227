//! The utterances of a recording, found as in live sound.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config;
use crate::domain::Completeness;

use super::barge_in::{BargeIn, Chunk};
use super::cancel::Cleaned;
use super::endpoint::{Endpointer, Event, Segment};
use super::recording::{Recording, Remark};
use super::vad::{CHUNK, Chunker, VoiceDetector};

/// Iterates over the utterances of a recording. Blocks on the disk and computes: not for an async
/// thread. Memory is that of one utterance, however long the recording is.
#[derive(Debug)]
pub struct Segments {
    recording: Recording,
    listener: Listener,
    found: VecDeque<Event>,
    samples: Vec<f32>,
    ended: bool,
}

impl Segments {
    /// Through this detector, which forgets what it heard before.
    pub fn new(recording: Recording, detector: VoiceDetector, settings: &config::Endpoint) -> Self {
        Self {
            recording,
            // Nobody waits for what is being said in a recording.
            listener: Listener::new(
                detector,
                &config::Endpoint { partial_interval: Duration::ZERO, ..settings.clone() },
            ),
            found: VecDeque::new(),
            samples: Vec::new(),
            ended: false,
        }
    }

    /// What was missing in the recording, once there are no more utterances.
    pub fn remark(&self) -> Option<Remark> {
        self.recording.remark()
    }

    /// The detector, for the next recording.
    pub fn into_detector(self) -> VoiceDetector {
        self.listener.into_detector()
    }
}

impl Iterator for Segments {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        loop {
            while let Some(event) = self.found.pop_front() {
                if let Event::Utterance { segment, .. } = event {
                    return Some(segment);
                }
            }
            if self.ended {
                return None;
            }
            self.samples.clear();
            if self.recording.read(&mut self.samples) {
                let samples: Vec<Cleaned> = self.samples.iter().copied().map(Cleaned::untouched).collect();
                self.listener.hear(&samples, || false, |event| self.found.push_back(event));
            } else {
                self.listener.finish(|event| self.found.push_back(event));
                self.ended = true;
            }
        }
    }
}

/// Voice detection, the decision who speaks, and endpointing, over a stream of 16 kHz mono sound in pieces of
/// any size.
#[derive(Debug)]
pub(super) struct Listener {
    chunker: Chunker<Cleaned>,
    detector: VoiceDetector,
    barge_in: BargeIn,
    endpointer: Endpointer,
}

impl Listener {
    pub(super) fn new(mut detector: VoiceDetector, settings: &config::Endpoint) -> Self {
        detector.reset();
        Self {
            chunker: Chunker::default(),
            detector,
            barge_in: BargeIn::new(settings.start_probability),
            endpointer: Endpointer::new(settings),
        }
    }

    /// Gives what the samples bring about to `each`. `is_echo` tells whether their end is an echo after all.
    pub(super) fn hear(
        &mut self,
        samples: &[Cleaned],
        mut is_echo: impl FnMut() -> bool,
        mut each: impl FnMut(Event),
    ) {
        let Self { chunker, detector, barge_in, endpointer } = self;
        chunker.push(samples, |chunk| {
            let chunk = Chunk::of(chunk);
            let probability = detector.probability(&chunk.sound);
            barge_in.push(&chunk, probability, endpointer.speaking(), &mut is_echo, |sound, probability| {
                endpointer.push(sound, probability).into_iter().for_each(&mut each);
            });
        });
    }

    /// The stream ends here; another one may follow.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Event)) {
        let Self { chunker, detector, barge_in, endpointer } = self;
        let mut go_on = |sound: &[f32; CHUNK], probability: f32| {
            endpointer.push(sound, probability).into_iter().for_each(&mut each);
        };
        let last = chunker.finish(Cleaned::untouched(0.0));
        barge_in.finish(&mut go_on);
        if let Some(last) = last {
            let sound = last.map(|sample| sample.sound);
            go_on(&sound, detector.probability(&sound));
        }
        endpointer.finish().into_iter().for_each(each);
        detector.reset();
    }

    /// Whether the utterance that is under way, or has just ended, is surely a person's.
    pub(super) fn is_surely_a_person(&self) -> bool {
        self.barge_in.is_surely_a_person()
    }

    /// Takes what is known of the words before the pause that was told last.
    pub(super) fn expect(&mut self, completeness: Completeness, each: impl FnMut(Event)) {
        self.endpointer.expect(completeness).into_iter().for_each(each);
    }

    pub(super) fn into_detector(self) -> VoiceDetector {
        self.detector
    }
}

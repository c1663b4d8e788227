//! When an utterance begins and ends.
//!
//! **Why.** Cutting too early loses last words, cutting too late makes every answer late, and
//! starting at the first loud chunk clips the consonant before it. So an utterance carries a
//! pre-roll from before its first speech and ends only after a stretch of silence; two thresholds
//! (hysteresis) keep a wavering probability from chopping it up.
//!
//! **Mechanics.** A pure state machine over chunks of [`CHUNK`] samples with their probability of
//! speech. There is no clock in it: time is counted in samples, so a recording gives the same
//! utterances at any speed. A chunk *starts* speech from `start_probability`, and within an
//! utterance *is* speech from `stop_probability`.
//!
//! - Whoever goes on beyond the maximum is cut at the quietest chunk of the last quarter (at most
//!   3 s back), so as not to split a word; what comes after the cut opens the next utterance, sample
//!   by sample.
//! - Every chunk of speech is in exactly one utterance, unless it was too little to be one
//!   ([`Event::TooShort`]); what follows a cut is never too little.
//! - The pre-roll of an utterance may reach into the silence at the end of the one before, never
//!   into its speech.
//!
//! **How long a silence ends it** depends on what was said. Whoever has said "list sessions" is done, and
//! whoever has said "run git" is thinking. So each pause is told as soon as it looks like one
//! ([`Event::Paused`]), for somebody to recognise what was said so far; what they find of its
//! [`Completeness`] sets the silence that is waited for, until the person goes on. While nobody knows, it
//! is the usual one.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config;
use crate::domain::{Completeness, Pcm, SAMPLE_RATE};

use super::vad::CHUNK;

/// The farthest back from the maximum that a cut is made.
const CUT_SEARCH: Duration = Duration::from_secs(3);

/// What a chunk brought about.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Somebody began to speak.
    SpeechStarted,
    /// Whoever speaks has fallen silent, perhaps at the end. What was said until now.
    Paused(Segment),
    /// They have gone on after a pause.
    Resumed,
    /// Whoever speaks has been speaking for a while without a pause. What was said until now.
    Continues(Segment),
    /// An utterance is complete.
    Utterance {
        /// What was said.
        segment: Segment,
        /// Whether nothing was said after the pause that was told last.
        since_pause: bool,
    },
    /// What began to look like speech was too short to be any.
    TooShort,
}

/// An utterance, and where it lies in the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Where its first sample lies, from the first sample ever pushed. Exact: a sample lasts 62.5 µs.
    pub start: Duration,
    /// The sound, with pre-roll and trailing silence.
    pub pcm: Pcm,
}

impl Segment {
    fn new(start: u64, samples: Vec<f32>) -> Self {
        let start = Duration::from_nanos(start * (1_000_000_000 / u64::from(SAMPLE_RATE)));
        Self { start, pcm: Pcm::new(samples) }
    }

    /// Where its last sample ends.
    pub fn end(&self) -> Duration {
        self.start + self.pcm.duration()
    }
}

/// The state machine. One stream, one endpointer.
#[derive(Debug)]
pub struct Endpointer {
    rules: Rules,
    /// Chunks pushed so far.
    position: u64,
    state: State,
}

/// The settings, in whole chunks.
#[derive(Debug, Clone, Copy)]
struct Rules {
    pre_roll: usize,
    minimum_speech: usize,
    pause: usize,
    short_silence: usize,
    trailing_silence: usize,
    long_silence: usize,
    partial: Option<usize>,
    maximum: usize,
    cut_search: usize,
    start: f32,
    stop: f32,
}

#[derive(Debug)]
enum State {
    /// Nobody speaks; the newest chunks are kept as pre-roll.
    Idle { kept: VecDeque<[f32; CHUNK]> },
    /// Somebody speaks.
    Speaking(Speech),
}

#[derive(Debug, Default)]
struct Speech {
    samples: Vec<f32>,
    /// One for each chunk in `samples`.
    chunks: Vec<Chunk>,
    /// Chunks of silence at the end.
    silence: usize,
    /// Whether this goes on from a cut.
    continues: bool,
    /// Whether the silence at the end was told as a pause.
    paused: bool,
    /// What is known of the words before that pause.
    completeness: Completeness,
}

#[derive(Debug, Clone, Copy)]
struct Chunk {
    speech: bool,
    energy: f32,
}

impl Endpointer {
    /// Durations are rounded to whole chunks of 32 ms: the maximum down (but to no less than four
    /// chunks, of which the pre-roll is at most half), the others up.
    pub fn new(settings: &config::Endpoint) -> Self {
        let samples = |time: Duration| (time.as_secs_f64() * f64::from(SAMPLE_RATE)).round() as usize;
        let up = |time| samples(time).div_ceil(CHUNK);
        let maximum = (samples(settings.maximum_utterance) / CHUNK).max(4);
        let rules = Rules {
            pre_roll: up(settings.pre_roll).min(maximum / 2),
            minimum_speech: up(settings.minimum_speech),
            pause: up(settings.pause).max(1),
            short_silence: up(settings.short_silence).max(1),
            trailing_silence: up(settings.trailing_silence).max(1),
            long_silence: up(settings.long_silence).max(1),
            partial: Some(up(settings.partial_interval)).filter(|every| *every > 0),
            maximum,
            cut_search: (samples(CUT_SEARCH) / CHUNK).min(maximum / 4),
            start: settings.start_probability,
            stop: settings.stop_probability.min(settings.start_probability),
        };
        Self { rules, position: 0, state: State::idle() }
    }

    /// Whether somebody speaks at the moment.
    pub fn speaking(&self) -> bool {
        matches!(self.state, State::Speaking(_))
    }

    /// Takes the next chunk with its probability of speech.
    pub fn push(&mut self, chunk: &[f32; CHUNK], probability: f32) -> Option<Event> {
        self.position += 1;
        let rules = self.rules;
        match &mut self.state {
            State::Idle { kept } => {
                if probability < rules.start {
                    if kept.len() >= rules.pre_roll {
                        kept.pop_front();
                    }
                    if rules.pre_roll > 0 {
                        kept.push_back(*chunk);
                    }
                    return None;
                }
                let mut speech = Speech::default();
                for earlier in kept {
                    speech.push(earlier, false);
                }
                speech.push(chunk, true);
                self.state = State::Speaking(speech);
                Some(Event::SpeechStarted)
            }
            State::Speaking(speech) => {
                let speaks = probability >= rules.stop;
                speech.push(chunk, speaks);
                let length = speech.chunks.len();
                if speech.silence >= rules.silence_after(speech.completeness) {
                    return self.end();
                }
                if length >= rules.maximum {
                    let (piece, rest) = std::mem::take(speech).cut(rules.cut_search);
                    let start = self.sample_position() - (rest.samples.len() + piece.samples.len()) as u64;
                    self.state = State::Speaking(rest);
                    let segment = piece.has_speech().then(|| piece.into_segment(start));
                    return segment.map(|segment| Event::Utterance { segment, since_pause: false });
                }
                if speaks && speech.paused {
                    speech.paused = false;
                    speech.completeness = Completeness::Unknown;
                    return Some(Event::Resumed);
                }
                if !speech.is_enough(&rules) {
                    return None;
                }
                if speech.silence == rules.pause {
                    speech.paused = true;
                    return self.so_far().map(Event::Paused);
                }
                let is_due = rules.partial.is_some_and(|every| length.is_multiple_of(every));
                if is_due && speech.silence == 0 { self.so_far().map(Event::Continues) } else { None }
            }
        }
    }

    /// Takes what is known of the words before the pause that was told last. When the silence has already
    /// been long enough for it, this ends the utterance.
    pub fn expect(&mut self, completeness: Completeness) -> Option<Event> {
        let State::Speaking(speech) = &mut self.state else { return None };
        if !speech.paused {
            return None;
        }
        speech.completeness = completeness;
        if speech.silence >= self.rules.silence_after(completeness) { self.end() } else { None }
    }

    fn so_far(&self) -> Option<Segment> {
        let State::Speaking(speech) = &self.state else { return None };
        let start = self.sample_position() - speech.samples.len() as u64;
        Some(Segment::new(start, speech.samples.clone()))
    }

    /// The stream ends here: what is being said is complete as it is. Afterwards the endpointer is
    /// idle, without pre-roll, and can go on with another stream; positions go on counting.
    pub fn finish(&mut self) -> Option<Event> {
        let event = if self.speaking() { self.end() } else { None };
        self.state = State::idle();
        event
    }

    fn end(&mut self) -> Option<Event> {
        let position = self.sample_position();
        let State::Speaking(speech) = std::mem::replace(&mut self.state, State::idle()) else { return None };
        let said = speech.is_enough(&self.rules);
        // After an utterance, its speech is spoken for; after a click, it may still be the beginning
        // of a word.
        let reusable = if said { speech.silence } else { speech.chunks.len() };
        self.state = State::Idle { kept: speech.last(reusable.min(self.rules.pre_roll)) };
        if said {
            let start = position - speech.samples.len() as u64;
            let since_pause = speech.paused;
            Some(Event::Utterance { segment: speech.into_segment(start), since_pause })
        } else if speech.continues {
            None
        } else {
            Some(Event::TooShort)
        }
    }

    fn sample_position(&self) -> u64 {
        self.position * CHUNK as u64
    }
}

impl Rules {
    fn silence_after(&self, completeness: Completeness) -> usize {
        match completeness {
            Completeness::Complete => self.short_silence,
            Completeness::Extensible | Completeness::Unknown => self.trailing_silence,
            Completeness::Unfinished => self.long_silence,
        }
    }
}

impl State {
    fn idle() -> Self {
        Self::Idle { kept: VecDeque::new() }
    }
}

impl Speech {
    fn push(&mut self, chunk: &[f32; CHUNK], speech: bool) {
        self.samples.extend_from_slice(chunk);
        self.chunks.push(Chunk { speech, energy: chunk.iter().map(|sample| sample * sample).sum() });
        self.silence = if speech { 0 } else { self.silence + 1 };
    }

    fn speech_chunks(&self) -> usize {
        self.chunks.iter().filter(|chunk| chunk.speech).count()
    }

    /// Whether there is enough speech for an utterance.
    fn is_enough(&self, rules: &Rules) -> bool {
        let enough = self.speech_chunks() >= rules.minimum_speech.max(1);
        enough || self.continues && self.has_speech()
    }

    fn has_speech(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.speech)
    }

    /// Cuts after the quietest of the last `search` chunks.
    fn cut(mut self, search: usize) -> (Self, Self) {
        let from = self.chunks.len().saturating_sub(search.max(1));
        let quietest = (from..self.chunks.len())
            .min_by(|&a, &b| self.chunks[a].energy.total_cmp(&self.chunks[b].energy))
            .unwrap_or(self.chunks.len() - 1);
        let rest = Self {
            samples: self.samples.split_off((quietest + 1) * CHUNK),
            chunks: self.chunks.split_off(quietest + 1),
            silence: self.silence,
            continues: true,
            paused: false,
            completeness: Completeness::Unknown,
        };
        (self, rest)
    }

    fn last(&self, chunks: usize) -> VecDeque<[f32; CHUNK]> {
        let (tail, _) = self.samples[self.samples.len() - chunks * CHUNK..].as_chunks();
        tail.iter().copied().collect()
    }

    fn into_segment(self, start: u64) -> Segment {
        Segment::new(start, self.samples)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings() -> config::Endpoint {
        config::Endpoint {
            pre_roll: Duration::from_millis(96),
            minimum_speech: Duration::from_millis(64),
            pause: Duration::from_millis(64),
            short_silence: Duration::from_millis(96),
            trailing_silence: Duration::from_millis(160),
            long_silence: Duration::from_millis(256),
            partial_interval: Duration::ZERO,
            maximum_utterance: Duration::from_millis(640),
            ..config::Endpoint::default()
        }
    }

    /// The chunk at a position: every sample of it tells where it came from.
    fn chunk(position: usize) -> [f32; CHUNK] {
        std::array::from_fn(|i| (position * CHUNK + i) as f32)
    }

    fn run(settings: &config::Endpoint, probabilities: &[f32]) -> Vec<Event> {
        let mut endpointer = Endpointer::new(settings);
        let mut events: Vec<Event> = probabilities
            .iter()
            .enumerate()
            .filter_map(|(i, &probability)| endpointer.push(&chunk(i), probability))
            .collect();
        events.extend(endpointer.finish());
        assert!(!endpointer.speaking());
        events
    }

    fn utterances(events: &[Event]) -> Vec<&Segment> {
        events
            .iter()
            .filter_map(|event| match event {
                Event::Utterance { segment, .. } => Some(segment),
                Event::SpeechStarted
                | Event::Paused(_)
                | Event::Resumed
                | Event::Continues(_)
                | Event::TooShort => None,
            })
            .collect()
    }

    /// The positions of its first sample and of the one after its last, in chunks.
    fn place(segment: &Segment) -> (usize, usize) {
        let start = (segment.start.as_nanos() / 62_500) as usize;
        assert!(start.is_multiple_of(CHUNK));
        (start / CHUNK, (start + segment.pcm.samples().len()) / CHUNK)
    }

    /// Runs of chunks: `(how many, probability)`.
    fn stream(runs: &[(usize, f32)]) -> Vec<f32> {
        runs.iter().flat_map(|&(n, probability)| std::iter::repeat_n(probability, n)).collect()
    }

    #[test]
    fn an_utterance_has_its_pre_roll_and_its_tail() {
        let events = run(&settings(), &stream(&[(10, 0.0), (6, 0.9), (20, 0.0)]));
        assert!(matches!(
            events[..],
            [Event::SpeechStarted, Event::Paused(_), Event::Utterance { since_pause: true, .. }]
        ));
        let segment = utterances(&events)[0];
        assert_eq!(place(segment), (7, 21), "three chunks before the speech, five after it");
        assert_eq!(segment.end(), Duration::from_millis(21 * 32));
        assert_eq!(segment.pcm.samples()[0].to_bits(), chunk(7)[0].to_bits());
    }

    #[test]
    fn a_click_is_too_short_and_stays_available_as_pre_roll() {
        let events = run(&settings(), &stream(&[(4, 0.0), (1, 0.9), (9, 0.0)]));
        assert_eq!(events, [Event::SpeechStarted, Event::TooShort]);
        let events = run(&settings(), &stream(&[(4, 0.0), (1, 0.9), (5, 0.0), (3, 0.9), (9, 0.0)]));
        assert_eq!(place(utterances(&events)[0]).0, 7);
    }

    #[test]
    fn a_probability_between_the_thresholds_neither_starts_nor_stops() {
        assert_eq!(run(&settings(), &stream(&[(40, 0.4)])), []);
        let events = run(&settings(), &stream(&[(2, 0.9), (8, 0.4), (2, 0.9), (9, 0.0)]));
        assert_eq!(utterances(&events).len(), 1);
    }

    #[test]
    fn pauses_shorter_than_the_trailing_silence_stay_inside() {
        let events = run(&settings(), &stream(&[(3, 0.9), (4, 0.0), (3, 0.9), (9, 0.0)]));
        assert_eq!(utterances(&events).len(), 1);
        let events = run(&settings(), &stream(&[(3, 0.9), (5, 0.0), (3, 0.9), (9, 0.0)]));
        assert_eq!(utterances(&events).len(), 2);
    }

    /// The endpointer after six chunks of speech and so much silence, and the pause that it told.
    fn paused(silence: usize) -> (Endpointer, Segment) {
        let mut endpointer = Endpointer::new(&settings());
        let events: Vec<Event> = stream(&[(10, 0.0), (6, 0.9), (silence, 0.0)])
            .into_iter()
            .enumerate()
            .filter_map(|(i, probability)| endpointer.push(&chunk(i), probability))
            .collect();
        let [Event::SpeechStarted, Event::Paused(so_far)] = &events[..] else { panic!("{events:?}") };
        (endpointer, so_far.clone())
    }

    /// Chunks of silence until it ends.
    fn silence_until_the_end(endpointer: &mut Endpointer) -> usize {
        (1..100)
            .find(|_| matches!(endpointer.push(&[0.0; CHUNK], 0.0), Some(Event::Utterance { .. })))
            .unwrap()
    }

    #[test]
    fn a_pause_is_told_with_all_that_was_said() {
        let (_, so_far) = paused(2);
        assert_eq!(place(&so_far), (7, 18));
    }

    #[test]
    fn the_silence_that_is_waited_for_depends_on_what_was_said() {
        for (completeness, chunks) in [
            (Completeness::Complete, 1),
            (Completeness::Unknown, 3),
            (Completeness::Extensible, 3),
            (Completeness::Unfinished, 6),
        ] {
            let (mut endpointer, _) = paused(2);
            assert_eq!(endpointer.expect(completeness), None);
            assert_eq!(silence_until_the_end(&mut endpointer), chunks, "{completeness:?}");
        }
    }

    #[test]
    fn what_becomes_known_late_ends_it_at_once() {
        let (mut endpointer, _) = paused(4);
        let ended = endpointer.expect(Completeness::Complete);
        assert!(matches!(ended, Some(Event::Utterance { since_pause: true, .. })), "{ended:?}");
        assert_eq!(endpointer.expect(Completeness::Complete), None, "nobody speaks any more");
    }

    #[test]
    fn whoever_goes_on_is_told_and_what_was_known_counts_no_more() {
        let (mut endpointer, _) = paused(2);
        assert_eq!(endpointer.expect(Completeness::Complete), None);
        assert_eq!(endpointer.push(&[0.5; CHUNK], 0.9), Some(Event::Resumed));
        assert_eq!(endpointer.expect(Completeness::Complete), None, "it was said of other words");
        assert_eq!(endpointer.push(&[0.0; CHUNK], 0.0), None);
        assert!(matches!(endpointer.push(&[0.0; CHUNK], 0.0), Some(Event::Paused(_))));
        assert_eq!(silence_until_the_end(&mut endpointer), 3);
    }

    #[test]
    fn whoever_goes_on_and_on_is_heard_meanwhile() {
        let settings = config::Endpoint {
            partial_interval: Duration::from_millis(160),
            maximum_utterance: Duration::from_secs(10),
            ..settings()
        };
        let events = run(&settings, &stream(&[(16, 0.9), (2, 0.0), (5, 0.9), (9, 0.0)]));
        let lengths: Vec<usize> = events
            .iter()
            .filter_map(|event| match event {
                Event::Continues(segment) => Some(place(segment).1),
                _ => None,
            })
            .collect();
        assert_eq!(lengths, [5, 10, 15, 20]);
    }

    #[test]
    fn a_long_utterance_is_cut_at_its_quietest_place() {
        let mut endpointer = Endpointer::new(&settings());
        let mut events = Vec::new();
        for i in 0..30 {
            // The search goes over the last quarter of the 20 chunks: 15 ‥ 19.
            let loudness = if i == 17 { 0.01 } else { 0.5 };
            events.extend(endpointer.push(&[loudness; CHUNK], 0.9));
        }
        events.extend(endpointer.finish());
        let pieces: Vec<_> = utterances(&events).into_iter().map(place).collect();
        assert_eq!(pieces, [(0, 18), (18, 30)]);
    }

    #[test]
    fn the_rest_after_a_cut_is_never_too_short_and_never_only_silence() {
        for speech in 19..=26 {
            let events = run(&settings(), &stream(&[(speech, 0.9), (12, 0.0)]));
            let pieces = utterances(&events);
            assert!(!events.contains(&Event::TooShort), "{speech}: {events:?}");
            assert!(place(pieces.last().unwrap()).1 >= speech, "{speech}: {events:?}");
            for piece in pieces {
                assert!(place(piece).0 < speech, "{speech}: only silence in {piece:?}");
            }
        }
    }

    /// The simplest thing that says which chunks are speech: hysteresis, and an end after enough
    /// silence. Gives the episodes of speech as lists of chunk positions.
    fn reference(settings: &config::Endpoint, probabilities: &[f32]) -> Vec<Vec<usize>> {
        let trailing = (settings.trailing_silence.as_millis() as usize).div_ceil(32);
        let mut episodes: Vec<Vec<usize>> = Vec::new();
        let mut speaking = false;
        for (i, &probability) in probabilities.iter().enumerate() {
            if !speaking && probability >= settings.start_probability {
                speaking = true;
                episodes.push(vec![i]);
            } else if speaking {
                let episode = episodes.last_mut().unwrap();
                if probability >= settings.stop_probability {
                    episode.push(i);
                } else if i - episode.last().unwrap() >= trailing {
                    speaking = false;
                }
            }
        }
        episodes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_speech_is_lost_or_doubled_and_none_is_too_long(
            runs in prop::collection::vec((1_usize..40, prop_oneof![Just(0.0_f32), Just(0.4), Just(0.9), 0.0_f32..1.0]), 1..30),
            pre_roll in 0_u64..400, minimum in 0_u64..200, trailing in 32_u64..400, maximum in 200_u64..2000,
        ) {
            let settings = config::Endpoint {
                pre_roll: Duration::from_millis(pre_roll),
                minimum_speech: Duration::from_millis(minimum),
                trailing_silence: Duration::from_millis(trailing),
                maximum_utterance: Duration::from_millis(maximum),
                ..config::Endpoint::default()
            };
            let probabilities = stream(&runs);
            let events = run(&settings, &probabilities);
            let pieces = utterances(&events);
            let episodes = reference(&settings, &probabilities);
            let minimum = (minimum as usize).div_ceil(32).max(1);

            let mut times_in_a_piece = vec![0; probabilities.len()];
            for piece in &pieces {
                prop_assert!(piece.pcm.duration() <= settings.maximum_utterance);
                let (from, to) = place(piece);
                // The samples are those of the stream at that place, none missing, none twice.
                for (i, sample) in piece.pcm.samples().iter().enumerate() {
                    prop_assert!((*sample - (from * CHUNK + i) as f32).abs() < 0.5);
                }
                let chunks = from..to;
                prop_assert!(chunks.clone().any(|i| probabilities[i] >= settings.stop_probability), "only silence");
                for i in chunks {
                    times_in_a_piece[i] += 1;
                }
            }
            let mut short = 0;
            for episode in &episodes {
                let heard = episode.iter().all(|&i| times_in_a_piece[i] == 1);
                let unheard = episode.iter().all(|&i| times_in_a_piece[i] == 0);
                if episode.len() >= minimum {
                    prop_assert!(heard, "episode {:?}: {:?}", episode, times_in_a_piece);
                } else {
                    // Too short, unless it went on so long that it was cut, or serves as pre-roll.
                    short += usize::from(unheard);
                    prop_assert!(heard || unheard || episode.iter().all(|&i| times_in_a_piece[i] <= 1));
                }
            }
            let told = events.iter().filter(|event| **event == Event::TooShort).count();
            prop_assert!(told >= short);
            let started = events.iter().filter(|event| **event == Event::SpeechStarted).count();
            prop_assert_eq!(started, episodes.len());
        }

        #[test]
        fn silence_gives_nothing(probabilities in prop::collection::vec(0.0_f32..0.5, 0..400)) {
            prop_assert_eq!(run(&config::Endpoint::default(), &probabilities), []);
        }
    }
}

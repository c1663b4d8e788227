//! Whether somebody speaks over what is played.
//!
//! **Why.** The program must not take its own voice for a person's, and a person must be able to cut it off,
//! and be heard from the first word. Both are decided here, and nowhere else.
//!
//! **Mechanics.** A pure state machine over chunks, between voice detection and endpointing. While nothing plays
//! a chunk goes on as it is. While something plays that the canceller takes away, chunks that look like a person
//! are held back until there are enough of them; then all of them go on, so that nothing of the first word is
//! lost, and the endpointer finds an utterance. Chunks that came to nothing go on as silence. Where the echo
//! can't be taken away, everything is silence. Once an utterance has begun, what follows belongs to it.
//!
//! A chunk looks like a person if it sounds like speech (by the detector, of the signal in which the person is
//! whole), much of it survives the suppression of what is left of the echo, and more of what was heard does so
//! than of the echo alone lately: how well that can be suppressed depends on the room and the loudspeaker, and
//! is learnt all the time. Whoever is about to be taken for one is held against what is played once more: a
//! sound system that stumbles is late from then on, and nothing of its echo is taken away until that is known.

use std::collections::VecDeque;

use super::cancel::{Cleaned, Echo};
use super::filter::power;
use super::vad::CHUNK;

/// So much must have been seen of a person: a chunk that is surely one counts double.
const ENOUGH: u32 = 5;
/// Share of the power that survives suppression in a chunk of a person's: −10 dB. And surely of a person's: −4 dB.
const SURVIVES: f32 = 0.1;
const SURELY: f32 = 0.4;
/// How much more of what was heard must survive than of the echo alone: 6 dB; and how much at least: −15 dB.
const ABOVE_LEAK: f32 = 4.0;
const LEAST: f32 = 0.03;
/// What an echo leaves is forgotten by so much in a chunk: 6 dB a second.
const FORGETS: f32 = 0.957;
/// A room goes on sounding: 2 dB less in a chunk, which is 60 dB in 0.9 s.
const FADES: f32 = 0.6;
/// Mean power that a person has at least: −50 dB.
const AUDIBLE: f32 = 1e-5;
/// Chunks of speech in silence after which an utterance can't be an echo: 192 ms.
const APART: u32 = 6;

/// A chunk, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chunk {
    /// What is recognised.
    pub(super) sound: [f32; CHUNK],
    /// The share of its power that survives suppression.
    pub(super) survives: f32,
    /// Its power, and as it came.
    pub(super) power: f32,
    pub(super) heard: f32,
    /// What may be left of the echo.
    pub(super) echo: Echo,
}

impl Chunk {
    /// Of cleaned samples.
    pub(super) fn of(samples: &[Cleaned; CHUNK]) -> Self {
        let whole = power(samples.iter().map(|sample| sample.sound));
        let heard = power(samples.iter().map(|sample| sample.heard));
        let rest = power(samples.iter().map(|sample| sample.rest));
        let echo = samples.iter().map(|sample| sample.echo).max();
        Self {
            sound: samples.map(|sample| sample.sound),
            survives: if whole > 0.0 { rest / whole } else { 0.0 },
            power: whole,
            heard,
            echo: echo.unwrap_or(Echo::Silent { surely: false }),
        }
    }
}

/// The state machine.
#[derive(Debug)]
pub(super) struct BargeIn {
    /// The probability of speech from which a chunk counts.
    start: f32,
    held: VecDeque<([f32; CHUNK], f32)>,
    seen: u32,
    /// Whether what looked like a person was an echo, and this chunk was cleaned before that was known.
    doubtful: bool,
    /// The most that an echo left lately, as a share of what was heard; and in the chunks that are held back.
    leak: f32,
    held_leak: f32,
    /// The power of what was heard lately, as a room lets it fade.
    loud: f32,
    /// Chunks of speech in the present utterance that surely have nothing of an echo.
    apart: u32,
}

impl BargeIn {
    pub(super) fn new(start: f32) -> Self {
        Self {
            start,
            held: VecDeque::new(),
            seen: 0,
            doubtful: false,
            leak: 1.0,
            held_leak: 0.0,
            loud: 0.0,
            apart: 0,
        }
    }

    /// Takes a chunk with its probability of speech, and gives to `on` those that can go on, each with the
    /// probability that it goes on with. `speaking` tells whether an utterance is under way; `is_echo`, whether
    /// what looks like a person is an echo after all.
    pub(super) fn push(
        &mut self,
        chunk: &Chunk,
        probability: f32,
        speaking: bool,
        is_echo: impl FnOnce() -> bool,
        mut on: impl FnMut(&[f32; CHUNK], f32),
    ) {
        if !speaking && self.held.is_empty() {
            self.apart = 0;
        }
        if matches!(chunk.echo, Echo::Silent { surely: true }) && probability >= self.start {
            self.apart += 1;
        }
        self.doubtful &= chunk.echo == Echo::Removed || chunk.echo == Echo::Absent;
        self.loud = chunk.heard.max(FADES * self.loud);
        let echoes = matches!(chunk.echo, Echo::Removed | Echo::Possible);
        if speaking || !echoes && self.held.is_empty() {
            on(&chunk.sound, probability);
            return;
        }
        let evidence = self.evidence(chunk, probability);
        self.seen = if evidence == 0 { self.seen.saturating_sub(1) } else { self.seen + evidence };
        self.held.push_back((chunk.sound, probability));
        if chunk.echo == Echo::Removed && !self.doubtful && chunk.heard >= AUDIBLE {
            self.leak *= FORGETS;
            self.held_leak = self.held_leak.max(self.share(chunk));
        }
        if self.seen >= ENOUGH {
            let doubtful = is_echo();
            self.doubtful = doubtful;
            self.let_go(|probability| if doubtful { 0.0 } else { probability }, on);
        } else if self.seen == 0 {
            self.leak = self.leak.max(self.held_leak);
            self.let_go(|_| 0.0, on);
        }
    }

    /// The share of what was heard that survives.
    fn share(&self, chunk: &Chunk) -> f32 {
        if self.loud > 0.0 { (chunk.survives * chunk.power / self.loud).min(1.0) } else { 0.0 }
    }

    /// How much speaks for a person: 0 ‥ 2.
    fn evidence(&self, chunk: &Chunk, probability: f32) -> u32 {
        let speech = probability >= self.start && chunk.power >= AUDIBLE;
        let above = chunk.echo != Echo::Removed || self.share(chunk) >= LEAST.max(ABOVE_LEAK * self.leak);
        if self.doubtful || !speech || !above || chunk.echo == Echo::Possible || chunk.survives < SURVIVES {
            return 0;
        }
        1 + u32::from(chunk.survives >= SURELY)
    }

    /// Whether what the present utterance has in it, or the one that has just ended had, is surely a person's.
    pub(super) fn is_surely_a_person(&self) -> bool {
        self.apart >= APART
    }

    /// The stream ends here: what was held back came to nothing.
    pub(super) fn finish(&mut self, on: impl FnMut(&[f32; CHUNK], f32)) {
        self.let_go(|_| 0.0, on);
        self.apart = 0;
    }

    fn let_go(&mut self, as_: impl Fn(f32) -> f32, mut on: impl FnMut(&[f32; CHUNK], f32)) {
        (self.seen, self.held_leak) = (0, 0.0);
        for (sound, probability) in self.held.drain(..) {
            on(&sound, as_(probability));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERSON: (f32, f32) = (0.9, 0.9);
    const ECHO: (f32, f32) = (0.9, 0.001);

    /// A chunk that is called by a number: with a probability of speech, and so much surviving.
    fn chunk(number: usize, survives: f32, echo: Echo) -> Chunk {
        Chunk { sound: [number as f32; CHUNK], survives, power: 0.01, heard: 0.01, echo }
    }

    /// Pushes a chunk; what looks like a person is one.
    fn push(
        barge_in: &mut BargeIn,
        chunk: &Chunk,
        probability: f32,
        speaking: bool,
        on: impl FnMut(&[f32; CHUNK], f32),
    ) {
        barge_in.push(chunk, probability, speaking, || false, on);
    }

    /// Pushes chunks; gives those that went on, by number, with their probabilities.
    fn run(barge_in: &mut BargeIn, chunks: &[(f32, f32, Echo)], speaking: bool) -> Vec<(usize, f32)> {
        let mut out = Vec::new();
        for (number, (probability, survives, echo)) in chunks.iter().enumerate() {
            let chunk = chunk(number, *survives, *echo);
            push(barge_in, &chunk, *probability, speaking, |sound, probability| {
                out.push((sound[0] as usize, probability));
            });
        }
        barge_in.finish(|sound, probability| out.push((sound[0] as usize, probability)));
        out
    }

    fn chunks(runs: &[(usize, (f32, f32), Echo)]) -> Vec<(f32, f32, Echo)> {
        let each = |&(count, (probability, survives), echo): &_| {
            std::iter::repeat_n((probability, survives, echo), count)
        };
        runs.iter().flat_map(each).collect()
    }

    /// One that has heard its own voice for a while.
    fn settled() -> BargeIn {
        let mut barge_in = BargeIn::new(0.5);
        let out = run(&mut barge_in, &chunks(&[(100, ECHO, Echo::Removed)]), false);
        assert!(out.len() == 100 && out.iter().all(|(_, probability)| *probability < 0.5));
        barge_in
    }

    #[test]
    fn while_nothing_plays_nothing_is_changed_or_held_back() {
        let mut barge_in = BargeIn::new(0.5);
        for echo in [Echo::Silent { surely: false }, Echo::Silent { surely: true }, Echo::Absent] {
            let mut through = 0;
            for probability in [0.0, 0.3, 0.9] {
                push(&mut barge_in, &chunk(0, 1.0, echo), probability, false, |_, on| {
                    through += 1;
                    assert!((on - probability).abs() < f32::EPSILON);
                });
            }
            assert_eq!(through, 3, "{echo:?}");
        }
    }

    #[test]
    fn a_person_is_heard_from_the_first_chunk_within_a_tenth_of_a_second() {
        let mut barge_in = settled();
        let mut out = Vec::new();
        let mut needed = 0;
        while out.is_empty() {
            let chunk = chunk(needed, PERSON.1, Echo::Removed);
            push(&mut barge_in, &chunk, PERSON.0, false, |sound, probability| {
                out.push((sound[0] as usize, probability));
            });
            needed += 1;
        }
        assert_eq!(needed, 3, "96 ms");
        assert_eq!(out.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(out.iter().all(|(_, probability)| *probability > 0.5));
        // Then everything is theirs.
        let after =
            run(&mut barge_in, &chunks(&[(3, ECHO, Echo::Removed), (3, PERSON, Echo::Possible)]), true);
        assert!(after.iter().all(|(_, probability)| *probability > 0.5));
    }

    #[test]
    fn where_the_echo_can_not_be_taken_away_nobody_is_heard() {
        let out = run(&mut settled(), &chunks(&[(50, PERSON, Echo::Possible)]), false);
        assert!(out.len() == 50 && out.iter().all(|(_, probability)| *probability == 0.0));
    }

    #[test]
    fn it_is_not_believed_before_it_has_shown_how_much_it_leaves() {
        let mut barge_in = BargeIn::new(0.5);
        let out = run(&mut barge_in, &chunks(&[(5, PERSON, Echo::Removed)]), false);
        assert!(out.iter().all(|(_, probability)| *probability == 0.0));
    }

    #[test]
    fn an_echo_after_all_is_nobody_and_the_next_person_is_heard() {
        let (mut barge_in, mut asked, mut out) = (settled(), 0, Vec::new());
        for number in 0..15 {
            // What was cleaned before it was known where the echo is comes still.
            let echo = if number < 10 { Echo::Removed } else { Echo::Possible };
            let is_echo = || {
                asked += 1;
                true
            };
            barge_in.push(&chunk(number, PERSON.1, echo), PERSON.0, false, is_echo, |_, probability| {
                out.push(probability);
            });
        }
        assert!(asked == 1 && out.len() == 15, "{asked} {out:?}");
        assert!(out.iter().all(|probability| *probability == 0.0));
        let out =
            run(&mut barge_in, &chunks(&[(20, ECHO, Echo::Removed), (3, PERSON, Echo::Removed)]), false);
        assert!(out[20..].iter().all(|(_, probability)| *probability > 0.5));
    }

    #[test]
    fn a_room_in_which_much_is_left_asks_for_more() {
        let leaky = (0.9, 0.2);
        let mut barge_in = settled();
        // Now and then a chunk of the echo gets through.
        let often: Vec<_> =
            (0..20).flat_map(|_| [(1, leaky, Echo::Removed), (4, ECHO, Echo::Removed)]).collect();
        let out = run(&mut barge_in, &chunks(&often), false);
        assert!(out.iter().all(|(_, probability)| *probability < 0.5));
        let out = run(&mut barge_in, &chunks(&[(6, (0.9, 0.3), Echo::Removed)]), false);
        assert!(out.iter().all(|(_, probability)| *probability < 0.5), "it may be more of the same");
        // That is forgotten after a while.
        let out =
            run(&mut barge_in, &chunks(&[(40, ECHO, Echo::Removed), (6, (0.9, 1.0), Echo::Removed)]), false);
        assert!(out.iter().any(|(_, probability)| *probability > 0.5));
    }

    #[test]
    fn what_goes_on_after_the_end_of_the_answer_is_surely_a_persons() {
        let mut barge_in = settled();
        let silent = Echo::Silent { surely: true };
        run_without_end(&mut barge_in, &chunks(&[(3, PERSON, Echo::Removed)]), false);
        assert!(!barge_in.is_surely_a_person());
        run_without_end(&mut barge_in, &chunks(&[(8, PERSON, silent)]), true);
        assert!(barge_in.is_surely_a_person());
        run_without_end(&mut barge_in, &chunks(&[(1, (0.1, 1.0), silent)]), false);
        assert!(!barge_in.is_surely_a_person(), "that was said of the last one");
        run_without_end(&mut barge_in, &chunks(&[(8, PERSON, Echo::Silent { surely: false })]), true);
        assert!(!barge_in.is_surely_a_person(), "it may be late");
    }

    fn run_without_end(barge_in: &mut BargeIn, chunks: &[(f32, f32, Echo)], speaking: bool) {
        for (probability, survives, echo) in chunks {
            push(barge_in, &chunk(0, *survives, *echo), *probability, speaking, |_, _| {});
        }
    }

    fn any_echo() -> impl Strategy<Value = Echo> {
        prop_oneof![
            Just(Echo::Silent { surely: true }),
            Just(Echo::Silent { surely: false }),
            Just(Echo::Absent),
            Just(Echo::Removed),
            Just(Echo::Possible),
        ]
    }

    proptest! {
        #[test]
        fn every_chunk_goes_on_once_and_in_order(
            chunks in prop::collection::vec((0.0_f32..1.0, 0.0_f32..1.0, any_echo()), 0..200),
            speaking: bool,
        ) {
            let out = run(&mut BargeIn::new(0.5), &chunks, speaking);
            prop_assert!(out.iter().map(|(number, _)| *number).eq(0..chunks.len()));
            for (number, probability) in out {
                prop_assert!(probability == 0.0 || (probability - chunks[number].0).abs() < f32::EPSILON);
            }
        }

        #[test]
        fn an_echo_is_never_taken_for_a_person(
            survive in prop::collection::vec(0.0_f32..0.099, 0..300), deaf: bool,
        ) {
            let echo = if deaf { Echo::Possible } else { Echo::Removed };
            let chunks: Vec<_> = survive.iter().map(|survives| (0.99, *survives, echo)).collect();
            let out = run(&mut BargeIn::new(0.5), &chunks, false);
            prop_assert!(out.iter().all(|(_, probability)| *probability == 0.0));
        }
    }
}

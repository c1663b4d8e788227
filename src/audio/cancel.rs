//! What is heard, without what is played: acoustic echo cancellation.
//!
//! **Why.** Whoever wants to speak over an answer is heard together with it. The program knows the answer
//! sample by sample, so it can be taken away, and what is left is the room and the person.
//!
//! **Mechanics.** The microphone's stream and the loudspeaker's are both counted in samples. How far the one
//! is behind the other is found by [`align`](super::align) whenever the loudspeaker's stream begins anew; until
//! then what is heard is held back, for half a second at most. Then frames of 10 ms, with exactly the part of
//! the loudspeaker's sound that they begin to echo, go through WebRTC's third echo canceller (crate `aec3`). It
//! gives two signals: one with the echo subtracted as far as it follows linearly from what was played, in which
//! a person is whole and the echo some 20 dB down; and one in which what is left of it is suppressed as well,
//! and now and then a syllable of the person. The first is what is recognised, the second tells whether there
//! is anybody.
//!
//! **It has to prove itself** in every stream: only when the canceller took most of the sound away while it
//! played is it believed that it can ([`Echo::Removed`]). Where no echo is found, and none is heard, there is
//! none ([`Echo::Absent`]): somebody wears headphones. Whatever else is heard while it plays may be an echo
//! ([`Echo::Possible`]).
//!
//! **It may lose its hold**: a sound system that stumbles, since the machine is busy, is late from then on. What
//! looks like a person by then is looked at once more ([`Canceller::is_echo`]).
//!
//! While nothing plays, samples pass untouched, at no cost.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::align::{Aligner, Clarity, FARTHEST, WINDOW};
use super::filter::{AUDIBLE, DELAY, FRAME, Filter, power};
use super::past::Past;
use crate::domain::SAMPLE_RATE;

/// The echo begins so much after its cause in what the canceller is given, since a lag is found to a
/// millisecond or so, and nothing may come before its cause.
const LEAD: u64 = 128;
/// What is held back, at most, while the lag is being looked for.
const HELD: u64 = 8_000;
/// How often it is looked for, in samples of sound played: at first, and once it is known.
const SEARCH: u64 = 1_536;
const VERIFY: u64 = 4_096;
/// How clear an echo must be that is found twice in the same place; and one that decides alone. Of 928 overlapping
/// pieces of twelve recordings of a voice over an answer none was that clear, of ten echoes that had moved all were
/// (11.3 and 1.86 at least).
const FOUND: Clarity = Clarity { of_all: 8.0, over_next: 1.05 };
const ALONE: Clarity = Clarity { of_all: 9.0, over_next: 1.5 };
/// The newest sound, in which an echo that has moved is looked for: 0.26 s.
const NEWEST: usize = 4_096;
/// Lags that are so near each other are the same.
const SAME: u64 = 3;
/// From here on a lag that is found is another one, for which what was learnt is worth less than nothing.
const MOVED: u64 = 24;
/// How long a room goes on sounding: where the lag is known, and where it isn't.
const TAIL: u64 = 2_400;
const TAIL_UNKNOWN: u64 = 6_400;
/// Below this (−70 dB) nothing is played.
const SILENCE: f32 = 3.2e-4;
/// So much louder than the noise of the room is what stands out of it: 6 dB.
const STANDS_OUT: f32 = 4.0;
/// Frames of sound played in which an echo must have been found, if there is any: 3 s.
const ABSENT: u32 = 300;

/// What of the program's own voice may be in a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Echo {
    /// Nothing plays, nor has a moment ago. Whether that moment is known exactly.
    Silent {
        /// Whether it is.
        surely: bool,
    },
    /// Something plays, and isn't heard.
    Absent,
    /// Something plays, and is taken away.
    Removed,
    /// Something plays, and may be heard.
    Possible,
}

/// A sample that was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cleaned {
    /// As it came.
    pub(super) heard: f32,
    /// With the echo subtracted, the person whole.
    pub(super) sound: f32,
    /// With what is left of it suppressed, and a part of the person, perhaps.
    pub(super) rest: f32,
    /// What may be left.
    pub(super) echo: Echo,
}

impl Cleaned {
    /// A sample of a stream in which there is no echo.
    pub(super) fn untouched(sample: f32) -> Self {
        Self { heard: sample, sound: sample, rest: sample, echo: Echo::Silent { surely: false } }
    }
}

/// Takes the echo away. One stream of a microphone, one canceller.
pub(super) struct Canceller {
    near: Past,
    far: Past,
    /// What was given to be recognised, in the places of what was heard.
    residue: Past,
    /// Where in the one the other stood when both were looked at together.
    together: Option<(u64, u64)>,
    /// The first sample that was not given yet.
    given: u64,
    /// Behind the last sample that was played and is no silence.
    sounded: Option<u64>,
    /// Whether somebody talks who only pauses when nothing sounds.
    talks: bool,
    /// Until where what was played before a new beginning may be heard.
    lingers: u64,
    path: Path,
    search: Search,
    /// The mean power of the room while nothing plays.
    noise: f32,
    /// `None` where it isn't wanted, or failed.
    filter: Option<Filter>,
}

/// The way from the loudspeaker to the microphone.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Path {
    Unknown,
    /// There is none.
    Absent,
    /// So many samples long.
    Known {
        lag: u64,
        proved: bool,
    },
}

#[derive(Default)]
struct Search {
    aligner: Option<Box<Aligner>>,
    /// Samples of sound played since the last look.
    since: u64,
    /// What was found last.
    candidate: Option<u64>,
    /// Frames in which something was played, and of these those in which nothing was heard.
    played: u32,
    unheard: u32,
}

impl Canceller {
    /// One that cancels, or one that only tells when there may be an echo.
    pub(super) fn new(cancels: bool) -> Self {
        Self {
            near: Past::new(WINDOW as u64 + HELD),
            far: Past::new(2 * (WINDOW + FARTHEST) as u64),
            residue: Past::new(NEWEST as u64),
            together: None,
            given: 0,
            sounded: None,
            talks: false,
            lingers: 0,
            path: Path::Unknown,
            search: Search::default(),
            noise: AUDIBLE,
            filter: cancels.then(Filter::new),
        }
    }

    /// Another stream of the loudspeaker begins, or sound was lost: where its echo will be is not known yet.
    pub(super) fn restart(&mut self) {
        if let Path::Known { .. } = self.path {
            self.path = Path::Unknown;
        }
        self.lingers = self.silent_from();
        self.together = None;
        self.sounded = None;
        self.far.clear();
        self.search = Search { aligner: self.search.aligner.take(), ..Search::default() };
    }

    /// Another loudspeaker plays, or another microphone hears it: nor does it say anything that the last one
    /// wasn't heard.
    pub(super) fn restart_elsewhere(&mut self) {
        self.path = Path::Unknown;
        self.noise = AUDIBLE;
        self.restart();
    }

    /// Whether the loudspeaker is in the middle of an answer, which may pause. Where the echo isn't taken away, or isn't
    /// known yet, nobody is heard in such a pause either: on a busy machine an echo may be late.
    pub(super) fn talks(&mut self, talks: bool) {
        self.talks = talks;
    }

    /// Takes what was handed to the loudspeaker and what came from the microphone since the last call, and
    /// appends to `out` what that gives; samples that are held back come later.
    pub(super) fn clean(&mut self, played: &[f32], heard: &[f32], out: &mut Vec<Cleaned>) {
        self.far.extend(played.iter().copied());
        self.near.extend(heard.iter().copied());
        if !played.is_empty() && self.together.is_none() {
            self.together = Some((self.near.end, self.far.end));
        }
        let sounding = played.iter().rposition(|sample| sample.abs() > SILENCE);
        if let Some(last) = sounding {
            self.sounded = Some(self.far.end - (played.len() - 1 - last) as u64);
            self.search.since += played.len() as u64;
        }
        self.look();
        let before = out.len();
        self.give(out);
        self.residue.extend(out[before..].iter().map(|sample| sample.sound));
    }

    /// Whether what was given last is an echo after all. A sound system that stumbles is late from then on, and what
    /// was learnt of the room is worth nothing for a while. If it is, the canceller has to prove itself again.
    ///
    /// For whoever is about to take it for a person. It takes a millisecond or two.
    pub(super) fn is_echo(&mut self) -> bool {
        let found = match self.path {
            Path::Unknown => None,
            Path::Absent => self.lag_of(self.near.before(self.given, NEWEST), self.given, ALONE),
            // Where a person speaks over it, what is left of an echo isn't clear: where it is, nobody speaks. While
            // the canceller is about to follow one that has moved, that is clear in what was heard.
            Path::Known { lag: known, .. } => {
                let has_moved = |lag: &u64| known.abs_diff(*lag) >= MOVED;
                let left = self.lag_of(self.residue.before(self.given, NEWEST), self.given, ALONE);
                let left = left.map(|lag| lag.saturating_sub(DELAY));
                left.map(|lag| if has_moved(&lag) { lag } else { known }).or_else(|| {
                    self.lag_of(self.near.before(self.given, NEWEST), self.given, ALONE).filter(has_moved)
                })
            }
        };
        if let Some(lag) = found {
            self.believe(lag);
        }
        found.is_some()
    }

    /// The lag that is clear in at most [`WINDOW`] samples, which end in this place of what was heard. In what is
    /// next to silence any could be found.
    fn lag_of(&mut self, mut sound: Vec<f32>, end: u64, clarity: Clarity) -> Option<u64> {
        let ((near, far), Some(_)) = (self.together?, &self.filter) else { return None };
        if power(sound.iter().copied()) < AUDIBLE {
            return None;
        }
        let silence = WINDOW - sound.len();
        sound.splice(..0, std::iter::repeat_n(0.0, silence));
        let played = self.far.before((end + far).saturating_sub(near), WINDOW + FARTHEST);
        let aligner = self.search.aligner.get_or_insert_with(|| Box::new(Aligner::new()));
        aligner.lag(&sound, &played, clarity).map(|lag| lag as u64)
    }

    /// The first sample of the microphone in which nothing can be heard of what is played.
    fn silent_from(&self) -> u64 {
        let is_unknown = self.filter.is_none() || self.path == Path::Unknown;
        let pauses = self.talks && is_unknown && self.sounded.is_some();
        if pauses { self.near.end.max(self.fades_at()) } else { self.fades_at() }
    }

    /// The first sample of the microphone in which nothing can be heard of what was played until now.
    fn fades_at(&self) -> u64 {
        let (Some(sounded), Some((near, far))) = (self.sounded, self.together) else { return self.lingers };
        let handed_over = (near + sounded).saturating_sub(far);
        let sounds = match self.path {
            Path::Known { lag, proved: true } => lag + TAIL,
            Path::Known { lag, proved: false } => TAIL_UNKNOWN.max(lag + TAIL),
            Path::Absent => 0,
            Path::Unknown => TAIL_UNKNOWN,
        };
        self.lingers.max(handed_over + sounds)
    }

    /// Looks for the lag, if it is time to.
    fn look(&mut self) {
        let every = if self.path == Path::Unknown { SEARCH } else { VERIFY };
        if self.search.since < every {
            return;
        }
        self.search.since = 0;
        let end = self.near.end;
        let Some(lag) = self.lag_of(self.near.before(end, WINDOW), end, FOUND) else { return };
        let again = self.search.candidate.replace(lag).is_some_and(|before| before.abs_diff(lag) <= SAME);
        if !again || matches!(self.path, Path::Known { lag: known, .. } if known.abs_diff(lag) < MOVED) {
            return;
        }
        self.believe(lag);
    }

    fn believe(&mut self, lag: u64) {
        tracing::debug!(lag, before = ?self.path, "the loudspeaker is heard");
        self.search.candidate = Some(lag);
        self.path = Path::Known { lag, proved: false };
        if let Some(filter) = &mut self.filter {
            filter.begin();
        }
    }

    fn give(&mut self, out: &mut Vec<Cleaned>) {
        while self.given < self.near.end {
            let silent_from = self.silent_from();
            let there = self.near.end - self.given;
            if self.given >= silent_from {
                let surely = matches!(self.path, Path::Known { proved: true, .. });
                self.give_untouched(there, Echo::Silent { surely }, out);
                return;
            }
            match self.path {
                Path::Known { lag, .. } => {
                    if there < FRAME as u64 {
                        return;
                    }
                    self.give_cleaned(lag, out);
                }
                _ if there < FRAME as u64 => return,
                Path::Absent => self.give_watched(Echo::Absent, out),
                Path::Unknown => {
                    let may_be_found = self.filter.is_some() && self.near.end < silent_from;
                    if may_be_found && there <= HELD {
                        return;
                    }
                    self.give_watched(Echo::Possible, out);
                }
            }
        }
    }

    fn give_untouched(&mut self, count: u64, echo: Echo, out: &mut Vec<Cleaned>) {
        let samples = self.near.before(self.given + count, count as usize);
        out.extend(samples.iter().map(|&sample| Cleaned { echo, ..Cleaned::untouched(sample) }));
        self.given += count;
        if let Echo::Silent { .. } = echo {
            let power = power(samples.iter().copied());
            // Down at once, up by 2 dB a second: what stays is the noise of the room.
            let rise = 1.0 + 0.5 * count as f32 / SAMPLE_RATE as f32;
            self.noise = if power < self.noise { power } else { (self.noise * rise).max(1e-9) };
        }
    }

    /// A frame in which no echo was found, and a look at whether there can be one.
    fn give_watched(&mut self, echo: Echo, out: &mut Vec<Cleaned>) {
        let begun = out.len();
        // A pause says nothing of whether an echo can be heard.
        let sounds = self.given < self.fades_at();
        self.give_untouched(FRAME as u64, echo, out);
        if sounds && self.filter.is_some() {
            self.search.played += 1;
            let audible = AUDIBLE.max(STANDS_OUT * self.noise);
            self.search.unheard += u32::from(power(out[begun..].iter().map(|sample| sample.sound)) < audible);
            if self.search.played >= ABSENT {
                if self.search.unheard > ABSENT / 3 * 2 {
                    self.path = Path::Absent;
                }
                (self.search.played, self.search.unheard) = (0, 0);
            }
        }
    }

    fn give_cleaned(&mut self, lag: u64, out: &mut Vec<Cleaned>) {
        let Some((near, far)) = self.together else { return };
        let end = self.given + FRAME as u64;
        let heard = self.near.before(end, FRAME);
        let caused = self.far.before((end + far + LEAD).saturating_sub(near + lag), FRAME);
        let Some(filter) = &mut self.filter else { return };
        // It is another one's, and asserts what it believes in.
        let done = catch_unwind(AssertUnwindSafe(|| filter.process(&caused, &heard)));
        if done.is_err() {
            tracing::error!("the echo canceller failed; nobody is heard while something plays");
            self.filter = None;
            self.path = Path::Unknown;
            return;
        }
        let proved = filter.proved();
        if let Path::Known { proved: known, .. } = &mut self.path {
            *known |= proved;
        }
        let echo = if matches!(self.path, Path::Known { proved: true, .. }) {
            Echo::Removed
        } else {
            Echo::Possible
        };
        let both = filter.linear.iter().zip(&filter.suppressed).zip(&heard);
        out.extend(both.map(|((&sound, &rest), &heard)| Cleaned { heard, sound, rest, echo }));
        self.given = end;
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;

    const SECOND: usize = SAMPLE_RATE as usize;
    /// What a microphone delivers at a time.
    const PIECE: usize = 1_024;

    /// Xorshift: the same numbers each time, −1.0 ‥ 1.0.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> f32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        }
    }

    /// Something with the rhythm and the spectrum of speech: buzz and hiss, in syllables of changing pitch.
    fn voice(seconds: f32, seed: u64, pitch: f32, level: f32) -> Vec<f32> {
        let mut random = Random(seed);
        let (mut phase, mut smooth, mut tone) = (0.0_f32, 0.0, 0.0);
        let (mut hertz, mut mellow) = (pitch, 0.5);
        (0..(seconds * SECOND as f32) as usize)
            .map(|n| {
                if n % 2_600 == 0 {
                    hertz = pitch * (1.0 + 0.3 * random.next());
                    mellow = 0.55 + 0.4 * random.next();
                }
                phase = (phase + hertz / SECOND as f32).fract();
                let source = if phase < 0.1 { 1.0 } else { -0.1 } + 0.3 * random.next();
                smooth += (1.0 - mellow) * (source - smooth);
                tone = 0.9 * tone + 0.5 * (source - smooth);
                let syllable = (TAU * n as f32 / 2_600.0).sin().max(0.0).sqrt();
                level * syllable * (smooth + 0.5 * tone)
            })
            .collect()
    }

    /// A room of 0.2 s, with the loudspeaker half as loud as it plays.
    struct Room(Vec<f32>);

    impl Room {
        fn new() -> Self {
            let mut random = Random(77);
            let mut response: Vec<f32> =
                (0..3_200).map(|n| 0.06 * random.next() * (-6.9 * n as f32 / 3_200.0).exp()).collect();
            response[0] = 0.5;
            Self(response)
        }

        /// Adds the echo of a part of what is played, late by so many samples.
        fn sound(&self, played: &[f32], part: Range<usize>, delay: usize, heard: &mut [f32]) {
            for n in part {
                for (later, gain) in self.0.iter().enumerate() {
                    if let Some(sample) = heard.get_mut(n + delay + later) {
                        *sample += gain * played[n];
                    }
                }
            }
        }
    }

    /// Has it all heard in pieces, as live; a stream begins at each of the places.
    fn run(canceller: &mut Canceller, played: &[f32], heard: &[f32], streams: &[usize]) -> Vec<Cleaned> {
        let mut out = Vec::new();
        for (at, piece) in heard.chunks(PIECE).enumerate() {
            let here = at * PIECE..at * PIECE + piece.len();
            if streams.iter().any(|begin| here.contains(begin)) {
                canceller.restart();
            }
            canceller.clean(&played[here], piece, &mut out);
        }
        out
    }

    /// How much less there is than was heard, in decibels: with the echo subtracted, and suppressed as well.
    fn less(out: &[Cleaned]) -> (f32, f32) {
        let level = |each: fn(&Cleaned) -> f32| 10.0 * (power(out.iter().map(each)) + 1e-12).log10();
        let heard = level(|sample| sample.heard);
        (heard - level(|sample| sample.sound), heard - level(|sample| sample.rest))
    }

    fn share(out: &[Cleaned], echo: Echo) -> f32 {
        out.iter().filter(|sample| sample.echo == echo).count() as f32 / out.len() as f32
    }

    #[test]
    fn an_echo_is_taken_away_and_a_new_stream_forgets_nothing_of_the_room() {
        let (room, part) = (Room::new(), 5 * SECOND);
        let played =
            [voice(4.0, 1, 120.0, 0.3), vec![0.0; SECOND], voice(4.0, 2, 130.0, 0.3), vec![0.0; SECOND]]
                .concat();
        let mut heard = vec![0.0; played.len()];
        room.sound(&played, 0..part, 1_900, &mut heard);
        room.sound(&played, part..played.len(), 2_311, &mut heard);
        let out = run(&mut Canceller::new(true), &played, &heard, &[0, part]);
        assert_eq!(out.len(), heard.len());

        let (subtracted, suppressed) = less(&out[2 * SECOND..4 * SECOND]);
        assert!(subtracted > 8.0 && suppressed > 18.0, "{subtracted} {suppressed}");
        assert!(share(&out[2 * SECOND..4 * SECOND], Echo::Removed) > 0.99);
        let (subtracted, suppressed) = less(&out[part + SECOND..part + 4 * SECOND]);
        assert!(subtracted > 15.0 && suppressed > 25.0, "{subtracted} {suppressed}");
        assert!(
            share(&out[part + SECOND..part + 4 * SECOND], Echo::Removed) > 0.99,
            "it has proved itself again"
        );
        assert_eq!(out.last().unwrap().echo, Echo::Silent { surely: true });
    }

    #[test]
    fn whoever_speaks_over_it_stays_whole() {
        let room = Room::new();
        let played = voice(8.0, 1, 120.0, 0.3);
        let mut heard = vec![0.0; played.len()];
        room.sound(&played, 0..played.len(), 1_900, &mut heard);
        let (begin, person) = (5 * SECOND, voice(1.5, 9, 210.0, 0.25));
        let echo = power(heard[begin..begin + person.len()].iter().copied());
        for (sample, spoken) in heard[begin..].iter_mut().zip(&person) {
            *sample += spoken;
        }
        let out = run(&mut Canceller::new(true), &played, &heard, &[0]);
        // The canceller works in blocks, and is late by one.
        let error = |late: usize| {
            let of_person =
                out[begin + late..].iter().zip(&person).map(|(sample, spoken)| sample.sound - spoken);
            power(of_person.collect::<Vec<_>>().into_iter())
        };
        let error = (0..160).map(error).fold(f32::MAX, f32::min);
        let before = power(person.iter().copied()) / echo;
        let after = power(person.iter().copied()) / error;
        assert!(after > 5.0 * before, "the person stands out more than before: {before} {after}");
        let rest = power(out[begin..begin + person.len()].iter().map(|sample| sample.rest));
        assert!(rest > 0.3 * power(person.iter().copied()), "much of them is left");
    }

    #[test]
    fn sound_that_was_skipped_is_noticed() {
        let (room, gap) = (Room::new(), 4 * SECOND);
        let played = voice(10.0, 1, 120.0, 0.3);
        let mut heard = vec![0.0; played.len()];
        // The loudspeaker stumbled there, and is 50 ms later from then on.
        room.sound(&played, 0..gap, 1_900, &mut heard);
        room.sound(&played, gap..played.len(), 2_700, &mut heard);
        let out = run(&mut Canceller::new(true), &played, &heard, &[0]);
        let (subtracted, _) = less(&out[gap + 2 * SECOND..out.len() - SECOND]);
        assert!(subtracted > 8.0, "{subtracted}");
        assert!(share(&out[gap + 2 * SECOND..out.len() - SECOND], Echo::Removed) > 0.95);
    }

    #[test]
    fn an_echo_that_has_moved_is_told_from_a_person_at_once() {
        let (room, gap) = (Room::new(), 4 * SECOND);
        let played = voice(10.0, 1, 120.0, 0.3);
        let mut echo = vec![0.0; played.len()];
        room.sound(&played, 0..gap, 1_900, &mut echo);
        let mut over = echo.clone();
        room.sound(&played, gap..played.len(), 2_700, &mut echo);
        room.sound(&played, gap..played.len(), 1_900, &mut over);
        for (sample, spoken) in over[gap..].iter_mut().zip(voice(3.0, 9, 210.0, 0.25)) {
            *sample += spoken;
        }
        // A little after it stumbled, or they began.
        for (heard, has_moved) in [(&echo, true), (&over, false)] {
            for after in [2_700 + 2_400, 2_700 + 3_200, 2_700 + 4_000] {
                let mut canceller = Canceller::new(true);
                run(&mut canceller, &played[..gap + after], &heard[..gap + after], &[0]);
                assert!(matches!(canceller.path, Path::Known { proved: true, .. }), "{:?}", canceller.path);
                assert_eq!(canceller.is_echo(), has_moved, "{after} {:?}", canceller.path);
                let lag = if has_moved { 2_700_u64 } else { 1_900 };
                let Path::Known { lag: known, .. } = canceller.path else { panic!("{:?}", canceller.path) };
                assert!(known.abs_diff(lag) < MOVED, "{known}");
            }
        }
    }

    #[test]
    fn a_microphone_and_a_loudspeaker_that_drift_apart_are_followed() {
        let room = Room::new();
        let played = voice(12.0, 1, 120.0, 0.3);
        let mut echo = vec![0.0; played.len()];
        room.sound(&played, 0..played.len(), 1_900, &mut echo);
        // 50 millionths quicker, interpolated.
        let heard: Vec<f32> = (0..echo.len())
            .map(|n| {
                let place = n as f64 * (1.0 - 50e-6);
                let (at, between) = (place as usize, place.fract() as f32);
                echo[at] * (1.0 - between) + echo.get(at + 1).copied().unwrap_or(0.0) * between
            })
            .collect();
        let out = run(&mut Canceller::new(true), &played, &heard, &[0]);
        let (subtracted, suppressed) = less(&out[8 * SECOND..]);
        assert!(subtracted > 6.0 && suppressed > 15.0, "{subtracted} {suppressed}");
    }

    #[test]
    fn where_nothing_is_heard_of_it_there_is_no_echo() {
        let played = voice(6.0, 1, 120.0, 0.3);
        let mut random = Random(5);
        let mut heard: Vec<f32> = played.iter().map(|_| 0.002 * random.next()).collect();
        for (sample, spoken) in heard[5 * SECOND..].iter_mut().zip(voice(1.0, 9, 210.0, 0.2)) {
            *sample += spoken;
        }
        let out = run(&mut Canceller::new(true), &played, &heard, &[0]);
        assert!(share(&out[..2 * SECOND], Echo::Absent) < 0.01, "that takes a while to know");
        let known = |sample: &Cleaned| matches!(sample.echo, Echo::Absent | Echo::Silent { .. });
        assert!(out[4 * SECOND..].iter().all(known));
        assert!(out.iter().zip(&heard).all(|(sample, heard)| (sample.sound - heard).abs() < 1e-9));
    }

    #[test]
    fn where_it_is_not_wanted_it_only_tells_when_there_may_be_an_echo() {
        let played = [voice(2.0, 1, 120.0, 0.3), vec![0.0; 2 * SECOND]].concat();
        let heard = voice(4.0, 3, 200.0, 0.1);
        let out = run(&mut Canceller::new(false), &played, &heard, &[0]);
        assert!(share(&out[PIECE..2 * SECOND], Echo::Possible) > 0.99);
        assert_eq!(out.last().unwrap().echo, Echo::Silent { surely: false });
        assert!(out.iter().zip(&heard).all(|(sample, heard)| (sample.sound - heard).abs() < 1e-9));
        // A pause within an answer is no silence.
        let mut canceller = Canceller::new(false);
        canceller.talks(true);
        let out = run(&mut canceller, &played, &heard, &[0]);
        assert!(share(&out[PIECE..], Echo::Possible) > 0.99);
        canceller.talks(false);
        let out = run(&mut canceller, &vec![0.0; SECOND], &heard[..SECOND], &[]);
        assert_eq!(out.last().unwrap().echo, Echo::Silent { surely: false });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        /// Whatever is played, and in whatever pieces: every sample comes out, once, in order, and not much later.
        #[test]
        fn no_sample_is_lost(
            pieces in prop::collection::vec((0_usize..3_000, 0_usize..3_000, any::<bool>(), prop::bool::weighted(0.1)), 1..40),
        ) {
            let mut canceller = Canceller::new(true);
            let (mut out, mut heard) = (Vec::new(), Vec::new());
            let mut random = Random(3);
            for (played, came, sounds, begins) in pieces {
                if begins {
                    canceller.restart();
                }
                let played: Vec<f32> =
                    (0..played).map(|_| if sounds { 0.3 * random.next() } else { 0.0 }).collect();
                let come: Vec<f32> = (0..came).map(|_| 0.1 * random.next()).collect();
                heard.extend_from_slice(&come);
                canceller.clean(&played, &come, &mut out);
                prop_assert!(out.len() <= heard.len());
                prop_assert!(heard.len() - out.len() <= HELD as usize + FRAME);
                prop_assert!(out.iter().zip(&heard).all(|(sample, heard)| sample.heard.to_bits() == heard.to_bits()));
                prop_assert!(out.iter().all(|sample| sample.sound.is_finite() && sample.rest.is_finite()));
            }
        }
    }
}

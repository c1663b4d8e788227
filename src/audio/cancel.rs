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
//! While nothing plays, samples pass untouched, at no cost.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aec3::api::config::EchoCanceller3Config;
use aec3::api::control::EchoControl;
use aec3::audio_processing::aec3::echo_canceller3::EchoCanceller3;
use aec3::audio_processing::audio_buffer::AudioBuffer;
use aec3::audio_processing::stream_config::StreamConfig;

use super::align::{Aligner, FARTHEST, WINDOW};
use crate::domain::SAMPLE_RATE;

/// 10 ms, as the canceller wants it.
const FRAME: usize = 160;
/// The echo begins so much after its cause in what the canceller is given, since a lag is found to a
/// millisecond or so, and nothing may come before its cause.
const LEAD: u64 = 128;
/// What is held back, at most, while the lag is being looked for.
const HELD: u64 = 8_000;
/// How often it is looked for, in samples of sound played: at first, and once it is known.
const SEARCH: u64 = 1_536;
const VERIFY: u64 = 4_096;
/// Lags that are so near each other are the same.
const SAME: u64 = 3;
/// From here on a lag that is found is another one, for which what was learnt is worth less than nothing.
const MOVED: u64 = 24;
/// How long a room goes on sounding: where the lag is known, and where it isn't.
const TAIL: u64 = 2_400;
const TAIL_UNKNOWN: u64 = 9_600;
/// Below this (−70 dB) nothing is played.
const SILENCE: f32 = 3.2e-4;
/// Mean power from which on a frame counts as sound: −55 dB.
const AUDIBLE: f32 = 3.2e-6;
/// So much louder than the noise of the room is what stands out of it: 6 dB.
const STANDS_OUT: f32 = 4.0;
/// Frames of echo after which the canceller has proved itself, or not.
const PROOF: u32 = 15;
/// What may be left then, as a share of the power: −6 dB.
const LEFT: f32 = 0.25;
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
    near: History,
    far: History,
    /// Where in the one the other stood when both were looked at together.
    together: Option<(u64, u64)>,
    /// The first sample that was not given yet.
    given: u64,
    /// Behind the last sample that was played and is no silence.
    sounded: Option<u64>,
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
            near: History::new(WINDOW as u64 + HELD),
            far: History::new(2 * (WINDOW + FARTHEST) as u64),
            together: None,
            given: 0,
            sounded: None,
            path: Path::Unknown,
            search: Search::default(),
            noise: AUDIBLE,
            filter: cancels.then(Filter::new),
        }
    }

    /// Another stream of the loudspeaker begins: where its echo will be is not known yet.
    pub(super) fn restart(&mut self) {
        self.together = None;
        self.sounded = None;
        self.far.clear();
        if let Path::Known { .. } = self.path {
            self.path = Path::Unknown;
        }
        self.search = Search { aligner: self.search.aligner.take(), ..Search::default() };
    }

    /// Takes what was handed to the loudspeaker and what came from the microphone since the last call, and
    /// appends to `out` what that gives; samples that are held back come later.
    pub(super) fn clean(&mut self, played: &[f32], heard: &[f32], out: &mut Vec<Cleaned>) {
        self.far.extend(played);
        self.near.extend(heard);
        if !played.is_empty() && self.together.is_none() {
            self.together = Some((self.near.end, self.far.end));
        }
        let sounding = played.iter().rposition(|sample| sample.abs() > SILENCE);
        if let Some(last) = sounding {
            self.sounded = Some(self.far.end - (played.len() - 1 - last) as u64);
            self.search.since += played.len() as u64;
        }
        self.look();
        self.give(out);
    }

    /// The first sample of the microphone in which nothing can be heard of what was played until now.
    fn silent_from(&self) -> u64 {
        let (Some(sounded), Some((near, far))) = (self.sounded, self.together) else { return 0 };
        let handed_over = (near + sounded).saturating_sub(far);
        handed_over
            + match self.path {
                Path::Known { lag, .. } => lag + TAIL,
                Path::Absent => 0,
                Path::Unknown => TAIL_UNKNOWN,
            }
    }

    /// Looks for the lag, if it is time to.
    fn look(&mut self) {
        let every = if self.path == Path::Unknown { SEARCH } else { VERIFY };
        let (Some((near0, far0)), true) = (self.together, self.filter.is_some()) else { return };
        if self.search.since < every {
            return;
        }
        self.search.since = 0;
        let near = self.near.before(self.near.end, WINDOW);
        let far = self.far.before((self.near.end + far0).saturating_sub(near0), WINDOW + FARTHEST);
        let aligner = self.search.aligner.get_or_insert_with(|| Box::new(Aligner::new()));
        let found = aligner.lag(&near, &far).map(|lag| lag as u64);
        let Some(lag) = found else { return };
        let again = self.search.candidate.replace(lag).is_some_and(|before| before.abs_diff(lag) <= SAME);
        if !again || matches!(self.path, Path::Known { lag: known, .. } if known.abs_diff(lag) < MOVED) {
            return;
        }
        tracing::debug!(lag, before = ?self.path, "the loudspeaker is heard");
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
        self.give_untouched(FRAME as u64, echo, out);
        if self.filter.is_some() {
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

/// The canceller proper, and how it does.
struct Filter {
    canceller: EchoCanceller3,
    format: StreamConfig,
    far: AudioBuffer,
    near: AudioBuffer,
    residue: AudioBuffer,
    linear: [f32; FRAME],
    suppressed: [f32; FRAME],
    /// Smoothed powers while the echo sounds, and for how many frames it did.
    heard: f32,
    left: f32,
    frames: u32,
}

impl Filter {
    fn new() -> Self {
        let rate = SAMPLE_RATE as usize;
        let buffer = || AudioBuffer::from_sample_rates(rate, 1, rate, 1, rate);
        let mut canceller = EchoCanceller3::new(tuning(), SAMPLE_RATE.cast_signed(), 1, 1);
        canceller.set_audio_buffer_delay(0);
        Self {
            canceller,
            format: StreamConfig::new(rate, 1, false),
            far: buffer(),
            near: buffer(),
            residue: buffer(),
            linear: [0.0; FRAME],
            suppressed: [0.0; FRAME],
            heard: 0.0,
            left: 0.0,
            frames: 0,
        }
    }

    /// It has to prove itself anew.
    fn begin(&mut self) {
        (self.heard, self.left, self.frames) = (0.0, 0.0, 0);
    }

    fn process(&mut self, caused: &[f32], heard: &[f32]) {
        let Self { canceller, format, far, near, residue, linear, suppressed, .. } = self;
        far.copy_from(&[caused], format);
        canceller.analyze_render(far);
        near.copy_from(&[heard], format);
        canceller.analyze_capture(near);
        canceller.process_capture_with_linear_output(near, residue, false);
        near.copy_to_stream(format, &mut [suppressed]);
        residue.copy_to_stream(format, &mut [linear]);
        if power(caused.iter().copied()) > AUDIBLE {
            const KEPT: f32 = 0.97;
            self.heard = KEPT * self.heard + power(heard.iter().copied());
            self.left = KEPT * self.left + power(self.linear.iter().copied());
            self.frames += 1;
        }
    }

    fn proved(&self) -> bool {
        self.frames >= PROOF && self.left < LEFT * self.heard
    }
}

/// The defaults are for talks among people, in which nobody wants to hear an echo. Here a machine listens,
/// which must not lose a person's first syllable: the filter is longer, so that more of the echo is subtracted
/// and less has to be suppressed; it is trusted more; and whoever speaks is noticed sooner.
fn tuning() -> EchoCanceller3Config {
    let mut tuning = EchoCanceller3Config::default();
    // In blocks of 4 ms.
    tuning.filter.main.length_blocks = 30;
    tuning.filter.shadow.length_blocks = 30;
    tuning.filter.export_linear_aec_output = true;
    tuning.delay.use_external_delay_estimator = true;
    tuning.erle.max_l = 16.0;
    tuning.erle.max_h = 8.0;
    let suppressor = &mut tuning.suppressor;
    suppressor.normal_tuning = suppressor.nearend_tuning.clone();
    suppressor.dominant_nearend_detection.trigger_threshold = 3;
    suppressor.dominant_nearend_detection.snr_threshold = 5.0;
    tuning
}

/// The mean power.
pub(super) fn power(samples: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = samples.len().max(1) as f32;
    samples.map(|sample| sample * sample).sum::<f32>() / count
}

/// The newest samples of a stream, by their places in it. What isn't kept, or hasn't come, is silence.
struct History {
    kept: u64,
    samples: Vec<f32>,
    /// Behind the last.
    end: u64,
}

impl History {
    fn new(kept: u64) -> Self {
        Self { kept, samples: Vec::new(), end: 0 }
    }

    fn clear(&mut self) {
        self.samples.clear();
        self.end = 0;
    }

    fn extend(&mut self, samples: &[f32]) {
        // Seldom, so that moving them costs nothing to speak of.
        let excess = (self.samples.len() + samples.len()).saturating_sub(2 * self.kept as usize);
        if excess > 0 {
            let surplus = self.samples.len().saturating_sub(self.kept as usize);
            self.samples.drain(..surplus);
        }
        self.samples.extend_from_slice(samples);
        self.end += samples.len() as u64;
    }

    /// So many samples that end before this place.
    fn before(&self, place: u64, count: usize) -> Vec<f32> {
        let begin = self.end - self.samples.len() as u64;
        let sample = |at: u64| {
            let at = at.checked_sub(begin + count as u64)?;
            self.samples.get(usize::try_from(at).ok()?).copied()
        };
        (place..place + count as u64).map(|at| sample(at).unwrap_or(0.0)).collect()
    }
}

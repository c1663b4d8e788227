//! One utterance through Whisper, tuned for spoken commands.
//!
//! Whisper always looks at 30 s. Giving the encoder only as much context as the clip needs makes it
//! about three times faster, but below some ten seconds it begins to loop, so the context has a
//! floor; what loops all the same is tried once more with the full context. Tokens are capped by
//! the clip's length, so that a loop ends. Silence and noise make Whisper invent words: they are
//! dropped by what Whisper itself says of the chance that nobody speaks, and by how sure it is.

use std::collections::HashMap;
use std::ffi::c_void;

use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperError, WhisperState};

use crate::breaker::AbortFlag;
use crate::domain::SAMPLE_RATE;

/// The encoder's frames in a second.
const FRAMES_PER_SECOND: f64 = 50.0;
const FULL_CONTEXT: i32 = 1500;
/// Frames beyond the clip's end, so that its last word isn't at the edge.
const MARGIN: f64 = 32.0;
/// Whisper refuses clips that are much shorter.
const SHORTEST: usize = SAMPLE_RATE as usize * 11 / 10;
/// What fast speech comes to, and what a clip has at least.
const TOKENS_PER_SECOND: f64 = 8.0;
const LEAST_TOKENS: f64 = 12.0;

/// Mean log-probabilities above which words hold against doubt, and below which they don't.
const SURE: f32 = -0.3;
const UNSURE: f32 = -0.6;
/// How much more doubt is allowed where somebody surely speaks.
const LENIENCE: f32 = 2.5;

/// What Whisper makes of silence and noise, from its training on subtitles.
const INVENTED: [&str; 14] = [
    "thank you",
    "thanks for watching",
    "thank you for watching",
    "thank you very much",
    "thanks",
    "you",
    "bye",
    "bye bye",
    "the end",
    "i'm sorry",
    "so",
    "okay",
    "please subscribe",
    "music",
];

/// How to decode.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct DecodeOptions {
    /// The language spoken, or `auto`.
    #[arg(long)]
    pub language: String,
    /// Threads; 0 chooses.
    #[arg(long)]
    pub threads: u32,
    /// The least audio context, in frames of 20 ms.
    #[arg(long)]
    pub minimum_audio_context: u32,
    /// From this no-speech probability on, an unsure text is silence.
    #[arg(long)]
    pub no_speech_threshold: f32,
    /// Below this mean log-probability, a text is noise; below 2.5 times this where somebody speaks.
    #[arg(long, allow_negative_numbers = true)]
    pub log_probability_threshold: f32,
}

/// Words, and how sure Whisper is of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decoded {
    pub(super) text: String,
    pub(super) confidence: f32,
}

/// Decodes one utterance at a time.
pub(super) struct Decoder {
    state: WhisperState,
    options: DecodeOptions,
    multilingual: bool,
    end_of_text: i32,
    /// Whisper's token for the start of a transcript.
    start: i32,
    /// Whisper's token for "nobody speaks".
    nobody: i32,
}

/// One pass over the clip.
struct Pass {
    text: String,
    confidence: f32,
    log_probability: f32,
    no_speech: f32,
    capped: bool,
}

impl Decoder {
    pub(super) fn new(context: &WhisperContext, options: DecodeOptions) -> Result<Self, WhisperError> {
        Ok(Self {
            state: context.create_state()?,
            options,
            multilingual: context.is_multilingual(),
            end_of_text: context.token_eot(),
            start: context.token_sot(),
            nobody: context.token_nosp(),
        })
    }

    /// Decodes samples (mono, 16 kHz). After an abort the result is meaningless.
    pub(super) fn decode(&mut self, samples: &[f32], abort: &AbortFlag) -> Result<Decoded, WhisperError> {
        let samples = &sound(samples);
        let seconds = samples.len() as f64 / f64::from(SAMPLE_RATE);
        let floor = i32::try_from(self.options.minimum_audio_context).unwrap_or(FULL_CONTEXT);
        let context = ((seconds * FRAMES_PER_SECOND + MARGIN).ceil() as i32).clamp(floor, FULL_CONTEXT);
        let mut pass = self.pass(samples, seconds, context, abort)?;
        let loops = pass.capped || repeats(&pass.text) || doubled(&pass.text);
        if context < FULL_CONTEXT && !abort.is_set() && loops {
            pass = self.pass(samples, seconds, FULL_CONTEXT, abort)?;
        }
        pass.no_speech = self.no_speech()?;
        if self.is_invented(&pass) {
            return Ok(Decoded { text: String::new(), confidence: 0.0 });
        }
        // A loop that the full context does not cure is not to be trusted.
        let confidence = if repeats(&pass.text) { pass.confidence * 0.3 } else { pass.confidence };
        Ok(Decoded { text: pass.text, confidence })
    }

    fn is_invented(&self, pass: &Pass) -> bool {
        let bare = bare(&pass.text);
        if bare.is_empty() {
            return true;
        }
        let DecodeOptions { no_speech_threshold, log_probability_threshold, .. } = self.options;
        // In recordings of people and in synthetic speech it is below 0.45, in silence, noise, hum and
        // beeps above 0.8.
        let somebody = pass.no_speech < no_speech_threshold;
        let silence = !somebody && pass.log_probability < SURE;
        // Whisper is unsure of a word that stands alone ("cancel" comes with −2.1) and right all the
        // same. Where somebody speaks, doubt is for whoever acts on the words: it lowers the confidence.
        let least = if somebody { log_probability_threshold * LENIENCE } else { log_probability_threshold };
        let noise = pass.log_probability < least;
        let subtitle = INVENTED.contains(&bare.as_str()) && (!somebody || pass.log_probability < UNSURE);
        noise || silence || subtitle
    }

    fn pass(
        &mut self,
        samples: &[f32],
        seconds: f64,
        context: i32,
        abort: &AbortFlag,
    ) -> Result<Pass, WhisperError> {
        let most_tokens = (seconds * TOKENS_PER_SECOND + LEAST_TOKENS) as i32;
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(threads(self.options.threads));
        params.set_audio_ctx(context);
        params.set_max_tokens(most_tokens);
        params.set_no_context(true);
        params.set_no_timestamps(true);
        params.set_single_segment(true);
        params.set_suppress_blank(true);
        params.set_suppress_nst(true);
        // Higher temperatures are for long recordings; here they cost seconds and invent words.
        params.set_temperature_inc(0.0);
        // Its own gate looks in the wrong place; see `no_speech`.
        params.set_no_speech_thold(1.0);
        params.set_print_special(false);
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_timestamps(false);
        let language = if self.multilingual { self.options.language.as_str() } else { "en" };
        params.set_language(Some(language));

        // SAFETY: whisper.cpp calls this only while `full` runs, and `abort` outlives that; the flag
        // may be read from several threads.
        unsafe {
            params.set_abort_callback(Some(aborted));
            params.set_abort_callback_user_data(std::ptr::from_ref(abort).cast_mut().cast());
        }

        self.state.full(params, samples)?;
        Ok(self.read(most_tokens))
    }

    /// The probability that nobody speaks, as Whisper was trained to tell it: in the place of the
    /// first token after the start. (whisper.cpp looks for it after the whole prompt, where it means
    /// nothing unless the prompt is the start alone.) Of the clip that was decoded last.
    fn no_speech(&mut self) -> Result<f32, WhisperError> {
        let threads = usize::try_from(threads(self.options.threads)).unwrap_or(1);
        self.state.decode(&[self.start], 0, threads)?;
        let logits = self.state.get_logits()?;
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|logit| (logit - most).exp()).sum();
        let logit = usize::try_from(self.nobody).ok().and_then(|token| logits.get(token));
        Ok(logit.map_or(0.0, |logit| (logit - most).exp() / sum))
    }

    fn read(&self, most_tokens: i32) -> Pass {
        let (mut text, mut probabilities, mut tokens) = (String::new(), Vec::new(), 0);
        let mut of_words = Vec::new();
        for segment in self.state.as_iter() {
            text += &segment.to_str_lossy().unwrap_or_default();
            tokens += segment.n_tokens();
            for n in 0..segment.n_tokens() {
                if let Some(token) = segment.get_token(n)
                    && token.token_id() < self.end_of_text
                {
                    let probability = token.token_probability().max(1e-6);
                    probabilities.push(probability);
                    if token.to_str_lossy().is_ok_and(|text| text.chars().any(char::is_alphanumeric)) {
                        of_words.push(probability);
                    }
                }
            }
        }
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len().max(1) as f32;
        let logarithms: Vec<f32> = probabilities.iter().map(|probability| probability.ln()).collect();
        Pass {
            text: clean(&text),
            // Whether a full stop belongs at the end is nothing to be sure of.
            confidence: mean(&of_words),
            log_probability: mean(&logarithms),
            no_speech: 0.0,
            capped: tokens >= most_tokens,
        }
    }
}

/// The samples as Whisper can take them: not too short, and every one a number.
fn sound(samples: &[f32]) -> Vec<f32> {
    let finite = |sample: &f32| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
    let mut sound: Vec<f32> = samples.iter().map(finite).collect();
    sound.resize(sound.len().max(SHORTEST), 0.0);
    sound
}

/// Tells whisper.cpp whether to stop.
unsafe extern "C" fn aborted(flag: *mut c_void) -> bool {
    // SAFETY: `flag` is the `AbortFlag` that `Decoder::pass` borrows for the whole of the call.
    unsafe { &*flag.cast::<AbortFlag>() }.is_set()
}

/// The threads for one decoding: more than four gain nothing with small models, and more than there
/// are cores make everything slower.
fn threads(wish: u32) -> i32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wish = if wish == 0 { 4 } else { wish as usize };
    i32::try_from(wish.min(cores)).unwrap_or(1)
}

/// The words without stage directions such as `[BLANK_AUDIO]` and `(music)`.
fn clean(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(['[', '(']) {
        let close = if rest[start..].starts_with('[') { ']' } else { ')' };
        // One that is never closed is no direction.
        let Some(length) = rest[start..].find(close) else { break };
        words += &rest[..start];
        rest = &rest[start + length + 1..];
    }
    words += rest;
    words.retain(|character| !matches!(character, '♪' | '♫'));
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lower-case words without punctuation.
fn bare(text: &str) -> String {
    let keep = |character: &char| character.is_alphanumeric() || matches!(character, ' ' | '\'');
    let bare: String = text.to_lowercase().replace('-', " ").chars().filter(keep).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the same run of words comes again and again, as when Whisper loops.
fn repeats(text: &str) -> bool {
    let words = bare(text);
    let words: Vec<&str> = words.split(' ').collect();
    let in_a_row = |length: usize, times: usize| {
        words.len() >= length * times
            && words
                .windows(length * times)
                .any(|window| window.chunks(length).all(|run| run == &window[..length]))
    };
    // People say "no no no", and spell "seven seven seven seven".
    if in_a_row(1, 6) || in_a_row(2, 4) || (3..=10).any(|length| in_a_row(length, 3)) {
        return true;
    }
    // A loop that varies a little: most words belong to the same few runs of three.
    let mut runs: HashMap<&[&str], usize> = HashMap::new();
    for run in words.windows(3) {
        *runs.entry(run).or_default() += 1;
    }
    words.len() >= 15 && runs.values().any(|times| times * 3 * 2 > words.len())
}

/// Whether all of it is there twice: a loop of one round, which short clips get from a reduced context,
/// or somebody who says so.
fn doubled(text: &str) -> bool {
    let words = bare(text);
    let words: Vec<&str> = words.split_whitespace().collect();
    let (first, second) = words.split_at(words.len() / 2);
    !first.is_empty() && first == second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_noticed_and_speech_is_not() {
        assert!(repeats("10 of clubs, 10 of clubs, 10 of clubs"));
        assert!(repeats("go go go go go go"));
        assert!(!repeats("no no no"));
        assert!(!repeats("four of clubs, ace of spades, two of hearts, ten of clubs"));
        assert!(!repeats("number seven seven seven seven"));
        assert!(!repeats(""));
    }

    #[test]
    fn what_is_there_twice_is_noticed() {
        assert!(doubled("Status Status"));
        assert!(doubled("Yes. Yes."));
        assert!(doubled("Go back. Go back."));
        assert!(!doubled("no no no"));
        assert!(!doubled("yes"));
        assert!(!doubled(""));
    }

    #[test]
    fn stage_directions_are_dropped() {
        assert_eq!(clean(" [BLANK_AUDIO]"), "");
        assert_eq!(clean("♪ (upbeat music) Split right."), "Split right.");
        assert_eq!(clean(" List   sessions. "), "List sessions.");
        assert_eq!(clean("(coughs) open [inaudible] the (door"), "open the (door");
    }
}

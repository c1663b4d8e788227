//! One utterance through Whisper, tuned for spoken commands.
//!
//! Whisper always looks at 30 s. Giving the encoder only as much context as the clip needs makes it
//! about three times faster, but below some ten seconds it begins to loop, so the context has a
//! floor; what loops all the same is tried once more with the full context. Tokens are capped by
//! the clip's length, so that a loop ends.
//!
//! Where commands are expected, Whisper is told some of them as if they had been said before, which makes it lean
//! towards their words. What it writes then may still be no command; so the likeliest of all commands is looked for
//! on the same sound, and is taken if it isn't much less likely than what was written. What is surer than that is
//! never touched, and whatever is taken keeps its own, lower probability, so that doubt stays doubt for whoever acts
//! on it.
//!
//! Silence and noise make Whisper invent words, or say what it was told: they are
//! dropped by what Whisper itself says of the chance that nobody speaks, and by how sure it is.

mod engine;
mod lexicon;
mod search;
mod text;
mod tokens;

use whisper_rs::{WhisperContext, WhisperError};

use crate::breaker::AbortFlag;
use crate::domain::{Phrases, SAMPLE_RATE};
use crate::speech::frame::Leaning;
use engine::Engine;
use lexicon::{Lexicon, Names, Token};
use search::{Limits, Predict, Row, Way};
use text::{bare, clean, doubled, repeats};
use tokens::Tokeniser;

/// The encoder's frames in a second.
const FRAMES_PER_SECOND: f64 = 50.0;
const FULL_CONTEXT: i32 = 1500;
/// What Whisper can look at in one piece.
const LONGEST: usize = SAMPLE_RATE as usize * 30;
/// Frames beyond the clip's end, so that its last word isn't at the edge.
const MARGIN: f64 = 32.0;
/// Whisper refuses clips that are much shorter.
const SHORTEST: usize = SAMPLE_RATE as usize * 11 / 10;
/// What fast speech comes to, and what a clip has at least and at most.
const TOKENS_PER_SECOND: f64 = 8.0;
const LEAST_TOKENS: f64 = 12.0;
const MOST_TOKENS: usize = 220;

/// Tokens of what may be said, which Whisper is told beforehand. Each costs time.
const MOST_TOLD: usize = 48;
/// A command is believed if it isn't less likely by more than `e` to this than what was written.
const BELIEVED: f32 = 3.0;
/// How many times as long what was written may be.
const LONGER: usize = 3;
/// What was written is a command that surely, and no other is looked for.
const CERTAIN: f32 = -1.5;
/// Steps of the search, each of which takes as long as a token.
const MOST_STEPS: usize = 40;

/// Tokens of what is said again and again.
const LONGEST_CIRCLE: usize = 16;

/// Mean log-probabilities above which words hold against doubt, and below which they don't.
const SURE: f32 = -0.3;
const UNSURE: f32 = -0.6;
/// So many words are a sentence.
const SENTENCE: usize = 5;
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
    engine: Engine,
    options: DecodeOptions,
    tokeniser: Tokeniser,
    lexicon: Option<Lexicon>,
}

/// What Whisper writes by itself.
struct Written {
    tokens: Vec<Token>,
    log_probabilities: Vec<f32>,
    /// The logarithm of the probability of all of it, and that it ends there.
    total: f32,
    /// Whether it goes in circles, or has no end.
    loops: bool,
    /// Whether it is the same twice, and then ends.
    twice: bool,
}

impl Decoder {
    pub(super) fn new(context: WhisperContext, options: DecodeOptions) -> Result<Self, WhisperError> {
        let engine = Engine::new(context, &options.language, threads(options.threads))?;
        Ok(Self { tokeniser: Tokeniser::new(engine.vocabulary()), engine, options, lexicon: None })
    }

    /// Learns what can be said.
    pub(super) fn learn(&mut self, phrases: Phrases) {
        self.lexicon = Some(Lexicon::new(phrases, &mut self.tokeniser));
    }

    /// Decodes samples (mono, 16 kHz). After an abort the result is meaningless.
    pub(super) fn decode(
        &mut self,
        samples: &[f32],
        leaning: &Leaning,
        abort: &AbortFlag,
    ) -> Result<Decoded, WhisperError> {
        if samples.len() <= LONGEST {
            return self.piece(samples, leaning, abort);
        }
        let (mut texts, mut confidence, mut pieces) = (Vec::new(), 0.0, 0.0);
        for piece in samples.chunks(LONGEST) {
            let decoded = self.piece(piece, &Leaning::default(), abort)?;
            if !decoded.text.is_empty() {
                texts.push(decoded.text);
                (confidence, pieces) = (confidence + decoded.confidence, pieces + 1.0);
            }
        }
        Ok(Decoded {
            text: texts.join(" "),
            confidence: if pieces > 0.0 { confidence / pieces } else { 0.0 },
        })
    }

    fn piece(
        &mut self,
        samples: &[f32],
        leaning: &Leaning,
        abort: &AbortFlag,
    ) -> Result<Decoded, WhisperError> {
        let silence = Decoded { text: String::new(), confidence: 0.0 };
        let samples = &sound(samples);
        let seconds = samples.len() as f64 / f64::from(SAMPLE_RATE);
        let floor = i32::try_from(self.options.minimum_audio_context).unwrap_or(FULL_CONTEXT);
        let context = ((seconds * FRAMES_PER_SECOND + MARGIN).ceil() as i32).clamp(floor, FULL_CONTEXT);
        let most = ((seconds * TOKENS_PER_SECOND + LEAST_TOKENS) as usize).min(MOST_TOKENS);
        let told = self.told(&leaning.likely);
        let Some(mut first) = self.engine.listen(samples, context, &told, abort)? else { return Ok(silence) };
        let mut written = self.write(&first, most, abort)?;
        let mut no_speech = None;
        // Somebody says it twice, or what Whisper was told led it into that.
        if written.twice && !told.is_empty() {
            no_speech = Some(self.engine.no_speech()?);
            first = self.engine.afresh()?;
            written = self.write(&first, most, abort)?;
        }
        let is_expected = leaning.phrases && !written.twice && !abort.is_set();
        let believed = if is_expected { self.command(&first, &written, leaning, most, abort)? } else { None };
        let mut is_command = believed.is_some();
        if let Some(Way { tokens, log_probabilities, total }) = believed {
            written = Written { tokens, log_probabilities, total, loops: false, twice: false };
        }
        let (no_speech, is_fresh) = match no_speech {
            Some(known) => (known, true),
            None => (self.engine.no_speech()?, false),
        };
        // Where nobody speaks it says again what it was told, and is sure of it: what does it write without?
        let nobody = no_speech >= self.options.no_speech_threshold;
        if (written.loops || nobody) && !told.is_empty() && !is_fresh && !abort.is_set() {
            let first = self.engine.afresh()?;
            written = self.write(&first, most, abort)?;
            is_command = false;
        }
        if written.loops && context < FULL_CONTEXT && !abort.is_set() {
            let Some(first) = self.engine.listen(samples, FULL_CONTEXT, &[], abort)? else {
                return Ok(silence);
            };
            written = self.write(&first, most, abort)?;
        }
        let text = clean(&self.engine.text(&written.tokens));
        if self.is_invented(&text, written.log_probability(), no_speech) {
            return Ok(silence);
        }
        // Whether a full stop belongs at the end is nothing to be sure of.
        let of_words = written.tokens.iter().zip(&written.log_probabilities);
        let of_words: Vec<f32> =
            of_words.filter(|(token, _)| self.engine.is_word(**token)).map(|(_, it)| it.exp()).collect();
        let confidence = mean(&of_words);
        // A loop that the full context does not cure is not to be trusted.
        let confidence = if !is_command && repeats(&text) { confidence * 0.3 } else { confidence };
        Ok(Decoded { text, confidence })
    }

    /// What Whisper is told beforehand: the likeliest last.
    fn told(&mut self, likely: &[String]) -> Vec<Token> {
        let mut left = MOST_TOLD;
        let mut told = Vec::new();
        for said in likely {
            let tokens = self.tokeniser.tokens(&sentence(said));
            if tokens.len() > left {
                break;
            }
            left -= tokens.len();
            told.push(tokens);
        }
        told.iter().rev().flat_map(|tokens| tokens.iter().copied()).collect()
    }

    /// What Whisper writes if nobody keeps it from that.
    fn write(&mut self, first: &Row, most: usize, abort: &AbortFlag) -> Result<Written, WhisperError> {
        let mut written = Written {
            tokens: Vec::new(),
            log_probabilities: Vec::new(),
            total: 0.0,
            loops: true,
            twice: false,
        };
        // Where sentences end, and how likely the text is if it ends there.
        let mut stops: Vec<(usize, f32)> = Vec::new();
        let mut row = first.clone();
        while written.tokens.len() < most && !abort.is_set() {
            let token = row.likeliest();
            let length = written.tokens.len();
            if self.engine.is_stop(token) {
                stops.push((length, written.total + row.end()));
            }
            if token == self.engine.end() {
                written.loops = false;
                break;
            }
            // The same sentence twice, and about to begin again.
            if let Some(half) = written.half().filter(|_| written.tokens.first() == Some(&token))
                && let Some((end, total)) = stops.iter().find(|(end, _)| *end + 1 == half)
            {
                written.tokens.truncate(*end);
                written.log_probabilities.truncate(*end);
                written.total = *total;
                return Ok(written);
            }
            if circles(&written.tokens) {
                break;
            }
            let log_probability = row.log_probability(token);
            written.tokens.push(token);
            written.log_probabilities.push(log_probability);
            written.total += log_probability;
            row = self.engine.after(&written.tokens)?;
        }
        let text = clean(&self.engine.text(&written.tokens));
        written.twice = !written.loops && doubled(&text);
        written.loops |= written.twice || repeats(&text);
        // A full stop or none is the same text.
        if let Some((_, total)) = stops.iter().find(|(end, _)| end + 1 >= written.tokens.len()) {
            written.total = *total;
        }
        Ok(written)
    }

    /// The command that was probably said, if it isn't what was written.
    fn command(
        &mut self,
        first: &Row,
        written: &Written,
        leaning: &Leaning,
        most: usize,
        abort: &AbortFlag,
    ) -> Result<Option<Way>, WhisperError> {
        let Some(lexicon) = &self.lexicon else { return Ok(None) };
        let names = Names::new(&leaning.names, leaning.question_open, &mut self.tokeniser);
        let text = clean(&self.engine.text(&written.tokens));
        let is_command = lexicon.accepts(&text, &names);
        if is_command && !written.loops && written.total >= CERTAIN {
            return Ok(None);
        }
        let least = if is_command && !written.loops { written.total } else { written.total - BELIEVED };
        let limits = Limits { least, steps: MOST_STEPS, tokens: most };
        let found = search::likeliest(&mut self.engine, lexicon, &names, first, limits, abort)?;
        // The longer a text, the less likely the whole of it: "no" alone must not be likelier than a sentence.
        let is_as_long = |way: &Way| {
            let command = clean(&self.engine.text(&way.tokens)).chars().count();
            command * LONGER >= text.chars().count()
        };
        Ok(found.filter(|way| written.loops || is_as_long(way)))
    }

    fn is_invented(&self, text: &str, log_probability: f32, no_speech: f32) -> bool {
        let bare = bare(text);
        if bare.is_empty() {
            return true;
        }
        let DecodeOptions { no_speech_threshold, log_probability_threshold, .. } = self.options;
        // In recordings of people and in synthetic speech it is below 0.45, in silence, noise, hum and
        // beeps above 0.8.
        let somebody = no_speech < no_speech_threshold;
        // What it invents where nobody speaks is short.
        let sure = if bare.split(' ').count() >= SENTENCE { UNSURE } else { SURE };
        let silence = !somebody && log_probability < sure;
        // Whisper is unsure of a word that stands alone ("cancel" comes with −2.1) and right all the
        // same. Where somebody speaks, doubt is for whoever acts on the words: it lowers the confidence.
        let least = if somebody { log_probability_threshold * LENIENCE } else { log_probability_threshold };
        let noise = log_probability < least;
        let subtitle = INVENTED.contains(&bare.as_str()) && (!somebody || log_probability < UNSURE);
        noise || silence || subtitle
    }
}

impl Written {
    fn log_probability(&self) -> f32 {
        mean(&self.log_probabilities)
    }

    /// How long a half is, if both are the same.
    fn half(&self) -> Option<usize> {
        let half = self.tokens.len() / 2;
        let (first, second) = self.tokens.split_at(half);
        (half > 0 && first == second).then_some(half)
    }
}

/// Whether tokens end with the same few again and again. People say "no no no", and spell "seven seven seven seven".
fn circles(tokens: &[Token]) -> bool {
    (1..=LONGEST_CIRCLE).any(|length| {
        let times = match length {
            1 => 6,
            2 => 4,
            _ => 3,
        };
        let mut runs = tokens.rchunks(length).take(times);
        tokens.len() >= length * times && runs.next().is_some_and(|last| runs.all(|run| run == last))
    })
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

/// As Whisper would have written it.
fn sentence(said: &str) -> String {
    let mut characters = said.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    std::iter::once(' ').chain(first).chain(characters).chain(std::iter::once('.')).collect()
}

/// The samples as Whisper can take them: not too short, and every one a number.
fn sound(samples: &[f32]) -> Vec<f32> {
    let finite = |sample: &f32| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
    let mut sound: Vec<f32> = samples.iter().map(finite).collect();
    sound.resize(sound.len().max(SHORTEST), 0.0);
    sound
}

/// The threads for one decoding: more than four gain nothing with small models, and more than there
/// are cores make everything slower.
fn threads(wish: u32) -> i32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wish = if wish == 0 { 4 } else { wish as usize };
    i32::try_from(wish.min(cores)).unwrap_or(1)
}

//! The neural voice: Piper (VITS), run by `rten`, a pure-Rust inference library.
//!
//! **Mechanics.** Phonemes become numbers by the voice's table (after Unicode decomposition, with a
//! blank after each, between a begin and an end). The network has two halves: the first makes frames of them, all
//! at once and in little time, and the second, a HiFi-GAN decoder, which is most of the work, makes 256 samples of
//! each frame. So the first half is run once for a clause, and the decoder over windows of its frames: the first is short, so that the first sound
//! is there soon, and the later ones are longer. The decoder looks no further than [`REACH`] frames
//! to each side; a window is given these too, and what is made of them is dropped, so that the windows fit together as if all had been
//! made in one go. Memory and the time to the first sound don't grow with the length.
//!
//! **Limits.** A window can't be stopped in the middle; it takes less than a tenth of a second on one core. A voice in which
//! the halves can't be told apart is run in one go.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueView};
use serde::Deserialize;

use super::error::SynthesisError;
use super::loudness::{gain, louder};
use crate::domain::Sound;
use crate::onnx;

/// The table that Piper's voices share: a phoneme's number is its place.
const PHONEMES: &str = "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøħŋœǀǁǂǃɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢʲˈˌːˑ˞βθχᵻⱱ0123456789\u{327}\u{32a}\u{32f}\u{329}\u{303}ʰˤε↓#\"";
/// The first weight of the decoder: what stands before it is where the halves meet.
const DECODER: &str = "dec.conv_pre.weight";
/// Frames to each side that the decoder looks at.
const REACH: usize = 11;
/// Frames in the first window, and at most in one: a quarter of a second, and a bit more than a second.
const FIRST: usize = 24;
const MOST: usize = 96;
/// More threads than this gain nothing.
const THREADS: usize = 4;
/// What a voice says to itself when it is loaded, with all that makes it loud; see `loudness`.
const TRIAL: &str = "wˈʌn sˈɛʃən ɪz ɹˈɛdi, ænd nˈʌθɪŋ ɪz wˈeɪɾɪŋ.";

/// A voice.
pub(super) struct Piper {
    model: Model,
    options: RunOptions,
    inputs: [NodeId; 3],
    /// Where the halves meet, if that was found.
    frames: Option<NodeId>,
    output: NodeId,
    description: Description,
    gain: f32,
}

/// What a voice says of itself, in a file beside it; without one it is as most are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
struct Description {
    audio: Audio,
    espeak: Espeak,
    inference: Inference,
    phoneme_id_map: HashMap<String, Vec<i32>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Audio {
    sample_rate: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Espeak {
    voice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Inference {
    noise_scale: f32,
    length_scale: f32,
    noise_w: f32,
}

impl Default for Description {
    fn default() -> Self {
        let numbered = PHONEMES.chars().zip(0_i32..).map(|(phoneme, id)| (phoneme.to_string(), vec![id]));
        Self {
            audio: Audio { sample_rate: 22_050 },
            espeak: Espeak { voice: "en-us".into() },
            inference: Inference { noise_scale: 0.667, length_scale: 1.0, noise_w: 0.8 },
            phoneme_id_map: numbered.collect(),
        }
    }
}

impl Piper {
    /// Loads a voice, with its description from `….onnx.json` if there is one. Blocks.
    pub(super) fn load(path: &Path) -> Result<Self, SynthesisError> {
        let unusable = |cause: &dyn std::fmt::Display| {
            tracing::warn!(%cause, voice = %path.display(), "the voice can't be used");
            SynthesisError::Unusable
        };
        let description = match std::fs::read(path.with_added_extension("json")) {
            Ok(json) => serde_json::from_slice(&json).map_err(|error| unusable(&error))?,
            Err(_) => Description::default(),
        };
        let source = onnx::Source::read(path).map_err(|error| unusable(&error))?;
        let boundary = source.value_before(DECODER);
        let model = source.load().map_err(|error| unusable(&error))?;
        let find = |name| model.node_id(name).map_err(|error| unusable(&error));
        let inputs = [find("input")?, find("input_lengths")?, find("scales")?];
        let output = find("output")?;
        let frames = boundary.and_then(|name| model.find_node(&name));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pool = Arc::new(ThreadPool::with_num_threads(cores.min(THREADS)));
        let options = RunOptions::default().with_thread_pool(Some(pool));
        let mut piper = Self { model, options, inputs, frames, output, description, gain: 1.0 };
        piper.gain = gain(&piper.trial()?);
        Ok(piper)
    }

    /// A phrase as it sounds.
    fn trial(&self) -> Result<Vec<f32>, SynthesisError> {
        let mut samples = Vec::new();
        for window in self.speak(TRIAL, 1.0)? {
            samples.extend_from_slice(window?.samples());
        }
        Ok(samples)
    }

    /// The espeak-ng voice whose phonemes it was trained with.
    pub(super) fn espeak_voice(&self) -> &str {
        &self.description.espeak.voice
    }

    /// The sound of a clause's phonemes, window by window; `rate` is the speed, 1.0 being the voice's own. Blocks, here
    /// and for each window, for some hundredths of a second.
    pub(super) fn speak(&self, phonemes: &str, rate: f32) -> Result<Windows<'_>, SynthesisError> {
        let numbers = self.numbers(phonemes);
        let lengths = [i32::try_from(numbers.len()).unwrap_or(i32::MAX)];
        let Inference { noise_scale, length_scale, noise_w } = self.description.inference;
        let scales = [noise_scale, length_scale / rate.clamp(0.5, 2.0), noise_w];
        let run = |output| {
            let inputs = vec![
                (self.inputs[0], ValueView::from_shape(&[1, numbers.len()], &numbers).ok()?.into()),
                (self.inputs[1], ValueView::from_shape(&[1], &lengths).ok()?.into()),
                (self.inputs[2], ValueView::from_shape(&[3], &scales).ok()?.into()),
            ];
            let [output] = self.model.run_n(inputs, [output], Some(self.options.clone())).ok()?;
            Some(output)
        };
        let made = match self.frames {
            Some(node) => run(node).and_then(|value| {
                let ([_, channels, length], frames) = value.into_shape_vec::<f32, 3>().ok()?;
                Some(Made::Frames { node, frames, channels, length })
            }),
            None => run(self.output).and_then(samples).map(Made::Samples),
        };
        let made = made.ok_or(SynthesisError::Unusable)?;
        Ok(Windows { piper: self, made, at: 0, size: FIRST })
    }

    fn sound(&self, samples: &[f32]) -> Sound {
        let samples: Vec<f32> = samples.iter().map(|sample| louder(*sample, self.gain)).collect();
        Sound::new(samples, self.description.audio.sample_rate)
    }

    fn numbers(&self, phonemes: &str) -> Vec<i32> {
        let of = |phoneme: &str| {
            self.description.phoneme_id_map.get(phoneme).map(Vec::as_slice).unwrap_or_default()
        };
        let (blank, mut numbers) = (of("_"), of("^").to_vec());
        numbers.extend(blank);
        for phoneme in phonemes.chars().flat_map(decomposed) {
            let known = of(phoneme.encode_utf8(&mut [0; 4]));
            if !known.is_empty() {
                numbers.extend(known);
                numbers.extend(blank);
            }
        }
        numbers.extend(of("$"));
        numbers
    }
}

/// A phoneme as Piper has it: espeak-ng's composed letters in two. (All that its English voices make;
/// the rest of Unicode's decompositions don't occur in phonemes.)
fn decomposed(phoneme: char) -> impl Iterator<Item = char> {
    let (base, mark) = match phoneme {
        'ã' => ('a', Some('\u{303}')),
        'õ' => ('o', Some('\u{303}')),
        'ẽ' => ('e', Some('\u{303}')),
        'ĩ' => ('i', Some('\u{303}')),
        'ũ' => ('u', Some('\u{303}')),
        'ç' => ('ç', None),
        other => (other, None),
    };
    std::iter::once(base).chain(mark)
}

/// A clause that is being said. Each step blocks for some hundredths of a second.
pub(super) struct Windows<'a> {
    piper: &'a Piper,
    made: Made,
    /// The frame at which the next window begins, and how many it has.
    at: usize,
    size: usize,
}

/// What the network has made of a clause.
enum Made {
    /// The first half's frames, channel by channel.
    Frames { node: NodeId, frames: Vec<f32>, channels: usize, length: usize },
    /// All of it.
    Samples(Vec<f32>),
}

impl Windows<'_> {
    /// The samples of some frames; `None` if the decoder doesn't work as it should.
    fn decode(&self, window: Range<usize>) -> Option<Sound> {
        let Made::Frames { node, frames, channels, length } = &self.made else { return None };
        let around = window.start.saturating_sub(REACH)..(window.end + REACH).min(*length);
        let input: Vec<f32> =
            frames.chunks(*length).flat_map(|channel| &channel[around.clone()]).copied().collect();
        let shape = [1, *channels, around.len()];
        let inputs = vec![(*node, ValueView::from_shape(&shape, &input).ok()?.into())];
        let options = Some(self.piper.options.clone());
        let [output] = self.piper.model.run_n(inputs, [self.piper.output], options).ok()?;
        let samples = samples(output)?;
        let hop = samples.len() / around.len();
        let wanted = (window.start - around.start) * hop..(window.end - around.start) * hop;
        Some(self.piper.sound(samples.get(wanted)?))
    }
}

impl Iterator for Windows<'_> {
    type Item = Result<Sound, SynthesisError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.made {
            Made::Samples(samples) => {
                let samples = std::mem::take(samples);
                (!samples.is_empty()).then(|| Ok(self.piper.sound(&samples)))
            }
            Made::Frames { length, .. } => {
                let (at, length) = (self.at, *length);
                if at >= length {
                    return None;
                }
                // What is left is not worth a window of its own.
                let end = if length - at < self.size + REACH { length } else { at + self.size };
                (self.at, self.size) = (end, (2 * self.size).min(MOST));
                Some(self.decode(at..end).ok_or(SynthesisError::Unusable))
            }
        }
    }
}

#[expect(clippy::redundant_closure_for_method_calls, reason = "the tensor's type is not ours to name")]
fn samples(value: Value) -> Option<Vec<f32>> {
    value.into_tensor::<f32>().map(|tensor| tensor.into_data())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_pipers_own() {
        let map = Description::default().phoneme_id_map;
        for (phoneme, id) in
            [("_", 0), ("^", 1), ("$", 2), (" ", 3), ("a", 14), ("z", 38), ("ŋ", 44), ("\"", 150)]
        {
            assert_eq!(map[phoneme], [id], "{phoneme}");
        }
        assert_eq!(map.len(), 151);
    }
}

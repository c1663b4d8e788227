//! The neural voice: Piper (VITS), run by `rten`, a pure-Rust inference library.
//!
//! **Mechanics.** Phonemes become numbers by the voice's table (after Unicode decomposition, with a
//! blank after each, between a begin and an end); the network makes samples of them in one go. Its time
//! and memory grow with the length, so that it is given one clause at a time. The loudness differs
//! from clause to clause: each is brought to the same peak.
//!
//! **Limits.** A run can't be stopped in the middle; a clause takes some tenths of a second.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueView};
use serde::Deserialize;

use super::error::SynthesisError;
use crate::domain::Sound;
use crate::onnx;

/// The table that Piper's voices share: a phoneme's number is its place.
const PHONEMES: &str = "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøħŋœǀǁǂǃɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢʲˈˌːˑ˞βθχᵻⱱ0123456789\u{327}\u{32a}\u{32f}\u{329}\u{303}ʰˤε↓#\"";
const PEAK: f32 = 0.8;
/// More threads than this gain nothing.
const THREADS: usize = 4;

/// A voice.
pub(super) struct Piper {
    model: Model,
    options: RunOptions,
    inputs: [NodeId; 3],
    output: NodeId,
    description: Description,
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
        let model = onnx::load(path).map_err(|error| unusable(&error))?;
        let find = |name| model.node_id(name).map_err(|error| unusable(&error));
        let inputs = [find("input")?, find("input_lengths")?, find("scales")?];
        let output = find("output")?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pool = Arc::new(ThreadPool::with_num_threads(cores.min(THREADS)));
        Ok(Self {
            model,
            options: RunOptions::default().with_thread_pool(Some(pool)),
            inputs,
            output,
            description,
        })
    }

    /// The espeak-ng voice whose phonemes it was trained with.
    pub(super) fn espeak_voice(&self) -> &str {
        &self.description.espeak.voice
    }

    /// The sound of a clause's phonemes; `rate` is the speed, 1.0 being the voice's own. Blocks for some
    /// tenths of a second.
    pub(super) fn speak(&self, phonemes: &str, rate: f32) -> Result<Sound, SynthesisError> {
        let numbers = self.numbers(phonemes);
        let lengths = [i32::try_from(numbers.len()).unwrap_or(i32::MAX)];
        let Inference { noise_scale, length_scale, noise_w } = self.description.inference;
        let scales = [noise_scale, length_scale / rate.clamp(0.5, 2.0), noise_w];
        let run = || {
            let inputs = vec![
                (self.inputs[0], ValueView::from_shape(&[1, numbers.len()], &numbers).ok()?.into()),
                (self.inputs[1], ValueView::from_shape(&[1], &lengths).ok()?.into()),
                (self.inputs[2], ValueView::from_shape(&[3], &scales).ok()?.into()),
            ];
            let [output] = self.model.run_n(inputs, [self.output], Some(self.options.clone())).ok()?;
            samples(output)
        };
        let mut samples = run().ok_or(SynthesisError::Unusable)?;
        normalise(&mut samples);
        Ok(Sound::new(samples, self.description.audio.sample_rate))
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

#[expect(clippy::redundant_closure_for_method_calls, reason = "the tensor's type is not ours to name")]
fn samples(value: Value) -> Option<Vec<f32>> {
    value.into_tensor::<f32>().map(|tensor| tensor.into_data())
}

fn normalise(samples: &mut [f32]) {
    for sample in &mut *samples {
        if !sample.is_finite() {
            *sample = 0.0;
        }
    }
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    // What is as good as silent stays so.
    if peak > 0.01 {
        for sample in samples {
            *sample *= PEAK / peak;
        }
    }
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

    #[test]
    fn every_clause_is_as_loud_as_the_next() {
        let mut quiet = [0.02, -0.1, f32::NAN];
        normalise(&mut quiet);
        assert!((quiet[1] + PEAK).abs() < 1e-6 && quiet[2] == 0.0);
        let mut silent = [0.0, 0.001];
        normalise(&mut silent);
        assert!(silent[0] == 0.0 && (silent[1] - 0.001).abs() < 1e-9);
    }
}

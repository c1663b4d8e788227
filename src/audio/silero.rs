//! The Silero voice activity detector, run by `rten`, a pure-Rust inference library.
//!
//! **Mechanics.** The model is recurrent. For each 32 ms it takes the chunk with the last 64 samples
//! of the one before as context, and its own state `h` and `c` (128 numbers each); it gives the
//! probability of speech and the next state. It runs on one thread: the work of a chunk (about
//! 0.2 ms) is too small to be shared.
//!
//! In silence that no microphone could tell from nothing (below [`INAUDIBLE`]) the network is not
//! asked once it has settled; recognition of the next sound is unharmed, as the tests show on
//! recordings.

use std::path::Path;
use std::sync::Arc;

use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueView};

use super::vad::{CHUNK, VadError};
use crate::onnx::{self, LoadError};

const CONTEXT: usize = 64;
const STATE: usize = 128;

/// The mean square below which a chunk can't be speech: −72 dB, some ten steps of a 16-bit sample.
const INAUDIBLE: f32 = 6e-8;
/// Silent chunks after which the network has settled, and needn't be asked: half a second.
const SETTLED: u32 = 16;

pub(super) struct Silero {
    model: Model,
    options: RunOptions,
    inputs: [NodeId; 3],
    outputs: [NodeId; 3],
    /// Context and chunk, one after the other.
    window: [f32; CONTEXT + CHUNK],
    h: Vec<f32>,
    c: Vec<f32>,
    silent: u32,
}

impl std::fmt::Debug for Silero {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Silero").finish_non_exhaustive()
    }
}

impl Silero {
    pub(super) fn load(path: &Path) -> Result<Self, VadError> {
        let model = onnx::load(path).map_err(|error| match error {
            LoadError::Unreadable(error) => VadError::Unreadable(error),
            damaged => VadError::Damaged(Box::new(damaged)),
        })?;
        let find = |name| model.node_id(name).map_err(|_| VadError::WrongModel);
        let inputs = [find("input")?, find("h")?, find("c")?];
        let outputs = [find("speech_probs")?, find("hn")?, find("cn")?];
        let mut silero = Self {
            model,
            options: RunOptions::default().with_thread_pool(Some(Arc::new(ThreadPool::with_num_threads(1)))),
            inputs,
            outputs,
            window: [0.0; CONTEXT + CHUNK],
            h: vec![0.0; STATE],
            c: vec![0.0; STATE],
            silent: 0,
        };
        // A model with the right names may still have other shapes.
        silero.ask().ok_or(VadError::WrongModel)?;
        silero.reset();
        Ok(silero)
    }

    pub(super) fn probability(&mut self, chunk: &[f32; CHUNK]) -> f32 {
        self.window.copy_within(CHUNK.., 0);
        self.window[CONTEXT..].copy_from_slice(chunk);
        let power = chunk.iter().map(|sample| sample * sample).sum::<f32>() / CHUNK as f32;
        self.silent = if power < INAUDIBLE { self.silent.saturating_add(1) } else { 0 };
        if self.silent > SETTLED {
            return 0.0;
        }
        // The model ran with these very shapes when it was loaded; were it to fail all the same, no
        // speech is the harmless answer.
        self.ask().unwrap_or(0.0)
    }

    pub(super) fn reset(&mut self) {
        self.window.fill(0.0);
        self.h.fill(0.0);
        self.c.fill(0.0);
        self.silent = 0;
    }

    fn ask(&mut self) -> Option<f32> {
        let state = &[1, 1, STATE][..];
        let inputs = vec![
            (self.inputs[0], ValueView::from_shape(&[1, CONTEXT + CHUNK], &self.window).ok()?.into()),
            (self.inputs[1], ValueView::from_shape(state, &self.h).ok()?.into()),
            (self.inputs[2], ValueView::from_shape(state, &self.c).ok()?.into()),
        ];
        let answer = self.model.run_n(inputs, self.outputs, Some(self.options.clone())).ok()?;
        let [probability, h, c] = answer.map(numbers);
        let (probability, h, c) = (probability?, h?, c?);
        if h.len() != STATE || c.len() != STATE {
            return None;
        }
        (self.h, self.c) = (h, c);
        probability.first().filter(|probability| probability.is_finite()).map(|p| p.clamp(0.0, 1.0))
    }
}

#[expect(clippy::redundant_closure_for_method_calls, reason = "the tensor's type is not ours to name")]
fn numbers(value: Value) -> Option<Vec<f32>> {
    value.into_tensor::<f32>().map(|tensor| tensor.into_data())
}

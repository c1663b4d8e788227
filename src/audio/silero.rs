//! The Silero voice activity detector, run by `rten`, a pure-Rust inference library.
//!
//! **Mechanics.** The model is recurrent. For each 32 ms it takes the chunk with the last 64 samples
//! of the one before as context, and its own state `h` and `c` (128 numbers each); it gives the
//! probability of speech and the next state. It runs on one thread: the work of a chunk (about
//! 0.2 ms) is too small to be shared.
//!
//! While a room is as still as it has been ([`Stillness`]) and the network surely hears nobody, it is asked but once in
//! [`SPARE`] chunks. As soon as a chunk stands out, it is given the newest of those that it was spared, and then every
//! chunk, until it has been sure for a while again. First words are heard as without that, as the tests show on
//! recordings.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueView};

use super::still::Stillness;
use super::vad::{CHUNK, VadError};
use crate::onnx::{self, LoadError};

const CONTEXT: usize = 64;
const STATE: usize = 128;

/// Below this probability the network is sure that nobody speaks.
const SURE: f32 = 0.1;
/// For how many chunks it must have been, before it is spared any: half a second.
const SETTLED: u32 = 16;
/// How many chunks it is spared at most, one after the other: a second.
const SPARE: u32 = 32;
/// How many of these it is given when one stands out: an eighth of a second.
const CAUGHT_UP: usize = 4;

pub(super) struct Silero {
    model: Model,
    options: RunOptions,
    inputs: [NodeId; 3],
    outputs: [NodeId; 3],
    /// Context and chunk, one after the other.
    window: [f32; CONTEXT + CHUNK],
    h: Vec<f32>,
    c: Vec<f32>,
    stillness: Stillness,
    /// Whether the network is asked for every chunk.
    always: bool,
    /// For how many chunks it has been sure that nobody speaks.
    sure: u32,
    /// How many chunks it has been spared since it was asked last, and the newest of them.
    spared: u32,
    newest: VecDeque<[f32; CHUNK]>,
    last: f32,
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
            stillness: Stillness::default(),
            always: false,
            sure: 0,
            spared: 0,
            newest: VecDeque::with_capacity(CAUGHT_UP),
            last: 0.0,
        };
        // A model with the right names may still have other shapes.
        silero.ask().ok_or(VadError::WrongModel)?;
        silero.reset();
        Ok(silero)
    }

    /// Has the network asked for every chunk.
    pub(super) fn always(&mut self) {
        self.always = true;
    }

    pub(super) fn probability(&mut self, chunk: &[f32; CHUNK]) -> f32 {
        let is_still = self.stillness.is_still(chunk);
        if is_still && self.sure >= SETTLED && self.spared < SPARE && !self.always {
            self.spared += 1;
            if self.newest.len() == CAUGHT_UP {
                self.newest.pop_front();
            }
            self.newest.push_back(*chunk);
            return self.last;
        }
        while let Some(spared) = self.newest.pop_front() {
            self.take(&spared);
        }
        self.spared = 0;
        self.last = self.take(chunk);
        self.sure = if self.last < SURE { self.sure.saturating_add(1) } else { 0 };
        self.last
    }

    pub(super) fn reset(&mut self) {
        self.window.fill(0.0);
        self.h.fill(0.0);
        self.c.fill(0.0);
        self.stillness = Stillness::default();
        (self.sure, self.spared, self.last) = (0, 0, 0.0);
        self.newest.clear();
    }

    fn take(&mut self, chunk: &[f32; CHUNK]) -> f32 {
        self.window.copy_within(CHUNK.., 0);
        self.window[CONTEXT..].copy_from_slice(chunk);
        // The model ran with these very shapes when it was loaded; were it to fail all the same, no
        // speech is the harmless answer.
        self.ask().unwrap_or(0.0)
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

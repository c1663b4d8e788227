//! Whether a chunk of sound is speech.
//!
//! **Why two detectors.** Silero is a small neural network that tells speech from beeps, hum and
//! keyboards; it needs a model file. Without it, [`energy`](super::energy) goes by loudness above
//! the noise floor: good enough in a quiet room, and it needs nothing. A missing model is told, and
//! is never a reason not to start.

use std::path::Path;

use super::energy::Energy;
use super::silero::Silero;

/// Samples in a chunk: 32 ms at 16 kHz, which is what the model was trained on.
pub const CHUNK: usize = 512;

/// A stateful detector: feed it one stream, chunk by chunk.
#[derive(Debug)]
pub struct VoiceDetector(Kind);

#[derive(Debug)]
enum Kind {
    Silero(Box<Silero>),
    Energy(Energy),
}

/// Why the neural detector can't be used.
#[derive(Debug, thiserror::Error)]
pub enum VadError {
    /// The file can't be read.
    #[error("the voice detection model can't be read")]
    Unreadable(#[source] std::io::Error),
    /// It is not a model, or a damaged one.
    #[error("the voice detection model is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is a model, but not the one that is wanted.
    #[error("the voice detection model is of another kind")]
    WrongModel,
}

impl VoiceDetector {
    /// The Silero detector from a `silero_vad_16k_sequence.onnx` file. Reads a megabyte and takes
    /// some tens of milliseconds: not for an async thread.
    pub fn silero(model: &Path) -> Result<Self, VadError> {
        Silero::load(model).map(|silero| Self(Kind::Silero(Box::new(silero))))
    }

    /// The detector that goes by loudness.
    pub fn energy() -> Self {
        Self(Kind::Energy(Energy::default()))
    }

    /// The same, at work on every chunk, however still it is: slower, and no better as far as is known.
    #[must_use]
    pub fn always(mut self) -> Self {
        if let Kind::Silero(silero) = &mut self.0 {
            silero.always();
        }
        self
    }

    /// Its name, to tell the user.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Kind::Silero(_) => "silero",
            Kind::Energy(_) => "energy",
        }
    }

    /// The probability that the next chunk of the stream is speech, 0.0 ‥ 1.0.
    pub fn probability(&mut self, chunk: &[f32; CHUNK]) -> f32 {
        match &mut self.0 {
            Kind::Silero(silero) => silero.probability(chunk),
            Kind::Energy(energy) => energy.probability(chunk),
        }
    }

    /// Forgets the stream so far.
    pub fn reset(&mut self) {
        match &mut self.0 {
            Kind::Silero(silero) => silero.reset(),
            Kind::Energy(energy) => *energy = Energy::default(),
        }
    }
}

/// Cuts a stream of any pieces into chunks.
#[derive(Debug)]
pub(super) struct Chunker<T> {
    rest: Vec<T>,
}

impl<T> Default for Chunker<T> {
    fn default() -> Self {
        Self { rest: Vec::new() }
    }
}

impl<T: Copy> Chunker<T> {
    /// Takes samples, and hands every complete chunk to `each`.
    pub(super) fn push(&mut self, samples: &[T], mut each: impl FnMut(&[T; CHUNK])) {
        self.rest.extend_from_slice(samples);
        let (chunks, rest) = self.rest.as_chunks();
        chunks.iter().for_each(&mut each);
        let done = self.rest.len() - rest.len();
        self.rest.drain(..done);
    }

    /// The last chunk, padded with this, if anything is left.
    pub(super) fn finish(&mut self, silence: T) -> Option<[T; CHUNK]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut last = [silence; CHUNK];
        last[..self.rest.len()].copy_from_slice(&self.rest);
        self.rest.clear();
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_keep_every_sample_in_order() {
        let sound: Vec<f32> = (0..5_000).map(|i| i as f32).collect();
        for piece in [1, 100, 512, 513, 3_000] {
            let mut chunker = Chunker::default();
            let mut out = Vec::new();
            for piece in sound.chunks(piece) {
                chunker.push(piece, |chunk| out.extend_from_slice(chunk));
            }
            out.extend_from_slice(&chunker.finish(0.0).unwrap());
            assert_eq!(out[..5_000], sound);
            assert!(out.len() == 5_120 && out[5_000..].iter().all(|&s| s == 0.0));
            assert_eq!(chunker.finish(0.0), None);
        }
    }

    #[test]
    fn a_model_that_is_none_is_an_error_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.onnx");
        assert!(matches!(VoiceDetector::silero(&path), Err(VadError::Unreadable(_))));
        for bytes in [&b""[..], b"not a model", &[0xFF; 4096], &[0; 4096]] {
            std::fs::write(&path, bytes).unwrap();
            let error = VoiceDetector::silero(&path).unwrap_err();
            assert!(matches!(error, VadError::Damaged(_) | VadError::WrongModel), "{error:?}");
        }
    }
}

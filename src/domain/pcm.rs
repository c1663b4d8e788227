//! Sound as the whole program handles it.

use std::sync::Arc;
use std::time::Duration;

/// The one sample rate inside the program, in hertz. Everything is resampled to it on the way in.
pub const SAMPLE_RATE: u32 = 16_000;

/// Mono sound at [`SAMPLE_RATE`], 32-bit float, nominally within −1.0 ‥ 1.0. Cheap to clone.
#[derive(Clone, PartialEq)]
pub struct Pcm(Arc<[f32]>);

impl Pcm {
    /// Wraps samples that already are mono and at [`SAMPLE_RATE`].
    pub fn new(samples: impl Into<Arc<[f32]>>) -> Self {
        Self(samples.into())
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> &[f32] {
        &self.0
    }

    /// How long the sound lasts.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.0.len() as f64 / f64::from(SAMPLE_RATE))
    }

    /// Whether there is no sample at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Mono sound to be played, at a rate of its own, 32-bit float within −1.0 ‥ 1.0. Cheap to clone.
#[derive(Clone, PartialEq)]
pub struct Sound {
    samples: Arc<[f32]>,
    rate: u32,
}

impl Sound {
    /// Samples at so many in a second.
    pub fn new(samples: impl Into<Arc<[f32]>>, rate: u32) -> Self {
        Self { samples: samples.into(), rate }
    }

    /// The samples, oldest first.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Samples in a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.rate.max(1)))
    }
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sound({:.2} s at {} Hz)", self.duration().as_secs_f64(), self.rate)
    }
}

impl std::fmt::Debug for Pcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pcm({:.2} s)", self.duration().as_secs_f64())
    }
}

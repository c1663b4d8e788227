//! How far behind the loudspeaker the microphone is.
//!
//! **Why.** Between a sample that is handed to the sound system and its echo that comes back lie buffers of
//! two devices, of which nobody tells how full they are. An echo canceller that has to find that out by
//! itself begins anew with every stream; told where the echo begins, it keeps what it has learnt of the room.
//!
//! **Mechanics.** Generalised cross-correlation with phase transform (C. Knapp and G. Carter, 1976) of what
//! the microphone heard lately with what was played until now, within the band of speech. An echo gives one
//! sharp peak; a tone gives many and another voice none, and both are no answer.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::domain::SAMPLE_RATE;

/// Samples of the microphone that are looked at: 0.5 s.
pub(super) const WINDOW: usize = 8192;
/// The farthest behind that is looked for, in samples: 0.77 s, for loudspeakers without a wire.
pub(super) const FARTHEST: usize = 12_288;

const LENGTH: usize = WINDOW + FARTHEST;
/// Hertz. Below there is hum, above there is little of a voice.
const BAND: (usize, usize) = (200, 3_800);
/// The next highest peak is one that is not on the slope of the highest.
const SLOPE: usize = 48;

/// How far the peak has to stand out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clarity {
    /// Of the whole, in root mean squares.
    pub(super) of_all: f32,
    /// Over the next highest: how many times as high it is.
    pub(super) over_next: f32,
}

/// Finds the lag.
pub(super) struct Aligner {
    forward: Arc<dyn RealToComplex<f32>>,
    back: Arc<dyn ComplexToReal<f32>>,
    near: Vec<f32>,
    far: Vec<f32>,
    near_spectrum: Vec<Complex<f32>>,
    far_spectrum: Vec<Complex<f32>>,
}

impl Aligner {
    pub(super) fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, back) = (planner.plan_fft_forward(LENGTH), planner.plan_fft_inverse(LENGTH));
        let spectrum = forward.make_output_vec();
        Self {
            near: forward.make_input_vec(),
            far: forward.make_input_vec(),
            near_spectrum: spectrum.clone(),
            far_spectrum: spectrum,
            forward,
            back,
        }
    }

    /// How many samples ago what is heard at the end of `near` was at the end of `far`, if it is heard there at
    /// all. Takes [`WINDOW`] samples of the one and [`FARTHEST`] more of the other, which end together.
    pub(super) fn lag(&mut self, near: &[f32], far: &[f32], clarity: Clarity) -> Option<usize> {
        if near.len() != WINDOW || far.len() != LENGTH {
            return None;
        }
        // As late as can be, so that no lag reaches round the end.
        self.near[..FARTHEST].fill(0.0);
        self.near[FARTHEST..].copy_from_slice(near);
        self.far.copy_from_slice(far);
        self.forward.process(&mut self.near, &mut self.near_spectrum).ok()?;
        self.forward.process(&mut self.far, &mut self.far_spectrum).ok()?;
        let bin = |hertz: usize| hertz * LENGTH / SAMPLE_RATE as usize;
        let band = bin(BAND.0)..bin(BAND.1);
        let cross = self.near_spectrum.iter_mut().zip(&self.far_spectrum);
        let mut total = 0.0;
        for (at, (near, far)) in cross.enumerate() {
            *near = if band.contains(&at) { *near * far.conj() } else { Complex::ZERO };
            total += near.norm();
        }
        // Bins in which there is next to nothing say nothing.
        let least = 0.1 * total / band.len() as f32;
        if least <= 0.0 {
            return None;
        }
        self.near_spectrum.iter_mut().for_each(|bin| *bin /= bin.norm() + least);
        self.back.process(&mut self.near_spectrum, &mut self.near).ok()?;
        peak(&self.near[..FARTHEST], clarity)
    }
}

/// Where it is, if there is just one.
fn peak(correlation: &[f32], clarity: Clarity) -> Option<usize> {
    let highest = |values: &[f32]| values.iter().copied().fold(0.0, f32::max);
    let (lag, top) = correlation.iter().copied().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let power: f32 = correlation.iter().map(|value| value * value).sum();
    let beside = correlation[..lag.saturating_sub(SLOPE)].iter();
    let next = highest(&correlation[(lag + SLOPE).min(correlation.len())..])
        .max(beside.copied().fold(0.0, f32::max));
    let level = (power / correlation.len() as f32).sqrt();
    (top > clarity.of_all * level && top > clarity.over_next * next).then_some(lag)
}

//! Any rate to 16 kHz or to that of a loudspeaker, and any number of channels to one.
//!
//! **Mechanics.** rubato's synchronous FFT resampler: the spectrum is cut below the lower of the two
//! Nyquist frequencies, so nothing aliases, and the ratio is exact. It adds a delay of half a block,
//! which is trimmed here, and its tail is flushed at the end: `n` frames in give exactly
//! ⌈`n` · to / from⌉ samples out, aligned with the input to half a sample. Sound that has the right rate already
//! passes through untouched.

use std::ops::RangeInclusive;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use crate::domain::SAMPLE_RATE;

use super::vad::CHUNK;

/// The sample rates that can be resampled, in hertz. Beyond them a header is rather broken than
/// unusual, and the tables of the filter would grow with it.
pub(super) const RATES: RangeInclusive<u32> = 2_000..=768_000;

/// Changes the rate of a stream of mono sound.
#[derive(Debug)]
pub(super) struct Resampler(Option<Conversion>);

#[derive(Debug)]
struct Conversion {
    fft: Fft<f32>,
    from: u32,
    to: u32,
    waiting: Vec<f32>,
    block: Vec<f32>,
    /// Samples of the filter's delay that are still to be dropped.
    delay: usize,
    taken: u64,
    given: u64,
}

/// A rate outside [`RATES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sample rate of {0} Hz")]
pub(super) struct BadRate(pub(super) u32);

impl Resampler {
    /// From `rate` hertz to the program's own rate.
    pub(super) fn new(rate: u32) -> Result<Self, BadRate> {
        Self::between(rate, SAMPLE_RATE)
    }

    /// From one rate to another, in hertz.
    pub(super) fn between(from: u32, to: u32) -> Result<Self, BadRate> {
        if from == to {
            return Ok(Self(None));
        }
        if let Some(bad) = [from, to].into_iter().find(|rate| !RATES.contains(rate)) {
            return Err(BadRate(bad));
        }
        let fft =
            Fft::new(from as usize, to as usize, CHUNK, 1, FixedSync::Output).map_err(|_| BadRate(from))?;
        let block = vec![0.0; fft.output_frames_max()];
        let delay = fft.output_delay();
        Ok(Self(Some(Conversion { fft, from, to, waiting: Vec::new(), block, delay, taken: 0, given: 0 })))
    }

    /// Takes mono samples and appends what they give to `out`.
    pub(super) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        match &mut self.0 {
            None => out.extend_from_slice(samples),
            Some(conversion) => conversion.push(samples, out),
        }
    }

    /// Appends what is still under way at the end of the stream.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) {
        if let Some(conversion) = &mut self.0 {
            conversion.finish(out);
        }
    }
}

impl Conversion {
    fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.taken += samples.len() as u64;
        self.waiting.extend_from_slice(samples);
        let mut done = 0;
        loop {
            let wanted = self.fft.input_frames_next();
            if self.waiting.len() - done < wanted {
                break;
            }
            self.convert(done, wanted, out);
            done += wanted;
        }
        self.waiting.drain(..done);
    }

    fn finish(&mut self, out: &mut Vec<f32>) {
        let whole = (self.taken * u64::from(self.to)).div_ceil(u64::from(self.from));
        while self.given < whole {
            let there = self.waiting.len();
            self.convert(0, there, out);
            self.waiting.clear();
        }
        // The last block is padded with silence; that isn't part of the sound.
        let excess = usize::try_from(self.given - whole).unwrap_or(0).min(out.len());
        out.truncate(out.len() - excess);
        self.given = whole;
    }

    /// Converts one block from `waiting[from..from + frames]`, padded with silence if that is short.
    fn convert(&mut self, from: usize, frames: usize, out: &mut Vec<f32>) {
        let wanted = self.fft.input_frames_next();
        let input = &self.waiting[from..from + frames];
        let padded: Vec<f32>;
        let input = if frames < wanted {
            padded = input.iter().copied().chain(std::iter::repeat_n(0.0, wanted - frames)).collect();
            &padded[..]
        } else {
            input
        };
        let capacity = self.block.len();
        let converted = InterleavedSlice::new(input, 1, input.len()).ok().and_then(|input| {
            let mut output = InterleavedSlice::new_mut(&mut self.block, 1, capacity).ok()?;
            self.fft.process_into_buffer(&input, &mut output, Some(&Indexing::new())).ok()
        });
        // Both buffers have the sizes that the resampler asks for, so there is no error to have.
        let Some((_, made)) = converted else { return };
        let dropped = self.delay.min(made);
        self.delay -= dropped;
        out.extend_from_slice(&self.block[dropped..made]);
        self.given += (made - dropped) as u64;
    }
}

/// Mixes interleaved frames down to one channel, as their mean, and appends it to `out`. What is not
/// a number becomes silence, and what is beyond full scale is clipped.
pub(super) fn downmix(interleaved: &[f32], channels: usize, out: &mut Vec<f32>) {
    let tame = |sample: f32| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
    if channels <= 1 {
        out.extend(interleaved.iter().map(|&sample| tame(sample)));
    } else {
        let share = 1.0 / channels as f32;
        out.extend(
            interleaved
                .chunks_exact(channels)
                .map(|frame| frame.iter().map(|&sample| tame(sample)).sum::<f32>() * share),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    fn tone(hertz: f32, rate: u32, frames: usize) -> Vec<f32> {
        (0..frames).map(|i| 0.5 * (TAU * hertz * i as f32 / rate as f32).sin()).collect()
    }

    fn resample(rate: u32, samples: &[f32], piece: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(rate).unwrap();
        let mut out = Vec::new();
        for piece in samples.chunks(piece) {
            resampler.push(piece, &mut out);
        }
        resampler.finish(&mut out);
        out
    }

    /// Loudness without the edges, where the filter sees the tone begin and end.
    fn level(samples: &[f32]) -> f32 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        (middle.iter().map(|s| s * s).sum::<f32>() / middle.len() as f32).sqrt()
    }

    #[test]
    fn sixteen_kilohertz_pass_untouched() {
        let sound = tone(440.0, 16_000, 1_000);
        assert_eq!(resample(16_000, &sound, 77), sound);
    }

    #[test]
    fn the_length_is_exact() {
        for rate in [8_000, 11_025, 22_050, 32_000, 44_100, 44_101, 48_000, 96_000, 192_000] {
            for frames in [0_usize, 1, 511, 512, 513, 4_800, 44_100, 100_003] {
                let out = resample(rate, &tone(300.0, rate, frames), 1_000);
                assert_eq!(
                    out.len() as u64,
                    (frames as u64 * 16_000).div_ceil(u64::from(rate)),
                    "{rate} {frames}"
                );
            }
        }
    }

    #[test]
    fn a_tone_keeps_its_level_and_its_place() {
        for rate in [8_000, 22_050, 44_100, 48_000, 96_000] {
            let out = resample(rate, &tone(1_000.0, rate, rate as usize), 480);
            let wanted = tone(1_000.0, 16_000, 16_000);
            let error: Vec<f32> = out.iter().zip(&wanted).map(|(a, b)| a - b).collect();
            // Half a sample at 16 kHz is 0.2 radians of this tone.
            assert!(level(&error) < 0.2 * level(&wanted), "{rate}: {}", level(&error));
            assert!((level(&out) / level(&wanted) - 1.0).abs() < 0.001, "{rate}: {}", level(&out));
        }
    }

    #[test]
    fn what_16_khz_cannot_carry_vanishes_instead_of_aliasing() {
        for (rate, hertz) in [(48_000, 9_000.0), (48_000, 15_000.0), (44_100, 12_345.0), (96_000, 30_000.0)] {
            let out = resample(rate, &tone(hertz, rate, rate as usize), 480);
            assert!(level(&out) < 0.0005, "{rate} {hertz}: {}", level(&out));
        }
    }

    #[test]
    fn pieces_of_any_size_give_the_same() {
        let sound = tone(700.0, 44_100, 30_000);
        let whole = resample(44_100, &sound, 30_000);
        for piece in [1, 160, 441, 4_096] {
            assert_eq!(resample(44_100, &sound, piece), whole);
        }
    }

    #[test]
    fn absurd_rates_are_refused() {
        for rate in [0, 1, 1_999, 768_001, u32::MAX] {
            assert_eq!(Resampler::new(rate).unwrap_err(), BadRate(rate));
        }
    }

    #[test]
    fn downmix_averages_and_tames() {
        let mut out = Vec::new();
        downmix(&[0.5, -0.5, 1.0, 0.0, f32::NAN, 0.5, 9.0, f32::INFINITY], 2, &mut out);
        assert_eq!(out, [0.0, 0.5, 0.25, 0.5]);
    }
}

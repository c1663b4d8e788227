//! Voice detection by loudness, for when there is no model.
//!
//! **Mechanics.** The noise floor follows the level downwards at once and upwards slowly (about
//! 3 dB a second, less while somebody speaks), as in minimum statistics (R. Martin, 2001). What
//! stands out of it far enough is taken for speech. A high-pass at 150 Hz keeps mains hum and
//! rumble out of the level.
//!
//! **Limits.** Anything loud is speech to it: beeps, doors, music. It asks for a quiet room.

use super::vad::CHUNK;

/// The quietest level that is taken for a floor, in decibels of full scale: below it, a
/// microphone's hiss would stand out of digital silence.
const QUIETEST: f32 = -60.0;
/// How fast the floor rises, in decibels a chunk: in silence, and under speech.
const RISE: f32 = 0.1;
const RISE_UNDER_SPEECH: f32 = 0.01;
/// Decibels above the floor that are as likely speech as not.
const EVEN: f32 = 9.0;
/// Decibels from even odds to near certainty.
const SLOPE: f32 = 6.0;

#[derive(Debug)]
pub(super) struct Energy {
    floor: f32,
    high_pass: HighPass,
}

/// First order, 150 Hz.
#[derive(Debug, Default)]
pub(super) struct HighPass {
    input: f32,
    output: f32,
}

impl HighPass {
    pub(super) fn next(&mut self, input: f32) -> f32 {
        self.output = 0.944 * (self.output + input - self.input);
        self.input = input;
        self.output
    }
}

impl Default for Energy {
    fn default() -> Self {
        Self { floor: -40.0, high_pass: HighPass::default() }
    }
}

impl Energy {
    pub(super) fn probability(&mut self, chunk: &[f32; CHUNK]) -> f32 {
        let power: f32 = chunk.iter().map(|&sample| self.high_pass.next(sample).powi(2)).sum();
        let level = (10.0 * (power / CHUNK as f32).max(1e-12).log10()).max(QUIETEST);
        let above = level - self.floor;
        if above < 0.0 {
            self.floor = level;
        } else {
            self.floor += above.min(if above > EVEN { RISE_UNDER_SPEECH } else { RISE });
        }
        (0.5 + 0.5 * (above - EVEN) / SLOPE).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    /// Reproducible noise.
    fn noise(level: f32, seed: &mut u32) -> [f32; CHUNK] {
        std::array::from_fn(|_| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            level * ((*seed >> 8) as f32 / 8_388_608.0 - 1.0)
        })
    }

    fn voice(level: f32) -> [f32; CHUNK] {
        std::array::from_fn(|i| {
            (1..12).map(|k| level / k as f32 * (TAU * 150.0 * k as f32 * i as f32 / 16_000.0).sin()).sum()
        })
    }

    #[test]
    fn voice_stands_out_of_silence_and_of_noise() {
        for background in [0.0, 0.0005, 0.005, 0.02] {
            let mut energy = Energy::default();
            let mut seed = 1;
            let quiet: Vec<f32> =
                (0..200).map(|_| energy.probability(&noise(background, &mut seed))).skip(100).collect();
            assert!(quiet.iter().all(|&p| p < 0.35), "{background}: {quiet:?}");
            let spoken = energy.probability(&voice(0.3));
            assert!(spoken > 0.9, "{background}: {spoken}");
        }
    }

    #[test]
    fn a_long_sentence_does_not_become_the_floor() {
        let mut energy = Energy::default();
        for _ in 0..50 {
            energy.probability(&[0.0; CHUNK]);
        }
        let spoken: Vec<f32> = (0..300).map(|_| energy.probability(&voice(0.1))).collect();
        assert!(spoken.iter().all(|&p| p > 0.5));
    }

    #[test]
    fn a_fan_that_starts_is_silence_again_after_a_while() {
        let mut energy = Energy::default();
        let mut seed = 1;
        for _ in 0..50 {
            energy.probability(&noise(0.0005, &mut seed));
        }
        let mut last = 1.0;
        for _ in 0..1_500 {
            last = energy.probability(&noise(0.003, &mut seed));
        }
        assert!(last < 0.35, "{last}");
    }
}

//! Whether a chunk of sound is no louder than the room has been: then nobody has begun to speak.
//!
//! **Why.** The neural detector takes most of what listening costs, and most of the time nobody speaks.
//!
//! **Mechanics.** Two levels are followed: of what is above 150 Hz, and of the differences between neighbouring
//! samples, where a hiss such as "s" stands out of a rumble. Each has a floor, which falls at once to a lower level and
//! rises slowly, as in minimum statistics (R. Martin, 2001). A chunk is still if neither level is more than
//! [`MARGIN`] above its floor. A room's noise, taken over a chunk, varies by less; a voice that is to be understood
//! is louder.

use super::energy::HighPass;
use super::vad::CHUNK;

/// How far above its floor a level is still the room's, in decibels.
const MARGIN: f32 = 2.5;
/// How fast a floor rises, in decibels a chunk: about three in a second.
const RISE: f32 = 0.1;
/// A level that no microphone can tell from silence: −72 dB, some ten steps of a 16-bit sample.
const INAUDIBLE: f32 = -72.0;

/// Follows one stream.
#[derive(Debug)]
pub(super) struct Stillness {
    high_pass: HighPass,
    last: f32,
    floors: [f32; 2],
}

impl Default for Stillness {
    fn default() -> Self {
        Self { high_pass: HighPass::default(), last: 0.0, floors: [INAUDIBLE; 2] }
    }
}

impl Stillness {
    /// Whether the next chunk is still.
    pub(super) fn is_still(&mut self, chunk: &[f32; CHUNK]) -> bool {
        let (mut high, mut differences) = (0.0, 0.0);
        for &sample in chunk {
            high += self.high_pass.next(sample).powi(2);
            differences += (sample - self.last).powi(2);
            self.last = sample;
        }
        let mut still = true;
        for (power, floor) in [high, differences].into_iter().zip(&mut self.floors) {
            let level = (10.0 * (power / CHUNK as f32).max(1e-12).log10()).max(INAUDIBLE);
            still &= level - *floor <= MARGIN;
            *floor = level.min(*floor + RISE);
        }
        still
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reproducible noise.
    fn noise(level: f32, seed: &mut u32) -> [f32; CHUNK] {
        std::array::from_fn(|_| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            level * ((*seed >> 8) as f32 / 8_388_608.0 - 1.0)
        })
    }

    #[test]
    fn a_steady_room_is_still_and_what_stands_out_of_it_is_not() {
        for level in [0.0, 0.001, 0.05] {
            let (mut stillness, mut seed) = (Stillness::default(), 1);
            // The floor has to come up first.
            for _ in 0..1_000 {
                stillness.is_still(&noise(level, &mut seed));
            }
            let still = (0..1_000).filter(|_| stillness.is_still(&noise(level, &mut seed))).count();
            assert!(still > 950, "{level}: {still}");
            let loud = noise(level * 1.8 + 0.002, &mut seed);
            assert!(!stillness.is_still(&loud), "{level}");
        }
    }

    #[test]
    fn a_hiss_stands_out_of_a_rumble() {
        let (mut stillness, mut seed) = (Stillness::default(), 1);
        let mut rumble = |n: usize, hiss: f32| -> [f32; CHUNK] {
            let hiss = noise(hiss, &mut seed);
            std::array::from_fn(|i| {
                let at = (n * CHUNK + i) as f32 / 16_000.0;
                0.1 * (std::f32::consts::TAU * 120.0 * at).sin() + hiss[i]
            })
        };
        for n in 0..1_000 {
            stillness.is_still(&rumble(n, 0.001));
        }
        assert!(stillness.is_still(&rumble(1_000, 0.001)));
        // Thirty decibels below the rumble.
        assert!(!stillness.is_still(&rumble(1_001, 0.01)));
    }
}

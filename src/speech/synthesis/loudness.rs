//! One loudness for all clauses of a voice.
//!
//! **Mechanics.** A neural voice is about as loud in one clause as in the next, but no two voices are alike: so a voice
//! has one gain, found from a phrase that it says when it is loaded. (A peak can't be it: it is known only when a
//! clause has been made, and one loud "t" would make the rest quiet.) What becomes too loud by it is bent, not cut.

/// Mean power of speech, as a root, without its pauses: 20 dB below full scale.
const SPEECH: f32 = 0.1;
/// Quieter than this share of the loudest is a pause.
const PAUSE: f32 = 0.1;
/// What is louder is bent.
const KNEE: f32 = 0.7;
/// Samples that are judged together: some 20 ms.
const BLOCK: usize = 512;

/// How much louder a voice must become that sounds like this.
pub(super) fn gain(samples: &[f32]) -> f32 {
    let powers: Vec<f32> = samples
        .chunks(BLOCK)
        .map(|block| block.iter().map(|sample| sample * sample).sum::<f32>() / block.len() as f32)
        .filter(|power| power.is_finite())
        .collect();
    let loudest = powers.iter().copied().fold(0.0, f32::max);
    let speech: Vec<f32> =
        powers.into_iter().filter(|power| *power > loudest * PAUSE * PAUSE && *power > 0.0).collect();
    let power = speech.iter().sum::<f32>() / speech.len().max(1) as f32;
    // What says nothing at all is not made loud.
    if power > 0.0 { (SPEECH / power.sqrt()).clamp(0.1, 10.0) } else { 1.0 }
}

/// A sample so much louder, within full scale whatever it was.
pub(super) fn louder(sample: f32, gain: f32) -> f32 {
    let sample = if sample.is_finite() { sample * gain } else { 0.0 };
    let over = (sample.abs() - KNEE).max(0.0) / (1.0 - KNEE);
    if over > 0.0 { (KNEE + (1.0 - KNEE) * over.tanh()).copysign(sample) } else { sample }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_comes_to_the_same_loudness_whatever_it_was_and_however_many_pauses_it_has() {
        let speech = |loudness: f32, pauses: usize| -> Vec<f32> {
            let tone = (0..22_050).map(|i| loudness * (i as f32 * 0.1).sin());
            tone.chain(std::iter::repeat_n(0.0, pauses)).collect()
        };
        let power = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32;
        for (loudness, pauses) in [(0.5, 0), (0.05, 0), (0.05, 100_000), (0.9, 30_000)] {
            let sound = speech(loudness, pauses);
            let gain = gain(&sound);
            let loud: Vec<f32> = sound[..22_050].iter().map(|sample| louder(*sample, gain)).collect();
            assert!((power(&loud).sqrt() / SPEECH - 1.0).abs() < 0.05, "{loudness} {pauses} {gain}");
        }
        assert!(
            (gain(&vec![0.0; 5_000]) - 1.0).abs() < f32::EPSILON && (gain(&[]) - 1.0).abs() < f32::EPSILON
        );
    }

    #[test]
    fn nothing_goes_beyond_full_scale_or_jumps() {
        let bent: Vec<f32> = (-4_000..4_000).map(|i| louder(i as f32 / 1_000.0, 2.0)).collect();
        assert!(bent.iter().all(|sample| sample.abs() <= 1.0));
        assert!(bent.windows(2).all(|pair| pair[1] >= pair[0] && pair[1] - pair[0] < 0.003));
        assert!(louder(f32::NAN, 2.0) == 0.0 && (louder(0.2, 2.0) - 0.4).abs() < 1e-6);
    }
}

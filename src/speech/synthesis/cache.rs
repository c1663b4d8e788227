//! Short phrases that were said before, and will be again: how they are kept.

use std::time::Duration;

use crate::domain::{CacheKey, Sound};

/// Longer texts don't come twice.
const LONGEST: usize = 60;
/// A voice changes with its model at the latest, which is part of the key.
const KEEP: Duration = Duration::from_hours(24 * 7);

/// What a text is kept under, if it is worth it; `voice` is all that its sound depends on.
pub(super) fn key(voice: &str, text: &str) -> Option<CacheKey> {
    let id = || format!("{voice}\0{text}");
    (text.len() <= LONGEST).then(|| CacheKey { kind: "phrase", id: id(), keep: KEEP })
}

/// Rate, then samples of 16 bits.
pub(super) fn pack(sound: &Sound) -> Vec<u8> {
    let level = |sample: &f32| ((sample * 32_767.0).clamp(-32_768.0, 32_767.0) as i16).to_le_bytes();
    let mut bytes = sound.rate().to_le_bytes().to_vec();
    bytes.extend(sound.samples().iter().flat_map(level));
    bytes
}

/// The sound, if it is one.
pub(super) fn unpack(bytes: &[u8]) -> Option<Sound> {
    let (rate, samples) = bytes.split_first_chunk::<4>()?;
    let rate = Some(u32::from_le_bytes(*rate)).filter(|rate| (4_000..=192_000).contains(rate))?;
    let (samples, rest) = samples.as_chunks::<2>();
    let level = |sample: &[u8; 2]| f32::from(i16::from_le_bytes(*sample)) / 32_767.0;
    let samples: Vec<f32> = samples.iter().map(level).collect();
    (rest.is_empty() && !samples.is_empty()).then(|| Sound::new(samples, rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_comes_back_as_it_was_and_nothing_else_does() {
        let sound = Sound::new(vec![0.0, 0.5, -1.0, 1.0], 22_050);
        let back = unpack(&pack(&sound)).unwrap();
        let same = back.samples().iter().zip(sound.samples()).all(|(one, two)| (one - two).abs() < 1e-4);
        assert!(same && back.rate() == 22_050);
        for wrong in [&b""[..], b"abc", b"\x22\x56\0\0", b"\x22\x56\0\0a", b"\x01\0\0\0abcd"] {
            assert!(unpack(wrong).is_none(), "{wrong:?}");
        }
        assert!(key("joe", "Done.").is_some() && key("joe", &"long".repeat(50)).is_none());
        assert_ne!(key("joe", "Done."), key("ann", "Done."));
    }
}

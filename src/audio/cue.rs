//! The signs that can be heard: soft tones, made here.
//!
//! They are short and quiet, and pure, so that a microphone in the same room doesn't take them for speech:
//! the voice detector doesn't, and one that goes by loudness finds them too short for an utterance.

use std::f32::consts::{PI, TAU};
use std::time::Duration;

use crate::domain::{Cue, Sound};

const RATE: u32 = 48_000;
/// Full scale is 1.0, and speech is about 0.3.
const LOUDNESS: f32 = 0.1;
const NOTE: Duration = Duration::from_millis(45);

/// What a sign sounds like.
pub(super) fn sound(cue: Cue) -> Sound {
    const E: f32 = 659.26;
    const A: f32 = 880.0;

    let notes: &[f32] = match cue {
        Cue::Listening => &[E, A],
        Cue::Understood => &[A],
        Cue::NotUnderstood => &[E / 2.0, E / 2.0],
        Cue::Asleep => &[A, E],
    };
    Sound::new(notes.iter().flat_map(|&frequency| note(frequency)).collect::<Vec<_>>(), RATE)
}

/// A sine that swells and fades, so that it doesn't click.
fn note(frequency: f32) -> impl Iterator<Item = f32> {
    let length = (NOTE.as_secs_f64() * f64::from(RATE)) as usize;
    (0..length).map(move |i| {
        let swell = (PI * i as f32 / length as f32).sin().powi(2);
        LOUDNESS * swell * (TAU * frequency * i as f32 / RATE as f32).sin()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Endpointer, Event, VoiceDetector};
    use crate::config;
    use crate::domain::SAMPLE_RATE;

    const CUES: [Cue; 4] = [Cue::Listening, Cue::Understood, Cue::NotUnderstood, Cue::Asleep];

    #[test]
    fn they_are_soft_short_and_different() {
        for cue in CUES {
            let sound = sound(cue);
            assert!(sound.duration() < Duration::from_millis(100), "{cue:?}");
            assert!(sound.samples().iter().all(|sample| sample.abs() <= LOUDNESS), "{cue:?}");
            let step = sound.samples().windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            assert!(step < 0.02, "{cue:?} clicks: {step}");
            let alike = CUES.iter().filter(|&&other| super::sound(other).samples() == sound.samples());
            assert_eq!(alike.count(), 1, "{cue:?}");
        }
    }

    #[test]
    fn by_loudness_alone_none_is_an_utterance() {
        for cue in CUES {
            // Every third sample: from 48 kHz to 16.
            let tone: Vec<f32> = sound(cue).samples().iter().step_by(3).copied().collect();
            assert_eq!(RATE / 3, SAMPLE_RATE);
            let hiss = |i: usize| if i.is_multiple_of(2) { 0.001 } else { -0.001 };
            let mut heard: Vec<f32> = (0..32_000).map(hiss).collect();
            heard.extend(tone);
            heard.extend((0..32_000).map(hiss));
            let mut detector = VoiceDetector::energy();
            let mut endpointer = Endpointer::new(&config::Endpoint::default());
            for chunk in heard.as_chunks().0 {
                let event = endpointer.push(chunk, detector.probability(chunk));
                assert!(!matches!(event, Some(Event::Utterance { .. })), "{cue:?}");
            }
        }
    }
}

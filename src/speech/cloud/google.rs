//! Google Cloud: Speech-to-Text v1 (`speech:recognize`) and Text-to-Speech v1 (`text:synthesize`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::{Request, SOUND, Said, Service, WORDS, linear16};
use crate::config;
use crate::domain::{Pcm, SAMPLE_RATE, Sound};
use crate::speech::synthesis::wav;

/// Speech to text.
pub(super) struct Recogniser {
    language: String,
}

impl Recogniser {
    pub(super) fn new(config: &config::Cloud) -> Self {
        Self { language: config.language.clone() }
    }
}

#[derive(Deserialize)]
struct Answer {
    /// Left out when nobody spoke.
    #[serde(default)]
    results: Vec<Part>,
}

/// A piece of the sound.
#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    alternatives: Vec<Alternative>,
}

#[derive(Deserialize)]
struct Alternative {
    #[serde(default)]
    transcript: String,
    confidence: Option<f32>,
}

impl Service<Pcm, Said> for Recogniser {
    fn request(&self, speech: &Pcm) -> Request {
        let body = json!({
            "config": {
                "encoding": "LINEAR16",
                "sampleRateHertz": SAMPLE_RATE,
                "languageCode": self.language,
                "maxAlternatives": 1,
                "model": "latest_short",
            },
            "audio": { "content": STANDARD.encode(linear16(speech)) },
        });
        json_request("v1/speech:recognize", &body, WORDS)
    }

    fn answer(&self, bytes: Vec<u8>) -> Option<Said> {
        let answer: Answer = serde_json::from_slice(&bytes).ok()?;
        let best: Vec<&Alternative> =
            answer.results.iter().filter_map(|part| part.alternatives.first()).collect();
        if best.is_empty() {
            return Some(Said::nothing());
        }
        let text: Vec<&str> = best.iter().map(|part| part.transcript.trim()).collect();
        let confidence = best.iter().filter_map(|part| part.confidence).reduce(f32::min);
        Said::new(&text.join(" "), confidence)
    }
}

/// Text to speech.
pub(super) struct Voice {
    language: String,
    name: String,
    rate: f32,
}

impl Voice {
    pub(super) fn new(config: &config::Cloud, rate: f32) -> Self {
        Self { language: config.language.clone(), name: config.google.voice.clone(), rate }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spoken {
    audio_content: String,
}

impl Service<str, Sound> for Voice {
    fn request(&self, clause: &str) -> Request {
        let body = json!({
            "input": { "text": clause },
            "voice": { "languageCode": self.language, "name": self.name },
            // With the header of a wav file.
            "audioConfig": { "audioEncoding": "LINEAR16", "sampleRateHertz": 24_000, "speakingRate": self.rate },
        });
        json_request("v1/text:synthesize", &body, SOUND)
    }

    fn answer(&self, bytes: Vec<u8>) -> Option<Sound> {
        let spoken: Spoken = serde_json::from_slice(&bytes).ok()?;
        wav::decode(STANDARD.decode(spoken.audio_content).ok()?)
    }
}

pub(super) fn json_request(path: &'static str, body: &serde_json::Value, longest: usize) -> Request {
    Request {
        path,
        query: Vec::new(),
        headers: vec![("content-type", "application/json".into()), ("accept", "application/json".into())],
        body: body.to_string().into_bytes(),
        longest,
    }
}

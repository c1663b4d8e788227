//! OpenAI's audio interface, which many self-hosted servers speak: `/v1/audio/transcriptions` and
//! `/v1/audio/speech`.

use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Request, SOUND, Said, Service, WORDS, wav_file};
use crate::config;
use crate::domain::{Pcm, Sound};
use crate::speech::synthesis::wav;

/// From this mean no-speech probability on, an unsure text is silence; as with the local recogniser.
const NO_SPEECH: f32 = 0.6;
/// Below this mean log-probability a text is unsure.
const UNSURE: f32 = -1.0;

/// Speech to text.
pub(super) struct Recogniser {
    model: String,
    language: String,
}

impl Recogniser {
    pub(super) fn new(config: &config::Cloud) -> Self {
        // It takes the bare language: "en" of "en-US".
        let language = config.language.split('-').next().unwrap_or_default().to_owned();
        Self { model: config.openai.stt_model.clone(), language }
    }
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    #[serde(default)]
    segments: Vec<Segment>,
}

#[derive(Deserialize)]
struct Segment {
    avg_logprob: Option<f32>,
    no_speech_prob: Option<f32>,
}

impl Service<Pcm, Said> for Recogniser {
    fn request(&self, speech: &Pcm) -> Request {
        // Only Whisper tells how sure it is, and the others refuse to be asked.
        let format = if self.model.starts_with("gpt-") { "json" } else { "verbose_json" };
        // Random, so that it can't stand in the sound.
        let boundary = format!("voice-terminal-{}", Uuid::new_v4());
        let mut body = Vec::new();
        for (name, value) in [
            ("model", self.model.as_str()),
            ("language", &self.language),
            ("response_format", format),
            ("temperature", "0"),
        ] {
            let part =
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"speech.wav\"\r\n\
             Content-Type: audio/wav\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&wav_file(speech));
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Request {
            path: "v1/audio/transcriptions",
            query: Vec::new(),
            headers: vec![
                ("content-type", format!("multipart/form-data; boundary={boundary}")),
                ("accept", "application/json".into()),
            ],
            body,
            longest: WORDS,
        }
    }

    fn answer(&self, bytes: Vec<u8>) -> Option<Said> {
        let answer: Answer = serde_json::from_slice(&bytes).ok()?;
        let mean = |of: fn(&Segment) -> Option<f32>| {
            let values: Vec<f32> = answer.segments.iter().filter_map(of).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f32>() / values.len() as f32)
        };
        let sure = mean(|segment| segment.avg_logprob);
        let silent = mean(|segment| segment.no_speech_prob);
        if sure.is_some_and(|sure| sure < UNSURE) && silent.is_some_and(|silent| silent > NO_SPEECH) {
            return Some(Said::nothing());
        }
        Said::new(&answer.text, sure.map(f32::exp))
    }
}

/// Text to speech.
pub(super) struct Voice {
    model: String,
    name: String,
    rate: f32,
}

impl Voice {
    pub(super) fn new(config: &config::Cloud, rate: f32) -> Self {
        Self { model: config.openai.tts_model.clone(), name: config.openai.voice.clone(), rate }
    }
}

impl Service<str, Sound> for Voice {
    fn request(&self, clause: &str) -> Request {
        let body = json!({
            "model": self.model,
            "voice": self.name,
            "input": clause,
            "response_format": "wav",
            "speed": self.rate,
        });
        Request {
            path: "v1/audio/speech",
            query: Vec::new(),
            headers: vec![("content-type", "application/json".into())],
            body: body.to_string().into_bytes(),
            longest: SOUND,
        }
    }

    fn answer(&self, bytes: Vec<u8>) -> Option<Sound> {
        wav::decode(bytes)
    }
}

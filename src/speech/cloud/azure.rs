//! Azure Speech: the REST interface for short audio, and the one for text to speech.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Request, SOUND, Said, Service, WORDS, wav_file};
use crate::breaker::Unready;
use crate::config;
use crate::domain::{Pcm, Sound};
use crate::speech::synthesis::wav;

/// The address of a service (`stt`, `tts`): as it is given, or that of the region.
pub(super) fn address(region: &str, kind: &str, given: &str) -> Result<String, Unready> {
    if !given.is_empty() {
        return Ok(given.to_owned());
    }
    if region.is_empty() {
        return Err(Unready("Azure needs its region: set cloud.azure.region".into()));
    }
    if !region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(Unready("cloud.azure.region is no region; it is a word, such as westeurope".into()));
    }
    Ok(format!("https://{region}.{kind}.speech.microsoft.com"))
}

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
#[serde(rename_all = "PascalCase")]
struct Answer {
    recognition_status: Status,
    #[serde(default, rename = "NBest")]
    best: Vec<Best>,
}

#[derive(Deserialize)]
enum Status {
    Success,
    /// Speech, and no words of the language in it.
    NoMatch,
    /// Only silence.
    InitialSilenceTimeout,
    /// Only noise.
    BabbleTimeout,
    /// The service itself failed.
    Error,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Best {
    confidence: Option<f32>,
    display: String,
}

impl Service<Pcm, Said> for Recogniser {
    fn request(&self, speech: &Pcm) -> Request {
        Request {
            path: "speech/recognition/conversation/cognitiveservices/v1",
            query: vec![
                ("language", self.language.clone()),
                ("format", "detailed".into()),
                // Else words are starred out of file names too.
                ("profanity", "raw".into()),
            ],
            headers: vec![
                ("content-type", "audio/wav; codecs=audio/pcm; samplerate=16000".into()),
                ("accept", "application/json".into()),
            ],
            body: wav_file(speech),
            longest: WORDS,
        }
    }

    fn answer(&self, bytes: Vec<u8>) -> Option<Said> {
        let answer: Answer = serde_json::from_slice(&bytes).ok()?;
        match answer.recognition_status {
            Status::Success => {
                let best = answer.best.first()?;
                Said::new(&best.display, best.confidence)
            }
            Status::NoMatch | Status::InitialSilenceTimeout | Status::BabbleTimeout => Some(Said::nothing()),
            Status::Error => None,
        }
    }

    fn tells_failure(&self, bytes: &[u8]) -> bool {
        let answer = serde_json::from_slice::<Answer>(bytes);
        answer.is_ok_and(|answer| matches!(answer.recognition_status, Status::Error))
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
        Self { language: config.language.clone(), name: config.azure.voice.clone(), rate }
    }
}

impl Service<str, Sound> for Voice {
    fn request(&self, clause: &str) -> Request {
        let (language, voice) = (escaped(&self.language), escaped(&self.name));
        let body = format!(
            "<speak version='1.0' xmlns='http://www.w3.org/2001/10/synthesis' xml:lang='{language}'>\
             <voice name='{voice}'>{}</voice></speak>",
            billed(clause, self.rate)
        );
        Request {
            path: "cognitiveservices/v1",
            query: Vec::new(),
            headers: vec![
                ("content-type", "application/ssml+xml".into()),
                ("x-microsoft-outputformat", "riff-24khz-16bit-mono-pcm".into()),
            ],
            body: body.into_bytes(),
            longest: SOUND,
        }
    }

    fn answer(&self, bytes: Vec<u8>) -> Option<Sound> {
        wav::decode(bytes)
    }
}

/// What stands inside the voice: Azure bills all of it, markup too. So at the usual rate it is only the clause.
pub(super) fn billed(clause: &str, rate: f32) -> Cow<'_, str> {
    let (text, percent) = (escaped(clause), ((rate - 1.0) * 100.0).round() as i32);
    match percent {
        0 => text.into(),
        percent => format!("<prosody rate='{percent:+}%'>{text}</prosody>").into(),
    }
}

/// Text as it stands in XML, where some characters can't stand at all.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(' '),
            character if character.is_control() => {}
            character => out.push(character),
        }
    }
    out
}

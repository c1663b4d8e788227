//! Speech services elsewhere: what each is asked, and what its answers mean.
//!
//! Google and Azure are always clouds; a server that speaks OpenAI's
//! language may run on this machine, and is asked without further ado then.

mod azure;
mod google;
mod openai;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use crate::breaker::{Breaker, Unready};
pub(super) use crate::cloud::Remote;
use crate::cloud::{Authorisation, Cost, Gate, Key, Request, Server, Service, Use, is_local};
use crate::config;
use crate::domain::{Confidence, Pcm, Sound};

/// The tiers that recognise.
pub const STT: [&str; 3] = ["cloud-google-stt", "cloud-azure-stt", "openai-stt"];
/// The tiers that speak.
pub const TTS: [&str; 3] = ["cloud-google-tts", "cloud-azure-tts", "openai-tts"];

/// An answer of a recogniser is never longer.
const WORDS: usize = 1 << 20;
/// A clause's sound is never longer: half a minute at 48 kHz, with room for base64.
const SOUND: usize = 8 << 20;
/// Nobody says more in one utterance.
const LONGEST_TEXT: usize = 4_000;
/// How quickly English is spoken.
const CHARACTERS_A_SECOND: f64 = 15.0;
/// What is thought of words whose service doesn't say how sure it is.
const UNTOLD: f32 = 0.5;

/// Words from a service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) confidence: Confidence,
}

impl Said {
    fn nothing() -> Self {
        Self { text: String::new(), confidence: Confidence::new(UNTOLD) }
    }

    /// Words as a service gives them. `None` if nobody can have said that.
    fn new(text: &str, confidence: Option<f32>) -> Option<Self> {
        let text = text.trim();
        // Google sends 0.0 for a confidence that it has not worked out.
        let confidence = confidence.filter(|confidence| *confidence > 0.0).unwrap_or(UNTOLD);
        (text.len() <= LONGEST_TEXT)
            .then(|| Self { text: text.to_owned(), confidence: Confidence::new(confidence) })
    }
}

/// Gives the breaker of a tier.
pub type Breakers = Arc<dyn Fn(&str) -> Arc<Breaker> + Send + Sync>;

/// What all services are built from.
#[derive(Clone)]
pub struct Clouds {
    /// The settings.
    pub config: config::Cloud,
    /// What everything that leaves the machine goes through.
    pub gate: Arc<Gate>,
    /// Where key files are.
    pub keys: PathBuf,
    /// The breaker of each tier.
    pub breaker: Breakers,
}

/// What a service bills of a clause that it is to say at a rate.
type Billed = fn(&str, f32) -> Cow<'_, str>;

fn as_it_is(clause: &str, _: f32) -> Cow<'_, str> {
    clause.into()
}

impl Clouds {
    /// The voices, by all that makes them sound as they do.
    pub(super) fn voices(&self) -> String {
        let config::Cloud { language, google, azure, openai, .. } = &self.config;
        format!("{language} {} {} {} {}", google.voice, azure.voice, openai.tts_model, openai.voice)
    }

    /// The recogniser of a tier; `instead_of` is what is down when it serves.
    pub(super) fn recogniser(
        &self,
        tier: &str,
        instead_of: Option<String>,
    ) -> Result<Remote<Pcm, Said>, Unready> {
        let config = &self.config;
        let (price, service): (f64, Box<dyn Service<Pcm, Said>>) = match tier {
            "cloud-google-stt" => (config.google.stt_price, Box::new(google::Recogniser::new(config))),
            "cloud-azure-stt" => (config.azure.stt_price, Box::new(azure::Recogniser::new(config))),
            _ => (config.openai.stt_price, Box::new(openai::Recogniser::new(config))),
        };
        let server = self.server(tier)?;
        let using = Use {
            chain: super::CHAIN,
            tier: tier.to_owned(),
            who: server.who(),
            what: "your audio",
            instead_of,
            otherwise: "type instead",
        };
        let cost = Box::new(move |speech: &Pcm| Cost::of_sound(speech.duration(), price));
        Ok(Remote::new(server, service, cost, Arc::clone(&self.gate), using, is_own(tier, config)))
    }

    /// The voice of a tier, so fast; `instead_of` is what is down when it speaks.
    pub(super) fn voice(
        &self,
        tier: &str,
        rate: f32,
        instead_of: Option<String>,
    ) -> Result<Remote<str, Sound>, Unready> {
        let config = &self.config;
        let (price, billed, service): (f64, Billed, Box<dyn Service<str, Sound>>) = match tier {
            "cloud-google-tts" => {
                (config.google.tts_price, as_it_is, Box::new(google::Voice::new(config, rate)))
            }
            "cloud-azure-tts" => {
                (config.azure.tts_price, azure::billed, Box::new(azure::Voice::new(config, rate)))
            }
            _ => (config.openai.tts_price, as_it_is, Box::new(openai::Voice::new(config, rate))),
        };
        let server = self.server(tier)?;
        let using = Use {
            chain: super::synthesis::CHAIN,
            tier: tier.to_owned(),
            who: server.who(),
            what: "the words of my answers",
            instead_of,
            otherwise: "keep them here",
        };
        let cost = Box::new(move |clause: &str| {
            // How long they will be is not known before.
            let sound = Duration::from_secs_f64(clause.chars().count() as f64 / CHARACTERS_A_SECOND);
            Cost::of_text(billed(clause, rate).chars().count(), price, sound)
        });
        Ok(Remote::new(server, service, cost, Arc::clone(&self.gate), using, is_own(tier, config)))
    }

    /// The server of a tier.
    fn server(&self, tier: &str) -> Result<Server, Unready> {
        let config = &self.config;
        let key = |variable: &str, name: &str| {
            let key = Key::find(variable, &self.keys, name).map_err(Unready)?;
            Ok::<_, Unready>((key, format!("{variable} or the file keys/{name} beside your configuration")))
        };
        match tier {
            "cloud-google-stt" | "cloud-google-tts" => {
                let (key, place) = key("GOOGLE_SPEECH_KEY", "google")?;
                let (setting, address) = match tier {
                    "cloud-google-stt" => ("cloud.google.stt", &config.google.stt),
                    _ => ("cloud.google.tts", &config.google.tts),
                };
                let shown = if config.google.bearer {
                    Authorisation::Bearer
                } else {
                    Authorisation::Header("x-goog-api-key")
                };
                Server::new("Google", setting, address, key, (place, shown))
            }
            "cloud-azure-stt" | "cloud-azure-tts" => {
                let (key, place) = key("AZURE_SPEECH_KEY", "azure")?;
                let (setting, kind, address) = match tier {
                    "cloud-azure-stt" => ("cloud.azure.stt", "stt", &config.azure.stt),
                    _ => ("cloud.azure.tts", "tts", &config.azure.tts),
                };
                let address = azure::address(&config.azure.region, kind, address)?;
                let shown = Authorisation::Header("ocp-apim-subscription-key");
                Server::new("Azure", setting, &address, key, (place, shown))
            }
            _ => {
                let (setting, address) = ("cloud.openai.address", &config.openai.address);
                let (who, variable, name) = openai_at(address);
                let (key, place) = key(variable, name)?;
                Server::new(who, setting, address, key, (place, Authorisation::Bearer))
            }
        }
    }
}

/// Whether a tier is a server of the user's own, and so no cloud.
fn is_own(tier: &str, config: &config::Cloud) -> bool {
    tier.starts_with("openai-") && is_local(&config.openai.address)
}

/// Who listens at an address that is spoken to in OpenAI's language, and what the key is called. Only the company
/// itself gets its key, neither whoever listens at a port here nor a stranger elsewhere.
fn openai_at(address: &str) -> (&'static str, &'static str, &'static str) {
    let is_openai =
        |url: Url| url.scheme() == "https" && url.host_str().is_some_and(|host| host == "api.openai.com");
    if is_local(address) {
        ("your own speech server", "OPENAI_LOCAL_KEY", "openai-local")
    } else if Url::parse(address).is_ok_and(is_openai) {
        ("OpenAI", "OPENAI_API_KEY", "openai")
    } else {
        ("the speech service", "OPENAI_OTHER_KEY", "openai-other")
    }
}

/// Sound as a wav file: mono, 16 bit.
fn wav_file(speech: &Pcm) -> Vec<u8> {
    let data = linear16(speech);
    let (rate, length) = (crate::domain::SAMPLE_RATE, data.len() as u32);
    let mut file = Vec::with_capacity(data.len() + 44);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(length + 36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    // PCM, one channel.
    file.extend_from_slice(&[1, 0, 1, 0]);
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * 2).to_le_bytes());
    // Two bytes a frame, 16 bits a sample.
    file.extend_from_slice(&[2, 0, 16, 0]);
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&data);
    file
}

/// Samples as signed 16-bit integers, little endian.
fn linear16(speech: &Pcm) -> Vec<u8> {
    let level = |sample: &f32| ((sample * 32_767.0).clamp(-32_768.0, 32_767.0) as i16).to_le_bytes();
    speech.samples().iter().flat_map(level).collect()
}

#[cfg(test)]
mod tests;

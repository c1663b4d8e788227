//! What may be sent to services elsewhere, and where they are.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required;
use serde::{Deserialize, Serialize};

/// Services elsewhere: whether they may be used, how much, and where they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cloud {
    /// Whether anything may be sent to them at all.
    pub consent: bool,
    /// Calls a minute, over all of them.
    pub rate: u32,
    /// Sound a calendar month (UTC), sent and fetched, over all of them.
    #[serde(with = "required")]
    pub monthly_sound: Duration,
    /// US dollars a calendar month (UTC), over all of them, by the prices below.
    pub monthly_cost: f64,
    /// The language spoken, as clouds name it.
    pub language: String,
    /// Google Cloud.
    pub google: Google,
    /// Azure.
    pub azure: Azure,
    /// OpenAI, or a server that speaks its language.
    pub openai: OpenAi,
}

/// Google Cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Google {
    /// Speech-to-Text.
    pub stt: String,
    /// Text-to-Speech.
    pub tts: String,
    /// Whether the key is an access token instead of an API key.
    pub bearer: bool,
    /// The voice.
    pub voice: String,
    /// US dollars for a minute of sound.
    pub stt_price: f64,
    /// US dollars for a million characters.
    pub tts_price: f64,
}

/// Azure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Azure {
    /// The region, such as `westeurope`; empty switches it off unless both addresses are given.
    pub region: String,
    /// Speech to text; empty takes the region's.
    pub stt: String,
    /// Text to speech; empty takes the region's.
    pub tts: String,
    /// The voice.
    pub voice: String,
    /// US dollars for a minute of sound.
    pub stt_price: f64,
    /// US dollars for a million characters.
    pub tts_price: f64,
}

/// OpenAI, or a server that speaks its language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAi {
    /// Where it is, without `/v1`. One on this machine needs no consent.
    pub address: String,
    /// The model that recognises.
    pub stt_model: String,
    /// The model that speaks.
    pub tts_model: String,
    /// The voice.
    pub voice: String,
    /// US dollars for a minute of sound.
    pub stt_price: f64,
    /// US dollars for a million characters.
    pub tts_price: f64,
}

/// Who is asked what words mean, when the rules don't know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ai {
    /// `LANGUAGE ADDRESS MODEL [KEY]`, in order.
    pub endpoints: Vec<String>,
    /// Whether they may see the end of the screen.
    pub screen: bool,
    /// US dollars for a million tokens.
    pub price: f64,
}

/// What can be made again, and is kept for a while.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Beyond this process.
    pub redis: Redis,
}

/// Redis, as a cache.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// Such as `redis://127.0.0.1:6379`, on this machine; empty does without.
    pub url: String,
}

impl Default for Ai {
    fn default() -> Self {
        Self { endpoints: Vec::new(), screen: false, price: 5.0 }
    }
}

impl Default for Cloud {
    fn default() -> Self {
        Self {
            consent: false,
            rate: 60,
            monthly_sound: Duration::from_hours(10),
            monthly_cost: 5.0,
            language: "en-US".into(),
            google: Google::default(),
            azure: Azure::default(),
            openai: OpenAi::default(),
        }
    }
}

impl Default for Google {
    fn default() -> Self {
        Self {
            stt: "https://speech.googleapis.com".into(),
            tts: "https://texttospeech.googleapis.com".into(),
            bearer: false,
            voice: "en-US-Neural2-D".into(),
            stt_price: 0.024,
            tts_price: 16.0,
        }
    }
}

impl Default for Azure {
    fn default() -> Self {
        Self {
            region: String::new(),
            stt: String::new(),
            tts: String::new(),
            voice: "en-US-AndrewNeural".into(),
            stt_price: 0.017,
            tts_price: 16.0,
        }
    }
}

impl Default for OpenAi {
    fn default() -> Self {
        Self {
            address: "https://api.openai.com".into(),
            stt_model: "whisper-1".into(),
            tts_model: "tts-1".into(),
            voice: "onyx".into(),
            stt_price: 0.006,
            tts_price: 15.0,
        }
    }
}

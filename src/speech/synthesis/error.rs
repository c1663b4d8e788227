//! Why something could not be said.

use crate::breaker::{Class, Classify};
use crate::cloud::CloudError;

/// Why something could not be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SynthesisError {
    /// espeak-ng is not installed.
    #[error("espeak-ng is not installed")]
    NoEspeak,
    /// The voice's model is not here.
    #[error("{what}")]
    NoVoice {
        /// One line.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The voice's model is no Piper voice.
    #[error("the voice can't be used: it is damaged, or no Piper voice")]
    Unusable,
    /// A part of it stopped working.
    #[error("speech synthesis failed: {0}")]
    Broken(&'static str),
    /// A server answered with an error.
    #[error("the speech server answered with status {0}")]
    Status(u16),
    /// A server can't be reached.
    #[error("the speech server can't be reached")]
    Unreachable,
    /// A service elsewhere.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// What a server sent is no sound.
    #[error("the speech server sent no sound")]
    NoSound,
}

impl SynthesisError {
    pub(super) fn no_espeak(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::NotFound {
            return Self::NoEspeak;
        }
        tracing::warn!(%error, "espeak-ng can't be started");
        Self::Broken("espeak-ng can't be started")
    }

    /// What to do about it.
    pub(super) fn remedy(&self) -> String {
        match self {
            Self::NoEspeak => "install it: apt install espeak-ng".into(),
            Self::NoVoice { remedy, .. } => remedy.clone(),
            Self::Cloud(error) => error.remedy(),
            Self::Unusable => {
                "choose another speech.tts.voice, or fetch it anew: voice-terminal models fetch".into()
            }
            Self::Status(_) | Self::Unreachable | Self::NoSound => {
                "start the server, or change speech.tts.coqui in your configuration".into()
            }
            Self::Broken(_) => "it is tried again by itself; `voice-terminal breakers` shows when".into(),
        }
    }
}

impl Classify for SynthesisError {
    fn class(&self) -> Class {
        match self {
            Self::Cloud(error) => error.class(),
            _ => Class::Failure,
        }
    }
}

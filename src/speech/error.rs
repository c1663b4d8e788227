//! Why speech gave no words, whichever tier was asked.

use super::whisper::WhisperFailure;
use crate::breaker::{Class, Classify, Unready};
use crate::cloud::CloudError;

/// Why a recogniser gave no words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecognitionError {
    /// The local one.
    #[error(transparent)]
    Whisper(#[from] WhisperFailure),
    /// One elsewhere.
    #[error(transparent)]
    Cloud(#[from] CloudError),
}

impl RecognitionError {
    /// A tier that was asked though it wasn't ready.
    pub(super) fn unready(unready: &Unready) -> Self {
        Self::Cloud(CloudError::NotSent { what: unready.to_string() })
    }

    /// Whether it was waited for in vain.
    pub(super) fn is_late(&self) -> bool {
        matches!(self, Self::Whisper(WhisperFailure::LoadTimeout))
    }

    /// What to do about it.
    pub(super) fn remedy(&self) -> String {
        match self {
            Self::Whisper(failure) => failure.remedy(),
            Self::Cloud(error) => error.remedy(),
        }
    }
}

impl Classify for RecognitionError {
    fn class(&self) -> Class {
        match self {
            Self::Whisper(failure) => failure.class(),
            Self::Cloud(error) => error.class(),
        }
    }
}

//! Why a service elsewhere gave nothing.

use std::time::Duration;

use crate::breaker::{Class, Classify};

/// Why a service gave nothing. Says nothing of what was sent, of the key, or of the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// Status 401 or 403, or 400 with that cause.
    #[error("{who} does not accept the key")]
    Refused {
        /// The service, as people call it.
        who: &'static str,
        /// Where the key is from.
        key: String,
    },
    /// Status 429, or 503 with a time to wait.
    #[error("{who} wants to be asked less often")]
    Busy {
        /// The service.
        who: &'static str,
        /// What it asks for.
        retry_after: Option<Duration>,
    },
    /// Any other status that is no success.
    #[error("{who} answers with status {status}")]
    Status {
        /// The service.
        who: &'static str,
        /// The status.
        status: u16,
    },
    /// A success that says that it is none.
    #[error("{who} says that it failed")]
    Failed {
        /// The service.
        who: &'static str,
    },
    /// No connection, no certificate, or none that holds.
    #[error("{who} can't be reached")]
    Unreachable {
        /// The service.
        who: &'static str,
    },
    /// The answer ended too early.
    #[error("the answer of {who} broke off")]
    BrokeOff {
        /// The service.
        who: &'static str,
    },
    /// The answer is not what was agreed on.
    #[error("{who} sends something else than it should")]
    Garbage {
        /// The service.
        who: &'static str,
    },
    /// The answer is longer than any that makes sense.
    #[error("{who} sends more than it should")]
    TooMuch {
        /// The service.
        who: &'static str,
    },
    /// The gate was shut in the last moment.
    #[error("{what}")]
    NotSent {
        /// Why.
        what: String,
    },
}

impl CloudError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Refused { key, .. } => format!("check {key}, and that the service is switched on for it"),
            Self::Busy { retry_after: Some(after), .. } => {
                format!("it is tried again by itself in {} s", after.as_secs().max(1))
            }
            Self::Status { status: 400 | 404 | 413 | 422, .. } => {
                "check its address, model, voice and language in your configuration, under cloud".into()
            }
            Self::Unreachable { .. } => "check the network connection, and the address under cloud".into(),
            Self::Garbage { .. } | Self::TooMuch { .. } => "check its address under cloud".into(),
            Self::Busy { .. } | Self::Status { .. } | Self::Failed { .. } | Self::BrokeOff { .. } => {
                "it is tried again by itself; `voice-terminal breakers` shows when".into()
            }
            Self::NotSent { .. } => "see cloud in your configuration".into(),
        }
    }
}

impl Classify for CloudError {
    /// A request that one service refuses may suit the next, so none is the caller's fault.
    fn class(&self) -> Class {
        match self {
            Self::Busy { retry_after, .. } => Class::Overload { retry_after: *retry_after },
            Self::NotSent { .. } => Class::Declined,
            _ => Class::Failure,
        }
    }
}

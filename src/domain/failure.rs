//! What a port says when it can't.

use serde::{Deserialize, Serialize};

/// A failure as the conversation sees it: already in the user's words, nothing internal in it.
/// The details went to the log where they arose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{what}")]
pub struct Failure {
    /// What it means for the conversation.
    pub kind: FailureKind,
    /// The chain that it came from, such as `voice-stt` or `tmux-session`.
    pub dependency: String,
    /// One line: what could not be done.
    pub what: String,
    /// One line: what the user can do about it.
    pub remedy: String,
}

/// What a failure means for the conversation. Decided by the cause, never by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Every tier of the chain is down: degrade.
    Unavailable,
    /// The request can't be served as it is: no such session, a pane that has gone.
    Request,
    /// The user or a shutdown stopped it.
    Cancelled,
    /// It may or may not have happened; it is not tried again.
    Uncertain,
}

impl Failure {
    /// Builds one.
    pub fn new(
        kind: FailureKind,
        dependency: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { kind, dependency: dependency.into(), what: what.into(), remedy: remedy.into() }
    }
}

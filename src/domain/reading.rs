//! What matters in what a program printed.

use serde::{Deserialize, Serialize};

/// What a program printed, and what is known beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Printed<'a> {
    /// The text, escapes stripped.
    pub text: &'a str,
    /// The command line, if it is known.
    pub command: Option<&'a str>,
    /// Its exit status, if that is known.
    pub status: Option<i32>,
    /// Whether it goes on, so that there may be more.
    pub running: bool,
}

/// What matters in it. Whatever the program wrote, there is nothing in here but characters that show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// What it is, such as `tests` or `build`; `None` if nothing is known of such output.
    pub kind: Option<String>,
    /// Whether it tells of a failure, or of none; `None` if it doesn't tell.
    pub failed: Option<bool>,
    /// One or two sentences; empty if there is nothing to say.
    pub spoken: String,
    /// The lines that matter, or the newest; a bounded number.
    pub printed: String,
    /// Errors, failures and warnings in their order, each once; a bounded number.
    pub findings: Vec<Finding>,
    /// What it asks and waits to be told, as a sentence.
    pub question: Option<String>,
}

/// Something that was found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How wrong.
    pub kind: FindingKind,
    /// What is wrong, with the name of what it is about.
    pub what: String,
    /// Where: a file, and mostly a line, as `src/main.rs:12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// All of it in words to be said.
    pub spoken: String,
}

impl Finding {
    /// As one line to be shown.
    pub fn line(&self) -> String {
        match &self.place {
            Some(place) if self.what.is_empty() => place.clone(),
            Some(place) => format!("{place}: {}", self.what),
            None => self.what.clone(),
        }
    }
}

/// How wrong something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// It could not be done.
    Error,
    /// A test or a check failed.
    Failure,
    /// It may be wrong.
    Warning,
}

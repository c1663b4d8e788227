//! What a command tells: results on standard output, trouble as one line and a remedy on standard
//! error, and an exit code.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use parking_lot::Mutex;
use serde::Serialize;

use crate::app::World;
use crate::cloud::Announcement;
use crate::config::ConfigError;
use crate::domain::{Failure, Progress, Reply, Tone};
use crate::server::{ClientError, ControlError, LockError};
use crate::speech::models::ModelError;

/// Why a command failed: exit code 1 (or 2 for wrong usage), one line, and a remedy.
#[derive(Debug)]
pub(super) struct Problem {
    code: u8,
    what: String,
    remedy: String,
}

/// Tells what is sent away, each thing once.
pub(super) fn announcements(world: &World) {
    let told = Mutex::new(HashSet::new());
    world.cloud.announce_to(move |announcement| {
        let (what, remedy) = match announcement {
            Announcement::Instead(it) => (it.what, it.remedy),
            Announcement::ByChoice(text) => (text, String::new()),
        };
        if told.lock().insert(what.clone()) {
            warn(&what, &remedy);
        }
        true
    });
}

/// How a command ended.
pub(super) type Outcome = Result<ExitCode, Problem>;

impl Problem {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: 1, what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { code: 2, what: what.into(), remedy: remedy.into() }
    }

    /// Prints it and gives its exit code.
    pub(super) fn report(&self) -> ExitCode {
        warn(&self.what, &self.remedy);
        ExitCode::from(self.code)
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string(), error.remedy)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::new(failure.what, failure.remedy)
    }
}

impl From<ModelError> for Problem {
    fn from(error: ModelError) -> Self {
        Self::new(error.what, error.remedy)
    }
}

impl From<LockError> for Problem {
    fn from(error: LockError) -> Self {
        let remedy = match &error {
            LockError::Held { .. } => "use it with `voice-terminal do …`, or stop it first",
            LockError::NotPrivate => "set XDG_RUNTIME_DIR to a directory of your own",
            LockError::Io(_) => "check the permissions of the runtime directory",
        };
        Self::new(error.to_string(), remedy)
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        let remedy = match error {
            ClientError::NotRunning => "start it: voice-terminal run, or voice-terminal daemon",
            ClientError::Silent | ClientError::Gone => "see its log, and start it again",
            ClientError::Foreign => "stop the running one, and start this one",
        };
        Self::new(error.to_string(), remedy)
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        Self::new(error.to_string(), "check the permissions of the runtime directory")
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string(), "")
    }
}

/// One line on standard output. A reader that has gone (`| head`) ends the program quietly.
pub(super) fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// A value as one line of JSON on standard output.
pub(super) fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(error) => tracing::error!(%error, "a value can't be written as JSON"),
    }
}

/// Trouble that doesn't end the command.
pub(super) fn warn(what: &str, remedy: &str) {
    let mut err = std::io::stderr().lock();
    // There is nowhere left to tell.
    let _ = writeln!(err, "voice-terminal: {what}");
    if !remedy.is_empty() {
        let _ = writeln!(err, "  → {remedy}");
    }
}

/// The exit code of a turn: 0 if it did what was wanted.
pub(super) fn code_of(reply: Option<&Reply>) -> ExitCode {
    match reply.map(|reply| reply.tone) {
        None | Some(Tone::Answer) => ExitCode::SUCCESS,
        Some(Tone::Question | Tone::Proposal | Tone::Problem) => ExitCode::FAILURE,
    }
}

/// Progress on standard error: in place on a terminal, else a line at beginning and end.
#[derive(Debug, Default)]
pub(super) struct Progressing {
    /// What was begun last: another attempt at the same is no news where lines stay.
    begun: Mutex<Option<String>>,
}

impl Progressing {
    pub(super) fn show(&self, progress: &Progress) {
        let mut err = std::io::stderr().lock();
        // There is nowhere left to tell.
        let _ = match (std::io::stderr().is_terminal(), progress.finished) {
            (true, false) => write!(err, "\r{}  {}\x1b[K", progress.what, amount(progress)),
            (true, true) => writeln!(err, "\r{}  done\x1b[K", progress.what),
            (false, true) => writeln!(err, "{}: done", progress.what),
            (false, false) if self.is_news(&progress.what) => writeln!(err, "{} …", progress.what),
            (false, false) => Ok(()),
        };
    }

    fn is_news(&self, what: &str) -> bool {
        self.begun.lock().replace(what.to_owned()).as_deref() != Some(what)
    }
}

fn amount(progress: &Progress) -> String {
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    match progress.total {
        Some(total) if total > 0 => format!(
            "{:5.1} of {:.1} MiB ({:.0} %)",
            mebibytes(progress.done),
            mebibytes(total),
            100.0 * progress.done as f64 / total as f64
        ),
        _ => format!("{:5.1} MiB", mebibytes(progress.done)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_source_of_the_same_model_is_no_news() {
        let progressing = Progressing::default();
        assert!(progressing.is_news("fetching tiny.en"));
        assert!(!progressing.is_news("fetching tiny.en"));
        assert!(progressing.is_news("fetching base"));
    }
}

//! What tmux, or reaching it, says no with.

use std::time::Duration;

use crate::breaker::{Class, Classify, Exhausted, Stop, Why};
use crate::domain::{Failure, FailureKind};

/// The chain's name.
pub(super) const CHAIN: &str = "tmux-session";

/// One command did not work.
#[derive(Debug, thiserror::Error)]
pub(super) enum TmuxError {
    /// tmux works, and said no.
    #[error("tmux refused: {0:?}")]
    Refused(Refusal),
    /// The session has no control-mode client, and tmux gives it none. That is no answer to the command, which
    /// need not be about that session; nobody was asked it yet.
    #[error("no attachment to the session: {0:?}")]
    NotAttached(Refusal),
    /// There is no such program.
    #[error("tmux is not installed")]
    NotInstalled,
    /// It could not be started or spoken to; it did not get the command.
    #[error("tmux could not be reached: {0}")]
    Io(#[from] std::io::Error),
    /// The control-mode client, or the server behind it, went away.
    #[error("tmux went away")]
    Lost {
        /// Whether the command was already on its way.
        sent: bool,
    },
}

/// Why tmux said no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No server runs.
    NoServer,
    /// The session, window or pane isn't there.
    NoTarget,
    /// There is one of this name already.
    Duplicate,
    /// The pane is too small to be split.
    NoSpace,
    /// There is no other window to go to.
    NoOtherWindow,
    /// Anything else; tmux's own words, for the log.
    Other(String),
}

impl Refusal {
    /// tmux tells its errors in words only. This is the one place that reads them.
    pub(super) fn from_message(message: &str) -> Self {
        let message = message.trim().trim_start_matches("parse error: ");
        let starts = |beginnings: &[&str]| beginnings.iter().any(|it| message.starts_with(it));
        if starts(&[
            "no server running",
            "error connecting to",
            "no sessions",
            "server exited",
            "lost server",
        ]) {
            Self::NoServer
        } else if starts(&["can't find", "no current", "no such", "session not found"]) {
            Self::NoTarget
        } else if starts(&["duplicate"]) {
            Self::Duplicate
        } else if starts(&["no space for new pane", "create pane failed"]) {
            Self::NoSpace
        } else if starts(&["no next window", "no previous window"]) {
            Self::NoOtherWindow
        } else {
            Self::Other(message.to_owned())
        }
    }
}

impl Classify for TmuxError {
    fn class(&self) -> Class {
        match self {
            Self::Refused(_) => Class::Caller,
            Self::NotAttached(_) => Class::Declined,
            Self::NotInstalled | Self::Io(_) | Self::Lost { .. } => Class::Failure,
        }
    }

    fn may_have_happened(&self) -> bool {
        matches!(self, Self::Lost { sent: true })
    }
}

/// A command that neither tier served.
#[derive(Debug)]
pub(super) enum Trouble {
    /// tmux said no.
    Refused(Refusal),
    /// Both tiers are down; nothing was sent.
    Unavailable,
    /// There is no tmux on this machine.
    NotInstalled,
    /// It was sent, and nobody knows what came of it.
    Uncertain,
    /// Both tiers are held back by their breakers; nothing was sent.
    HeldBack(Option<Duration>),
}

impl From<Exhausted<TmuxError>> for Trouble {
    fn from(exhausted: Exhausted<TmuxError>) -> Self {
        let absent = exhausted.skipped.iter().any(|skip| match &skip.why {
            Why::Failed(error) => matches!(error, TmuxError::NotInstalled),
            // Only the process tier says that it isn't ready for this reason; see there.
            Why::Unready(unready) => unready.0 == super::process::NOT_INSTALLED,
            _ => false,
        });
        let stop = exhausted.stop;
        let held_back = exhausted.skipped.iter().find_map(|skip| match skip.why {
            Why::Rejected { retry_in, .. } => Some(retry_in),
            _ => None,
        });
        if stop == Stop::Uncertain {
            tracing::warn!(%exhausted, "a tmux command may or may not have happened");
            return Self::Uncertain;
        }
        if let Some(Why::Failed(TmuxError::Refused(refusal))) = exhausted.skipped.last().map(|skip| &skip.why)
        {
            return Self::Refused(refusal.clone());
        }
        tracing::warn!(%exhausted, "tmux is not reached");
        match held_back {
            _ if absent => Self::NotInstalled,
            Some(retry_in) => Self::HeldBack(retry_in),
            None => Self::Unavailable,
        }
    }
}

impl Trouble {
    /// In the user's words; `what` is what could not be done, as in "I could not {what}".
    pub(super) fn failure(self, what: &str) -> Failure {
        let fail = |kind, why: &str, remedy: &str| {
            Failure::new(kind, CHAIN, format!("I could not {what}: {why}"), remedy)
        };
        match self {
            Self::Refused(Refusal::NoServer) => fail(
                FailureKind::Request,
                "the tmux server is gone, with all its sessions",
                "Say it again: a new session is made when one is needed",
            ),
            Self::Refused(Refusal::NoTarget) => fail(
                FailureKind::Request,
                "it isn't there any more",
                "Say \"list sessions\" to see what there is",
            ),
            Self::Refused(Refusal::Duplicate) => {
                fail(FailureKind::Request, "there is one of that name already", "Choose another name")
            }
            Self::Refused(Refusal::NoSpace) => fail(
                FailureKind::Request,
                "there is no room for another pane",
                "Close a pane, or make a new window",
            ),
            Self::Refused(Refusal::NoOtherWindow) => {
                fail(FailureKind::Request, "there is only one window", "Say \"new window\" to make another")
            }
            Self::Refused(Refusal::Other(words)) => {
                tracing::warn!(what, words, "tmux refused");
                fail(FailureKind::Request, "tmux refused", "The log says why")
            }
            Self::NotInstalled => {
                fail(FailureKind::Unavailable, "tmux is not installed", "Install tmux (apt install tmux)")
            }
            Self::Unavailable => fail(
                FailureKind::Unavailable,
                "tmux does not answer; nothing was sent",
                "Say it again, or look at tmux in another terminal",
            ),
            Self::HeldBack(retry_in) => {
                let remedy = match retry_in {
                    Some(wait) => format!("It is tried again in {} seconds", wait.as_secs() + 1),
                    None => "Say it again later".to_owned(),
                };
                fail(
                    FailureKind::Unavailable,
                    "tmux has failed too often, so it is left alone for now; nothing was sent",
                    &remedy,
                )
            }
            Self::Uncertain => Failure::new(
                FailureKind::Uncertain,
                CHAIN,
                format!("tmux went away while I wanted to {what}."),
                "Look at the session before you say it again",
            ),
        }
    }
}

/// A request that can't be served as it is.
pub(super) fn request_failure(what: impl Into<String>, remedy: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Request, CHAIN, what, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tmux_says_is_sorted() {
        for (message, refusal) in [
            ("no server running on /tmp/tmux-0/a\n", Refusal::NoServer),
            ("error connecting to /tmp/tmux-0/a (No such file or directory)", Refusal::NoServer),
            ("can't find pane: %77", Refusal::NoTarget),
            ("duplicate session: one", Refusal::Duplicate),
            ("no space for new pane", Refusal::NoSpace),
            ("parse error: unknown command: bogus", Refusal::Other("unknown command: bogus".into())),
        ] {
            assert_eq!(Refusal::from_message(message), refusal);
        }
    }
}

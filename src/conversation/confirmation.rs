//! A question that is open: what a "yes" would do, and where.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{Action, Command, Target};

/// A question that waits for an answer. The command in it is complete and bound to its session and
/// pane: a "yes" can do exactly this and nothing else, and only until it expires.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// What a "yes" does.
    pub(super) command: Command,
    /// The same in a few words: `cargo test` in build.
    pub(super) summary: String,
    /// When it can no longer be answered.
    pub(super) expires: Instant,
}

impl Question {
    pub(super) fn new(command: Command, summary: String, lifetime: Duration) -> Self {
        Self { command, summary, expires: Instant::now() + lifetime }
    }

    pub(super) fn has_expired(&self) -> bool {
        Instant::now() >= self.expires
    }

    /// What has to be done in the terminal if the answer is not "yes": a line that was inserted is
    /// taken back.
    pub(super) fn withdrawal(&self) -> Option<Command> {
        match &self.command.action {
            Action::Submit { text } => Some(Command {
                target: self.command.target.clone(),
                action: Action::Erase { text: text.clone() },
            }),
            _ => None,
        }
    }

    pub(super) fn target(&self) -> Option<&Target> {
        self.command.target.as_ref()
    }
}

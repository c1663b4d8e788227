//! A question that is open: what a "yes" would do, and where.

use std::time::Duration;

use tokio::time::Instant;

use super::turn::Deed;
use crate::domain::{Action, Command, Intent, Target, UtteranceId};

/// A question that waits for an answer. What it would do is complete and bound to its session and
/// pane: a "yes" can do exactly this and nothing else, and only until it expires.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The utterance that it was asked about.
    pub(super) id: UtteranceId,
    /// What a "yes" does.
    pub(super) plan: Plan,
    /// What that was said as.
    pub(super) intent: Intent,
    /// The same in a few words: `cargo test` in build.
    pub(super) summary: String,
    /// When it can no longer be answered.
    pub(super) expires: Instant,
}

/// What a "yes" does.
#[derive(Debug, Clone)]
pub(super) enum Plan {
    /// One command.
    Command(Command),
    /// Several things in order, that begin here; where they don't begin anywhere, nowhere.
    Steps { target: Option<Target>, deeds: Vec<Deed> },
}

impl Question {
    pub(super) fn new(
        id: UtteranceId,
        plan: Plan,
        intent: Intent,
        summary: String,
        lifetime: Duration,
    ) -> Self {
        Self { id, plan, intent, summary, expires: Instant::now() + lifetime }
    }

    pub(super) fn has_expired(&self) -> bool {
        Instant::now() >= self.expires
    }

    /// What has to be done in the terminal if the answer is not "yes": a line that was inserted is
    /// taken back.
    pub(super) fn withdrawal(&self) -> Option<Command> {
        match &self.plan {
            Plan::Command(Command { target, action: Action::Submit { text } }) => {
                Some(Command { target: target.clone(), action: Action::Erase { text: text.clone() } })
            }
            Plan::Command(_) | Plan::Steps { .. } => None,
        }
    }

    pub(super) fn target(&self) -> Option<&Target> {
        match &self.plan {
            Plan::Command(command) => command.target.as_ref(),
            Plan::Steps { target, .. } => target.as_ref(),
        }
    }
}

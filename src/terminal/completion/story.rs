//! What a pane's shell has told of one command.

use std::time::Instant;

use super::{Pane, Panes, Phase};

/// What a pane's shell has told of the command that runs, or that ran last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::terminal) struct Story {
    pub(in crate::terminal) command: Option<String>,
    pub(in crate::terminal) running: bool,
    pub(in crate::terminal) began: Option<Instant>,
    pub(in crate::terminal) ended: Option<Instant>,
    pub(in crate::terminal) status: Option<i32>,
    pub(in crate::terminal) output: String,
    /// It has ended and nobody was told.
    pub(in crate::terminal) is_news: bool,
}

impl Panes {
    /// What is known of the command that runs, or of the last that ended.
    pub(in crate::terminal) fn story(&self, id: &str) -> Option<Story> {
        let track = &self.by_id.get(id)?.track;
        let running = track.phase == Phase::Running;
        let ended = track.last.as_ref().map(|(_, ended)| ended);
        let output = if running { track.lines.text() } else { ended?.output.clone() };
        Some(Story {
            command: track.command.clone(),
            running,
            began: track.times.0,
            ended: track.times.1,
            status: ended.filter(|_| !running).map(|ended| ended.status),
            output,
            is_news: !running && track.last.as_ref().is_some_and(|(end, _)| *end > track.told),
        })
    }

    /// Whether something ended there that nobody was told of.
    pub(in crate::terminal) fn has_news(&self, id: &str) -> bool {
        self.by_id.get(id).is_some_and(|Pane { track, .. }| {
            track.phase != Phase::Running && track.last.as_ref().is_some_and(|(end, _)| *end > track.told)
        })
    }

    /// Somebody was told how the last command there ended.
    pub(in crate::terminal) fn tell(&mut self, id: &str) {
        if let Some(pane) = self.by_id.get_mut(id) {
            pane.track.told = pane.track.ends;
        }
    }
}

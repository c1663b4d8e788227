//! Text that was put into panes and may be taken back, newest last.

use std::collections::VecDeque;

use crate::domain::{PaneId, Target};

/// Further back nobody remembers what it was.
const MOST: usize = 32;

/// What was put in, and where.
#[derive(Debug, Default)]
pub(super) struct Insertions(VecDeque<(Target, String)>);

impl Insertions {
    /// It was put in just now. The oldest is forgotten when there are too many.
    pub(super) fn push(&mut self, target: Target, text: String) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((target, text));
    }

    /// The last one, which is taken back now.
    pub(super) fn pop(&mut self) -> Option<(Target, String)> {
        self.0.pop_back()
    }

    /// Whether the last text was put into this pane, so that the next one follows it.
    pub(super) fn ends_in(&self, pane: &PaneId) -> bool {
        self.0.back().is_some_and(|(target, _)| target.pane == *pane)
    }

    /// Something else happened in this pane: what was put there is no longer ours.
    pub(super) fn forget(&mut self, pane: &PaneId) {
        self.0.retain(|(target, _)| target.pane != *pane);
    }
}

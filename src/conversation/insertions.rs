//! Text that was put into panes: what may be taken back, newest last, and the lines that it makes.

use std::collections::VecDeque;

use crate::domain::{KeyPress, LineTaker, PaneId, Target, TypedLine};

/// Further back nobody remembers what it was.
const MOST: usize = 32;

/// What was put in, and where.
#[derive(Debug, Default)]
pub(super) struct Insertions {
    texts: VecDeque<(Target, String)>,
    /// What was typed in a pane since Enter was pressed there.
    lines: VecDeque<(PaneId, TypedLine)>,
}

impl Insertions {
    /// It was put in just now. The oldest is forgotten when there are too many.
    pub(super) fn push(&mut self, target: Target, text: String) {
        self.line(&target.pane).insert(&text);
        if self.texts.len() == MOST {
            self.texts.pop_front();
        }
        self.texts.push_back((target, text));
    }

    /// The last one, which is taken back now.
    pub(super) fn pop(&mut self) -> Option<(Target, String)> {
        self.texts.pop_back()
    }

    /// Whether the last text was put into this pane, so that the next one follows it.
    pub(super) fn ends_in(&self, pane: &PaneId) -> bool {
        self.texts.back().is_some_and(|(target, _)| target.pane == *pane)
    }

    /// It was taken back there.
    pub(super) fn erased(&mut self, pane: &PaneId, text: &str) {
        self.line(pane).erase(text);
    }

    /// A line was entered in this pane: what was put there is no longer ours.
    pub(super) fn entered(&mut self, pane: &PaneId) {
        self.forget(pane);
        self.lines.retain(|(at, _)| at != pane);
    }

    /// A key was pressed in this pane, which met this: what was put there is no longer ours.
    pub(super) fn pressed(&mut self, pane: &PaneId, press: &KeyPress, taker: LineTaker) {
        self.forget(pane);
        if taker == LineTaker::Keys {
            // It has taken all of it.
            self.lines.retain(|(at, _)| at != pane);
        } else {
            self.line(pane).press(press);
        }
    }

    /// The line that is typed in this pane, and those in others.
    pub(super) fn lines(&self, pane: &PaneId) -> (TypedLine, Vec<TypedLine>) {
        let here = self.lines.iter().find(|(at, _)| at == pane).map(|(_, line)| line.clone());
        let elsewhere = self.lines.iter().filter(|(at, _)| at != pane).map(|(_, line)| line.clone());
        (here.unwrap_or_default(), elsewhere.collect())
    }

    /// Whether Escape was pressed on a line somewhere, so that text may be keys there.
    pub(super) fn may_be_escaped(&self) -> bool {
        self.lines.iter().any(|(_, line)| line.escaped)
    }

    fn line(&mut self, pane: &PaneId) -> &mut TypedLine {
        let known = self.lines.iter().position(|(at, _)| at == pane);
        let at = known.unwrap_or_else(|| {
            if self.lines.len() == MOST {
                self.lines.pop_front();
            }
            self.lines.push_back((pane.clone(), TypedLine::default()));
            self.lines.len() - 1
        });
        &mut self.lines[at].1
    }

    fn forget(&mut self, pane: &PaneId) {
        self.texts.retain(|(target, _)| target.pane != *pane);
    }
}

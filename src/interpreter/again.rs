//! What "again" and "undo" mean after what was done last.

use crate::domain::{Direction, Intent, Pane, Scroll, Situation, Window};

/// "Again" and "undo" by what was done last. Where that can't be, they stay what they are.
/// `line` knows what takes a command line back.
pub(super) fn resolved(
    intent: Intent,
    situation: &Situation,
    line: impl Fn(&str) -> Option<String>,
) -> Intent {
    let last = situation.last.as_ref();
    let other = match intent {
        Intent::Again { times } => last.and_then(|last| last.clone().repeated(times)),
        // While a question is open, that is what is taken back.
        Intent::Undo if !situation.question_open => last.and_then(|last| inverse(last, line)),
        _ => None,
    };
    other.unwrap_or(intent)
}

/// What takes back what was done, if something does.
fn inverse(done: &Intent, line: impl Fn(&str) -> Option<String>) -> Option<Intent> {
    let opposite = |direction: Direction| match direction {
        Direction::Left => Direction::Right,
        Direction::Right => Direction::Left,
        Direction::Up => Direction::Down,
        Direction::Down => Direction::Up,
    };
    Some(match done {
        Intent::Type { .. } => Intent::Scratch,
        Intent::Run { command } => Intent::Run { command: line(command)? },
        Intent::ZoomPane => Intent::ZoomPane,
        // What was made is current.
        Intent::SplitPane { .. } => Intent::ClosePane,
        Intent::NewWindow { .. } => Intent::CloseWindow,
        Intent::SelectWindow { window: Window::Next } => Intent::SelectWindow { window: Window::Previous },
        Intent::SelectWindow { window: Window::Previous } => Intent::SelectWindow { window: Window::Next },
        Intent::SelectPane { pane: Pane::Next } => Intent::SelectPane { pane: Pane::Previous },
        Intent::SelectPane { pane: Pane::Previous } => Intent::SelectPane { pane: Pane::Next },
        Intent::SelectPane { pane: Pane::Toward(direction) } => {
            Intent::SelectPane { pane: Pane::Toward(opposite(*direction)) }
        }
        Intent::Scroll { scroll } => Intent::Scroll {
            scroll: match *scroll {
                Scroll::LinesUp(lines) => Scroll::LinesDown(lines),
                Scroll::LinesDown(lines) => Scroll::LinesUp(lines),
                Scroll::PagesUp(pages) => Scroll::PagesDown(pages),
                Scroll::PagesDown(pages) => Scroll::PagesUp(pages),
                Scroll::Top => Scroll::Bottom,
                Scroll::Bottom => return None,
            },
        },
        _ => return None,
    })
}

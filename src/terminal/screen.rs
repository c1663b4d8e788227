//! What a pane shows, as text. Concealed text is left out.

use super::error::Trouble;
use super::link::Link;
use super::place::Place;
use super::request::Request;
use super::strip::{strip, width};
use crate::domain::{PaneId, SessionId};

/// Renditions are asked for (`-e`), without which concealed text could not be known.
const CAPTURE: [&str; 3] = ["capture-pane", "-p", "-e"];

/// The longest line that is told.
const LINE: usize = 2_000;

/// All of it, asked for by the control client of `session`, or by whichever there is.
pub(super) async fn of(
    tmux: &Link,
    pane: &PaneId,
    session: Option<&SessionId>,
    limit: usize,
) -> Result<String, Trouble> {
    let words = CAPTURE.into_iter().chain(["-J", "-t", &pane.0]);
    let screen = tmux.ask(Request::idempotent(words).by(session)).await?;
    let screen = strip(screen.as_bytes(), limit);
    let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
    Ok(lines.join("\n").trim_matches('\n').to_owned())
}

/// The line that the cursor stands behind; `None` if it is empty, or goes on behind the cursor.
pub(super) async fn before_cursor(
    tmux: &Link,
    place: &Place,
    session: Option<&SessionId>,
) -> Result<Option<String>, Trouble> {
    let (column, row) = place.cursor;
    if column == 0 {
        return Ok(None);
    }
    let row = row.to_string();
    let words = CAPTURE.into_iter().chain(["-S", &row, "-E", &row, "-t", &place.pane.0]);
    let line = tmux.ask(Request::idempotent(words).by(session)).await?;
    let line = strip(line.as_bytes(), LINE);
    let line = line.trim_end();
    // Behind a prompt, there may be blanks before the cursor.
    let is_behind = line.chars().map(width).sum::<usize>() <= column;
    Ok((is_behind && !line.is_empty()).then(|| line.to_owned()))
}

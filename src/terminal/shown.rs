//! The line that the cursor is on, as the screen shows it.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::Target;

use super::error::Trouble;
use super::link::Link;
use super::place::Place;
use super::request::Request;
use super::strip::{strip, width};

/// The line that the cursor is on, split at the cursor; to the left together with as many lines above
/// as so many columns may take.
pub(super) struct CursorLine {
    pub(super) left: String,
    pub(super) right: String,
}

pub(super) async fn cursor_line(tmux: &Link, target: &Target, columns: usize) -> Result<CursorLine, Trouble> {
    let place = Place::look(tmux, &target.session, &target.pane).await?;
    let (column, row) = place.cursor;
    let above = if columns == 0 { 0 } else { columns / place.columns.max(1) + 2 };
    let row = i64::try_from(row).unwrap_or(0);
    let first = (row - i64::try_from(above).unwrap_or(0)).to_string();
    let last = row.to_string();
    let words = ["capture-pane", "-p", "-N", "-t", &target.pane.0, "-S", &first, "-E", &last];
    let text = tmux.ask(Request::idempotent(words).about(&target.session)).await?;
    let text = strip(text.as_bytes(), usize::MAX / 4);
    let (above, line) = text.rsplit_once('\n').map_or(("", text.as_str()), |(above, line)| (above, line));
    let mut used = 0;
    let split = line.char_indices().find(|(_, character)| {
        let before = used >= column && width(*character) > 0;
        used += width(*character);
        before
    });
    let split = split.map_or(line.len(), |(index, _)| index);
    Ok(CursorLine { left: format!("{above}\n{}", &line[..split]), right: line[split..].to_owned() })
}

/// Waits until what is left of the cursor, without white space, is as it should be, but not for ever: it
/// is only so that what comes next finds the line as it will be. `text` is what the line may hold.
pub(super) async fn await_line(
    tmux: &Link,
    target: &Target,
    text: &str,
    due: Duration,
    is_right: impl Fn(&str) -> bool,
) {
    let ends = Instant::now() + due;
    let columns = text.chars().map(width).sum();
    let mut pause = Duration::from_millis(2);
    while let Ok(shown) = cursor_line(tmux, target, columns).await {
        if is_right(&squeezed(&shown.left)) || Instant::now() >= ends {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Without white space: where a line was wrapped can't be seen from it.
pub(super) fn squeezed(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

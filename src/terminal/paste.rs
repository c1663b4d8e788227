//! Text that goes into a pane without running, and comes out of it again.
//!
//! It goes in by a paste buffer as a bracketed paste, without a newline and without any control
//! character, so that no program takes it for a command of its own. Before it is entered or taken
//! back, the pane must show that very text up to the cursor, wherever it was wrapped.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::domain::{Failure, Outcome, PaneId, Target};

use super::client::Client;
use super::completion::Phase;
use super::error::{Trouble, request_failure};
use super::link::Link;
use super::place::Place;
use super::request::Request;
use super::strip::{clean, strip, width};

/// How long a shell that has just ended a command may take to show its prompt.
const PROMPT_DUE: Duration = Duration::from_millis(500);

/// How long inserted text may take to be shown, and more for each thousand characters of it.
const ECHO_DUE: Duration = Duration::from_secs(2);
const ECHO_DUE_PER_THOUSAND: Duration = Duration::from_millis(100);

/// The text that was put in last, and what was before it.
#[derive(Debug, Clone)]
struct Inserted {
    pane: PaneId,
    text: String,
    /// What stood left of the cursor in its line, without white space.
    before: String,
    /// Whether the prompt was empty; `None` when the shell does not tell where its prompt ends.
    into_empty_line: Option<bool>,
}

/// Puts text in and takes it back.
#[derive(Debug, Default)]
pub(super) struct Pasting {
    last: Mutex<Option<Inserted>>,
}

/// What was before the text that the pane holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    pub(super) before: Option<String>,
    pub(super) into_empty_line: Option<bool>,
}

impl Pasting {
    pub(super) async fn insert(
        &self,
        link: &Link,
        mut place: Place,
        target: &Target,
        text: &str,
    ) -> Result<Outcome, Failure> {
        let failed = |trouble: Trouble| trouble.failure("type that");
        let text = clean(text);
        if text.trim().is_empty() {
            return Err(request_failure("There is nothing to type", "Say \"type\" and the text"));
        }
        place.must_live()?;
        place.leave_mode(link).await.map_err(failed)?;
        let client = link.watch(&target.session).await;
        if let Some(client) = &client {
            await_input(client, &target.pane).await;
        }
        let line = cursor_line(link, target, 0).await.map_err(failed)?;
        let prompt = client.as_ref().and_then(|client| {
            let panes = client.panes();
            panes.prompt(&target.pane.0).map(squeezed)
        });
        let before = squeezed(&line.left);
        let into_empty_line = prompt.map(|prompt| prompt == before && line.right.trim().is_empty());
        let buffer = format!("voice-terminal-{}", Uuid::now_v7().simple());
        link.ask(Request::fill_buffer(&buffer, &text).about(&target.session)).await.map_err(failed)?;
        // `-p` brackets it if the program asked for that, `-d` deletes the buffer.
        let words = ["paste-buffer", "-d", "-p", "-r", "-b", &buffer, "-t", &target.pane.0];
        if let Err(trouble) = link.ask(Request::once(words).about(&target.session)).await {
            // It may hold something private; if it can't be deleted either, tmux is gone.
            let _ = link.ask(Request::idempotent(["delete-buffer", "-b", &buffer])).await;
            return Err(failed(trouble));
        }
        let pane = target.pane.clone();
        let words = text.split_whitespace().count();
        *self.last.lock() = Some(Inserted { pane, text, before, into_empty_line });
        let count = if words == 1 { "one word".to_owned() } else { format!("{words} words") };
        Ok(Outcome::Done { what: format!("Typed {count} in {}, without Enter", target.session_name) })
    }

    pub(super) async fn erase(
        &self,
        link: &Link,
        mut place: Place,
        target: &Target,
        text: &str,
    ) -> Result<Outcome, Failure> {
        let failed = |trouble: Trouble| trouble.failure("take the text back");
        let text = clean(text);
        place.leave_mode(link).await.map_err(failed)?;
        let held = self.held(link, target, &text).await?;
        let client = link.watch(&target.session).await;
        let at_prompt = client.is_some_and(|client| client.panes().phase(&target.pane.0) == Phase::Input);
        let words: Vec<String> = if held.into_empty_line == Some(true) && at_prompt {
            // The line holds nothing else: one key for all of it, however long it is.
            ["send-keys", "-t", &target.pane.0, "C-u"].map(str::to_owned).to_vec()
        } else {
            let count = text.chars().filter(|&character| width(character) > 0).count();
            ["send-keys", "-t", &target.pane.0, "-N", &count.to_string(), "BSpace"]
                .map(str::to_owned)
                .to_vec()
        };
        self.forget();
        let request = Request::once(words.iter().map(String::as_str)).about(&target.session);
        link.ask(request).await.map_err(failed)?;
        Ok(Outcome::Done { what: format!("Took the text back in {}", target.session_name) })
    }

    /// Waits until the pane shows this text up to the cursor; it may still be on its way.
    pub(super) async fn held(&self, link: &Link, target: &Target, text: &str) -> Result<Held, Failure> {
        let held = {
            let last = self.last.lock();
            let last = last.as_ref().filter(|last| last.pane == target.pane && last.text == text);
            last.map_or_else(Held::default, |last| Held {
                before: Some(last.before.clone()),
                into_empty_line: last.into_empty_line,
            })
        };
        let thousands = u32::try_from(text.len() / 1000).unwrap_or(u32::MAX);
        let ends = Instant::now() + ECHO_DUE + ECHO_DUE_PER_THOUSAND.saturating_mul(thousands);
        let mut expected = held.before.clone().unwrap_or_default();
        expected.push_str(&squeezed(text));
        let columns: usize = text.chars().map(width).sum();
        let mut pause = Duration::from_millis(2);
        loop {
            let line = cursor_line(link, target, columns)
                .await
                .map_err(|trouble| trouble.failure("see whether the text is still there"))?;
            // Something right behind the cursor belongs to the line; what is far off is a prompt at
            // the right edge.
            let more =
                !line.right.is_empty() && !line.right.starts_with("  ") && !line.right.trim().is_empty();
            if squeezed(&line.left).ends_with(&expected) && !more {
                return Ok(held);
            }
            if Instant::now() >= ends {
                return Err(request_failure(
                    format!(
                        "The line in {} is not what I typed there any more; I left it as it is",
                        target.session_name
                    ),
                    "Look at it, then say it again",
                ));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// What was inserted is no longer ours to take back.
    pub(super) fn forget(&self) {
        *self.last.lock() = None;
    }
}

/// Waits for the prompt of a shell that has just ended a command, but not long.
async fn await_input(client: &Arc<Client>, pane: &PaneId) {
    let mut news = client.news();
    let _ = tokio::time::timeout(PROMPT_DUE, async {
        while client.is_alive() && client.panes().phase(&pane.0) == Phase::Prompting {
            if news.changed().await.is_err() {
                return;
            }
        }
    })
    .await;
}

/// The line that the cursor is on, split at the cursor; to the left together with as many lines above
/// as so many columns may take.
struct CursorLine {
    left: String,
    right: String,
}

async fn cursor_line(link: &Link, target: &Target, columns: usize) -> Result<CursorLine, Trouble> {
    let place = Place::look(link, &target.session, &target.pane.0).await?;
    let (column, row) = place.cursor;
    let above = if columns == 0 { 0 } else { columns / place.columns.max(1) + 2 };
    let row = i64::try_from(row).unwrap_or(0);
    let first = (row - i64::try_from(above).unwrap_or(0)).to_string();
    let last = row.to_string();
    let words = ["capture-pane", "-p", "-N", "-t", &target.pane.0, "-S", &first, "-E", &last];
    let text = link.ask(Request::idempotent(words).about(&target.session)).await?;
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

/// Without white space: where a line was wrapped can't be seen from it.
pub(super) fn squeezed(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

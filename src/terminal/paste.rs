//! Text that goes into a pane without running, and comes out of it again.
//!
//! It goes in by a paste buffer as a bracketed paste, without a newline and without any control
//! character, so that no program takes it for a command of its own. Before it is entered or taken
//! back, the pane must show that very text up to the cursor, wherever it was wrapped.

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

/// How long inserting waits for the text to be shown.
const SHOWN_DUE: Duration = Duration::from_secs(1);

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

/// Whether what stands before the text may differ from what stood there when it was inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// To take the text back, it only matters that it comes last.
    May,
    /// Enter runs the whole line.
    MustNot,
}

impl Pasting {
    pub(super) async fn insert(
        &self,
        tmux: &Link,
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
        place.leave_mode(tmux).await.map_err(failed)?;
        let client = tmux.watch(&target.session).await;
        if let Some(client) = &client {
            // Only bash makes marks; while it is in front itself, a command has just ended.
            let in_front = place.program == "bash";
            let on_its_way = |phase| phase == Phase::Prompting || (in_front && phase == Phase::Running);
            await_prompt(client, &target.pane, on_its_way).await;
        }
        let line = cursor_line(tmux, target, 0).await.map_err(failed)?;
        let prompt = client.as_ref().and_then(|client| {
            let panes = client.panes();
            // A prompt that was wrapped can't be compared with one line of the screen.
            let whole = |prompt: &&str| prompt.chars().map(width).sum::<usize>() < place.columns;
            panes.prompt(&target.pane.0).filter(whole).map(squeezed)
        });
        let before = squeezed(&line.left);
        let into_empty_line = prompt.map(|prompt| prompt == before && line.right.trim().is_empty());
        let buffer = format!("voice-terminal-{}", Uuid::now_v7().simple());
        tmux.ask(Request::fill_buffer(&buffer, &text).about(&target.session)).await.map_err(failed)?;
        // `-p` brackets it if the program asked for that, `-d` deletes the buffer.
        let words = ["paste-buffer", "-d", "-p", "-r", "-b", &buffer, "-t", &target.pane.0];
        if let Err(trouble) = tmux.ask(Request::once(words).about(&target.session)).await {
            // It may hold something private; if it can't be deleted either, tmux is gone.
            let _ = tmux.ask(Request::idempotent(["delete-buffer", "-b", &buffer])).await;
            return Err(failed(trouble));
        }
        let pane = target.pane.clone();
        let words = text.split_whitespace().count();
        let inserted = Inserted { pane, text, before, into_empty_line };
        // So that what comes next finds it on the line. A program that doesn't echo costs the wait.
        let expected = inserted.before.clone() + &squeezed(&inserted.text);
        *self.last.lock() = Some(inserted.clone());
        await_line(tmux, target, &inserted.text, SHOWN_DUE, |left| left.ends_with(&expected)).await;
        let count = if words == 1 { "one word".to_owned() } else { format!("{words} words") };
        Ok(Outcome::Done { what: format!("Typed {count} in {}, without Enter", target.session_name) })
    }

    pub(super) async fn erase(
        &self,
        tmux: &Link,
        mut place: Place,
        target: &Target,
        text: &str,
    ) -> Result<Outcome, Failure> {
        let failed = |trouble: Trouble| trouble.failure("take the text back");
        let text = clean(text);
        place.leave_mode(tmux).await.map_err(failed)?;
        let held = self.held(tmux, target, &text, Before::May).await?;
        let client = tmux.watch(&target.session).await;
        let at_prompt = client.is_some_and(|client| client.panes().phase(&target.pane.0) == Phase::Input);
        self.forget();
        let press = async |words: &[&str]| {
            let keys = ["send-keys", "-t", &target.pane.0].into_iter().chain(words.iter().copied());
            tmux.ask(Request::once(keys).about(&target.session)).await.map_err(failed)
        };
        if held.into_empty_line == Some(true) && at_prompt {
            // The line holds nothing else: one key for all of it, however long it is.
            press(&["C-u"]).await?;
            if text.chars().map(width).sum::<usize>() >= place.columns * place.rows.saturating_sub(1) {
                // The prompt was pushed off the screen, and bash does not know that.
                press(&["C-l"]).await?;
            }
        } else {
            let count = text.chars().filter(|&character| width(character) > 0).count();
            press(&["-N", &count.to_string(), "BSpace"]).await?;
        }
        if let Some(before) = held.before {
            await_line(tmux, target, "", echo_due(&text), |left| left == before).await;
        }
        Ok(Outcome::Done { what: format!("Took the text back in {}", target.session_name) })
    }

    /// Waits until the pane shows this text up to the cursor; it may still be on its way.
    pub(super) async fn held(
        &self,
        tmux: &Link,
        target: &Target,
        text: &str,
        change: Before,
    ) -> Result<Held, Failure> {
        let held = {
            let last = self.last.lock();
            let last = last.as_ref().filter(|last| last.pane == target.pane && last.text == text);
            last.map_or_else(Held::default, |last| Held {
                before: Some(last.before.clone()),
                into_empty_line: last.into_empty_line,
            })
        };
        let ends = Instant::now() + echo_due(text);
        let mut expected = held.before.clone().unwrap_or_default();
        expected.push_str(&squeezed(text));
        let columns: usize = text.chars().map(width).sum();
        let mut pause = Duration::from_millis(2);
        loop {
            let line = cursor_line(tmux, target, columns)
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
                if change == Before::May && squeezed(&line.left).ends_with(&squeezed(text)) && !more {
                    return Ok(Held::default());
                }
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

/// Waits while the shell is on its way to its prompt, but not long.
pub(super) async fn await_prompt(client: &Client, pane: &PaneId, on_its_way: impl Fn(Phase) -> bool) {
    let mut news = client.news();
    let arrival = async {
        while client.is_alive() && on_its_way(client.panes().phase(&pane.0)) && news.changed().await.is_ok() {
        }
    };
    // Late or not, it goes on.
    let _ = tokio::time::timeout(PROMPT_DUE, arrival).await;
}

/// Waits until what is left of the cursor, without white space, is as it should be, but not for ever: it
/// is only so that what comes next finds the line as it will be. `text` is what the line may hold.
async fn await_line(
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

/// How long a text may take to be shown or to go.
fn echo_due(text: &str) -> Duration {
    let thousands = u32::try_from(text.len() / 1000).unwrap_or(u32::MAX);
    ECHO_DUE + ECHO_DUE_PER_THOUSAND.saturating_mul(thousands)
}

/// The line that the cursor is on, split at the cursor; to the left together with as many lines above
/// as so many columns may take.
struct CursorLine {
    left: String,
    right: String,
}

async fn cursor_line(tmux: &Link, target: &Target, columns: usize) -> Result<CursorLine, Trouble> {
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

/// Without white space: where a line was wrapped can't be seen from it.
pub(super) fn squeezed(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

//! Text that goes into a pane without running, and comes out of it again.
//!
//! It goes in by a paste buffer as a bracketed paste, without a newline and without any control
//! character, so that no program takes it for a command of its own. Before it is entered or taken
//! back, the shell must tell that it is what is typed there; where no shell tells, the pane must show
//! that very text up to the cursor, wherever it was wrapped.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::domain::{Failure, Front, Outcome, PaneId, Target};

use super::client::Client;
use super::completion::{Phase, Typed};
use super::error::{Trouble, request_failure};
use super::foreground;
use super::front;
use super::link::Link;
use super::place::Place;
use super::prompt::{self, SURELY_DUE};
use super::request::Request;
use super::shell::Kind;
use super::shown::{await_line, cursor_line, squeezed};
use super::strip::{clean, width};
use super::typed;

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
    held: Held,
}

/// Puts text in and takes it back.
#[derive(Debug, Default)]
pub(super) struct Pasting {
    last: Mutex<Option<Inserted>>,
}

/// What was before the text that the pane holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    /// What stood left of the cursor on the screen, without white space.
    pub(super) before: Option<String>,
    /// The line as the shell told it.
    typed: Option<Typed>,
    /// Whether the line was empty; `None` when the shell does not tell where its prompt ends.
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
    /// Puts a command line in, at a shell's prompt only.
    pub(super) async fn prepare(
        &self,
        tmux: &Link,
        place: Place,
        target: &Target,
        text: &str,
    ) -> Result<Outcome, Failure> {
        self.put(tmux, place, target, text, front::must_be_shell).await
    }

    /// Puts text in, for whoever is in front.
    pub(super) async fn insert(
        &self,
        tmux: &Link,
        place: Place,
        target: &Target,
        text: &str,
    ) -> Result<Outcome, Failure> {
        self.put(tmux, place, target, text, front::must_not_be_secret).await
    }

    async fn put(
        &self,
        tmux: &Link,
        mut place: Place,
        target: &Target,
        text: &str,
        may_get_it: impl Fn(&Front, &Target) -> Result<(), Failure>,
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
            let was_newborn = prompt::await_first(tmux, client, target).await;
            // While a shell that makes marks is in front itself, a command has just ended.
            let in_front = Kind::of(&place.program).makes_marks()
                && place.pid.and_then(foreground::is_itself_in_front) != Some(false);
            let on_its_way = |phase| phase == Phase::Prompting || (in_front && phase == Phase::Running);
            if prompt::await_next(client, &target.pane, on_its_way).await || was_newborn {
                place = Place::look(tmux, &target.session, &target.pane).await.map_err(failed)?;
            }
        }
        if let Some(client) = &client {
            typed::recognise(tmux, client, &place, target).await;
        }
        let front = front::of(&place, client.as_deref());
        may_get_it(&front, target)?;
        let held = look(tmux, client.as_deref(), &place, target).await.map_err(failed)?;
        let buffer = format!("voice-terminal-{}", Uuid::now_v7().simple());
        tmux.ask(Request::fill_buffer(&buffer, &text).about(&target.session)).await.map_err(failed)?;
        // `-p` brackets it if the program asked for that, `-d` deletes the buffer.
        let words = ["paste-buffer", "-d", "-p", "-r", "-b", &buffer, "-t", &target.pane.0];
        if let Err(trouble) = tmux.ask(Request::once(words).about(&target.session)).await {
            // It may hold something private; if it can't be deleted either, tmux is gone.
            let _ = tmux.ask(Request::idempotent(["delete-buffer", "-b", &buffer])).await;
            return Err(failed(trouble));
        }
        let inserted = Inserted { pane: target.pane.clone(), text, held };
        *self.last.lock() = Some(inserted.clone());
        // So that what comes next finds it on the line. A program that doesn't echo costs the wait.
        let due = if matches!(front, Front::FullScreen { .. }) { Duration::ZERO } else { SHOWN_DUE };
        let Inserted { text, held, .. } = &inserted;
        if let (Some(client), Some(before)) = (&client, &held.typed) {
            let is_there = |now: &Typed| now.is_with(before, text);
            typed::read(tmux, client, &place, target, due, is_there).await;
        } else {
            let expected = held.before.clone().unwrap_or_default() + &squeezed(text);
            await_line(tmux, target, text, due, |left| left.ends_with(&expected)).await;
        }
        let words = text.split_whitespace().count();
        let count = if words == 1 { "one word".to_owned() } else { format!("{words} words") };
        let into = match &front {
            Front::Shell { .. } => String::new(),
            program => format!(" into {}", program.name()),
        };
        Ok(Outcome::Done { what: format!("Typed {count}{into} in {}, without Enter", target.session_name) })
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
        let client = tmux.watch(&target.session).await;
        let held = self.held(tmux, client.as_deref(), &place, target, &text, Before::May).await?;
        let at_prompt =
            client.as_ref().is_some_and(|client| client.panes().phase(&target.pane.0) == Phase::Input);
        self.forget();
        let press = async |words: &[&str]| {
            let keys = ["send-keys", "-t", &target.pane.0].into_iter().chain(words.iter().copied());
            tmux.ask(Request::once(keys).about(&target.session)).await.map_err(failed)
        };
        if held.into_empty_line == Some(true) && held.typed.is_some() && at_prompt {
            press(&[typed::CLEAR]).await?;
        } else if held.into_empty_line == Some(true) && at_prompt {
            // The line holds nothing else: one key for all of it, however long it is.
            press(&["C-u"]).await?;
            let is_taller =
                text.chars().map(width).sum::<usize>() >= place.columns * place.rows.saturating_sub(1);
            if is_taller {
                // The prompt was pushed off the screen, and bash does not know that.
                press(&["C-l"]).await?;
            }
        } else {
            let count = text.chars().filter(|&character| width(character) > 0).count();
            press(&["-N", &count.to_string(), "BSpace"]).await?;
        }
        match (&client, held.typed, held.before) {
            (Some(client), Some(before), _) => {
                let is_gone = |now: &Typed| *now == before;
                typed::read(tmux, client, &place, target, echo_due(&text), is_gone).await;
            }
            (_, _, Some(before)) => {
                await_line(tmux, target, "", echo_due(&text), |left| left == before).await;
            }
            _ => {}
        }
        Ok(Outcome::Done { what: format!("Took the text back in {}", target.session_name) })
    }

    /// Waits until the pane's line holds this text up to the cursor; it may still be on its way.
    pub(super) async fn held(
        &self,
        tmux: &Link,
        client: Option<&Client>,
        place: &Place,
        target: &Target,
        text: &str,
        change: Before,
    ) -> Result<Held, Failure> {
        let held = {
            let last = self.last.lock();
            let last = last.as_ref().filter(|last| last.pane == target.pane && last.text == text);
            last.map_or_else(Held::default, |last| last.held.clone())
        };
        let changed = || {
            request_failure(
                format!(
                    "The line in {} is not what I typed there any more; I left it as it is",
                    target.session_name
                ),
                "Look at it, then say it again",
            )
        };
        if let Some(client) = client {
            let empty = Typed::default();
            let before = held.typed.as_ref().unwrap_or(&empty);
            let is_right = |now: &Typed| now.is_with(before, text);
            let mut now = typed::read(tmux, client, place, target, echo_due(text), is_right).await;
            if now.is_some() && now == held.typed {
                // Nothing of it is there yet: a shell that colours what is typed may take long for much of it.
                now = typed::read(tmux, client, place, target, SURELY_DUE, is_right).await;
            }
            if let Some(now) = now {
                if held.typed.is_some() && is_right(&now) {
                    return Ok(held);
                }
                // Where nobody knows what was there before, it was nothing if this is all that there is.
                let unknown = held.typed.is_none();
                let may_be = |it: &Typed| change == Before::May || (unknown && it.is_empty());
                let before = now.without(text).filter(may_be).ok_or_else(changed)?;
                let into_empty_line = Some(before.is_empty());
                return Ok(Held { before: None, typed: Some(before), into_empty_line });
            }
        }
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
                return Err(changed());
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

/// What is on the line before anything is put in.
async fn look(tmux: &Link, client: Option<&Client>, place: &Place, target: &Target) -> Result<Held, Trouble> {
    let line = cursor_line(tmux, target, 0).await?;
    let before = squeezed(&line.left);
    let Some(client) = client else { return Ok(Held { before: Some(before), ..Held::default() }) };
    let typed = typed::read(tmux, client, place, target, Duration::ZERO, |_| true).await;
    let into_empty_line = match &typed {
        Some(typed) => Some(typed.is_empty()),
        None if Kind::of(&place.program) == Kind::Bash => {
            let panes = client.panes();
            // A prompt that was wrapped can't be compared with one line of the screen.
            let whole = |prompt: &&str| prompt.chars().map(width).sum::<usize>() < place.columns;
            let prompt = panes.prompt(&target.pane.0).filter(whole).map(squeezed);
            prompt.map(|prompt| prompt == before && line.right.trim().is_empty())
        }
        None => None,
    };
    Ok(Held { before: Some(before), typed, into_empty_line })
}

/// How long a text may take to be shown or to go.
fn echo_due(text: &str) -> Duration {
    let thousands = u32::try_from(text.len() / 1000).unwrap_or(u32::MAX);
    ECHO_DUE + ECHO_DUE_PER_THOUSAND.saturating_mul(thousands)
}

//! The line that is being typed, as the shell itself tells it.
//!
//! What the screen shows of it is covered by suggestions, prompts at the right edge and colours; zsh and
//! fish say what is really there. zsh does so whenever it draws the line, fish when it is asked by a key,
//! and to the same key bash draws its prompt again, with its marks.

use std::time::{Duration, Instant};

use crate::domain::Target;

use super::client::Client;
use super::completion::{Phase, Typed};
use super::link::Link;
use super::place::Place;
use super::prompt::SURELY_DUE;
use super::request::Request;
use super::shell::Kind;
use super::{foreground, tty};

/// Control alt shift F12: what our shells answer to.
const QUESTION: &str = "C-M-S-F12";
/// Control alt shift F11: what has them drop the line that they tell.
pub(super) const CLEAR: &str = "C-M-S-F11";
/// How long one is waited for that didn't answer the last time: its keys may mean something else now.
const ANSWER_MAYBE_DUE: Duration = Duration::from_secs(1);
/// How long a shell may take to drop a line.
const DROPPED_DUE: Duration = Duration::from_secs(2);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(5);

/// What is typed at a pane's prompt, waited for until it is right, but not for longer than `due`; then as
/// it is. `None` if no shell tells it.
pub(super) async fn read(
    tmux: &Link,
    client: &Client,
    place: &Place,
    target: &Target,
    due: Duration,
    is_right: impl Fn(&Typed) -> bool,
) -> Option<Typed> {
    let ends = Instant::now() + due;
    let mut news = client.news();
    loop {
        news.mark_unchanged();
        if client.panes().phase(&target.pane.0) != Phase::Input {
            return None;
        }
        let must_ask = Kind::of(&place.program) == Kind::Fish;
        if must_ask {
            ask(tmux, client, target).await?;
        }
        let typed = client.panes().typed(&target.pane.0)?;
        if is_right(&typed) || Instant::now() >= ends || !client.is_alive() {
            return Some(typed);
        }
        let pause = if must_ask { PAUSE } else { ends.saturating_duration_since(Instant::now()) };
        // Either way there may be something to see.
        let _ = tokio::time::timeout(pause, news.changed()).await;
    }
}

/// Has a shell at its prompt drop the line that it tells, and waits until it has, but not long; false if it couldn't be
/// told to.
pub(super) async fn clear(tmux: &Link, client: &Client, place: &Place, target: &Target) -> bool {
    let request = Request::once(["send-keys", "-t", &target.pane.0, CLEAR]).about(&target.session);
    let told = tmux.ask(request).await.is_ok();
    if told {
        read(tmux, client, place, target, DROPPED_DUE, Typed::is_empty).await;
    }
    told
}

/// Has a shell of ours that waits at a prompt which nobody saw, since it was there before anybody watched,
/// show that it does.
pub(super) async fn recognise(tmux: &Link, client: &Client, place: &Place, target: &Target) {
    let is_unknown = {
        let panes = client.panes();
        panes.are_marked() && panes.phase(&target.pane.0) == Phase::Unknown
    };
    // Whatever else is in front would take the key for something.
    let is_ours = Kind::of(&place.program).makes_marks()
        && place.pid.and_then(foreground::is_itself_in_front) == Some(true)
        && tty::modes(&place.tty).is_some_and(|modes| !modes.canonical);
    if is_unknown && is_ours {
        ask(tmux, client, target).await;
    }
}

/// Asks a shell at its prompt, which answers when it has drawn that; `None` if it doesn't.
async fn ask(tmux: &Link, client: &Client, target: &Target) -> Option<()> {
    let heard = |client: &Client| {
        let panes = client.panes();
        (panes.times_typed(&target.pane.0), panes.phase(&target.pane.0))
    };
    let before = heard(client);
    let mut news = client.news();
    let request = Request::once(["send-keys", "-t", &target.pane.0, QUESTION]).about(&target.session);
    tmux.ask(request).await.ok()?;
    let answer = async {
        loop {
            news.mark_unchanged();
            if heard(client) != before {
                return Some(());
            }
            if !client.is_alive() || news.changed().await.is_err() {
                return None;
            }
        }
    };
    let due = if client.panes().is_mute(&target.pane.0) { ANSWER_MAYBE_DUE } else { SURELY_DUE };
    let Ok(answer) = tokio::time::timeout(due, answer).await else {
        client.panes().unanswered(&target.pane.0);
        return None;
    };
    answer
}

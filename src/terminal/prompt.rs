//! Waiting for a shell's prompt: what is typed before it is there is not lost, but can't be told from what
//! stood there already.

use std::time::{Duration, Instant};

use crate::domain::{PaneId, Target};

use super::client::Client;
use super::completion::Phase;
use super::link::Link;
use super::place::Place;

/// How long a shell that makes marks may take to show a prompt that is sure to come: it reads files of the user's
/// or looks into a large repository first, and a busy machine may take its time.
pub(super) const SURELY_DUE: Duration = Duration::from_secs(5);
/// How long the first of a shell without marks is waited for, of which it is a guess that it has one.
const FIRST_DUE_UNMARKED: Duration = Duration::from_secs(2);
/// How long one is waited for that may not come, since a command may go on.
const MAYBE_DUE: Duration = Duration::from_millis(500);
/// Without marks: what has printed something and then been quiet for this long shows its prompt.
const QUIET: Duration = Duration::from_millis(150);

/// How often a pane is looked at that doesn't tell.
const LOOK: Duration = Duration::from_millis(10);

/// Waits while the shell is on its way to its prompt: after the end of a command or of half a line, for as long as
/// that may take; in other phases, if they count as being on its way, not long. Gives whether it had to wait.
pub(super) async fn await_next(client: &Client, pane: &PaneId, on_its_way: impl Fn(Phase) -> bool) -> bool {
    let began = Instant::now();
    let mut news = client.news();
    let mut has_waited = false;
    while client.is_alive() {
        news.mark_unchanged();
        let phase = client.panes().phase(&pane.0);
        let due = match phase {
            Phase::Prompting | Phase::Continuation => SURELY_DUE,
            _ => MAYBE_DUE,
        };
        let left = due.saturating_sub(began.elapsed());
        if !on_its_way(phase) || left.is_zero() {
            break;
        }
        has_waited = true;
        // Either way there may be something to see.
        let _ = tokio::time::timeout(left, news.changed()).await;
    }
    has_waited
}

/// Waits until a pane that was made just now shows a prompt, but not for ever. Any other pane isn't waited
/// for. Gives whether it had to wait.
pub(super) async fn await_first(tmux: &Link, client: &Client, target: &Target) -> bool {
    let pane = &target.pane.0;
    let mut news = client.news();
    let mut has_waited = false;
    while client.is_alive() {
        news.mark_unchanged();
        let (newborn, marked) = {
            let panes = client.panes();
            (panes.newborn(pane), panes.are_marked())
        };
        let Some(newborn) = newborn else { return has_waited };
        has_waited = true;
        let due = if marked { SURELY_DUE } else { FIRST_DUE_UNMARKED };
        let left = due.saturating_sub(newborn.made_at.elapsed());
        if left.is_zero() {
            break;
        }
        let is_quiet = newborn.printed_at.is_some_and(|at| at.elapsed() >= QUIET);
        if !marked && is_quiet && has_prompt(tmux, target).await {
            break;
        }
        let pause = if marked { left } else { LOOK };
        // Either way there may be something to see.
        let _ = tokio::time::timeout(pause, news.changed()).await;
    }
    client.panes().grown(pane);
    has_waited
}

/// Whether the cursor stands behind something, as it does at a prompt.
async fn has_prompt(tmux: &Link, target: &Target) -> bool {
    Place::look(tmux, &target.session, &target.pane).await.is_ok_and(|place| place.cursor.0 > 0)
}

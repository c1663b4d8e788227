//! What names mean to the shell in a pane: its aliases, abbreviations and functions, as it tells them.
//!
//! Our shells tell them in marks (see [`super::completion`]) before a prompt, if they are not as they were
//! when they were told last, and to a key, for whoever came later.

use std::time::Duration;

use crate::domain::{ShellNames, Target};

use super::client::Client;
use super::completion::Phase;
use super::error::Trouble;
use super::link::Link;
use super::place::Place;
use super::request::Request;
use super::{prompt, typed};

/// Control alt shift F10: what our shells tell them to.
const QUESTION: &str = "C-M-S-F10";
/// A shell at its prompt answers at once; a busy machine may take its time.
const ANSWER_DUE: Duration = Duration::from_secs(1);

/// What names mean to the shell in a pane. One that is on its way to its prompt is waited for, and one that
/// was there before anybody watched is asked.
pub(super) async fn of(tmux: &Link, client: &Client, target: &Target) -> Result<ShellNames, Trouble> {
    let pane = &target.pane.0;
    prompt::await_next(client, &target.pane, |phase| phase == Phase::Prompting).await;
    if client.panes().names(pane).is_none() && client.panes().are_marked() {
        let place = Place::look(tmux, &target.session, &target.pane).await?;
        typed::recognise(tmux, client, &place, target).await;
        if client.panes().phase(pane) == Phase::Input {
            ask(tmux, client, target).await?;
        }
    }
    let panes = client.panes();
    let told = panes.names(pane).cloned();
    let certain = told.is_some() && panes.phase(pane) == Phase::Input;
    Ok(ShellNames { aliases: told.unwrap_or_default(), certain })
}

/// Asks a shell at its prompt. One that doesn't answer has been made by an earlier version of this program.
async fn ask(tmux: &Link, client: &Client, target: &Target) -> Result<(), Trouble> {
    let mut news = client.news();
    tmux.ask(Request::once(["send-keys", "-t", &target.pane.0, QUESTION]).about(&target.session)).await?;
    let answer = async {
        while client.is_alive()
            && client.panes().names(&target.pane.0).is_none()
            && news.changed().await.is_ok()
        {}
    };
    // Without an answer, nothing is known.
    let _ = tokio::time::timeout(ANSWER_DUE, answer).await;
    Ok(())
}

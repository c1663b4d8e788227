//! What goes on in a pane: told by its shell's marks, else by who has its terminal.

use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::completion::Story;
use super::error::Trouble;
use super::foreground::Foreground;
use super::link::Link;
use super::place::Place;
use super::screen;
use super::shell::Kind;
use super::strip::strip;
use crate::domain::{Activity, SessionId, Surveyed, Target};

/// Of each of several sessions, so much of its screen and output is told.
const SURVEYED: usize = 8 * 1024;

/// What goes on there, and whether the program in front is too busy to ask anything.
pub(super) struct Seen {
    pub(super) activity: Activity,
    pub(super) is_busy: bool,
}

/// What goes on in a pane that was just looked at. `client` is that of its session, if there is one. With `tell`,
/// whoever asked is told of what has ended, which is no news then.
pub(super) async fn of(
    tmux: &Link,
    client: Option<&Arc<Client>>,
    place: &Place,
    limit: usize,
    tell: bool,
) -> Result<Seen, Trouble> {
    let story = client.and_then(|client| {
        let mut panes = client.panes();
        let story = panes.story(&place.pane.0);
        if tell {
            panes.tell(&place.pane.0);
        }
        story
    });
    let front = place.pid.and_then(Foreground::of);
    let mut activity = story.map(|story| from_story(story, limit)).unwrap_or_default();
    let is_shell = Kind::of(&place.program) != Kind::None;
    // A pane may have been made with a program instead of a shell.
    let program = front.filter(|front| !(front.is_itself && is_shell));
    let is_busy = program.as_ref().is_some_and(|program| program.is_busy);
    if let Some(program) = program {
        if !activity.running {
            // Nothing is known of it but what the system tells.
            activity = Activity { running: true, since: program.since, ..Activity::default() };
        }
        activity.command.get_or_insert(program.command);
    }
    if activity.running {
        let session = client.map(|_| &place.session);
        activity.stopped_at = screen::before_cursor(tmux, place, session).await?;
    }
    Ok(Seen { activity, is_busy })
}

fn from_story(story: Story, limit: usize) -> Activity {
    let since = if story.running { story.began } else { story.ended };
    let mut output = story.output;
    if output.len() > limit {
        output = strip(output.as_bytes(), limit);
    }
    Activity {
        command: story.command,
        running: story.running,
        since: since.map(|since| since.elapsed()),
        status: story.status,
        output: Some(output),
        stopped_at: None,
        is_news: story.is_news,
    }
}

/// What goes on in the current pane of a session, which has this name outside. Only looks; attaches to none.
pub(super) async fn survey(tmux: &Link, session: &SessionId, name: &str) -> Result<Surveyed, Trouble> {
    let place = Place::glance(tmux, session).await?;
    let client = tmux.watching(session).await;
    let activity = of(tmux, client.as_ref(), &place, SURVEYED, true).await?.activity;
    let screen = screen::of(tmux, &place.pane, None, SURVEYED).await?;
    let program = strip(place.program.as_bytes(), 200);
    Ok(Surveyed { session: name.to_owned(), program, screen, activity })
}

/// What goes on in one pane that somebody has asked about, and that was just looked at.
pub(super) async fn asked(tmux: &Link, place: &Place, target: &Target, limit: usize) -> Activity {
    let client = tmux.watch(&target.session).await;
    match of(tmux, client.as_ref(), place, limit, true).await {
        Ok(seen) => seen.activity,
        Err(trouble) => {
            tracing::debug!(?trouble, "a pane's program could not be looked at");
            Activity::default()
        }
    }
}

/// For how long something ran that began then.
pub(super) fn took(story: &Story) -> Duration {
    match (story.began, story.ended) {
        (Some(began), Some(ended)) => ended.saturating_duration_since(began),
        _ => Duration::ZERO,
    }
}

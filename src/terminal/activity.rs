//! What goes on in a pane: told by its shell's marks, else by who has its terminal.

use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::completion::Story;
use super::error::Trouble;
use super::foreground::{self, Holder};
use super::layout;
use super::link::Link;
use super::place::Place;
use super::request::Request;
use super::strip::strip;
use crate::domain::{Activity, Failure, Surveyed, Target};

/// Sessions that are looked at when all are.
const MOST_SESSIONS: usize = 32;
/// So much of each.
const SURVEYED: usize = 8 * 1024;

/// What goes on there, and whether the program in front is too busy to ask anything.
pub(super) struct Seen {
    pub(super) activity: Activity,
    pub(super) is_busy: bool,
}

/// What goes on in a pane. With `tell`, whoever asked is told of what has ended, which is no news then.
pub(super) async fn of(
    tmux: &Link,
    client: Option<&Arc<Client>>,
    place: &Place,
    limit: usize,
    tell: bool,
) -> Result<Seen, Trouble> {
    const FORMAT: &str = "#{pane_pid}:#{cursor_x}:#{cursor_y}";
    let request = Request::idempotent(["display-message", "-p", "-t", &place.pane.0, FORMAT]);
    let facts = tmux.ask(request.about(&place.session)).await?;
    let mut facts = facts.trim().split(':').map(|number| number.parse::<u32>().ok());
    let (pid, column, row) = (facts.next().flatten(), facts.next().flatten(), facts.next().flatten());
    let story = client.and_then(|client| {
        let mut panes = client.panes();
        let story = panes.story(&place.pane.0);
        if tell {
            panes.tell(&place.pane.0);
        }
        story
    });
    let holder = pid.and_then(foreground::holder);
    let mut activity = story.map(|story| from_story(story, limit)).unwrap_or_default();
    let mut is_busy = false;
    match holder {
        Some(Holder::Other(front)) => {
            is_busy = front.is_busy;
            if !activity.running {
                // Nothing is known of it but what the system tells.
                activity = Activity { running: true, ..Activity::default() };
                activity.since = front.since;
            }
            activity.command.get_or_insert(front.command);
        }
        Some(Holder::Itself) | None => {}
    }
    if activity.running
        && let (Some(column), Some(row)) = (column, row)
    {
        activity.stopped_at = stopped_at(tmux, place, column, row).await?;
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

/// The line that the cursor stands behind; `None` if it is empty, or goes on behind the cursor.
async fn stopped_at(tmux: &Link, place: &Place, column: u32, row: u32) -> Result<Option<String>, Trouble> {
    if column == 0 {
        return Ok(None);
    }
    let row = row.to_string();
    let words = ["capture-pane", "-p", "-e", "-S", &row, "-E", &row, "-t", &place.pane.0];
    let line = tmux.ask(Request::idempotent(words).about(&place.session)).await?;
    let line = strip(line.as_bytes(), 2_000);
    let line = line.trim_end();
    // Behind a prompt, there may be blanks before the cursor.
    let is_behind = line.chars().map(super::strip::width).sum::<usize>() <= column as usize;
    Ok((is_behind && !line.is_empty()).then(|| line.to_owned()))
}

/// What goes on in every session. Only looks; attaches to none.
pub(super) async fn survey(
    tmux: &Link,
    sessions: Vec<crate::domain::SessionInfo>,
) -> Result<Vec<Surveyed>, Failure> {
    let mut sessions = sessions;
    sessions.sort_by_key(|session| !session.current);
    let mut surveyed = Vec::new();
    for session in sessions.into_iter().take(MOST_SESSIONS) {
        let looked = async {
            let place = Place::current(tmux, &session.id).await?;
            let client = tmux.watching(&session.id).await;
            Ok::<_, Trouble>((of(tmux, client.as_ref(), &place, SURVEYED, true).await?.activity, place))
        };
        // One that has just ended is no reason not to tell of the others.
        let Ok((activity, place)) = looked.await else { continue };
        let screen = layout::screen(tmux, &place.target(), SURVEYED).await?;
        surveyed.push(Surveyed {
            session: session.name,
            program: strip(place.program.as_bytes(), 200),
            screen,
            activity,
        });
    }
    Ok(surveyed)
}

/// The same of one pane that somebody has asked about.
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

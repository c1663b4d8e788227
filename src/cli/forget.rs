//! `voice-terminal history --forget [ID] [--search Q] [--before WHEN] [--yes]`

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use jiff::{Span, Timestamp, ZonedDateTime, civil::Date};

use super::report::{self, Outcome, Problem};
use crate::app::World;
use crate::domain::{Forgotten, Selection, UtteranceId};
use crate::server::{Client, ClientError, Request, Response};

/// Reads what is meant.
pub(super) fn selection(
    id: Option<&str>,
    search: Option<String>,
    before: Option<&str>,
) -> Result<Selection, Problem> {
    let id = id.map(|id| {
        id.parse::<UtteranceId>().map_err(|_| {
            Problem::usage(
                format!("\"{id}\" is no turn's id"),
                "see the ids with `voice-terminal history --json`",
            )
        })
    });
    Ok(Selection { id: id.transpose()?, search, before: before.map(moment).transpose()? })
}

/// A date, or how long ago: `2026-01-31`, `30 days`, `2w`, `12h`.
fn moment(text: &str) -> Result<Timestamp, Problem> {
    let wrong = || {
        Problem::usage(
            format!("\"{text}\" is neither a date nor a length of time"),
            "write it as 2026-01-31, or as 30days, 2weeks, 12h for what is older than that",
        )
    };
    let now = ZonedDateTime::now();
    if let Ok(date) = text.parse::<Date>() {
        return date.to_zoned_datetime(now.time_zone().clone()).map(|at| at.timestamp()).map_err(|_| wrong());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let span: Span = text.parse().map_err(|_| wrong())?;
    let at = now.checked_sub(span.abs()).map_err(|_| wrong())?;
    Ok(at.timestamp())
}

pub(super) async fn run(world: &World, selection: Selection, yes: bool, json: bool) -> Outcome {
    let store = world.store().await;
    if let Some(degradation) = &*store.standing().borrow() {
        report::warn(&degradation.what, &degradation.remedy);
    }
    let meant = store.meant(&selection).await?;
    if !yes && !is_wanted(meant, store.backlog().is_some())? {
        report::line("Nothing was forgotten.");
        return Ok(ExitCode::FAILURE);
    }
    let forgotten = match Client::connect(&world.paths.control_socket()).await {
        Ok(mut client) => match client.ask(&Request::Forget { selection }).await? {
            Response::Forgotten(forgotten) => forgotten,
            Response::Error { what } => return Err(Problem::new(what, "try again")),
            _ => return Err(ClientError::Foreign.into()),
        },
        Err(ClientError::NotRunning) => {
            // What a crash left unfinished can be forgotten, too.
            store.recover().await?;
            let replaying = store.replay();
            let forgotten = world.forget(&store, &selection).await?;
            if let Some(replaying) = replaying {
                replaying.finish().await;
            }
            forgotten
        }
        Err(error) => return Err(error.into()),
    };
    store.close().await;
    if json {
        report::json(&forgotten);
    } else {
        report::line(told(&forgotten));
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks, and reads the answer.
fn is_wanted(meant: u64, database: bool) -> Result<bool, Problem> {
    if !std::io::stdin().is_terminal() {
        return Err(Problem::usage("nobody can be asked whether this is meant", "add --yes if it is"));
    }
    let there = if database { ", and what the database has of it" } else { "" };
    let mut err = std::io::stderr().lock();
    write!(err, "Forget {}{there}, for good? [y/N] ", turns(meant)).and_then(|()| err.flush())?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn told(forgotten: &Forgotten) -> String {
    let mut text = match forgotten.here {
        0 => "Nothing on this machine was meant.".to_owned(),
        some => format!("Forgot {}.", turns(some)),
    };
    match forgotten.database {
        None => {}
        Some(true) => text += " The database has forgotten it, too.",
        Some(false) => {
            text +=
                " The database can't be reached, and still has its copy; it is told as soon as it is back.";
        }
    }
    if !forgotten.wiped {
        text += " Another program reads the file just now; the last bytes are overwritten when it is closed.";
    }
    if forgotten.cache == Some(false) {
        text += " Redis could not be made to forget what is cached there: ask for this again when it is back, or \
                 wait; it ends by itself within seven days.";
    }
    text
}

fn turns(number: u64) -> String {
    if number == 1 { "1 turn".into() } else { format!("{number} turns") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_or_an_age() {
        let ago = |text: &str| (Timestamp::now() - moment(text).ok().unwrap()).as_secs();
        let near = |text: &str, seconds: i64| {
            let ago = ago(text);
            assert!((ago - seconds).abs() <= 2 * 3600, "{text}: {ago}");
        };
        near("30days", 30 * 86_400);
        near("30 days", 30 * 86_400);
        near("2w", 14 * 86_400);
        near("12h", 12 * 3600);
        assert!(moment("2026-01-31").ok().unwrap() > "2026-01-30T00:00:00Z".parse().unwrap());
        assert!(moment("2026-01-31T12:00:00Z").ok().unwrap() == "2026-01-31T12:00:00Z".parse().unwrap());
        for wrong in ["", "yesterday", "30", "31.1.2026", "-"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}

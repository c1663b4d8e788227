//! Windows, panes, and what is to be seen in them.

use crate::domain::{Direction, Failure, Outcome, Pane, Scroll, Target, Window};

use super::error::{Refusal, Trouble, request_failure};
use super::link::Link;
use super::names;
use super::place::Place;
use super::request::Request;
use super::strip::strip;

/// The lines of a screen that are told when a session is described.
const DESCRIBED_LINES: usize = 15;

/// How many panes there are, and which one is the current.
const PANE_FORMAT: &str = "#{window_panes}:#{pane_id}:#{pane_index}:#{pane_current_command}";

/// New windows and panes start where the current pane is.
const HERE: &str = "#{pane_current_path}";

fn done(what: impl Into<String>) -> Outcome {
    Outcome::Done { what: what.into() }
}

pub(super) async fn new_window(tmux: &Link, target: &Target, name: Option<&str>) -> Result<Outcome, Failure> {
    let name = name.map(|wished| safe_name(wished, "a window")).transpose()?;
    let place = format!("{}:", target.session.0);
    let mut words = vec!["new-window", "-t", &place, "-c", HERE, "-P", "-F", "#{pane_id}:#{window_index}"];
    if let Some(name) = &name {
        words.extend(["-n", name]);
    }
    let made = ask(tmux, target, words, "make a window").await?;
    let index = born(tmux, target, &made).await;
    let named = name.map(|name| format!(", {name},")).unwrap_or_default();
    Ok(done(format!("New window {}{named} in {}", index, target.session_name)))
}

/// A pane was made, which tmux told as `%7:rest`; gives the rest.
async fn born<'a>(tmux: &Link, target: &Target, told: &'a str) -> &'a str {
    let (pane, rest) = told.trim().split_once(':').unwrap_or_default();
    if let Some(client) = tmux.watch(&target.session).await {
        client.panes().made(pane);
    }
    rest
}

pub(super) async fn select_window(tmux: &Link, target: &Target, window: Window) -> Result<Outcome, Failure> {
    let session = format!("{}:", target.session.0);
    let request = match window {
        Window::Next => Request::once(["next-window", "-t", &session]),
        Window::Previous => Request::once(["previous-window", "-t", &session]),
        Window::Index(index) => Request::idempotent(["select-window", "-t", &format!("{session}{index}")]),
    };
    match (tmux.ask(request.about(&target.session)).await, window) {
        (Err(Trouble::Refused(Refusal::NoTarget)), Window::Index(index)) => {
            return Err(request_failure(
                format!("There is no window {index} in {}", target.session_name),
                "Say \"next window\", or another number",
            ));
        }
        (answer, _) => answer.map_err(|trouble| trouble.failure("go to that window"))?,
    };
    let words = ["display-message", "-p", "-t", &session, "#{window_index}, #{window_name}"];
    let now = ask_idempotent(tmux, target, words, "see which window that is").await?;
    Ok(done(format!("Window {} in {}", strip(now.as_bytes(), 200), target.session_name)))
}

pub(super) async fn rename_window(
    tmux: &Link,
    place: &Place,
    target: &Target,
    name: &str,
) -> Result<Outcome, Failure> {
    let name = safe_name(name, "a window")?;
    let words = ["rename-window", "-t", &place.window, "--", &name];
    ask_idempotent(tmux, target, words, "rename the window").await?;
    Ok(done(format!("Renamed the window to {name}")))
}

pub(super) async fn close_window(tmux: &Link, place: &Place, target: &Target) -> Result<Outcome, Failure> {
    ask(tmux, target, vec!["kill-window", "-t", &place.window], "close the window").await?;
    Ok(done(format!("Closed the window in {}", target.session_name)))
}

pub(super) async fn split(tmux: &Link, target: &Target, direction: Direction) -> Result<Outcome, Failure> {
    // What tmux calls horizontal puts panes side by side.
    let sides: &[&str] = match direction {
        Direction::Right => &["-h"],
        Direction::Left => &["-h", "-b"],
        Direction::Down => &["-v"],
        Direction::Up => &["-v", "-b"],
    };
    let mut words = vec!["split-window", "-t", &target.pane.0, "-c", HERE, "-P", "-F", "#{pane_id}:"];
    words.extend(sides);
    let made = ask(tmux, target, words, "split the pane").await?;
    born(tmux, target, &made).await;
    Ok(done(format!("Split {} in {}", side(direction), target.session_name)))
}

pub(super) async fn select_pane(
    tmux: &Link,
    place: &Place,
    target: &Target,
    pane: Pane,
) -> Result<Outcome, Failure> {
    let window = &place.window;
    let words = match pane {
        Pane::Next => vec!["select-pane".to_owned(), "-t".to_owned(), format!("{window}.+")],
        Pane::Previous => vec!["select-pane".to_owned(), "-t".to_owned(), format!("{window}.-")],
        Pane::Toward(direction) => {
            let (flag, edge) = match direction {
                Direction::Left => ("-L", "#{pane_at_left}"),
                Direction::Right => ("-R", "#{pane_at_right}"),
                Direction::Up => ("-U", "#{pane_at_top}"),
                Direction::Down => ("-D", "#{pane_at_bottom}"),
            };
            // tmux would go on at the other edge.
            let at_edge = ["display-message", "-p", "-t", &target.pane.0, edge];
            if ask_idempotent(tmux, target, at_edge, "see where that pane is").await?.trim() == "1" {
                let side = side(direction);
                return Ok(done(format!("There is no pane {side} of this one in {}", target.session_name)));
            }
            vec!["select-pane".to_owned(), "-t".to_owned(), target.pane.0.clone(), flag.to_owned()]
        }
    };
    ask(tmux, target, words.iter().map(String::as_str).collect(), "go to that pane").await?;
    let words = ["display-message", "-p", "-t", window, PANE_FORMAT];
    let now = ask_idempotent(tmux, target, words, "see which pane that is").await?;
    let mut fields = now.splitn(4, ':');
    let (panes, id, index, program) = (fields.next(), fields.next(), fields.next(), fields.next());
    if panes == Some("1") {
        return Ok(done(format!("There is only one pane in this window of {}", target.session_name)));
    }
    if id == Some(&target.pane.0) {
        return Ok(done(format!("There is no other pane there; still in pane {}", index.unwrap_or("?"))));
    }
    let program = strip(program.unwrap_or_default().as_bytes(), 200);
    Ok(done(format!("Pane {}, {program}, in {}", index.unwrap_or("?"), target.session_name)))
}

pub(super) async fn zoom(tmux: &Link, place: &Place, target: &Target) -> Result<Outcome, Failure> {
    ask(tmux, target, vec!["resize-pane", "-Z", "-t", &target.pane.0], "zoom the pane").await?;
    let words = ["display-message", "-p", "-t", &target.pane.0, "#{window_zoomed_flag}"];
    let zoomed = ask_idempotent(tmux, target, words, "see whether it is zoomed").await?;
    let what = match (place.zoomed, zoomed.trim()) {
        (_, "1") => "Zoomed the pane",
        (true, _) => "Put the pane back among the others",
        (false, _) => "There is only this pane, which fills the window anyway,",
    };
    Ok(done(format!("{what} in {}", target.session_name)))
}

pub(super) async fn close_pane(tmux: &Link, target: &Target) -> Result<Outcome, Failure> {
    ask(tmux, target, vec!["kill-pane", "-t", &target.pane.0], "close the pane").await?;
    Ok(done(format!("Closed the pane in {}", target.session_name)))
}

pub(super) async fn scroll(
    tmux: &Link,
    mut place: Place,
    target: &Target,
    scroll: Scroll,
) -> Result<Outcome, Failure> {
    let failed = "scroll";
    let (command, times, what) = match scroll {
        Scroll::LinesUp(lines) => ("scroll-up", lines, "Scrolled up"),
        Scroll::LinesDown(lines) => ("scroll-down", lines, "Scrolled down"),
        Scroll::PagesUp(pages) => ("page-up", pages, "Paged up"),
        Scroll::PagesDown(pages) => ("page-down", pages, "Paged down"),
        Scroll::Top => ("history-top", 1, "At the top"),
        Scroll::Bottom => ("", 1, "At the bottom"),
    };
    let goes_back = matches!(scroll, Scroll::LinesUp(_) | Scroll::PagesUp(_) | Scroll::Top);
    if scroll == Scroll::Bottom {
        place.leave_mode(tmux).await.map_err(|trouble| trouble.failure(failed))?;
        return Ok(done(format!("{what} of {}", target.session_name)));
    }
    if !place.in_mode {
        if !goes_back {
            return Ok(done(format!("{} is at the bottom already", target.session_name)));
        }
        // `-e`: scrolling down to the bottom leaves the history again.
        ask_idempotent(tmux, target, ["copy-mode", "-e", "-t", &target.pane.0], failed).await?;
    }
    let times = times.clamp(1, 10_000).to_string();
    ask(tmux, target, vec!["send-keys", "-t", &target.pane.0, "-N", &times, "-X", command], failed).await?;
    let of = if scroll == Scroll::Top { "of" } else { "in" };
    Ok(done(format!("{what} {of} {}", target.session_name)))
}

/// What the pane shows now, as text. Concealed text is left out.
pub(super) async fn screen(tmux: &Link, target: &Target, limit: usize) -> Result<String, Failure> {
    // `-e` tells the renditions, without which concealed text could not be known.
    let words = ["capture-pane", "-p", "-e", "-J", "-t", &target.pane.0];
    let screen = ask_idempotent(tmux, target, words, "read the screen").await?;
    let screen = strip(screen.as_bytes(), limit);
    let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
    Ok(lines.join("\n").trim_matches('\n').to_owned())
}

pub(super) async fn describe(
    tmux: &Link,
    place: &Place,
    target: &Target,
    limit: usize,
) -> Result<Outcome, Failure> {
    let screen = screen(tmux, target, limit).await?;
    let mut lines: Vec<&str> = screen.lines().filter(|line| !line.is_empty()).collect();
    lines.drain(..lines.len().saturating_sub(DESCRIBED_LINES));
    Ok(Outcome::Described {
        session: target.session_name.clone(),
        program: strip(place.program.as_bytes(), 200),
        screen: lines.join("\n"),
    })
}

async fn ask(tmux: &Link, target: &Target, words: Vec<&str>, what: &str) -> Result<String, Failure> {
    let request = Request::once(words).about(&target.session);
    tmux.ask(request).await.map_err(|trouble| trouble.failure(what))
}

async fn ask_idempotent<'a>(
    tmux: &Link,
    target: &Target,
    words: impl IntoIterator<Item = &'a str>,
    what: &str,
) -> Result<String, Failure> {
    let request = Request::idempotent(words).about(&target.session);
    tmux.ask(request).await.map_err(|trouble| trouble.failure(what))
}

fn safe_name(wished: &str, of: &str) -> Result<String, Failure> {
    names::safe(wished).ok_or_else(|| {
        request_failure(format!("That can't be the name of {of}"), "Say a name of letters or digits")
    })
}

fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Left => "left",
        Direction::Right => "right",
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

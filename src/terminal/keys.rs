//! Keys by name.

use std::time::Duration;

use crate::domain::{Failure, Key, KeyPress, Outcome, Target};

use super::client::Client;
use super::completion::Phase;
use super::error::request_failure;
use super::link::Link;
use super::place::Place;
use super::prompt;
use super::request::Request;
use super::shell::Kind;
use super::typed;

/// How long a shell may take to tell its line anew.
const TOLD_DUE: Duration = Duration::from_secs(1);
/// The most presses at once.
const MOST: u8 = 100;

pub(super) async fn press(
    tmux: &Link,
    mut place: Place,
    target: &Target,
    press: &KeyPress,
) -> Result<Outcome, Failure> {
    place.must_live()?;
    let times = press.times.clamp(1, MOST);
    let failed = "press that";
    let spoken = spoken(press);
    if place.in_mode {
        place.leave_mode(tmux).await.map_err(|trouble| trouble.failure(failed))?;
        if press.key == Key::Escape {
            // Leaving the history is what Escape does there.
            return Ok(Outcome::Done { what: format!("Left the history of {}", target.session_name) });
        }
    }
    let count = times.to_string();
    let mut words = vec!["send-keys", "-t", &target.pane.0, "-N", &count];
    let name = name(press).ok_or_else(|| {
        request_failure(
            format!("There is no key {spoken}"),
            "Say a key such as \"control c\", \"tab\" or \"F5\"",
        )
    })?;
    if name.chars().count() == 1 {
        words.push("-l");
    }
    words.extend(["--", &name]);
    let ends = press.control && matches!(press.key, Key::Char('c' | 'd'));
    let client = tmux.watch(&target.session).await;
    let before = |client: &Client| {
        let panes = client.panes();
        (panes.prompts(&target.pane.0), panes.times_typed(&target.pane.0))
    };
    let (prompts, told) = client.as_deref().map(before).unwrap_or_default();
    let request = Request::once(words).about(&target.session);
    tmux.ask(request).await.map_err(|trouble| trouble.failure(failed))?;
    match &client {
        Some(client) if ends => await_end(tmux, client, &place, target, press, prompts).await,
        // The others are asked before the next key that enters a line.
        Some(client) if Kind::of(&place.program) == Kind::Zsh => await_told(client, target, told).await,
        _ => {}
    }
    let often = if times == 1 { String::new() } else { format!(" {times} times") };
    Ok(Outcome::Done { what: format!("Pressed {spoken}{often} in {}", target.session_name) })
}

/// These keys end most programs, and control c drops the line at a prompt: what is typed next is for the prompt after
/// so many, which is waited for a little.
async fn await_end(
    tmux: &Link,
    client: &Client,
    place: &Place,
    target: &Target,
    press: &KeyPress,
    prompts: u64,
) {
    let drops = press.key == Key::Char('c');
    let on_its_way = |phase| match phase {
        Phase::Running | Phase::Prompting => true,
        Phase::Input => drops && client.panes().prompts(&target.pane.0) == prompts,
        Phase::Unknown | Phase::Continuation => false,
    };
    prompt::await_next(client, &target.pane, on_its_way).await;
    if drops && Kind::of(&place.program) == Kind::Fish {
        // It may have been answering, which was cut short instead of the line.
        let typed = typed::read(tmux, client, place, target, Duration::ZERO, |_| true).await;
        if typed.is_some_and(|typed| !typed.is_empty()) {
            typed::clear(tmux, client, place, target).await;
        }
    }
}

/// Waits until a shell at its prompt that tells the line whenever it draws it has done so once more, but not long: what
/// is judged next is the line with this key in it.
async fn await_told(client: &Client, target: &Target, told: u64) {
    let pane = &target.pane.0;
    let mut news = client.news();
    let has_told = async {
        loop {
            news.mark_unchanged();
            let is_due = {
                let panes = client.panes();
                panes.phase(pane) == Phase::Input && panes.times_typed(pane) == told
            };
            if !is_due || !client.is_alive() || news.changed().await.is_err() {
                return;
            }
        }
    };
    // A key that changes nothing may not be told.
    let _ = tokio::time::timeout(TOLD_DUE, has_told).await;
}

/// The key as tmux calls it; a single character stands for itself.
fn name(press: &KeyPress) -> Option<String> {
    let key = match press.key {
        Key::Char(character) if character.is_ascii_graphic() => character.to_string(),
        Key::Char(' ') | Key::Space => "Space".to_owned(),
        Key::Enter => "Enter".to_owned(),
        Key::Tab => "Tab".to_owned(),
        Key::Escape => "Escape".to_owned(),
        Key::Backspace => "BSpace".to_owned(),
        Key::Delete => "DC".to_owned(),
        Key::Up => "Up".to_owned(),
        Key::Down => "Down".to_owned(),
        Key::Left => "Left".to_owned(),
        Key::Right => "Right".to_owned(),
        Key::Home => "Home".to_owned(),
        Key::End => "End".to_owned(),
        Key::PageUp => "PPage".to_owned(),
        Key::PageDown => "NPage".to_owned(),
        Key::Function(number @ 1..=12) => format!("F{number}"),
        // Nothing that can be pressed.
        Key::Char(_) | Key::Function(_) => return None,
    };
    let control = if press.control { "C-" } else { "" };
    let alt = if press.alt { "M-" } else { "" };
    Some(format!("{control}{alt}{key}"))
}

fn spoken(press: &KeyPress) -> String {
    let key = match press.key {
        Key::Char(character) => character.to_string(),
        Key::Function(number) => format!("F{number}"),
        Key::PageUp => "page up".to_owned(),
        Key::PageDown => "page down".to_owned(),
        named => format!("{named:?}").to_lowercase(),
    };
    let control = if press.control { "control " } else { "" };
    let alt = if press.alt { "alt " } else { "" };
    format!("{control}{alt}{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_tmux_names() {
        let press = |key, control, alt| name(&KeyPress { key, control, alt, times: 1 });
        assert_eq!(press(Key::Char('c'), true, false).as_deref(), Some("C-c"));
        assert_eq!(press(Key::Char(';'), false, false).as_deref(), Some(";"));
        assert_eq!(press(Key::Left, true, true).as_deref(), Some("C-M-Left"));
        assert_eq!(press(Key::Char('é'), false, false), None);
        assert_eq!(press(Key::Char('\n'), false, false), None);
        assert_eq!(press(Key::Function(13), false, false), None);
    }
}

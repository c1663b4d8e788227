//! What names mean to the shell in a pane: its aliases, abbreviations and functions, as it tells them.
//!
//! Our shells tell them in marks (see [`super::completion`]) before a prompt, if they are not as they were
//! when they were told last, and to a key, for whoever came later. A mark holds as many records as fit; the
//! first of several begins with `1`, the others with `0`.

use std::time::Duration;

use crate::domain::{Alias, AliasPlace, Aliases, ShellNames, Target};

use super::client::Client;
use super::completion::Phase;
use super::error::Trouble;
use super::link::Link;
use super::place::Place;
use super::request::Request;
use super::{prompt, typed};

/// Ends a record: its kind, its name, and, behind [`BETWEEN`], its text.
const END: char = '␞';
const BETWEEN: char = '␟';
/// Stands for a control character: the text is not what it was.
const REPLACED: char = '␤';
/// Names that are remembered. Shells tell no more than that.
const MOST: usize = 4000;
/// What they are remembered in, in bytes.
const MOST_TEXT: usize = 256 << 10;

/// Control alt shift F10: what our shells tell them to.
const QUESTION: &str = "C-M-S-F10";
/// A shell at its prompt answers at once; a busy machine may take its time.
const ANSWER_DUE: Duration = Duration::from_secs(1);

/// What a shell has told.
#[derive(Debug, Default)]
pub(super) struct Told {
    names: Option<Aliases>,
    size: usize,
}

impl Told {
    /// From the arguments of a mark.
    pub(super) fn take(&mut self, arguments: &str) {
        let Some((part, records)) = arguments.split_once(';') else { return };
        match part {
            "1" => *self = Self { names: Some(Aliases::default()), size: 0 },
            // The first part was not seen.
            _ if self.names.is_none() => return,
            _ => {}
        }
        records.split_terminator(END).for_each(|record| self.record(record));
    }

    fn record(&mut self, record: &str) {
        let Some(names) = &mut self.names else { return };
        self.size += record.len();
        if names.aliases.len() + names.functions.len() >= MOST || self.size > MOST_TEXT {
            return;
        }
        let Some(kind) = record.chars().next() else { return };
        let rest = &record[kind.len_utf8()..];
        let (name, text) = rest.split_once(BETWEEN).unwrap_or((rest, ""));
        let place = match kind {
            'a' => AliasPlace::Command,
            'g' => AliasPlace::Anywhere,
            'w' => AliasPlace::Function,
            'b' => AliasPlace::LineEnd,
            'f' => {
                names.functions.insert(name.to_owned());
                return;
            }
            _ => return,
        };
        // By a text that isn't whole, the name says no more than that of a function.
        if text.contains(REPLACED) {
            names.functions.insert(name.to_owned());
        } else {
            names.aliases.insert(name.to_owned(), Alias { text: text.to_owned(), place });
        }
    }

    /// All of them, if something was told.
    pub(super) fn all(&self) -> Option<&Aliases> {
        self.names.as_ref()
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(marks: &[&str]) -> Told {
        let mut told = Told::default();
        for mark in marks {
            told.take(mark);
        }
        told
    }

    #[test]
    fn names_are_told_in_parts_and_anew() {
        let first = "1;all␟ls -l; true␞gG␟| grep␞wls␟ls -F␞bgs␟git status␞";
        let told = told(&[first, "0;fmkcd␞along␟a␤b␞"]);
        let all = told.all().unwrap();
        let alias = |name: &str| all.aliases.get(name).map(|alias| (alias.text.as_str(), alias.place));
        assert_eq!(alias("ll"), Some(("ls -l; true", AliasPlace::Command)));
        assert_eq!(alias("G"), Some(("| grep", AliasPlace::Anywhere)));
        assert_eq!(alias("ls"), Some(("ls -F", AliasPlace::Function)));
        assert_eq!(alias("gs"), Some(("git status", AliasPlace::LineEnd)));
        assert!(all.functions.contains("mkcd") && all.functions.contains("long") && alias("long").is_none());
        let mut told = told;
        told.take("1;");
        assert_eq!(told.all(), Some(&Aliases::default()));
    }

    #[test]
    fn of_what_nobody_can_use_nothing_is_kept() {
        assert!(told(&["", "0;all␟ls␞", "x"]).all().is_none());
        let odd = told(&["1;␞␞a␞é␞x␟␟y␞"]);
        assert!(odd.all().unwrap().functions.is_empty());
        let record = (0..100).map(|at| format!("a{at}␟{}␞", "x".repeat(100))).collect::<Vec<_>>().concat();
        let mut many = told(&["1;"]);
        (0..100).for_each(|at| many.take(&format!("0;{}", record.replace('a', &format!("a{at}")))));
        assert!(many.all().unwrap().aliases.len() <= MOST && many.all().unwrap().aliases.len() > 1000);
    }
}

//! Several things said in a row ("split right and run top"), and one thing several times ("next pane three
//! times").
//!
//! **Mechanics.** Where the words are one phrase without room for more, that is what they mean. Else they are
//! parted where a joining word or a punctuation mark stands, and mean several things only if every part is a
//! phrase of its own that does something. So the words that somebody typed after "run" are never parted, and
//! what was dictated isn't either.
//!
//! **Limits.** [`MOST_SEAMS`] places are tried, from the last to the first, so that the time grows with their
//! square at most; a name of several words that reads like two phrases is taken for two phrases, unless there
//! is such a session.

use std::ops::Range;

use super::grammar::Moment;
use super::names;
use super::normalise::Words;
use super::numbers;
use super::rules::Rules;
use super::slots::{Captured, Kind};
use crate::domain::{Intent, Situation};

/// Places where one thing may end and the next begin.
const MOST_SEAMS: usize = 16;

/// A phrase that part of the words make.
struct Clause {
    intent: Intent,
    /// It may have taken in what was meant as something else.
    is_open: bool,
}

/// A place between two parts.
#[derive(Debug, PartialEq, Eq)]
struct Seam {
    left_ends: usize,
    right_begins: usize,
}

impl Rules {
    /// What all the words mean: one phrase, one several times, or several of them.
    pub(super) fn clauses(&self, words: &Words<'_>, situation: &Situation, moment: Moment) -> Option<Intent> {
        let whole = self.clause(words, situation, moment);
        if whole.as_ref().is_some_and(|whole| !whole.is_open) || words.more {
            return whole.map(|whole| whole.intent);
        }
        let seams = self.seams(words);
        let begins = |suffix: usize| suffix.checked_sub(1).map_or(0, |seam| seams[seam].right_begins);
        let part = |range: Range<usize>| {
            let part = Words::new(&words.source[range], words.spoken, &self.grammar.noise);
            self.clause(&part, situation, moment)
        };
        // What follows each seam, from the last one to the whole.
        let mut meanings: Vec<Option<Intent>> = vec![None; seams.len() + 1];
        for suffix in (0..=seams.len()).rev() {
            let from = begins(suffix);
            let alone = if suffix == 0 { None } else { part(from..words.source.len()) };
            let alone = if suffix == 0 { whole.as_ref() } else { alone.as_ref() };
            if let Some(alone) = alone.filter(|alone| !alone.is_open) {
                meanings[suffix] = Some(alone.intent.clone());
                continue;
            }
            let parted = (suffix..seams.len()).find_map(|seam| {
                let rest = meanings[seam + 1].clone()?;
                let first = part(from..seams[seam].left_ends)?.intent;
                Intent::sequence([first, rest])
            });
            meanings[suffix] = parted.or_else(|| Some(alone?.intent.clone()));
        }
        meanings.swap_remove(0)
    }

    /// One phrase, or one several times.
    fn clause(&self, words: &Words<'_>, situation: &Situation, moment: Moment) -> Option<Clause> {
        let once = self.phrase(words, situation, moment);
        if once.as_ref().is_some_and(|once| !once.is_open) {
            return once;
        }
        self.repeated(words, situation, moment).or(once)
    }

    fn phrase(&self, words: &Words<'_>, situation: &Situation, moment: Moment) -> Option<Clause> {
        let found = self.grammar.find(words, moment)?;
        let is_open = found.captures().any(|(_, captured)| match captured {
            Captured::Rest { kind, .. } => *kind == Kind::Command && words.spoken,
            Captured::Name { words: name, session } => {
                let is_known = || names::is_known(&names::said(words, name.clone()), &situation.sessions);
                name.len() > 1 && !(*session && is_known())
            }
            Captured::Value(_) => false,
        });
        Some(Clause { intent: self.meaning(&found, words, situation)?, is_open })
    }

    /// "Next pane three times", "run make twice".
    fn repeated(&self, words: &Words<'_>, situation: &Situation, moment: Moment) -> Option<Clause> {
        let length = words.without_last_fillers();
        let texts: Vec<&str> = words.list[..length].iter().map(|word| word.text.as_str()).collect();
        let (times, taken) = times(&texts)?;
        let last = words.list.get((length - taken).checked_sub(1)?)?;
        let once = Words::new(&words.source[..last.place.end], words.spoken, &self.grammar.noise);
        let Clause { intent, is_open } = self.phrase(&once, situation, moment)?;
        if is_open && !words.spoken {
            return None;
        }
        let intent = Some(intent).filter(Intent::is_step)?.repeated(times)?;
        Some(Clause { intent, is_open })
    }

    fn seams(&self, words: &Words<'_>) -> Vec<Seam> {
        let list = &words.list;
        let is_joiner =
            |at: usize| list.get(at).is_some_and(|word| self.grammar.joiners.contains(&word.text));
        let mut seams = Vec::new();
        let mut at = 1;
        while at < list.len() && seams.len() < MOST_SEAMS {
            let left_ends = list[at - 1].place.end;
            let run = (at..list.len()).take_while(|word| is_joiner(*word)).count();
            let is_sign = run > 1 && list[at..at + run].windows(2).any(|two| two[0].text == two[1].text);
            if run > 0 && !is_sign && at + run < list.len() {
                seams.push(Seam { left_ends, right_begins: list[at + run].place.start });
            } else if run == 0 {
                let between = &words.source[left_ends..list[at].place.start];
                if between.contains(char::is_whitespace) && between.contains([',', '.', ';', '!', '?']) {
                    seams.push(Seam { left_ends, right_begins: list[at].place.start });
                }
            }
            at += run.max(1);
        }
        seams
    }
}

/// How often, when the words end with that; with the number of words for it.
fn times(words: &[&str]) -> Option<(u8, usize)> {
    let (last, before) = words.split_last()?;
    match *last {
        "twice" => Some((2, 1)),
        "thrice" => Some((3, 1)),
        "times" => (1..=before.len().min(4)).rev().find_map(|taken| {
            let reading = numbers::readings(&before[before.len() - taken..]).into_iter().next()?;
            let fits = reading.words == taken && reading.value > 0;
            Some((u8::try_from(reading.value).ok().filter(|_| fits)?, taken + 1))
        }),
        _ => None,
    }
}

//! Several things said in a row ("split right and run top"), one thing several times ("next pane three times"),
//! and words that were misheard.
//!
//! **Mechanics.** Where the words are one phrase without room for more, that is what they mean. Else they are
//! parted where a joining word or a punctuation mark stands, and mean several things only if every part is a
//! phrase of its own that does something. So the words that somebody typed after "run" are never parted, and
//! what was dictated isn't either.
//!
//! What was spoken and means nothing is tried once more with words in the place of those that were heard, if
//! they sound like them and make it a phrase: words of phrases ([`Vocabulary`](super::vocabulary)), never any
//! others. What comes of it must be the likeliest by a margin, must have heard at least as much as it has
//! corrected, and can't be an answer to a question or keep it from listening. What is the rest of a line or a
//! name is never corrected by this. Every correction lowers the confidence that the verdict depends on.
//!
//! **Limits.** [`MOST_SEAMS`] places are tried, from the last to the first, so that the time grows with their
//! square at most; [`MOST_TRIES`] phrases with other words. A name of several words that reads like two phrases
//! is taken for two phrases, unless there is such a session.

use std::cell::Cell;
use std::ops::Range;

use super::grammar::{Found, Moment};
use super::names;
use super::normalise::Words;
use super::numbers;
use super::rules::Rules;
use super::slots::{Captured, Kind};
use crate::domain::{Confidence, Correction, Intent, Situation};

/// Places where one thing may end and the next begin.
const MOST_SEAMS: usize = 16;
/// The same when words are corrected.
const MOST_SEAMS_CORRECTED: usize = 3;
/// Phrases that are tried with other words, for one utterance.
const MOST_TRIES: usize = 400;
/// Words of a phrase that may be corrected.
const MOST_CORRECTED: usize = 2;
/// A longer phrase is not corrected.
const LONGEST_CORRECTED: usize = 10;
/// All corrections together must be that alike.
const LEAST_LIKENESS: f64 = 0.6;
/// The one word that was said must be that alike.
const LEAST_LIKENESS_ALONE: f64 = 0.85;
/// Of two words that make the same phrase, the one that people are offered is told.
const OFFERED: f64 = 0.01;
/// The likeliest meaning is that much likelier than the next, or nobody knows.
const MARGIN: f64 = 0.05;

/// What words mean.
#[derive(Debug, Clone)]
pub(super) struct Meant {
    pub(super) intent: Intent,
    /// What was taken for something else.
    pub(super) corrections: Vec<Correction>,
}

/// A phrase that part of the words make.
struct Clause {
    meant: Meant,
    /// It may have taken in what was meant as something else.
    is_open: bool,
}

/// A place between two parts.
#[derive(Debug, PartialEq, Eq)]
struct Seam {
    left_ends: usize,
    right_begins: usize,
}

/// What all the words mean: one phrase, one several times, or several of them.
pub(super) fn meant(
    rules: &Rules,
    words: &Words<'_>,
    situation: &Situation,
    moment: Moment,
) -> Option<Meant> {
    let parser = |tries| Parser { rules, situation, moment, tries: Cell::new(tries) };
    let strictly = parser(0).clauses(words, MOST_SEAMS);
    if strictly.is_some() || !words.spoken || words.more {
        return strictly;
    }
    parser(MOST_TRIES).clauses(words, MOST_SEAMS_CORRECTED)
}

struct Parser<'a> {
    rules: &'a Rules,
    situation: &'a Situation,
    moment: Moment,
    /// Phrases that may still be tried with other words.
    tries: Cell<usize>,
}

impl Parser<'_> {
    fn clauses(&self, words: &Words<'_>, most_seams: usize) -> Option<Meant> {
        let whole = self.clause(words);
        if whole.as_ref().is_some_and(|whole| !whole.is_open) || words.more {
            return whole.map(|whole| whole.meant);
        }
        let seams = self.seams(words);
        if seams.len() > most_seams {
            return whole.map(|whole| whole.meant);
        }
        let begins = |suffix: usize| suffix.checked_sub(1).map_or(0, |seam| seams[seam].right_begins);
        let part = |range: Range<usize>| {
            self.clause(&Words::new(&words.source[range], words.spoken, &self.rules.grammar.noise))
        };
        // What follows each seam, from the last one to the whole.
        let mut meanings: Vec<Option<Meant>> = vec![None; seams.len() + 1];
        for suffix in (0..=seams.len()).rev() {
            let from = begins(suffix);
            let alone = if suffix == 0 { None } else { part(from..words.source.len()) };
            let alone = if suffix == 0 { whole.as_ref() } else { alone.as_ref() };
            if let Some(alone) = alone.filter(|alone| !alone.is_open) {
                meanings[suffix] = Some(alone.meant.clone());
                continue;
            }
            let parted = (suffix..seams.len()).find_map(|seam| {
                let rest = meanings[seam + 1].clone()?;
                let first = part(from..seams[seam].left_ends)?.meant;
                let corrections = [first.corrections, rest.corrections].concat();
                Some(Meant { intent: Intent::sequence([first.intent, rest.intent])?, corrections })
            });
            meanings[suffix] = parted.or_else(|| Some(alone?.meant.clone()));
        }
        meanings.swap_remove(0)
    }

    /// One phrase, or one several times.
    fn clause(&self, words: &Words<'_>) -> Option<Clause> {
        let once = self.phrase(words);
        if once.as_ref().is_some_and(|once| !once.is_open) {
            return once;
        }
        self.repeated(words).or(once).or_else(|| self.corrected(words))
    }

    fn phrase(&self, words: &Words<'_>) -> Option<Clause> {
        let found = self.rules.grammar.find(words, self.moment)?;
        self.clause_of(&found, words)
    }

    fn clause_of(&self, found: &Found<'_>, words: &Words<'_>) -> Option<Clause> {
        let is_open = found.captures().any(|(_, captured)| match captured {
            Captured::Rest { kind, .. } => *kind == Kind::Command && words.spoken,
            Captured::Name { words: name, kind } => {
                let is_known =
                    || names::is_known(&names::said(words, name.clone()), &self.situation.sessions);
                name.len() > 1 && !(*kind == Kind::Session && is_known())
            }
            Captured::Value(_) => false,
        });
        Some(Clause { meant: self.rules.meaning(found, words, self.situation)?, is_open })
    }

    /// "Next pane three times", "run make twice".
    fn repeated(&self, words: &Words<'_>) -> Option<Clause> {
        let length = words.without_last_fillers();
        let texts: Vec<&str> = words.list[..length].iter().map(|word| word.text.as_str()).collect();
        let (times, taken) = times(&texts)?;
        let last = words.list.get((length - taken).checked_sub(1)?)?;
        let once = Words::new(&words.source[..last.place.end], words.spoken, &self.rules.grammar.noise);
        let Clause { meant, is_open } = self.phrase(&once)?;
        if is_open && !words.spoken {
            return None;
        }
        let intent = Some(meant.intent).filter(Intent::is_step)?.repeated(times)?;
        Some(Clause { meant: Meant { intent, corrections: meant.corrections }, is_open })
    }

    /// A phrase with words in it that sound like those that were heard.
    fn corrected(&self, words: &Words<'_>) -> Option<Clause> {
        let length = words.without_last_fillers();
        if self.tries.get() == 0 || !(1..=LONGEST_CORRECTED).contains(&length) {
            return None;
        }
        let vocabulary = &self.rules.vocabulary;
        let alike: Vec<(usize, Vec<(&str, f64)>)> = words.list[..length]
            .iter()
            .enumerate()
            .map(|(at, word)| (at, vocabulary.alike(&word.text)))
            .filter(|(_, alike)| !alike.is_empty())
            .collect();
        let most = MOST_CORRECTED.min(length.div_ceil(2));
        let mut best: Vec<(f64, Clause)> = Vec::new();
        let mut changed = words.clone();
        for (first, (at, others)) in alike.iter().enumerate() {
            for (other, likeness) in others {
                (*other).clone_into(&mut changed.list[*at].text);
                best.extend(self.tried(words, &changed, &[*at], *likeness));
                for (more_at, more) in alike[first + 1..].iter().filter(|_| most > 1) {
                    for (another, more_likeness) in more {
                        (*another).clone_into(&mut changed.list[*more_at].text);
                        best.extend(self.tried(words, &changed, &[*at, *more_at], likeness * more_likeness));
                    }
                    changed.list[*more_at].text.clone_from(&words.list[*more_at].text);
                }
            }
            changed.list[*at].text.clone_from(&words.list[*at].text);
        }
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        let likeliest = best.first()?.0;
        let is_clear = best.iter().all(|(likeness, clause)| {
            likeliest - likeness >= MARGIN || clause.meant.intent == best[0].1.meant.intent
        });
        is_clear.then(|| best.swap_remove(0).1)
    }

    /// What the words mean with those at these places changed.
    fn tried(
        &self,
        heard: &Words<'_>,
        changed: &Words<'_>,
        places: &[usize],
        likeness: f64,
    ) -> Option<(f64, Clause)> {
        let length = heard.without_last_fillers();
        let least = if length == 1 { LEAST_LIKENESS_ALONE } else { LEAST_LIKENESS };
        if likeness < least || places.len() * 2 > length.max(2) || self.tries.get() == 0 {
            return None;
        }
        self.tries.set(self.tries.get() - 1);
        let found = self.rules.grammar.find(changed, self.moment)?;
        if !self.is_sound(&found, heard, places) {
            return None;
        }
        let mut clause = self.clause_of(&found, changed)?;
        let may_be = !matches!(
            clause.meant.intent,
            Intent::Confirm | Intent::Deny | Intent::Listen { .. } | Intent::Unknown { .. } | Intent::Nothing
        );
        let corrections = places.iter().map(|&at| Correction {
            heard: heard.list[at].text.clone(),
            taken: changed.list[at].text.clone(),
            likeness: Confidence::new(sound_of(heard, changed, at)),
        });
        clause.meant.corrections.splice(0..0, corrections);
        let offer = found.phrase.say.as_deref().unwrap_or_default();
        let is_offered = places.iter().all(|&at| offer.split(' ').any(|word| word == changed.list[at].text));
        may_be.then_some((likeness + if is_offered { OFFERED } else { 0.0 }, clause))
    }

    /// Whether what was changed are words of the phrase, and enough of them was heard as it is.
    fn is_sound(&self, found: &Found<'_>, words: &Words<'_>, places: &[usize]) -> bool {
        let length = words.without_last_fillers();
        let mut heard = length;
        for (_, captured) in found.captures() {
            match captured {
                // "Ran cargo test" is clear; "ran late" is a sentence.
                Captured::Rest { kind: Kind::Command, from } => {
                    let rest = words.list.iter().position(|word| word.place.start >= *from);
                    return rest.is_some_and(|rest| {
                        places.iter().all(|at| *at < rest) && self.rules.knows_program(&words.list[rest].text)
                    });
                }
                Captured::Rest { .. } => return false,
                Captured::Name { words: name, .. } if places.iter().any(|at| name.contains(at)) => {
                    return false;
                }
                Captured::Name { words: name, .. } => heard -= name.len(),
                Captured::Value(_) => {}
            }
        }
        heard >= places.len() * 2 || length == 1
    }

    fn seams(&self, words: &Words<'_>) -> Vec<Seam> {
        let list = &words.list;
        let joiners = &self.rules.grammar.joiners;
        let is_joiner = |at: usize| list.get(at).is_some_and(|word| joiners.contains(&word.text));
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

fn sound_of(heard: &Words<'_>, changed: &Words<'_>, at: usize) -> f32 {
    super::sound::likeness(&heard.list[at].text, &changed.list[at].text) as f32
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

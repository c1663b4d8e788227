//! The tree of phrases as a network of words, for whoever has to recognise them.
//!
//! What can be listed is: numbers, keys, directions. What has a name at the moment is filled in by whoever uses
//! the network. Names that don't exist yet, command lines and text can be anything.

use std::collections::{BTreeMap, HashSet};

use super::{Grammar, Kind, When};
use crate::domain::{End, Fork, Named, Phrases};

const UNITS: [&str; 19] = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
/// Numbers up to here are listed as digits, too.
const MOST_DIGITS: u32 = 100;

impl Grammar {
    /// All that can be said.
    pub(in crate::interpreter) fn sayable(&self) -> Phrases {
        let sorted = |words: &HashSet<String>| {
            let mut words: Vec<String> = words.iter().cloned().collect();
            words.sort_unstable();
            words
        };
        let fillers = sorted(&self.noise.fillers).into_iter().chain(sorted(&self.noise.hesitations));
        let mut phrases =
            Phrases { fillers: fillers.collect(), joiners: sorted(&self.joiners), ..Phrases::default() };
        let mut lists = BTreeMap::new();
        phrases.forks =
            (0..self.tree.len()).map(|at| self.fork(at, &mut lists, &mut phrases.lists)).collect();
        let programs = self.spoken.programs();
        for fork in &mut phrases.forks {
            // What a program is told can be anything.
            if fork.names.iter().any(|(named, _)| *named == Named::Line) && fork.open {
                fork.words.extend(programs.iter().map(|name| ((*name).to_owned(), self.tree.len())));
            }
        }
        phrases.forks.push(Fork { open: true, end: Some(End::Always), ..Fork::default() });
        phrases
    }

    fn fork(&self, at: usize, known: &mut BTreeMap<Kind, usize>, lists: &mut Vec<Vec<String>>) -> Fork {
        let node = &self.tree[at];
        let mut fork = Fork {
            words: node.words.iter().map(|(word, to)| (word.clone(), *to)).collect(),
            ..Fork::default()
        };
        fork.words.sort_unstable();
        for branch in &node.slots {
            let named = match branch.kind {
                Kind::Session => Some(Named::Session),
                Kind::Window => Some(Named::Window),
                Kind::Branch => Some(Named::Branch),
                Kind::Directory => Some(Named::Directory),
                Kind::Recent | Kind::Command => Some(Named::Line),
                _ => None,
            };
            fork.names.extend(named.map(|named| (named, branch.to)));
            fork.open |= match branch.kind {
                // A new name, if it is the last that is said.
                Kind::Name => self.tree[branch.to].end.is_some(),
                Kind::Spelling | Kind::Capitals | Kind::Digits => true,
                kind => kind.is_rest(),
            };
            let said = self.listed(branch.kind);
            if !said.is_empty() {
                let list = *known.entry(branch.kind).or_insert_with(|| {
                    lists.push(said);
                    lists.len() - 1
                });
                fork.lists.push((list, branch.to));
            }
        }
        fork.end = node.end.map(|phrase| match self.phrases[phrase].when {
            Some(When::QuestionOpen) => End::Asked,
            Some(When::Spoken) | None => End::Always,
        });
        fork
    }

    /// What can be said in a slot, where that can be listed.
    fn listed(&self, kind: Kind) -> Vec<String> {
        match kind {
            Kind::Times | Kind::Count | Kind::Number => numbers(),
            kind => self.slots.listed(kind),
        }
    }
}

fn numbers() -> Vec<String> {
    let unit = |unit: &&str| (*unit).to_owned();
    let tens = TENS.iter().flat_map(|ten| {
        let more = UNITS[..9].iter().map(move |one| format!("{ten} {one}"));
        std::iter::once((*ten).to_owned()).chain(more)
    });
    let digits = (1..=MOST_DIGITS).map(|number| number.to_string());
    UNITS.iter().map(unit).chain(tens).chain(digits).collect()
}

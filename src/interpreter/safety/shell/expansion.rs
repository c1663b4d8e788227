//! Aliases, put in as a shell puts them in: in the place of the word, before what is there is taken apart.
//!
//! An alias is one if it is written without quotes where a command begins, or behind an alias that ends in a
//! blank; a global one anywhere. In its own text it is not put in again.

use super::splitter::Splitter;
use super::{Puzzle, StandsFor, Word};
use crate::domain::{Alias, AliasPlace, Aliases};

/// Aliases that are put into one line. Each takes time in proportion to the line.
const MOST: usize = 64;
/// The length of what is put in, all in all.
const MOST_TEXT: usize = 64 * 1024;

/// Words behind which some shells look for an alias, and others don't.
pub(super) const BEFORE_COMMANDS: [&str; 9] =
    ["time", "coproc", "nocorrect", "noglob", "and", "or", "not", "begin", "-"];

/// The aliases, and which of them are being put in.
pub(super) struct Expansion<'a> {
    aliases: &'a Aliases,
    /// Those whose text is being read, the innermost last, with how much of the line is left behind each.
    open: Vec<(StandsFor, usize)>,
    /// A word that follows one of these places is looked up too; counted from the end.
    next: Vec<usize>,
    count: usize,
    length: usize,
}

impl<'a> Expansion<'a> {
    pub(super) fn new(aliases: &'a Aliases) -> Self {
        Self { aliases, open: Vec::new(), next: Vec::new(), count: 0, length: 0 }
    }

    pub(super) fn aliases(&self) -> &'a Aliases {
        self.aliases
    }

    /// Goes on inside of a text that the other one has met.
    pub(super) fn take_over(&mut self, outer: &Self) {
        self.open = outer.open.iter().map(|(alias, _)| (alias.clone(), 0)).collect();
        (self.count, self.length) = (outer.count, outer.length);
    }

    /// What was put in there counts here too.
    pub(super) fn count(&mut self, inner: &Self) {
        (self.count, self.length) = (inner.count, inner.length);
    }
}

impl<'a> Splitter<'a> {
    /// Whether a word is a global alias.
    pub(super) fn is_global(&self, word: &Word) -> bool {
        self.alias(word).is_some_and(|alias| alias.place == AliasPlace::Anywhere)
    }

    /// The alias whose text this place is in: as it was typed.
    pub(super) fn alias_around(&mut self) -> Option<StandsFor> {
        self.close();
        self.expansion.open.first().map(|(alias, _)| alias.clone())
    }

    /// Puts in what the word that began at `start`, and has just been read, stands for; it is to be read from
    /// there. Whether it stands for something.
    pub(super) fn expanded(&mut self, word: &Word, start: usize) -> bool {
        let behind = self.chars.len() - start;
        // The first word behind that place, and no other.
        let mut is_next = false;
        while self.expansion.next.pop_if(|next| behind <= *next).is_some() {
            is_next = true;
        }
        let Some(alias) = self.alias(word) else { return false };
        let before = &self.current.words;
        let is_command = before.iter().all(Word::is_reserved);
        let may_be_command =
            || before.iter().all(|it| it.is_reserved() || BEFORE_COMMANDS.contains(&it.text.as_str()));
        let is_certain = match alias.place {
            AliasPlace::Anywhere => true,
            AliasPlace::Command if is_next => true,
            AliasPlace::Command | AliasPlace::Function if is_command => true,
            AliasPlace::LineEnd if is_command => self.at == self.chars.len(),
            _ if may_be_command() => false,
            _ => return false,
        };
        self.close_at(start);
        if self.expansion.open.iter().any(|(open, _)| open.name == word.text) {
            return false;
        }
        self.script.is_doubtful |= !is_certain;
        let text: Vec<char> = alias.text.chars().collect();
        self.expansion.count += 1;
        self.expansion.length += text.len();
        let told = StandsFor { name: word.text.clone(), text: alias.text.clone() };
        if self.expansion.count > MOST || self.expansion.length > MOST_TEXT {
            self.puzzle(Puzzle::Alias);
            self.script.alias.get_or_insert(told);
            return false;
        }
        let left = self.chars.len() - self.at;
        if text.last().is_some_and(|last| matches!(last, ' ' | '\t')) {
            self.expansion.next.push(left);
        }
        self.chars.splice(start..self.at, text);
        self.at = start;
        self.script.alias.get_or_insert_with(|| told.clone());
        let typed = self.expansion.open.first().map_or_else(|| told.clone(), |(typed, _)| typed.clone());
        self.current.alias.get_or_insert(typed);
        self.expansion.open.push((told, left));
        true
    }

    fn alias(&self, word: &Word) -> Option<&'a Alias> {
        let alias = self.expansion.aliases.aliases.get(&word.text)?;
        let is_known = !word.dynamic && word.variables.is_empty();
        (word.is_bare() || alias.place == AliasPlace::Function && is_known).then_some(alias)
    }

    /// Forgets the aliases whose text ended before the next character.
    fn close(&mut self) {
        self.close_at(self.at);
    }

    fn close_at(&mut self, at: usize) {
        let behind = self.chars.len() - at.min(self.chars.len());
        while self.expansion.open.last().is_some_and(|(_, left)| *left >= behind) {
            self.expansion.open.pop();
        }
    }
}

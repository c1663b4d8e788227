//! Spoken command lines: what comes after "run" and "type", written as one would type it.
//!
//! Recognisers write sentences: "Run L S dash L A." Here that becomes `ls -la`: no capital where the
//! command begins, no full stop, symbols by their names, letters that belong together joined, numbers
//! after options, digits said one by one ("five one" is 51), and the programs' names for what they sound like, but only where a program's name
//! can stand. What was typed never comes here.
//!
//! Words that change what follows: "literal star" is the word, "space" keeps apart, "capital r" and
//! "uppercase a b" are capitals, "number forty two" is 42, "spell air bat" is `ab`.

mod dictation;
mod writer;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use super::normalise::{chunks, fold};
use dictation::Dictation;
pub(super) use dictation::PunctuationData;
use writer::Writer;

/// A symbol in the grammar data.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SymbolData {
    say: Vec<String>,
    text: String,
    join: Join,
}

/// Settings of spoken command lines in the grammar data.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpokenData {
    subcommands: Vec<String>,
    #[serde(default)]
    signals: Vec<String>,
}

/// To which side a symbol sticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Join {
    Flag,
    Path,
    Both,
    Left,
    Right,
    Within,
    None,
    Quote,
    End,
}

/// How spoken command lines are written.
#[derive(Debug)]
pub(super) struct Spoken {
    symbols: Table<Symbol>,
    programs: Table<String>,
    options: Table<String>,
    letters: HashMap<String, char>,
    subcommands: HashSet<String>,
    signals: HashSet<String>,
    dictation: Dictation,
}

#[derive(Debug, Clone)]
struct Symbol {
    text: String,
    join: Join,
}

/// Things that are found by several words, the longest first.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: HashMap<String, Vec<(Vec<String>, T)>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: HashMap::new() }
    }
}

impl<T> Table<T> {
    fn new(entries: impl Iterator<Item = (String, T)>) -> Self {
        let mut table = Self::default();
        for (say, value) in entries {
            table.add(say.split_whitespace().map(fold).collect(), value);
        }
        table
    }

    /// Adds what these words stand for; nothing if there are none. Where they stand for something already, they
    /// go on to do so.
    pub(super) fn add(&mut self, words: Vec<String>, value: T) {
        let Some(first) = words.first().cloned() else { return };
        let entries = self.entries.entry(first).or_default();
        entries.push((words, value));
        entries.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
    }

    /// What exactly these words stand for.
    fn get(&self, words: &[String]) -> Option<&T> {
        let entries = self.entries.get(words.first()?)?;
        entries.iter().find(|(entry, _)| entry == words).map(|(_, value)| value)
    }

    /// What the words begin with, and how many of them that takes.
    pub(super) fn find(&self, words: &[impl AsRef<str>]) -> Option<(&T, usize)> {
        let entries = self.entries.get(words.first()?.as_ref())?;
        entries
            .iter()
            .find(|(entry, _)| {
                words.len() >= entry.len() && entry.iter().zip(words).all(|(a, b)| a == b.as_ref())
            })
            .map(|(entry, value)| (value, entry.len()))
    }
}

impl Table<String> {
    /// Names by what they sound like.
    fn of_names(names: &BTreeMap<String, Vec<String>>) -> Self {
        let sounds =
            names.iter().flat_map(|(name, sounds)| sounds.iter().map(|sound| (sound.clone(), name.clone())));
        Self::new(sounds)
    }
}

/// A word as it was said.
#[derive(Debug)]
struct Said<'a> {
    raw: &'a str,
    folded: String,
}

impl AsRef<str> for Said<'_> {
    fn as_ref(&self) -> &str {
        &self.folded
    }
}

impl Spoken {
    pub(super) fn new(
        symbols: &[SymbolData],
        programs: &BTreeMap<String, Vec<String>>,
        options: &BTreeMap<String, Vec<String>>,
        alphabet: &BTreeMap<char, Vec<String>>,
        settings: &SpokenData,
        punctuation: &[PunctuationData],
    ) -> Self {
        let symbol = |data: &SymbolData| {
            let symbol = Symbol { text: data.text.clone(), join: data.join };
            data.say.iter().map(|say| (say.clone(), symbol.clone())).collect::<Vec<_>>()
        };
        Self {
            symbols: Table::new(symbols.iter().flat_map(symbol)),
            programs: Table::of_names(programs),
            options: Table::of_names(options),
            letters: alphabet
                .iter()
                .flat_map(|(letter, words)| words.iter().map(|word| (fold(word), *letter)))
                .collect(),
            subcommands: settings.subcommands.iter().cloned().collect(),
            signals: settings.signals.iter().cloned().collect(),
            dictation: Dictation::new(punctuation),
        }
    }

    /// Adds what a program's name sounds like.
    ///
    /// # Errors
    /// It is no such name, or sounds like another.
    pub(super) fn add_program(&mut self, name: &str, sounds: &[String]) -> Result<(), String> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._+-/".contains(c);
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(format!("`{name}` is no program's name"));
        }
        for sound in sounds {
            let words: Vec<String> = sound.split_whitespace().map(fold).collect();
            if words.is_empty() {
                return Err("nothing has no sound".into());
            }
            match self.programs.get(&words) {
                Some(other) if other != name => {
                    return Err(format!("\"{sound}\" already stands for {other}"));
                }
                _ => self.programs.add(words, name.to_owned()),
            }
        }
        Ok(())
    }

    /// The names of programs that are a word.
    pub(super) fn programs(&self) -> Vec<&str> {
        let named = self.programs.entries.values().flatten().map(|(_, name)| name.as_str());
        let mut all: Vec<&str> = named.chain(self.subcommands.iter().map(String::as_str)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The symbols, by the words for them.
    pub(super) fn symbols(&self) -> impl Iterator<Item = (&[String], &str)> {
        let entries = self.symbols.entries.values().flatten();
        entries.map(|(words, symbol)| (words.as_slice(), symbol.text.as_str()))
    }

    /// The letters, by the words for them.
    pub(super) fn letters(&self) -> &HashMap<String, char> {
        &self.letters
    }

    /// Writes what was said as a command line.
    pub(super) fn command(&self, said: &str) -> String {
        let mut said = words(said, true);
        // Nobody is polite to a program.
        while said.len() > 1 && said.last().is_some_and(|last| last.folded == "please") {
            said.pop();
        }
        Writer::new(self, &said, true).write()
    }

    /// Writes what was dictated.
    pub(super) fn dictated(&self, said: &str) -> String {
        self.dictation.write(said)
    }

    /// What was said, word for word: without the full stop of the recogniser.
    pub(super) fn verbatim(said: &str) -> String {
        let said = said.trim();
        said.strip_suffix('.').filter(|it| !it.ends_with('.')).unwrap_or(said).to_owned()
    }

    /// Writes what was said as text.
    pub(super) fn text(&self, said: &str) -> String {
        let said = words(said, false);
        Writer::new(self, &said, false).write()
    }
}

/// The words of a sentence without the punctuation that it has for being one.
fn words(said: &str, command: bool) -> Vec<Said<'_>> {
    let said = said.trim();
    let said = if said.ends_with("..") { said } else { said.strip_suffix('.').unwrap_or(said) };
    let said = if command { said.trim_end_matches(['?', '!']) } else { said };
    chunks(said)
        .map(|place| {
            let chunk = &said[place];
            let raw = if command && chunk.len() > 1 { chunk.trim_end_matches(',') } else { chunk };
            let bare = raw.trim_matches([',', ';', '“', '”', '"']);
            Said { raw, folded: fold(bare) }
        })
        .collect()
}

#[cfg(test)]
mod tests;

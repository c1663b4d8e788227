//! Spoken command lines: what comes after "run" and "type", written as one would type it.
//!
//! Recognisers write sentences: "Run L S dash L A." Here that becomes `ls -la`: no capital where the
//! command begins, no full stop, symbols by their names, letters that belong together joined, numbers
//! after options, and the programs' names for what they sound like, but only where a program's name
//! can stand. What was typed never comes here.
//!
//! Words that change what follows: "literal star" is the word, "space" keeps apart, "capital r" and
//! "uppercase a b" are capitals, "number forty two" is 42, "spell air bat" is `ab`.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use super::normalise::{chunks, fold};
use super::numbers;

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
    None,
    Quote,
    End,
}

/// How spoken command lines are written.
#[derive(Debug)]
pub(super) struct Spoken {
    symbols: Table<Symbol>,
    programs: Table<String>,
    letters: HashMap<String, char>,
    subcommands: HashSet<String>,
}

#[derive(Debug, Clone)]
struct Symbol {
    text: String,
    join: Join,
}

/// Things that are found by several words, the longest first.
#[derive(Debug)]
struct Table<T> {
    entries: HashMap<String, Vec<(Vec<String>, T)>>,
}

impl<T> Table<T> {
    fn new(entries: impl Iterator<Item = (String, T)>) -> Self {
        let mut table: HashMap<String, Vec<(Vec<String>, T)>> = HashMap::new();
        for (say, value) in entries {
            let words: Vec<String> = say.split_whitespace().map(fold).collect();
            let Some(first) = words.first().cloned() else { continue };
            let found = table.entry(first).or_default();
            found.push((words, value));
            found.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
        }
        Self { entries: table }
    }

    fn find(&self, words: &[Said<'_>]) -> Option<(&T, usize)> {
        let entries = self.entries.get(&words.first()?.folded)?;
        entries
            .iter()
            .find(|(entry, _)| {
                words.len() >= entry.len() && entry.iter().zip(words).all(|(a, b)| *a == b.folded)
            })
            .map(|(entry, value)| (value, entry.len()))
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

/// A piece of the line that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    text: String,
    join: Option<Join>,
    /// Opens a quotation, rather than closing it.
    opens: bool,
}

impl Spoken {
    pub(super) fn new(
        symbols: &[SymbolData],
        programs: &BTreeMap<String, Vec<String>>,
        alphabet: &BTreeMap<char, Vec<String>>,
        settings: &SpokenData,
    ) -> Self {
        let symbol = |data: &SymbolData| {
            let symbol = Symbol { text: data.text.clone(), join: data.join };
            data.say.iter().map(|say| (say.clone(), symbol.clone())).collect::<Vec<_>>()
        };
        Self {
            symbols: Table::new(symbols.iter().flat_map(symbol)),
            programs: Table::new(
                programs
                    .iter()
                    .flat_map(|(name, sounds)| sounds.iter().map(|sound| (sound.clone(), name.clone()))),
            ),
            letters: alphabet
                .iter()
                .flat_map(|(letter, words)| words.iter().map(|word| (fold(word), *letter)))
                .collect(),
            subcommands: settings.subcommands.iter().cloned().collect(),
        }
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
        Writer { spoken: self, said: &said, command: true, pieces: Vec::new(), quotes: Vec::new() }.write()
    }

    /// Writes what was said as text.
    pub(super) fn text(&self, said: &str) -> String {
        let said = words(said, false);
        Writer { spoken: self, said: &said, command: false, pieces: Vec::new(), quotes: Vec::new() }.write()
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

struct Writer<'a> {
    spoken: &'a Spoken,
    said: &'a [Said<'a>],
    command: bool,
    pieces: Vec<Piece>,
    /// Quotes that are open.
    quotes: Vec<String>,
}

impl Writer<'_> {
    fn write(mut self) -> String {
        let mut at = 0;
        while at < self.said.len() {
            at += self.next(at);
        }
        self.joined()
    }

    /// Writes what begins at a word; tells how many words that took.
    fn next(&mut self, at: usize) -> usize {
        let rest = &self.said[at..];
        if let Some(taken) = self.escaped(rest) {
            return taken;
        }
        if self.at_program()
            && let Some((program, taken)) = self.spoken.programs.find(rest)
        {
            self.word(program.clone());
            return taken;
        }
        if let Some((symbol, taken)) = self.spoken.symbols.find(rest) {
            let symbol = symbol.clone();
            self.symbol(&symbol);
            return taken;
        }
        if let Some(taken) = self.letters(rest) {
            return taken;
        }
        if self.after_option()
            && let Some((number, taken)) = number(rest)
        {
            self.word(number);
            return taken;
        }
        let word = straight(rest[0].raw);
        // Letters after a dash come as capitals ("dash LA"); real ones are said: "capital r".
        let shouted = self.after_dash() && word.bytes().all(|b| b.is_ascii_uppercase());
        let word = if shouted || self.is_without_capital() { word.to_lowercase() } else { word };
        self.word(word);
        1
    }

    /// "literal star", "spell air bat", "number forty two", "capital r".
    fn escaped(&mut self, rest: &[Said<'_>]) -> Option<usize> {
        let after = &rest[1..];
        let next = after.first()?;
        match rest[0].folded.as_str() {
            "literal" => {
                self.word(straight(next.raw));
                Some(2)
            }
            "space" => {
                self.pieces.push(Piece { text: String::new(), join: Some(Join::None), opens: false });
                Some(1)
            }
            "number" => {
                let (number, taken) = number(after)?;
                self.word(number);
                Some(1 + taken)
            }
            "spell" => {
                let letters = self.spelled(after);
                (!letters.is_empty()).then(|| {
                    let taken = letters.chars().count();
                    self.word(letters);
                    1 + taken
                })
            }
            "capital" | "uppercase" => {
                let letters = self.spelled(after);
                if letters.is_empty() {
                    let raw = straight(next.raw);
                    let word =
                        if rest[0].folded == "capital" { capitalised(&raw) } else { raw.to_uppercase() };
                    self.word(word);
                    return Some(2);
                }
                let most = if rest[0].folded == "capital" { 1 } else { letters.chars().count() };
                self.word(letters.chars().take(most).collect::<String>().to_uppercase());
                Some(1 + most)
            }
            _ => None,
        }
    }

    /// The letters that the words begin with, each by itself or by its word.
    fn spelled(&self, words: &[Said<'_>]) -> String {
        words
            .iter()
            .map_while(|word| letter(word).or_else(|| self.spoken.letters.get(&word.folded).copied()))
            .collect()
    }

    /// Letters that were said one by one: "L S", "L.S.", "l-s".
    fn letters(&mut self, rest: &[Said<'_>]) -> Option<usize> {
        if self.command
            && let Some(word) = initials(rest[0].raw)
        {
            self.word(word);
            return Some(1);
        }
        let letters: String = rest.iter().map_while(letter).collect();
        let least = match (self.after_dash(), self.command) {
            (true, _) => 1,
            (false, true) => 2,
            (false, false) => 3,
        };
        let count = letters.chars().count();
        (count >= least).then(|| {
            self.word(letters.to_lowercase());
            count
        })
    }

    fn word(&mut self, text: String) {
        self.pieces.push(Piece { text, join: None, opens: false });
    }

    fn symbol(&mut self, symbol: &Symbol) {
        let mut opens = false;
        if symbol.join == Join::Quote {
            opens = self.quotes.last() != Some(&symbol.text);
            if opens {
                self.quotes.push(symbol.text.clone());
            } else {
                self.quotes.pop();
            }
        }
        self.pieces.push(Piece { text: symbol.text.clone(), join: Some(symbol.join), opens });
    }

    /// Whether a program's name is due.
    fn at_program(&self) -> bool {
        self.command
            && self.quotes.is_empty()
            && match self.pieces.last() {
                None => true,
                Some(piece) => piece.join == Some(Join::End) || piece.join.is_none() && piece.text == "sudo",
            }
    }

    /// Whether a capital here is only there because a sentence was written.
    fn is_without_capital(&self) -> bool {
        let after_tool =
            |piece: &Piece| piece.join.is_none() && self.spoken.subcommands.contains(&piece.text);
        self.at_program()
            || self.command && self.pieces.len() == 1 && self.pieces.first().is_some_and(after_tool)
    }

    fn after_dash(&self) -> bool {
        self.pieces.last().is_some_and(|piece| piece.join == Some(Join::Flag))
    }

    /// Whether the last words are an option: `-n`.
    fn after_option(&self) -> bool {
        let mut last = self.pieces.iter().rev();
        match (last.next(), last.next()) {
            (Some(Piece { join: Some(Join::Flag), .. }), _) => true,
            (Some(Piece { join: None, text, .. }), Some(Piece { join: Some(Join::Flag), .. })) => {
                text.chars().count() == 1
            }
            (Some(Piece { text, .. }), _) => text == "=" || text == ":",
            _ => false,
        }
    }

    fn joined(&self) -> String {
        let mut line = String::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            if at > 0 && !self.touches(at) {
                line.push(' ');
            }
            line.push_str(&piece.text);
        }
        while line.contains("  ") && !line.contains(['"', '\'']) {
            line = line.replace("  ", " ");
        }
        line.trim().to_owned()
    }

    /// Whether a piece touches the one before it.
    fn touches(&self, at: usize) -> bool {
        let (left, right) = (&self.pieces[at - 1], &self.pieces[at]);
        match (left.join, right.join) {
            (Some(Join::Quote), _) if left.opens => true,
            (_, Some(Join::Quote)) if !right.opens => true,
            (Some(Join::Flag | Join::Both), Some(Join::Flag)) => true,
            (_, Some(Join::End)) => right.text == ";",
            (Some(Join::End), _) | (_, Some(Join::Flag | Join::Right)) => {
                matches!(left.join, Some(Join::Both | Join::Right))
            }
            (_, Some(Join::Left | Join::Both)) => true,
            (_, Some(Join::Path)) => self.sticks(at) || sticks_to_next(left, right),
            (Some(Join::None), _) if left.text.is_empty() => false,
            (_, Some(Join::None)) => left.text == "/" || left.text == "." && right.text == "*",
            (Some(Join::Flag | Join::Path | Join::Both | Join::Right), _) => true,
            _ => false,
        }
    }

    /// Whether a dot or a slash sticks to what is before it: not to the program's name, an option or
    /// nothing, and a dot not if it begins `./` or `..` or stands at the end.
    fn sticks(&self, at: usize) -> bool {
        let (left, right) = (&self.pieces[at - 1], &self.pieces[at]);
        let next = self.pieces.get(at + 1);
        let goes_on = next.is_some_and(|next| {
            !next.text.is_empty() && !matches!(next.join, Some(Join::End | Join::Flag | Join::Quote))
        });
        if right.text == "." && (!goes_on || next.is_some_and(|next| next.join == Some(Join::Path))) {
            return false;
        }
        match left.join {
            Some(Join::Path | Join::Both | Join::Right) => true,
            Some(Join::None) => !left.text.is_empty() && (left.text == "~" || left.text == "*"),
            Some(_) => false,
            None => !self.is_program(at - 1) && !self.is_option(at - 1),
        }
    }

    fn is_program(&self, at: usize) -> bool {
        self.command && (at == 0 || self.pieces[at - 1].join == Some(Join::End))
    }

    fn is_option(&self, at: usize) -> bool {
        at > 0 && self.pieces[at - 1].join == Some(Join::Flag)
    }
}

/// `..` and `./`: a dot or slash that follows a dot that began a path.
fn sticks_to_next(left: &Piece, right: &Piece) -> bool {
    left.join == Some(Join::Path) && right.join == Some(Join::Path)
}

/// A word that is one letter.
fn letter(word: &Said<'_>) -> Option<char> {
    let mut chars = word.folded.trim_end_matches('.').chars();
    match (chars.next(), chars.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => Some(letter),
        _ => None,
    }
}

/// `L.S.` and `L-S` as one word.
fn initials(chunk: &str) -> Option<String> {
    let parts: Vec<&str> = chunk.trim_end_matches('.').split(['.', '-']).collect();
    let single = |part: &&str| part.len() == 1 && part.bytes().all(|b| b.is_ascii_alphabetic());
    (parts.len() > 1 && parts.iter().all(single)).then(|| parts.concat().to_lowercase())
}

/// A number as digits, and how many words it took.
fn number(words: &[Said<'_>]) -> Option<(String, usize)> {
    let words = &words[..words.len().min(12)];
    let digits = numbers::digits(words);
    let reading = numbers::readings(words).into_iter().next()?;
    match digits {
        Some((digits, taken)) if taken >= reading.words => Some((digits, taken)),
        _ => Some((reading.value.to_string(), reading.words)),
    }
}

/// With the quotes that keyboards have.
fn straight(word: &str) -> String {
    word.chars()
        .map(|c| match c {
            '‘' | '’' => '\'',
            '“' | '”' => '"',
            c => c,
        })
        .collect()
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests;

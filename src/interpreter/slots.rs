//! Slots: the places in a phrase for something that is not known beforehand.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde_json::{Value, json};

use super::normalise::Words;
use super::numbers;
use super::spelling::Speller;
use super::spoken::Spoken;

/// Names are that many words at most; a longer one is a misheard sentence.
const LONGEST_NAME: usize = 6;

/// What can be in a slot, the most certain kind first: that is the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One of a list, by its index.
    List(usize),
    /// A letter by itself or by its word.
    Letter,
    /// A key.
    Key,
    /// 1 ‥ 100.
    Times,
    /// 1 ‥ 9999.
    Count,
    /// 0 ‥ 65535.
    Number,
    /// All that follows: letters, digits and signs by their names.
    Spelling,
    /// All that follows: letters by their names, to be written as capitals.
    Capitals,
    /// All that follows: digits, or a number.
    Digits,
    /// A few words that name a window that there is.
    Window,
    /// A few words that name a branch that there is.
    Branch,
    /// A few words that name a directory that there is.
    Directory,
    /// A few words out of a command line that was run.
    Recent,
    /// A few words that name a session that there is, or should be.
    Session,
    /// A few words.
    Name,
    /// The rest of the line: a command line.
    Command,
    /// The rest of the line: text, with signs by their names.
    Text,
    /// The rest of the line: a sentence, with its punctuation by name.
    Dictation,
    /// The rest of the line, word for word.
    Verbatim,
    /// The rest of the line, which doesn't matter.
    Anything,
}

impl Kind {
    pub(super) fn is_rest(self) -> bool {
        matches!(self, Self::Command | Self::Text | Self::Dictation | Self::Verbatim | Self::Anything)
    }
}

/// What was said in a slot.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Captured {
    /// A value that is known.
    Value(Value),
    /// Words by their indices, to be read as a name.
    Name { words: Range<usize>, kind: Kind },
    /// The original from here to its end, to be written as this kind is.
    Rest { from: usize, kind: Kind },
}

/// Words and what they stand for.
#[derive(Debug, Default)]
pub(super) struct List {
    /// By the first word; the longest first.
    items: HashMap<String, Vec<(Vec<String>, Value)>>,
}

impl List {
    pub(super) fn add(&mut self, words: Vec<String>, value: Value) {
        let items = self.items.entry(words[0].clone()).or_default();
        items.push((words, value));
        items.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
    }

    fn readings(&self, words: &[&str]) -> Vec<(Captured, usize)> {
        let Some(items) = words.first().and_then(|first| self.items.get(*first)) else { return Vec::new() };
        items
            .iter()
            .filter(|(item, _)| words.len() >= item.len() && item.iter().zip(words).all(|(a, b)| a == b))
            .map(|(item, value)| (Captured::Value(value.clone()), item.len()))
            .collect()
    }
}

/// The kinds of slots, with what they need to know.
#[derive(Debug)]
pub(super) struct Slots {
    lists: Vec<(String, List)>,
    speller: Speller,
    symbols: List,
}

impl Slots {
    pub(super) fn new(mut lists: BTreeMap<String, List>, spoken: &Spoken) -> Self {
        let mut repeat = List::default();
        for (word, times) in [("once", 1), ("twice", 2), ("thrice", 3)] {
            repeat.add(vec![word.into()], times.into());
        }
        lists.entry("repeat".into()).or_insert(repeat);
        let mut symbols = List::default();
        for (words, text) in spoken.symbols() {
            let mut chars = text.chars();
            if let (Some(symbol), None) = (chars.next(), chars.next()) {
                symbols.add(words.to_vec(), json!({ "char": symbol }));
            }
        }
        Self { lists: lists.into_iter().collect(), speller: Speller::new(spoken), symbols }
    }

    /// The kind of this name.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        Some(match name {
            "letter" => Kind::Letter,
            "key" => Kind::Key,
            "times" => Kind::Times,
            "count" => Kind::Count,
            "number" => Kind::Number,
            "spelling" => Kind::Spelling,
            "capitals" => Kind::Capitals,
            "digits" => Kind::Digits,
            "session" => Kind::Session,
            "window_name" => Kind::Window,
            "branch" => Kind::Branch,
            "directory" => Kind::Directory,
            "recent" => Kind::Recent,
            "name" => Kind::Name,
            "command" => Kind::Command,
            "text" => Kind::Text,
            "dictation" => Kind::Dictation,
            "verbatim" => Kind::Verbatim,
            "anything" => Kind::Anything,
            list => Kind::List(self.lists.iter().position(|(name, _)| name == list)?),
        })
    }

    /// Adds a list.
    ///
    /// # Errors
    /// The name is taken.
    pub(super) fn add(&mut self, name: &str, list: List) -> Result<(), String> {
        if self.kind(name).is_some() {
            return Err(format!("there is a kind or list `{name}` already"));
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            return Err(format!("`{name}` is no name; names are small letters and _"));
        }
        if list.items.is_empty() {
            return Err(format!("the list `{name}` is empty"));
        }
        self.lists.push((name.into(), list));
        Ok(())
    }

    /// Something that can be said in a slot of this kind, where its name would not do.
    pub(super) fn example(&self, kind: Kind) -> Option<String> {
        Some(match kind {
            Kind::List(list) => {
                let items = self.lists[list].1.items.values().flatten();
                items.map(|(words, _)| words.join(" ")).min()?
            }
            Kind::Letter | Kind::Spelling | Kind::Capitals => "air".into(),
            Kind::Key => "enter".into(),
            Kind::Times | Kind::Count | Kind::Number | Kind::Digits => "three".into(),
            _ => return None,
        })
    }

    /// All that can be said in a slot of this kind, where that can be listed; numbers not.
    pub(super) fn listed(&self, kind: Kind) -> Vec<String> {
        let list = |at: usize| self.lists[at].1.items.values().flatten().map(|(words, _)| words.join(" "));
        let keys = self.lists.iter().position(|(name, _)| name == "key");
        let symbols = self.symbols.items.values().flatten().map(|(words, _)| words.join(" "));
        let mut listed: Vec<String> = match kind {
            Kind::List(at) => list(at).collect(),
            Kind::Letter => self.speller.letters().collect(),
            Kind::Key => {
                let keys = keys.map(list).into_iter().flatten();
                keys.chain(symbols).chain(self.speller.letters()).collect()
            }
            _ => Vec::new(),
        };
        listed.sort_unstable();
        listed.dedup();
        listed
    }

    /// All words that lists have in them.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        let items = self.lists.iter().flat_map(|(_, list)| list.items.values().flatten());
        items.flat_map(|(words, _)| words.iter().map(String::as_str))
    }

    /// A value of this kind, to try a meaning with.
    pub(super) fn sample(&self, kind: Kind) -> Value {
        match kind {
            Kind::List(list) => {
                let items = self.lists[list].1.items.values().flatten();
                items.map(|(_, value)| value.clone()).next().unwrap_or_default()
            }
            Kind::Letter | Kind::Key => json!({ "char": "a" }),
            Kind::Times | Kind::Count | Kind::Number | Kind::Window => json!(1),
            _ => json!("a"),
        }
    }

    /// Whether the words from `at` on are the beginning of something longer in a slot of this kind, such as
    /// "page" of "page up".
    pub(super) fn goes_on(&self, kind: Kind, words: &Words<'_>, at: usize, length: usize) -> bool {
        let list = match kind {
            Kind::List(list) => Some(&self.lists[list].1),
            Kind::Key => self.lists.iter().find(|(name, _)| name == "key").map(|(_, keys)| keys),
            _ => None,
        };
        let said = &words.list[at..length];
        let begins =
            |item: &[String]| item.len() > said.len() && item.iter().zip(said).all(|(a, b)| *a == b.text);
        list.is_some_and(|list| {
            let items = said.first().and_then(|first| list.items.get(&first.text));
            items.into_iter().flatten().any(|(item, _)| begins(item))
        })
    }

    /// What a slot of this kind may have in it if it begins at the word `at`, with the number of words,
    /// in the order in which they are to be tried. Words from `length` on are not there.
    pub(super) fn readings(
        &self,
        kind: Kind,
        words: &Words<'_>,
        at: usize,
        length: usize,
    ) -> Vec<(Captured, usize)> {
        if kind.is_rest() {
            let rest = rest_from(words, at).map(|from| Captured::Rest { from, kind });
            return rest.map(|captured| (captured, 0)).into_iter().collect();
        }
        let texts: Vec<&str> =
            words.list[at..length].iter().take(12).map(|word| word.text.as_str()).collect();
        if texts.is_empty() {
            return Vec::new();
        }
        let all = |written: Option<String>| match written {
            Some(text) if !words.more => vec![(Captured::Value(text.into()), length - at)],
            _ => Vec::new(),
        };
        let numbers = |least: u32, most: u32| {
            let found = numbers::readings(&texts).into_iter();
            found
                .filter(|reading| (least..=most).contains(&reading.value))
                .map(|reading| (Captured::Value(reading.value.into()), reading.words))
                .collect()
        };
        match kind {
            Kind::List(list) => self.lists[list].1.readings(&texts),
            Kind::Letter => self.letter(texts[0]).into_iter().collect(),
            Kind::Key => self.key(&texts),
            Kind::Times => numbers(1, 100),
            Kind::Count => numbers(1, 9999),
            Kind::Number => numbers(0, u32::from(u16::MAX)),
            Kind::Session | Kind::Window | Kind::Branch | Kind::Directory | Kind::Recent | Kind::Name => (1
                ..=texts.len().min(LONGEST_NAME))
                // "New session build, please."
                .filter(|count| !(words.list[at + count - 1].is_filler && (words.spoken || *count > 1)))
                .map(|count| (at..at + count, count))
                .map(|(words, count)| (Captured::Name { words, kind }, count))
                .collect(),
            Kind::Spelling => all(self.speller.spelled(words, at..length)),
            Kind::Capitals => {
                let letters = self.speller.spelled(words, at..length);
                all(letters
                    .filter(|it| it.bytes().all(|b| b.is_ascii_alphabetic()))
                    .map(|it| it.to_uppercase()))
            }
            Kind::Digits => all(numbers::written(&texts)),
            Kind::Command | Kind::Text | Kind::Dictation | Kind::Verbatim | Kind::Anything => Vec::new(),
        }
    }

    /// All of the words as letters and signs, if they are that.
    pub(super) fn spelled(&self, words: &Words<'_>) -> Option<String> {
        self.speller.spelled(words, 0..words.list.len())
    }

    fn letter(&self, word: &str) -> Option<(Captured, usize)> {
        Some((Captured::Value(json!({ "char": self.speller.letter(word)? })), 1))
    }

    /// A key by its name, a letter, a digit, a symbol, or F1 ‥ F12.
    fn key(&self, words: &[&str]) -> Vec<(Captured, usize)> {
        let mut found = match self.lists.iter().find(|(name, _)| name == "key") {
            Some((_, keys)) => keys.readings(words),
            None => Vec::new(),
        };
        let function = |number: u32| (1..=12).contains(&number).then(|| json!({ "function": number }));
        if let Some(number) = words[0].strip_prefix('f').and_then(|number| number.parse().ok()) {
            found.extend(function(number).map(|key| (Captured::Value(key), 1)));
        }
        if words[0] == "f" || words[0] == "function" {
            found.extend(
                numbers::readings(&words[1..]).into_iter().filter_map(|reading| {
                    Some((Captured::Value(function(reading.value)?), reading.words + 1))
                }),
            );
        }
        found.extend(self.symbols.readings(words));
        found.extend(self.letter(words[0]));
        let digit = numbers::readings(&words[..1]).into_iter().find(|reading| reading.value < 10);
        if let Some(digit) = digit.and_then(|reading| char::from_digit(reading.value, 10)) {
            found.push((Captured::Value(json!({ "char": digit })), 1));
        }
        found
    }
}

/// Where the rest of the line begins that follows the words before `at`, if there is any.
fn rest_from(words: &Words<'_>, at: usize) -> Option<usize> {
    let last = words.list.get(at.checked_sub(1)?)?;
    let from = match words.list.get(at) {
        // "Run-ls"
        Some(next) if next.chunk == last.chunk => next.place.start,
        _ => last.chunk.end,
    };
    let rest = &words.source[from..];
    let blanks = rest.len() - rest.trim_start().len();
    (!rest.trim().is_empty()).then_some(from + blanks)
}

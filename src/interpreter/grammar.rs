//! The grammar: phrases as data, compiled once into a tree of words and slots.
//!
//! Every template is spelled out and laid into one tree, so that the time to match an utterance
//! depends on its own words and not on how many phrases there are. The tree takes further sources
//! (a user's own phrases) the same way as the built-in one.

mod completeness;
mod fill;
mod own;
mod sayable;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::GrammarError;
use super::normalise::{Noise, Words, fold};
use super::slots::{Captured, Kind, List, Slots};
use super::spoken::{PunctuationData, Spoken, SpokenData, SymbolData};
use super::template::{Piece, expand};
use crate::domain::{InputMode, Intent, Situation};
use fill::mentions;
pub(super) use fill::{fill, fill_line};

/// A phrase of the grammar.
#[derive(Debug)]
pub(super) struct Phrase {
    /// The group that it is shown in.
    pub(super) group: Option<String>,
    /// The phrase that people are offered.
    pub(super) say: Option<String>,
    /// What it does.
    pub(super) does: Option<String>,
    /// What it means.
    pub(super) meaning: Meaning,
    /// What slots are worth that were not said.
    pub(super) defaults: HashMap<String, Value>,
    when: Option<When>,
    exact: bool,
    beside_text: Option<BesideText>,
}

/// What a phrase means.
#[derive(Debug)]
pub(super) enum Meaning {
    /// An intent with its fields, `{slot}` where something said goes.
    Intent(Value),
    /// Lines that could be typed instead, with `{slot}` in them: a user's own phrase.
    Lines {
        lines: Vec<String>,
        /// Where they stand in the user's file.
        at: usize,
        /// The slots that are said together with them, in each of the ways to say it.
        slots: Vec<Vec<(String, Kind)>>,
    },
}

/// When a phrase means the same where other words are text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BesideText {
    Always,
    QuestionOpen,
}

/// What phrases are said into.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    /// Whether a question waits for an answer.
    pub(super) question_open: bool,
    /// What words are taken as.
    pub(super) input: InputMode,
    /// Whether a user's own phrases mean nothing.
    pub(super) built_in_only: bool,
}

impl From<&Situation> for Moment {
    fn from(situation: &Situation) -> Self {
        Self { question_open: situation.question_open, input: situation.input, built_in_only: false }
    }
}

/// When a phrase means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum When {
    QuestionOpen,
    Spoken,
}

/// The grammar, ready for use.
#[derive(Debug)]
pub(super) struct Grammar {
    pub(super) phrases: Vec<Phrase>,
    pub(super) slots: Slots,
    pub(super) noise: Noise,
    pub(super) spoken: Spoken,
    /// Words between two things that are to be done.
    pub(super) joiners: HashSet<String>,
    /// Phrases that are often said, the likeliest first.
    pub(super) likely: Vec<String>,
    /// Parts of templates by their names.
    rules: BTreeMap<String, String>,
    /// The names of slots; captures hold an index.
    names: Vec<String>,
    tree: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    words: HashMap<String, usize>,
    /// Tried after the words, the most certain kinds first.
    slots: Vec<Branch>,
    end: Option<usize>,
}

#[derive(Debug, PartialEq, Eq)]
struct Branch {
    kind: Kind,
    name: usize,
    to: usize,
}

/// A phrase that was found, with what was said in its slots.
#[derive(Debug)]
pub(super) struct Found<'g> {
    pub(super) phrase: &'g Phrase,
    captures: Vec<(&'g str, Captured)>,
}

impl Phrase {
    /// Whether it is a user's own.
    pub(super) fn is_own(&self) -> bool {
        matches!(self.meaning, Meaning::Lines { .. })
    }

    /// The phrase to offer, if it means something at any time.
    pub(super) fn offer(&self) -> Option<&str> {
        self.say.as_deref().filter(|_| self.when.is_none())
    }

    /// Whether it means something now, said in these words.
    fn is_meant(&self, words: &Words<'_>, moment: Moment, dropped: bool) -> bool {
        let now = match self.when {
            None => true,
            Some(When::QuestionOpen) => moment.question_open,
            Some(When::Spoken) => words.spoken,
        };
        let here = match self.beside_text {
            _ if moment.input == InputMode::Command => true,
            Some(BesideText::Always) => true,
            Some(BesideText::QuestionOpen) => moment.question_open,
            None => false,
        };
        now && here && !(self.exact && dropped) && !(self.is_own() && moment.built_in_only)
    }
}

impl Found<'_> {
    /// What was said in the slots, by their names.
    pub(super) fn captures(&self) -> impl Iterator<Item = (&str, &Captured)> {
        self.captures.iter().map(|(slot, captured)| (*slot, captured))
    }
}

impl Grammar {
    /// Compiles grammar data.
    pub(super) fn compile(file: &str, text: &str) -> Result<Self, GrammarError> {
        let document: Document =
            toml::from_str(text).map_err(|error| GrammarError::from_toml(file, text, &error))?;
        Compiler { file, text, rules: &document.rules }.compile(&document)
    }

    /// Finds the phrase that all the words make, with or without the fillers at their end.
    pub(super) fn find(&self, words: &Words<'_>, moment: Moment) -> Option<Found<'_>> {
        let all = words.list.len();
        let meant = words.without_last_fillers();
        [all, meant].into_iter().take(if meant < all { 2 } else { 1 }).find_map(|length| {
            let dropped = words.dropped || length < all;
            let mut walk = Walk { grammar: self, words, length, moment, dropped, captures: Vec::new() };
            let phrase = walk.from(0, 0)?;
            let captures =
                walk.captures.into_iter().map(|(name, it)| (self.names[name].as_str(), it)).collect();
            Some(Found { phrase: &self.phrases[phrase], captures })
        })
    }
}

/// A walk down the tree along the words.
struct Walk<'g, 'w> {
    grammar: &'g Grammar,
    words: &'w Words<'w>,
    length: usize,
    moment: Moment,
    dropped: bool,
    captures: Vec<(usize, Captured)>,
}

impl Walk<'_, '_> {
    fn from(&mut self, node: usize, at: usize) -> Option<usize> {
        let grammar = self.grammar;
        let node = &grammar.tree[node];
        if at == self.length
            && !self.words.more
            && let Some(phrase) = self.end_of(node)
        {
            return Some(phrase);
        }
        if at < self.length
            && let Some(&next) = node.words.get(&self.words.list[at].text)
            && let Some(phrase) = self.from(next, at + 1)
        {
            return Some(phrase);
        }
        for branch in &node.slots {
            for (captured, taken) in grammar.slots.readings(branch.kind, self.words, at, self.length) {
                let is_rest = matches!(captured, Captured::Rest { .. });
                self.captures.push((branch.name, captured));
                let found = if is_rest {
                    // The rest of the line has no end to be found; it is the end.
                    self.end_of(&grammar.tree[branch.to])
                } else {
                    self.from(branch.to, at + taken)
                };
                if found.is_some() {
                    return found;
                }
                self.captures.pop();
            }
        }
        None
    }

    fn end_of(&self, node: &Node) -> Option<usize> {
        let is_meant =
            |phrase: &usize| self.grammar.phrases[*phrase].is_meant(self.words, self.moment, self.dropped);
        node.end.filter(is_meant)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    fillers: Vec<String>,
    #[serde(default)]
    hesitations: Vec<String>,
    #[serde(default)]
    joiners: Vec<String>,
    #[serde(default)]
    likely: Vec<String>,
    #[serde(default)]
    rules: BTreeMap<String, String>,
    #[serde(default)]
    lists: BTreeMap<String, Vec<ItemData>>,
    #[serde(default)]
    phrase: Vec<PhraseData>,
    #[serde(default)]
    symbols: Vec<SymbolData>,
    #[serde(default)]
    programs: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    options: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    alphabet: BTreeMap<char, Vec<String>>,
    #[serde(default)]
    spoken: SpokenData,
    #[serde(default)]
    punctuation: Vec<PunctuationData>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemData {
    say: Spanned<String>,
    value: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhraseData {
    group: Option<String>,
    say: Option<String>,
    does: Option<String>,
    meaning: Spanned<Value>,
    #[serde(default)]
    defaults: HashMap<String, Value>,
    when: Option<When>,
    #[serde(default)]
    exact: bool,
    beside_text: Option<BesideText>,
    templates: Vec<Spanned<String>>,
}

struct Compiler<'a> {
    file: &'a str,
    text: &'a str,
    rules: &'a BTreeMap<String, String>,
}

impl Compiler<'_> {
    fn fault(&self, offset: usize, what: impl Into<String>) -> GrammarError {
        GrammarError::at(self.file, self.text, offset, what)
    }

    fn compile(&self, document: &Document) -> Result<Grammar, GrammarError> {
        let set = |words: &[String]| words.iter().map(|word| fold(word)).collect();
        let Document { symbols, programs, options, alphabet, spoken, punctuation, .. } = document;
        let spoken = Spoken::new(symbols, programs, options, alphabet, spoken, punctuation);
        let mut grammar = Grammar {
            phrases: Vec::new(),
            slots: Slots::new(self.lists(document)?, &spoken),
            noise: Noise { fillers: set(&document.fillers), hesitations: set(&document.hesitations) },
            spoken,
            joiners: set(&document.joiners),
            likely: document.likely.clone(),
            rules: document.rules.clone(),
            names: Vec::new(),
            tree: vec![Node::default()],
        };
        for phrase in &document.phrase {
            self.add(&mut grammar, phrase)?;
        }
        grammar.sort();
        Ok(grammar)
    }

    fn lists(&self, document: &Document) -> Result<BTreeMap<String, List>, GrammarError> {
        let mut lists = BTreeMap::new();
        for (name, items) in &document.lists {
            let mut list = List::default();
            for item in items {
                let offset = item.say.span().start;
                let sequences =
                    expand(item.say.get_ref(), self.rules).map_err(|what| self.fault(offset, what))?;
                for pieces in sequences {
                    let words = pieces.into_iter().map(|piece| match piece {
                        Piece::Word(word) => Ok(word),
                        Piece::Slot(..) => Err(self.fault(offset, "a list has no slots")),
                    });
                    list.add(words.collect::<Result<_, _>>()?, item.value.clone());
                }
            }
            lists.insert(name.clone(), list);
        }
        Ok(lists)
    }

    fn add(&self, grammar: &mut Grammar, data: &PhraseData) -> Result<(), GrammarError> {
        let index = grammar.phrases.len();
        let mut checked: Vec<Vec<String>> = Vec::new();
        for template in &data.templates {
            let fault = |what: String| {
                self.fault(
                    template.span().start,
                    format!("in the template \"{}\": {what}", template.get_ref()),
                )
            };
            for pieces in expand(template.get_ref(), self.rules).map_err(fault)? {
                let slots = grammar.lay(&pieces, index).map_err(fault)?;
                let mut names: Vec<String> = slots.iter().map(|(name, _)| name.clone()).collect();
                names.sort();
                if !checked.contains(&names) {
                    Self::check(grammar, data, &slots).map_err(fault)?;
                    checked.push(names);
                }
            }
        }
        grammar.phrases.push(Phrase {
            group: data.group.clone(),
            say: data.say.clone(),
            does: data.does.clone(),
            meaning: Meaning::Intent(data.meaning.get_ref().clone()),
            defaults: data.defaults.clone(),
            when: data.when,
            exact: data.exact,
            beside_text: data.beside_text,
        });
        Ok(())
    }

    /// Whether the meaning is an intent when these slots are said.
    fn check(grammar: &Grammar, data: &PhraseData, slots: &[(String, Kind)]) -> Result<(), String> {
        let sample = |name: &str| {
            let said = slots.iter().find(|(slot, _)| slot == name);
            said.map(|(_, kind)| grammar.slots.sample(*kind)).or_else(|| data.defaults.get(name).cloned())
        };
        for (name, kind) in slots {
            if *kind != Kind::Anything && !mentions(data.meaning.get_ref(), name) {
                return Err(format!("the meaning has no use for {{{name}}}"));
            }
        }
        let meaning = fill(data.meaning.get_ref(), &sample).unwrap_or_default();
        serde_json::from_value::<Intent>(meaning)
            .map(drop)
            .map_err(|error| format!("it means nothing: {error}"))
    }
}

impl Grammar {
    /// All words that phrases have in them.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        let of_phrases = self.tree.iter().flat_map(|node| node.words.keys().map(String::as_str));
        of_phrases.chain(self.slots.words())
    }

    /// Slots are tried in the order of their kinds.
    fn sort(&mut self) {
        for node in &mut self.tree {
            node.slots.sort_by_key(|branch| branch.kind);
        }
    }

    /// Lays a sequence of words and slots into the tree, to mean a phrase; gives its slots.
    fn lay(&mut self, pieces: &[Piece], phrase: usize) -> Result<Vec<(String, Kind)>, String> {
        let mut slots: Vec<(String, Kind)> = Vec::new();
        let mut node = 0;
        for (at, piece) in pieces.iter().enumerate() {
            node = match piece {
                Piece::Word(word) => {
                    if at == 0 && self.noise.fillers.contains(word) {
                        return Err(format!("it begins with the filler \"{word}\""));
                    }
                    self.word_after(node, word)
                }
                Piece::Slot(name, kind) => {
                    let kind =
                        self.slots.kind(kind).ok_or_else(|| format!("there is no kind or list `{kind}`"))?;
                    if kind.is_rest() && at + 1 < pieces.len() {
                        return Err(format!("nothing can follow {{{name}}}, the rest of the line"));
                    }
                    if slots.iter().any(|(slot, _)| slot == name) {
                        return Err(format!("the slot {{{name}}} is there twice"));
                    }
                    slots.push((name.clone(), kind));
                    self.slot_after(node, name, kind)
                }
            };
        }
        match self.tree[node].end {
            Some(other) if other != phrase => {
                let say = self.phrases[other].say.as_deref().unwrap_or("another phrase");
                let words = pieces.iter().map(Piece::to_string).collect::<Vec<_>>().join(" ");
                Err(format!("\"{words}\" already means \"{say}\""))
            }
            _ => {
                self.tree[node].end = Some(phrase);
                Ok(slots)
            }
        }
    }

    fn word_after(&mut self, node: usize, word: &str) -> usize {
        if let Some(&next) = self.tree[node].words.get(word) {
            return next;
        }
        let next = self.tree.len();
        self.tree.push(Node::default());
        self.tree[node].words.insert(word.into(), next);
        next
    }

    fn slot_after(&mut self, node: usize, name: &str, kind: Kind) -> usize {
        let name = self.names.iter().position(|it| it == name).unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        });
        let known = self.tree[node].slots.iter().find(|branch| (branch.name, branch.kind) == (name, kind));
        if let Some(branch) = known {
            return branch.to;
        }
        let to = self.tree.len();
        self.tree.push(Node::default());
        self.tree[node].slots.push(Branch { kind, name, to });
        to
    }
}

impl std::fmt::Display for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Slot(name, _) => write!(f, "{{{name}}}"),
        }
    }
}

#[cfg(test)]
mod tests;

//! Sentences that are dictated: written as they were recognised, with the punctuation that was named.
//!
//! Recognisers punctuate by themselves, and often put their own sign beside one that was said ("Hello, comma,
//! world."); theirs gives way. Only names of punctuation are signs here: a dash or a star is a word, as in
//! any sentence. "Literal comma" is the word, "cap word" has a capital, "all caps word" is all capitals, "no
//! space" joins.

use serde::Deserialize;

use super::super::normalise::{chunks, fold};
use super::super::numbers;
use super::{Said, Table};

/// A punctuation mark in the grammar data.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::interpreter) struct PunctuationData {
    say: Vec<String>,
    text: String,
    join: Side,
    /// Whether a new sentence follows.
    #[serde(default)]
    ends: bool,
}

/// To which word a mark sticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    /// The one before.
    Left,
    /// The one after.
    Right,
    Both,
    None,
}

#[derive(Debug, Clone)]
struct Mark {
    text: String,
    side: Side,
    ends: bool,
}

/// How sentences are written.
#[derive(Debug)]
pub(super) struct Dictation {
    marks: Table<Mark>,
}

/// The sentence that is being written.
#[derive(Default)]
struct Sentence {
    text: String,
    /// The next word touches what is there.
    touches: bool,
    /// The next word begins a sentence after a mark that was said.
    begins: bool,
    /// What stands at the end was put there by the recogniser.
    guessed: bool,
}

impl Sentence {
    fn word(&mut self, word: &str, guessed: bool) {
        if !self.touches && !self.text.is_empty() {
            self.text.push(' ');
        }
        let mut chars = word.chars();
        match chars.next().filter(|_| self.begins) {
            Some(first) => self.text.extend(first.to_uppercase().chain(chars)),
            None => self.text.push_str(word),
        }
        (self.touches, self.begins, self.guessed) = (false, false, guessed);
    }

    fn mark(&mut self, mark: &Mark) {
        let left = matches!(mark.side, Side::Left | Side::Both);
        if left && self.guessed {
            let end = self.text.trim_end_matches(PUNCTUATION).len();
            self.text.truncate(end);
        }
        if !(left || self.touches || self.text.is_empty()) {
            self.text.push(' ');
        }
        self.text.push_str(&mark.text);
        self.touches = matches!(mark.side, Side::Right | Side::Both);
        (self.begins, self.guessed) = (mark.ends, false);
    }
}

const PUNCTUATION: [char; 6] = ['.', ',', ';', ':', '!', '?'];

impl Dictation {
    pub(super) fn new(data: &[PunctuationData]) -> Self {
        let marks = data.iter().flat_map(|data| {
            let mark = Mark { text: data.text.clone(), side: data.join, ends: data.ends };
            data.say.iter().map(move |say| (say.clone(), mark.clone()))
        });
        Self { marks: Table::new(marks) }
    }

    /// Writes what was said.
    pub(super) fn write(&self, said: &str) -> String {
        let words: Vec<Said<'_>> = chunks(said)
            .map(|place| {
                let raw = &said[place];
                Said { raw, folded: fold(raw.trim_matches(|c: char| !c.is_alphanumeric())) }
            })
            .collect();
        let mut sentence = Sentence::default();
        let mut at = 0;
        while at < words.len() {
            at += self.next(&words[at..], &mut sentence);
        }
        sentence.text
    }

    /// Writes what the words begin with; tells how many that took.
    fn next(&self, rest: &[Said<'_>], sentence: &mut Sentence) -> usize {
        if let Some((mark, taken)) = self.marks.find(rest) {
            sentence.mark(mark);
            return taken;
        }
        let second = rest.get(1);
        match (rest[0].folded.as_str(), second.map(|word| word.folded.as_str())) {
            ("literal" | "escape", Some(_)) => {
                if let Some((_, taken)) = self.marks.find(&rest[1..]) {
                    for word in &rest[1..=taken] {
                        sentence.word(word.raw, true);
                    }
                    return 1 + taken;
                }
            }
            ("cap" | "capital", Some(next)) if !next.is_empty() => {
                sentence.word(&super::writer::capitalised(rest[1].raw), true);
                return 2;
            }
            ("all", Some("caps")) if rest.len() > 2 => {
                sentence.word(&rest[2].raw.to_uppercase(), true);
                return 3;
            }
            ("no", Some("space")) => {
                sentence.touches = true;
                return 2;
            }
            ("number", Some(_)) => {
                let most = (rest.len() - 1).min(12);
                if let Some((number, taken)) = numbers::longest(&rest[1..=most]) {
                    sentence.word(&number, false);
                    return 1 + taken;
                }
            }
            _ => {}
        }
        sentence.word(rest[0].raw, rest[0].raw.ends_with(PUNCTUATION));
        1
    }
}

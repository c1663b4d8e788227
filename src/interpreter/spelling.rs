//! Letters, digits and signs by their names: "air bat cap", "alpha bravo", "capital x ray", "oh five", "dash".
//!
//! Either all that was said is spelled, or nothing of it: what can't be spelled was meant otherwise.

use std::collections::HashMap;
use std::ops::Range;

use super::normalise::Words;
use super::numbers;
use super::spoken::{Spoken, Table};

/// What recognisers make of letters that are said in a row ("ABC") is no longer than that.
const LONGEST_ROW: usize = 8;
/// Words of a number that isn't announced.
const MOST_IN_NUMBER: usize = 12;

/// What letters and signs are called.
#[derive(Debug)]
pub(super) struct Speller {
    letters: HashMap<String, char>,
    signs: Table<String>,
}

impl Speller {
    pub(super) fn new(spoken: &Spoken) -> Self {
        let mut signs = Table::default();
        for (words, sign) in spoken.symbols() {
            signs.add(words.to_vec(), sign.into());
        }
        Self { letters: spoken.letters().clone(), signs }
    }

    /// All letters, by themselves and by their names.
    pub(super) fn letters(&self) -> impl Iterator<Item = String> {
        ('a'..='z').map(String::from).chain(self.letters.keys().cloned())
    }

    /// A letter by itself or by its name.
    pub(super) fn letter(&self, word: &str) -> Option<char> {
        let mut chars = word.chars();
        match (chars.next(), chars.next()) {
            (Some(letter), None) if letter.is_ascii_alphabetic() => Some(letter),
            _ => self.letters.get(word).copied(),
        }
    }

    /// What these words spell, if all of them do.
    pub(super) fn spelled(&self, words: &Words<'_>, range: Range<usize>) -> Option<String> {
        let texts: Vec<&str> = words.list[range.clone()].iter().map(|word| word.text.as_str()).collect();
        let mut spelled = String::new();
        let mut at = 0;
        while at < texts.len() {
            let rest = &texts[at..];
            let raw = &words.source[words.list[range.start + at].place.clone()];
            at += match rest[0] {
                "capital" | "uppercase" | "upper" if rest.len() > 1 => {
                    let (letter, taken) = self.name(&rest[1..])?;
                    spelled.extend(letter.to_uppercase());
                    1 + taken
                }
                "space" => {
                    spelled.push(' ');
                    1
                }
                "number" if rest.len() > 1 => {
                    let (number, taken) = numbers::longest(&rest[1..])?;
                    spelled.push_str(&number);
                    1 + taken
                }
                word => {
                    if let Some((letter, taken)) = self.name(rest) {
                        spelled.push(letter);
                        taken
                    } else if let Some((sign, taken)) = self.signs.find(rest) {
                        spelled.push_str(sign);
                        taken
                    } else if let Some((number, taken)) =
                        numbers::longest(&rest[..rest.len().min(MOST_IN_NUMBER)])
                    {
                        spelled.push_str(&number);
                        taken
                    } else {
                        spelled.push_str(&row(word, raw)?);
                        1
                    }
                }
            };
        }
        (!spelled.is_empty()).then_some(spelled)
    }

    /// A letter that the words begin with, and how many of them it takes.
    fn name(&self, words: &[&str]) -> Option<(char, usize)> {
        // "X-ray" is two words.
        if let [one, two, ..] = words
            && let Some(letter) = self.letters.get(&format!("{one}{two}"))
        {
            return Some((*letter, 2));
        }
        Some((self.letter(words.first()?)?, 1))
    }
}

/// Letters that a recogniser wrote as one: "ABC", "L.S.", and digits.
fn row(word: &str, raw: &str) -> Option<String> {
    let letters: String = word.chars().filter(|c| *c != '.').collect();
    let is_row = !letters.is_empty()
        && letters.len() <= LONGEST_ROW
        && letters.bytes().all(|b| b.is_ascii_alphanumeric())
        && (word.contains('.') || raw.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    is_row.then_some(letters)
}

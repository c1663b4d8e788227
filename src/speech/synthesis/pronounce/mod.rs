//! Text as it is read aloud: paths, flags, names of variables, units and symbols in words.
//!
//! A voice reads "src/main.rs --all" as it would read a novel, and swallows half of it. Here every word
//! that is no plain word is written out, so that it is understood by ear; punctuation stays, since it
//! makes the melody. The user's lexicon goes first. What becomes of what stands in `tests/data/spoken.txt`.

mod names;
mod numbers;
mod words;

use std::collections::BTreeMap;

use names::is_hash;
use words::{ABBREVIATIONS, LEXICON, OPERATORS};

/// How much of a hash is said: nobody listens to forty digits.
const HASH: usize = 4;

/// Reads text out.
#[derive(Debug, Clone)]
pub(super) struct Pronouncer {
    /// Lower-case words, and how to say them.
    lexicon: BTreeMap<String, String>,
}

impl Pronouncer {
    /// With words of the user's own, which win.
    pub(super) fn new(own: &BTreeMap<String, String>) -> Self {
        let mut lexicon: BTreeMap<String, String> =
            LEXICON.iter().map(|(word, said)| ((*word).to_owned(), (*said).to_owned())).collect();
        lexicon.extend(own.iter().map(|(word, said)| (word.to_lowercase(), said.clone())));
        Self { lexicon }
    }

    /// A clause as it is said: words and punctuation only.
    pub(super) fn say(&self, clause: &str) -> String {
        let mut said = String::new();
        let mut number = None;
        for word in clause.split_whitespace() {
            let (bare, tail) = bare(word);
            // "12 ms" is a measure as "12ms" is.
            let measured = number.and_then(|number| numbers::unit(bare, number));
            let words = measured.unwrap_or_else(|| self.word(bare));
            number = numbers::amount(bare);
            if !words.is_empty() && !said.is_empty() {
                said.push(' ');
            }
            said += &words;
            let is_end = tail != "." || !ABBREVIATIONS.contains(&bare.to_lowercase().as_str());
            if is_end && said.ends_with(char::is_alphanumeric) {
                said += &tail;
            }
        }
        said
    }

    fn word(&self, word: &str) -> String {
        let known = self.lexicon.get(&word.to_lowercase()).cloned();
        let sign = || OPERATORS.iter().find(|(sign, _)| *sign == word).map(|(_, said)| (*said).to_owned());
        known
            .or_else(sign)
            .or_else(|| self.address(word))
            .or_else(|| is_hash(word).then(|| short_hash(word)))
            .or_else(|| numbers::number(word))
            .or_else(|| self.flag(word))
            .or_else(|| Self::numbered(word))
            .or_else(|| self.possessive(word))
            .unwrap_or_else(|| self.joined(word))
    }

    /// "--all-targets", "-v", "-j4".
    fn flag(&self, word: &str) -> Option<String> {
        let is_flag = |flag: &&str| flag.starts_with(char::is_alphanumeric);
        if let Some(flag) = word.strip_prefix("--").filter(is_flag) {
            return Some(format!("dash dash {}", self.joined(flag)));
        }
        let flag = word.strip_prefix('-').filter(is_flag)?;
        // Short flags are letters, one by one.
        let end = flag.find(|c: char| !c.is_alphabetic()).unwrap_or(flag.len());
        let (letters, rest) = flag.split_at(end);
        let short = letters.len() <= 3 && rest.chars().all(|c| c.is_ascii_digit());
        if !short {
            return Some(format!("dash {}", self.joined(flag)));
        }
        Some(format!("dash {} {rest}", spelled(letters)).trim_end().to_owned())
    }

    /// "#12".
    fn numbered(word: &str) -> Option<String> {
        let digits = word.strip_prefix('#')?;
        let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        number.then(|| format!("number {digits}"))
    }

    /// "main.rs's"; that of a plain word is no case of its own.
    fn possessive(&self, word: &str) -> Option<String> {
        let owner = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s"))?;
        let plain = owner.chars().all(char::is_alphabetic);
        (!plain && !owner.is_empty()).then(|| format!("{}'s", self.word(owner)))
    }

    /// Two words with a sign of several characters between, else a name.
    fn joined(&self, word: &str) -> String {
        let mut signs = OPERATORS.iter().filter(|(sign, _)| sign.len() == 2 && !matches!(*sign, ".." | "--"));
        let found = signs.find_map(|(sign, said)| Some((word.split_once(sign)?, said)));
        match found {
            Some(((before, after), said)) if !before.is_empty() && !after.is_empty() => {
                let parts = [self.word(before), (*said).to_owned(), self.word(after)];
                parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
            }
            _ => self.compound(word),
        }
    }
}

/// A word without what stands around it, and the punctuation behind.
fn bare(word: &str) -> (&str, String) {
    const AROUND: [char; 13] = ['"', '\'', '`', '(', ')', '[', ']', '{', '}', '“', '”', '‘', '’'];
    const BEHIND: [char; 7] = ['.', ',', ';', ':', '!', '?', '…'];

    let core = word.trim_start_matches(AROUND);
    // A name that is put in for something: "<file>".
    let core = core
        .strip_prefix('<')
        .filter(|rest| rest.len() > 1 && rest.trim_end_matches(BEHIND).ends_with('>'))
        .map_or(core, |rest| rest);
    let is_sign = |core: &str| OPERATORS.iter().any(|(sign, _)| *sign == core);
    if is_sign(core) {
        return (core, String::new());
    }
    let mut bare = core.trim_end_matches(AROUND).trim_end_matches(BEHIND).trim_end_matches(AROUND);
    if !core.is_empty() && core.len() < word.len() && word[..word.len() - core.len()].ends_with('<') {
        bare = bare.trim_end_matches('>');
    }
    // What is nothing else is said: "..".
    let tail = core[bare.len()..].chars().filter(|c| BEHIND[..6].contains(c)).collect();
    (bare, tail)
}

/// As much of a hash as is said.
fn short_hash(hash: &str) -> String {
    spelled(&hash[..HASH.min(hash.len())])
}

/// Letter by letter.
fn spelled(word: &str) -> String {
    word.chars().map(|c| c.to_uppercase().to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;

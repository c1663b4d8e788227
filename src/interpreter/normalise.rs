//! What was said or typed, as words that can be compared: without capitals, punctuation, fillers and
//! the other habits of people and recognisers, but each with its place in the original, so that what
//! must be kept as it was can be.

use std::collections::HashSet;
use std::ops::Range;

/// Words that are looked at. No phrase is longer; what comes after belongs to the rest of a line.
pub(super) const MOST_WORDS: usize = 64;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// As it is compared.
    pub(super) text: String,
    /// Where it lies in the original.
    pub(super) place: Range<usize>,
    /// Where the text between two blanks lies that it is in: `"split-right,"` has two words.
    pub(super) chunk: Range<usize>,
    /// Whether it means nothing at the end of what was said.
    pub(super) is_filler: bool,
}

/// What was said or typed.
#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    /// The original.
    pub(super) source: &'a str,
    /// Whether it was spoken; else it was typed.
    pub(super) spoken: bool,
    /// The words, without fillers at the beginning and hesitations.
    pub(super) list: Vec<Word>,
    /// Whether there are more words than are looked at.
    pub(super) more: bool,
    /// Whether fillers or hesitations were dropped.
    pub(super) dropped: bool,
}

/// Words that mean nothing.
#[derive(Debug, Default)]
pub(super) struct Noise {
    /// At the beginning and the end.
    pub(super) fillers: HashSet<String>,
    /// Anywhere.
    pub(super) hesitations: HashSet<String>,
}

impl<'a> Words<'a> {
    pub(super) fn new(source: &'a str, spoken: bool, noise: &Noise) -> Self {
        let mut found = Self { source, spoken, list: Vec::new(), more: false, dropped: false };
        if spoken && is_annotation(source) {
            return found;
        }
        for chunk in chunks(source) {
            if found.list.len() >= MOST_WORDS {
                found.more = true;
                break;
            }
            for place in parts(source, &chunk) {
                let text = fold(&source[place.clone()]);
                let meaningless = noise.hesitations.contains(&text)
                    || found.list.is_empty() && noise.fillers.contains(&text);
                if text.is_empty() || meaningless {
                    found.dropped |= meaningless;
                } else {
                    let is_filler = noise.fillers.contains(&text);
                    found.list.push(Word { text, place, chunk: chunk.clone(), is_filler });
                }
            }
        }
        found
    }

    /// How many words there are before the fillers at the end.
    pub(super) fn without_last_fillers(&self) -> usize {
        let meant = self.list.iter().rposition(|word| !word.is_filler);
        if self.more { self.list.len() } else { meant.map_or(0, |last| last + 1) }
    }
}

/// Texts between blanks.
pub(super) fn chunks(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.split_whitespace().map(move |chunk| {
        let start = chunk.as_ptr() as usize - text.as_ptr() as usize;
        start..start + chunk.len()
    })
}

/// The words in a chunk: split at hyphens, without punctuation around them.
fn parts(source: &str, chunk: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let offset = source.as_ptr() as usize;
    source[chunk.clone()].split(is_hyphen).filter_map(move |part| {
        let word = part.trim_matches(|c: char| !c.is_alphanumeric());
        let start = word.as_ptr() as usize - offset;
        (!word.is_empty()).then_some(start..start + word.len())
    })
}

fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}')
}

/// A word without capitals and apostrophes.
pub(super) fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '\'' | '’' | '‘' | '`')).flat_map(char::to_lowercase).collect()
}

/// `[BLANK_AUDIO]`, `(wind blowing)`, `♪♪`: what recognisers write for sounds that aren't words.
fn is_annotation(text: &str) -> bool {
    let text = text.trim();
    let enclosed = |open, close| {
        text.strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|inner: &str| !inner.contains([open, close]))
    };
    enclosed('[', ']')
        || enclosed('(', ')')
        || enclosed('*', '*')
        || text.starts_with('♪') && text.ends_with('♪')
}

/// Characters that do other things than they show: controls, and invisible ones that reorder or hide
/// text. Not the joiners and selectors that scripts and emoji are written with.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise() -> Noise {
        let set = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Noise { fillers: set(&["please", "hey"]), hesitations: set(&["um"]) }
    }

    fn texts(source: &str) -> Vec<String> {
        Words::new(source, true, &noise()).list.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn habits_of_recognisers_do_not_matter() {
        assert_eq!(texts("Split-right."), ["split", "right"]);
        assert_eq!(texts("  Hey, um, split —  “RIGHT”!"), ["split", "right"]);
        assert_eq!(texts("What’s build doing?"), ["whats", "build", "doing"]);
        assert!(texts("[BLANK_AUDIO]").is_empty());
        assert!(texts("...").is_empty());
    }

    #[test]
    fn every_word_knows_its_place() {
        let words = Words::new("Run “ls”, please", true, &noise());
        let places: Vec<&str> = words.list.iter().map(|word| &words.source[word.place.clone()]).collect();
        assert_eq!(places, ["Run", "ls", "please"]);
        assert_eq!(&words.source[words.list[1].chunk.clone()], "“ls”,");
        assert_eq!(words.without_last_fillers(), 2);
    }

    #[test]
    fn a_long_text_is_not_looked_through() {
        let text = "word ".repeat(10_000);
        let words = Words::new(&text, false, &noise());
        assert!(words.more && words.list.len() == MOST_WORDS);
    }
}

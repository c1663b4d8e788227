//! The words that phrases are made of, found by how they sound: that is how recognisers mistake them. What is only
//! written alike is another word.

use std::collections::{HashMap, HashSet};

use super::sound;

/// Words that are tried in the place of one.
const MOST: usize = 4;
/// Below this a word is another: "book" sounds like "back" to whoever doesn't listen to vowels.
const LEAST: f64 = 0.82;
/// Words that sound the same are looked at up to here.
const MOST_ALIKE: usize = 64;
/// Longer words aren't compared letter by letter.
const LONGEST: usize = 24;

/// Words by their sounds.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    by_sound: HashMap<String, Vec<String>>,
    known: HashSet<String>,
}

impl Vocabulary {
    pub(super) fn new<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut vocabulary = Self::default();
        for word in words.filter(|word| is_word(word)) {
            if vocabulary.known.insert(word.to_owned()) {
                vocabulary.by_sound.entry(sound::key(word)).or_default().push(word.to_owned());
            }
        }
        // The same ones are looked at each time, whatever order they came in.
        vocabulary.by_sound.values_mut().for_each(|words| words.sort_unstable());
        vocabulary
    }

    /// The words that this one may have been, the likeliest first. What is one of them was meant: who says "list
    /// panes" doesn't mean the last one.
    pub(super) fn alike(&self, word: &str) -> Vec<(&str, f64)> {
        if !is_word(word) || self.known.contains(word) {
            return Vec::new();
        }
        let same_sound = self.by_sound.get(&sound::key(word)).into_iter().flatten().take(MOST_ALIKE);
        let mut found: Vec<(&str, f64)> = same_sound
            .map(|known| (known.as_str(), sound::likeness(word, known)))
            .filter(|(_, likeness)| *likeness >= LEAST)
            .collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        found.truncate(MOST);
        found
    }
}

fn is_word(word: &str) -> bool {
    (2..=LONGEST).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_by_its_sound() {
        let vocabulary = Vocabulary::new(["right", "window", "pane", "scroll", "up"].into_iter());
        let first = |word: &str| vocabulary.alike(word).first().map(|(word, _)| (*word).to_owned());
        assert_eq!(first("wright").as_deref(), Some("right"));
        assert_eq!(first("pin"), None, "it is too far from \"pane\" as it is written");
        assert_eq!(first("light"), None);
        assert_eq!(first("windo").as_deref(), Some("window"));
        assert_eq!(first("payne").as_deref(), Some("pane"));
        assert_eq!(first("scrole").as_deref(), Some("scroll"));
        assert_eq!(first("sausage"), None);
        assert_eq!(first("right"), None, "it is one itself");
        assert_eq!(first("a"), None);
    }
}

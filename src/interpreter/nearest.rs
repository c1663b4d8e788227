//! The phrases that are nearest to something that was not understood.

use std::collections::HashMap;

use super::normalise::Words;

/// Words of what was heard that are compared; phrases are short.
const MOST_COMPARED: usize = 12;

/// How many phrases are offered.
const MOST_OFFERED: usize = 3;

/// Below this likeness a phrase is no help.
const LEAST_LIKENESS: f64 = 0.45;

/// So many phrases are always compared; of more, those that share a word or a sound with what was heard.
const ALWAYS_COMPARED: usize = 128;

/// And so many of these at most.
const MOST_CANDIDATES: usize = 64;

/// Phrases that share a word are looked at up to here.
const MOST_SHARING: usize = 512;

/// Phrases, ready to be compared.
#[derive(Debug, Default)]
pub(super) struct Phrasebook {
    entries: Vec<Entry>,
    /// Those beyond the ones that are always compared, by their words and how these sound.
    sharing: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct Entry {
    say: String,
    words: Vec<Sound>,
}

#[derive(Debug)]
struct Sound {
    word: String,
    skeleton: String,
}

impl Sound {
    fn new(word: &str) -> Self {
        Self { word: word.into(), skeleton: skeleton(word) }
    }

    /// How alike two words are to the eye or the ear, 0 ‥ 1.
    fn likeness(&self, other: &Self) -> f64 {
        if self.word == other.word {
            return 1.0;
        }
        let written = strsim::normalized_damerau_levenshtein(&self.word, &other.word);
        let sounds_alike = !self.skeleton.is_empty() && self.skeleton == other.skeleton;
        if sounds_alike { written.max(0.85) } else { written * 0.9 }
    }
}

impl Phrasebook {
    pub(super) fn new<'a>(phrases: impl Iterator<Item = &'a str>) -> Self {
        let entry = |say: &str| Entry {
            say: say.into(),
            words: say.split_whitespace().map(|word| Sound::new(&super::normalise::fold(word))).collect(),
        };
        let entries: Vec<Entry> = phrases.map(entry).collect();
        let mut sharing: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, entry) in entries.iter().enumerate().skip(ALWAYS_COMPARED) {
            for sound in &entry.words {
                for key in [&sound.word, &sound.skeleton] {
                    let phrases = sharing.entry(key.clone()).or_default();
                    if phrases.last() != Some(&at) && phrases.len() < MOST_SHARING {
                        phrases.push(at);
                    }
                }
            }
        }
        Self { entries, sharing }
    }

    /// The phrases that are worth comparing with what was heard.
    fn candidates(&self, heard: &[Sound]) -> impl Iterator<Item = &Entry> {
        let mut shared: HashMap<usize, usize> = HashMap::new();
        if self.entries.len() > ALWAYS_COMPARED {
            for key in heard.iter().flat_map(|sound| [&sound.word, &sound.skeleton]) {
                for &phrase in self.sharing.get(key).into_iter().flatten() {
                    *shared.entry(phrase).or_default() += 1;
                }
            }
        }
        let mut others: Vec<(usize, usize)> = shared.into_iter().collect();
        others.sort_by_key(|&(phrase, count)| (std::cmp::Reverse(count), phrase));
        let always = 0..self.entries.len().min(ALWAYS_COMPARED);
        always
            .chain(others.into_iter().take(MOST_CANDIDATES).map(|(phrase, _)| phrase))
            .map(|at| &self.entries[at])
    }

    /// The nearest phrases, best first; none if nothing comes near.
    pub(super) fn nearest(&self, words: &Words<'_>) -> Vec<String> {
        let heard: Vec<Sound> =
            words.list.iter().take(MOST_COMPARED).map(|word| Sound::new(&word.text)).collect();
        if heard.is_empty() {
            return Vec::new();
        }
        let mut ranked: Vec<(f64, &str)> = self
            .candidates(&heard)
            .map(|entry| (likeness(&heard, &entry.words), entry.say.as_str()))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near = ranked.into_iter().take(MOST_OFFERED).filter(|(likeness, _)| *likeness >= LEAST_LIKENESS);
        near.map(|(_, say)| say.to_owned()).collect()
    }
}

/// How alike two sequences of words are, 0 ‥ 1: the best alignment, relative to the longer one. Two words
/// that were written as one are compared as one too.
fn likeness(heard: &[Sound], phrase: &[Sound]) -> f64 {
    let (rows, columns) = (heard.len(), phrase.len());
    let mut best = vec![vec![0.0_f64; columns + 1]; rows + 1];
    for row in 1..=rows {
        for column in 1..=columns {
            let both = best[row - 1][column - 1] + heard[row - 1].likeness(&phrase[column - 1]);
            best[row][column] = both.max(best[row - 1][column]).max(best[row][column - 1]);
        }
    }
    let aligned = 2.0 * best[rows][columns] / (rows + columns) as f64;
    let glue = |sounds: &[Sound]| Sound::new(&sounds.iter().map(|it| it.word.as_str()).collect::<String>());
    let aligned = if rows == columns { aligned } else { aligned.max(glue(heard).likeness(&glue(phrase))) };
    // What people remember of a phrase is its first word.
    let begins = heard[0].word == phrase[0].word;
    aligned + if begins { 0.2 } else { 0.0 }
}

/// The consonants of a word, with those as one that are often taken for each other.
fn skeleton(word: &str) -> String {
    let mut skeleton = String::new();
    for (at, c) in word.chars().enumerate() {
        let sound = match c {
            'b' | 'p' => 'p',
            'd' | 't' => 't',
            'f' | 'v' => 'f',
            'c' | 'g' | 'k' | 'q' | 'x' => 'k',
            's' | 'z' | 'j' => 's',
            'm' | 'n' => 'n',
            'l' | 'r' => c,
            'a' | 'e' | 'i' | 'o' | 'u' if at == 0 => 'a',
            c if c.is_ascii_digit() => c,
            _ => continue,
        };
        if !skeleton.ends_with(sound) {
            skeleton.push(sound);
        }
    }
    skeleton
}

#[cfg(test)]
mod tests {
    use super::super::normalise::Noise;
    use super::*;

    fn nearest(heard: &str) -> Vec<String> {
        let book =
            Phrasebook::new(["next pane", "next window", "split right", "list sessions", "zoom"].into_iter());
        book.nearest(&Words::new(heard, true, &Noise::default()))
    }

    #[test]
    fn what_sounds_or_looks_alike_is_near() {
        assert_eq!(nearest("split ride")[0], "split right");
        assert_eq!(nearest("next payment")[0], "next pane");
        assert_eq!(nearest("least session")[0], "list sessions");
        assert_eq!(nearest("zoomm"), ["zoom"]);
        assert!(nearest("the quick brown fox jumps over the lazy dog").is_empty());
    }
}

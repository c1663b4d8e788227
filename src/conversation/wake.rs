//! The wake phrase, as recognisers write it.
//!
//! It is spotted in the transcript, at the beginning. A small recogniser writes "Hey, terminal." and "Hey
//! Terminal", but also "Hay terminal" and "Hey, Turminal"; so a word may be a little misspelt if it is long,
//! and have other vowels if it is short. "The terminal", which people talk about, is not "hey terminal".

/// Words that may come before it.
const BEFORE: [&str; 8] = ["um", "uh", "oh", "so", "and", "ah", "well", "okay"];
/// Misspellings are looked for in words of at least so many letters ...
const LONG: usize = 5;
/// ... of which one in so many may be wrong.
const MISSPELT: usize = 4;
/// What is written as one word, or as two, may have one letter wrong from this length on.
const LONG_TOGETHER: usize = 8;

/// The phrases that wake.
#[derive(Debug, Default)]
pub(super) struct WakePhrases {
    phrases: Vec<Vec<String>>,
}

/// A word, and where it ends in the text.
struct Word {
    folded: String,
    end: usize,
}

impl WakePhrases {
    pub(super) fn new(phrases: &[String]) -> Self {
        let folded = |phrase: &String| words(phrase).map(|word| word.folded).collect::<Vec<_>>();
        Self { phrases: phrases.iter().map(folded).filter(|phrase| !phrase.is_empty()).collect() }
    }

    /// What follows the phrase in a text that begins with it; `None` if it doesn't.
    pub(super) fn after<'a>(&self, text: &'a str) -> Option<&'a str> {
        let longest = self.phrases.iter().map(Vec::len).max()?;
        let said: Vec<Word> = words(text).take(longest + 2).collect();
        let before = said.first().is_some_and(|first| BEFORE.contains(&first.folded.as_str()));
        let ends = |from: usize| {
            let said = said.get(from..)?;
            let taken = self.phrases.iter().find_map(|phrase| fits(phrase, said))?;
            Some(said[taken - 1].end)
        };
        let end = ends(0).or_else(|| before.then(|| ends(1)).flatten())?;
        let between = |c: char| c.is_whitespace() || ",.!?;:…-–—".contains(c);
        Some(text[end..].trim_start_matches(between).trim_end())
    }
}

/// How many of these words are the phrase.
fn fits(phrase: &[String], said: &[Word]) -> Option<usize> {
    let in_words = said.len() >= phrase.len()
        && phrase.iter().zip(said).all(|(wanted, word)| is_like(wanted, &word.folded));
    if in_words {
        return Some(phrase.len());
    }
    let wanted = phrase.concat();
    let wrong = usize::from(wanted.chars().count() >= LONG_TOGETHER);
    (1..=said.len().min(phrase.len() + 1)).find(|&count| {
        let together: String = said[..count].iter().map(|word| word.folded.as_str()).collect();
        count != phrase.len() && strsim::levenshtein(&wanted, &together) <= wrong
    })
}

fn is_like(wanted: &str, said: &str) -> bool {
    let (long, length) = (wanted.chars().count(), said.chars().count());
    if wanted == said {
        true
    } else if long >= LONG {
        strsim::levenshtein(wanted, said) <= long / MISSPELT
    } else if let ("ok", "okay") | ("okay", "ok") = (wanted, said) {
        true
    } else {
        // As short as it is, a word of vowels alone would be like any other.
        length < LONG && consonants(wanted) == consonants(said) && consonants(wanted).len() > 1
    }
}

/// The word with one and the same sign for each run of vowels.
fn consonants(word: &str) -> String {
    let mut skeleton: Vec<char> = word.chars().map(|c| if "aeiouy".contains(c) { '*' } else { c }).collect();
    skeleton.dedup_by(|a, b| a == b && *a == '*');
    skeleton.into_iter().collect()
}

fn words(text: &str) -> impl Iterator<Item = Word> {
    let is_letter = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’');
    text.split(move |c| !is_letter(c)).filter(|word| !word.is_empty()).map(move |word| Word {
        folded: word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect(),
        end: word.as_ptr() as usize - text.as_ptr() as usize + word.len(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hey_terminal() -> WakePhrases {
        WakePhrases::new(&["hey terminal".into()])
    }

    #[test]
    fn it_is_spotted_however_it_is_written() {
        let phrases = hey_terminal();
        for (text, after) in [
            ("Hey terminal", ""),
            ("Hey, terminal.", ""),
            ("  hey  TERMINAL!  ", ""),
            ("Hey terminal, split right.", "split right."),
            ("Hey, Terminal. Run cargo test.", "Run cargo test."),
            ("Hay terminal, list sessions", "list sessions"),
            ("Hi Terminal list sessions", "list sessions"),
            ("Hey, turminal, list sessions", "list sessions"),
            ("Hey Terminals. List sessions", "list sessions"),
            ("Heyterminal, list sessions", "list sessions"),
            ("Hey term inal, list sessions", "list sessions"),
            ("Um, hey terminal - list sessions", "list sessions"),
            ("Hey terminal… list sessions", "list sessions"),
            ("Hey-terminal: type -l", "type -l"),
        ] {
            let found = phrases.after(text).map(str::to_lowercase);
            assert_eq!(found.as_deref(), Some(after.to_lowercase().as_str()), "{text}");
        }
    }

    #[test]
    fn talk_about_terminals_is_no_call() {
        let phrases = hey_terminal();
        for text in [
            "",
            "hey",
            "Terminal.",
            "The terminal is open.",
            "My terminal, hey terminal",
            "Her terminal crashed",
            "I said hey terminal",
            "Hey there",
            "Hey Jude",
            "Hey, termites!",
            "Open the terminal",
            "A terminal",
            "(wind blowing)",
        ] {
            assert_eq!(phrases.after(text), None, "{text}");
        }
    }

    #[test]
    fn there_may_be_several_or_none() {
        let phrases = WakePhrases::new(&["okay computer".into(), "jarvis".into(), " , ".into()]);
        assert_eq!(phrases.after("OK, computer, help"), Some("help"));
        assert_eq!(phrases.after("Jarvis! Help."), Some("Help."));
        assert_eq!(phrases.after("Help."), None);
        assert_eq!(WakePhrases::new(&[]).after("Hey terminal"), None);
    }

    proptest! {
        #[test]
        fn what_follows_is_the_end_of_what_was_said(text in ".{0,60}") {
            let phrases = hey_terminal();
            if let Some(after) = phrases.after(&text) {
                prop_assert!(text.trim_end().ends_with(after));
            }
            let called = format!("Hey terminal, x{text}");
            let expected = format!("x{text}");
            prop_assert_eq!(phrases.after(&called), Some(expected.trim_end()));
        }
    }
}

//! What a user types to search, as an FTS5 expression and as a PostgreSQL text query: neither can be
//! malformed, and both find the same.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// More words than anybody means; what comes after them is left out.
const MOST_WORDS: usize = 32;

/// More pieces than any of these words should have.
const MOST_TOKENS: usize = 128;

/// PostgreSQL keeps no longer ones.
const LONGEST_TOKEN: usize = 1024;

/// Positions that PostgreSQL tells apart.
const LAST_POSITION: usize = 16_383;

/// Positions of one word that it keeps.
const MOST_POSITIONS: usize = 256;

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything.
    All,
    /// Records with all of these words; the last may be the beginning of one.
    Matching(Vec<String>),
    /// Only punctuation was asked for, which isn't indexed.
    Nothing,
}

/// What the user's words ask for.
pub(super) fn wanted(query: Option<&str>) -> Wanted {
    let query = query.unwrap_or_default();
    if query.trim().is_empty() {
        return Wanted::All;
    }
    let separates = |c: char| c.is_whitespace() || c.is_control();
    let words: Vec<String> = query
        .split(separates)
        .filter(|word| word.contains(char::is_alphanumeric))
        .take(MOST_WORDS)
        .map(str::to_owned)
        .collect();
    if words.is_empty() { Wanted::Nothing } else { Wanted::Matching(words) }
}

/// As an FTS5 expression. Each word is quoted, which takes any meaning from FTS5's operators. A word
/// with punctuation in it, such as `a-b`, is a phrase.
pub(super) fn fts5(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
    quoted.join(" AND ") + " *"
}

/// As the text of a `tsquery`; `None` if no word has anything to look for in it. The pieces hold
/// nothing but letters and digits, so that their quotes are safe.
pub(super) fn tsquery(words: &[String]) -> Option<String> {
    let mut room = MOST_TOKENS;
    let mut phrases: Vec<Vec<String>> = Vec::new();
    for word in words {
        let phrase: Vec<String> = tokens(word).take(room).map(|token| format!("'{token}'")).collect();
        room -= phrase.len();
        if !phrase.is_empty() {
            phrases.push(phrase);
        }
    }
    if let Some(last) = phrases.last_mut().and_then(|phrase| phrase.last_mut()) {
        last.push_str(":*");
    }
    let phrases: Vec<String> = phrases.iter().map(|phrase| format!("({})", phrase.join(" <-> "))).collect();
    (!phrases.is_empty()).then(|| phrases.join(" & "))
}

/// The text of a `tsvector` of all these texts; no phrase reaches from one into the next.
pub(super) fn tsvector<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    // Each word once: an output repeats itself, and this is sent.
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut position = 0;
    for text in texts {
        for token in tokens(text) {
            position += 1;
            let known = places.entry(token).or_default();
            if known.len() < MOST_POSITIONS {
                known.push(position.min(LAST_POSITION));
            }
        }
        position += 2;
    }
    let word = |(token, places): (String, Vec<usize>)| {
        let places: Vec<String> = places.iter().map(usize::to_string).collect();
        format!("'{token}':{} ", places.join(","))
    };
    places.into_iter().map(word).collect()
}

/// Runs of letters and digits, without diacritics and in lower case: what FTS5's `unicode61` makes
/// of a text.
fn tokens(text: &str) -> impl Iterator<Item = String> {
    let plain = |run: &str| -> String {
        run.nfd()
            .filter(|c| !is_combining_mark(*c))
            .flat_map(char::to_lowercase)
            .filter(|c| c.is_alphanumeric())
            .collect()
    };
    text.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c))
        .map(plain)
        .filter(|token| !token.is_empty() && token.len() <= LONGEST_TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(query: &str) -> Vec<String> {
        match wanted(Some(query)) {
            Wanted::Matching(words) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_are_quoted_and_the_last_is_a_beginning() {
        assert_eq!(fts5(&words("cargo te")), r#""cargo" AND "te" *"#);
        assert_eq!(fts5(&words(r#"a"b NEAR"#)), r#""a""b" AND "NEAR" *"#);
        assert_eq!(tsquery(&words("Cargo a-b te")).unwrap(), "('cargo') & ('a' <-> 'b') & ('te':*)");
        assert_eq!(tsquery(&words(r"umläu'\t")).unwrap(), "('umlau' <-> 't':*)");
    }

    #[test]
    fn nothing_said_is_everything_and_punctuation_is_nothing() {
        assert_eq!(wanted(None), Wanted::All);
        assert_eq!(wanted(Some(" \t")), Wanted::All);
        assert_eq!(wanted(Some("* \" -")), Wanted::Nothing);
    }

    #[test]
    fn a_text_is_cut_into_the_same_pieces() {
        assert_eq!(tsvector(["Run parses_umläuts!", "x"]), "'parses':2 'run':1 'umlauts':3 'x':6 ");
        assert_eq!(tsvector(["a b a", "b"]), "'a':1,3 'b':2,6 ");
        assert_eq!(tsvector(["e\u{301}té"]), "'ete':1 ");
    }

    #[test]
    fn a_word_of_many_pieces_is_no_query_without_end() {
        let query = tsquery(&["a-".repeat(10_000)]).unwrap();
        assert_eq!(query.matches("'a'").count(), MOST_TOKENS);
    }
}

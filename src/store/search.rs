//! What a user types to search, as an FTS5 expression that can't be malformed.

/// More words than anybody means; what comes after them is left out.
const MOST_WORDS: usize = 32;

/// What to look for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything.
    All,
    /// Records with all of these, as an FTS5 expression.
    Matching(String),
    /// Only punctuation was asked for, which isn't indexed.
    Nothing,
}

/// Each word is quoted, which takes any meaning from FTS5's operators; all must be there, and the
/// last may be the beginning of a word. A word with punctuation in it, such as `a-b`, is a phrase.
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
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")))
        .collect();
    if words.is_empty() { Wanted::Nothing } else { Wanted::Matching(words.join(" AND ") + " *") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_the_last_is_a_beginning() {
        assert_eq!(wanted(Some("cargo te")), Wanted::Matching(r#""cargo" AND "te" *"#.into()));
        assert_eq!(wanted(Some(r#"a"b NEAR"#)), Wanted::Matching(r#""a""b" AND "NEAR" *"#.into()));
    }

    #[test]
    fn nothing_said_is_everything_and_punctuation_is_nothing() {
        assert_eq!(wanted(None), Wanted::All);
        assert_eq!(wanted(Some(" \t")), Wanted::All);
        assert_eq!(wanted(Some("* \" -")), Wanted::Nothing);
    }
}

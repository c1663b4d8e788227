//! Names as they were said, and the sessions that they may mean.

use std::ops::Range;

use super::normalise::{Words, is_hidden};
use super::{numbers, sound};
use crate::domain::SessionInfo;

/// A name from some of the words. Typed names are kept as they were typed, to the end of the line if
/// they stand there; spoken ones lose capitals and punctuation.
pub(super) fn said(words: &Words<'_>, range: Range<usize>) -> String {
    let (first, last) = (&words.list[range.start], &words.list[range.end - 1]);
    let is_last = range.end == words.list.len() && !words.more;
    let text = if words.spoken {
        words.source[first.place.start..last.place.end].to_lowercase().replace([',', '"', '“', '”'], "")
    } else {
        let end = if is_last { words.source.len() } else { last.place.end };
        let text = words.source[first.chunk.start..end].trim().trim_end_matches(['.', ',', '?', '!']);
        let unquoted = ['"', '\''].iter().find_map(|&sign| text.strip_prefix(sign)?.strip_suffix(sign));
        unquoted.unwrap_or(text).to_owned()
    };
    let text = text.replace(is_hidden, "");
    if words.spoken { text.split_whitespace().collect::<Vec<_>>().join(" ") } else { text }
}

/// Signs in names, as they are said.
const SIGNS: [&str; 6] = ["slash", "dash", "hyphen", "minus", "dot", "underscore"];
/// Below this likeness a name is another.
const LEAST_LIKENESS: f64 = 0.75;
/// The likeliest name is that much likelier than the next, or nobody knows.
const MARGIN: f64 = 0.08;

/// The one of these names that this could mean, with how much it sounds like it; `None` if there is none, or
/// several. Only what was `spoken` is taken for what it sounds like.
pub(super) fn find<'n>(
    name: &str,
    names: impl Iterator<Item = &'n str> + Clone,
    spoken: bool,
) -> Option<(&'n str, f64)> {
    if let Some(same) = names.clone().find(|known| *known == name) {
        return Some((same, 1.0));
    }
    let key = loosely(name);
    if key.is_empty() {
        return None;
    }
    // "Feature slash login" is feature/login, unless it is called so.
    let words = name.split_whitespace().filter(|word| !SIGNS.contains(word));
    let unsigned = loosely(&words.collect::<Vec<_>>().join(" "));
    for key in [&key, &unsigned] {
        let mut alike = names.clone().filter(|known| !key.is_empty() && loosely(known) == *key);
        match (alike.next(), alike.next()) {
            (Some(one), None) => return Some((one, 1.0)),
            (Some(_), Some(_)) => return None,
            (None, _) => {}
        }
    }
    if !spoken {
        return None;
    }
    let mut near: Vec<(&str, f64)> = names
        .map(|known| (known, likeness(&key, &loosely(known))))
        .filter(|(_, it)| *it >= LEAST_LIKENESS)
        .collect();
    near.sort_by(|a, b| b.1.total_cmp(&a.1));
    match near.as_slice() {
        [one] => Some(*one),
        [one, next, ..] if one.1 - next.1 >= MARGIN => Some(*one),
        _ => None,
    }
}

/// How alike two names are. Numbers in them must be the same.
fn likeness(one: &str, other: &str) -> f64 {
    let digits = |name: &str| name.chars().filter(char::is_ascii_digit).collect::<String>();
    let letters = |name: &str| name.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    if digits(one) == digits(other) { sound::likeness(&letters(one), &letters(other)) } else { 0.0 }
}

/// The newest of these command lines that has the words in it, in their order, the first one at the beginning.
pub(super) fn recent<'n>(name: &str, lines: &'n [String]) -> Option<&'n str> {
    let wanted: Vec<String> = name.split_whitespace().map(loosely).filter(|word| !word.is_empty()).collect();
    let fits = |line: &&String| {
        let mut words = line.split_whitespace().map(loosely);
        let first = words.next();
        !wanted.is_empty()
            && first.as_ref() == wanted.first()
            && wanted[1..].iter().all(|word| words.any(|it| it == *word))
    };
    lines.iter().find(fits).map(String::as_str)
}

/// A name as a shell takes it for one word.
pub(super) fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-/+@,:".contains(c);
    if !name.starts_with('-') && name.chars().all(is_plain) {
        return name.to_owned();
    }
    let dash = if name.starts_with('-') { "./" } else { "" };
    format!("'{dash}{}'", name.replace('\'', r"'\''"))
}

/// Whether this is what a session is called.
pub(super) fn is_known(name: &str, sessions: &[SessionInfo]) -> bool {
    let key = loosely(name);
    sessions.iter().any(|session| session.name == name || loosely(&session.name) == key)
}

/// A name without capitals, blanks, signs, and with its numbers as digits: "Web Two" is `web-2`.
fn loosely(name: &str) -> String {
    let folded = name.to_lowercase();
    let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()).collect();
    let mut key = String::new();
    let mut at = 0;
    while at < words.len() {
        let is_number = !matches!(words[at], "to" | "too" | "for" | "fore" | "won" | "ate" | "tree" | "free");
        if let Some(reading) = numbers::readings(&words[at..]).first().filter(|_| is_number) {
            key.push_str(&reading.value.to_string());
            at += reading.words;
        } else {
            key.push_str(words[at]);
            at += 1;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::super::normalise::Noise;
    use super::*;
    use crate::domain::SessionId;

    fn name(source: &str, spoken: bool) -> String {
        let words = Words::new(source, spoken, &Noise::default());
        let all = words.list.len();
        said(&words, 2..all)
    }

    #[test]
    fn typed_names_are_kept_and_spoken_ones_written_plainly() {
        assert_eq!(name("new session a.b:c; rm -rf ~ #", false), "a.b:c; rm -rf ~ #");
        assert_eq!(name("new session MyApp", false), "MyApp");
        assert_eq!(name("new session \"my app\".", false), "my app");
        assert_eq!(name("New session, Front-End.", true), "front-end");
        assert_eq!(name("New session My,  App.", true), "my app");
    }

    #[test]
    fn a_session_is_found_by_how_its_name_sounds() {
        let session = |name: &str| SessionInfo {
            id: SessionId(format!("${name}")),
            name: name.into(),
            windows: 1,
            program: "bash".into(),
            current: false,
        };
        let sessions = ["web-2", "Build", "a_b", "a-b"].map(session);
        let names = sessions.iter().map(|session| session.name.as_str());
        let found = |name: &str| find(name, names.clone(), true).map(|(name, _)| name);
        assert_eq!(found("web two"), Some("web-2"));
        assert_eq!(found("build"), Some("Build"));
        assert_eq!(found("a b"), None);
        assert_eq!(found("a_b"), Some("a_b"));
        assert_eq!(found("other"), None);
        assert_eq!(found("bild"), Some("Build"));
        assert_eq!(found("web three"), None);
        assert_eq!(find("bild", names, false), None, "what was typed is meant so");
    }

    #[test]
    fn a_recent_line_is_found_by_its_words() {
        let lines = ["git push", "cargo test --lib", "cargo build", "cargo test"].map(String::from);
        assert_eq!(recent("cargo", &lines), Some("cargo test --lib"));
        assert_eq!(recent("cargo build", &lines), Some("cargo build"));
        assert_eq!(recent("git", &lines), Some("git push"));
        assert_eq!(recent("push", &lines), None);
        assert_eq!(recent("", &lines), None);
    }

    #[test]
    fn a_name_is_one_word_for_a_shell() {
        for (name, one) in [
            ("src", "src"),
            ("my app", "'my app'"),
            ("it's", r"'it'\''s'"),
            ("$(rm)", "'$(rm)'"),
            ("-x", "'./-x'"),
        ] {
            assert_eq!(quoted(name), one);
        }
    }
}

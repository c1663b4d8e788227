//! Names as they were said, and the sessions that they may mean.

use std::ops::Range;

use super::normalise::{Words, is_hidden};
use super::numbers;
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

/// The name of the one session that this could mean; the name itself if there is none, or several.
pub(super) fn resolved(name: String, sessions: &[SessionInfo]) -> String {
    if sessions.iter().any(|session| session.name == name) {
        return name;
    }
    let key = loosely(&name);
    let mut alike = sessions.iter().filter(|session| loosely(&session.name) == key);
    match (alike.next(), alike.next()) {
        (Some(session), None) => session.name.clone(),
        _ => name,
    }
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
        let found = |name: &str| resolved(name.into(), &sessions);
        assert_eq!(found("web two"), "web-2");
        assert_eq!(found("build"), "Build");
        assert_eq!(found("a b"), "a b");
        assert_eq!(found("a_b"), "a_b");
        assert_eq!(found("other"), "other");
    }
}

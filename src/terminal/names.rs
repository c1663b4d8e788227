//! Names as people say them, and names that tmux can bear.
//!
//! tmux gives `:` and `.` in targets a meaning and expands `#(…)` in names by running it. So a new
//! name keeps only letters, digits, dashes and underscores.

use crate::domain::SessionInfo;

/// The longest name that is given.
const LONGEST: usize = 64;

/// A name for tmux, made of the wished one; `None` if nothing usable is in it.
pub(super) fn safe(wished: &str) -> Option<String> {
    let mut name = String::new();
    for character in wished.chars().take(LONGEST * 4) {
        if character.is_alphanumeric() || character == '_' {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if name.chars().count() >= LONGEST {
            break;
        }
    }
    let name = name.trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// What looking for a name came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match<'a> {
    /// This one.
    One(&'a SessionInfo),
    /// Any of these could be meant.
    Several(Vec<&'a SessionInfo>),
    /// None.
    Nothing,
}

/// The session that was meant by a spoken name: exact first, then without regard to case, spaces
/// and punctuation, then by the only beginning that fits.
pub(super) fn find<'a>(spoken: &str, sessions: &'a [SessionInfo]) -> Match<'a> {
    let spoken = spoken.trim();
    let folded = fold(spoken);
    let bare = without_punctuation_words(spoken);
    let levels: [&dyn Fn(&str) -> bool; 4] = [
        &|name| name == spoken,
        &|name| !folded.is_empty() && fold(name) == folded,
        &|name| !bare.is_empty() && without_punctuation_words(name) == bare,
        &|name| {
            !folded.is_empty()
                && (fold(name).starts_with(&folded) || (!bare.is_empty() && fold(name).starts_with(&bare)))
        },
    ];
    for fits in levels {
        let found: Vec<_> = sessions.iter().filter(|session| fits(&session.name)).collect();
        match found[..] {
            [] => {}
            [one] => return Match::One(one),
            _ => return Match::Several(found),
        }
    }
    Match::Nothing
}

/// The server that is meant by "server work" or "work server".
pub(super) fn server(spoken: &str) -> Option<String> {
    let words: Vec<String> = spoken.split_whitespace().map(str::to_lowercase).collect();
    match words.as_slice() {
        [first, rest @ ..] if first == "server" && !rest.is_empty() => Some(rest.join(" ")),
        [rest @ .., last] if last == "server" && !rest.is_empty() => Some(rest.join(" ")),
        _ => None,
    }
}

/// Letters and digits only, in lower case.
pub(super) fn fold(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Folded, without "dot", "dash" and the like, which are said for what is written between words.
fn without_punctuation_words(name: &str) -> String {
    name.split(|character: char| !character.is_alphanumeric())
        .map(fold)
        .filter(|word| !matches!(word.as_str(), "dot" | "dash" | "hyphen" | "underscore"))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::SessionId;

    use super::*;

    #[test]
    fn hostile_names_become_safe_ones() {
        for (wished, name) in [
            ("a.b:c; rm -rf ~ #", Some("a-b-c-rm-rf")),
            ("#(touch /tmp/x)", Some("touch-tmp-x")),
            ("=main", Some("main")),
            ("-t", Some("t")),
            ("build server", Some("build-server")),
            ("日本", Some("日本")),
            ("...", None),
            ("", None),
        ] {
            assert_eq!(safe(wished).as_deref(), name, "{wished:?}");
        }
        assert_eq!(safe(&"x".repeat(500)).map(|name| name.len()), Some(LONGEST));
    }

    fn sessions(names: &[&str]) -> Vec<SessionInfo> {
        let session = |(index, name): (usize, &&str)| SessionInfo {
            id: SessionId(format!("${index}")),
            name: (*name).to_owned(),
            windows: 1,
            program: "bash".into(),
            current: false,
        };
        names.iter().enumerate().map(session).collect()
    }

    fn found(spoken: &str, names: &[&str]) -> Vec<String> {
        let sessions = sessions(names);
        match find(spoken, &sessions) {
            Match::One(one) => vec![one.name.clone()],
            Match::Several(several) => several.iter().map(|session| session.name.clone()).collect(),
            Match::Nothing => vec![],
        }
    }

    #[test]
    fn spoken_names_are_found() {
        let names = ["Build", "build", "web-server", "a_b", "dot-files", "files", "main"];
        assert_eq!(found("build", &names), ["build"]);
        assert_eq!(found("BUILD", &names), ["Build", "build"]);
        assert_eq!(found("web server", &names), ["web-server"]);
        assert_eq!(found("a dot b", &names), ["a_b"]);
        assert_eq!(found("dot files", &names), ["dot-files"]);
        assert_eq!(found("we", &names), ["web-server"]);
        assert_eq!(found("nothing", &names), [""; 0]);
        assert_eq!(found("", &names), [""; 0]);
    }

    #[test]
    fn a_server_is_said_before_or_after_its_name() {
        assert_eq!(server("Server work").as_deref(), Some("work"));
        assert_eq!(server("my own server").as_deref(), Some("my own"));
        assert_eq!(server("server"), None);
        assert_eq!(server("web-server"), None);
    }

    proptest! {
        #[test]
        fn any_name_is_made_safe(wished in any::<String>()) {
            if let Some(name) = safe(&wished) {
                prop_assert!(name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_'));
                prop_assert!(!name.starts_with('-') && !name.is_empty());
                prop_assert_eq!(safe(&name), Some(name));
            }
        }
    }
}

//! Patterns that are compared to one word of a command.

use std::borrow::Cow;

/// A word pattern: `*` stands for any text, `?` for any one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Glob {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Any(Vec<char>),
}

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        let inner = pattern.trim_matches('*');
        if inner.contains(['*', '?']) || inner.is_empty() && !pattern.is_empty() {
            return Self::Any(pattern.chars().collect());
        }
        match (pattern.starts_with('*'), pattern.ends_with('*')) {
            (false, false) => Self::Exact(inner.into()),
            (false, true) => Self::Prefix(inner.into()),
            (true, false) => Self::Suffix(inner.into()),
            (true, true) => Self::Contains(inner.into()),
        }
    }

    pub(super) fn matches(&self, word: &str) -> bool {
        match self {
            Self::Exact(text) => word == text,
            Self::Prefix(text) => word.starts_with(text.as_str()),
            Self::Suffix(text) => word.ends_with(text.as_str()),
            Self::Contains(text) => word.contains(text.as_str()),
            Self::Any(pattern) => any(pattern, word),
        }
    }
}

/// The usual linear matching with one point to come back to.
fn any(pattern: &[char], word: &str) -> bool {
    let word: Vec<char> = word.chars().collect();
    let (mut p, mut w) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while w < word.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, w));
                p += 1;
            }
            Some(&c) if c == '?' || c == word[w] => {
                p += 1;
                w += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    p = after;
                    w = from + 1;
                    retry = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// What a rule looks for in the words of a command. Loose on purpose: an option is found however
/// it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trait {
    /// `-f`, also in `-rf`.
    Letter(char),
    /// `--force`, also `--force=x` and abbreviated as `--for`.
    Long(String),
    /// `=/*`: just this text.
    Literal(String),
    /// `/home/%`: one name in a directory, here with its last slash; `~%`: somebody's home.
    Child(String),
    /// `/%*`: one name in a directory that is a pattern.
    Pattern(String),
    /// Anything else, compared whole.
    Whole(Glob),
}

impl Trait {
    pub(super) fn new(pattern: &str) -> Self {
        if let Some(text) = pattern.strip_prefix('=') {
            return Self::Literal(text.into());
        }
        if let Some(directory) = pattern.strip_suffix('%').filter(|it| it.ends_with(['/', '~'])) {
            return Self::Child(directory.into());
        }
        if let Some(directory) = pattern.strip_suffix("%*").filter(|it| it.ends_with('/')) {
            return Self::Pattern(directory.into());
        }
        let mut chars = pattern.chars();
        match (chars.next(), chars.next(), chars.next()) {
            (Some('-'), Some(letter), None) if letter.is_ascii_alphanumeric() => Self::Letter(letter),
            (Some('-'), Some('-'), Some(_)) if !pattern.contains('*') => Self::Long(pattern.into()),
            _ => Self::Whole(Glob::new(pattern)),
        }
    }

    pub(super) fn matches(&self, word: &str) -> bool {
        match self {
            Self::Letter(letter) => {
                word.starts_with('-') && !word.starts_with("--") && word[1..].contains(*letter)
            }
            Self::Long(option) => {
                let name = word.split('=').next().unwrap_or(word);
                name.len() > 2 && name.starts_with("--") && option.starts_with(name)
            }
            Self::Literal(text) => word == text,
            Self::Child(directory) => {
                let name = word.strip_prefix(directory.as_str());
                name.is_some_and(|name| !name.is_empty() && !name.contains('/'))
            }
            Self::Pattern(directory) => {
                let name = word.strip_prefix(directory.as_str());
                name.is_some_and(|name| name.contains(['*', '?', '[', '{']) && !name.contains('/'))
            }
            Self::Whole(glob) => glob.matches(word),
        }
    }
}

/// A path without the detours that a shell or the system would take out of it: `//`, `/./`, `/x/..`
/// and a last slash.
pub(super) fn tidy_path(word: &str) -> Cow<'_, str> {
    if !word.contains('/') {
        return word.into();
    }
    let rooted = word.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in word.split('/') {
        match part {
            "" | "." => {}
            ".." if rooted && parts.is_empty() => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "~")) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    if rooted { format!("/{path}").into() } else { path.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, word, fits) in [
            ("rm", "rm", true),
            ("rm", "rmdir", false),
            ("mkfs.*", "mkfs.ext4", true),
            ("*.pem", "a/b.pem", true),
            ("*id_rsa*", "x/id_rsa.pub", true),
            ("/home/?", "/home/a", true),
            ("/home/?", "/home/ab", false),
            ("a*b*c", "a--b--b-c", true),
            ("a*b*c", "a--b--b-d", false),
            ("*", "", true),
            ("", "", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(word), fits, "{pattern} {word}");
        }
    }

    #[test]
    fn options_are_found_however_they_are_written() {
        for (pattern, word, fits) in [
            ("-f", "-rf", true),
            ("-f", "--f", false),
            ("-f", "f", false),
            ("--force", "--force=yes", true),
            ("--force", "--for", true),
            ("--force", "--", false),
            ("--force", "--forces", false),
            ("=/*", "/*", true),
            ("=/*", "/x", false),
            ("/home/%", "/home/me", true),
            ("/home/%", "/home/*", true),
            ("/home/%", "/home/me/x", false),
            ("/home/%", "/home/", false),
            ("~%", "~bob", true),
            ("~%", "~/bob", false),
            ("/%*", "/[a-z]*", true),
            ("/%*", "/h?", true),
            ("/%*", "/home", false),
            ("/%*", "/home/*", false),
            ("-delete", "-delete", true),
            ("-delete", "-d", false),
        ] {
            assert_eq!(Trait::new(pattern).matches(word), fits, "{pattern} {word}");
        }
    }

    #[test]
    fn detours_are_taken_out_of_paths() {
        for (path, tidy) in [
            ("//", "/"),
            ("/./", "/"),
            ("/../..", "/"),
            ("/home/../", "/"),
            ("~/", "~"),
            ("~/x/..", "~"),
            ("~/..", "~/.."),
            ("../x", "../x"),
            ("/usr/", "/usr"),
            ("x", "x"),
        ] {
            assert_eq!(tidy_path(path), tidy);
        }
    }
}

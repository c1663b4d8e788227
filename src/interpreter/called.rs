//! What there is, in spoken command lines: after "cd" a directory, after "git switch" a branch.
//!
//! Nobody says the signs in names: "run get checkout feature login" means the branch feature/login, if there is
//! one. The words must be the name but for signs, capitals and numbers as words; nothing is taken for what it
//! only sounds like here.

use super::names;
use crate::domain::{Confidence, Correction, LiveNames};

/// Signs of shells: where one is, the line is more than a name behind a program.
const SIGNS: &str = "|;&<>$`'\"\\(){}*?[]#!=";
/// Programs that go to a directory, or look into one.
const OF_DIRECTORIES: [&str; 4] = ["cd", "pushd", "ls", "tree"];
/// What git does with a branch that there is.
const OF_BRANCHES: [&str; 6] = ["checkout", "switch", "merge", "rebase", "log", "diff"];

/// The line with the name of what is meant, if that is written otherwise than it was said.
pub(super) fn by_name(line: &str, there: &LiveNames) -> Option<(String, Correction)> {
    if line.contains(|c| SIGNS.contains(c)) {
        return None;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let (names, head) = match words.as_slice() {
        [program, ..] if OF_DIRECTORIES.contains(program) => (&there.directories, 1),
        ["git", what, ..] if OF_BRANCHES.contains(what) => (&there.branches, 2),
        _ => return None,
    };
    // Options may mean anything, such as that a branch is to be made.
    let said = words.get(head..).filter(|said| !said.is_empty() && !said[0].starts_with('-'))?.join(" ");
    let (name, _) = names::find(&said, names.iter().map(String::as_str), false)?;
    if name == said && names::quoted(name) == said {
        return None;
    }
    let line = format!("{} {}", words[..head].join(" "), names::quoted(name));
    let correction = Correction { heard: said, taken: name.to_owned(), likeness: Confidence::CERTAIN };
    Some((line, correction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_as_it_is() {
        let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
        let there = LiveNames {
            directories: list(&["src", "my app", "web-2"]),
            branches: list(&["main", "feature/login"]),
            ..LiveNames::default()
        };
        let written = |line: &str| by_name(line, &there).map(|(line, _)| line);
        assert_eq!(written("cd my app").as_deref(), Some("cd 'my app'"));
        assert_eq!(written("cd web two").as_deref(), Some("cd web-2"));
        assert_eq!(written("git checkout feature login").as_deref(), Some("git checkout feature/login"));
        for same in [
            "cd src",
            "cd elsewhere",
            "git checkout main",
            "git checkout -b feature login",
            "cd my app && ls",
            "echo my app",
            "rm my app",
            "cd",
            "",
        ] {
            assert_eq!(written(same), None, "{same}");
        }
    }
}

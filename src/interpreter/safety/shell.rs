//! A command line taken apart as a shell would: into simple commands, with their words after
//! quotes and escapes, and with everything that is hidden in substitutions.
//!
//! It takes apart, it does not evaluate. Whatever it does not follow (functions, loops, arithmetic,
//! here-documents, an open quote) becomes a [`Puzzle`], and a line with a puzzle is never judged
//! harmless. Where bash, zsh and fish differ, the more dangerous reading is taken: what bash takes for a
//! remark (`# …`) is a command to zsh, so it is split like one. Where that can't be told (quotes in
//! backticks, `\x65`, `!"`), the line is a puzzle too.
//!
//! The time is linear in the length of the line; nesting is bounded.

mod expansion;
mod splitter;

use splitter::Splitter;

use crate::domain::Aliases;

/// A command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// Every simple command in it, those in substitutions too.
    pub(super) commands: Vec<Simple>,
    /// The first alias in it.
    pub(super) alias: Option<StandsFor>,
    /// An alias was put in where it may not be one.
    pub(super) is_doubtful: bool,
    /// What was not followed.
    pub(super) puzzles: Vec<Puzzle>,
}

/// One simple command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Simple {
    /// The variables that are set before it.
    pub(super) assignments: Vec<Assignment>,
    /// Its name and arguments.
    pub(super) words: Vec<Word>,
    /// What it reads and writes.
    pub(super) redirects: Vec<Redirect>,
    /// Whether the command before it feeds it.
    pub(super) fed: bool,
    /// What is fed to it as text: `<<< word`.
    pub(super) fed_words: Vec<Word>,
    /// Whether it ended in `&`.
    pub(super) background: bool,
    /// The alias, as it was typed, that it comes from.
    pub(super) alias: Option<StandsFor>,
}

/// A variable that is set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    /// With its name.
    pub(super) word: Word,
}

/// An alias and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StandsFor {
    pub(super) name: String,
    pub(super) text: String,
}

impl Simple {
    fn is_empty(&self) -> bool {
        self.assignments.is_empty()
            && self.words.is_empty()
            && self.redirects.is_empty()
            && self.fed_words.is_empty()
    }
}

/// One word, as the command would get it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// The text; `$HOME` is written `~`, any other expansion as it stands.
    pub(super) text: String,
    /// Part of it is only known when it runs: substitutions, unknown variables, braces.
    pub(super) dynamic: bool,
    /// It has `*`, `?` or `[`, which become names of files.
    pub(super) glob: bool,
    /// The variables in it.
    pub(super) variables: Vec<String>,
    /// How much of the text came before any quote.
    unquoted: Option<usize>,
}

/// A redirection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    /// Whether it writes; else it reads.
    pub(super) writes: bool,
    /// From or to where.
    pub(super) target: Word,
}

/// Something that was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Puzzle {
    /// A quote, bracket or escape stays open.
    Unfinished,
    /// `!` or `^`: history expansion.
    History,
    /// Subshells, functions, loops and the like.
    Compound,
    /// An expansion that is more than a name.
    Expansion,
    /// `<<`.
    HereDocument,
    /// `#`.
    Comment,
    /// Escapes and quotes that shells read differently: `'\'`, `\x65`.
    Quoting,
    /// Aliases that were not followed.
    Alias,
}

/// Words that are grammar where a command begins.
const RESERVED: [&str; 23] = [
    "!", "{", "}", "[[", "]]", "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done",
    "case", "esac", "function", "select", "in", "foreach", "repeat", "end",
];

impl Script {
    /// As it stands.
    pub(super) fn parse(line: &str) -> Self {
        Self::expand(line, &Aliases::default())
    }

    /// With what its aliases stand for.
    pub(super) fn expand(line: &str, aliases: &Aliases) -> Self {
        let mut splitter = Splitter::new(line, aliases, 0);
        if splitter.peek() == Some('^') {
            splitter.puzzle(Puzzle::History);
        }
        if aliases.unclear {
            splitter.puzzle(Puzzle::Alias);
        }
        splitter.list(None);
        splitter.script
    }
}

impl Word {
    /// A word without anything special in it.
    pub(super) fn plain(text: &str) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    fn quote(&mut self) {
        self.unquoted.get_or_insert(self.text.len());
    }

    /// Known as it stands, and written without quotes.
    fn is_bare(&self) -> bool {
        self.unquoted.is_none() && !self.dynamic && self.variables.is_empty()
    }

    fn is_reserved(&self) -> bool {
        self.unquoted.is_none() && RESERVED.contains(&self.text.as_str())
    }

    fn expand(&mut self, name: String) {
        if name == "HOME" {
            self.text.push('~');
        } else {
            self.text.push('$');
            self.text.push_str(&name);
        }
        self.variables.push(name);
    }

    /// The name in `NAME=value`.
    fn assigned(&self) -> Option<&str> {
        let (name, _) = self.text.split_once('=')?;
        let name = name.strip_suffix('+').unwrap_or(name);
        let is_plain = self.unquoted.is_none_or(|length| length > name.len());
        let base = name.split('[').next().unwrap_or(name);
        let is_name = base.chars().next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
            && base.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        (is_plain && is_name).then_some(name)
    }
}

/// Whether shells look for functions and aliases behind this word.
pub(super) fn comes_before_commands(word: &Word) -> bool {
    word.is_bare() && expansion::BEFORE_COMMANDS.contains(&word.text.as_str())
}

/// Whether a line defines a function that starts itself more than once: `:(){ :|:& };:`.
pub(super) fn is_fork_bomb(line: &str) -> bool {
    let dense: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    dense.match_indices("(){").take(8).any(|(at, _)| {
        let before = &dense[..at];
        let start = before.rfind([';', '&', '|', '{', '\'', '"']).map_or(0, |sign| sign + 1);
        let name = &before[start..];
        let name = name.strip_prefix("function").unwrap_or(name);
        let body = &dense[at + 3..];
        !name.is_empty()
            && (body.contains(&format!("{name}|{name}")) || body.contains(&format!("{name}&{name}")))
    })
}

#[cfg(test)]
mod tests;

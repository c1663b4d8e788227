//! Command lines that take back what another one did.
//!
//! Which ones do is data, like the rest of the rules. Only a line that is one command of plain words is looked
//! up: of a pattern, a variable or an option nobody knows any more what it stood for when it ran. What comes out
//! is a line like any other, and is judged and asked about like one.

use serde::Deserialize;

use super::data::FILE;
use super::line::is_plain;
use super::shell::{Script, Word};
use crate::domain::Aliases;
use crate::interpreter::GrammarError;

/// A rule as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InverseData {
    line: String,
    undo: String,
}

/// What takes lines of one kind back.
#[derive(Debug)]
pub(super) struct Inverse {
    line: Vec<Piece>,
    undo: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Word(String),
    /// `{word}`: one word.
    One,
    /// `{words}`: one word or more, the last of the line.
    Many,
}

impl InverseData {
    pub(super) fn check(&self) -> Result<Inverse, GrammarError> {
        let bad = |what: &str| GrammarError::new(FILE, format!("`{}` {what}", self.line));
        let (line, undo) = (pieces(&self.line), pieces(&self.undo));
        let slots = |pieces: &[Piece]| {
            let slots = pieces.iter().filter(|piece| !matches!(piece, Piece::Word(_)));
            slots.cloned().collect::<Vec<_>>()
        };
        if !matches!(line.first(), Some(Piece::Word(_))) || undo.is_empty() {
            return Err(bad("must begin with a word, and be undone by something"));
        }
        if slots(&line).len() > 1 || line.iter().rev().skip(1).any(|piece| *piece == Piece::Many) {
            return Err(bad("can have one slot, and {words} only at its end"));
        }
        if slots(&undo).iter().any(|slot| !slots(&line).contains(slot)) {
            return Err(bad("is undone with a slot that it doesn't have"));
        }
        Ok(Inverse { line, undo })
    }
}

fn pieces(text: &str) -> Vec<Piece> {
    let piece = |word: &str| match word {
        "{word}" => Piece::One,
        "{words}" => Piece::Many,
        word => Piece::Word(word.to_owned()),
    };
    text.split_whitespace().map(piece).collect()
}

impl Inverse {
    /// The line that takes these words back, if this rule is about them.
    fn of(&self, words: &[Word]) -> Option<String> {
        let many = self.line.last() == Some(&Piece::Many);
        let fits = if many { words.len() >= self.line.len() } else { words.len() == self.line.len() };
        if !fits {
            return None;
        }
        let mut filling: &[Word] = &[];
        for (at, piece) in self.line.iter().enumerate() {
            match piece {
                Piece::Word(word) if words[at].text == *word => {}
                Piece::Word(_) => return None,
                Piece::One => filling = &words[at..=at],
                Piece::Many => filling = &words[at..],
            }
        }
        if filling.iter().any(|word| word.text.starts_with('-')) {
            return None;
        }
        let mut undo: Vec<&str> = Vec::new();
        for piece in &self.undo {
            match piece {
                Piece::Word(word) => undo.push(word),
                Piece::One | Piece::Many => {
                    for word in filling {
                        undo.push(plain(word)?);
                    }
                }
            }
        }
        Some(undo.join(" "))
    }
}

/// The line that takes a line back, by the first rule that is about it, or about what its alias stands for.
pub(super) fn inverse(rules: &[Inverse], line: &str, aliases: &Aliases) -> Option<String> {
    let script = Script::expand(line, aliases);
    let [command] = script.commands.as_slice() else { return None };
    if !script.puzzles.is_empty() || !is_plain(command) {
        return None;
    }
    if script.is_doubtful || aliases.functions.contains(&command.words[0].text) {
        return None;
    }
    let (rights, words) = match command.words.as_slice() {
        [sudo, rest @ ..] if sudo.text == "sudo" => ("sudo ", rest),
        words => ("", words),
    };
    let undo = rules.iter().find_map(|rule| rule.of(words))?;
    Some(format!("{rights}{undo}"))
}

/// A word that needs no quotes.
fn plain(word: &Word) -> Option<&str> {
    let is_plain = |c: char| c.is_alphanumeric() || "_@%+=:,./~-".contains(c);
    (!word.glob && !word.text.is_empty() && word.text.chars().all(is_plain)).then_some(&word.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &[(&str, &str)]) -> Result<Vec<Inverse>, GrammarError> {
        let data = |(line, undo): &(&str, &str)| InverseData { line: (*line).into(), undo: (*undo).into() };
        rules.iter().map(|rule| data(rule).check()).collect()
    }

    #[test]
    fn a_rule_is_about_all_words_of_a_plain_line() {
        let rules = rules(&[
            ("git add {words}", "git restore --staged {words}"),
            ("git stash", "git stash pop"),
            ("mkdir {word}", "rmdir {word}"),
            ("git commit -m {word}", "git reset --soft HEAD~1"),
        ])
        .unwrap();
        let undo = |line: &str| inverse(&rules, line, &Aliases::default());
        assert_eq!(undo("git add a.rs src/b.rs").as_deref(), Some("git restore --staged a.rs src/b.rs"));
        assert_eq!(undo("git stash").as_deref(), Some("git stash pop"));
        assert_eq!(undo("sudo mkdir /opt/x").as_deref(), Some("sudo rmdir /opt/x"));
        assert_eq!(undo("git commit -m 'Mend it; all of it'").as_deref(), Some("git reset --soft HEAD~1"));
        for other in [
            "git add",
            "git add -A",
            "git add *.rs",
            "git add $FILES",
            "git add 'a b'",
            "git add a; ls",
            "git stash list",
            "mkdir a b",
            "mkdir -p a",
            "mkdir 'a b'",
            "A=1 git stash",
            "git add `ls`",
            "git stash &",
            "git stash > log",
            "",
            "{word}",
        ] {
            assert_eq!(undo(other), None, "{other}");
        }
    }

    #[test]
    fn a_rule_that_can_not_be_meant_is_an_error() {
        for bad in
            [("{word} x", "y"), ("a {words} b", "c"), ("a {word} {word}", "b"), ("a", "b {word}"), ("a", "")]
        {
            assert!(rules(&[bad]).is_err(), "{bad:?}");
        }
    }
}

//! The splitter itself: one pass over the characters of a line.

use super::expansion::Expansion;
use super::{Assignment, Puzzle, Redirect, Script, Simple, Word};
use crate::domain::Aliases;

/// How deep substitutions may lie in each other.
const DEEPEST: usize = 16;

pub(super) struct Splitter<'a> {
    pub(super) chars: Vec<char>,
    pub(super) at: usize,
    depth: usize,
    pub(super) script: Script,
    pub(super) current: Simple,
    pub(super) expansion: Expansion<'a>,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(text: &str, aliases: &'a Aliases, depth: usize) -> Self {
        Self {
            expansion: Expansion::new(aliases),
            chars: text.chars().collect(),
            at: 0,
            depth,
            script: Script::default(),
            current: Simple::default(),
        }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn ahead(&self, by: usize) -> Option<char> {
        self.chars.get(self.at + by).copied()
    }

    fn eat(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    pub(super) fn puzzle(&mut self, puzzle: Puzzle) {
        if !self.script.puzzles.contains(&puzzle) {
            self.script.puzzles.push(puzzle);
        }
    }

    /// Ends the current simple command.
    fn finish(&mut self, feeds: bool) {
        let mut command = std::mem::take(&mut self.current);
        let mut reserved = 0;
        while command.words.get(reserved).is_some_and(Word::is_reserved) {
            reserved += 1;
        }
        if reserved > 0 {
            self.puzzle(Puzzle::Compound);
            command.words.drain(..reserved);
        }
        if !command.is_empty() {
            self.script.commands.push(command);
        }
        self.current.fed = feeds;
        self.current.alias = self.alias_around();
    }

    /// Commands up to the end, or up to an unquoted `close`, which is eaten.
    pub(super) fn list(&mut self, close: Option<char>) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' => self.at += 1,
                ')' if close == Some(')') => {
                    self.at += 1;
                    self.finish(false);
                    return;
                }
                '\n' | '\r' | ';' => {
                    self.at += 1;
                    self.finish(false);
                }
                '&' => self.ampersand(),
                '|' => {
                    self.at += 1;
                    let or = self.eat('|');
                    self.eat('&');
                    self.finish(!or);
                }
                '(' => {
                    self.at += 1;
                    self.puzzle(Puzzle::Compound);
                    self.finish(false);
                    self.nested(')');
                }
                ')' => {
                    self.at += 1;
                    self.puzzle(Puzzle::Compound);
                    self.finish(false);
                }
                '<' | '>' => self.redirect(),
                '#' => {
                    self.at += 1;
                    self.puzzle(Puzzle::Comment);
                    self.finish(false);
                }
                _ => self.plain_word(),
            }
        }
        self.finish(false);
        if close.is_some() {
            self.puzzle(Puzzle::Unfinished);
        }
    }

    fn ampersand(&mut self) {
        self.at += 1;
        if self.eat('&') {
            self.finish(false);
        } else if self.peek() == Some('>') {
            self.redirect();
        } else {
            self.current.background = true;
            self.finish(false);
        }
    }

    /// The commands of a substitution, whose opening bracket has been eaten. The command around it
    /// goes on afterwards.
    fn nested(&mut self, close: char) {
        if self.depth >= DEEPEST {
            self.puzzle(Puzzle::Compound);
            self.at = self.chars.len();
            return;
        }
        let outer = std::mem::take(&mut self.current);
        self.current.alias = self.alias_around();
        self.depth += 1;
        self.list(Some(close));
        self.depth -= 1;
        self.current = outer;
    }

    fn redirect(&mut self) {
        let writes = self.peek() == Some('>');
        self.at += 1;
        if self.eat('(') {
            // Process substitution: a word that names a pipe.
            self.nested(')');
            self.current.words.push(Word { dynamic: true, ..Word::default() });
            return;
        }
        if !writes && self.eat('<') {
            // `<<<` feeds one word, `<<` waits for lines.
            if !self.eat('<') {
                self.puzzle(Puzzle::HereDocument);
            }
            self.eat('-');
            self.blanks();
            let fed = self.word();
            self.current.fed_words.push(fed);
            return;
        }
        let reads_too = !writes && self.eat('>');
        let _ = self.eat('>') || self.eat('|') || self.eat('!');
        let duplicates = self.eat('&');
        self.blanks();
        let target = self.word();
        if self.is_global(&target) {
            self.puzzle(Puzzle::Alias);
        }
        if target.text.is_empty() && !target.dynamic {
            self.puzzle(Puzzle::Unfinished);
            return;
        }
        let is_descriptor =
            target.text == "-" || target.text.trim_end_matches('-').bytes().all(|b| b.is_ascii_digit());
        if !(duplicates && is_descriptor && !target.dynamic) {
            self.current.redirects.push(Redirect { writes: writes || reads_too, target });
        }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
    }

    fn plain_word(&mut self) {
        let start = self.at;
        let mut word = Word::default();
        // `\ls` is no alias, and what another shell may make of it is no program.
        if self.current.words.is_empty()
            && self.peek() == Some('\\')
            && let Some(letter) = self.ahead(1).filter(char::is_ascii_alphabetic)
        {
            self.at += 2;
            word.quote();
            word.text.push(letter);
        }
        let word = self.rest_of(word);
        if self.expanded(&word, start) {
            return;
        }
        let before_redirect = matches!(self.peek(), Some('<' | '>'));
        if before_redirect && !word.text.is_empty() && word.text.bytes().all(|b| b.is_ascii_digit()) {
            return;
        }
        if self.current.words.is_empty()
            && let Some(name) = word.assigned().map(str::to_owned)
        {
            self.current.assignments.push(Assignment { name, word });
            return;
        }
        // To fish `{ a, b }` is an expansion where it isn't a command.
        if word.text == "{" && self.current.words.first().is_some_and(|first| !first.is_reserved()) {
            self.puzzle(Puzzle::Expansion);
        }
        self.current.words.push(word);
    }

    /// One word up to an unquoted blank or operator.
    fn word(&mut self) -> Word {
        self.rest_of(Word::default())
    }

    fn rest_of(&mut self, mut word: Word) -> Word {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\\' => {
                    self.at += 1;
                    word.quote();
                    match self.peek() {
                        Some('\n') => {}
                        Some(next) => {
                            // To fish `\x65` is an `e`.
                            if next.is_ascii_alphanumeric() {
                                self.puzzle(Puzzle::Quoting);
                            }
                            word.text.push(next);
                        }
                        None => self.puzzle(Puzzle::Unfinished),
                    }
                    self.at += 1;
                }
                '\'' => {
                    self.at += 1;
                    word.quote();
                    self.single_quoted(&mut word);
                }
                '"' => {
                    self.at += 1;
                    word.quote();
                    self.double_quoted(&mut word);
                }
                '$' => self.dollar(&mut word, false),
                '`' => self.backtick(&mut word),
                '!' => self.bang(&mut word),
                '*' | '?' | '[' => {
                    self.at += 1;
                    word.glob = true;
                    word.text.push(c);
                }
                '{' => {
                    self.at += 1;
                    word.dynamic |= !word.text.is_empty() || !matches!(self.peek(), None | Some(' ' | '\t'));
                    word.text.push(c);
                }
                _ => {
                    // To fish any blank parts words.
                    if c.is_whitespace() {
                        self.puzzle(Puzzle::Quoting);
                    }
                    self.at += 1;
                    word.text.push(c);
                }
            }
        }
        self.at = self.at.min(self.chars.len());
        word
    }

    fn single_quoted(&mut self, word: &mut Word) {
        while let Some(c) = self.peek() {
            self.at += 1;
            if c == '\'' {
                return;
            }
            if c == '\\' && matches!(self.peek(), Some('\'' | '\\')) {
                self.puzzle(Puzzle::Quoting);
            }
            word.text.push(c);
        }
        self.puzzle(Puzzle::Unfinished);
    }

    fn double_quoted(&mut self, word: &mut Word) {
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => self.at += 1,
                        Some(next @ ('$' | '`' | '"' | '\\')) => {
                            // fish keeps the backslash.
                            if next == '`' {
                                self.puzzle(Puzzle::Quoting);
                            }
                            word.text.push(next);
                            self.at += 1;
                        }
                        Some(_) => word.text.push('\\'),
                        None => {}
                    }
                }
                '$' => self.dollar(word, true),
                '`' => self.backtick(word),
                '!' => self.bang(word),
                _ => {
                    self.at += 1;
                    word.text.push(c);
                }
            }
        }
        self.puzzle(Puzzle::Unfinished);
    }

    /// Before a quote too: zsh takes the first `!"` out of a line, and what follows turns inside out.
    fn bang(&mut self, word: &mut Word) {
        self.at += 1;
        word.text.push('!');
        if self.peek().is_some_and(|next| next != '=' && !next.is_whitespace()) {
            self.puzzle(Puzzle::History);
        }
    }

    /// An expansion; `$` is what comes next.
    fn dollar(&mut self, word: &mut Word, quoted: bool) {
        self.at += 1;
        match self.peek() {
            Some('(') if self.ahead(1) == Some('(') => {
                self.puzzle(Puzzle::Expansion);
                self.at += 1;
                word.dynamic = true;
                self.nested(')');
            }
            Some('(') => {
                self.at += 1;
                word.dynamic = true;
                self.nested(')');
            }
            Some('{') => self.braced(word),
            Some('\'') if !quoted => {
                self.puzzle(Puzzle::Expansion);
                self.at += 1;
                word.dynamic = true;
                word.quote();
                while let Some(c) = self.peek() {
                    self.at += if c == '\\' { 2 } else { 1 };
                    if c == '\'' {
                        return;
                    }
                }
                self.puzzle(Puzzle::Unfinished);
            }
            Some('"') if !quoted => {}
            Some('[') => {
                self.puzzle(Puzzle::Expansion);
                word.dynamic = true;
            }
            Some(c) if c == '_' || c.is_ascii_alphabetic() => {
                let mut name = String::new();
                while let Some(c) = self.peek().filter(|&c| c == '_' || c.is_ascii_alphanumeric()) {
                    name.push(c);
                    self.at += 1;
                }
                word.expand(name);
            }
            // zsh: the value, split or taken for a pattern.
            Some('=' | '~' | '^' | '+') => {
                self.puzzle(Puzzle::Expansion);
                word.dynamic = true;
                word.text.push('$');
            }
            Some('!') => {
                word.text.push('$');
                self.bang(word);
            }
            // fish: the value of the variable that it names.
            Some('$') if self.ahead(1).is_some_and(|c| c == '_' || c == '$' || c.is_ascii_alphabetic()) => {
                self.puzzle(Puzzle::Expansion);
                self.at += 1;
                word.dynamic = true;
            }
            Some(c @ ('?' | '$' | '#')) => {
                self.at += 1;
                word.text.push('$');
                word.text.push(c);
            }
            Some('@' | '-' | '*' | '0'..='9') => {
                self.at += 1;
                word.dynamic = true;
            }
            _ => word.text.push('$'),
        }
    }

    /// `${…}`; the brace is what comes next.
    fn braced(&mut self, word: &mut Word) {
        self.at += 1;
        let start = self.at;
        while self.peek().is_some_and(|c| c != '}') {
            self.at += 1;
        }
        let inner: String = self.chars[start..self.at].iter().collect();
        if !self.eat('}') {
            self.puzzle(Puzzle::Unfinished);
        }
        let is_name = inner.chars().next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
            && inner.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        if is_name {
            word.expand(inner);
            return;
        }
        self.puzzle(Puzzle::Expansion);
        word.dynamic = true;
        self.inside(&inner);
    }

    fn backtick(&mut self, word: &mut Word) {
        self.at += 1;
        word.dynamic = true;
        let mut inner = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '`' => {
                    self.inside(&inner);
                    return;
                }
                // To fish a backtick is a character like others, so that quotes in it are quotes around it.
                '"' | '\'' => {
                    self.puzzle(Puzzle::Quoting);
                    inner.push(c);
                }
                '\\' => {
                    self.puzzle(Puzzle::Quoting);
                    if let Some(next) = self.peek() {
                        if !matches!(next, '`' | '\\' | '$') {
                            inner.push('\\');
                        }
                        inner.push(next);
                        self.at += 1;
                    }
                }
                _ => inner.push(c),
            }
        }
        self.puzzle(Puzzle::Unfinished);
        self.inside(&inner);
    }

    /// Takes text apart that a substitution holds.
    fn inside(&mut self, text: &str) {
        if self.depth >= DEEPEST {
            self.puzzle(Puzzle::Compound);
            return;
        }
        let mut splitter = Splitter::new(text, self.expansion.aliases(), self.depth + 1);
        splitter.expansion.take_over(&self.expansion);
        splitter.list(None);
        self.expansion.count(&splitter.expansion);
        self.script.is_doubtful |= splitter.script.is_doubtful;
        self.script.alias = self.script.alias.take().or(splitter.script.alias);
        self.script.commands.append(&mut splitter.script.commands);
        for puzzle in splitter.script.puzzles {
            self.puzzle(puzzle);
        }
    }
}

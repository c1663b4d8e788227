//! The line that is being typed in a pane, as far as it is known.

use super::{Intent, Key, KeyPress, Target};

/// Who gets a line that is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineTaker {
    /// A shell, or whoever passes lines on to one; or nobody knows.
    #[default]
    Shell,
    /// A program that reads lines. What it leaves is for the shell behind it.
    Program,
    /// A program that reads every key.
    Keys,
}

/// What keys meet now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtPrompt {
    /// Where they go.
    pub target: Target,
    /// Who would get a line.
    pub taker: LineTaker,
    /// The line, if the shell tells it.
    pub line: Option<String>,
}

/// A line that was not entered yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypedLine {
    /// Its text.
    pub text: String,
    /// Escape was pressed on it: to a shell, keys that follow may be other keys.
    pub escaped: bool,
    /// Keys have changed it elsewhere than at its end, or called up another: its text may not be all of it.
    pub unknown: bool,
}

/// The lines that a key may meet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Typed {
    /// Who would get them.
    pub taker: LineTaker,
    /// Those of which one is typed where keys go.
    pub lines: Vec<TypedLine>,
    /// Those in other panes.
    pub elsewhere: Vec<TypedLine>,
}

impl TypedLine {
    /// What is longer is not looked at any more.
    const MOST: usize = 16 * 1024;

    /// Text was put in at its end.
    pub fn insert(&mut self, text: &str) {
        if self.text.len() < Self::MOST {
            self.text.push_str(text);
        }
    }

    /// The text at its end was taken back.
    pub fn erase(&mut self, text: &str) {
        if let Some(before) = self.text.strip_suffix(text) {
            self.text.truncate(before.len());
        }
    }

    /// A key was pressed.
    pub fn press(&mut self, press: &KeyPress) {
        let is_plain = !press.control && !press.alt && !self.escaped;
        match press.key {
            _ if press.enters() || press.is_interrupt() => *self = Self::default(),
            Key::Escape => self.escaped = true,
            Key::Char(character) if is_plain => {
                self.insert(&character.to_string().repeat(press.times.into()));
            }
            Key::Space if is_plain => self.insert(&" ".repeat(press.times.into())),
            Key::Backspace if is_plain => {
                for _ in 0..press.times {
                    self.text.pop();
                }
            }
            // What is completed has no brackets that weren't there.
            Key::Tab => {}
            _ => self.unknown = true,
        }
    }
}

impl Typed {
    /// Whether keys meet a shell to which they may be other keys.
    pub fn is_escaped(&self) -> bool {
        self.taker != LineTaker::Keys && self.lines.iter().any(|line| line.escaped)
    }

    /// What is typed after one of several steps.
    pub fn follow(&mut self, step: &Intent) {
        if self.lines.is_empty() {
            self.lines.push(TypedLine::default());
        }
        match step {
            Intent::Type { text } => self.lines.iter_mut().for_each(|line| line.insert(text)),
            Intent::Press { press } => self.lines.iter_mut().for_each(|line| line.press(press)),
            Intent::Run { .. } => self.taker = LineTaker::Shell,
            // It may go to any other pane.
            _ => {
                self.taker = LineTaker::Shell;
                self.lines.append(&mut self.elsewhere);
                self.lines.push(TypedLine::default());
            }
        }
    }
}

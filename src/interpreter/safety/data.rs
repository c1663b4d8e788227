//! The safety rules as data, checked and made ready for use.

mod document;

use std::collections::HashSet;

use document::Document;
use serde::Deserialize;

use super::inverse::Inverse;
use super::pattern::{Glob, Trait, tidy_path};
use super::shell::Word;
use crate::domain::{Key, KeyPress, TypedLine};
use crate::interpreter::GrammarError;

pub(super) const FILE: &str = "safety.toml";

/// More arguments than this are not looked through one by one; the line is asked about.
const MOST_ARGUMENTS: usize = 256;

/// The rules, ready for use.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) allow: Vec<Allow>,
    pub(super) refuse: Vec<Danger>,
    pub(super) confirm: Vec<Danger>,
    pub(super) wrappers: Vec<Wrapper>,
    pub(super) shells: Shells,
    pub(super) keys: Keys,
    pub(super) inverses: Vec<Inverse>,
    pub(super) sentences: Sentences,
    pub(super) devices: Vec<Glob>,
    secrets: Vec<Glob>,
    variables: HashSet<String>,
    pub(super) settings: HashSet<String>,
}

/// Names of commands.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashSet<String>,
    globs: Vec<Glob>,
}

/// What runs without asking.
#[derive(Debug)]
pub(super) struct Allow {
    names: Names,
    first: Vec<Glob>,
    only: Option<Vec<Glob>>,
    except: Vec<Trait>,
    reads: bool,
    needs_word: bool,
    patterns: Patterns,
}

/// Which patterns of names of files may be among the words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Patterns {
    /// Those that can't become an option.
    #[default]
    Careful,
    /// All of them: no option does harm.
    Any,
    /// None of them, whatever a file may be called.
    None,
}

/// What is asked first, or not done at all.
#[derive(Debug)]
pub(super) struct Danger {
    names: Names,
    words: Vec<Vec<Trait>>,
    pub(super) grave: bool,
    pub(super) sentence: String,
}

/// A command that runs the command in its arguments.
#[derive(Debug)]
pub(super) struct Wrapper {
    pub(super) names: Names,
    pub(super) transparent: bool,
    /// Some of its words may be command lines.
    pub(super) takes_lines: bool,
    pub(super) consequence: String,
}

/// Commands that take commands as text.
#[derive(Debug)]
pub(super) struct Shells {
    pub(super) names: Names,
    pub(super) consequence: String,
    pub(super) evaluators: Names,
    pub(super) evaluators_consequence: String,
    pub(super) interpreters: Names,
    pub(super) downloaders: Names,
    pub(super) download_consequence: String,
    pub(super) feed_consequence: String,
}

/// What keys do. With control or alt held, a key is asked about unless it is known.
#[derive(Debug)]
pub(super) struct Keys {
    harmless: Vec<KeyPress>,
    always: Vec<KeyPress>,
    pub(super) rules: Vec<KeyRule>,
}

/// A key that is asked about, whatever is held beside it.
#[derive(Debug)]
pub(super) struct KeyRule {
    presses: Vec<KeyPress>,
    /// Only if one of these is in the line that is typed; if there is none of them, always.
    holds: Vec<String>,
    pub(super) consequence: String,
}

/// The words in which verdicts are given; `{}` is where a name goes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sentences {
    pub(super) unknown: String,
    pub(super) kill_session: String,
    pub(super) close_window: String,
    pub(super) close_pane: String,
    pub(super) doubtful: String,
    pub(super) doubtful_refused: String,
    pub(super) degraded: String,
    pub(super) degraded_refused: String,
    pub(super) control_characters: String,
    pub(super) redacted: String,
    pub(super) fork_bomb: String,
    pub(super) device: String,
    pub(super) writes: String,
    pub(super) made_by_ai: String,
    pub(super) secret: String,
    pub(super) variable: String,
    pub(super) dynamic: String,
    pub(super) program_dynamic: String,
    pub(super) assignment: String,
    pub(super) unfinished: String,
    pub(super) history: String,
    pub(super) compound: String,
    pub(super) expansion: String,
    pub(super) here_document: String,
    pub(super) comment: String,
    pub(super) quoting: String,
    pub(super) alias: String,
    pub(super) aliases: String,
    pub(super) function: String,
    pub(super) key: String,
    pub(super) key_after_escape: String,
    pub(super) typed: String,
}

/// Why a command that is known to be harmless isn't, this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doubt {
    Secret(String),
    Variable(String),
    Dynamic,
}

/// What the rules for harmless commands say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Harmless {
    Yes,
    Doubtful(Doubt),
    Unlisted,
}

impl Names {
    fn new(names: &[String]) -> Self {
        let (globs, exact): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| name.contains('*'));
        Self {
            exact: exact.into_iter().cloned().collect(),
            globs: globs.into_iter().map(|it| Glob::new(it)).collect(),
        }
    }

    pub(super) fn contain(&self, name: &str) -> bool {
        self.exact.contains(name) || self.globs.iter().any(|glob| glob.matches(name))
    }
}

impl Allow {
    /// Names that this rule is about.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    fn judge(&self, words: &[Word], rules: &Rules) -> Harmless {
        let [name, arguments @ ..] = words else { return Harmless::Unlisted };
        if name.dynamic || name.glob || !self.names.contain(&name.text) {
            return Harmless::Unlisted;
        }
        let arguments = if self.first.is_empty() {
            arguments
        } else {
            let [first, rest @ ..] = arguments else { return Harmless::Unlisted };
            let meant = self.first.iter().any(|glob| glob.matches(&first.text));
            if first.dynamic || first.glob || !meant {
                return Harmless::Unlisted;
            }
            rest
        };
        if self.needs_word && arguments.is_empty() {
            return Harmless::Unlisted;
        }
        let looked_through = self.reads || self.only.is_some() || !self.except.is_empty();
        if looked_through && arguments.len() > MOST_ARGUMENTS {
            return Harmless::Doubtful(Doubt::Dynamic);
        }
        for word in arguments {
            let is_meant = |only: &Vec<Glob>| only.iter().any(|glob| glob.matches(&word.text));
            let tidy = tidy_path(&word.text);
            let is_excepted = |it: &Trait| it.matches(&word.text) || it.matches(&tidy);
            if !self.only.as_ref().is_none_or(is_meant) || self.except.iter().any(is_excepted) {
                return Harmless::Unlisted;
            }
            if let Some(variable) = rules.unknown_variable(word) {
                return Harmless::Doubtful(Doubt::Variable(variable.to_owned()));
            }
            let may_be_anything = word.dynamic
                || word.has_varying()
                || match self.patterns {
                    Patterns::Any => false,
                    Patterns::Careful => word.may_become_an_option(),
                    Patterns::None => word.glob,
                };
            if looked_through && may_be_anything {
                return Harmless::Doubtful(Doubt::Dynamic);
            }
            if self.reads && rules.is_secret(word) {
                return Harmless::Doubtful(Doubt::Secret(word.text.clone()));
            }
        }
        Harmless::Yes
    }
}

impl Word {
    /// A variable may be empty, or several words: to `-del${PAGER}ete` it makes no difference that nobody sees it.
    /// Only folders that are surely there are as good as text, at the beginning.
    fn has_varying(&self) -> bool {
        let begins_with = |folder: &str| {
            self.text.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self.variables.as_slice() {
            [] => false,
            [name] => !(name == "HOME" && begins_with("~") || name == "PWD" && begins_with("$PWD")),
            _ => true,
        }
    }

    /// A pattern without fixed beginning may become the name of a file that looks like an option.
    fn may_become_an_option(&self) -> bool {
        self.glob && self.text.starts_with(['*', '?', '[', '-'])
    }
}

impl Danger {
    fn fits(&self, words: &[Word]) -> bool {
        let [name, arguments @ ..] = words else { return false };
        self.names.contain(base_name(&name.text))
            && self.words.iter().all(|group| {
                arguments.iter().any(|word| {
                    let tidy = tidy_path(&word.text);
                    group.iter().any(|it| it.matches(&word.text) || it.matches(&tidy))
                })
            })
    }
}

impl Keys {
    /// Whether it is pressed even where it isn't certain that it was meant.
    pub(super) fn is_always(&self, press: &KeyPress) -> bool {
        self.always.iter().any(|it| is_same(it, press))
    }

    /// Whether it is known to do nothing but move about and edit the line, with alt held or not.
    pub(super) fn is_harmless(&self, press: &KeyPress, alt: bool) -> bool {
        let press = KeyPress { alt, ..press.clone() };
        let mut known = self.always.iter().chain(&self.harmless);
        !(press.control || alt) || known.any(|it| is_same(it, &press))
    }
}

impl KeyRule {
    /// Whether it is about a key that is pressed while these lines are typed.
    pub(super) fn fits(&self, press: &KeyPress, lines: &[TypedLine]) -> bool {
        let holds = |line: &TypedLine| self.holds.iter().any(|text| line.text.contains(text.as_str()));
        let held = |line: &TypedLine| line.unknown || holds(line);
        // Alt makes no key safer, nor does control one that has a name.
        let is_key = |it: &KeyPress| {
            let control = if matches!(it.key, Key::Char(_)) { press.control } else { it.control };
            is_same(it, &KeyPress { alt: it.alt, control, ..press.clone() })
        };
        self.presses.iter().any(is_key) && (self.holds.is_empty() || lines.iter().any(held))
    }
}

/// Whether it is the same key. Control makes no difference between small letters and capitals.
fn is_same(one: &KeyPress, other: &KeyPress) -> bool {
    let folded = |press: &KeyPress| match press.key {
        Key::Char(letter) if press.control => Key::Char(letter.to_ascii_lowercase()),
        key => key,
    };
    (one.control, one.alt, folded(one)) == (other.control, other.alt, folded(other))
}

impl Rules {
    pub(super) fn parse(text: &str) -> Result<Self, GrammarError> {
        let document: Document =
            toml::from_str(text).map_err(|error| GrammarError::from_toml(FILE, text, &error))?;
        document.check()
    }

    pub(super) fn harmless(&self, words: &[Word]) -> Harmless {
        let mut doubt = Harmless::Unlisted;
        for rule in &self.allow {
            match rule.judge(words, self) {
                Harmless::Yes => return Harmless::Yes,
                Harmless::Unlisted => {}
                found @ Harmless::Doubtful(_) => doubt = found,
            }
        }
        doubt
    }

    pub(super) fn refused(&self, words: &[Word]) -> Option<&Danger> {
        self.refuse.iter().find(|rule| rule.fits(words))
    }

    /// What is refused of a command with the directory put before its words. Where one word is enough, as for
    /// `mv`, it may as well be the other end: `cd ~; mv x/y .`
    pub(super) fn refused_there(&self, words: &[Word]) -> Option<&Danger> {
        self.refuse.iter().find(|rule| rule.words.len() > 1 && rule.fits(words))
    }

    pub(super) fn dangerous(&self, words: &[Word]) -> Option<&Danger> {
        self.confirm.iter().find(|rule| rule.fits(words))
    }

    /// A variable in a word whose value may be a secret or a surprise.
    pub(super) fn unknown_variable<'a>(&self, word: &'a Word) -> Option<&'a str> {
        word.variables.iter().find(|name| !self.variables.contains(*name)).map(String::as_str)
    }

    /// Whether a word names something whose content should not be shown unasked. A pattern counts if
    /// it could come to name one: only `name.*` and `*.ending` are sure not to.
    pub(super) fn is_secret(&self, word: &Word) -> bool {
        let text = word.text.to_lowercase();
        let hit = |text: &str| self.secrets.iter().any(|glob| glob.matches(text));
        let parts = || text.split(['=', ':']);
        if hit(&text) || hit(&tidy_path(&text)) || parts().any(|part| hit(part) || hit(&tidy_path(part))) {
            return true;
        }
        if !word.glob {
            return false;
        }
        let last = text.rsplit('/').next().unwrap_or(&text);
        let before = &text[..text.len() - last.len()];
        let ending = last.rsplit('.').next().unwrap_or(last);
        let fixed_ending = last.contains('.')
            && !last.starts_with('.')
            && !ending.is_empty()
            && ending.chars().all(char::is_alphanumeric);
        before.contains(['*', '?', '[']) || !fixed_ending
    }
}

/// The program in `/usr/bin/rm`.
pub(super) fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

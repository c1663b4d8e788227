//! The rules as they are written, and the checks that they must pass.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use super::super::inverse::InverseData;
use super::super::pattern::{Glob, Trait};
use super::{Allow, Danger, FILE, KeyRule, Keys, Names, Patterns, Rules, Sentences, Shells, Wrapper};
use crate::domain::{Key, KeyPress};
use crate::interpreter::GrammarError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    lists: BTreeMap<String, Vec<String>>,
    allow: Vec<AllowData>,
    refuse: Vec<RefuseData>,
    confirm: Vec<ConfirmData>,
    wrapper: Vec<WrapperData>,
    shells: ShellsData,
    keys: KeysData,
    key: Vec<KeyData>,
    inverse: Vec<InverseData>,
    sentences: Sentences,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowData {
    commands: Vec<String>,
    #[serde(default)]
    first: Vec<String>,
    only: Option<Vec<String>>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    reads: bool,
    #[serde(default)]
    needs_word: bool,
    #[serde(default)]
    patterns: Patterns,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefuseData {
    commands: Vec<String>,
    words: Vec<Vec<String>>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmData {
    commands: Vec<String>,
    #[serde(default)]
    words: Vec<Vec<String>>,
    #[serde(default)]
    grave: bool,
    consequence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrapperData {
    commands: Vec<String>,
    #[serde(default)]
    transparent: bool,
    #[serde(default)]
    takes_lines: bool,
    consequence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShellsData {
    commands: Vec<String>,
    consequence: String,
    evaluators: Vec<String>,
    evaluators_consequence: String,
    interpreters: Vec<String>,
    downloaders: Vec<String>,
    download_consequence: String,
    feed_consequence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysData {
    harmless: Vec<String>,
    always: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyData {
    press: Vec<String>,
    #[serde(default)]
    holds: Vec<String>,
    consequence: String,
}

impl Document {
    pub(super) fn check(self) -> Result<Rules, GrammarError> {
        let lists = &self.lists;
        let list = |name: &str| {
            lists.get(name).ok_or_else(|| GrammarError::new(FILE, format!("there is no list `{name}`")))
        };
        let globs = |patterns: &[String]| patterns.iter().map(|it| Glob::new(it)).collect::<Vec<_>>();
        let traits = |patterns: &[String]| -> Result<Vec<Trait>, GrammarError> {
            let mut traits = Vec::new();
            for pattern in patterns {
                match pattern.strip_prefix('@') {
                    Some(name) => traits.extend(list(name)?.iter().map(|it| Trait::new(it))),
                    None => traits.push(Trait::new(pattern)),
                }
            }
            Ok(traits)
        };
        let groups = |words: &[Vec<String>]| words.iter().map(|it| traits(it)).collect::<Result<Vec<_>, _>>();
        let set = |name: &str| Ok::<_, GrammarError>(list(name)?.iter().cloned().collect::<HashSet<_>>());

        let mut allow = Vec::new();
        for rule in &self.allow {
            allow.push(Allow {
                names: Names::new(&rule.commands),
                first: globs(&rule.first),
                only: rule.only.as_deref().map(globs),
                except: traits(&rule.except)?,
                reads: rule.reads,
                needs_word: rule.needs_word,
                patterns: rule.patterns,
            });
        }
        let mut refuse = Vec::new();
        for rule in &self.refuse {
            refuse.push(Danger {
                names: Names::new(&rule.commands),
                words: groups(&rule.words)?,
                grave: true,
                sentence: rule.reason.clone(),
            });
        }
        let mut confirm = Vec::new();
        for rule in &self.confirm {
            confirm.push(Danger {
                names: Names::new(&rule.commands),
                words: groups(&rule.words)?,
                grave: rule.grave,
                sentence: rule.consequence.clone(),
            });
        }
        let presses = |keys: &[String]| keys.iter().map(|it| key_press(it)).collect::<Result<_, _>>();
        let mut keys = Keys {
            harmless: presses(&self.keys.harmless)?,
            always: presses(&self.keys.always)?,
            rules: Vec::new(),
        };
        for rule in self.key {
            keys.rules.push(KeyRule {
                presses: presses(&rule.press)?,
                holds: rule.holds,
                consequence: rule.consequence,
            });
        }
        Ok(Rules {
            devices: globs(list("devices")?),
            secrets: globs(list("secrets")?),
            variables: set("variables")?,
            settings: set("settings")?,
            allow,
            refuse,
            confirm,
            keys,
            inverses: self.inverse.iter().map(InverseData::check).collect::<Result<_, _>>()?,
            wrappers: self
                .wrapper
                .iter()
                .map(|rule| Wrapper {
                    names: Names::new(&rule.commands),
                    transparent: rule.transparent,
                    takes_lines: rule.takes_lines,
                    consequence: rule.consequence.clone(),
                })
                .collect(),
            shells: Shells {
                names: Names::new(&self.shells.commands),
                consequence: self.shells.consequence,
                evaluators: Names::new(&self.shells.evaluators),
                evaluators_consequence: self.shells.evaluators_consequence,
                interpreters: Names::new(&self.shells.interpreters),
                downloaders: Names::new(&self.shells.downloaders),
                download_consequence: self.shells.download_consequence,
                feed_consequence: self.shells.feed_consequence,
            },
            sentences: self.sentences,
        })
    }
}

/// Reads `control m` or `enter`.
fn key_press(text: &str) -> Result<KeyPress, GrammarError> {
    let unknown = || GrammarError::new(FILE, format!("there is no key `{text}`"));
    let mut press = KeyPress { key: Key::Enter, control: false, alt: false, times: 1 };
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        match word {
            "control" if words.peek().is_some() => press.control = true,
            "alt" if words.peek().is_some() => press.alt = true,
            name => {
                let mut chars = name.chars();
                press.key = match (chars.next(), chars.next()) {
                    (Some(letter), None) => Key::Char(letter),
                    _ => serde_json::from_value(name.into()).map_err(|_| unknown())?,
                };
                return if words.next().is_none() { Ok(press) } else { Err(unknown()) };
            }
        }
    }
    Err(unknown())
}

//! The rules as data, checked and made ready for use.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::Deserialize;

use super::sentence::Sentence;
use crate::domain::FindingKind;

/// A fault in the rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading.toml: {0}")]
pub(super) struct RulesError(String);

/// The rules, ready for use.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) kinds: HashMap<String, Kind>,
    pub(super) tools: Vec<Tool>,
    /// All tools' rules in their order.
    each: Vec<Rule>,
    set: RegexSet,
    questions: Vec<Question>,
    question_set: RegexSet,
    words: HashMap<String, String>,
}

/// A prompt that waits for an answer.
#[derive(Debug)]
pub(super) struct Question {
    /// What is told of it, if not the prompt itself.
    pub(super) say: Option<String>,
}

/// What is told of output.
#[derive(Debug)]
pub(super) struct Kind {
    bad: Vec<String>,
    /// What a total is made of.
    total: Vec<String>,
    pub(super) say: Vec<Sentence>,
    pub(super) running: Vec<Sentence>,
}

/// Programs whose output is known.
#[derive(Debug)]
pub(super) struct Tool {
    #[cfg(test)]
    name: String,
    pub(super) kind: String,
    /// How command lines begin that call it.
    commands: Vec<Vec<String>>,
    pub(super) only_called: bool,
    pub(super) unless_done: bool,
    pub(super) answers: Vec<i32>,
    /// What is counted where several stand in a line.
    pub(super) cells: Option<String>,
}

/// What a line may tell.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) tool: usize,
    like: String,
    regex: OnceLock<Option<Regex>>,
    pub(super) data: RuleData,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Tells {
    #[serde(rename = "place")]
    Place,
    #[serde(rename = "message")]
    Message,
    #[serde(rename = "last place")]
    LastPlace,
    #[serde(rename = "last message")]
    LastMessage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Next {
    Message,
    Place,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of its own in the data")]
pub(super) struct RuleData {
    like: String,
    #[serde(default)]
    pub(super) adds: bool,
    #[serde(default)]
    pub(super) keeps: bool,
    pub(super) finds: Option<FindingKind>,
    pub(super) tells: Option<Tells>,
    pub(super) next: Option<Next>,
    #[serde(default)]
    pub(super) about: bool,
    pub(super) counts: Option<String>,
    pub(super) also: Option<String>,
    pub(super) distinct: Option<String>,
    pub(super) begins: Option<String>,
    pub(super) within: Option<String>,
    pub(super) marks: Option<String>,
    #[serde(default)]
    pub(super) lines: usize,
    #[serde(default)]
    pub(super) hint: bool,
    #[serde(default)]
    pub(super) hidden: bool,
    #[serde(default)]
    pub(super) skip: bool,
    #[serde(default)]
    pub(super) only_called: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    words: BTreeMap<String, Vec<String>>,
    kind: HashMap<String, KindData>,
    tool: Vec<ToolData>,
    question: Vec<QuestionData>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindData {
    bad: Vec<String>,
    #[serde(default)]
    total: Vec<String>,
    say: Vec<String>,
    #[serde(default)]
    running: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolData {
    name: String,
    kind: String,
    commands: Vec<String>,
    #[serde(default)]
    only_called: bool,
    #[serde(default)]
    unless_done: bool,
    #[serde(default)]
    answers: Vec<i32>,
    cells: Option<String>,
    rules: Vec<RuleData>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionData {
    like: String,
    say: Option<String>,
}

impl Rules {
    /// Reads and compiles them.
    pub(super) fn parse(text: &str) -> Result<Self, RulesError> {
        let document: Document = toml::from_str(text).map_err(|error| RulesError(error.to_string()))?;
        let mut kinds = HashMap::new();
        for (name, kind) in document.kind {
            let sentences = |texts: Vec<String>| {
                let parsed = texts.iter().map(|text| {
                    Sentence::parse(text)
                        .map_err(|what| RulesError(format!("kind {name}: \"{text}\": {what}")))
                });
                parsed.collect::<Result<Vec<_>, _>>()
            };
            let (say, running) = (sentences(kind.say)?, sentences(kind.running)?);
            kinds.insert(name, Kind { bad: kind.bad, total: kind.total, say, running });
        }
        let (mut tools, mut rules) = (Vec::new(), Vec::new());
        for tool in document.tool {
            if !kinds.contains_key(&tool.kind) {
                return Err(RulesError(format!("tool {}: there is no kind \"{}\"", tool.name, tool.kind)));
            }
            let number = tools.len();
            rules.extend(tool.rules.into_iter().map(|data| Rule {
                tool: number,
                like: data.like.clone(),
                regex: OnceLock::new(),
                data,
            }));
            let words = |command: &String| command.split(' ').map(str::to_owned).collect();
            tools.push(Tool {
                commands: tool.commands.iter().map(words).collect(),
                #[cfg(test)]
                name: tool.name,
                kind: tool.kind,
                only_called: tool.only_called,
                unless_done: tool.unless_done,
                answers: tool.answers,
                cells: tool.cells,
            });
        }
        let (likes, questions): (Vec<_>, Vec<_>) =
            document.question.into_iter().map(|it| (it.like, Question { say: it.say })).unzip();
        let mut words = HashMap::new();
        for (meant, said) in document.words {
            words.extend(said.into_iter().map(|said| (said, meant.clone())));
        }
        Ok(Self {
            set: set(rules.iter().map(|rule| rule.like.as_str()))?,
            question_set: set(likes.iter().map(String::as_str))?,
            kinds,
            tools,
            each: rules,
            questions,
            words,
        })
    }

    /// The rules that a line fits, in their order.
    pub(super) fn fitting(&self, line: &str) -> Vec<&Rule> {
        self.set.matches(line.as_bytes()).iter().map(|at| &self.each[at]).collect()
    }

    /// The question that this line is, if it is one.
    pub(super) fn question(&self, line: &str) -> Option<&Question> {
        let first = self.question_set.matches(line.as_bytes()).iter().next()?;
        self.questions.get(first)
    }

    /// The fact that a word counts.
    pub(super) fn fact(&self, word: &str) -> String {
        self.words.get(word).cloned().unwrap_or_else(|| word.to_owned())
    }
}

impl Kind {
    /// Whether these facts are a failure.
    pub(super) fn is_bad(&self, facts: &BTreeMap<String, u64>) -> bool {
        self.bad.iter().any(|bad| facts.get(bad).is_some_and(|number| *number > 0))
    }

    /// Adds what follows from the facts: a total from its parts, or how many passed from the total.
    pub(super) fn complete(&self, facts: &mut BTreeMap<String, u64>) {
        let Some((passed, others)) = self.total.split_first() else { return };
        let of = |facts: &BTreeMap<String, u64>, name: &String| facts.get(name).copied().unwrap_or_default();
        let failed: u64 = others.iter().map(|name| of(facts, name)).fold(0, u64::saturating_add);
        match facts.get("total").copied() {
            None => {
                if let Some(passed) = facts.get(passed).copied() {
                    facts.insert("total".into(), passed.saturating_add(failed));
                }
            }
            Some(total) if !facts.contains_key(passed) => {
                let skipped = facts.get("skipped").copied().unwrap_or_default();
                facts.insert(passed.clone(), total.saturating_sub(failed.saturating_add(skipped)));
            }
            Some(_) => {}
        }
    }
}

impl Rule {
    /// Its expression, compiled when it is first needed.
    pub(super) fn regex(&self) -> Option<&Regex> {
        // The set with the same expressions was compiled before.
        self.regex.get_or_init(|| RegexBuilder::new(&self.like).unicode(false).build().ok()).as_ref()
    }
}

impl Tool {
    /// Whether a command line calls it; with `last`, so that what was printed is its output.
    pub(super) fn is_called(&self, line: &str, last: bool) -> bool {
        let parts: Vec<&str> =
            line.split(['|', ';', '&', '\n']).filter(|part| !part.trim().is_empty()).collect();
        let parts = if last { &parts[parts.len().saturating_sub(1)..] } else { &parts };
        parts.iter().any(|part| {
            let words = called(part);
            self.commands.iter().any(|command| words.starts_with(command))
        })
    }
}

/// The words of a command without what may stand before it, and without options that say where or which.
fn called(part: &str) -> Vec<String> {
    let is_before = |word: &&str| {
        let is_assignment = word.split_once('=').is_some_and(|(name, _)| !name.contains(['-', '/']));
        is_assignment || matches!(*word, "sudo" | "time" | "nice" | "env" | "command" | "exec")
    };
    let words: Vec<&str> = part.split_whitespace().skip_while(is_before).collect();
    let Some((program, rest)) = words.split_first() else { return Vec::new() };
    let program =
        if program.starts_with("./") { program } else { program.rsplit('/').next().unwrap_or(program) };
    let mut called = vec![program.to_owned()];
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match *word {
            "-C" | "-c" if program == "git" => {
                rest.next();
            }
            "--no-pager" => {}
            word if word.starts_with('+') => {}
            word => called.push(word.to_owned()),
        }
    }
    called
}

fn set<'a>(likes: impl Iterator<Item = &'a str>) -> Result<RegexSet, RulesError> {
    // Bytes and no Unicode: smaller and faster automata, and what isn't ASCII is still met letter by letter.
    RegexSetBuilder::new(likes)
        .unicode(false)
        .dfa_size_limit(8 << 20)
        .build()
        .map_err(|error| RulesError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::READING;
    use super::*;

    #[test]
    fn the_rules_are_right() {
        let rules = Rules::parse(READING).unwrap();
        for rule in &rules.each {
            assert!(rule.regex().is_some(), "{}", rule.like);
        }
        assert!(rules.tools.len() > 30 && rules.each.len() > 200);
    }

    #[test]
    fn faults_are_told() {
        let rules = |of: &str| format!("question = []\n[words]\n[kind.a]\nbad = []\nsay = [\"x\"]\n{of}");
        assert!(Rules::parse(&format!("tool = []\n{}", rules(""))).is_ok());
        let tool = |kind: &str, rule: &str| {
            rules(&format!("[[tool]]\nname = \"t\"\nkind = \"{kind}\"\ncommands = []\nrules = [{rule}]\n"))
        };
        assert!(Rules::parse(&tool("a", "{ like = \"a\" }")).is_ok());
        for fault in [tool("b", ""), tool("a", "{ like = \"(\" }"), tool("a", "{ like = \"a\", lke = 1 }")] {
            assert!(Rules::parse(&fault).is_err(), "{fault}");
        }
    }

    #[test]
    fn whoever_is_called_is_known_whatever_stands_before() {
        let rules = Rules::parse(READING).unwrap();
        let is_called = |tool: &str, line: &str, last| {
            rules.tools.iter().find(|it| it.name == tool).unwrap().is_called(line, last)
        };
        assert!(is_called("cargo test", "cd x && RUST_LOG=debug cargo +nightly test --lib", false));
        assert!(is_called("git status", "git -C /somewhere --no-pager status -s", false));
        assert!(is_called("grep", "cat x | /usr/bin/grep y", true));
        assert!(!is_called("grep", "grep y x | wc -l", true));
        assert!(!is_called("cargo test", "echo cargo test", false));
    }
}

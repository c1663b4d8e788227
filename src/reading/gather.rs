//! What lines tell, gathered for each tool.

use std::collections::{BTreeMap, HashSet};

use regex::bytes::Captures;

use super::MOST_FINDINGS;
use super::rules::{Next, Rule, RuleData, Rules, Tells};
use super::sayable::sayable;
use super::sentence;
use crate::domain::{Finding, FindingKind, Printed};

/// Different things that are told apart of one kind.
const MOST_KEYS: usize = 10_000;

/// What was found of one tool.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) tool: usize,
    pub(super) facts: BTreeMap<String, u64>,
    pub(super) words: BTreeMap<String, String>,
    pub(super) findings: Vec<Note>,
    /// The lines that matter, in their order.
    pub(super) shown: Vec<usize>,
    /// Something fitted that is the tool's own.
    is_known: bool,
    section: Option<String>,
    keys: HashSet<(String, Vec<u8>)>,
    /// The file that findings with nothing but a line are in.
    file: Option<String>,
    /// The finding that the next lines may be about.
    latest: usize,
    /// Instead of the latest, whatever has this name and may turn out to be one.
    about: Option<String>,
    /// What was told of names before they were findings.
    told: BTreeMap<String, Note>,
    next: Option<Next>,
    /// So many lines more matter.
    following: usize,
    more: BTreeMap<&'static str, u64>,
}

/// A finding as it becomes known bit by bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) kind: FindingKind,
    pub(super) name: Option<String>,
    message: Option<String>,
    file: Option<String>,
    line: Option<String>,
}

/// What was found of every tool that may have printed this, the most likely first.
pub(super) fn gather(rules: &Rules, printed: &Printed<'_>, lines: &[String]) -> Vec<Found> {
    let called =
        |tool: usize, last| printed.command.is_some_and(|command| rules.tools[tool].is_called(command, last));
    let is_called: Vec<bool> = (0..rules.tools.len()).map(|tool| called(tool, false)).collect();
    let is_last: Vec<bool> = (0..rules.tools.len()).map(|tool| called(tool, true)).collect();
    let mut found: Vec<Option<Found>> = rules.tools.iter().map(|_| None).collect();
    for (at, line) in lines.iter().enumerate() {
        for found in found.iter_mut().flatten() {
            found.follow(at, line);
        }
        let mut last = None;
        for rule in rules.fitting(line) {
            let tool = &rules.tools[rule.tool];
            let is_out = (tool.only_called || rule.data.only_called) && !is_last[rule.tool]
                || tool.unless_done && printed.status == Some(0);
            if last == Some(rule.tool) || is_out {
                continue;
            }
            let found = found[rule.tool].get_or_insert_with(|| Found { tool: rule.tool, ..Found::default() });
            if rule.data.within.is_some() && rule.data.within != found.section {
                continue;
            }
            last = Some(rule.tool);
            found.take(rules, rule, at, line);
            if let Some(cells) = tool.cells.as_ref().filter(|_| !rule.data.skip && rule.data.counts.is_none())
            {
                *found.facts.entry(cells.clone()).or_default() += cells_of(line);
            }
        }
    }
    if lines.is_empty() {
        for tool in (0..rules.tools.len()).filter(|tool| is_last[*tool]) {
            let facts = BTreeMap::from([("nothing".to_owned(), 1)]);
            found[tool] = Some(Found { tool, facts, is_known: true, ..Found::default() });
        }
    }
    let mut found: Vec<Found> = found.into_iter().flatten().collect();
    found.retain(|found| found.is_known || is_called[found.tool]);
    for found in &mut found {
        found.complete(rules);
    }
    found.sort_by_key(|found| {
        let is_bad = rules.kinds[&rules.tools[found.tool].kind].is_bad(&found.facts);
        let is_called = is_called[found.tool];
        // What ended well is told by whoever was called; a failure, by whoever knows of it.
        if printed.status == Some(0) {
            (!is_called, false, found.tool)
        } else {
            (!is_bad, !is_called, found.tool)
        }
    });
    found
}

/// What stands in columns of a line, parted by two blanks or a tab.
fn cells_of(line: &str) -> u64 {
    let cells = line.split('\t').flat_map(|cell| cell.split("  ")).filter(|cell| !cell.trim().is_empty());
    cells.count() as u64
}

impl Found {
    /// A line that may complete what came before it.
    fn follow(&mut self, at: usize, line: &str) {
        if line.trim().is_empty() {
            self.following = 0;
            return;
        }
        if let Some(next) = self.next.take()
            && let Some(note) = self.findings.get_mut(self.latest)
        {
            match next {
                Next::Message => note.message = Some(line.trim().to_owned()),
                Next::Place => note.file = Some(line.trim().to_owned()),
            }
        }
        if self.following > 0 {
            self.following -= 1;
            self.show(at);
        }
    }

    fn show(&mut self, at: usize) {
        if self.shown.last() != Some(&at) {
            self.shown.push(at);
        }
    }

    fn count(&mut self, fact: &str, by: u64) {
        let number = self.facts.entry(fact.to_owned()).or_default();
        *number = number.saturating_add(by);
    }

    fn take(&mut self, rules: &Rules, rule: &Rule, at: usize, line: &str) {
        let data = &rule.data;
        if data.skip {
            return;
        }
        self.is_known |= !data.hint;
        if let Some(captures) = rule.regex().and_then(|regex| regex.captures(line.as_bytes())) {
            self.values(rules, rule, &captures);
            let note = Note::from(&captures, data.finds.unwrap_or(FindingKind::Error));
            if data.about {
                self.about = note.name;
            } else if data.finds.is_some() {
                self.find(note);
                self.next = data.next;
            } else if let Some(tells) = data.tells {
                self.tell(tells, note);
            } else if let Some(file) = note.file {
                self.file = Some(file);
            }
            if let (Some(distinct), Some(key)) = (&data.distinct, captures.name("key"))
                && self.keys.len() < MOST_KEYS
                && self.keys.insert((distinct.clone(), key.as_bytes().to_vec()))
            {
                self.count(distinct, 1);
            }
        }
        self.tally(data);
        if !data.hidden {
            self.show(at);
            self.following = self.following.max(data.lines);
        }
    }

    fn tally(&mut self, data: &RuleData) {
        if let Some(section) = &data.begins {
            self.section = Some(section.clone());
        }
        if let Some(mark) = &data.marks {
            self.facts.insert(mark.clone(), 1);
        }
        for counted in [&data.counts, &data.also].into_iter().flatten() {
            let section = self.section.clone();
            match (counted.as_str(), section) {
                ("@", Some(section)) => self.count(&section, 1),
                ("@", None) => {}
                ("both", _) => {
                    self.count("staged", 1);
                    self.count("changed", 1);
                }
                (counted, _) => self.count(counted, 1),
            }
        }
    }

    /// Facts and words by their groups' names.
    fn values(&mut self, rules: &Rules, rule: &Rule, captures: &Captures<'_>) {
        let Some(regex) = rule.regex() else { return };
        for name in regex.capture_names().flatten() {
            let Some(value) = captures.name(name) else { continue };
            let value = String::from_utf8_lossy(value.as_bytes());
            match name {
                "name" | "message" | "file" | "line" | "key" => {}
                "pairs" => {
                    for (word, number) in pairs(&value) {
                        self.set(&rules.fact(word), number, rule.data.adds);
                    }
                }
                name => match value.replace(',', "").parse() {
                    Ok(number) if name != "branch" => self.set(name, number, rule.data.adds),
                    _ if rule.data.keeps && self.words.contains_key(name) => {}
                    _ => {
                        self.words.insert(name.to_owned(), value.trim().to_owned());
                    }
                },
            }
        }
    }

    fn set(&mut self, fact: &str, number: u64, adds: bool) {
        if adds {
            self.count(fact, number);
        } else {
            self.facts.insert(fact.to_owned(), number);
        }
    }

    /// A finding; one that is known already by its name becomes better known.
    fn find(&mut self, mut note: Note) {
        if note.file.is_none() && note.line.is_some() {
            note.file.clone_from(&self.file);
        }
        self.about = None;
        if let Some(told) = note.name.as_ref().and_then(|name| self.told.remove(name)) {
            note.learn(told);
        }
        if let Some(at) = self.findings.iter().position(|known| known.is(&note)) {
            self.findings[at].learn(note);
            self.latest = at;
        } else if self.findings.len() < MOST_FINDINGS {
            self.latest = self.findings.len();
            self.findings.push(note);
        } else {
            *self.more.entry(fact(note.kind)).or_default() += 1;
        }
    }

    fn tell(&mut self, tells: Tells, note: Note) {
        if let Some(about) = &self.about {
            if self.told.len() < MOST_KEYS {
                self.told.entry(about.clone()).or_insert(note);
            }
            return;
        }
        let Some(latest) = self.findings.get_mut(self.latest) else { return };
        let about = (tells == Tells::LastPlace, tells == Tells::LastMessage);
        if note.file.is_some() && (about.0 || latest.file.is_none() && !about.1) {
            (latest.file, latest.line) = (note.file, note.line);
        }
        if note.message.is_some() && (about.1 || latest.message.is_none()) {
            latest.message = note.message;
        }
    }

    /// Adds what follows from what was found.
    fn complete(&mut self, rules: &Rules) {
        let failed: Vec<String> = self.findings.iter().filter_map(|note| note.name.clone()).collect();
        // A test that failed only because one of its parts did.
        self.findings.retain(|note| !failed.iter().any(|name| note.is_whole_of(name)));
        for kind in [FindingKind::Error, FindingKind::Failure, FindingKind::Warning] {
            let number = self.findings.iter().filter(|note| note.kind == kind).count() as u64;
            let number = number + self.more.get(fact(kind)).copied().unwrap_or_default();
            if number > 0 && !self.facts.contains_key(fact(kind)) {
                self.facts.insert(fact(kind).to_owned(), number);
            }
        }
        rules.kinds[&rules.tools[self.tool].kind].complete(&mut self.facts);
    }
}

/// The fact that counts findings of a kind.
fn fact(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Error => "errors",
        FindingKind::Failure => "failed",
        FindingKind::Warning => "warnings",
    }
}

/// Numbers with the words that they stand before, or after with `=` between.
fn pairs(text: &str) -> Vec<(&str, u64)> {
    let words = text.split([' ', ',', '|', ';', '(', ')', '=', ':']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    let (turned, number) = (text.contains('='), |word: &str| word.parse::<u64>().ok());
    let pair = |two: &[&'_ str]| match (turned, number(two[0]), number(two[1])) {
        (false, Some(_), None) => Some((1, 0)),
        (true, None, Some(_)) => Some((0, 1)),
        _ => None,
    };
    let mut pairs = Vec::new();
    for two in words.windows(2) {
        if let Some((word, number_at)) = pair(two)
            && let Some(number) = number(two[number_at])
        {
            pairs.push((two[word], number));
        }
    }
    pairs
}

impl Note {
    fn from(captures: &Captures<'_>, kind: FindingKind) -> Self {
        let text = |name: &str| {
            let text =
                captures.name(name).map(|text| String::from_utf8_lossy(text.as_bytes()).trim().to_owned());
            text.filter(|text| !text.is_empty())
        };
        Self { kind, name: text("name"), message: text("message"), file: text("file"), line: text("line") }
    }

    /// Whether another is about the same.
    fn is(&self, other: &Self) -> bool {
        match (&self.name, &other.name) {
            (Some(one), Some(other)) => is_same(one, other),
            (None, None) => {
                self.kind == other.kind
                    && self.message.is_some()
                    && (&self.message, &self.file, &self.line) == (&other.message, &other.file, &other.line)
            }
            _ => false,
        }
    }

    /// Whether nothing is known of it but that this part of it is wrong.
    fn is_whole_of(&self, part: &str) -> bool {
        let name = self.name.as_deref().filter(|_| self.message.is_none() && self.file.is_none());
        name.and_then(|name| part.strip_prefix(name)).is_some_and(|part| part.starts_with('/'))
    }

    fn learn(&mut self, other: Self) {
        let Self { name, message, file, line, .. } = other;
        if name.as_ref().map(String::len) > self.name.as_ref().map(String::len) {
            self.name = name;
        }
        self.message = self.message.take().or(message);
        if self.file.is_none() {
            (self.file, self.line) = (file, line);
        }
    }

    /// As others see it.
    pub(super) fn finding(self) -> Finding {
        let spoken = sayable(&sentence::words(&self));
        let place = self.place();
        let what = [self.name, self.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
        Finding { kind: self.kind, what, place, spoken }
    }

    /// What is wrong.
    pub(super) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Where: `src/main.rs:12`.
    pub(super) fn place(&self) -> Option<String> {
        let file = self.file.as_ref()?;
        Some(match &self.line {
            Some(line) => format!("{file}:{line}"),
            None => file.clone(),
        })
    }
}

/// Whether two names are of the same thing: one may have its path before it.
fn is_same(one: &str, other: &str) -> bool {
    let (long, short) = if one.len() < other.len() { (other, one) } else { (one, other) };
    long.strip_suffix(short)
        .is_some_and(|path| path.is_empty() || path.ends_with("::") || path.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_paired_with_their_words() {
        assert_eq!(pairs("1 failed, 2 passed, 3 total"), [("failed", 1), ("passed", 2), ("total", 3)]);
        assert_eq!(pairs("failures=1, errors=2"), [("failures", 1), ("errors", 2)]);
        assert_eq!(pairs("1 failed | 2 passed (3)"), [("failed", 1), ("passed", 2)]);
        assert_eq!(pairs("5 passed (1 slow), 0 skipped"), [("passed", 5), ("slow", 1), ("skipped", 0)]);
        assert_eq!(pairs("99999999999999999999999 x"), []);
    }

    #[test]
    fn the_same_thing_may_have_a_path_before_its_name() {
        assert!(is_same("tests/a.py::test_x", "test_x") && is_same("a", "a"));
        assert!(!is_same("a::parse", "b::parse") && !is_same("reparse", "parse"));
    }
}

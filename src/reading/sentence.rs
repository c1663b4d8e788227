//! Sentences with slots, filled with what was found.

use std::collections::BTreeMap;

use super::gather::Note;
use crate::domain::FindingKind;

/// A sentence of a kind; how it is written is told in `config/reading.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Slot(Slot),
    /// Left out if something in it is missing.
    Optional(Vec<Part>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// A number or a word.
    Value(String),
    /// A number with its noun, in the singular and the plural.
    Counted(String, String, String),
    /// This is so.
    Is(String),
    /// This isn't.
    IsNot(String),
    /// There is exactly one.
    IsOne(String),
    /// The names of findings.
    Names,
    /// The first finding, with its place.
    First,
}

/// What slots are filled with.
pub(super) struct Facts<'a> {
    pub(super) numbers: &'a BTreeMap<String, u64>,
    pub(super) words: &'a BTreeMap<String, String>,
    pub(super) findings: &'a [Note],
}

/// Names that are said before "and so many more".
const NAMED: usize = 2;

impl Sentence {
    /// Reads one; the error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let parts = parts(&mut rest, false)?;
        Ok(Self(parts))
    }

    /// Filled; `None` if something is missing.
    fn filled(&self, facts: &Facts<'_>) -> Option<String> {
        let mut text = String::new();
        fill(&self.0, facts, &mut text).then_some(text)
    }
}

/// The first that can be filled.
pub(super) fn first(sentences: &[Sentence], facts: &Facts<'_>) -> Option<String> {
    sentences.iter().find_map(|sentence| sentence.filled(facts))
}

fn parts(rest: &mut &str, optional: bool) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    loop {
        let Some(at) = rest.find(['{', '[', ']']) else {
            if optional {
                return Err("a bracket stays open".into());
            }
            parts.push(Part::Text(std::mem::take(rest).to_owned()));
            return Ok(parts);
        };
        if at > 0 {
            parts.push(Part::Text(rest[..at].to_owned()));
        }
        let sign = rest.as_bytes()[at];
        *rest = &rest[at + 1..];
        match sign {
            b'{' => {
                let (slot, after) = rest.split_once('}').ok_or("a slot stays open")?;
                parts.push(Part::Slot(self::slot(slot)?));
                *rest = after;
            }
            b'[' => parts.push(Part::Optional(self::parts(rest, true)?)),
            _ if optional => return Ok(parts),
            _ => return Err("a bracket is closed that isn't open".into()),
        }
    }
}

fn slot(text: &str) -> Result<Slot, String> {
    let name = |name: &str| {
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if is_name { Ok(name.to_owned()) } else { Err(format!("\"{text}\" is no slot")) }
    };
    Ok(match (text, text.split_once(' ')) {
        ("failures", _) => Slot::Names,
        ("first", _) => Slot::First,
        (_, Some((number, noun))) => {
            let (one, many) = match noun.split_once('|') {
                Some((one, many)) => (one.to_owned(), many.to_owned()),
                None => (noun.to_owned(), format!("{noun}s")),
            };
            Slot::Counted(name(number)?, one, many)
        }
        _ if text.starts_with('?') => Slot::Is(name(&text[1..])?),
        _ if text.starts_with('!') => Slot::IsNot(name(&text[1..])?),
        _ if text.starts_with('=') => Slot::IsOne(name(&text[1..])?),
        _ => Slot::Value(name(text)?),
    })
}

fn fill(parts: &[Part], facts: &Facts<'_>, text: &mut String) -> bool {
    for part in parts {
        match part {
            Part::Text(words) => text.push_str(words),
            Part::Slot(slot) => match value(slot, facts) {
                Some(value) => text.push_str(&value),
                None => return false,
            },
            Part::Optional(parts) => {
                let before = text.len();
                if !fill(parts, facts, text) {
                    text.truncate(before);
                }
            }
        }
    }
    true
}

fn value(slot: &Slot, facts: &Facts<'_>) -> Option<String> {
    let number = |name: &str| facts.numbers.get(name).copied().filter(|number| *number > 0);
    let word = |name: &str| facts.words.get(name).filter(|word| !word.is_empty()).cloned();
    let is = |name: &str| number(name).is_some() || word(name).is_some();
    match slot {
        Slot::Value(name) => number(name).map(|number| number.to_string()).or_else(|| word(name)),
        Slot::Counted(name, one, many) => {
            number(name).map(|number| format!("{number} {}", if number == 1 { one } else { many }))
        }
        Slot::Is(name) => is(name).then(String::new),
        Slot::IsNot(name) => (!is(name)).then(String::new),
        Slot::IsOne(name) => (number(name) == Some(1)).then(String::new),
        Slot::Names => {
            let names: Vec<&str> = grave(facts).filter_map(|note| note.name.as_deref()).collect();
            listed(&names)
        }
        Slot::First => {
            let first = grave(facts).next().or_else(|| facts.findings.first())?;
            Some(words(first)).filter(|words| !words.is_empty())
        }
    }
}

fn grave<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Note> {
    facts.findings.iter().filter(|note| note.kind != FindingKind::Warning)
}

fn listed(names: &[&str]) -> Option<String> {
    let names: Vec<&str> = names.iter().map(|name| short(name)).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        [one, two] => Some(format!("{one} and {two}")),
        more => {
            let rest = more.len() - NAMED;
            let rest = if rest == 1 { "one more".to_owned() } else { format!("{rest} more") };
            Some(format!("{} and {rest}", more[..NAMED].join(", ")))
        }
    }
}

/// The last part of a path of names: `tests::parse` is called `parse`.
fn short(name: &str) -> &str {
    let separators = ["::", " > ", " › ", "/"];
    let last = separators.iter().filter_map(|between| Some(name.rfind(between)? + between.len())).max();
    last.map(|at| &name[at..]).filter(|last| !last.is_empty()).unwrap_or(name)
}

/// A finding in words, its place without its directories.
pub(super) fn words(note: &Note) -> String {
    let what = [note.name.as_deref().map(short), note.message()];
    let what = what.into_iter().flatten().collect::<Vec<_>>().join(": ");
    let Some(place) = note.place() else { return what };
    let file = place.rsplit('/').next().unwrap_or(&place);
    let place = match file.rsplit_once(':') {
        Some((file, line)) => format!("{file} line {line}"),
        None => file.to_owned(),
    };
    let what = what.trim_end_matches(['.', ':', ';']);
    if what.is_empty() { place } else { format!("{what}, in {place}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sentence: &str, numbers: &[(&str, u64)]) -> Option<String> {
        let numbers = numbers.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        let words = BTreeMap::from([("branch".to_owned(), "main".to_owned())]);
        Sentence::parse(sentence).unwrap().filled(&Facts { numbers: &numbers, words: &words, findings: &[] })
    }

    #[test]
    fn slots_are_filled_and_what_is_missing_is_left_out() {
        let say = "{failed} of {total test} failed[, {skipped} skipped].";
        assert_eq!(told(say, &[("failed", 3), ("total", 120)]).as_deref(), Some("3 of 120 tests failed."));
        let all = [("failed", 1), ("total", 1), ("skipped", 2)];
        assert_eq!(told(say, &all).as_deref(), Some("1 of 1 test failed, 2 skipped."));
        assert_eq!(told(say, &[("failed", 0), ("total", 120)]), None);
        assert_eq!(told("{?clean}On {branch}.", &[("clean", 1)]).as_deref(), Some("On main."));
        assert_eq!(told("{!clean}On {branch}.", &[("clean", 1)]), None);
        assert_eq!(told("{n entry|entries}.", &[("n", 2)]).as_deref(), Some("2 entries."));
    }

    #[test]
    fn faults_are_told() {
        for fault in ["{", "[a", "a]", "{A b}", "{?}", "{a-b}"] {
            assert!(Sentence::parse(fault).is_err(), "{fault}");
        }
    }

    #[test]
    fn many_names_are_counted() {
        assert_eq!(listed(&["t::a", "u > b"]).as_deref(), Some("a and b"));
        assert_eq!(listed(&["a", "b", "c"]).as_deref(), Some("a, b and one more"));
        assert_eq!(listed(&["a", "b", "c", "d"]).as_deref(), Some("a, b and 2 more"));
    }
}

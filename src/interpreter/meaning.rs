//! What a phrase means with what was said in its slots: an intent, and what was taken for something else.

use serde_json::Value;

use super::GrammarError;
use super::called;
use super::clauses::{self, Meant};
use super::grammar::{Found, Meaning, Moment, fill, fill_line};
use super::names;
use super::normalise::{Words, is_hidden};
use super::rules::Rules;
use super::slots::{Captured, Kind};
use super::spoken::Spoken;
use crate::domain::{Confidence, Correction, Intent, LiveNames, Situation};

impl Rules {
    /// What a phrase means with what was said in its slots; `None` if something in them isn't there.
    pub(super) fn meaning(
        &self,
        found: &Found<'_>,
        words: &Words<'_>,
        situation: &Situation,
    ) -> Option<Meant> {
        let mut values: Vec<(&str, Value)> = Vec::new();
        let mut corrections = Vec::new();
        for (slot, captured) in found.captures() {
            let value = match captured {
                Captured::Value(value) => value.clone(),
                Captured::Rest { from, kind } => {
                    let rest = self.rest(words, *from, *kind);
                    let is_said = *kind == Kind::Command && words.spoken;
                    match called::by_name(&rest, &situation.names).filter(|_| is_said) {
                        Some((line, correction)) => {
                            corrections.push(correction);
                            line.into()
                        }
                        None => rest.into(),
                    }
                }
                Captured::Name { words: range, kind } => {
                    let (value, correction) =
                        named(names::said(words, range.clone()), *kind, words, situation)?;
                    corrections.extend(correction);
                    value
                }
            };
            values.push((slot, value));
        }
        let value_of = |name: &str| {
            let said = values.iter().find(|(slot, _)| *slot == name).map(|(_, value)| value.clone());
            said.or_else(|| found.phrase.defaults.get(name).cloned())
        };
        let meaning = match &found.phrase.meaning {
            Meaning::Intent(meaning) => fill(meaning, &value_of)?,
            Meaning::Lines { lines, .. } => {
                let lines = lines.iter().map(|line| fill_line(line, &values));
                let intent = self.lines(&lines.collect::<Option<Vec<_>>>()?, situation)?;
                return Some(Meant { intent, corrections });
            }
        };
        match serde_json::from_value(meaning) {
            Ok(intent) => Some(Meant { intent, corrections }),
            Err(error) => {
                // Meanings are tried when the grammar is compiled; this is a value out of bounds.
                tracing::debug!(%error, "a phrase came to no intent");
                None
            }
        }
    }

    /// What lines mean that could be typed one after the other.
    fn lines(&self, lines: &[String], situation: &Situation) -> Option<Intent> {
        let moment = Moment { built_in_only: true, question_open: false, ..situation.into() };
        let mut parts = Vec::new();
        for line in lines {
            let words = Words::new(line, false, &self.grammar.noise);
            parts.push(clauses::meant(self, &words, situation, moment)?.intent);
        }
        if parts.len() == 1 { parts.pop() } else { Intent::sequence(parts) }
    }

    /// Whether a user's own phrases all mean something that can be done.
    pub(super) fn check_own(&self, file: &str, text: &str) -> Result<(), GrammarError> {
        let situation = Situation::default();
        for phrase in &self.grammar.phrases {
            let Meaning::Lines { lines, at, slots } = &phrase.meaning else { continue };
            let fault = |what: String| GrammarError::at(file, text, *at, what);
            for slots in slots {
                let samples =
                    slots.iter().map(|(name, kind)| (name.as_str(), self.grammar.slots.sample(*kind)));
                let samples: Vec<_> = samples.collect();
                let mut steps = 0;
                for line in lines {
                    let filled = fill_line(line, &samples).unwrap_or_default();
                    match self.lines(&[filled], &situation) {
                        Some(Intent::Confirm | Intent::Deny) => {
                            return Err(fault(format!("\"{line}\" can only be said by you")));
                        }
                        None | Some(Intent::Unknown { .. } | Intent::Nothing) => {
                            return Err(fault(format!(
                                "\"{line}\" means nothing; see `voice-terminal interpret`"
                            )));
                        }
                        Some(intent) if lines.len() > 1 && !intent.steps().iter().all(Intent::is_step) => {
                            return Err(fault(format!("\"{line}\" can't be one of several")));
                        }
                        Some(intent) => steps += intent.steps().len(),
                    }
                }
                if steps > Intent::MOST_STEPS {
                    let most = Intent::MOST_STEPS;
                    return Err(fault(format!("it does {steps} things; {most} at most can be one phrase")));
                }
            }
        }
        Ok(())
    }

    /// The rest of the line: as it was typed, or as one would type what was said. Without hidden
    /// characters; see `interpret`.
    fn rest(&self, words: &Words<'_>, from: usize, kind: Kind) -> String {
        let rest = words.source[from..].trim_end_matches(['\n', '\r']);
        let rest = rest.replace(is_hidden, "");
        match kind {
            _ if !words.spoken => rest,
            Kind::Command => self.grammar.spoken.command(&rest),
            Kind::Dictation => self.grammar.spoken.dictated(&rest),
            Kind::Verbatim => Spoken::verbatim(&rest),
            _ => self.grammar.spoken.text(&rest),
        }
    }
}

/// What a name means, and what it was taken for if that is another. `None` if it must be the name of something
/// that isn't there.
fn named(
    name: String,
    kind: Kind,
    words: &Words<'_>,
    situation: &Situation,
) -> Option<(Value, Option<Correction>)> {
    let LiveNames { windows, branches, directories, commands, .. } = &*situation.names;
    let correction = |taken: &str, likeness: f64| {
        let likeness = Confidence::new(likeness as f32);
        (likeness < Confidence::CERTAIN).then(|| Correction {
            heard: name.clone(),
            taken: taken.into(),
            likeness,
        })
    };
    let one_of = |names: &[String]| {
        let (found, likeness) = names::find(&name, names.iter().map(String::as_str), words.spoken)?;
        Some((names::quoted(found).into(), correction(found, likeness)))
    };
    match kind {
        Kind::Session => {
            let sessions = situation.sessions.iter().map(|session| session.name.as_str());
            Some(match names::find(&name, sessions, words.spoken) {
                Some((found, likeness)) => (found.into(), correction(found, likeness)),
                // The terminal tells that there is none, and which there are.
                None => (name.into(), None),
            })
        }
        Kind::Window => {
            let (found, likeness) =
                names::find(&name, windows.iter().map(|(_, it)| it.as_str()), words.spoken)?;
            let (index, _) = windows.iter().find(|(_, name)| name == found)?;
            Some(((*index).into(), correction(found, likeness)))
        }
        Kind::Branch => one_of(branches),
        Kind::Directory => one_of(directories),
        Kind::Recent => Some((names::recent(&name, commands)?.into(), None)),
        _ => Some((name.into(), None)),
    }
}

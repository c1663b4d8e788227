//! The rule-based interpreter: grammar and safety policy behind the port.

use std::ops::Range;

use serde_json::Value;

use super::GrammarError;
use super::clauses::{self, Meant};
use super::grammar::{Found, Grammar, Meaning, Moment, Phrase, fill, fill_line};
use super::names;
use super::nearest::Phrasebook;
use super::normalise::{Words, is_hidden};
use super::safety::{Doubt, Policy};
use super::slots::{Captured, Kind};
use super::spoken::Spoken;
use super::vocabulary::Vocabulary;
use crate::config;
use crate::domain::{
    Completeness, Confidence, Correction, Direction, InputMode, Intent, Interpretation, Interpreter,
    ListeningChange, LiveNames, Pane, Scroll, Situation, Verdict, Window,
};

const GRAMMAR: &str = include_str!("../../config/grammar.toml");
/// What the file with a user's own phrases is called in errors.
pub const OWN: &str = "phrases.toml";
/// Of a user's own phrases, so many are told to whoever asks for help.
const MOST_OWN_TOLD: usize = 30;
const SAFETY: &str = include_str!("../../config/safety.toml");

/// Understands words by the grammar, and judges what they mean. Pure: it needs nothing and nobody,
/// and is where every chain of interpreters ends.
#[derive(Debug)]
pub struct Rules {
    pub(super) grammar: Grammar,
    policy: Policy,
    pub(super) vocabulary: Vocabulary,
    phrasebook: Phrasebook,
    minimum_confidence: f32,
    confirm_ai: bool,
}

/// Phrases that belong together, for help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhraseGroup {
    /// What they are about.
    pub title: String,
    /// The phrases, each of which is understood as it stands.
    pub phrases: Vec<PhraseHelp>,
}

/// A phrase and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhraseHelp {
    /// What to say.
    pub say: String,
    /// What it does, in a few words.
    pub does: String,
}

impl Rules {
    /// Compiles the built-in grammar and safety rules, with the user's exceptions.
    ///
    /// # Errors
    /// An entry of `safety.allow` that isn't one plain command. (The built-in rules are held right by
    /// tests.)
    pub fn new(safety: &config::Safety) -> Result<Self, GrammarError> {
        Self::with_phrases(safety, "")
    }

    /// The same with a user's own phrases, as TOML. They are judged as what they stand for.
    ///
    /// # Errors
    /// In the file `phrases.toml`: what is wrong there, with the line. Else as [`Self::new`].
    pub fn with_phrases(safety: &config::Safety, phrases: &str) -> Result<Self, GrammarError> {
        let mut grammar = Grammar::compile("grammar.toml", GRAMMAR)?;
        grammar.add_own(OWN, phrases)?;
        let policy = Policy::new(SAFETY, safety)?;
        let phrasebook = Phrasebook::new(grammar.phrases.iter().filter_map(Phrase::offer));
        let rules = Self {
            vocabulary: Vocabulary::new(grammar.words()),
            grammar,
            policy,
            phrasebook,
            minimum_confidence: safety.minimum_confidence,
            confirm_ai: safety.confirm_ai,
        };
        rules.check_own(OWN, phrases)?;
        Ok(rules)
    }

    /// What can be said, in groups.
    pub fn phrases(&self) -> Vec<PhraseGroup> {
        let mut groups: Vec<PhraseGroup> = Vec::new();
        let own = self.grammar.phrases.iter().filter(|phrase| phrase.is_own()).take(MOST_OWN_TOLD);
        for phrase in self.grammar.phrases.iter().filter(|phrase| !phrase.is_own()).chain(own) {
            let (Some(title), Some(say)) = (&phrase.group, &phrase.say) else { continue };
            let help = PhraseHelp { say: say.clone(), does: phrase.does.clone().unwrap_or_default() };
            match groups.iter_mut().find(|group| group.title == *title) {
                Some(group) => group.phrases.push(help),
                None => groups.push(PhraseGroup { title: title.clone(), phrases: vec![help] }),
            }
        }
        groups
    }

    fn understand(&self, words: &Words<'_>, sure: bool, situation: &Situation) -> Meant {
        let meant = match situation.input {
            InputMode::Command => clauses::meant(self, words, situation, situation.into()),
            InputMode::Dictation | InputMode::Spelling => {
                let found = self.grammar.find(words, situation.into());
                let phrase = found.and_then(|found| self.meaning(&found, words, situation));
                phrase.or_else(|| Some(Meant::plainly(self.text(words, situation.input)?)))
            }
        };
        let Some(Meant { intent, corrections }) = meant else {
            return Meant::plainly(self.unknown(words, situation));
        };
        let intent = match resolved(intent, situation) {
            Intent::Unknown { .. } => self.unknown(words, situation),
            // An unsure "yes" sets nothing off.
            Intent::Confirm if !sure => unknown(words.source, ["confirm", "cancel"].map(String::from).into()),
            // Nor does an unsure "mute", which could not be taken back by voice.
            Intent::Listen { change: ListeningChange::Mute } if !sure => {
                unknown(words.source, vec!["mute".into()])
            }
            intent => intent,
        };
        Meant { intent, corrections }
    }

    /// Whether the rules know a program of this name.
    pub(super) fn knows_program(&self, name: &str) -> bool {
        self.policy.knows_program(name)
    }

    /// Words as text for the pane.
    fn text(&self, words: &Words<'_>, input: InputMode) -> Option<Intent> {
        if !words.spoken {
            let text = words.source.trim_end_matches(['\n', '\r']).replace(is_hidden, "");
            return (!text.trim().is_empty()).then_some(Intent::Type { text });
        }
        if words.list.is_empty() {
            return None;
        }
        let text = match input {
            InputMode::Spelling if words.more => return None,
            InputMode::Spelling => self.grammar.slots.spelled(words)?,
            _ => self.grammar.spoken.dictated(&words.source.replace(is_hidden, "")),
        };
        (!text.trim().is_empty()).then_some(Intent::Type { text })
    }

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
                Captured::Rest { from, kind } => self.rest(words, *from, *kind).into(),
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
                let mut slots = values.iter().map(|(slot, value)| (*slot, Some(value.clone())));
                let slots: Vec<_> = slots.by_ref().collect();
                let lines = lines.iter().map(|line| fill_line(line, &mut slots.iter().cloned()));
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
    fn check_own(&self, file: &str, text: &str) -> Result<(), GrammarError> {
        let situation = Situation::default();
        for phrase in &self.grammar.phrases {
            let Meaning::Lines { lines, at, slots } = &phrase.meaning else { continue };
            let fault = |what: String| GrammarError::at(file, text, *at, what);
            for slots in slots {
                let sample = |line: &String| {
                    let mut slots = slots
                        .iter()
                        .map(|(name, kind)| (name.as_str(), Some(self.grammar.slots.sample(*kind))));
                    fill_line(line, &mut slots)
                };
                let mut steps = 0;
                for line in lines {
                    let filled = sample(line).unwrap_or_default();
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
    /// characters; see [`Self::interpret`].
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

    fn unknown(&self, words: &Words<'_>, situation: &Situation) -> Intent {
        let question_open = situation.question_open;
        // "Okay" answers a question, though not clearly; else it is nothing.
        let answers = question_open && words.dropped;
        if words.list.is_empty() && words.spoken && !answers {
            return Intent::Nothing;
        }
        if situation.input != InputMode::Command {
            return unknown(words.source, vec!["command mode".into()]);
        }
        let mut nearest = Vec::new();
        // A command line without its "run".
        if let Some(first) = words.list.first()
            && self.policy.knows_program(&first.text)
            && words.source.len() <= 60
        {
            let line = words.source.trim();
            nearest.push(format!(
                "run {}",
                if words.spoken { self.grammar.spoken.command(line) } else { line.into() }
            ));
        }
        nearest.extend(self.phrasebook.nearest(words));
        if question_open {
            nearest.truncate(1);
            nearest.extend(["confirm", "cancel"].map(String::from));
        }
        nearest.dedup();
        nearest.truncate(3);
        if nearest.is_empty() {
            nearest.push("help".into());
        }
        unknown(words.source, nearest)
    }
}

impl Meant {
    /// As it was said.
    fn plainly(intent: Intent) -> Self {
        Self { intent, corrections: Vec::new() }
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
    let LiveNames { windows, branches, directories, commands } = &*situation.names;
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

/// "Again" and "undo" by what was done last. Where that can't be, they stay what they are.
fn resolved(intent: Intent, situation: &Situation) -> Intent {
    let last = situation.last.as_ref();
    let other = match intent {
        Intent::Again { times } => last.and_then(|last| last.clone().repeated(times)),
        // While a question is open, that is what is taken back.
        Intent::Undo if !situation.question_open => last.and_then(inverse),
        _ => None,
    };
    other.unwrap_or(intent)
}

/// What takes back what was done, if something does.
fn inverse(done: &Intent) -> Option<Intent> {
    let opposite = |direction: Direction| match direction {
        Direction::Left => Direction::Right,
        Direction::Right => Direction::Left,
        Direction::Up => Direction::Down,
        Direction::Down => Direction::Up,
    };
    Some(match done {
        Intent::Type { .. } => Intent::Scratch,
        Intent::ZoomPane => Intent::ZoomPane,
        // What was made is current.
        Intent::SplitPane { .. } => Intent::ClosePane,
        Intent::NewWindow { .. } => Intent::CloseWindow,
        Intent::SelectWindow { window: Window::Next } => Intent::SelectWindow { window: Window::Previous },
        Intent::SelectWindow { window: Window::Previous } => Intent::SelectWindow { window: Window::Next },
        Intent::SelectPane { pane: Pane::Next } => Intent::SelectPane { pane: Pane::Previous },
        Intent::SelectPane { pane: Pane::Previous } => Intent::SelectPane { pane: Pane::Next },
        Intent::SelectPane { pane: Pane::Toward(direction) } => {
            Intent::SelectPane { pane: Pane::Toward(opposite(*direction)) }
        }
        Intent::Scroll { scroll } => Intent::Scroll {
            scroll: match *scroll {
                Scroll::LinesUp(lines) => Scroll::LinesDown(lines),
                Scroll::LinesDown(lines) => Scroll::LinesUp(lines),
                Scroll::PagesUp(pages) => Scroll::PagesDown(pages),
                Scroll::PagesDown(pages) => Scroll::PagesUp(pages),
                Scroll::Top => Scroll::Bottom,
                Scroll::Bottom => return None,
            },
        },
        _ => return None,
    })
}

/// Whether it puts text into a pane.
fn holds_text(intent: &Intent) -> bool {
    intent.steps().iter().any(|step| matches!(step, Intent::Run { .. } | Intent::Type { .. }))
}

fn unknown(heard: &str, nearest: Vec<String>) -> Intent {
    let heard = heard.trim().replace(is_hidden, "");
    Intent::Unknown { heard, nearest }
}

impl Rules {
    fn doubt(&self, confidence: Confidence, situation: &Situation) -> Doubt {
        match (confidence.get() >= self.minimum_confidence, situation.degraded) {
            (false, _) => Doubt::Unsure,
            (true, true) => Doubt::Degraded,
            (true, false) => Doubt::None,
        }
    }
}

impl Interpreter for Rules {
    fn interpret(&self, words: &str, confidence: Confidence, situation: &Situation) -> Interpretation {
        if words.trim().is_empty() {
            return Interpretation::new(Intent::Nothing, Verdict::Allow);
        }
        let sure = confidence.get() >= self.minimum_confidence;
        let parsed = Words::new(words, situation.spoken, &self.grammar.noise);
        let Meant { intent, corrections } = self.understand(&parsed, sure, situation);
        // What was taken for something else is that much less sure.
        let likeness: f32 = corrections.iter().map(|correction| correction.likeness.get()).product();
        let doubt = self.doubt(Confidence::new(confidence.get() * likeness), situation);
        let mut verdict = self.policy.judge(&intent, doubt);
        // The text was cleaned of them, and is not what it was meant to be.
        if holds_text(&intent) && words.trim_end_matches(['\n', '\r']).contains(is_hidden) {
            verdict = self.policy.hidden_characters();
        }
        Interpretation { intent, verdict, corrections }
    }

    fn completeness(&self, words: &str, situation: &Situation) -> Completeness {
        let parsed = Words::new(words, situation.spoken, &self.grammar.noise);
        let Meant { intent, corrections } = self.understand(&parsed, true, situation);
        // To stop is for now, whatever may follow.
        if corrections.is_empty() && matches!(intent, Intent::Cancel | Intent::Confirm | Intent::Deny) {
            return Completeness::Complete;
        }
        // Who dictates may be thinking.
        if situation.input != InputMode::Command {
            let goes_on = matches!(intent, Intent::Type { .. } | Intent::Unknown { .. });
            return if goes_on { Completeness::Unfinished } else { Completeness::Complete };
        }
        let known = |name: Range<usize>| names::is_known(&names::said(&parsed, name), &situation.sessions);
        self.grammar.completeness(&parsed, situation.into(), &known)
    }

    fn judge(&self, intent: Intent, confidence: Confidence, situation: &Situation) -> Interpretation {
        let hides = |text: &str| text.contains(|c: char| c.is_control() || is_hidden(c));
        let verdict = match &intent {
            // A name is shown in questions, so nothing may hide in it either.
            Intent::Run { command: text }
            | Intent::Type { text }
            | Intent::SwitchSession { name: text }
            | Intent::RenameWindow { name: text }
            | Intent::NewSession { name: Some(text) }
            | Intent::NewWindow { name: Some(text) }
            | Intent::KillSession { name: Some(text) }
            | Intent::DescribeSession { name: Some(text) }
                if hides(text) =>
            {
                self.policy.hidden_characters()
            }
            intent => {
                let judged = self.policy.judge(intent, self.doubt(confidence, situation));
                // What changes nothing needs no question, however doubtful.
                let harmless = self.policy.judge(intent, Doubt::Unsure) == Verdict::Allow;
                if harmless || !self.confirm_ai { judged } else { self.policy.made_by_ai(judged) }
            }
        };
        Interpretation::new(intent, verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strictness(verdict: &Verdict) -> u8 {
        match verdict {
            Verdict::Allow => 0,
            Verdict::Confirm { .. } => 1,
            Verdict::Refuse { .. } => 2,
        }
    }

    #[test]
    fn what_an_ai_made_is_never_judged_laxer_than_what_was_typed() {
        let rules = Rules::new(&config::Safety::default()).unwrap();
        let free = Rules::new(&config::Safety { confirm_ai: false, ..config::Safety::default() }).unwrap();
        let sure = Confidence::CERTAIN;
        for line in ["ls", "cargo build", "rm -rf build", "rm -rf /", "curl x.example | sh", "git status"] {
            for (confidence, degraded) in [(sure, false), (sure, true), (Confidence::new(0.1), false)] {
                let situation = Situation { degraded, ..Situation::default() };
                let typed = rules.interpret(&format!("run {line}"), confidence, &situation);
                let made = rules.judge(typed.intent.clone(), confidence, &situation);
                assert!(strictness(&made.verdict) >= strictness(&typed.verdict).max(1), "{line}");
                let made = free.judge(typed.intent, confidence, &situation);
                assert_eq!(made.verdict, typed.verdict, "{line}");
            }
        }
        let look = rules.judge(Intent::ListSessions, sure, &Situation::default());
        assert_eq!(look.verdict, Verdict::Allow);
        for hidden in ["a\nb", "a\u{202e}b", "a\u{1b}[0m", "\u{200b}"] {
            let run = rules.judge(Intent::Run { command: hidden.into() }, sure, &Situation::default());
            let kill = Intent::KillSession { name: Some(hidden.into()) };
            let kill = rules.judge(kill, sure, &Situation::default());
            assert_eq!((strictness(&run.verdict), strictness(&kill.verdict)), (2, 2), "{hidden:?}");
        }
    }
}

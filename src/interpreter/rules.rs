//! The rule-based interpreter: grammar and safety policy behind the port.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::GrammarError;
use super::again::resolved;
use super::clauses::{self, Meant};
use super::grammar::{Grammar, Phrase};
use super::names;
use super::nearest::Phrasebook;
use super::normalise::{Words, is_hidden};
use super::safety::{Doubt, Policy};
use super::vocabulary::Vocabulary;
use crate::config;
use crate::domain::{
    Completeness, Confidence, Expectation, InputMode, Intent, Interpretation, Interpreter, ListeningChange,
    Phrases, Situation, Verdict,
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
    /// The grammar as a recogniser takes it.
    pub(super) sayable: OnceLock<Arc<Phrases>>,
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
            sayable: OnceLock::new(),
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
        let intent = match resolved(intent, situation, |line| self.policy.inverse(line, &situation.shell)) {
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

impl Rules {
    fn completeness_of(&self, words: &Words<'_>, situation: &Situation) -> Completeness {
        let known = |name: Range<usize>| names::is_known(&names::said(words, name), &situation.sessions);
        self.grammar.completeness(words, situation.into(), &known)
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
        let mut verdict = self.policy.judge(&intent, doubt, &situation.shell, &situation.typed);
        // The text was cleaned of them, and is not what it was meant to be.
        if holds_text(&intent) && words.trim_end_matches(['\n', '\r']).contains(is_hidden) {
            verdict = self.policy.hidden_characters();
        }
        Interpretation { intent, verdict, corrections }
    }

    fn expectation(&self, situation: &Situation) -> Expectation {
        self.expected(situation)
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
        let whole = self.completeness_of(&parsed, situation);
        let joiner = parsed.list.iter().rposition(|word| self.grammar.joiners.contains(&word.text));
        match (whole, joiner) {
            // Of several things, the last one may not be all said.
            (Completeness::Unknown, Some(at)) if at > 0 => match parsed.list.get(at + 1) {
                None => Completeness::Unfinished,
                Some(next) => {
                    let last = &words[next.place.start..];
                    let last = Words::new(last, situation.spoken, &self.grammar.noise);
                    self.completeness_of(&last, situation)
                }
            },
            (whole, _) => whole,
        }
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
            | Intent::Watch { name: Some(text) }
            | Intent::Unwatch { name: Some(text) }
                if hides(text) =>
            {
                self.policy.hidden_characters()
            }
            intent => {
                let doubt = self.doubt(confidence, situation);
                let judged = self.policy.judge(intent, doubt, &situation.shell, &situation.typed);
                if only_looks(intent) || !self.confirm_ai { judged } else { self.policy.made_by_ai(judged) }
            }
        };
        Interpretation::new(intent, verdict)
    }
}

/// Whether nothing comes of it but an answer: nothing is changed, nor where the next command goes.
fn only_looks(intent: &Intent) -> bool {
    matches!(
        intent,
        Intent::ListSessions
            | Intent::DescribeSession { .. }
            | Intent::ReadOutput
            | Intent::ReadAll
            | Intent::ShowErrors
            | Intent::NextError
            | Intent::WhoNeedsMe
            | Intent::Help
            | Intent::Status
            | Intent::Unknown { .. }
    )
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
        let switch = Intent::SwitchSession { name: "prod".into() };
        let switch = rules.judge(switch, sure, &Situation::default());
        assert_eq!(strictness(&switch.verdict), 1, "the next command would go there");
        for hidden in ["a\nb", "a\u{202e}b", "a\u{1b}[0m", "\u{200b}"] {
            let run = rules.judge(Intent::Run { command: hidden.into() }, sure, &Situation::default());
            let kill = Intent::KillSession { name: Some(hidden.into()) };
            let kill = rules.judge(kill, sure, &Situation::default());
            assert_eq!((strictness(&run.verdict), strictness(&kill.verdict)), (2, 2), "{hidden:?}");
        }
    }
}

//! The safety policy: may this be done, must it be asked first, or is it not done at all?
//!
//! What was said or generated is untrusted. The rules are data (`config/safety.toml`); here is only
//! how they are applied. A command line is taken apart as a shell would ([`shell`]), every part is
//! judged, and the worst part decides. A part is harmless only if a rule says so for all of its
//! words; whatever isn't listed or not followed is asked first. Doubt about what was heard makes the
//! verdict one step stricter for anything that changes something, and never laxer.
//!
//! Of the shell that a line goes to, the aliases are put in first, as the shell does, and what they stand for
//! is judged. By the name of a function nothing is known: it is asked first.
//!
//! A key with control or alt held may do anything to a shell, so only those that are known are pressed unasked.
//! Enter is judged by the line that it would enter: as the shell tells it, else as it was put in.
//!
//! Where bash, zsh and fish read a line differently, it is asked about.
//!
//! **Limits.** Options that change how a shell reads (`extended_glob`), and other shells, are not known. A line
//! that was typed, called up or changed by hand is known of zsh and fish only. Aliases and functions are known
//! of a shell that tells them; of another one (`sh`, one at the other end of `ssh`), the names are taken for
//! what they are elsewhere. So are suffix aliases of zsh, programs of the user's own that come first in the
//! search path, and settings that a project defines.

mod data;
mod inverse;
mod line;
mod pattern;
mod shell;

use data::Rules;
use line::is_plain;
use shell::{Script, Word};

use std::borrow::Cow;

use super::GrammarError;
use crate::config;
use crate::domain::{Intent, Key, KeyPress, LineTaker, ShellNames, Typed, Verdict};
use crate::redact::is_redacted;

/// Why what was heard may not be what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    None,
    /// The recogniser isn't sure.
    Unsure,
    /// It came through a degraded tier.
    Degraded,
}

/// The policy, with the user's own exceptions.
#[derive(Debug)]
pub(super) struct Policy {
    rules: Rules,
    /// Commands that the user allows, each as words.
    allowed: Vec<Vec<Word>>,
}

impl Policy {
    pub(super) fn new(text: &str, settings: &config::Safety) -> Result<Self, GrammarError> {
        let rules = Rules::parse(text)?;
        let mut allowed = Vec::new();
        for entry in &settings.allow {
            let bad = |what: &str| GrammarError::new("safety.allow", format!("`{entry}` {what}"));
            let script = Script::parse(entry);
            let [command] = script.commands.as_slice() else {
                return Err(bad("is not one command"));
            };
            if !script.puzzles.is_empty() || !is_plain(command) {
                return Err(bad(
                    "must be plain words, without quotes that stay open, redirections and the like",
                ));
            }
            allowed.push(command.words.clone());
        }
        Ok(Self { rules, allowed })
    }

    /// Names of programs that the rules know, to recognise a command line that lacks its "run".
    pub(super) fn knows_program(&self, name: &str) -> bool {
        let rules = &self.rules;
        rules.allow.iter().any(|rule| rule.names().contain(name))
            || rules.dangerous(&[Word::plain(name)]).is_some()
    }

    /// Judges a meaning. A line in it goes to this shell, and a key meets what is typed.
    pub(super) fn judge(&self, intent: &Intent, doubt: Doubt, shell: &ShellNames, typed: &Typed) -> Verdict {
        let sentences = &self.rules.sentences;
        let ask = |consequence: &str| Verdict::Confirm { consequence: consequence.into() };
        let verdict = match intent {
            // It was kept without its secret, and is not what it was.
            Intent::Run { command: text } | Intent::Type { text } if is_redacted(text) => {
                Verdict::Refuse { reason: sentences.redacted.clone() }
            }
            Intent::Run { command } => self.command_line(command, shell),
            // To stop what runs away can't wait for a better hearing.
            Intent::Press { press } if self.rules.keys.is_always(press) => return Verdict::Allow,
            Intent::Press { press } => self.key(press, shell, typed),
            Intent::KillSession { name } => {
                let which = name.as_deref().unwrap_or("the current session");
                ask(&filled(&sentences.kill_session, which))
            }
            // All of it is as bad as the worst of it.
            Intent::Sequence { steps } => {
                let (mut shell, mut typed) = (Cow::Borrowed(shell), typed.clone());
                let verdicts = steps.iter().map(|step| {
                    let verdict = self.judge(step, doubt, &shell, &typed);
                    typed.follow(step);
                    // What comes next may go to another shell.
                    if shell.certain && !matches!(step, Intent::Run { .. }) {
                        shell.to_mut().certain = false;
                    }
                    verdict
                });
                return verdicts.fold(Verdict::Allow, Verdict::with);
            }
            Intent::CloseWindow => ask(&sentences.close_window),
            Intent::ClosePane => ask(&sentences.close_pane),
            // To a shell whose keys are vi's, what follows Escape is no text.
            Intent::Type { .. } if typed.is_escaped() => ask(&sentences.key_after_escape),
            Intent::NewSession { .. }
            | Intent::NewWindow { .. }
            | Intent::RenameWindow { .. }
            | Intent::SplitPane { .. }
            | Intent::Type { .. } => Verdict::Allow,
            // Going somewhere, asking and answering change nothing.
            Intent::SwitchSession { .. }
            | Intent::ListSessions
            | Intent::DescribeSession { .. }
            | Intent::SelectWindow { .. }
            | Intent::SelectPane { .. }
            | Intent::ZoomPane
            | Intent::Scroll { .. }
            | Intent::ReadOutput
            | Intent::ReadAll
            | Intent::ShowErrors
            | Intent::NextError
            | Intent::WhoNeedsMe
            | Intent::Watch { .. }
            | Intent::Unwatch { .. }
            | Intent::Confirm
            | Intent::Deny
            | Intent::Cancel
            | Intent::Repeat
            | Intent::Help
            | Intent::Status
            | Intent::Listen { .. }
            | Intent::Mode { .. }
            | Intent::Scratch
            | Intent::Undo
            | Intent::Again { .. }
            | Intent::StayLocal
            | Intent::Unknown { .. }
            | Intent::Nothing => return Verdict::Allow,
        };
        self.raised(verdict, doubt)
    }

    /// The line that takes back what a line did, if there is one.
    pub(super) fn inverse(&self, line: &str, shell: &ShellNames) -> Option<String> {
        inverse::inverse(&self.rules.inverses, line, &shell.aliases)
    }

    /// The verdict on text with characters in it that do other things than they show.
    pub(super) fn hidden_characters(&self) -> Verdict {
        Verdict::Refuse { reason: self.rules.sentences.control_characters.clone() }
    }

    /// The verdict on what an AI made of words: never laxer, and never without a question.
    pub(super) fn made_by_ai(&self, verdict: Verdict) -> Verdict {
        let made = &self.rules.sentences.made_by_ai;
        match verdict {
            Verdict::Allow => Verdict::Confirm { consequence: made.clone() },
            Verdict::Confirm { consequence } => {
                Verdict::Confirm { consequence: format!("{made} {consequence}") }
            }
            refused @ Verdict::Refuse { .. } => refused,
        }
    }

    fn raised(&self, verdict: Verdict, doubt: Doubt) -> Verdict {
        let sentences = &self.rules.sentences;
        let (ask, refuse) = match doubt {
            Doubt::None => return verdict,
            Doubt::Unsure => (&sentences.doubtful, &sentences.doubtful_refused),
            Doubt::Degraded => (&sentences.degraded, &sentences.degraded_refused),
        };
        match verdict {
            Verdict::Allow => Verdict::Confirm { consequence: ask.clone() },
            Verdict::Confirm { .. } => Verdict::Refuse { reason: refuse.clone() },
            refused @ Verdict::Refuse { .. } => refused,
        }
    }

    fn key(&self, press: &KeyPress, shell: &ShellNames, typed: &Typed) -> Verdict {
        let ask = |consequence: &str| Verdict::Confirm { consequence: consequence.into() };
        let (keys, sentences) = (&self.rules.keys, &self.rules.sentences);
        // A program that reads every key leaves no line to a shell.
        let lines = if typed.taker == LineTaker::Keys { &[][..] } else { &typed.lines };
        if let Some(rule) = keys.rules.iter().find(|rule| rule.fits(press, lines)) {
            let entered = lines.iter().filter(|line| press.enters() && !line.text.trim().is_empty());
            let verdicts = entered.map(|line| self.entered(&line.text, shell, typed.taker));
            return verdicts.fold(ask(&rule.consequence), Verdict::with);
        }
        // What follows Escape is to a shell what it is with alt held.
        let is_alt = press.alt || press.key != Key::Escape && typed.is_escaped();
        if keys.is_harmless(press, is_alt) {
            Verdict::Allow
        } else if press.control || press.alt {
            ask(&sentences.key)
        } else {
            ask(&sentences.key_after_escape)
        }
    }

    /// The verdict on entering a line that is there: named, and judged if it is for a shell. A program may leave
    /// it to the shell behind it, so what is refused is refused there too.
    fn entered(&self, line: &str, shell: &ShellNames, taker: LineTaker) -> Verdict {
        let named = filled(&self.rules.sentences.typed, line.trim());
        match self.command_line(line, shell) {
            refused @ Verdict::Refuse { .. } => refused,
            Verdict::Confirm { consequence } if taker == LineTaker::Shell => {
                Verdict::Confirm { consequence: format!("{named} {consequence}") }
            }
            Verdict::Confirm { .. } | Verdict::Allow => Verdict::Confirm { consequence: named },
        }
    }
}

fn filled(sentence: &str, name: &str) -> String {
    const LONGEST: usize = 60;
    if name.chars().count() <= LONGEST {
        return sentence.replacen("{}", name, 1);
    }
    let short: String = name.chars().take(LONGEST).collect();
    sentence.replacen("{}", &format!("{short}…"), 1)
}

#[cfg(test)]
mod tests;

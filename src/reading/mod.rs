//! What matters in what a program printed: a sentence to say, lines to show, findings to go through.
//!
//! **Why.** Nobody wants two hundred lines read to them, and the last line is seldom the one that
//! matters. What it is depends on the program, of which there are many; so what is known of them is
//! data (`config/reading.toml`), and here is only how it is applied.
//!
//! **Mechanics.** The text is cut into lines without anything that doesn't show (`lines`). Every line is
//! compared with all rules at once, in one pass of an automaton (`rules`). Of what fits, numbers, names and
//! places are gathered for each tool (`gather`); the tool that tells of a failure, that was called, or that
//! stands first in the file is the one that is believed. Its kind has the sentences (`sentence`), in which
//! nothing stands that can't be said (`sayable`).
//!
//! **What comes from a pane is data.** It chooses among sentences and fills their slots; it can't bring
//! anything about. Patterns match in linear time, and of a text only its newest part is looked at, of a
//! line only its beginning: time and memory are bounded, whatever was printed.
//!
//! **Limits.** English output, as these programs print it by default. A program whose output looks like
//! another's is taken for it, unless the command line is known.
//!
//! **Architecture invariant:** `reading` is pure. It knows `domain`, and `redact` for what is spoken.

mod gather;
mod lines;
mod rules;
mod sayable;
mod sentence;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use gather::{Found, gather};
use rules::Rules;
use sayable::sayable;
use sentence::Facts;

use crate::domain::{Digest, Printed};
use crate::redact::redacted;

const READING: &str = include_str!("../../config/reading.toml");

/// Lines that are shown of an output; of findings, too.
const MOST_SHOWN: usize = 30;
/// Of a text that is read aloud as it is, so many bytes are looked at: its newest.
const MOST_HEARD: usize = 64 * 1024;
/// Findings that are kept.
const MOST_FINDINGS: usize = 100;

/// Reads output by the built-in rules, which are compiled when they are first needed: that takes some
/// milliseconds.
#[derive(Debug, Default)]
pub struct Reader {
    rules: OnceLock<Rules>,
}

impl Reader {
    fn rules(&self) -> &Rules {
        self.rules.get_or_init(|| {
            // Held right by a test; without rules, output is told by its end.
            Rules::parse(READING).unwrap_or_else(|error| {
                tracing::error!(%error, "the rules for reading can't be used");
                Rules::default()
            })
        })
    }

    /// What is told of what was found, if anything.
    fn told(&self, printed: &Printed<'_>, found: &Found) -> Option<String> {
        let kind = &self.rules().kinds[&self.rules().tools[found.tool].kind];
        let facts = Facts { numbers: &found.facts, words: &found.words, findings: &found.findings };
        if !printed.running {
            return sentence::first(&kind.say, &facts);
        }
        // What has failed already has failed, though there may be more to come.
        let failed = || sentence::first(&kind.say, &facts).filter(|_| kind.is_bad(&found.facts));
        sentence::first(&kind.running, &facts).or_else(failed)
    }

    /// The sentence for a question that the program waits with at the end of this line.
    fn asked(&self, line: &str) -> Option<String> {
        let line = lines::shown(line);
        let question = self.rules().question(line.trim_end())?;
        Some(match &question.say {
            Some(say) => say.clone(),
            None => format!("It asks: {}", sayable(&with_spoken_options(&line))),
        })
    }
}

impl crate::domain::Reader for Reader {
    fn digest(&self, printed: &Printed<'_>) -> Digest {
        let lines = lines::lines(printed.text);
        let question = if printed.running { lines.last().and_then(|line| self.asked(line)) } else { None };
        let found = gather(self.rules(), printed, &lines);
        let told = found.into_iter().find_map(|found| Some((self.told(printed, &found)?, found)));
        let Some((spoken, found)) = told else {
            return Digest {
                printed: newest(&lines),
                question,
                spoken: last_line(printed.text),
                ..Digest::default()
            };
        };
        let tool = &self.rules().tools[found.tool];
        let failed = match printed.status {
            _ if self.rules().kinds[&tool.kind].is_bad(&found.facts) => Some(true),
            Some(status) => (status == 0 || tool.answers.contains(&status)).then_some(false),
            None => (!printed.running).then_some(false),
        };
        Digest {
            kind: Some(tool.kind.clone()),
            failed,
            spoken: sayable(&spoken.replace("?.", "?").replace("!.", "!")),
            printed: relevant(&lines, &found),
            findings: found.findings.into_iter().map(gather::Note::finding).collect(),
            question,
        }
    }

    fn question(&self, line: &str) -> Option<String> {
        self.asked(line)
    }

    fn aloud(&self, text: &str, most: usize) -> String {
        let lines = lines::collapsed(&lines::lines(&newest_without_secrets(text)));
        let mut spoken: Vec<String> = Vec::new();
        let mut length = 0;
        for line in lines.iter().rev() {
            let line = sayable(line);
            if !line.chars().any(char::is_alphanumeric) {
                continue;
            }
            length += line.len() + 2;
            if length > most {
                break;
            }
            let ends = line.ends_with(['.', '!', '?', ':', ';', ',']);
            spoken.push(if ends { line } else { format!("{line}.") });
        }
        spoken.reverse();
        spoken.join(" ")
    }
}

/// `[Y/n]` and the like as one would say it.
fn with_spoken_options(line: &str) -> String {
    let line = line.trim();
    let bare = |c: char| " []():?>".contains(c);
    if let Some((asked, options)) = line.trim_end_matches(bare).rsplit_once(' ') {
        let options = options.replace(bare, "").to_lowercase();
        if matches!(options.as_str(), "y/n" | "yes/no") {
            return format!("{}, yes or no?", asked.trim_end_matches(bare));
        }
    }
    line.to_owned()
}

/// The newest part of a text, of which some is to be said: without secrets, also those of several lines.
fn newest_without_secrets(text: &str) -> String {
    // The rest of a secret isn't known for one: what is cut off first is looked at, too.
    let text = redacted(newest_bytes(text, 2 * MOST_HEARD));
    newest_bytes(&text, MOST_HEARD).to_owned()
}

fn newest_bytes(text: &str, most: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(most))..]
}

/// The last line that has words.
fn last_line(text: &str) -> String {
    let lines = lines::lines(&newest_without_secrets(text));
    let mut lines = lines.iter().rev().map(|line| sayable(line));
    lines.find(|line| line.chars().any(char::is_alphanumeric)).unwrap_or_default()
}

/// All lines if they are few, else the newest.
fn newest(lines: &[String]) -> String {
    let lines = lines::collapsed(lines);
    match lines.len().checked_sub(MOST_SHOWN) {
        None | Some(0) => lines.join("\n"),
        Some(hidden) => {
            let s = if hidden == 1 { "" } else { "s" };
            format!("… {hidden} line{s} before\n{}", lines[hidden..].join("\n"))
        }
    }
}

/// All lines if they are few, else those that matter.
fn relevant(lines: &[String], found: &Found) -> String {
    if lines::collapsed(lines).len() <= MOST_SHOWN || found.shown.is_empty() {
        return newest(lines);
    }
    // What happened first is at the beginning, and what came of it at the end.
    let (most, last) = (MOST_SHOWN, MOST_SHOWN / 3);
    let chosen: Vec<usize> = match found.shown.len().checked_sub(most) {
        None | Some(0) => found.shown.clone(),
        Some(_) => {
            let end = &found.shown[found.shown.len() - last..];
            found.shown[..most - last].iter().chain(end).copied().collect()
        }
    };
    let mut text = format!("… what matters in {} lines:", lines.len());
    let mut next = chosen.first().copied().unwrap_or_default();
    for at in chosen {
        if at > next {
            text.push_str("\n…");
        }
        next = at + 1;
        text.push('\n');
        text.push_str(&lines[at]);
    }
    text
}

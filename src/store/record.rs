//! Records as they are kept: without secrets, and within bounds.
//!
//! What is executed is what was said; what is kept of it is this. [`Clean`] can only be made here, and nothing else is
//! written to the journal, searched among, or carried to a server.

use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{Content, Outcome, Record, Stage, Utterance};
use crate::redact::Redactor;

/// The longest text kept, in bytes.
const LONGEST_TEXT: usize = 64 * 1024;

/// A record without secrets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Clean(Record);

impl Deref for Clean {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0
    }
}

impl Clean {
    /// The record of an utterance of which nothing is known yet.
    pub(super) fn opened(utterance: &Utterance, redactor: &Redactor) -> Self {
        let (text, speech_seconds) = match &utterance.content {
            Content::Text(text) | Content::Transcribed(text) => (Some(beginning(text, redactor)), None),
            Content::Speech(pcm) => (None, Some(pcm.duration().as_secs_f64())),
        };
        Self(Record {
            id: utterance.id,
            origin: utterance.origin,
            at: utterance.at,
            speech_seconds,
            text,
            transcript: None,
            interpretation: None,
            command: None,
            outcome: None,
            reply: None,
            abandoned: None,
        })
    }

    /// One that was kept, and so was clean when it was.
    pub(super) fn kept(record: Record) -> Self {
        Self(record)
    }

    /// The record, for whoever reads it.
    pub(super) fn into_record(self) -> Record {
        self.0
    }

    /// Adds a stage.
    pub(super) fn add(&mut self, stage: &Stage, redactor: &Redactor) {
        let record = &mut self.0;
        match stage {
            Stage::Transcribed(transcript) => {
                let mut transcript = transcript.clone();
                transcript.text = beginning(&transcript.text, redactor);
                record.text = Some(transcript.text.clone());
                record.transcript = Some(transcript);
            }
            Stage::Understood(interpretation) => record.interpretation = clean(interpretation, redactor),
            Stage::Commanded(command) => {
                // A turn may send several, one after the other. The outcome of an earlier one says
                // nothing about this one.
                let command = clean(command, redactor);
                if record.command != command {
                    record.command = command;
                    record.outcome = None;
                }
            }
            Stage::Acted(outcome) => record.outcome = clean(outcome, redactor).map(shortened),
            Stage::Replied(reply) => {
                record.reply = clean(reply, redactor).map(|mut reply| {
                    cut(&mut reply.text);
                    cut(&mut reply.speech);
                    reply
                });
            }
            Stage::Abandoned { reason } => record.abandoned = Some(beginning(reason, redactor)),
        }
    }
}

/// The same without secrets. Nothing is kept of what is nothing without them.
fn clean<T: Serialize + DeserializeOwned>(thing: &T, redactor: &Redactor) -> Option<T> {
    let clean = redactor.all_of(thing);
    if clean.is_none() {
        tracing::error!("a stage of a turn could not be kept without its secrets, and is not kept");
    }
    clean
}

/// Of what a program printed, the end is worth most.
fn shortened(mut outcome: Outcome) -> Outcome {
    match &mut outcome {
        Outcome::Text { text } | Outcome::Described { screen: text, .. } => *text = end(text),
        Outcome::Ran(ran) => ran.output = end(&ran.output),
        Outcome::Done { .. } | Outcome::Session { .. } | Outcome::Sessions { .. } => {}
    }
    outcome
}

/// The beginning of a text, without secrets. Cut last, so that no half of one escapes.
fn beginning(text: &str, redactor: &Redactor) -> String {
    let mut clean = redactor.text(&text[..text.floor_char_boundary(LONGEST_TEXT * 2)]);
    cut(&mut clean);
    clean
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(LONGEST_TEXT));
}

fn end(text: &str) -> String {
    text[text.ceil_char_boundary(text.len().saturating_sub(LONGEST_TEXT))..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Action, Command, Origin, Ran, Reply, Tone};

    #[test]
    fn long_texts_are_cut_between_characters() {
        let redactor = Redactor::default();
        let long = "ä".repeat(LONGEST_TEXT);
        assert_eq!(beginning(&format!("x{long}"), &redactor).len(), LONGEST_TEXT - 1);
        assert_eq!(end(&format!("{long}x")).len(), LONGEST_TEXT - 1);
        assert!(end(&format!("{long}x")).ends_with('x'));
        assert_eq!(end("short"), "short");
    }

    #[test]
    fn no_stage_keeps_a_secret_and_what_one_names_the_others_know() {
        let redactor = Redactor::default();
        let utterance = Utterance::typed(Origin::Typed, "run tool --token c4-nary-77");
        let mut record = Clean::opened(&utterance, &redactor);
        let submit =
            Command { target: None, action: Action::Submit { text: "tool --token c4-nary-77".into() } };
        let ran = Ran {
            command: "tool --token c4-nary-77".into(),
            session: "main".into(),
            status: Some(0),
            finished: true,
            output: "using c4-nary-77 now".into(),
            took: std::time::Duration::ZERO,
        };
        for stage in [
            Stage::Commanded(submit),
            Stage::Acted(Outcome::Ran(ran)),
            Stage::Replied(Reply::plain(Tone::Answer, "using c4-nary-77 now")),
            Stage::Abandoned { reason: "c4-nary-77".into() },
        ] {
            record.add(&stage, &redactor);
        }
        let kept = serde_json::to_string(&*record).unwrap();
        assert!(!kept.contains("c4-nary"), "{kept}");
        assert_eq!(kept.matches("[redacted]").count(), 7, "{kept}");
    }
}

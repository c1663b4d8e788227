//! Records as they are kept: without secrets, and within bounds.
//!
//! What is executed is what was said; what is kept of it is this. [`Clean`] can only be made here, and nothing else is
//! written to the journal, searched among, or carried to a server.

use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{Asked, Command, Content, Earlier, Outcome, Record, Sent, Stage, Understood, Utterance};
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
            Stage::Understood(interpretation) => {
                // Told once more, it takes nothing back that is known since.
                let known = record.interpretation.take();
                record.interpretation = clean(interpretation, redactor).map(|interpretation| match known {
                    Some(known) => Understood { interpretation, ..known },
                    None => interpretation.into(),
                });
            }
            Stage::Commanded(command) => {
                if let Some(command) = clean(command, redactor) {
                    commanded(record, command);
                }
            }
            Stage::Asked { summary } => {
                if let Some(understood) = &mut record.interpretation {
                    let settled = understood.question.take().and_then(|question| question.settled);
                    let summary = beginning(summary, redactor);
                    understood.question = Some(Asked { summary, settled });
                }
            }
            Stage::Settled(settled) => {
                if let Some(question) = record.interpretation.as_mut().and_then(|it| it.question.as_mut()) {
                    question.settled = Some(*settled);
                }
            }
            Stage::Concerns(id) => {
                if let Some(understood) = &mut record.interpretation {
                    understood.concerns = Some(*id);
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

/// A turn may send several commands, one after the other, and the same one again.
fn commanded(record: &mut Record, command: Command) {
    let is_over = record.reply.is_some() || record.abandoned.is_some();
    let earlier = match record.command.take() {
        // The same stage told again: one that nothing came of yet, or of a turn that is over.
        Some(last) if last.command == command && (record.outcome.is_none() || is_over) => {
            record.command = Some(last);
            return;
        }
        Some(Sent { command, mut earlier }) => {
            earlier.push(Earlier { command, outcome: record.outcome.take() });
            earlier
        }
        None => Vec::new(),
    };
    record.command = Some(Sent { command, earlier });
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
        Outcome::Text { text, activity } | Outcome::Described { screen: text, activity, .. } => {
            *text = end(text);
            activity.output = activity.output.as_deref().map(end);
        }
        Outcome::Surveyed { sessions } => {
            for it in sessions {
                it.screen = end(&it.screen);
                it.activity.output = it.activity.output.as_deref().map(end);
            }
        }
        Outcome::Ran(ran) => ran.output = end(&ran.output),
        Outcome::Done { .. }
        | Outcome::Session { .. }
        | Outcome::Sessions { .. }
        | Outcome::Watching { .. } => {}
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
    use crate::domain::{
        Action, Answered, Intent, Interpretation, Origin, Ran, Reply, Settled, Tone, UtteranceId, Verdict,
    };

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

    #[test]
    fn what_was_asked_and_done_is_kept_in_its_order_and_reads_back() {
        let redactor = Redactor::default();
        let mut record = Clean::opened(&Utterance::typed(Origin::Typed, "x"), &redactor);
        let zoom = || Command { target: None, action: Action::ZoomPane };
        let done = |what: &str| Outcome::Done { what: what.into() };
        let by = Some(UtteranceId::generate());
        let meant = Stage::Understood(Interpretation::new(Intent::ZoomPane, Verdict::Allow));
        let earlier_question = UtteranceId::generate();
        for stage in [
            meant.clone(),
            Stage::Concerns(earlier_question),
            Stage::Commanded(zoom()),
            Stage::Acted(done("one")),
            Stage::Commanded(zoom()),
            Stage::Commanded(Command { target: None, action: Action::ClosePane }),
            Stage::Acted(done("three")),
            Stage::Asked { summary: "a --token c4-nary-77".into() },
            Stage::Replied(Reply::plain(Tone::Question, "?")),
            Stage::Settled(Settled { answer: Answered::Confirmed, by }),
            meant,
        ] {
            record.add(&stage, &redactor);
        }
        let sent = record.command.clone().unwrap();
        assert_eq!(sent.command.action, Action::ClosePane);
        let outcomes: Vec<_> = sent.earlier.iter().map(|it| it.outcome.clone()).collect();
        assert_eq!((outcomes, &record.outcome), (vec![Some(done("one")), None], &Some(done("three"))));
        let understood = record.interpretation.clone().unwrap();
        assert_eq!(understood.concerns, Some(earlier_question));
        let question = understood.question.unwrap();
        assert_eq!(question.settled, Some(Settled { answer: Answered::Confirmed, by }));
        assert!(question.summary.ends_with("[redacted]"), "{question:?}");
        let kept = serde_json::to_string(&*record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&kept).unwrap(), *record);
        // A turn that is over sends nothing again; a line that is taken back late is one thing more.
        let before = record.clone();
        record.add(&Stage::Commanded(sent.command), &redactor);
        assert_eq!(record, before);
        record.add(&Stage::Commanded(zoom()), &redactor);
        assert_eq!(record.command.as_ref().unwrap().earlier.len(), 3);
    }

    #[test]
    fn what_older_versions_kept_is_read() {
        let meaning = r#"{"intent":"run","command":"ls","verdict":"allow"}"#;
        let understood: Understood = serde_json::from_str(meaning).unwrap();
        assert_eq!(understood.interpretation.intent, Intent::Run { command: "ls".into() });
        let command = r#"{"target":null,"action":"submit","text":"ls"}"#;
        let sent: Sent = serde_json::from_str(command).unwrap();
        assert_eq!(sent.command.action, Action::Submit { text: "ls".into() });
        // And the other way round: they find what they know where it was.
        let both =
            Sent { earlier: vec![Earlier { command: sent.command.clone(), outcome: None }], ..sent.clone() };
        let kept = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&kept).unwrap(), sent.command);
    }
}

//! The records of this run that are unfinished, or not yet on disk.
//!
//! Memory is where a record grows; the disk gets copies of it. So a disk that fails in the middle of
//! a turn costs nothing, and writing later is the same as writing now.

use std::collections::BTreeMap;

use crate::domain::{Content, Outcome, Record, Stage, Utterance, UtteranceId};

/// Records held at most. When there are more, the oldest are given up: it takes a long time without
/// a disk to get there.
const CAPACITY: usize = 1_000;

/// The longest text kept, in bytes.
const LONGEST_TEXT: usize = 64 * 1024;

/// A record and how often it changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Revised {
    pub(super) record: Record,
    /// Counts the changes, from 1.
    pub(super) revision: i64,
}

#[derive(Debug)]
struct Entry {
    now: Revised,
    /// The revision that is known to be on disk; 0 is none.
    saved: i64,
}

impl Entry {
    fn is_saved(&self) -> bool {
        self.saved >= self.now.revision
    }
}

/// The records held.
#[derive(Debug, Default)]
pub(super) struct Held {
    entries: BTreeMap<UtteranceId, Entry>,
}

impl Held {
    /// Opens a record. Does nothing if it is held already.
    pub(super) fn open(&mut self, utterance: &Utterance) {
        if !self.entries.contains_key(&utterance.id) {
            self.insert(Entry { now: Revised { record: opened(utterance), revision: 1 }, saved: 0 });
        }
    }

    /// Takes over what is on disk.
    pub(super) fn adopt(&mut self, now: Revised) {
        let saved = now.revision;
        self.insert(Entry { now, saved });
    }

    fn insert(&mut self, entry: Entry) {
        self.entries.insert(entry.now.record.id, entry);
        if self.entries.len() > CAPACITY
            && let Some((id, _)) = self.entries.pop_first()
        {
            tracing::error!(%id, "too many records wait for the disk; the oldest is given up");
        }
    }

    /// Adds a stage; `false` if the record isn't held. The same stage again changes nothing.
    pub(super) fn add(&mut self, id: UtteranceId, stage: &Stage) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let before = entry.now.record.clone();
        apply(&mut entry.now.record, stage);
        if entry.now.record != before {
            entry.now.revision += 1;
        }
        true
    }

    /// Whether this record is on disk as it is now. One that isn't held is.
    pub(super) fn is_saved(&self, id: UtteranceId) -> bool {
        self.entries.get(&id).is_none_or(Entry::is_saved)
    }

    /// What is not on disk, oldest first.
    pub(super) fn unsaved(&self) -> impl Iterator<Item = &Revised> {
        self.entries.values().filter(|entry| !entry.is_saved()).map(|entry| &entry.now)
    }

    /// Notes that this revision is on disk. A finished record needn't be held any longer.
    pub(super) fn saved(&mut self, id: UtteranceId, revision: i64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.saved = entry.saved.max(revision);
        let finished = entry.now.record.reply.is_some() || entry.now.record.abandoned.is_some();
        if finished && entry.is_saved() {
            self.entries.remove(&id);
        }
    }

    /// Notes that the disk has none of it any more.
    pub(super) fn lost(&mut self) {
        for entry in self.entries.values_mut() {
            entry.saved = 0;
        }
    }
}

fn opened(utterance: &Utterance) -> Record {
    let (text, speech_seconds) = match &utterance.content {
        Content::Text(text) | Content::Transcribed(text) => (Some(beginning(text)), None),
        Content::Speech(pcm) => (None, Some(pcm.duration().as_secs_f64())),
    };
    Record {
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
    }
}

fn apply(record: &mut Record, stage: &Stage) {
    match stage {
        Stage::Transcribed(transcript) => {
            let mut transcript = transcript.clone();
            transcript.text = beginning(&transcript.text);
            record.text = Some(transcript.text.clone());
            record.transcript = Some(transcript);
        }
        Stage::Understood(interpretation) => record.interpretation = Some(interpretation.clone()),
        Stage::Commanded(command) => {
            // A turn may send several, one after the other. The outcome of an earlier one says
            // nothing about this one.
            if record.command.as_ref() != Some(command) {
                record.command = Some(command.clone());
                record.outcome = None;
            }
        }
        Stage::Acted(outcome) => record.outcome = Some(shortened(outcome.clone())),
        Stage::Replied(reply) => {
            let mut reply = reply.clone();
            reply.text = beginning(&reply.text);
            reply.speech = beginning(&reply.speech);
            record.reply = Some(reply);
        }
        Stage::Abandoned { reason } => record.abandoned = Some(beginning(reason)),
    }
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

fn beginning(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST_TEXT)].to_owned()
}

fn end(text: &str) -> String {
    text[text.ceil_char_boundary(text.len().saturating_sub(LONGEST_TEXT))..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Action, Command, Origin, Reply, Tone};

    fn held() -> (Held, UtteranceId) {
        let utterance = Utterance::typed(Origin::Typed, "list sessions");
        let mut held = Held::default();
        held.open(&utterance);
        (held, utterance.id)
    }

    fn replied() -> Stage {
        Stage::Replied(Reply::plain(Tone::Answer, "done"))
    }

    fn revision(held: &Held) -> Option<i64> {
        held.unsaved().next().map(|revised| revised.revision)
    }

    #[test]
    fn the_same_stage_again_is_no_change() {
        let (mut held, id) = held();
        assert!(held.add(id, &replied()) && held.add(id, &replied()));
        assert_eq!(revision(&held), Some(2));
    }

    #[test]
    fn a_record_is_let_go_when_it_is_finished_and_on_disk() {
        let (mut held, id) = held();
        held.saved(id, 1);
        assert!(held.is_saved(id) && held.add(id, &replied()) && !held.is_saved(id));
        held.saved(id, 1);
        assert_eq!(revision(&held), Some(2));
        held.saved(id, 2);
        assert!(!held.add(id, &replied()));
    }

    #[test]
    fn a_new_command_takes_away_the_old_outcome() {
        let (mut held, id) = held();
        let zoom = Stage::Commanded(Command { target: None, action: Action::ZoomPane });
        let acted = Stage::Acted(Outcome::Done { what: "Zoomed".into() });
        held.add(id, &zoom);
        held.add(id, &acted);
        held.add(id, &zoom);
        assert!(held.unsaved().next().unwrap().record.outcome.is_some());
        held.add(id, &Stage::Commanded(Command { target: None, action: Action::ClosePane }));
        assert!(held.unsaved().next().unwrap().record.outcome.is_none());
    }

    #[test]
    fn what_the_disk_lost_is_unsaved_again() {
        let (mut held, id) = held();
        held.saved(id, 1);
        assert_eq!(held.unsaved().count(), 0);
        held.lost();
        assert_eq!(held.unsaved().count(), 1);
    }

    #[test]
    fn the_oldest_is_given_up_when_there_are_too_many() {
        let (mut held, first) = held();
        for _ in 0..CAPACITY {
            held.open(&Utterance::typed(Origin::Typed, "x"));
        }
        assert_eq!(held.unsaved().count(), CAPACITY);
        assert!(!held.add(first, &replied()));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ä".repeat(LONGEST_TEXT);
        assert_eq!(beginning(&format!("x{long}")).len(), LONGEST_TEXT - 1);
        assert_eq!(end(&format!("{long}x")).len(), LONGEST_TEXT - 1);
        assert!(end(&format!("{long}x")).ends_with('x'));
        assert_eq!(end("short"), "short");
    }
}

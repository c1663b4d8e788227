//! The records of this run that are unfinished, or not yet on disk.
//!
//! Memory is where a record grows; the disk gets copies of it. So a disk that fails in the middle of
//! a turn costs nothing, and writing later is the same as writing now.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::record::Clean;
use crate::domain::{Stage, Utterance, UtteranceId};
use crate::redact::Redactor;

/// Records held at most. When there are more, the oldest are given up: it takes a long time without
/// a disk to get there.
const CAPACITY: usize = 1_000;

/// A record and how often it changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Revised {
    pub(super) record: Clean,
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
    /// What comes in is held, and kept, without secrets.
    redactor: Arc<Redactor>,
}

impl Held {
    /// Takes secrets out with this from now on.
    pub(super) fn redact_with(&mut self, redactor: Arc<Redactor>) {
        self.redactor = redactor;
    }

    /// Opens a record. Does nothing if it is held already.
    pub(super) fn open(&mut self, utterance: &Utterance) {
        if !self.entries.contains_key(&utterance.id) {
            let record = Clean::opened(utterance, &self.redactor);
            self.insert(Entry { now: Revised { record, revision: 1 }, saved: 0 });
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
        entry.now.record.add(stage, &self.redactor);
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

    /// Forgets these.
    pub(super) fn forget(&mut self, ids: &[UtteranceId]) {
        for id in ids {
            self.entries.remove(id);
        }
    }

    /// Notes that the disk has none of it any more.
    pub(super) fn lost(&mut self) {
        for entry in self.entries.values_mut() {
            entry.saved = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Action, Command, Origin, Outcome, Reply, Tone};

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
        held.add(id, &acted);
        assert!(held.unsaved().next().unwrap().record.outcome.is_some());
        held.add(id, &zoom);
        assert!(held.unsaved().next().unwrap().record.outcome.is_none(), "it is done once more");
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
}

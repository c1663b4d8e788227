//! What was asked and what was answered, held against what was done and what was written down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use voice_terminal::domain::{Command, Reply, Tone};

/// What was told of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It ran to its end.
    Done,
    /// It may or may not have run, or still runs.
    Unknown,
    /// It was not entered.
    NotDone,
    /// Nothing was told: whoever was asked had gone, or never got it.
    Untold,
}

/// A line that was typed, by the number that it leaves behind.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) fate: Fate,
    /// The sessions in which it may have run.
    pub(super) places: BTreeSet<String>,
    /// What was answered.
    pub(super) told: String,
    /// Whether it is a record of its own (and not the answer to a question about it).
    pub(super) is_typed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) lines: BTreeMap<u32, Line>,
    /// Recordings that were played into the microphone while it worked, and whether they were heard.
    pub(super) spoken: u32,
    pub(super) unheard: u32,
    /// Searches, and those that did not find what they should.
    pub(super) searches: u32,
    pub(super) not_found: Vec<String>,
}

/// A mark that a line left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) what: String,
    /// `$3`
    pub(super) session: String,
    /// `%5`
    pub(super) pane: String,
}

/// What the journal holds of an utterance.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Written {
    pub(super) id: String,
    pub(super) revision: i64,
    pub(super) origin: String,
    pub(super) text: Option<String>,
    pub(super) command: Option<String>,
    pub(super) reply: Option<String>,
    pub(super) abandoned: Option<String>,
    pub(super) tier: Option<String>,
}

impl Fate {
    /// What a reply to a line says.
    pub(super) fn of(reply: Option<&Reply>) -> Self {
        let Some(Reply { tone, text, .. }) = reply else { return Self::Untold };
        let unsure = [
            "may or may not have happened",
            "goes on in the background",
            "doesn't tell the exit status",
            "I stopped waiting",
            "failed with exit status",
            "I can't see its end there",
        ];
        if unsure.iter().any(|words| text.contains(words)) {
            Self::Unknown
        } else if text.contains(": done in ") && *tone == Tone::Answer {
            Self::Done
        } else {
            Self::NotDone
        }
    }
}

/// A line that leaves this number behind. All are as long, so that no search for one finds another.
pub(super) fn line(number: u32) -> String {
    format!("run mark {number:06}")
}

/// The marks that all lines have left.
pub(super) fn marks(file: &Path) -> Vec<Mark> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mark = |line: &str| {
        // number, socket,server,session, pane
        let mut words = line.split(' ');
        let (what, tmux, pane) = (words.next()?, words.next()?, words.next()?);
        let session = format!("${}", tmux.rsplit(',').next()?);
        Some(Mark { what: what.into(), session, pane: pane.into() })
    };
    text.lines().map(|line| mark(line).unwrap_or_else(|| panic!("half a mark: {line:?}"))).collect()
}

impl Ledger {
    /// What is wrong, in words: nothing, if no word was lost and nothing done twice or elsewhere.
    pub(super) fn judge(&self, marks: &[Mark], written: &[Written]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut by_number: BTreeMap<u32, Vec<&Mark>> = BTreeMap::new();
        let mut spoken = 0;
        for mark in marks {
            match mark.what.parse() {
                Ok(number) => by_number.entry(number).or_default().push(mark),
                Err(_) if mark.what == "spoken" => spoken += 1,
                Err(_) => wrong.push(format!("nobody said {mark:?}")),
            }
        }
        let records = by_text(written);
        for (number, line) in &self.lines {
            let done = by_number.get(number).map_or(&[][..], Vec::as_slice);
            let right = match line.fate {
                Fate::Done => done.len() == 1,
                Fate::Unknown | Fate::Untold => done.len() <= 1,
                Fate::NotDone => done.is_empty(),
            };
            if !right {
                wrong.push(format!(
                    "line {number} was done {} times, and it was told {:?}: {}",
                    done.len(),
                    line.fate,
                    line.told
                ));
            }
            let text = self::line(*number);
            let of_it = records.get(text.as_str()).map_or(&[][..], Vec::as_slice);
            if line.is_typed {
                let told = line.fate != Fate::Untold;
                if of_it.len() > 1 || (told || !done.is_empty()) && of_it.is_empty() {
                    wrong.push(format!("line {number} has {} records; {:?}", of_it.len(), line.fate));
                }
            }
            for mark in done {
                wrong.extend(line.misplaced(*number, mark, of_it));
            }
        }
        for (number, done) in by_number {
            if !self.lines.contains_key(&number) {
                wrong.push(format!("nobody typed line {number}, which was done {} times", done.len()));
            }
        }
        wrong.extend(spoken_more_often(spoken, written));
        for record in written {
            if record.reply.is_none() && record.abandoned.is_none() {
                wrong.push(format!("{} has no fate: {record:?}", record.id));
            }
        }
        wrong.extend(self.not_found.iter().cloned());
        wrong
    }
}

impl Line {
    /// Whether it was done elsewhere than it was meant for, or than it was written down.
    fn misplaced(&self, number: u32, mark: &Mark, of_it: &[&Written]) -> Option<String> {
        let command = of_it.first()?.command.as_ref()?;
        let command: Command = serde_json::from_str(command).unwrap();
        let target = command.target?;
        let is_there = target.session.0 == mark.session && target.pane.0 == mark.pane;
        (!is_there || !self.places.contains(&target.session_name)).then(|| {
            format!(
                "line {number} was meant for {:?}, is written down for {target:?}, and was done in {mark:?}",
                self.places
            )
        })
    }
}

fn by_text(written: &[Written]) -> BTreeMap<&str, Vec<&Written>> {
    let mut records: BTreeMap<&str, Vec<&Written>> = BTreeMap::new();
    for record in written {
        if let Some(text) = &record.text {
            records.entry(text).or_default().push(record);
        }
    }
    records
}

/// What was spoken leaves the same mark every time: as many as were done, and no more than may have been.
fn spoken_more_often(marks: usize, written: &[Written]) -> Option<String> {
    let fate = |record: &&Written| {
        let reply: Option<Reply> = record.reply.as_deref().map(|reply| serde_json::from_str(reply).unwrap());
        let is_line = record.command.as_deref().is_some_and(|command| command.contains("mark spoken"));
        is_line.then(|| Fate::of(reply.as_ref()))
    };
    let fates: Vec<Fate> =
        written.iter().filter(|it| it.origin == "microphone").filter_map(|it| fate(&it)).collect();
    let done = fates.iter().filter(|fate| **fate == Fate::Done).count();
    let most = done + fates.iter().filter(|fate| matches!(fate, Fate::Unknown | Fate::Untold)).count();
    (!(done..=most).contains(&marks))
        .then(|| format!("what was spoken was done {marks} times, and it was told {done} to {most} times"))
}

mod tests {
    use super::*;

    fn typed(fate: Fate) -> Line {
        Line { fate, places: BTreeSet::from(["red".to_owned()]), told: String::new(), is_typed: true }
    }

    fn mark(what: &str, pane: &str) -> Mark {
        Mark { what: what.into(), session: "$1".into(), pane: pane.into() }
    }

    fn record(number: u32) -> Written {
        Written {
            id: "id".into(),
            revision: 3,
            origin: "control".into(),
            text: Some(line(number)),
            command: Some(
                r#"{"target":{"session":"$1","session_name":"red","pane":"%1"},"action":"submit","text":"x"}"#.into(),
            ),
            reply: Some(String::new()),
            abandoned: None,
            tier: None,
        }
    }

    fn judged(fate: Fate, marks: &[Mark], written: &[Written]) -> usize {
        let ledger = Ledger { lines: BTreeMap::from([(7, typed(fate))]), ..Ledger::default() };
        ledger.judge(marks, written).len()
    }

    #[test]
    fn what_is_lost_or_done_twice_or_elsewhere_is_seen() {
        let once = [mark("7", "%1")];
        let twice = [mark("7", "%1"), mark("7", "%1")];
        assert_eq!(judged(Fate::Done, &once, &[record(7)]), 0);
        assert_eq!(judged(Fate::Done, &[], &[record(7)]), 1, "not done");
        assert_eq!(judged(Fate::Done, &twice, &[record(7)]), 1, "done twice");
        assert_eq!(judged(Fate::Unknown, &twice, &[record(7)]), 1, "done twice");
        assert_eq!(judged(Fate::Unknown, &[], &[record(7)]), 0);
        assert_eq!(judged(Fate::NotDone, &once, &[record(7)]), 1, "done all the same");
        assert_eq!(judged(Fate::Done, &[mark("7", "%2")], &[record(7)]), 1, "elsewhere");
        assert_eq!(judged(Fate::Done, &once, &[]), 1, "not written down");
        assert_eq!(judged(Fate::Done, &once, &[record(7), record(7)]), 1, "written down twice");
        assert_eq!(judged(Fate::Untold, &[], &[]), 0);
        assert_eq!(judged(Fate::Done, &[once[0].clone(), mark("8", "%1")], &[record(7)]), 1, "nobody's");
        assert_eq!(judged(Fate::Done, &once, &[Written { reply: None, ..record(7) }]), 1, "without a fate");
        assert_eq!(judged(Fate::Done, &[once[0].clone(), mark("spoken", "%1")], &[record(7)]), 1, "nobody's");
        assert_eq!(judged(Fate::Done, &[once[0].clone(), mark("66mark", "%1")], &[record(7)]), 1, "nobody's");
    }
}

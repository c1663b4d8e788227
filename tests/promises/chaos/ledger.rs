//! What was asked and what was answered, held against what was done and what was written down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use voice_terminal::domain::{Action, Command, Event, Reply, Sent, Target, Tone};

use super::daemon::{NoAnswer, Seen};

/// Of so few nothing can be told.
const ENOUGH: usize = 10;

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

/// A line that was typed, or that the AI made, by the number that it leaves behind.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) fate: Fate,
    /// The sessions in which it may have run.
    pub(super) places: BTreeSet<String>,
    /// What was answered.
    pub(super) told: String,
    /// What was typed for it, which has a record of its own; nothing if that was not taken.
    pub(super) text: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) lines: BTreeMap<u32, Line>,
    /// Recordings that were heard.
    pub(super) spoken: u32,
    /// Recordings that were played into a microphone that worked, and were not heard.
    pub(super) missed: u32,
    /// Those that were not heard the second time either.
    pub(super) unheard: u32,
    /// What was asked, and never answered, of a program that was there all the time.
    pub(super) unanswered: Vec<String>,
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

/// What only the AI knows to be that line.
pub(super) fn question(number: u32) -> String {
    format!("would be lovely to greet the world number {number}")
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
    /// Notes what was answered. Only a program that dies or stands still may say nothing.
    pub(super) fn answered(
        &mut self,
        text: &str,
        answer: &Result<Option<Reply>, NoAnswer>,
        may_be_silent: bool,
    ) {
        if matches!(answer, Ok(None) | Err(NoAnswer::Gone)) && !may_be_silent {
            self.unanswered.push(format!("nobody answered \"{text}\": {answer:?}"));
        }
    }

    /// What is wrong, in words: nothing, if no word was lost and nothing done twice or elsewhere.
    pub(super) fn judge(&self, marks: &[Mark], written: &[Written]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut by_number: BTreeMap<u32, Vec<&Mark>> = BTreeMap::new();
        for mark in marks {
            match mark.what.parse() {
                Ok(number) => by_number.entry(number).or_default().push(mark),
                Err(_) if mark.what == SPOKEN => {}
                Err(_) => wrong.push(format!("nobody said {mark:?}")),
            }
        }
        let (records, entered) = (by_text(written), entered(written));
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
            let mut is_written = true;
            if let Some(text) = &line.text {
                let records = records.get(text.as_str()).map_or(0, Vec::len);
                let told = line.fate != Fate::Untold;
                if records > 1 || (told || !done.is_empty()) && records == 0 {
                    wrong.push(format!("line {number} has {records} records; {:?}", line.fate));
                }
                is_written = records > 0;
            }
            let places = entered.get(number).map_or(&[][..], Vec::as_slice);
            for mark in done.iter().filter(|_| is_written) {
                wrong.extend(line.misplaced(*number, mark, places));
            }
        }
        for (number, done) in by_number {
            if !self.lines.contains_key(&number) {
                wrong.push(format!("nobody typed line {number}, which was done {} times", done.len()));
            }
        }
        wrong.extend(spoken_otherwise(marks, written));
        for record in written {
            if record.reply.is_none() && record.abandoned.is_none() {
                wrong.push(format!("{} has no fate: {record:?}", record.id));
            }
        }
        wrong.extend(self.not_found.iter().chain(&self.unanswered).cloned());
        wrong
    }
}

impl Line {
    /// Whether it was done elsewhere than it was meant for, or than was written down before it was entered.
    fn misplaced(&self, number: u32, mark: &Mark, entered: &[Option<Target>]) -> Option<String> {
        let is_there =
            |target: &Target| place_of(target) == mark.place() && self.places.contains(&target.session_name);
        (!entered.iter().flatten().any(is_there)).then(|| {
            format!(
                "line {number} was meant for {:?}, is written down for {entered:?}, and was done in {mark:?}",
                self.places
            )
        })
    }
}

/// A session and a pane.
type Place<'a> = (&'a str, &'a str);

impl Mark {
    fn place(&self) -> Place<'_> {
        (&self.session, &self.pane)
    }
}

fn place_of(target: &Target) -> Place<'_> {
    (&target.session.0, &target.pane.0)
}

impl Written {
    /// What was sent to the terminal, in order.
    fn sent(&self) -> Vec<Command> {
        let Some(sent) = &self.command else { return Vec::new() };
        let Sent { command, earlier } = serde_json::from_str(sent).unwrap();
        earlier.into_iter().map(|earlier| earlier.command).chain([command]).collect()
    }

    /// Whether somebody recognised it, and whether as what was said.
    fn is_recognised(&self, said: &str) -> Option<bool> {
        self.tier.as_ref()?;
        let heard = self.text.as_deref().unwrap_or_default().to_lowercase();
        let is_it = self.command.as_deref().is_some_and(|command| command.contains("mark spoken"));
        Some(is_it || heard.contains(said))
    }
}

/// Which mark is left by what is entered.
fn left_by(action: &Action) -> Option<&str> {
    match action {
        Action::Submit { text } => text.trim().strip_prefix("mark "),
        _ => None,
    }
}

/// The lines that were entered, by number, and where, as that was written down before.
fn entered(written: &[Written]) -> BTreeMap<u32, Vec<Option<Target>>> {
    let mut places: BTreeMap<u32, Vec<Option<Target>>> = BTreeMap::new();
    for Command { target, action } in written.iter().flat_map(Written::sent) {
        if let Some(number) = left_by(&action).and_then(|mark| mark.parse().ok()) {
            places.entry(number).or_default().push(target);
        }
    }
    places
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

/// What was told to be heard, and is not written down.
pub(super) fn unwritten(seen: &[Seen], written: &[Written]) -> Vec<String> {
    let known: BTreeSet<&str> = written.iter().map(|record| record.id.as_str()).collect();
    let missing = |it: &Seen| match &it.event {
        Event::Heard { id, origin, .. } if !known.contains(id.to_string().as_str()) => {
            Some(format!("{id} was heard ({origin:?}), and has no record"))
        }
        _ => None,
    };
    seen.iter().filter_map(missing).collect()
}

/// The mark of all that is spoken.
const SPOKEN: &str = "spoken";

/// What was spoken leaves the same mark every time: in each place as many as were done there, and no more than may have
/// been.
fn spoken_otherwise(marks: &[Mark], written: &[Written]) -> Vec<String> {
    // How often it was done there, how often it was told to be, and how often it may have been.
    let mut places: BTreeMap<Option<(String, String)>, [usize; 3]> = BTreeMap::new();
    let owned = |(session, pane): Place| (session.to_owned(), pane.to_owned());
    for mark in marks.iter().filter(|mark| mark.what == SPOKEN) {
        places.entry(Some(owned(mark.place()))).or_default()[0] += 1;
    }
    for record in written {
        let is_it = |command: &Command| left_by(&command.action) == Some(SPOKEN);
        let Some(command) = record.sent().into_iter().find(is_it) else { continue };
        let reply: Option<Reply> = record.reply.as_deref().map(|reply| serde_json::from_str(reply).unwrap());
        let place = places.entry(command.target.as_ref().map(|target| owned(place_of(target)))).or_default();
        match Fate::of(reply.as_ref()) {
            Fate::Done => {
                place[1] += 1;
                place[2] += 1;
            }
            Fate::Unknown | Fate::Untold => place[2] += 1,
            Fate::NotDone => {}
        }
    }
    let wrong = places.into_iter().filter(|(_, [done, told, most])| !(told..=most).contains(&done));
    wrong
        .map(|(place, [done, told, most])| {
            format!("what was spoken was done {done} times in {place:?}, and told {told} to {most} times")
        })
        .collect()
}

/// What came of what was spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Understood {
    /// So often somebody recognised something.
    pub(super) recognised: usize,
    /// So often that was what was said.
    pub(super) right: usize,
    /// So often it was done.
    pub(super) done: usize,
}

impl Understood {
    pub(super) fn of(said: &str, marks: &[Mark], written: &[Written]) -> Self {
        let spoken = written.iter().filter(|record| record.origin == "microphone");
        let recognised: Vec<bool> = spoken.filter_map(|record| record.is_recognised(said)).collect();
        Self {
            recognised: recognised.len(),
            right: recognised.iter().filter(|right| **right).count(),
            done: marks.iter().filter(|mark| mark.what == SPOKEN).count(),
        }
    }

    /// Where nothing comes of most of it, what is recognised is not what was said.
    pub(super) fn wrong(self) -> Option<String> {
        let Self { recognised, right, done } = self;
        (recognised >= ENOUGH && (right * 2 < recognised || done == 0)).then(|| {
            format!("{recognised} spoken utterances were recognised, {right} rightly, and {done} were done")
        })
    }
}

mod tests {
    use std::time::Instant;

    use voice_terminal::domain::{Origin, UtteranceId};

    use super::*;

    fn typed(fate: Fate) -> Line {
        Line { fate, places: BTreeSet::from(["red".to_owned()]), told: String::new(), text: Some(line(7)) }
    }

    fn mark(what: &str, pane: &str) -> Mark {
        Mark { what: what.into(), session: "$1".into(), pane: pane.into() }
    }

    fn entered_in(pane: &str, line: &str) -> String {
        let target = format!(r#"{{"session":"$1","session_name":"red","pane":"{pane}"}}"#);
        format!(r#"{{"target":{target},"action":"submit","text":"{line}"}}"#)
    }

    fn record(number: u32) -> Written {
        Written {
            id: "id".into(),
            revision: 3,
            origin: "control".into(),
            text: Some(line(number)),
            command: Some(entered_in("%1", &format!("mark {number:06}"))),
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
    #[test]
    fn a_mark_needs_a_place_that_was_written_down() {
        let once = [mark("7", "%1")];
        let nowhere = r#"{"target":null,"action":"submit","text":"mark 000007"}"#;
        assert_eq!(judged(Fate::Done, &once, &[Written { command: Some(nowhere.into()), ..record(7) }]), 1);
        assert_eq!(judged(Fate::Done, &once, &[Written { command: None, ..record(7) }]), 1, "never entered");
        // The AI's line is in the record of the "confirm".
        let asked = Line { text: Some(question(7)), ..typed(Fate::Done) };
        let ledger = Ledger { lines: BTreeMap::from([(7, asked)]), ..Ledger::default() };
        let asks = Written { text: Some(question(7)), command: None, ..record(7) };
        let confirms = |pane| Written {
            text: Some("confirm".into()),
            command: Some(entered_in(pane, "mark 000007")),
            ..record(7)
        };
        let wrong = |written: &[Written]| ledger.judge(&once, written).len();
        assert_eq!(wrong(&[asks.clone(), confirms("%1")]), 0);
        assert_eq!(wrong(&[asks.clone(), confirms("%2")]), 1, "elsewhere");
        assert_eq!(wrong(&[asks]), 1, "nobody entered it");
        assert_eq!(wrong(&[confirms("%1")]), 1, "the question is not written down");
    }

    fn spoken(pane: &str, text: &str) -> Written {
        Written {
            origin: "microphone".into(),
            text: Some(text.into()),
            command: Some(entered_in(pane, "mark spoken")),
            reply: Some(
                r#"{"tone":"answer","text":"`mark spoken` in red: done in 1 s.","speech":""}"#.into(),
            ),
            tier: Some("local-whisper".into()),
            ..record(0)
        }
    }

    #[test]
    fn what_is_spoken_is_done_where_it_is_written_down() {
        let wrong = |marks: &[Mark], written: &[Written]| Ledger::default().judge(marks, written).len();
        let (here, there) = (mark(SPOKEN, "%1"), mark(SPOKEN, "%2"));
        let both = [spoken("%1", ""), spoken("%2", "")];
        assert_eq!(wrong(&[here.clone(), there.clone()], &both), 0);
        assert_eq!(wrong(&[here.clone(), here.clone()], &both), 2, "twice here, and not there");
        assert_eq!(wrong(&[here], &both), 1, "not there");
        let unsure = Written { reply: None, abandoned: Some("it ended".into()), ..spoken("%2", "") };
        assert_eq!(wrong(&[], std::slice::from_ref(&unsure)), 0);
        assert_eq!(wrong(&[there], &[unsure]), 0);
    }

    #[test]
    fn what_is_recognised_must_be_what_was_said() {
        let wrong = |right: usize, other: usize, marks: usize| {
            let of = |count, text| (0..count).map(move |_| Written { command: None, ..spoken("%1", text) });
            let written: Vec<Written> = of(right, "Check the weather.").chain(of(other, "")).collect();
            Understood::of("check the weather", &vec![mark(SPOKEN, "%1"); marks], &written).wrong().is_some()
        };
        assert!(!wrong(12, 3, 10));
        assert!(wrong(3, 12, 3), "mostly something else");
        assert!(wrong(12, 3, 0), "nothing is done");
        assert!(!wrong(0, 3, 0), "too few");
    }

    #[test]
    fn only_a_program_that_dies_may_be_silent() {
        let mut ledger = Ledger::default();
        for silence in [Ok(None), Err(NoAnswer::Gone)] {
            ledger.answered("help", &silence, true);
        }
        ledger.answered("help", &Err(NoAnswer::NotAsked), false);
        ledger.answered("help", &Ok(Some(Reply::plain(Tone::Answer, "Say something."))), false);
        assert_eq!(ledger.judge(&[], &[]).len(), 0);
        ledger.answered("help", &Ok(None), false);
        ledger.answered("help", &Err(NoAnswer::Gone), false);
        assert_eq!(ledger.judge(&[], &[]).len(), 2);
    }

    #[test]
    fn what_was_heard_is_written_down() {
        let id = UtteranceId::generate();
        let event = Event::Heard { id, origin: Origin::Microphone, speech: None };
        let seen = [Seen { at: Instant::now(), event }];
        let written = Written { id: id.to_string(), ..record(7) };
        assert_eq!((unwritten(&seen, &[written]).len(), unwritten(&seen, &[record(7)]).len()), (0, 1));
    }
}

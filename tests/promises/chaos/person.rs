//! Somebody who types, speaks, asks, searches and listens all the time, whatever is wrong; and keeps account of it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use voice_terminal::domain::{Event, Origin, Reply, Tone, UtteranceId};
use voice_terminal::server::{Request, Response};

use super::daemon::{Control, Events, NoAnswer};
use super::ledger::{self, Fate, Ledger, Line};
use super::schedule::Chance;
use crate::support::clouds::Fake;
use crate::support::pulse::Pulse;
use crate::support::user::User;

const SESSIONS: [&str; 3] = ["red", "green", "blue"];
/// Where the program goes when its session is gone.
const LAST_RESORT: &str = "main";
/// What is said: a phrase of the user's own, for `run mark spoken`.
pub(super) const SAID: &str = "check the weather";
/// Nothing that is asked takes so long.
const PATIENCE: Duration = Duration::from_secs(90);
/// From the end of a recording until it is known that somebody spoke.
const HEARD: Duration = Duration::from_secs(6);

/// What is to be done most of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Focus {
    Type,
    Speak,
    Ask,
    Listen,
    Search,
}

/// Whom and what the person has before them.
#[derive(Clone)]
pub(super) struct World {
    pub(super) user: Arc<User>,
    pub(super) control: Control,
    pub(super) events: Events,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) pulse: Arc<Mutex<Pulse>>,
    /// Who hears in the recogniser's place, and who knows what words mean.
    pub(super) hears: Fake,
    pub(super) knows: Fake,
    pub(super) recording: PathBuf,
    pub(super) wish: Arc<Wish>,
}

/// What the person is told by whoever directs the play.
#[derive(Debug, Default)]
pub(super) struct Wish {
    focus: Mutex<Vec<Focus>>,
    pause: AtomicBool,
    pauses: AtomicBool,
    end: AtomicBool,
    /// Sessions may go at any moment.
    unsettled: AtomicBool,
    /// The microphone and the program work: who speaks is to be heard.
    must_hear: AtomicBool,
    /// The program may die or stand still: who asks may get no answer.
    may_be_silent: AtomicBool,
    /// How often each was done, by [`Focus`].
    done: [AtomicU32; 5],
    /// When each was begun.
    begun: Mutex<Vec<(Focus, Instant)>>,
}

/// The person, at work on a thread.
pub(super) struct Person {
    wish: Arc<Wish>,
    thread: Option<JoinHandle<()>>,
}

impl Wish {
    pub(super) fn focus(&self, on: Vec<Focus>) {
        *self.focus.lock().unwrap() = on;
    }

    pub(super) fn unsettle(&self, unsettled: bool) {
        self.unsettled.store(unsettled, Ordering::SeqCst);
    }

    /// How often this was done to its end.
    pub(super) fn done(&self, what: Focus) -> u32 {
        self.done[what as usize].load(Ordering::SeqCst)
    }

    /// When this was first begun since then.
    pub(super) fn begun(&self, what: Focus, since: Instant) -> Option<Instant> {
        let begun = self.begun.lock().unwrap();
        begun.iter().find(|(it, at)| *it == what && *at >= since).map(|(_, at)| *at)
    }

    pub(super) fn must_hear(&self, must: bool) {
        self.must_hear.store(must, Ordering::SeqCst);
    }

    pub(super) fn may_be_silent(&self, may: bool) {
        self.may_be_silent.store(may, Ordering::SeqCst);
    }
}

impl Person {
    pub(super) fn begin(world: World, chance: Chance) -> Self {
        let wish = Arc::clone(&world.wish);
        let at_work = AtWork { world, chance, number: 0, here: BTreeSet::new(), since: 0 };
        Self { wish, thread: Some(std::thread::spawn(move || at_work.run())) }
    }

    /// Stops at the end of what is under way, and waits for that.
    pub(super) fn pause(&self) {
        self.wish.pause.store(true, Ordering::SeqCst);
        while !self.wish.pauses.load(Ordering::SeqCst) {
            assert!(!self.thread.as_ref().unwrap().is_finished(), "the person has given up");
            sleep(Duration::from_millis(20));
        }
    }

    pub(super) fn go_on(&self) {
        self.wish.pauses.store(false, Ordering::SeqCst);
        self.wish.pause.store(false, Ordering::SeqCst);
    }

    /// Ends it; a failure of it is one here.
    pub(super) fn end(mut self) {
        self.wish.end.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

struct AtWork {
    world: World,
    chance: Chance,
    /// Of the next line.
    number: u32,
    /// The sessions that commands may go to.
    here: BTreeSet<String>,
    /// Since when that is known.
    since: usize,
}

impl AtWork {
    fn run(mut self) {
        let wish = Arc::clone(&self.world.wish);
        for round in 0_usize.. {
            while wish.pause.load(Ordering::SeqCst) && !wish.end.load(Ordering::SeqCst) {
                wish.pauses.store(true, Ordering::SeqCst);
                sleep(Duration::from_millis(20));
            }
            if wish.end.load(Ordering::SeqCst) {
                return;
            }
            let focus = wish.focus.lock().unwrap().clone();
            // What matters now every other time, and everything in turn.
            let one = match focus.get(round / 2 % focus.len().max(1)) {
                Some(focus) if round % 2 == 0 => *focus,
                _ => [Focus::Type, Focus::Speak, Focus::Type, Focus::Ask, Focus::Search, Focus::Listen]
                    [self.chance.below(6)],
            };
            wish.begun.lock().unwrap().push((one, Instant::now()));
            match one {
                Focus::Type => self.types(),
                Focus::Speak => self.speaks(),
                Focus::Ask => self.asks(),
                Focus::Listen => self.listens(),
                Focus::Search => self.searches(),
            }
            wish.done[one as usize].fetch_add(1, Ordering::SeqCst);
        }
    }

    fn says(&self, text: &str) -> Result<Option<Reply>, NoAnswer> {
        let request = Request::Do { text: text.into(), yes: false, spoken: false };
        let answer = match self.world.control.ask(&request, PATIENCE) {
            Ok(Response::Answer { reply }) => Ok(reply),
            Ok(_) => Ok(None),
            Err(no) => {
                // Somebody starts it again.
                sleep(Duration::from_millis(50));
                Err(no)
            }
        };
        // Nothing is asked across the end of a case.
        let may_be_silent = self.world.wish.may_be_silent.load(Ordering::SeqCst);
        self.world.ledger.lock().unwrap().answered(text, &answer, may_be_silent);
        answer
    }

    /// Goes to a session, and then types some lines quickly.
    fn types(&mut self) {
        let session = SESSIONS[self.chance.below(SESSIONS.len())];
        if !self.goes_to("switch to", session) {
            self.goes_to("new session", session);
        }
        for _ in 0..3 + self.chance.below(8) {
            let number = self.next();
            let places = self.places();
            let text = ledger::line(number);
            let reply = self.says(&text);
            self.keep(number, places, &reply, text);
            if self.world.wish.pause.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    fn goes_to(&mut self, how: &str, session: &str) -> bool {
        let unsettled = self.world.wish.unsettled.load(Ordering::SeqCst);
        let since = self.world.events.now();
        let reply = self.says(&format!("{how} {session}"));
        let went = matches!(&reply, Ok(Some(reply)) if reply.tone == Tone::Answer
            && (reply.text.starts_with(&format!("Switched to {session}."))
                || reply.text.starts_with(&format!("New session {session}."))));
        if went && !unsettled {
            self.here.clear();
            self.since = since;
        }
        self.here.insert(session.into());
        went
    }

    /// Where a line may run that is typed now.
    fn places(&mut self) -> BTreeSet<String> {
        // A tmux that is let go on may crash, with all its sessions; then this is told.
        let gone = self.world.events.find(self.since, |seen| match &seen.event {
            Event::Notice { text, .. } => text.contains("The tmux server was gone").then_some(()),
            _ => None,
        });
        if self.here.is_empty() || gone.is_some() || self.world.wish.unsettled.load(Ordering::SeqCst) {
            self.here.insert(LAST_RESORT.into());
        }
        self.here.clone()
    }

    fn next(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    fn keep(
        &mut self,
        number: u32,
        mut places: BTreeSet<String>,
        reply: &Result<Option<Reply>, NoAnswer>,
        text: String,
    ) {
        // Where it went may have changed while it was on its way.
        places.extend(self.places());
        let told = match reply {
            Ok(Some(reply)) => reply.text.clone(),
            Ok(None) => "nothing".into(),
            Err(no) => format!("{no:?}"),
        };
        let fate = match reply {
            Ok(reply) => Fate::of(reply.as_ref()),
            Err(NoAnswer::NotAsked) => Fate::NotDone,
            Err(NoAnswer::Gone) => Fate::Untold,
        };
        let held = told.contains("held something already");
        let text = (*reply != Err(NoAnswer::NotAsked)).then_some(text);
        self.world.ledger.lock().unwrap().lines.insert(number, Line { fate, places, told, text });
        if held {
            // As it advises.
            let _ = self.says("press control c");
        }
    }

    /// Asks for what only the AI knows, and agrees to what it makes of that.
    fn asks(&mut self) {
        let number = self.next();
        self.world.knows.says(&format!(r#"{{"intent":"run","command":"mark {number:06}"}}"#));
        let mut places = self.places();
        // Nobody has gone anywhere for it.
        places.insert(LAST_RESORT.into());
        let text = ledger::question(number);
        let asked = self.says(&text);
        let is_question = matches!(&asked, Ok(Some(reply)) if reply.asks());
        if is_question {
            let reply = self.says("confirm");
            self.keep(number, places, &reply, text);
        }
    }

    /// Has something answered that was never said before, and listens to the end.
    fn listens(&mut self) {
        let number = self.next();
        let _ = self.says(&format!("run echo number {number}"));
        self.until_silent(Duration::from_millis(300));
    }

    /// Waits until nothing is spoken, for some seconds at most; whether it is so.
    fn until_silent(&self, at_least: Duration) -> bool {
        sleep(at_least);
        let patience = Instant::now() + Duration::from_secs(8);
        while Instant::now() < patience {
            match self.world.control.status(Duration::from_millis(500)) {
                Some(status) if !status.standing.speaking => return true,
                _ => sleep(Duration::from_millis(100)),
            }
        }
        false
    }

    fn searches(&mut self) {
        let known: Vec<u32> = {
            let ledger = self.world.ledger.lock().unwrap();
            let is_done = |(number, line): &(&u32, &Line)| {
                line.fate == Fate::Done && line.text == Some(ledger::line(**number))
            };
            let done = ledger.lines.iter().filter(is_done);
            // What has just been done may not be on the way that is read.
            done.map(|(number, _)| *number).rev().skip(50).take(500).collect()
        };
        let Some(number) = known.get(self.chance.below(known.len())) else { return };
        let line = ledger::line(*number);
        let words = line.trim_start_matches("run ");
        let mut command = self.world.user.command(&["history", "--json", "--limit", "3", "--search", words]);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, complaints) = finished(child, PATIENCE);
        let mut ledger = self.world.ledger.lock().unwrap();
        ledger.searches += 1;
        if !out.contains(&format!("\"{line}\"")) {
            ledger.not_found.push(format!("a search did not find line {number}: {out} {complaints}"));
        }
    }

    /// Says something into the microphone, and waits for what comes of it. Who isn't heard says it once more.
    fn speaks(&mut self) {
        for again in 0..2 {
            let must_hear = || self.world.wish.must_hear.load(Ordering::SeqCst);
            if !self.until_silent(Duration::ZERO) {
                return;
            }
            // The room goes on sounding for a moment.
            sleep(Duration::from_millis(700));
            self.world.hears.says(SAID);
            let (mark, must) = (self.world.events.now(), must_hear());
            let playing = self.world.pulse.lock().unwrap().playing(&self.world.recording);
            let (_, trouble) = finished(playing, Duration::from_secs(5));
            if let Some(id) = self.heard(mark) {
                self.world.ledger.lock().unwrap().spoken += 1;
                return self.answered(mark, id);
            }
            if !must || !must_hear() || !trouble.is_empty() {
                return;
            }
            let mut ledger = self.world.ledger.lock().unwrap();
            ledger.missed += 1;
            ledger.unheard += u32::from(again == 1);
        }
    }

    fn heard(&self, mark: usize) -> Option<UtteranceId> {
        let patience = Instant::now() + HEARD;
        loop {
            let heard = self.world.events.find(mark, |seen| match seen.event {
                Event::Heard { id, origin: Origin::Microphone, .. } => Some(id),
                _ => None,
            });
            if heard.is_some() || Instant::now() > patience {
                return heard;
            }
            sleep(Duration::from_millis(20));
        }
    }

    fn answered(&self, mark: usize, utterance: UtteranceId) {
        let patience = Instant::now() + Duration::from_secs(30);
        let is_over = || {
            self.world.events.find(mark, |seen| match seen.event {
                Event::Replied { id, .. } if id == utterance => Some(()),
                _ => None,
            })
        };
        while is_over().is_none()
            && Instant::now() < patience
            && !self.world.wish.pause.load(Ordering::SeqCst)
        {
            sleep(Duration::from_millis(20));
        }
    }
}

/// What a process printed, on both streams; it is killed if that takes too long.
fn finished(mut child: Child, patience: Duration) -> (String, String) {
    use std::io::Read;
    let read = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            // Whatever it printed before it was killed.
            let _ = stream.map(|mut stream| stream.read_to_string(&mut text));
            text
        })
    };
    let out = read(child.stdout.take().map(|it| Box::new(it) as _));
    let complaints = read(child.stderr.take().map(|it| Box::new(it) as _));
    let ends = Instant::now() + patience;
    let mut end = String::new();
    loop {
        match child.try_wait().unwrap() {
            Some(status) if status.success() => break,
            Some(status) => {
                end = status.to_string();
                break;
            }
            None if Instant::now() > ends => {
                let _ = child.kill();
                let _ = child.wait();
                end = "it took too long".into();
                break;
            }
            None => sleep(Duration::from_millis(10)),
        }
    }
    (out.join().unwrap(), complaints.join().unwrap() + &end)
}

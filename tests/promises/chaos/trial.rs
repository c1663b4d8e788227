//! One case after the other: hurt, watch, heal, watch, and hold what was promised against what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use voice_terminal::domain::{Event, Mode};
use voice_terminal::server::Status;

use super::daemon::Seen;
use super::fault::{Fault, Manner, Part};
use super::house::House;
use super::ledger::{self, Ledger, Understood, Written};
use super::person::{Focus, Person, Wish, World};
use super::report::{Report, Row, Span};
use super::schedule::{Case, Chance, shown};
use super::telling;
use super::used::Used;
use crate::support::spoken;

/// For whatever must come of itself, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(90);
/// Until everything that is hurt was needed.
const FELT: Duration = Duration::from_secs(20);
/// What is full is noticed when room is needed.
const DISK: Duration = Duration::from_secs(40);

pub(super) struct Trial {
    house: House,
    person: Option<Person>,
    wish: Arc<Wish>,
    ledger: Arc<Mutex<Ledger>>,
    chance: Chance,
    /// How often what is hurt is to be needed. What had begun before may not have felt it.
    thorough: u32,
    pub(super) report: Report,
    /// What went wrong, each once.
    pub(super) wrong: BTreeSet<String>,
}

impl Trial {
    pub(super) fn begin(house: House, seed: u64, thorough: u32) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let wish = Arc::new(Wish::default());
        wish.unsettle(true);
        let recording = spoken::say(&house.user.path("home"), super::person::SAID);
        let world = World {
            user: Arc::clone(&house.user),
            control: house.control.clone(),
            events: house.events.clone(),
            ledger: Arc::clone(&ledger),
            pulse: Arc::clone(&house.pulse),
            hears: house.hears.clone(),
            knows: house.knows.clone(),
            recording,
            wish: Arc::clone(&wish),
        };
        let person = Person::begin(world, Chance::new(seed ^ 1));
        let mut trial = Self {
            house,
            person: Some(person),
            wish,
            ledger,
            chance: Chance::new(seed),
            thorough,
            report: Report::default(),
            wrong: BTreeSet::new(),
        };
        trial.settle("the start");
        trial
    }

    /// Whether the disk can be made full here.
    pub(super) fn has_disk(&self) -> bool {
        self.house.has_disk()
    }

    pub(super) fn play(&mut self, case: &Case) {
        let before = self.counts();
        let mark = self.house.events.now();
        self.wish.focus(case.iter().map(|fault| focus(*fault)).collect());
        self.wish.must_hear(!case.iter().any(|fault| matches!(fault.part, Part::Sound | Part::Daemon)));
        let is_silent = |fault: &Fault| {
            fault.part == Part::Daemon && matches!(fault.manner, Manner::Kill | Manner::Freeze)
        };
        self.wish.may_be_silent(case.iter().any(is_silent));
        let unsettles = case
            .iter()
            .any(|fault| matches!((fault.part, fault.manner), (Part::Tmux | Part::Daemon, Manner::Kill)));
        self.house.look_at_tmux();
        self.wish.unsettle(unsettles);
        self.person().go_on();

        let baseline = self.house.control.status(Duration::from_secs(2));
        let mut spans: Vec<Span> = Vec::new();
        for fault in case {
            let began = self.house.inflict(*fault, &mut self.chance);
            spans.push(Span::of(*fault, began));
            sleep(Duration::from_millis(self.chance.next() % 600));
        }
        self.watch(case, mark, baseline.as_deref(), &mut spans);
        let unhurt = Instant::now();
        let mut healing: Vec<Fault> = case.clone();
        if self.chance.below(2) == 0 {
            healing.reverse();
        }
        for fault in healing {
            self.house.heal(fault);
        }
        let healed = Instant::now();
        self.wish.unsettle(false);
        let recovered = self.settle(&shown(case));
        let seen = self.house.events.since(mark);
        self.judge_events(case, &seen, &mut spans, unhurt);
        let was_voice = baseline.is_some_and(|status| status.standing.mode == Mode::Voice);
        let deaf = telling::is_deaf(case);
        let began = spans.last().map_or(unhurt, |span| span.began);
        if deaf && was_voice && telling::is_still_voice(&seen, began, unhurt) {
            self.wrong(&format!(
                "{}: nobody could be understood, and text mode was not entered",
                shown(case)
            ));
        }
        self.judge_records(case, &seen);
        let served = self.served_since(&before);
        let took = recovered.map(|recovered| recovered - healed);
        let used = self.house.control.status(Duration::from_secs(5)).map(|status| Used::of(&status));
        let text_mode = telling::is_text_mode(&seen);
        self.report.add(Row { case: shown(case), spans, recovered: took, text_mode, deaf, served, used });
    }

    fn person(&self) -> &Person {
        self.person.as_ref().unwrap()
    }

    /// Watches what comes of the faults, until all has been told that must be, and they have lasted long enough.
    fn watch(&mut self, case: &Case, mark: usize, baseline: Option<&Status>, spans: &mut [Span]) {
        let alone = case.len() == 1;
        let before: Vec<u32> = case.iter().map(|fault| self.wish.done(focus(*fault))).collect();
        let lasts = case.iter().map(|fault| fault.lasts()).max().unwrap_or_default();
        let began = Instant::now();
        loop {
            let status = self.house.control.status(Duration::from_millis(400));
            let mut waits = false;
            for (span, before) in spans.iter_mut().zip(&before) {
                let felt = self.wish.done(focus(span.fault)) - before;
                span.felt |= felt >= self.thorough || span.fault.part == Part::Daemon;
                waits |= !span.felt && span.began.elapsed() < FELT;
                if let (Some(before), Some(now), None) = (baseline, &status, span.detected)
                    && failures(now, span.fault) > failures(before, span.fault)
                {
                    span.detected = Some(span.began.elapsed());
                }
                let (Some(chain), Some(within)) = (span.fault.chain(), span.fault.must_tell()) else {
                    continue;
                };
                let seen = self.house.events.since(mark);
                if !alone {
                    let deadline = telling::deadline(case, span.fault, span.began, &seen);
                    waits |= telling::steps_down(&seen, chain) == 0
                        && deadline.is_some_and(|deadline| Instant::now() <= deadline);
                    continue;
                }
                let told = telling::told(&seen, chain, span.began);
                let late = within + telling::LATE + first_use(span.fault);
                let limit = if span.fault.part == Part::Disk { DISK } else { late };
                waits |= told.is_none() && span.began.elapsed() < limit;
            }
            if !waits && began.elapsed() >= lasts {
                return;
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// Waits until everything is as it was, by itself, with the person going on; then the person pauses, and what is
    /// under way comes to its end. Who was stopped may notice only then what has died meanwhile.
    fn settle(&mut self, what: &str) -> Option<Instant> {
        let deadline = Instant::now() + PATIENCE;
        let mut recovered = None;
        loop {
            match self.until(deadline, is_well) {
                Ok(at) => recovered = Some(at),
                Err(last) => {
                    let standing = last
                        .map(|status| (status.standing.degradations, status.chains, status.standing.mode));
                    self.wrong(&format!("{what}: it did not recover by itself: {standing:?}"));
                }
            }
            if !self.house.daemon.is_running() {
                let complaints = self.house.daemon.complaints();
                self.wrong(&format!("{what}: the program ended: {complaints}"));
            }
            self.person().pause();
            if self.until(Instant::now() + PATIENCE, is_at_rest).is_err() {
                self.wrong(&format!("{what}: it does not come to rest"));
            }
            let status = self.house.control.status(Duration::from_secs(2));
            if status.as_deref().is_some_and(is_well) || Instant::now() > deadline {
                return recovered;
            }
            self.person().go_on();
        }
    }

    /// Waits until it stands like this; tells since when, or how it stood last.
    fn until(
        &self,
        deadline: Instant,
        is_so: impl Fn(&Status) -> bool,
    ) -> Result<Instant, Option<Box<Status>>> {
        let mut last = None;
        loop {
            let status = self.house.control.status(Duration::from_secs(2));
            if status.as_deref().is_some_and(&is_so) {
                return Ok(Instant::now());
            }
            last = status.or(last);
            if Instant::now() > deadline {
                return Err(last);
            }
            sleep(Duration::from_millis(30));
        }
    }

    /// Each degradation in time and once, and its end once. Things were hurt until then.
    fn judge_events(&mut self, case: &Case, seen: &[Seen], spans: &mut [Span], unhurt: Instant) {
        let name = shown(case);
        for span in spans.iter_mut() {
            let Some(chain) = span.fault.chain() else { continue };
            let told = telling::told(seen, chain, span.began);
            let asked = self.wish.begun(Focus::Ask, span.began);
            let failed = span.detected.map(|after| span.began + after);
            let needed = telling::needed(span.fault, span.began, seen, (asked, failed));
            span.degraded = told.map(|at| at - span.began);
            span.detected = [span.detected, span.degraded].into_iter().flatten().min();
            span.late = told.zip(needed).map(|(told, needed)| told.saturating_duration_since(needed));
            span.steps = telling::steps_down(seen, chain);
            if case.len() > 1 {
                let deadline = telling::deadline(case, span.fault, span.began, seen);
                // One that comes before, from another fault, tells it as well.
                let first = seen.first().and_then(|first| telling::told(seen, chain, first.at));
                if let Some(deadline) =
                    deadline.filter(|at| *at <= unhurt && first.is_none_or(|told| told > *at))
                {
                    let late = deadline - span.began;
                    self.wrong(&format!("{name}: {chain} was degraded, and that was not told in {late:?}"));
                }
                continue;
            }
            let Some(within) = span.fault.must_tell() else { continue };
            if told.is_none() {
                self.wrong(&format!("{name}: {chain} was degraded, and that was not told ({within:?})"));
            }
            if let Some(late) = span.late.filter(|late| *late > within + telling::MARGIN) {
                self.wrong(&format!("{name}: {chain} was degraded, and that was told {late:?} after the first need ({within:?})"));
            }
        }
        if case.iter().any(|fault| (fault.part, fault.manner) == (Part::Daemon, Manner::Kill)) {
            // The next one tells anew what is wrong.
            return;
        }
        let mut standing: BTreeSet<&str> = BTreeSet::new();
        for Seen { event, .. } in seen {
            match event {
                Event::Degraded(news) => {
                    standing.insert(&news.chain);
                }
                Event::Recovered { chain, .. } if !standing.remove(chain.as_str()) => {
                    self.wrong(&format!("{name}: {chain} recovered from nothing"));
                }
                _ => {}
            }
        }
        if !standing.is_empty() {
            self.wrong(&format!("{name}: the end was not told of {standing:?}"));
        }
        for what in telling::repeated(case, seen) {
            self.wrong(&format!("{name}: {what}"));
        }
    }

    fn wrong(&mut self, what: &str) {
        if self.wrong.insert(what.to_owned()) {
            println!("!! {what}");
        }
    }

    fn judge_records(&mut self, case: &Case, seen: &[Seen]) {
        let name = shown(case);
        let written = self.house.wait(written(&self.house.journal()));
        let marks = ledger::marks(&self.house.marks());
        let mut wrong = self.ledger.lock().unwrap().judge(&marks, &written);
        let unheard = self.ledger.lock().unwrap().unheard;
        if unheard > 0 {
            wrong.push(format!(
                "{unheard} times somebody spoke into a microphone that worked and was not heard"
            ));
        }
        wrong.extend(ledger::unwritten(seen, &written));
        wrong.extend(self.differs());
        self.house.wait(self.house.servers.in_step());
        wrong.extend(self.house.panics());
        for what in wrong {
            // Told at its first sight, with the case that it came with.
            if !self.wrong.iter().any(|known| known.ends_with(&what)) {
                self.wrong(&format!("{name}: {what}"));
            }
        }
    }

    /// What the database and the journal don't agree in, after a while.
    fn differs(&self) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let written = self.house.wait(written(&self.house.journal()));
            let there = self.house.wait(self.house.servers.primary.records());
            let there: BTreeMap<&str, i64> =
                there.iter().map(|(id, revision, _)| (id.as_str(), *revision)).collect();
            let is_other = |record: &&Written| there.get(record.id.as_str()) != Some(&record.revision);
            let mut differs: Vec<String> = written
                .iter()
                .filter(is_other)
                .map(|record| format!("the database has {:?} of {record:?}", there.get(record.id.as_str())))
                .collect();
            if there.len() > written.len() {
                differs.push(format!(
                    "the database has {} records, the journal {}",
                    there.len(),
                    written.len()
                ));
            }
            if differs.is_empty() || Instant::now() > deadline {
                return differs;
            }
            sleep(Duration::from_millis(200));
        }
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let status = self.house.control.status(Duration::from_secs(5));
        let of = |status: Box<Status>| {
            status.breakers.into_iter().map(|breaker| (breaker.name, breaker.successful)).collect()
        };
        status.map(of).unwrap_or_default()
    }

    /// Calls that each tier served.
    fn served_since(&self, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let since = |(name, now): (String, u64)| {
            // A new process counts from nothing.
            let before = before.get(&name).copied().filter(|before| *before <= now).unwrap_or_default();
            (name, now - before)
        };
        self.counts().into_iter().map(since).filter(|(_, served)| *served > 0).collect()
    }

    /// Ends it, and tells how much was said and what became of it.
    pub(super) fn end(mut self) -> (Report, BTreeSet<String>) {
        self.person.take().unwrap().end();
        let written = self.house.wait(written(&self.house.journal()));
        let ledger = self.ledger.lock().unwrap();
        let marks = ledger::marks(&self.house.marks());
        let understood = Understood::of(super::person::SAID, &marks, &written);
        self.wrong.extend(understood.wrong());
        self.report.account(&ledger, &written, &marks, understood);
        (self.report, self.wrong)
    }
}

/// What the person is to do for a fault to be felt.
fn focus(fault: Fault) -> Focus {
    match fault.part {
        Part::Worker | Part::CloudHearing | Part::Sound => Focus::Speak,
        Part::Espeak | Part::CloudVoice => Focus::Listen,
        Part::Ai | Part::Redis => Focus::Ask,
        Part::Replica => Focus::Search,
        Part::Primary | Part::Tmux | Part::ControlClient | Part::Disk | Part::Daemon => Focus::Type,
    }
}

/// How long it may take until somebody needs the part at all.
fn first_use(fault: Fault) -> Duration {
    Duration::from_secs(match focus(fault) {
        Focus::Speak | Focus::Listen | Focus::Ask => 20,
        Focus::Type | Focus::Search => 5,
    })
}

fn failures(status: &Status, fault: Fault) -> u64 {
    let of = |tier: &&str| status.breakers.iter().find(|breaker| breaker.name == **tier);
    let felt = fault.tiers().iter().filter_map(of);
    felt.map(|breaker| breaker.failed + breaker.timeouts + breaker.rejected).sum()
}

/// Nothing is degraded, and the first of every chain is in use.
fn is_well(status: &Status) -> bool {
    let first = |chain: &voice_terminal::server::ChainStanding| {
        chain.tiers.first().is_none_or(|first| *first == chain.in_use)
    };
    status.standing.degradations.is_empty()
        && status.chains.iter().all(first)
        && status.standing.mode == Mode::Voice
}

/// Nothing is under way, nothing waits.
fn is_at_rest(status: &Status) -> bool {
    let delivered = status.delivery.is_none_or(|delivery| delivery.waiting == 0 && delivery.refused == 0);
    !status.standing.busy && status.standing.waiting == 0 && delivered
}

async fn written(journal: &std::path::Path) -> Vec<Written> {
    let mut raw = SqliteConnectOptions::new().filename(journal).read_only(true).connect().await.unwrap();
    sqlx::query_as(
        "SELECT id, revision, origin, text, command, reply, abandoned, transcript ->> '$.tier' AS tier \
         FROM record ORDER BY seq",
    )
    .fetch_all(&mut raw)
    .await
    .unwrap()
}

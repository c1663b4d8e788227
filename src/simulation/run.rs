//! Plays a scenario.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use serde::Serialize;

use super::chance::Chance;
use super::scenario::{Arrival, Kind, Scenario, Tier, Weather};
use crate::breaker::nanos;
use crate::breaker::state::{Admission, Change, Machine, Vote};
use crate::breaker::{Cause, State};

/// What a refusal takes.
const AT_ONCE: Duration = Duration::from_millis(1);
/// The timeline's resolution.
const COLUMNS: u32 = 96;

/// What came of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// How long it lasted.
    pub duration: Duration,
    /// Calls made.
    pub calls: u64,
    /// Calls that no tier served: left to what always works.
    pub unserved: u64,
    /// The time from a call to its answer, or to its being left: half take at most this.
    pub median_wait: Duration,
    /// 99 of 100 take at most this.
    pub high_wait: Duration,
    /// The tiers, in order.
    pub tiers: Vec<TierOutcome>,
    /// Calls that no tier served, by column of the timeline.
    pub unserved_by_column: Vec<u64>,
}

/// What a tier did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TierOutcome {
    /// Its name.
    pub name: String,
    /// Calls that it answered.
    pub served: u64,
    /// Calls that failed or timed out on it: waited for in vain.
    pub wasted: u64,
    /// Calls that its breaker kept off it.
    pub rejected: u64,
    /// Every time that its breaker opened from closed: when and why.
    pub openings: Vec<(Duration, Cause)>,
    /// Openings in fair weather.
    pub false_openings: u64,
    /// Its spells of bad weather.
    pub spells: Vec<Spell>,
    /// The breaker's state at the end of each column of the timeline.
    pub states: Vec<State>,
    /// Calls answered, by column.
    pub served_by_column: Vec<u64>,
}

/// How quickly a spell was noticed, and its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spell {
    /// When it began.
    pub from: Duration,
    /// When it ended.
    pub to: Duration,
    /// From its beginning to the opening; `None` if it never opened.
    pub detected: Option<Duration>,
    /// From its end to the closing; `None` if it was not open then, or never closed.
    pub recovered: Option<Duration>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Answer(usize),
    Call,
    Column,
}

/// A call under way.
struct Call {
    began: Duration,
    tier: usize,
    admission: Admission,
    asked: Duration,
    vote: Vote,
}

struct Stage<'a> {
    script: &'a Tier,
    machine: Machine,
    under_way: u32,
    timeout: Duration,
    outcome: TierOutcome,
    changes: Vec<(Duration, Change)>,
}

struct Play<'a> {
    scenario: &'a Scenario,
    chance: Chance,
    now: Duration,
    agenda: BinaryHeap<Reverse<(Duration, u64, Happening)>>,
    order: u64,
    calls: Vec<Option<Call>>,
    stages: Vec<Stage<'a>>,
    waits: Vec<Duration>,
    unserved: Vec<u64>,
}

/// Plays a scenario to its end; `with_breakers` off lets every call through, whatever happens.
pub fn run(scenario: &Scenario, with_breakers: bool) -> Outcome {
    let stages = scenario.tiers.iter().map(|script| Stage::new(script, with_breakers)).collect();
    let mut play = Play {
        scenario,
        chance: Chance::new(scenario.seed),
        now: Duration::ZERO,
        agenda: BinaryHeap::new(),
        order: 0,
        calls: Vec::new(),
        stages,
        waits: Vec::new(),
        unserved: vec![0; COLUMNS as usize],
    };
    play.plan(Duration::ZERO, Happening::Call);
    play.plan(scenario.duration / COLUMNS, Happening::Column);
    while let Some(Reverse((at, _, happening))) = play.agenda.pop() {
        play.now = at;
        match happening {
            Happening::Call => play.call(),
            Happening::Answer(call) => play.answer(call),
            Happening::Column => play.column(),
        }
    }
    play.outcome()
}

impl<'a> Stage<'a> {
    fn new(script: &'a Tier, with_breaker: bool) -> Self {
        let settings = script.settings();
        let timeout = settings.timeout;
        let mut machine = Machine::new(settings);
        if !with_breaker {
            machine.disable();
        }
        let outcome = TierOutcome {
            name: script.name.clone(),
            served: 0,
            wasted: 0,
            rejected: 0,
            openings: Vec::new(),
            false_openings: 0,
            spells: Vec::new(),
            states: Vec::new(),
            served_by_column: vec![0; COLUMNS as usize],
        };
        Self { script, machine, under_way: 0, timeout, outcome, changes: Vec::new() }
    }

    fn note(&mut self, now: Duration, change: Option<Change>) {
        self.changes.extend(change.map(|change| (now, change)));
    }

    /// How a call that is made now will go: when the answer comes (`None` is never), and how it votes.
    fn fate(&self, now: Duration, chance: &mut Chance) -> (Option<Duration>, Vote) {
        const FAILURE: Vote = Vote::Failure { retry_after: None };
        let usual = chance.around(self.script.latency);
        let fair = (Some(usual), Vote::Success);
        let refused = (Some(AT_ONCE), FAILURE);
        let Some(Weather { from, to, what }) = self.script.at(now) else { return fair };
        let done = now.saturating_sub(*from).as_secs_f64() / to.saturating_sub(*from).as_secs_f64();
        match what {
            Kind::Refused => refused,
            Kind::Hang => (None, FAILURE),
            Kind::Errors { rate } if chance.happens(*rate) => (Some(usual), FAILURE),
            Kind::Slow { latency } => (Some(chance.around(*latency)), Vote::Success),
            Kind::Flapping { period, down } => {
                let place = now.saturating_sub(*from).as_secs_f64() / period.as_secs_f64();
                if place.fract() < *down { refused } else { fair }
            }
            Kind::Recovery { rate } if chance.happens(*rate * (1.0 - done)) => (Some(usual), FAILURE),
            Kind::Overload { capacity, retry_after } if self.under_way >= *capacity => {
                (Some(AT_ONCE), Vote::Failure { retry_after: *retry_after })
            }
            Kind::Errors { .. } | Kind::Recovery { .. } | Kind::Overload { .. } => fair,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.machine.state(), State::Open | State::Isolated)
    }
}

impl Play<'_> {
    fn plan(&mut self, at: Duration, happening: Happening) {
        self.order += 1;
        self.agenda.push(Reverse((at, self.order, happening)));
    }

    fn column_of(&self, at: Duration) -> usize {
        let place = at.as_secs_f64() / self.scenario.duration.as_secs_f64() * f64::from(COLUMNS);
        (place as usize).min(COLUMNS as usize - 1)
    }

    fn call(&mut self) {
        let wait = match self.scenario.arrival {
            Arrival::Poisson => self.chance.until_next(self.scenario.rate),
            Arrival::Steady => Duration::from_secs_f64(1.0 / self.scenario.rate),
        };
        if self.now + wait < self.scenario.duration {
            self.plan(self.now + wait, Happening::Call);
        }
        self.try_tiers(self.now, 0);
    }

    /// Walks the tiers from one on, as a chain does.
    fn try_tiers(&mut self, began: Duration, first: usize) {
        for tier in first..self.stages.len() {
            let left = (began + self.scenario.deadline).saturating_sub(self.now);
            if left.is_zero() {
                break;
            }
            let others = self.stages[tier + 1..].iter().filter(|stage| !stage.is_open()).count() as u32;
            let draw = self.chance.draw();
            let stage = &mut self.stages[tier];
            let (admission, change) = stage.machine.admit(nanos(self.now), || draw);
            stage.note(self.now, change);
            let Some(admission) = admission else {
                stage.outcome.rejected += 1;
                continue;
            };
            let limit = stage.timeout.min(left / (1 + others));
            let (took, vote) = match stage.fate(self.now, &mut self.chance) {
                (Some(took), vote) if took <= limit => (took, vote),
                _ => (limit, Vote::Failure { retry_after: None }),
            };
            stage.under_way += 1;
            let call = Call { began, tier, admission, asked: self.now, vote };
            self.calls.push(Some(call));
            self.plan(self.now + took, Happening::Answer(self.calls.len() - 1));
            return;
        }
        self.waits.push(self.now.saturating_sub(began));
        let column = self.column_of(self.now);
        self.unserved[column] += 1;
    }

    fn answer(&mut self, call: usize) {
        let Some(Call { began, tier, admission, asked, vote }) = self.calls[call].take() else { return };
        let (column, draw) = (self.column_of(self.now), self.chance.draw());
        let stage = &mut self.stages[tier];
        stage.under_way -= 1;
        let (_, change) = stage.machine.settle(
            nanos(self.now),
            || draw,
            admission,
            vote,
            nanos(self.now.saturating_sub(asked)),
        );
        stage.note(self.now, change);
        if vote == Vote::Success {
            stage.outcome.served += 1;
            stage.outcome.served_by_column[column] += 1;
            self.waits.push(self.now.saturating_sub(began));
        } else {
            stage.outcome.wasted += 1;
            self.try_tiers(began, tier + 1);
        }
    }

    fn column(&mut self) {
        for stage in &mut self.stages {
            stage.outcome.states.push(stage.machine.state());
        }
        let seen = self.stages[0].outcome.states.len() as u32;
        if seen < COLUMNS {
            self.plan(self.scenario.duration * (seen + 1) / COLUMNS, Happening::Column);
        }
    }

    fn outcome(mut self) -> Outcome {
        self.waits.sort_unstable();
        let quantile = |share: f64| {
            let last = self.waits.len().saturating_sub(1);
            self.waits.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
        };
        Outcome {
            duration: self.scenario.duration,
            calls: self.waits.len() as u64,
            unserved: self.unserved.iter().sum(),
            median_wait: quantile(0.5),
            high_wait: quantile(0.99),
            tiers: self.stages.into_iter().map(Stage::judged).collect(),
            unserved_by_column: self.unserved,
        }
    }
}

impl Stage<'_> {
    /// What it did, seen from the end.
    fn judged(self) -> TierOutcome {
        let Self { script, changes, mut outcome, timeout, .. } = self;
        let first = |to: State, from: Duration, before: Duration| {
            changes
                .iter()
                .find(|(at, change)| change.to == to && *at >= from && *at < before)
                .map(|(at, _)| *at)
        };
        // An opening may be the fruit of a call that began in bad weather.
        let foul =
            |at: Duration| script.weather.iter().any(|spell| spell.from <= at && at < spell.to + timeout);
        let opening = |(at, change): &(Duration, Change)| {
            (change.from == State::Closed && change.to == State::Open).then_some((*at, change.cause))
        };
        outcome.openings = changes.iter().filter_map(opening).collect();
        outcome.false_openings = outcome.openings.iter().filter(|(at, _)| !foul(*at)).count() as u64;
        outcome.spells = script
            .weather
            .iter()
            .map(|&Weather { from, to, .. }| {
                let state_then = changes
                    .iter()
                    .rev()
                    .find(|(at, _)| *at < to)
                    .map_or(State::Closed, |(_, change)| change.to);
                let closed = first(State::Closed, to, Duration::MAX).filter(|_| state_then != State::Closed);
                Spell {
                    from,
                    to,
                    detected: first(State::Open, from, to + timeout).map(|at| at.saturating_sub(from)),
                    recovered: closed.map(|at| at.saturating_sub(to)),
                }
            })
            .collect();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(weather: &str) -> Scenario {
        let text = format!(
            "about = \"\"\nduration = \"10m\"\nrate = 2.0\narrival = \"steady\"\ndeadline = \"10s\"\nend = \"text\"\n\
             [[tier]]\nname = \"one\"\nlatency = \"50ms\"\nweather = [{weather}]\n\
             [[tier]]\nname = \"two\"\nlatency = \"200ms\"\n"
        );
        Scenario::parse(&text).unwrap()
    }

    #[test]
    fn every_call_is_served_once_or_left_once() {
        for (name, text) in super::super::SHIPPED {
            let scenario = Scenario::parse(text).unwrap();
            for with_breakers in [true, false] {
                let outcome = run(&scenario, with_breakers);
                let served: u64 = outcome.tiers.iter().map(|tier| tier.served).sum();
                assert_eq!(served + outcome.unserved, outcome.calls, "{name}");
                let by_column: u64 = outcome.tiers.iter().flat_map(|tier| &tier.served_by_column).sum();
                assert_eq!(by_column, served, "{name}");
            }
        }
    }

    #[test]
    fn fair_weather_opens_nothing() {
        let outcome = run(&scenario(""), true);
        assert_eq!(outcome.calls, 1200);
        assert_eq!(outcome.tiers[0].served, 1200);
        assert!(outcome.tiers[0].openings.is_empty());
    }

    #[test]
    fn an_outage_costs_as_many_calls_as_the_threshold_and_is_over_within_two_probes() {
        let outcome = run(&scenario("{ from = \"2m\", to = \"3m30s\", what = \"refused\" }"), true);
        let one = &outcome.tiers[0];
        // Five in a row, two calls a second, from the call at 2:00 on.
        assert_eq!(one.openings, [(Duration::from_secs(122) + AT_ONCE, Cause::ConsecutiveFailures)]);
        assert_eq!(one.spells[0].detected, Some(Duration::from_secs(2) + AT_ONCE));
        // The five, and one probe after a minute that came too early.
        assert_eq!(one.wasted, 6);
        assert!(one.spells[0].recovered.is_some());
        assert_eq!(outcome.unserved, 0);
        let without = run(&scenario("{ from = \"2m\", to = \"3m30s\", what = \"refused\" }"), false);
        assert_eq!(without.tiers[0].wasted, 180);
    }

    #[test]
    fn a_hanging_tier_costs_its_timeout_only_until_it_is_noticed() {
        let weather = "{ from = \"1m\", to = \"9m\", what = \"hang\" }";
        let (with, without) = (run(&scenario(weather), true), run(&scenario(weather), false));
        assert!(with.median_wait < Duration::from_millis(300), "{:?}", with.median_wait);
        assert!(without.median_wait > Duration::from_secs(4), "{:?}", without.median_wait);
    }

    #[test]
    fn the_same_seed_gives_the_same_outcome() {
        let scenario = Scenario::parse(super::super::SHIPPED[0].1).unwrap();
        assert_eq!(run(&scenario, true), run(&scenario, true));
        let other = Scenario { seed: 99, ..scenario.clone() };
        assert_ne!(run(&scenario, true), run(&other, true));
    }
}

//! A breaker as plainly as it can be written, slow and single-threaded, from the rules and not from
//! the code: it remembers every call and looks through all of them. Random schedules of everything
//! that can happen to a breaker are played to both; every decision, state and count must agree.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use super::Trouble;

const SLICES: u32 = 12;

#[derive(Debug, Clone, Copy)]
struct Vote {
    at: Duration,
    failed: bool,
    slow: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    Closed,
    Open { until: Duration },
    HalfOpen { probes: Vec<(usize, Duration)>, successes: u32 },
    Isolated,
    Disabled,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Success,
    Failure,
    Overload(Option<Duration>),
    Caller,
    Cancelled,
    TimedOut,
    Dropped,
    Panicked,
}

/// A call under way: its number, the phase it began in, and when.
#[derive(Debug, Clone, Copy)]
struct Ticket {
    number: usize,
    phase_number: usize,
    began: Duration,
}

#[derive(Debug)]
struct Model {
    settings: Settings,
    phase: Phase,
    phase_number: usize,
    votes: Vec<Vote>,
    in_a_row: u32,
    openings_in_a_row: u32,
    calls: usize,
    ended: Vec<End>,
    rejected: u64,
    late: u64,
    draw: f64,
}

impl Model {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            phase: Phase::Closed,
            phase_number: 0,
            votes: Vec::new(),
            in_a_row: 0,
            openings_in_a_row: 0,
            calls: 0,
            ended: Vec::new(),
            rejected: 0,
            late: 0,
            draw: 0.0,
        }
    }

    fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
            Phase::Isolated => State::Isolated,
            Phase::Disabled => State::Disabled,
        }
    }

    fn enter(&mut self, phase: Phase) {
        if phase == Phase::Closed {
            self.votes.clear();
        }
        self.phase = phase;
        self.phase_number += 1;
        self.in_a_row = 0;
    }

    fn open(&mut self, now: Duration, retry_after: Option<Duration>) {
        let mut grown = self.settings.reset_timeout;
        for _ in 0..self.openings_in_a_row {
            grown = (grown * 2).min(self.settings.reset_cap);
        }
        let jitter = grown.saturating_sub(self.settings.reset_timeout).mul_f64(self.draw);
        let wait = (self.settings.reset_timeout + jitter).max(retry_after.unwrap_or_default());
        self.openings_in_a_row += 1;
        self.enter(Phase::Open { until: now + wait });
    }

    fn ask(&mut self, now: Duration) -> Option<Ticket> {
        let ticket = self.admit(now);
        self.rejected += u64::from(ticket.is_none());
        ticket
    }

    fn admit(&mut self, now: Duration) -> Option<Ticket> {
        if matches!(self.phase, Phase::Open { until } if now >= until) {
            self.enter(Phase::HalfOpen { probes: Vec::new(), successes: 0 });
        }
        let hung =
            matches!(&self.phase, Phase::HalfOpen { probes, .. } if probes.iter().any(|it| it.1 <= now));
        if hung {
            self.open(now, None);
        }
        let number = self.calls;
        match &mut self.phase {
            Phase::Closed | Phase::Disabled => {}
            Phase::Open { .. } | Phase::Isolated => return None,
            Phase::HalfOpen { probes, .. } => {
                if probes.len() >= self.settings.half_open_permits as usize {
                    return None;
                }
                probes.push((number, now + self.settings.probe_lease));
            }
        }
        self.calls += 1;
        Some(Ticket { number, phase_number: self.phase_number, began: now })
    }

    fn end(&mut self, now: Duration, ticket: Ticket, end: End) {
        self.ended.push(end);
        if ticket.phase_number != self.phase_number {
            self.late += 1;
            return;
        }
        let (failed, retry_after) = match end {
            End::Success => (false, None),
            End::Failure | End::TimedOut | End::Panicked => (true, None),
            End::Overload(retry_after) => (true, retry_after),
            End::Caller | End::Cancelled | End::Dropped => {
                if let Phase::HalfOpen { probes, .. } = &mut self.phase {
                    probes.retain(|probe| probe.0 != ticket.number);
                }
                return;
            }
        };
        if let Phase::HalfOpen { probes, successes } = &mut self.phase {
            probes.retain(|probe| probe.0 != ticket.number);
            if failed {
                self.open(now, retry_after);
            } else {
                *successes += 1;
                if *successes >= self.settings.success_threshold {
                    self.openings_in_a_row = 0;
                    self.enter(Phase::Closed);
                }
            }
            return;
        }
        let slow = self.settings.slow_call.is_some_and(|limit| now.saturating_sub(ticket.began) >= limit);
        self.votes.push(Vote { at: now, failed, slow });
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        if self.phase == Phase::Closed && self.should_open(now, failed, slow) {
            self.open(now, retry_after);
        }
    }

    fn slice(&self, at: Duration) -> u128 {
        at.as_nanos() / (self.settings.monitoring_window / SLICES).as_nanos()
    }

    fn should_open(&self, now: Duration, failed: bool, slow: bool) -> bool {
        let it = &self.settings;
        if failed && self.in_a_row >= it.failure_threshold {
            return true;
        }
        let seen: Vec<&Vote> = self
            .votes
            .iter()
            .filter(|vote| self.slice(now) - self.slice(vote.at) < u128::from(SLICES))
            .collect();
        let failures = seen.iter().filter(|vote| vote.failed).count();
        let slows = seen.iter().filter(|vote| vote.slow).count();
        let share = |part: usize| part as f64 / seen.len() as f64;
        let enough = seen.len() >= it.volume_threshold.max(1) as usize;
        let by_failures = failed
            && failures >= it.failure_threshold as usize
            && share(failures) >= it.failure_rate_threshold;
        let by_slowness =
            (failed || slow) && it.slow_call.is_some() && slows > 0 && share(slows) >= it.slow_rate_threshold;
        enough && (by_failures || by_slowness)
    }

    fn configure(&mut self, now: Duration, settings: Settings) {
        if settings.monitoring_window != self.settings.monitoring_window {
            // What is remembered of a vote is its slice; its place in the new window is by the slice's start.
            let width = self.settings.monitoring_window / SLICES;
            let newest = self.slice(now);
            self.votes.retain(|vote| newest - vote.at.as_nanos() / width.as_nanos() < u128::from(SLICES));
            for vote in &mut self.votes {
                let start = vote.at.as_nanos() / width.as_nanos() * width.as_nanos();
                vote.at = Duration::from_nanos(start as u64);
            }
            let old = std::mem::replace(&mut self.settings, settings.clone());
            let newest = self.slice(now);
            let width = (settings.monitoring_window / SLICES).as_nanos();
            self.votes.retain(|vote| newest - vote.at.as_nanos() / width < u128::from(SLICES));
            self.settings = old;
        }
        if let Phase::Open { until } = &mut self.phase
            && settings.reset_timeout < self.settings.reset_timeout
        {
            *until = (*until).min(now + settings.reset_timeout);
        }
        self.settings = settings;
    }

    fn slept(&mut self, gap: Duration) {
        self.votes.clear();
        if let Phase::Open { until } = &mut self.phase {
            *until = until.saturating_sub(gap);
        }
    }

    fn reset(&mut self) {
        self.openings_in_a_row = 0;
        self.in_a_row = 0;
        self.votes.clear();
        if self.phase != Phase::Closed {
            self.enter(Phase::Closed);
        }
    }

    fn ended_so(&self, these: fn(&End) -> bool) -> u64 {
        self.ended.iter().filter(|end| these(end)).count() as u64
    }
}

#[derive(Debug, Clone)]
enum Step {
    Ask,
    /// Ends one of the calls under way.
    End(usize, End),
    Advance(Duration),
    Suspend(Duration),
    Draw(f64),
    Configure(Box<Settings>),
    Isolate,
    Disable,
    Reset,
    Look,
}

fn ends() -> impl Strategy<Value = End> {
    prop_oneof![
        8 => Just(End::Success),
        8 => Just(End::Failure),
        1 => (0..90_u64).prop_map(|seconds| End::Overload(Some(Duration::from_secs(seconds)))),
        1 => Just(End::Overload(None)),
        1 => Just(End::Caller),
        1 => Just(End::Cancelled),
        1 => Just(End::TimedOut),
        1 => Just(End::Dropped),
        1 => Just(End::Panicked),
    ]
}

prop_compose! {
    fn settings()(
        failure_threshold in 1..6_u32,
        success_threshold in 1..4_u32,
        reset in 1..30_u64,
        window in prop_oneof![Just(6_u64), Just(12), Just(60)],
        volume_threshold in 0..8_u32,
        failure_rate_threshold in prop_oneof![Just(0.0), Just(0.5), Just(1.0)],
        slow_call in prop_oneof![Just(None), Just(Some(Duration::from_secs(2)))],
        slow_rate_threshold in prop_oneof![Just(0.3), Just(1.0)],
        half_open_permits in 1..4_u32,
        lease in 1..40_u64,
    ) -> Settings {
        Settings {
            failure_threshold,
            success_threshold,
            timeout: Duration::from_secs(5),
            reset_timeout: Duration::from_secs(reset),
            reset_cap: Duration::from_secs(reset * 5),
            monitoring_window: Duration::from_secs(window),
            volume_threshold,
            failure_rate_threshold,
            slow_call,
            slow_rate_threshold,
            half_open_permits,
            probe_lease: Duration::from_secs(lease),
        }
    }
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => Just(Step::Ask),
        20 => (any::<usize>(), ends()).prop_map(|(which, end)| Step::End(which, end)),
        10 => (0..4_000_u64).prop_map(|millis| Step::Advance(Duration::from_millis(millis))),
        2 => (4..90_u64).prop_map(|seconds| Step::Advance(Duration::from_secs(seconds))),
        1 => (2..4_000_u64).prop_map(|seconds| Step::Suspend(Duration::from_secs(seconds))),
        2 => (0.0..1.0).prop_map(Step::Draw),
        1 => settings().prop_map(|settings| Step::Configure(Box::new(settings))),
        1 => Just(Step::Isolate),
        1 => Just(Step::Disable),
        2 => Just(Step::Reset),
        2 => Just(Step::Look),
    ]
}

fn end(permit: Permit<'_>, how: End) {
    match how {
        End::Success => permit.succeed(),
        End::Failure => permit.fail(&Trouble(Class::Failure)),
        End::Overload(retry_after) => permit.fail(&Trouble(Class::Overload { retry_after })),
        End::Caller => permit.fail(&Trouble(Class::Caller)),
        End::Cancelled => permit.fail(&Trouble(Class::Cancelled)),
        End::TimedOut => permit.time_out(),
        End::Dropped => drop(permit),
        End::Panicked => {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _permit = permit;
                std::panic::resume_unwind(Box::new(()));
            }));
            assert!(panicked.is_err());
        }
    }
}

fn agree(model: &Model, breaker: &Breaker, now: Duration) -> Result<(), TestCaseError> {
    let seen = breaker.snapshot();
    prop_assert_eq!(seen.state, model.state());
    let retry_in = match model.phase {
        Phase::Open { until } => Some(until.saturating_sub(now)),
        _ => None,
    };
    prop_assert_eq!(seen.retry_in, retry_in);
    prop_assert_eq!(seen.successful, model.ended_so(|end| *end == End::Success));
    prop_assert_eq!(
        seen.failed,
        model.ended_so(|end| matches!(end, End::Failure | End::Overload(_) | End::Panicked))
    );
    prop_assert_eq!(seen.timeouts, model.ended_so(|end| *end == End::TimedOut));
    prop_assert_eq!(seen.ignored, model.ended_so(|end| *end == End::Caller));
    prop_assert_eq!(seen.cancelled, model.ended_so(|end| matches!(end, End::Cancelled | End::Dropped)));
    prop_assert_eq!((seen.rejected, seen.late), (model.rejected, model.late));
    prop_assert_eq!(seen.total, model.ended.len() as u64 + model.rejected);
    prop_assert_eq!(seen.transitions, model.phase_number as u64);
    prop_assert_eq!(seen.latency.count(), model.ended.len() as u64);
    Ok(())
}

fn play(first: Settings, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let clock = Arc::new(ManualClock::default());
    let events = tokio::sync::broadcast::Sender::new(16);
    let breaker = Breaker::with("it", first.clone(), Arc::clone(&clock), events);
    let mut model = Model::new(first);
    let mut under_way: Vec<(Permit<'_>, Ticket)> = Vec::new();
    for step in steps {
        let now = clock.now();
        match step {
            Step::Ask => match (breaker.try_acquire(), model.ask(now)) {
                (Ok(permit), Some(ticket)) => under_way.push((permit, ticket)),
                (Err(no), None) => prop_assert_eq!(no.state, model.state()),
                (ours, _) => prop_assert!(false, "the model disagrees with {ours:?}"),
            },
            Step::End(which, how) if !under_way.is_empty() => {
                let (permit, ticket) = under_way.swap_remove(which % under_way.len());
                end(permit, how);
                model.end(now, ticket, how);
            }
            Step::End(..) => {}
            Step::Advance(by) => clock.advance(by),
            Step::Suspend(by) => {
                clock.suspend(by);
                // It is noticed when the clock goes on, at the next thing that isn't mere routine.
                clock.advance(Duration::from_nanos(1));
                let _ = breaker.snapshot();
                model.slept(by);
            }
            Step::Draw(draw) => {
                clock.set_draw(draw);
                model.draw = draw;
            }
            Step::Configure(settings) => {
                breaker.configure((*settings).clone()).unwrap();
                model.configure(now, *settings);
            }
            Step::Isolate => {
                breaker.isolate();
                if model.phase != Phase::Isolated {
                    model.enter(Phase::Isolated);
                }
            }
            Step::Disable => {
                breaker.disable();
                if model.phase != Phase::Disabled {
                    model.enter(Phase::Disabled);
                }
            }
            Step::Reset => {
                breaker.reset();
                model.reset();
            }
            Step::Look => agree(&model, &breaker, clock.now())?,
        }
        prop_assert_eq!(breaker.state(), model.state());
    }
    for (permit, ticket) in under_way {
        drop(permit);
        model.end(clock.now(), ticket, End::Dropped);
    }
    agree(&model, &breaker, clock.now())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_breaker_does_what_its_plain_model_does(
        first in settings(),
        steps in prop::collection::vec(steps(), 1..250),
    ) {
        play(first, steps)?;
    }
}

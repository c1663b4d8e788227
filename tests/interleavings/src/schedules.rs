//! What two or three threads do at the same time, and what must be true in whatever order they do it.

use std::time::Duration;

use crate::clock::{Clock, ManualClock, Nanos};
use crate::core::{Core, Refusal};
use crate::metrics::Snapshot;
use crate::outcome::Ending;
use crate::policy::Settings;
use crate::state::{Admission, Machine, State};
use crate::sync::{Arc, model, set_thread_number, spawn};

const S: Nanos = 1_000_000_000;
const FAILED: Ending = Ending::Failed { retry_after: None };

/// A breaker as its handle uses it, without the handle.
struct It {
    core: Core,
    clock: Clock,
}

impl It {
    fn new(settings: Settings) -> Arc<Self> {
        let clock = Clock::from(std::sync::Arc::new(ManualClock::default()));
        Arc::new(Self { core: Core::new(settings, &clock), clock })
    }

    fn ask(&self, now: Nanos) -> Result<Admission, Refusal> {
        if let Some(generation) = self.core.passes() {
            return Ok(Admission { generation, probe: None });
        }
        match self.core.refuses(now) {
            Some(no) => Err(no),
            None => self.core.admit(now, &self.clock, |_| {}),
        }
    }

    fn succeed(&self, now: Nanos, took: Nanos, admission: Admission) {
        if !self.core.count_success(now, took, admission.generation) {
            self.end(now, took, admission, Ending::Successful);
        }
    }

    fn end(&self, now: Nanos, took: Nanos, admission: Admission, ending: Ending) {
        self.core.settle(now, took, admission, ending, &self.clock, |_| {});
    }

    fn by_hand(&self, what: fn(&mut Machine) -> Option<crate::state::Change>) {
        self.core.intervene(&self.clock, what, |_| {});
    }

    fn look(&self) -> Snapshot {
        self.core.snapshot(&self.clock, "it")
    }

    /// Whether the window holds a vote, seen by whether a slow success is half of all or more.
    fn window_is_empty(&self) -> bool {
        let admission = self.ask(0).unwrap();
        self.succeed(0, 9 * S, admission);
        self.core.state() == State::Closed
    }
}

fn settings() -> Settings {
    Settings {
        failure_threshold: 2,
        volume_threshold: 2,
        slow_call: Some(Duration::from_secs(9)),
        slow_rate_threshold: 0.5,
        ..Settings::default()
    }
}

fn at_once(it: &Arc<It>, one: impl FnOnce(&It) + Send + 'static, two: impl FnOnce(&It) + Send + 'static) {
    let threads = [
        spawn({
            let it = Arc::clone(it);
            move || {
                set_thread_number(0);
                one(&it);
            }
        }),
        spawn({
            let it = Arc::clone(it);
            move || {
                set_thread_number(1);
                two(&it);
            }
        }),
    ];
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn no_success_is_lost_or_counted_twice() {
    for stripe in [0, 1] {
        model(1, move || {
            let it = It::new(settings());
            let other = Arc::clone(&it);
            let looker = spawn(move || {
                let seen = other.look();
                assert!(seen.successful <= 2);
                seen.successful
            });
            let second = Arc::clone(&it);
            let second = spawn(move || {
                set_thread_number(stripe);
                let admission = second.ask(0).unwrap();
                second.succeed(0, 0, admission);
            });
            let admission = it.ask(0).unwrap();
            it.succeed(0, 0, admission);
            let before = looker.join().unwrap();
            second.join().unwrap();
            let seen = it.look();
            assert!(before <= seen.successful);
            assert_eq!((seen.successful, seen.late, seen.total), (2, 0, 2));
        });
    }
}

#[test]
fn no_success_votes_in_another_generation() {
    model(3, || {
        let it = It::new(settings());
        let old = it.ask(0).unwrap();
        at_once(
            &it,
            move |it| it.succeed(0, 0, old),
            |it| {
                it.by_hand(Machine::isolate);
                it.by_hand(Machine::reset);
            },
        );
        assert_eq!(it.look().successful, 1);
        assert!(it.window_is_empty());
    });
}

#[test]
fn a_success_counts_in_a_window_that_is_not_cleared() {
    model(3, || {
        let it = It::new(settings());
        at_once(
            &it,
            |it| {
                let admission = it.ask(0).unwrap();
                it.succeed(0, 0, admission);
            },
            |it| it.core.configure(&it.clock, Settings { failure_threshold: 3, ..settings() }),
        );
        assert!(!it.window_is_empty());
    });
}

#[test]
fn a_success_after_a_failure_ends_the_row() {
    model(3, || {
        let it = It::new(Settings { volume_threshold: 100, ..settings() });
        at_once(
            &it,
            |it| {
                let (one, two) = (it.ask(0).unwrap(), it.ask(0).unwrap());
                it.end(0, 0, one, FAILED);
                it.succeed(0, 0, two);
            },
            |it| {
                let admission = it.ask(0).unwrap();
                it.succeed(0, 0, admission);
            },
        );
        for state in [State::Closed, State::Open] {
            let admission = it.ask(0).unwrap();
            it.end(0, 0, admission, FAILED);
            assert_eq!(it.core.state(), state);
        }
        let seen = it.look();
        assert_eq!((seen.successful, seen.failed, seen.transitions), (2, 3, 1));
    });
}

#[test]
fn failures_at_once_open_it_once() {
    model(3, || {
        let it = It::new(Settings { failure_threshold: 1, ..settings() });
        let (one, two) = (it.ask(0).unwrap(), it.ask(0).unwrap());
        at_once(&it, move |it| it.end(0, 0, one, FAILED), move |it| it.end(0, 0, two, FAILED));
        let seen = it.look();
        assert_eq!((seen.state, seen.transitions, seen.failed, seen.late), (State::Open, 1, 2, 1));
    });
}

/// Open, and its reset time is over at `61 S`.
fn open(permits: u32) -> Arc<It> {
    let it = It::new(Settings { failure_threshold: 1, half_open_permits: permits, ..settings() });
    let admission = it.ask(0).unwrap();
    it.end(0, 0, admission, FAILED);
    it
}

#[test]
fn no_more_probes_than_permits() {
    for permits in [1, 2] {
        model(2, move || {
            let it = open(permits);
            let threads = [(); 2].map(|()| {
                let it = Arc::clone(&it);
                spawn(move || it.ask(61 * S).is_ok())
            });
            let main = it.ask(61 * S).is_ok();
            let admitted =
                threads.map(|it| it.join().unwrap()).into_iter().filter(|admitted| *admitted).count();
            assert_eq!(admitted + usize::from(main), permits as usize);
            assert_eq!((it.core.state(), it.look().transitions), (State::HalfOpen, 2));
        });
    }
}

#[test]
fn a_permit_that_is_given_back_can_be_had() {
    model(3, || {
        let it = open(1);
        let probe = it.ask(61 * S).unwrap();
        at_once(
            &it,
            move |it| it.end(61 * S, 0, probe, Ending::Cancelled),
            |it| {
                if let Ok(probe) = it.ask(61 * S) {
                    it.end(61 * S, 0, probe, Ending::Ignored);
                }
            },
        );
        it.ask(61 * S).unwrap();
    });
}

#[test]
fn after_enough_probes_everybody_gets_in() {
    model(3, || {
        let it = open(2);
        let (one, two) = (it.ask(61 * S).unwrap(), it.ask(61 * S).unwrap());
        at_once(&it, move |it| it.succeed(61 * S, 0, one), move |it| it.succeed(61 * S, 0, two));
        assert_eq!(it.core.state(), State::Closed);
        at_once(
            &it,
            |it| {
                let admission = it.ask(61 * S).unwrap();
                it.succeed(61 * S, 0, admission);
            },
            |it| {
                let admission = it.ask(61 * S).unwrap();
                it.succeed(61 * S, 0, admission);
            },
        );
        assert_eq!(it.look().successful, 4);
    });
}

#[test]
fn a_probes_success_and_failure_at_once_leave_one_decision() {
    model(3, || {
        let it = open(2);
        let (one, two) = (it.ask(61 * S).unwrap(), it.ask(61 * S).unwrap());
        at_once(&it, move |it| it.succeed(61 * S, 0, one), move |it| it.end(61 * S, 0, two, FAILED));
        let seen = it.look();
        assert_eq!((seen.state, seen.transitions), (State::Open, 3));
    });
}

#[test]
fn an_open_breaker_that_is_reset_lets_in() {
    model(3, || {
        let it = open(1);
        at_once(
            &it,
            |it| it.by_hand(Machine::reset),
            |it| {
                if let Ok(admission) = it.ask(0) {
                    it.succeed(0, 0, admission);
                }
            },
        );
        it.ask(0).unwrap();
        let seen = it.look();
        assert_eq!(seen.successful + seen.rejected, 1);
    });
}

#[test]
fn the_end_of_a_slice_loses_nothing() {
    model(3, || {
        let it = It::new(settings());
        let admissions = [it.ask(0).unwrap(), it.ask(0).unwrap()];
        at_once(
            &it,
            move |it| it.succeed(5 * S, 0, admissions[0]),
            move |it| it.succeed(4 * S, 0, admissions[1]),
        );
        let seen = it.look();
        assert_eq!((seen.successful, seen.late), (2, 0));
    });
}

#[test]
fn a_call_is_slow_by_the_settings_of_one_moment() {
    model(3, || {
        let it = It::new(Settings { volume_threshold: 1, slow_rate_threshold: 1.0, ..settings() });
        let admission = it.ask(0).unwrap();
        at_once(
            &it,
            move |it| it.succeed(0, S, admission),
            |it| {
                let strict = Settings {
                    volume_threshold: 1,
                    slow_rate_threshold: 1.0,
                    slow_call: Some(Duration::from_secs(1)),
                    ..settings()
                };
                it.core.configure(&it.clock, strict);
            },
        );
        // Slow, it has opened it; quick, it halves the rate of the slow one that comes now.
        let opened = it.core.state() == State::Open;
        if !opened {
            let admission = it.ask(0).unwrap();
            it.succeed(0, S, admission);
            assert_eq!(it.core.state(), State::Closed);
        }
        assert_eq!(it.look().successful, 2 - u64::from(opened));
    });
}

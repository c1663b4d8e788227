//! What went wrong in other circuit breakers. Each test is named after a bug that somebody had.

use std::panic::AssertUnwindSafe;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;

use super::*;

fn half_open(settings: Settings) -> Bench {
    let bench = bench(settings);
    bench.open();
    bench.clock.advance(S(10));
    bench
}

/// A permit was leaked on an early return, a cancelled future or a panic.
#[tokio::test]
async fn no_way_out_of_a_call_leaks_a_probes_permit() {
    let bench = half_open(quick());
    let early = || -> Option<()> {
        let _permit = bench.breaker.try_acquire().ok()?;
        None
    };
    assert!(early().is_none());
    let pending = bench.breaker.call(std::future::pending::<Result<(), Trouble>>());
    assert!(pending.now_or_never().is_none());
    assert_eq!(bench.breaker.state(), State::HalfOpen);
    let panic = AssertUnwindSafe(bench.breaker.call(async { panic!("oh") as Result<(), Trouble> }));
    assert!(panic.catch_unwind().await.is_err());
    assert_eq!(bench.breaker.state(), State::Open, "a panic is a failure");
    bench.clock.advance(S(20));
    bench.succeed();
}

/// A panic that is caught while the call's future lives on was taken for a cancellation.
#[tokio::test]
async fn a_panic_counts_when_it_happens_and_not_when_the_future_is_dropped() {
    let bench = bench(quick());
    let mut call = Box::pin(bench.breaker.call(async { panic!("oh") as Result<(), Trouble> }));
    assert!(AssertUnwindSafe(call.as_mut()).catch_unwind().await.is_err());
    assert_eq!(bench.breaker.snapshot().failed, 1);
    drop(call);
    assert_eq!(bench.breaker.snapshot().total, 1);
}

/// A probe that never came back held the breaker half-open for six days.
#[test]
fn a_probe_that_never_comes_back_costs_one_lease() {
    let bench = half_open(Settings { probe_lease: S(30), ..quick() });
    let _never = bench.breaker.try_acquire().unwrap();
    let mut waited = 0;
    while bench.breaker.try_acquire().is_err() {
        bench.clock.advance(S(1));
        waited += 1;
        assert!(waited <= 30 + 20, "the lease and one reset");
    }
}

/// A half-open phase that was bounded by time let nothing through when the time was over.
#[test]
fn half_open_waits_for_a_probe_however_long() {
    let bench = half_open(quick());
    bench.succeed();
    assert_eq!(bench.breaker.state(), State::HalfOpen);
    bench.clock.advance(S(1_000_000));
    bench.succeed();
    assert_eq!(bench.breaker.state(), State::Closed);
}

/// More probes than allowed got through when many asked at once.
#[test]
fn the_cap_on_probes_holds_against_a_crowd() {
    for _ in 0..50 {
        let bench = half_open(Settings { half_open_permits: 2, ..quick() });
        let (start, end, inside) = (Barrier::new(8), Barrier::new(8), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let permit = bench.breaker.try_acquire();
                    inside.fetch_add(u32::from(permit.is_ok()), Ordering::Relaxed);
                    end.wait();
                });
            }
        });
        assert_eq!(inside.load(Ordering::Relaxed), 2);
    }
}

/// A thundering herd: everybody probed as soon as the reset time was over.
#[test]
fn one_caller_probes_and_the_herd_is_turned_away() {
    let bench = half_open(quick());
    let probe = bench.breaker.try_acquire().unwrap();
    assert!((0..1000).all(|_| bench.is_rejected()));
    probe.succeed();
}

/// Giving back permits of an earlier half-open phase raised the cap of the present one.
#[test]
fn a_late_release_does_not_raise_the_cap() {
    let bench = half_open(Settings { half_open_permits: 2, ..quick() });
    let late = bench.breaker.try_acquire().unwrap();
    bench.fail();
    bench.clock.advance(S(20));
    let _present = [bench.breaker.try_acquire().unwrap(), bench.breaker.try_acquire().unwrap()];
    drop(late);
    assert!(bench.is_rejected());
}

/// Probes were counted when they completed, so all that were asked for meanwhile got through.
#[test]
fn a_probe_is_reserved_when_it_begins() {
    let bench = half_open(quick());
    let _under_way = bench.breaker.try_acquire().unwrap();
    assert!(bench.is_rejected());
}

/// Failures that came in while it was already open began the reset time anew, or twice.
#[test]
fn concurrent_failures_open_it_once() {
    let mut bench = bench(quick());
    let calls: Vec<_> = (0..10).map(|_| bench.breaker.try_acquire().unwrap()).collect();
    for call in calls {
        call.fail(&FAILED);
        bench.clock.advance(S(1));
    }
    assert_eq!(bench.breaker.snapshot().transitions, 1);
    // It opened with the third, eight seconds ago.
    bench.clock.advance(S(1));
    assert!(bench.is_rejected());
    bench.clock.advance(S(1));
    bench.succeed();
    assert_eq!(bench.causes().len(), 2);
}

/// One abort signal was shared by all calls, so that a timeout of one ended the others.
#[tokio::test]
async fn a_timeout_aborts_its_own_call_only() {
    let breaker = Breaker::new("it", Settings { timeout: Duration::from_millis(20), ..quick() });
    let (end, ended) = std::sync::mpsc::channel();
    let mut long = std::pin::pin!(breaker.call_blocking(move |abort| {
        ended.recv().unwrap();
        Ok::<_, Trouble>(abort.is_set())
    }));
    let short = breaker.call_blocking(|abort| {
        while !abort.is_set() {
            std::thread::yield_now();
        }
        Ok::<_, Trouble>(())
    });
    // The long one is begun, and not yet waited for when the short one's time is over.
    assert!(futures_util::poll!(long.as_mut()).is_pending());
    assert!(matches!(short.await, Err(CallError::TimedOut { .. })));
    end.send(()).unwrap();
    // Its own time may be over by now too; if it isn't, nobody told it to stop.
    if let Ok(aborted) = long.await {
        assert!(!aborted);
    }
}

/// A reset attempt that was cancelled left the breaker half-open, with nobody probing.
#[tokio::test]
async fn a_cancelled_probe_leaves_room_for_the_next() {
    let bench = half_open(quick());
    for _ in 0..3 {
        assert!(bench.breaker.call(std::future::pending::<Result<(), Trouble>>()).now_or_never().is_none());
        assert_eq!(bench.breaker.state(), State::HalfOpen, "and it closes nothing");
    }
    bench.succeed();
    bench.succeed();
    assert_eq!(bench.breaker.state(), State::Closed);
}

/// The window counted hours of suspend as nothing, so that yesterday's failures opened it today.
#[test]
fn failures_from_before_a_suspend_are_forgotten() {
    let opens = |suspend| {
        let bench = bench(Settings { failure_threshold: 5, volume_threshold: 5, ..quick() });
        for _ in 0..4 {
            bench.fail();
        }
        bench.succeed();
        bench.clock.suspend(suspend);
        bench.clock.advance(Duration::from_millis(1));
        bench.fail();
        bench.breaker.state() == State::Open
    };
    assert!(opens(Duration::ZERO));
    assert!(!opens(S(8 * 3600)));
}

/// An open breaker was still open after a night of suspend.
#[test]
fn suspended_time_counts_as_time_to_recover() {
    let bench = bench(quick());
    bench.open();
    bench.clock.suspend(S(8 * 3600));
    bench.clock.advance(Duration::from_millis(1));
    let _ = bench.breaker.snapshot();
    bench.succeed();
}

/// Five dependencies shared a breaker, so that one took down all.
#[test]
fn breakers_of_different_names_know_nothing_of_each_other() {
    let registry = Registry::default();
    let (one, two) = (registry.get_or_create("one", quick()), registry.get_or_create("two", quick()));
    while one.state() != State::Open {
        let _ = one.call_sync(|| Err::<(), _>(FAILED));
    }
    assert_eq!((two.state(), two.snapshot().total), (State::Closed, 0));
}

/// Each rejected call was logged with a stack trace.
#[test]
fn a_rejection_is_small_and_says_one_line() {
    let bench = bench(quick());
    bench.open();
    let rejected = bench.breaker.try_acquire().unwrap_err();
    assert_eq!(rejected.to_string(), "it is open");
    assert!(size_of_val(&rejected) <= 48);
}

/// Breakers that opened together probed together, and again, and again.
#[test]
fn breakers_that_opened_together_reopen_apart() {
    let waits: std::collections::BTreeSet<Duration> = (0..20)
        .map(|_| {
            let settings = Settings {
                failure_threshold: 1,
                reset_timeout: Duration::from_millis(1),
                reset_cap: S(3600),
                ..Settings::default()
            };
            let breaker = Breaker::new("it", settings);
            let mut waits = Duration::ZERO;
            for _ in 0..4 {
                let _ = breaker.call_sync(|| Err::<(), _>(FAILED));
                waits = breaker.snapshot().retry_in.unwrap();
                std::thread::sleep(waits + Duration::from_millis(10));
            }
            waits
        })
        .collect();
    assert!(waits.len() > 1, "all wait for {waits:?}");
}

/// The jitter was drawn anew at every look, so that it opened at the earliest of many draws.
#[test]
fn the_jitter_is_drawn_once() {
    let bench = half_open(quick());
    bench.clock.set_draw(1.0);
    bench.fail();
    bench.clock.set_draw(0.0);
    bench.clock.advance(S(19));
    assert!((0..100).all(|_| bench.is_rejected()));
    bench.clock.advance(S(1));
    bench.succeed();
}

/// A huge `Retry-After` kept it open for ever; a huge setting made it panic.
#[test]
fn no_duration_is_too_long() {
    let retry_after = Some(Duration::MAX);
    let bench = bench(Settings { failure_threshold: 1, ..quick() });
    let _ = bench.breaker.call_sync(|| Err::<(), _>(Trouble(Class::Overload { retry_after })));
    assert_eq!(bench.breaker.snapshot().retry_in, Some(S(24 * 3600)));
    let endless = Settings {
        reset_timeout: Duration::MAX,
        reset_cap: Duration::MAX,
        monitoring_window: Duration::MAX,
        probe_lease: Duration::MAX,
        timeout: Duration::MAX,
        ..quick()
    };
    bench.breaker.configure(endless).unwrap();
    bench.breaker.reset();
    bench.open();
    assert!(bench.is_rejected());
}

/// Old traffic stayed in the window, which grew and was searched at each call.
#[test]
fn the_window_forgets_while_nothing_but_successes_come() {
    let bench = bench(Settings { failure_threshold: 5, ..Settings::default() });
    for _ in 0..4 {
        bench.fail();
    }
    for _ in 0..70 {
        bench.clock.advance(S(1));
        bench.succeed();
    }
    for _ in 0..4 {
        bench.fail();
    }
    assert_eq!(bench.breaker.state(), State::Closed, "4 failures of 64 calls");
}

//! The breaker's behaviour, in simulated time. Tests are named after what they pin.

mod lessons;
mod model;
mod soak;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use super::*;

const S: fn(u64) -> Duration = Duration::from_secs;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}")]
struct Trouble(Class);

impl Classify for Trouble {
    fn class(&self) -> Class {
        self.0
    }

    fn may_have_happened(&self) -> bool {
        self.0 == Class::Overload { retry_after: None }
    }
}

const FAILED: Trouble = Trouble(Class::Failure);
const BAD_REQUEST: Trouble = Trouble(Class::Caller);

struct Bench {
    breaker: Breaker,
    clock: Arc<ManualClock>,
    events: broadcast::Receiver<Transition>,
}

fn bench(settings: Settings) -> Bench {
    let clock = Arc::new(ManualClock::default());
    let events = broadcast::Sender::new(64);
    let receiver = events.subscribe();
    let breaker = Breaker::with("it", settings, Arc::clone(&clock), events);
    Bench { breaker, clock, events: receiver }
}

impl Bench {
    fn succeed(&self) {
        self.breaker.call_sync(|| Ok::<_, Trouble>(())).unwrap();
    }

    fn fail(&self) {
        let result = self.breaker.call_sync(|| Err::<(), _>(FAILED));
        assert_eq!(result, Err(CallError::Failed(FAILED)));
    }

    fn is_rejected(&self) -> bool {
        matches!(self.breaker.call_sync(|| Ok::<_, Trouble>(())), Err(CallError::Rejected(_)))
    }

    fn open(&self) {
        while self.breaker.state() != State::Open {
            self.fail();
        }
    }

    fn causes(&mut self) -> Vec<Cause> {
        std::iter::from_fn(|| self.events.try_recv().ok()).map(|event| event.cause).collect()
    }
}

fn quick() -> Settings {
    Settings { failure_threshold: 3, reset_timeout: S(10), ..Settings::default() }
}

#[test]
fn opens_on_the_very_call_that_crosses_the_line() {
    let mut bench = bench(quick());
    bench.fail();
    bench.fail();
    assert_eq!(bench.breaker.state(), State::Closed);
    bench.fail();
    assert_eq!(bench.breaker.state(), State::Open);
    assert!(bench.is_rejected());
    assert_eq!(bench.causes(), [Cause::ConsecutiveFailures]);
}

#[test]
fn background_errors_under_load_do_not_open_it() {
    let bench = bench(Settings { failure_threshold: 5, ..Settings::default() });
    for call in 0..6000 {
        bench.clock.advance(Duration::from_millis(100));
        if call % 100 == 0 { bench.fail() } else { bench.succeed() }
    }
    assert_eq!(bench.breaker.state(), State::Closed);
}

#[test]
fn half_of_the_calls_failing_opens_it() {
    let mut bench = bench(Settings { failure_threshold: 5, ..Settings::default() });
    for _ in 0..4 {
        bench.fail();
        bench.succeed();
    }
    bench.succeed();
    assert_eq!(bench.breaker.state(), State::Closed);
    bench.fail();
    assert_eq!(bench.breaker.state(), State::Open, "5 of 10 failed");
    assert_eq!(bench.causes(), [Cause::FailureRate]);
}

#[test]
fn a_rare_caller_opens_it_by_failures_in_a_row_however_far_apart() {
    let bench = bench(quick());
    for _ in 0..3 {
        bench.clock.advance(S(300));
        bench.fail();
    }
    assert_eq!(bench.breaker.state(), State::Open);
}

#[test]
fn slow_calls_open_it_when_asked_for() {
    let settings = Settings { slow_call: Some(S(1)), volume_threshold: 4, ..quick() };
    let mut bench = bench(settings);
    for _ in 0..4 {
        bench
            .breaker
            .call_sync(|| {
                bench.clock.advance(S(2));
                Ok::<_, Trouble>(())
            })
            .unwrap();
    }
    assert_eq!(bench.causes(), [Cause::SlowCalls]);
}

#[test]
fn probes_close_it_and_one_failure_opens_it_again_for_longer() {
    use Cause::{ConsecutiveFailures, ProbeFailed, ProbesSucceeded, ResetElapsed};

    let mut bench = bench(quick());
    bench.open();
    bench.clock.advance(S(10));
    bench.fail();
    let wait = bench.breaker.snapshot().retry_in.unwrap();
    assert!(wait >= S(10) && wait <= S(20), "{wait:?}");
    bench.clock.advance(wait);
    bench.succeed();
    assert_eq!(bench.breaker.state(), State::HalfOpen);
    bench.succeed();
    assert_eq!(bench.breaker.state(), State::Closed);
    assert_eq!(
        bench.causes(),
        [ConsecutiveFailures, ResetElapsed, ProbeFailed, ResetElapsed, ProbesSucceeded]
    );
}

#[test]
fn retry_after_is_honoured() {
    let bench = bench(Settings { failure_threshold: 1, ..quick() });
    let overload = Trouble(Class::Overload { retry_after: Some(S(120)) });
    let _ = bench.breaker.call_sync(|| Err::<(), _>(overload));
    assert_eq!(bench.breaker.snapshot().retry_in, Some(S(120)));
    bench.clock.advance(S(119));
    assert!(bench.is_rejected());
    bench.clock.advance(S(1));
    bench.succeed();
}

#[test]
fn half_open_hands_out_no_more_permits_than_its_bound() {
    let bench = bench(Settings { half_open_permits: 2, ..quick() });
    bench.open();
    bench.clock.advance(S(10));
    let first = bench.breaker.try_acquire().unwrap();
    let second = bench.breaker.try_acquire().unwrap();
    assert!(bench.breaker.try_acquire().is_err());
    drop(second);
    let third = bench.breaker.try_acquire().unwrap();
    first.succeed();
    third.succeed();
    assert_eq!(bench.breaker.state(), State::Closed);
}

#[test]
fn a_dropped_probe_gives_its_permit_back_and_closes_nothing() {
    let bench = bench(quick());
    bench.open();
    bench.clock.advance(S(10));
    for _ in 0..100 {
        drop(bench.breaker.try_acquire().unwrap());
    }
    assert_eq!(bench.breaker.state(), State::HalfOpen);
}

#[test]
fn an_ignored_error_does_not_leave_it_half_open_for_ever() {
    let bench = bench(quick());
    bench.open();
    bench.clock.advance(S(10));
    for _ in 0..5 {
        let _ = bench.breaker.call_sync(|| Err::<(), _>(BAD_REQUEST));
    }
    bench.succeed();
    bench.succeed();
    assert_eq!(bench.breaker.state(), State::Closed);
}

#[test]
fn a_hung_probe_cannot_keep_it_half_open() {
    let mut bench = bench(Settings { probe_lease: S(30), ..quick() });
    bench.open();
    bench.clock.advance(S(10));
    let hung = bench.breaker.try_acquire().unwrap();
    assert!(bench.is_rejected());
    bench.clock.advance(S(30));
    assert!(bench.is_rejected());
    assert_eq!(bench.breaker.state(), State::Open);
    hung.succeed();
    assert_eq!(bench.breaker.state(), State::Open, "it came too late to vote");
    assert_eq!(bench.causes().last(), Some(&Cause::ProbeHung));
}

#[test]
fn a_call_that_began_before_the_outage_does_not_vote_after_it() {
    let bench = bench(quick());
    let old = bench.breaker.try_acquire().unwrap();
    bench.open();
    bench.clock.advance(S(10));
    bench.succeed();
    old.fail(&FAILED);
    assert_eq!(bench.breaker.state(), State::HalfOpen);
    let snapshot = bench.breaker.snapshot();
    assert_eq!((snapshot.late, snapshot.failed), (1, 4));
}

#[test]
fn looking_takes_no_permit() {
    let bench = bench(quick());
    bench.open();
    bench.clock.advance(S(10));
    for _ in 0..10 {
        let _ = (bench.breaker.state(), bench.breaker.snapshot());
    }
    bench.succeed();
}

#[test]
fn whether_a_call_would_be_refused_is_seen_without_one() {
    let bench = bench(quick());
    assert!(!bench.breaker.would_refuse());
    bench.open();
    let before = bench.breaker.snapshot();
    assert!(bench.breaker.would_refuse());
    bench.clock.advance(S(10));
    assert_eq!(bench.breaker.state(), State::Open);
    assert!(!bench.breaker.would_refuse(), "it is time to try it again");
    assert_eq!(bench.breaker.snapshot().rejected, before.rejected);
    bench.breaker.isolate();
    bench.clock.advance(S(100_000));
    assert!(bench.breaker.would_refuse());
}

#[test]
fn a_panic_counts_as_a_failure_and_gives_its_permit_back() {
    let bench = bench(Settings { failure_threshold: 1, ..quick() });
    let call =
        std::panic::AssertUnwindSafe(|| bench.breaker.call_sync(|| -> Result<(), Trouble> { panic!("oh") }));
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(bench.breaker.state(), State::Open);
    assert_eq!(bench.breaker.snapshot().failed, 1);
}

#[test]
fn by_hand_it_is_held_open_or_closed() {
    let bench = bench(quick());
    bench.breaker.isolate();
    bench.clock.advance(S(100_000));
    assert!(bench.is_rejected());
    bench.breaker.disable();
    for _ in 0..10 {
        bench.fail();
    }
    assert_eq!(bench.breaker.state(), State::Disabled);
    bench.breaker.reset();
    bench.succeed();
}

#[test]
fn a_change_of_settings_keeps_the_counts_that_still_apply() {
    let bench = bench(Settings { failure_threshold: 5, ..quick() });
    bench.fail();
    bench.fail();
    bench.breaker.configure(quick()).unwrap();
    bench.fail();
    assert_eq!(bench.breaker.state(), State::Open);
    let bad = Settings { success_threshold: 0, ..quick() };
    assert_eq!(bench.breaker.configure(bad).unwrap_err().setting, "success_threshold");
}

#[test]
fn the_counts_add_up() {
    let bench = bench(quick());
    bench.succeed();
    let _ = bench.breaker.call_sync(|| Err::<(), _>(BAD_REQUEST));
    drop(bench.breaker.try_acquire().unwrap());
    bench.breaker.try_acquire().unwrap().time_out();
    bench.open();
    assert!(bench.is_rejected());
    let it = bench.breaker.snapshot();
    assert_eq!(it.total, it.successful + it.failed + it.timeouts + it.rejected + it.ignored + it.cancelled);
    assert_eq!((it.successful, it.timeouts, it.rejected, it.ignored, it.cancelled), (1, 1, 1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_cancels_the_work_and_counts() {
    struct Witness(Arc<std::sync::atomic::AtomicBool>);
    impl Drop for Witness {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let bench = bench(quick());
    let dropped = Arc::default();
    let witness = Witness(Arc::clone(&dropped));
    let work = async move {
        let _witness = witness;
        std::future::pending::<Result<(), Trouble>>().await
    };
    let began = tokio::time::Instant::now();
    let result = bench.breaker.call(work).await;
    assert_eq!(result, Err(CallError::TimedOut { after: S(5) }));
    assert!(began.elapsed() <= S(5) + Duration::from_millis(10));
    assert!(dropped.load(std::sync::atomic::Ordering::SeqCst));
    assert_eq!(bench.breaker.snapshot().timeouts, 1);
}

#[tokio::test]
async fn blocking_work_is_told_to_stop() {
    let breaker = Breaker::new("it", Settings { timeout: Duration::from_millis(20), ..quick() });
    let (stopped, was_stopped) = std::sync::mpsc::channel();
    let result = breaker
        .call_blocking(move |abort| {
            while !abort.is_set() {
                std::thread::yield_now();
            }
            stopped.send(()).unwrap();
            Ok::<_, Trouble>(())
        })
        .await;
    assert!(matches!(result, Err(CallError::TimedOut { .. })));
    was_stopped.recv_timeout(S(10)).unwrap();
}

#[tokio::test]
async fn dropping_a_call_counts_as_cancelled() {
    let bench = bench(quick());
    let call = bench.breaker.call(std::future::pending::<Result<(), Trouble>>());
    assert!(futures_util::FutureExt::now_or_never(call).is_none());
    assert_eq!(bench.breaker.snapshot().cancelled, 1);
}

struct Scripted {
    breaker: Arc<Breaker>,
    answer: Result<u32, Trouble>,
    delay: Duration,
}

impl Tier<(), u32, Trouble> for Scripted {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, (): &'a ()) -> futures_util::future::BoxFuture<'a, Result<u32, Trouble>> {
        Box::pin(async {
            tokio::time::sleep(self.delay).await;
            self.answer.clone()
        })
    }
}

fn tier(
    name: &str,
    answer: Result<u32, Trouble>,
    delay: Duration,
) -> (Arc<Breaker>, Box<dyn Tier<(), u32, Trouble>>) {
    let breaker = Arc::new(Breaker::new(name, Settings { failure_threshold: 1, ..quick() }));
    (Arc::clone(&breaker), Box::new(Scripted { breaker, answer, delay }))
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_is_told_of_a_fallback_and_why() {
    let registry = Registry::default();
    let mut watching = registry.fallbacks().subscribe();
    let (_, first) = tier("first", Err(FAILED), Duration::ZERO);
    let (_, second) = tier("second", Ok(2), Duration::ZERO);
    let chain = Chain::new("it", S(9), vec![first, second]).telling(registry.fallbacks());
    for passed in [Passed::Failed, Passed::Rejected] {
        chain.call(&(), Effect::Idempotent).await.unwrap();
        let told = watching.try_recv().unwrap();
        assert_eq!((told.chain.as_str(), told.served.as_deref()), ("it", Some("second")));
        assert_eq!(told.passed, [("first".to_owned(), passed)]);
    }
    let (_, good) = tier("good", Ok(1), Duration::ZERO);
    let chain = Chain::new("it", S(9), vec![good]).telling(registry.fallbacks());
    chain.call(&(), Effect::Idempotent).await.unwrap();
    assert!(watching.try_recv().is_err(), "the first tier is no fallback");
}

#[tokio::test(start_paused = true)]
async fn a_chain_says_who_served_and_why_the_others_did_not() {
    let (_, first) = tier("first", Err(FAILED), Duration::ZERO);
    let (_, second) = tier("second", Ok(0), S(60));
    let (_, third) = tier("third", Ok(3), Duration::ZERO);
    let chain = Chain::new("it", S(9), vec![first, second, third]);
    let served = chain.call(&(), Effect::Idempotent).await.unwrap();
    assert_eq!((served.value, served.tier.as_str(), served.rank), (3, "third", 2));
    assert!(matches!(served.skipped[0].why, Why::Failed(_)));
    assert!(
        matches!(served.skipped[1].why, Why::TimedOut { after } if after < S(5)),
        "the deadline is divided"
    );
    let again = chain.call(&(), Effect::Idempotent).await.unwrap();
    assert!(matches!(again.skipped[0].why, Why::Rejected { state: State::Open, .. }));
}

#[tokio::test(start_paused = true)]
async fn what_must_happen_once_is_not_tried_on_another_tier() {
    let (_, slow) = tier("slow", Ok(0), S(60));
    let (other, never) = tier("never", Ok(1), Duration::ZERO);
    let chain = Chain::new("it", S(60), vec![slow, never]);
    let stopped = chain.call(&(), Effect::Once).await.unwrap_err();
    assert_eq!(stopped.stop, Stop::Uncertain);
    assert_eq!(other.snapshot().total, 0);

    let (_, unsure) = tier("unsure", Err(Trouble(Class::Overload { retry_after: None })), Duration::ZERO);
    let (_, never) = tier("never", Ok(1), Duration::ZERO);
    let chain = Chain::new("it", S(60), vec![unsure, never]);
    assert_eq!(chain.call(&(), Effect::Once).await.unwrap_err().stop, Stop::Uncertain);

    let (_, refused) = tier("refused", Err(FAILED), Duration::ZERO);
    let (_, next) = tier("next", Ok(1), Duration::ZERO);
    let chain = Chain::new("it", S(60), vec![refused, next]);
    assert_eq!(chain.call(&(), Effect::Once).await.unwrap().value, 1, "it surely did not happen");
}

#[tokio::test(start_paused = true)]
async fn an_impatient_chain_holds_its_own_haste_against_nobody() {
    let work = |patience| {
        let (breaker, slow) = tier("slow", Ok(0), S(60));
        let (_, next) = tier("next", Ok(1), Duration::ZERO);
        (breaker, Chain::new("it", patience, vec![slow, next]).impatient())
    };
    let limit = quick().timeout;
    let (hasty, chain) = work(limit);
    let served = chain.call(&(), Effect::Idempotent).await.unwrap();
    assert!(matches!(served.skipped[0].why, Why::TimedOut { after } if after < limit));
    assert_eq!((hasty.state(), hasty.snapshot().failed), (State::Closed, 0));
    let (late, chain) = work(limit * 3);
    assert_eq!(chain.call(&(), Effect::Idempotent).await.unwrap().value, 1);
    assert_eq!(late.state(), State::Open, "it had all the time that it may take");
}

/// Behind a bulkhead with one slot.
struct Narrow {
    breaker: Arc<Breaker>,
    bulkhead: Arc<Bulkhead>,
}

impl Tier<(), u32, Trouble> for Narrow {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, (): &'a ()) -> futures_util::future::BoxFuture<'a, Result<u32, Trouble>> {
        Box::pin(async { if self.bulkhead.load().0 == 1 { Ok(1) } else { Err(FAILED) } })
    }

    fn enter<'a>(
        &'a self,
        (): &'a (),
    ) -> Option<futures_util::future::BoxFuture<'a, Result<Entry<'a>, Unready>>> {
        Some(Box::pin(async {
            let slot = self.bulkhead.enter(Priority::Interactive).await;
            slot.map(|slot| Box::new(slot) as Entry<'a>).map_err(|full| Unready(full.to_string()))
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_slot_says_nothing_of_the_tier() {
    let bulkhead = Arc::new(Bulkhead::new(1, 1));
    let breaker = Arc::new(Breaker::new("narrow", Settings { failure_threshold: 1, ..quick() }));
    let narrow = Narrow { breaker: Arc::clone(&breaker), bulkhead: Arc::clone(&bulkhead) };
    let (_, next) = tier("next", Ok(2), Duration::ZERO);
    let chain = Chain::new("it", S(4), vec![Box::new(narrow), next]);
    assert_eq!(chain.call(&(), Effect::Idempotent).await.unwrap().value, 1, "it is held while it works");
    assert_eq!(bulkhead.load().0, 0, "and given back");
    let taken = bulkhead.try_enter().unwrap();
    let start = tokio::time::Instant::now();
    let served = chain.call(&(), Effect::Idempotent).await.unwrap();
    assert_eq!((served.value, &served.skipped[0].why), (2, &Why::NoTime));
    assert_eq!(start.elapsed(), S(2), "its share of the time");
    let place = bulkhead.enter(Priority::Interactive);
    tokio::pin!(place);
    assert!(futures_util::poll!(&mut place).is_pending());
    let served = chain.call(&(), Effect::Idempotent).await.unwrap();
    assert!(matches!(served.skipped[0].why, Why::Unready(_)), "there is no place left");
    assert_eq!((breaker.state(), breaker.snapshot().total), (State::Closed, 1));
    breaker.isolate();
    let start = tokio::time::Instant::now();
    let served = chain.call(&(), Effect::Idempotent).await.unwrap();
    assert!(matches!(served.skipped[0].why, Why::Rejected { .. }) && start.elapsed().is_zero());
    drop(taken);
}

#[tokio::test]
async fn a_callers_own_fault_ends_the_chain() {
    let (_, first) = tier("first", Err(BAD_REQUEST), Duration::ZERO);
    let (other, second) = tier("second", Ok(1), Duration::ZERO);
    let chain = Chain::new("it", S(9), vec![first, second]);
    assert_eq!(chain.call(&(), Effect::Idempotent).await.unwrap_err().stop, Stop::Caller);
    assert_eq!(other.snapshot().total, 0);
}

#[test]
fn a_registry_makes_each_breaker_once() {
    let registry = Registry::default();
    let one = registry.get_or_create("one", quick());
    assert!(Arc::ptr_eq(&one, &registry.get_or_create("one", Settings::default())));
    let mut events = registry.subscribe();
    one.isolate();
    assert_eq!(events.try_recv().unwrap().to, State::Isolated);
    assert_eq!(registry.health()["one"], Health::Down);
}

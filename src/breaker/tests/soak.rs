//! A million calls of every kind from many tasks, cancelled at random, while somebody changes the
//! settings and opens and closes the breaker by hand. Whoever called knows how each call ended; the
//! breaker must have counted the same.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::super::*;
use super::Trouble;

const TASKS: u64 = 50;
const CALLS_PER_TASK: u64 = 20_000;

/// How calls ended, as the callers saw it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    successful: u64,
    failed: u64,
    timeouts: u64,
    rejected: u64,
    ignored: u64,
    cancelled: u64,
}

/// A small, quick sequence of numbers that look random.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

async fn work(choice: u64) -> Result<(), Trouble> {
    if choice.is_multiple_of(5) {
        tokio::task::yield_now().await;
    }
    match choice % 100 {
        0..4 => Err(Trouble(Class::Failure)),
        4 => Err(Trouble(Class::Overload { retry_after: Some(Duration::from_millis(2)) })),
        5..10 => Err(Trouble(Class::Caller)),
        10..12 => Err(Trouble(Class::Cancelled)),
        12 => std::future::pending().await,
        // A panic that prints nothing.
        13 => std::panic::resume_unwind(Box::new(())),
        _ => Ok(()),
    }
}

async fn one_call(breaker: &Breaker, choice: u64, counts: &mut Counts) {
    let limit = Duration::from_micros(200);
    let call = breaker.call_within(limit, work(choice));
    // Some are dropped after their first poll, done or not.
    let ended = if choice.is_multiple_of(7) {
        std::panic::AssertUnwindSafe(async { call.now_or_never() }).catch_unwind().await
    } else {
        std::panic::AssertUnwindSafe(call.map(Some)).catch_unwind().await
    };
    let count = match ended {
        Err(_) => &mut counts.failed,
        Ok(None) => &mut counts.cancelled,
        Ok(Some(Ok(()))) => &mut counts.successful,
        Ok(Some(Err(CallError::Rejected(_)))) => &mut counts.rejected,
        Ok(Some(Err(CallError::TimedOut { .. }))) => &mut counts.timeouts,
        Ok(Some(Err(CallError::Failed(trouble)))) => match trouble.class() {
            Class::Failure | Class::Overload { .. } => &mut counts.failed,
            Class::Caller | Class::Declined => &mut counts.ignored,
            Class::Cancelled => &mut counts.cancelled,
        },
    };
    *count += 1;
}

async fn caller(breaker: Arc<Breaker>, mut seed: u64) -> Counts {
    let mut counts = Counts::default();
    for number in 0..CALLS_PER_TASK {
        let mut choice = next(&mut seed) >> 16;
        // Now and then an outage.
        if number / 256 % 16 == 15 {
            choice = choice / 100 * 100 + choice % 4;
        }
        let rejected = counts.rejected;
        one_call(&breaker, choice, &mut counts).await;
        // Rejections cost so little that there would be hardly anything else.
        if counts.rejected > rejected || number.is_multiple_of(32) {
            tokio::task::yield_now().await;
        }
    }
    counts
}

#[test]
fn after_a_million_mixed_calls_the_counts_add_up() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let settings = Settings {
        failure_threshold: 8,
        reset_timeout: Duration::from_millis(1),
        reset_cap: Duration::from_millis(4),
        probe_lease: Duration::from_millis(20),
        monitoring_window: Duration::from_millis(120),
        ..Settings::default()
    };
    runtime.block_on(async {
        let breaker = Arc::new(Breaker::new("soak", settings.clone()));
        let callers: Vec<_> = (1..=TASKS)
            .map(|task| tokio::spawn(caller(Arc::clone(&breaker), task.wrapping_mul(0x9E37_79B9_7F4A_7C15))))
            .collect();
        let meddler = tokio::spawn({
            let breaker = Arc::clone(&breaker);
            async move {
                for round in 0_u64.. {
                    match round % 5 {
                        0 => {
                            breaker.isolate();
                            tokio::task::yield_now().await;
                            breaker.reset();
                        }
                        1 => breaker.disable(),
                        2 => breaker.reset(),
                        3 => breaker
                            .configure(Settings {
                                monitoring_window: Duration::from_millis(60 + round % 3 * 60),
                                ..settings.clone()
                            })
                            .unwrap(),
                        _ => drop(breaker.snapshot()),
                    }
                    tokio::time::sleep(Duration::from_micros(500)).await;
                }
            }
        });
        let mut sum = Counts::default();
        for caller in callers {
            let counts = caller.await.unwrap();
            sum.successful += counts.successful;
            sum.failed += counts.failed;
            sum.timeouts += counts.timeouts;
            sum.rejected += counts.rejected;
            sum.ignored += counts.ignored;
            sum.cancelled += counts.cancelled;
        }
        meddler.abort();
        let it = breaker.snapshot();
        let counted = Counts {
            successful: it.successful,
            failed: it.failed,
            timeouts: it.timeouts,
            rejected: it.rejected,
            ignored: it.ignored,
            cancelled: it.cancelled,
        };
        assert_eq!(counted, sum);
        assert_eq!(it.total, TASKS * CALLS_PER_TASK);
        assert_eq!(it.latency.count(), it.total - it.rejected);
        for (kind, count) in [("ok", sum.successful), ("bad", sum.failed), ("no", sum.rejected)] {
            assert!(count > 1000, "{kind} calls were hardly tried: {sum:?}");
        }
        assert!(it.transitions > 10);
    });
}

//! How long one call takes: the best of many short batches, since a batch in which the machine did
//! something else says nothing.

use std::hint::black_box;
use std::time::Instant;

const BATCH: u32 = 5_000;
const BATCHES: u32 = 300;

fn best(mut batch: impl FnMut() -> f64) -> f64 {
    (0..BATCHES).map(|_| batch()).fold(f64::INFINITY, f64::min)
}

/// Nanoseconds a call.
pub fn sync<T>(mut call: impl FnMut() -> T) -> f64 {
    best(|| {
        let began = Instant::now();
        for _ in 0..BATCH {
            black_box(call());
        }
        began.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
    })
}

/// Nanoseconds a call, each awaited by the one task of a current-thread runtime.
pub fn asynchronous<F: Future>(mut call: impl FnMut() -> F) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    best(|| {
        runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..BATCH {
                black_box(call().await);
            }
            began.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
        })
    })
}

/// Millions of calls a second by so many threads: the best of many rounds.
pub fn throughput(threads: u32, call: impl Fn() + Sync) -> f64 {
    const CALLS: u32 = 50_000;
    let round = || {
        let barrier = std::sync::Barrier::new(threads as usize);
        let spans = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        let began = Instant::now();
                        for _ in 0..CALLS {
                            call();
                        }
                        (began, Instant::now())
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
        });
        let began = spans.iter().map(|span| span.0).min().unwrap();
        let ended = spans.iter().map(|span| span.1).max().unwrap();
        f64::from(threads * CALLS) / (ended - began).as_secs_f64() / 1e6
    };
    (0..250).map(|_| round()).fold(0.0, f64::max)
}

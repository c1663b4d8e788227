//! Prints what docs/breaker.md says of speed: markdown, from one run.

#![allow(dead_code, reason = "the breaker has more than is measured here")]

mod allocations;
#[allow(unused_imports, reason = "as above")]
#[path = "../../../src/breaker/mod.rs"]
mod breaker;
mod probes;
mod subjects;
mod timing;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use breaker::{Breaker, Chain, Effect, Registry, Settings, Tier};
use futures_util::future::BoxFuture;
use subjects::{Async, Ended, Oops, Opens, Sync};

const HOUR: Duration = Duration::from_secs(3600);

fn ok() -> Result<u32, Oops> {
    black_box(Ok(1))
}

fn fail() -> Result<u32, Oops> {
    black_box(Err(Oops))
}

struct Row {
    name: &'static str,
    sync: Option<[f64; 3]>,
    asynchronous: [f64; 3],
    threads: Option<[f64; 2]>,
    allocations: usize,
    bytes: isize,
}

fn sync_row<T: Sync + std::marker::Sync>(make: &impl Fn(Opens) -> T) -> ([f64; 3], [f64; 2]) {
    let (closed, open) = (make(Opens::Never), make(Opens::Soon { reset: HOUR }));
    let success = timing::sync(|| closed.call(ok));
    let failure = timing::sync(|| closed.call(fail));
    // One that judges by long averages doesn't open as soon as that.
    let opened = (0..100_000).any(|_| open.call(fail) == Ended::Rejected);
    let rejection = if opened { timing::sync(|| open.call(fail)) } else { f64::NAN };
    let closed = make(Opens::Never);
    let threads = [1, 2].map(|threads| {
        timing::throughput(threads, || {
            black_box(closed.call(ok));
        })
    });
    ([success, failure, rejection], threads)
}

fn async_row<T: Async>(make: &impl Fn(Opens) -> T) -> [f64; 3] {
    let (closed, open) = (make(Opens::Never), make(Opens::Soon { reset: HOUR }));
    let success = timing::asynchronous(|| closed.call(async { ok() }));
    let failure = timing::asynchronous(|| closed.call(async { fail() }));
    let opened = (0..100_000)
        .any(|_| futures_util::FutureExt::now_or_never(open.call(async { fail() })) == Some(Ended::Rejected));
    let rejection = if opened { timing::asynchronous(|| open.call(async { fail() })) } else { f64::NAN };
    [success, failure, rejection]
}

fn memory<T: Async>(make: &impl Fn(Opens) -> T) -> (usize, isize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let before = allocations::bytes() as isize;
    let it = Box::new(make(Opens::Never));
    runtime.block_on(async {
        for _ in 0..20_000 {
            black_box(it.call(async { ok() }).await);
            black_box(it.call(async { fail() }).await);
        }
    });
    let bytes = allocations::bytes() as isize - before;
    let it = make(Opens::Never);
    futures_util::FutureExt::now_or_never(it.call(async { ok() }));
    let calls = allocations::calls(|| {
        for _ in 0..100 {
            black_box(futures_util::FutureExt::now_or_never(it.call(async { ok() })));
        }
    });
    (calls / 100, bytes)
}

fn row<T: Sync + Async + std::marker::Sync>(name: &'static str, make: impl Fn(Opens) -> T) -> Row {
    eprintln!("{name}");
    let (sync, threads) = sync_row(&make);
    let (allocations, bytes) = memory(&make);
    Row { name, sync: Some(sync), asynchronous: async_row(&make), threads: Some(threads), allocations, bytes }
}

fn row_async<T: Async>(name: &'static str, make: impl Fn(Opens) -> T) -> Row {
    eprintln!("{name}");
    let (allocations, bytes) = memory(&make);
    Row { name, sync: None, asynchronous: async_row(&make), threads: None, allocations, bytes }
}

fn cost(rows: &[Row]) {
    println!(
        "\nNanoseconds above the bare call (the first row: the bare call), best of 300 batches of 5,000.\n"
    );
    println!(
        "| | sync closed | sync failure | sync rejected | async closed | async failure | async rejected | 1 thread | 2 threads | ratio | allocations a success | bytes after 40,000 calls |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let floor = &rows[0];
    for (index, row) in rows.iter().enumerate() {
        let above = |value: f64, floor: f64| {
            if value.is_nan() {
                "–".into()
            } else if index == 0 {
                format!("({value:.1})")
            } else {
                format!("{:.1}", value - floor)
            }
        };
        let sync = row
            .sync
            .map(|sync| [0, 1, 2].map(|it| above(sync[it], floor.sync.unwrap()[it.min(1)])).join(" | "));
        let asynchronous =
            [0, 1, 2].map(|it| above(row.asynchronous[it], floor.asynchronous[it.min(1)])).join(" | ");
        let threads =
            row.threads.map(|[one, two]| format!("{one:.0} M/s | {two:.0} M/s | {:.2} ×", two / one));
        println!(
            "| {} | {} | {asynchronous} | {} | {} | {} |",
            row.name,
            sync.unwrap_or_else(|| "– | – | –".into()),
            threads.unwrap_or_else(|| "– | – | –".into()),
            row.allocations,
            row.bytes,
        );
    }
}

async fn behaviour<T: Async>(name: &str, make: impl Fn(Opens) -> T) {
    let it = || make(Opens::Soon { reset: probes::RESET });
    println!(
        "| {name} | {} | {} | {} | {} | {} |",
        probes::half_open_cap(it()).await,
        probes::dropped_probe(it()).await,
        probes::hung_probe(it()).await,
        probes::late_result(it()).await,
        probes::panic_counted(it()).await,
    );
}

struct Step(Arc<Breaker>, Result<u32, Oops>);

impl Tier<(), u32, Oops> for Step {
    fn breaker(&self) -> &Breaker {
        &self.0
    }

    fn serve<'a>(&'a self, (): &'a ()) -> BoxFuture<'a, Result<u32, Oops>> {
        Box::pin(async { self.1 })
    }
}

fn chain(answers: [Result<u32, Oops>; 3]) -> Chain<'static, (), u32, Oops> {
    let tiers = answers
        .into_iter()
        .map(|answer| Box::new(Step(Arc::new(subjects::ours(Opens::Never)), answer)) as _)
        .collect();
    Chain::new("chain", Duration::from_secs(5), tiers)
}

fn extras() {
    println!("\n| ours, otherwise | |\n|---|---|");
    let waits = || async {
        tokio::task::yield_now().await;
        ok()
    };
    let bare = timing::asynchronous(waits);
    let tokio_timeout = timing::asynchronous(|| tokio::time::timeout(Duration::from_secs(5), waits()));
    let it = subjects::ours(Opens::Never);
    let ours = timing::asynchronous(|| Breaker::call(&it, waits()));
    println!("| a call that waits once, above the bare one ({bare:.0} ns) | {:.0} ns |", ours - bare);
    println!("| … of which `tokio::time::timeout` alone | {:.0} ns |", tokio_timeout - bare);
    let first = chain([Ok(1), Ok(2), Ok(3)]);
    println!(
        "| a chain of three, the first serves | {:.0} ns |",
        timing::asynchronous(|| first.call(&(), Effect::Idempotent))
    );
    let last = chain([Err(Oops), Err(Oops), Ok(3)]);
    println!(
        "| a chain of three, the last serves | {:.0} ns |",
        timing::asynchronous(|| last.call(&(), Effect::Idempotent))
    );
    let bulkhead = breaker::Bulkhead::new(2, 8);
    let with = timing::asynchronous(async || {
        let _slot = bulkhead.enter(breaker::Priority::Interactive).await;
        Breaker::call(&it, async { ok() }).await
    });
    println!("| a success through a bulkhead and a breaker | {with:.0} ns |");
    println!("| `snapshot` | {:.0} ns |", timing::sync(|| it.snapshot()));
    println!("| a breaker's size | {} bytes |", std::mem::size_of::<Breaker>());
    for count in [1, 100, 10_000_u32] {
        let registry = Registry::default();
        let before = allocations::bytes();
        let breakers: Vec<_> = (0..count)
            .map(|number| registry.get_or_create(&format!("breaker-{number}"), Settings::default()))
            .collect();
        let bytes = (allocations::bytes() - before) / count as usize;
        let mut turn = 0;
        let call = timing::sync(|| {
            turn = (turn + 7919) % count as usize;
            breakers[turn].call_sync(ok)
        });
        let name = format!("breaker-{}", count / 2);
        let look = timing::sync(|| registry.get(&name));
        println!(
            "| {count} breakers in a registry: a call to each in turn; a look-up; bytes each | {call:.0} ns; {look:.0} ns; {bytes} |"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let limit = Duration::from_millis(50);
    let late = (0..20).map(|_| {
        runtime.block_on(async {
            let began = Instant::now();
            let _ = it.call_within(limit, std::future::pending::<Result<u32, Oops>>()).await;
            began.elapsed().saturating_sub(limit)
        })
    });
    println!(
        "| a timeout of 50 ms fires late by, at most, of 20 | {:.1} ms |",
        late.max().unwrap().as_secs_f64() * 1e3
    );
    let it = subjects::ours(Opens::Soon { reset: HOUR });
    let mut calls = 0;
    while it.call_sync(fail).is_err() && it.state() == breaker::State::Closed {
        calls += 1;
    }
    println!("| failures in a row until it is open, threshold 5 | {} |", calls + 1);
}

fn main() {
    let rows = [
        row("no breaker", |_| subjects::None),
        row("**voice-terminal**", subjects::ours),
        row("recloser 1.4 (count window)", subjects::recloser),
        row("failsafe 1.3 (time window)", subjects::failsafe_windowed),
        row("failsafe 1.3 (consecutive)", subjects::failsafe_consecutive),
        row("nobreak 0.1 (consecutive)", subjects::nobreak),
        row("circuitbreaker-rs 0.1", subjects::circuitbreaker_rs),
        row_async("execution-policy 0.0.6", subjects::execution_policy),
        row_async("tower-resilience 0.14", subjects::tower),
    ];
    cost(&rows);
    println!(
        "\n| | half-open cap of 2 held | dropped probes | hung probes | late result ignored | panic counted |"
    );
    println!("|---|---|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        behaviour("**voice-terminal**", subjects::ours).await;
        behaviour("recloser", subjects::recloser).await;
        behaviour("failsafe (consecutive)", subjects::failsafe_consecutive).await;
        behaviour("nobreak", subjects::nobreak).await;
        behaviour("circuitbreaker-rs", subjects::circuitbreaker_rs).await;
        behaviour("execution-policy", subjects::execution_policy).await;
        behaviour("tower-resilience", subjects::tower).await;
    });
    extras();
}

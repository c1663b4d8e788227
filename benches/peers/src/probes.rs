//! What a breaker does in the cases that matter: the columns on behaviour.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::subjects::{Async, Ended, Oops};

/// How long the subjects of the probes stay open.
pub const RESET: Duration = Duration::from_millis(30);

async fn ok() -> Result<u32, Oops> {
    Ok(1)
}

async fn fail() -> Result<u32, Oops> {
    Err(Oops)
}

async fn open(it: &impl Async) {
    for _ in 0..200 {
        if it.call(fail()).await == Ended::Rejected {
            return;
        }
    }
}

async fn half_open(it: &impl Async) {
    open(it).await;
    tokio::time::sleep(RESET + Duration::from_millis(10)).await;
}

/// How many of ten calls at once get through while it is half-open and may let in two.
pub async fn half_open_cap(it: impl Async) -> String {
    half_open(&it).await;
    let mut calls = Vec::new();
    let mut admitted = 0;
    for _ in 0..10 {
        let mut call = Box::pin(it.call(std::future::pending()));
        if futures_util::poll!(call.as_mut()).is_pending() {
            admitted += 1;
        }
        calls.push(call);
    }
    if admitted <= 2 { "yes".into() } else { format!("no: {admitted} of 10") }
}

/// Whether calls get through again after probes were dropped.
pub async fn dropped_probe(it: impl Async) -> String {
    half_open(&it).await;
    for _ in 0..10 {
        let _ = it.call(std::future::pending()).now_or_never();
    }
    recovers(&it).await
}

/// Whether calls get through again while probes hang. Ours has a lease of 60 ms here.
pub async fn hung_probe(it: impl Async) -> String {
    half_open(&it).await;
    let mut hung = Vec::new();
    for _ in 0..10 {
        let mut call = Box::pin(it.call(std::future::pending()));
        let _ = futures_util::poll!(call.as_mut());
        hung.push(call);
    }
    recovers(&it).await
}

async fn recovers(it: &impl Async) -> String {
    for _ in 0..60 {
        if it.call(ok()).await == Ended::Ok {
            return "recovers".into();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    "wedged".into()
}

/// Whether failures of calls that began before it opened open it again when it is half-open.
pub async fn late_result(it: impl Async) -> String {
    let mut late = Vec::new();
    for _ in 0..3 {
        let (end, ended) = oneshot::channel::<()>();
        let mut call = Box::pin(it.call(async {
            let _ = ended.await;
            Err(Oops)
        }));
        let _ = futures_util::poll!(call.as_mut());
        late.push((end, call));
    }
    half_open(&it).await;
    // Half-open now; it needs more than this one success.
    let _ = it.call(ok()).await;
    for (end, call) in late {
        let _ = end.send(());
        let _ = call.await;
    }
    if it.call(ok()).await == Ended::Ok { "yes".into() } else { "no: reopened".into() }
}

/// Whether panics open it.
pub async fn panic_counted(it: impl Async) -> String {
    for _ in 0..50 {
        let panic = async { std::panic::resume_unwind(Box::new(())) };
        if let Ok(Ended::Rejected) = AssertUnwindSafe(it.call(panic)).catch_unwind().await {
            return "yes".into();
        }
    }
    "no".into()
}

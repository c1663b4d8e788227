//! Whatever dies, stands still, is slow, resets or lies, alone or in pairs, while somebody types and speaks: no word is
//! lost, nothing is done twice or elsewhere, what is degraded is told once, and all of it comes back by itself.
//!
//! Everything is real: PostgreSQL with a replica, Redis, tmux, PulseAudio, the recogniser, the voice, the program; only
//! what is elsewhere is played. Faults come by signals to the processes and by networks that misbehave. One test is for
//! every day; `scripts/chaos` runs the long one, with another seed every time unless `VT_CHAOS_SEED` says which.
//! `VT_CHAOS_CASE=primary:freeze+redis:kill` plays a single case.

mod daemon;
mod fault;
mod house;
mod ledger;
mod person;
mod report;
mod schedule;
mod telling;
mod trial;
mod used;

use std::sync::Arc;
use std::time::{Duration, Instant};

use house::House;
use schedule::Case;
use trial::Trial;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect(variable))
}

/// Plays cases for so long; then tells, and fails if anything was wrong.
fn play(
    seed: u64,
    thorough: u32,
    cases: impl FnOnce(bool) -> Box<dyn Iterator<Item = Case>>,
    limit: Duration,
) {
    println!("seed {seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let began = Instant::now();
    let mut trial = Trial::begin(House::start(&Arc::new(runtime)), seed, thorough);
    for case in cases(trial.has_disk()) {
        if began.elapsed() >= limit {
            break;
        }
        trial.play(&case);
    }
    let took = began.elapsed();
    let (report, mut wrong) = trial.end();
    wrong.extend(report.grown(took));
    let table = report.markdown(seed, took);
    println!("\n{table}");
    if let Some(file) = std::env::var_os("VT_CHAOS_TABLE") {
        std::fs::write(file, &table).unwrap();
    }
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn whatever_dies_no_word_is_lost_and_nothing_is_done_twice() {
    play(1, 1, |_| Box::new(schedule::short().into_iter()), Duration::from_secs(600));
}

#[test]
#[ignore = "takes as many minutes as VT_CHAOS_MINUTES says; scripts/chaos runs it"]
fn for_as_long_as_is_asked() {
    let seed = number("VT_CHAOS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let minutes = number("VT_CHAOS_MINUTES").unwrap_or(10);
    let limit = Duration::from_secs(minutes * 60);
    match std::env::var("VT_CHAOS_CASE") {
        Ok(case) => {
            let case = schedule::parse(&case).unwrap();
            let times = number("VT_CHAOS_TIMES").unwrap_or(1) as usize;
            play(seed, 2, |_| Box::new(std::iter::repeat_n(case, times)), limit);
        }
        Err(_) => play(seed, 2, |disk| Box::new(schedule::Long::new(seed, disk)), limit),
    }
}

//! `voice-terminal breakers`

use std::process::ExitCode;
use std::time::Duration;

use super::report::{self, Outcome};
use super::status;
use crate::app::World;
use crate::breaker::Snapshot;

pub(super) async fn run(world: &World, json: bool) -> Outcome {
    let status = status::ask(world).await?;
    if json {
        status.breakers.iter().for_each(report::json);
    } else {
        table(&status.breakers);
    }
    Ok(ExitCode::SUCCESS)
}

/// The breakers as a table.
pub(super) fn table(breakers: &[Snapshot]) {
    report::line(format!(
        "{:<15} {:<10} {:>7} {:>7} {:>7} {:>8} {:>9} {:>9}  next attempt",
        "breaker", "state", "calls", "good", "failed", "timeouts", "rejected", "median"
    ));
    for breaker in breakers {
        let median =
            breaker.latency.quantile(0.5).map_or_else(|| "–".into(), |median| format!("≤{}", span(median)));
        let next =
            breaker.retry_in.map_or_else(String::new, |wait| format!("in {:.0} s", wait.as_secs_f64()));
        report::line(
            format!(
                "{:<15} {:<10} {:>7} {:>7} {:>7} {:>8} {:>9} {median:>9}  {next}",
                breaker.name,
                breaker.state,
                breaker.total,
                breaker.successful,
                breaker.failed,
                breaker.timeouts,
                breaker.rejected,
            )
            .trim_end(),
        );
    }
}

fn span(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1_000 => format!("{micros} µs"),
        micros @ 1_000..1_000_000 => format!("{} ms", micros / 1_000),
        micros => format!("{:.0} s", micros as f64 / 1e6),
    }
}

//! `voice-terminal breakers`

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use super::report::{self, Outcome, Problem};
use super::status;
use crate::app::World;
use crate::breaker::Snapshot;
use crate::config::BreakerOverride;
use crate::server::{ByHand, Client, ClientError, Request, Response};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Change settings until the program ends or its configuration changes
    Set {
        /// The breaker
        name: String,
        /// Such as failure_threshold=3 timeout=10s
        #[arg(required = true, value_name = "KEY=VALUE")]
        pairs: Vec<String>,
    },
    /// Hold it open: nothing is let through until it is reset
    Isolate {
        /// The breaker
        name: String,
    },
    /// Hold it closed: everything is let through until it is reset
    Disable {
        /// The breaker
        name: String,
    },
    /// Back to closed, with a clean window
    Reset {
        /// The breaker
        name: String,
    },
}

pub(super) async fn run(world: &World, action: Option<Action>, json: bool) -> Outcome {
    match action {
        None => list(world, json).await,
        Some(action) => by_hand(world, action, json).await,
    }
}

async fn by_hand(world: &World, action: Action, json: bool) -> Outcome {
    let (name, hand) = match action {
        Action::Set { name, pairs } => {
            let change = BreakerOverride::from_pairs(&name, &pairs)?;
            (name, ByHand::Set(change))
        }
        Action::Isolate { name } => (name, ByHand::Isolate),
        Action::Disable { name } => (name, ByHand::Disable),
        Action::Reset { name } => (name, ByHand::Reset),
    };
    let mut client = Client::connect(&world.paths.control_socket()).await?;
    match client.ask(&Request::Breaker { name, hand }).await? {
        Response::Breaker(breaker) if json => report::json(&breaker),
        Response::Breaker(breaker) => table(&[*breaker]),
        Response::Error { what } => {
            return Err(Problem::new(what, "`voice-terminal breakers` lists them"));
        }
        _ => return Err(ClientError::Foreign.into()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(world: &World, json: bool) -> Outcome {
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

//! `voice-terminal status`

use std::process::ExitCode;

use super::report::{self, Outcome, Problem};
use super::{breakers, listen};
use crate::app::World;
use crate::server::{Client, ClientError, Delivery, Request, Response, Status};

pub(super) async fn run(world: &World, json: bool) -> Outcome {
    let status = ask(world).await?;
    if json {
        report::json(&status);
        return Ok(ExitCode::SUCCESS);
    }
    let standing = &status.standing;
    report::line(format!(
        "voice-terminal {} (process {}), mode: {}",
        status.version, status.pid, standing.mode
    ));
    report::line(format!("  {}", listen::shown(&standing.listening)));
    report::line(format!("  words are taken as: {}", standing.input.name()));
    for chain in &status.chains {
        report::line(format!("  {:<14} {}  ({})", chain.chain, chain.in_use, chain.tiers.join(" → ")));
    }
    for degradation in &standing.degradations {
        report::line(format!("! {} {}", degradation.what, degradation.remedy));
    }
    if let Some(question) = &standing.question {
        report::line(format!("? waiting for an answer: {question}"));
    }
    report::line(format!(
        "turns waiting: {}{}",
        standing.waiting,
        if standing.busy { ", one under way" } else { "" }
    ));
    if let Some(Delivery { waiting, refused }) = status.delivery {
        report::line(format!("turns that wait for the database: {waiting}, that it refuses: {refused}"));
    }
    breakers::table(&status.breakers);
    Ok(ExitCode::SUCCESS)
}

/// The status of the running voice-terminal.
pub(super) async fn ask(world: &World) -> Result<Box<Status>, Problem> {
    let mut client = Client::connect(&world.paths.control_socket()).await?;
    match client.ask(&Request::Status).await? {
        Response::Status(status) => Ok(status),
        Response::Error { what } => Err(Problem::new(what, "try again")),
        _ => Err(ClientError::Foreign.into()),
    }
}

//! `voice-terminal history [--search Q] [--limit N]`

use std::process::ExitCode;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::report::{self, Outcome};
use crate::app::World;
use crate::domain::{Answered, Record, Verdict};
use crate::server::{Client, Request, Response};

/// How long to wait for a running voice-terminal: it may be stopped, and what is on disk is there without it.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn run(world: &World, search: Option<&str>, limit: u32, json: bool) -> Outcome {
    let store = world.store().await;
    if let Some(degradation) = &*store.standing().borrow() {
        report::warn(&degradation.what, &degradation.remedy);
    }
    let found = store.look(search, limit).await?;
    if let Some(degradation) = &found.degradation {
        report::warn(&degradation.what, &degradation.remedy);
    }
    let unsaved = tokio::time::timeout(PATIENCE, unsaved(world, search, limit)).await.unwrap_or_default();
    let mut records = found.with_unsaved(unsaved, limit, store.backlog().is_some()).records;
    if json {
        records.iter().for_each(report::json);
        return Ok(ExitCode::SUCCESS);
    }
    if records.is_empty() {
        report::line(if search.is_some() {
            "Nothing in the history matches."
        } else {
            "The history is empty."
        });
    }
    // The newest last, where the eye is.
    records.reverse();
    for kept in &records {
        show(&kept.record);
        if let Some(remark) = kept.remark() {
            report::line(format!("{:>32}({remark})", ""));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a running voice-terminal holds in memory, since the disk doesn't take it.
async fn unsaved(world: &World, search: Option<&str>, limit: u32) -> Vec<Record> {
    let request = Request::Unsaved { search: search.map(str::to_owned), limit };
    let Ok(mut client) = Client::connect(&world.paths.control_socket()).await else { return Vec::new() };
    match client.ask(&request).await {
        Ok(Response::Unsaved { records }) => records,
        // One of another version doesn't know of it.
        _ => Vec::new(),
    }
}

fn show(record: &Record) {
    let at = record.at.to_zoned_datetime(TimeZone::system()).strftime("%F %T");
    let origin = serde_json::to_value(record.origin).ok();
    let origin = origin.as_ref().and_then(|origin| origin.as_str()).unwrap_or("?");
    let words = record.text.as_deref().unwrap_or("(not transcribed)");
    report::line(format!("{at}  {origin:<10} {words}"));
    if let Some(reply) = &record.reply {
        for line in reply.text.lines() {
            report::line(format!("{:>32}{line}", ""));
        }
    }
    for remark in remarks(record) {
        report::line(format!("{:>32}({remark})", ""));
    }
}

/// What isn't plain: that it was asked first and what became of that, that it was refused, what nobody knows.
fn remarks(record: &Record) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(understood) = &record.interpretation {
        let asked = || understood.question.as_ref().map(|question| question.settled.map(|it| it.answer));
        match &understood.interpretation.verdict {
            Verdict::Allow => {}
            Verdict::Refuse { .. } => remarks.push("refused".into()),
            // What was kept before questions were doesn't tell.
            Verdict::Confirm { .. } => remarks.push(match asked() {
                None => "to be asked first".into(),
                Some(answer) => format!("asked first: {}", answered(answer)),
            }),
        }
    }
    if record
        .command
        .as_ref()
        .is_some_and(|sent| record.outcome.is_none() || sent.earlier.iter().any(|it| it.outcome.is_none()))
    {
        remarks.push("sent to tmux without a known end".into());
    }
    remarks.extend(record.abandoned.clone());
    remarks
}

fn answered(answer: Option<Answered>) -> &'static str {
    match answer {
        None => "not answered",
        Some(Answered::Confirmed) => "confirmed",
        Some(Answered::Declined) => "declined",
        Some(Answered::Replaced) => "something else was said instead",
        Some(Answered::Expired) => "expired",
        Some(Answered::Stopped) => "the program was stopped first",
    }
}

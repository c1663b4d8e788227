//! `voice-terminal history [--search Q] [--limit N]`

use std::process::ExitCode;

use jiff::tz::TimeZone;

use super::report::{self, Outcome};
use crate::app::World;
use crate::domain::Record;

pub(super) async fn run(world: &World, search: Option<&str>, limit: u32, json: bool) -> Outcome {
    let store = world.store().await;
    if let Some(degradation) = &*store.standing().borrow() {
        report::warn(&degradation.what, &degradation.remedy);
    }
    let found = store.look(search, limit).await?;
    if let Some(degradation) = &found.degradation {
        report::warn(&degradation.what, &degradation.remedy);
    }
    let mut records = found.records;
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
    if let Some(reason) = &record.abandoned {
        report::line(format!("{:>32}({reason})", ""));
    }
}

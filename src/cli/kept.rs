//! `voice-terminal transcribe --kept`: what could not be recognised when it was said.

use std::process::ExitCode;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::hear::Found;
use super::report::{self, Outcome};
use crate::app::World;
use crate::domain::{Expectation, Journal, Recogniser, Record, Stage, Transcript};
use crate::shutdown;

#[derive(Serialize)]
struct Recovered {
    #[serde(flatten)]
    record: Record,
    text: String,
}

/// Recognises kept sound whose words are not known, and writes them into the history. Nothing is done of it.
pub(super) async fn run(world: &World, json: bool) -> Outcome {
    let store = world.store().await;
    let mut unknown = Vec::new();
    for (id, path) in store.kept_sound()? {
        if let Some(record) = store.load(id).await?.filter(|record| record.transcript.is_none()) {
            unknown.push((record, path));
        }
    }
    if unknown.is_empty() {
        report::line("There is no kept sound whose words are not known.");
        return Ok(ExitCode::SUCCESS);
    }
    let cancel = shutdown::on_signals(|| {})?;
    let recognisers = world.recognisers(|_| {}, cancel.child_token());
    report::announcements(world);
    if let Some(degradation) = recognisers.prepare().await? {
        report::warn(&degradation.what, &degradation.remedy);
    }
    let mut code = ExitCode::SUCCESS;
    for (record, path) in unknown {
        let mut found = Found::begin(world, &path, &cancel);
        let mut said: Vec<Transcript> = Vec::new();
        while let Some(segment) = found.next().await {
            match recognisers.recognise(&segment.pcm, &Expectation::default()).await {
                Ok(transcript) => said.push(transcript),
                Err(failure) => {
                    report::warn(&failure.what, &failure.remedy);
                    code = ExitCode::FAILURE;
                    said.clear();
                    break;
                }
            }
        }
        if cancel.is_cancelled() {
            return Ok(ExitCode::FAILURE);
        }
        let text = said.iter().map(|it| it.text.as_str()).collect::<Vec<_>>().join(" ");
        let Some(first) = said.into_iter().next() else { continue };
        store.add(record.id, &Stage::Transcribed(Transcript { text: text.clone(), ..first })).await?;
        if json {
            report::json(&Recovered { record, text });
        } else {
            let at = record.at.to_zoned_datetime(TimeZone::system()).strftime("%F %T");
            report::line(format!("{at}  {text}"));
        }
    }
    store.close().await;
    Ok(code)
}

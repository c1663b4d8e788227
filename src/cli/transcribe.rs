//! `voice-terminal transcribe FILE…`: speech to text, one line a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::hear::{Found, shown};
use super::report::{self, Outcome, Problem};
use crate::app::World;
use crate::domain::{Expectation, Interpreter, Recogniser, Situation, Transcript};
use crate::shutdown;
use crate::speech::Recognisers;

#[derive(Serialize)]
struct Transcribed {
    file: String,
    text: String,
    /// The recognition of all utterances, those without words too; without loading the model and reading the
    /// file.
    took: Duration,
    utterances: Vec<Said>,
}

#[derive(Serialize)]
struct Said {
    /// Where its speech begins in the recording.
    from: Duration,
    /// How long it is.
    length: Duration,
    #[serde(flatten)]
    transcript: Transcript,
}

pub(super) async fn run(world: &World, files: &[PathBuf], commands: bool, json: bool) -> Outcome {
    let cancel = shutdown::on_signals(|| {})?;
    let situation = Situation { spoken: true, ..Situation::default() };
    let expectation = if commands { world.rules()?.expectation(&situation) } else { Expectation::default() };
    let recognisers = world.recognisers(|_| {}, cancel.child_token());
    report::announcements(world);
    if let Some(degradation) = recognisers.prepare().await? {
        report::warn(&degradation.what, &degradation.remedy);
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match transcribe(world, &recognisers, file, &expectation, &cancel).await {
            Ok(done) if json => report::json(&done),
            Ok(done) if files.len() == 1 => report::line(done.text),
            Ok(done) => report::line(format!("{}: {}", done.file, done.text)),
            Err(problem) => {
                code = problem.report();
            }
        }
        if cancel.is_cancelled() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(code)
}

async fn transcribe(
    world: &World,
    recognisers: &Recognisers,
    file: &Path,
    expectation: &Expectation,
    cancel: &CancellationToken,
) -> Result<Transcribed, Problem> {
    let mut found = Found::begin(world, file, cancel);
    let (mut utterances, mut took) = (Vec::new(), Duration::ZERO);
    while let Some(segment) = found.next().await {
        let transcript = tokio::select! {
            transcript = recognisers.recognise(&segment.pcm, expectation) => transcript?,
            () = cancel.cancelled() => break,
        };
        took += transcript.took;
        if !transcript.is_silence() {
            utterances.push(Said { from: segment.start, length: segment.pcm.duration(), transcript });
        }
    }
    let remark = found.end().await.map_err(|error| Problem::new(error.to_string(), error.remedy()))?;
    if let Some(remark) = remark {
        report::warn(&format!("{}: {remark}", shown(file)), "");
    }
    let texts: Vec<&str> = utterances.iter().map(|said| said.transcript.text.as_str()).collect();
    Ok(Transcribed { file: shown(file), text: texts.join(" "), took, utterances })
}

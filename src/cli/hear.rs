//! `voice-terminal hear FILE…`: recordings through the whole pipeline, as if spoken.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::report::{self, Outcome};
use super::run::{leave, watch};
use crate::app::World;
use crate::audio::{Recording, RecordingError, Remark, Segment, Segments};
use crate::console::{self, View};
use crate::domain::{Origin, Reply, Tone, Utterance};
use crate::shutdown;

/// Utterances found ahead of the one that is being worked on.
const AHEAD: usize = 2;

pub(super) async fn run(world: &World, files: &[PathBuf], json: bool) -> Outcome {
    let cancel = shutdown::on_signals(console::restore)?;
    let mut conversation = world.converse(false, cancel.clone()).await?;
    let watcher = (!json).then(|| watch(&mut conversation, View::new(std::io::stdout())));
    let mut events = conversation.events.subscribe();
    let mut code = ExitCode::SUCCESS;
    let mut asked = false;
    for file in files {
        let mut found = Found::begin(world, file, &cancel);
        let mut utterances = 0;
        while let Some(segment) = found.next().await {
            utterances += 1;
            let Ok(reply) = conversation.turn(Utterance::spoken(Origin::Recording, segment.pcm)).await else {
                break;
            };
            asked = reply.as_ref().is_some_and(Reply::asks);
            if reply.as_ref().is_some_and(|reply| reply.tone == Tone::Problem) {
                code = ExitCode::FAILURE;
            }
            while let (true, Ok(event)) = (json, events.try_recv()) {
                report::json(&event);
            }
        }
        match found.end().await {
            Err(error) => {
                report::warn(&error.to_string(), &error.remedy());
                code = ExitCode::FAILURE;
            }
            Ok(remark) => {
                if let Some(remark) = remark {
                    report::warn(&format!("{}: {remark}", shown(file)), "");
                }
                if utterances == 0 {
                    report::warn(&format!("{}: nobody speaks in it", shown(file)), "");
                }
            }
        }
        if cancel.is_cancelled() {
            code = ExitCode::FAILURE;
            break;
        }
    }
    if asked {
        report::warn(
            "a question was left open, so nothing was run",
            "answer it with another recording, or use `do --yes`",
        );
    }
    // Takes back what an open question had inserted.
    cancel.cancel();
    leave(conversation, Vec::new(), watcher).await;
    Ok(code)
}

/// The utterances of a recording, found on a thread of their own.
pub(super) struct Found {
    segments: mpsc::Receiver<Segment>,
    task: tokio::task::JoinHandle<Result<Option<Remark>, RecordingError>>,
}

impl Found {
    pub(super) fn begin(world: &World, file: &Path, cancel: &CancellationToken) -> Self {
        let (send, segments) = mpsc::channel(AHEAD);
        let (world, file, cancel) = (world.clone(), file.to_owned(), cancel.clone());
        let task = tokio::task::spawn_blocking(move || {
            let recording = Recording::open(&file)?;
            let mut segments = Segments::new(recording, world.detector(), &world.config.audio.endpoint);
            for segment in &mut segments {
                if cancel.is_cancelled() || send.blocking_send(segment).is_err() {
                    break;
                }
            }
            Ok(segments.remark())
        });
        Self { segments, task }
    }

    pub(super) async fn next(&mut self) -> Option<Segment> {
        self.segments.recv().await
    }

    /// How the reading ended.
    pub(super) async fn end(self) -> Result<Option<Remark>, RecordingError> {
        drop(self.segments);
        match self.task.await {
            Ok(result) => result,
            Err(panic) => match panic.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Ok(None),
            },
        }
    }
}

pub(super) fn shown(file: &Path) -> String {
    file.display().to_string()
}

//! The recogniser's process: whisper.cpp, at the end of two pipes.
//!
//! whisper.cpp is native code that aborts the process on a bad model. So it has a process of its
//! own: `voice-terminal worker stt`. One thread decodes, one reads the pipe, so that an abort is
//! heard during the work. When the daemon goes, the pipe ends, and so does this.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;

use whisper_rs::{WhisperContext, WhisperContextParameters};

use super::decode::{DecodeOptions, Decoder};
use super::frame::{Answer, Leaning, Request};
use super::weights;
use crate::breaker::AbortFlag;
use crate::domain::{Phrases, SAMPLE_RATE};

/// What the worker is started with.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct WorkerOptions {
    /// The ggml Whisper model.
    #[arg(long)]
    pub model: PathBuf,
    /// How to decode.
    #[command(flatten)]
    pub decode: DecodeOptions,
}

enum Job {
    Learn(Phrases),
    Recognise { id: u32, leaning: Leaning, samples: Vec<f32>, abort: AbortFlag },
}

/// Of what is larger there is no room for a second copy while it is loaded.
const LARGEST_TURNED: u64 = 2 << 30;
/// Jobs that may wait: the phrases, and an utterance.
const WAITING: usize = 2;

/// Serves requests on standard input until it ends. Standard output belongs to the answers.
pub fn run(options: WorkerOptions) -> ExitCode {
    whisper_rs::install_logging_hooks();
    let mut out = io::stdout().lock();
    match serve(options, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // If the daemon has gone there is nobody to tell.
            let _ = Answer::Unusable { why: why.to_string() }.write(&mut out);
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("whisper: {0}")]
    Whisper(#[from] whisper_rs::WhisperError),
    #[error("pipe: {0}")]
    Pipe(#[from] io::Error),
    #[error("the model's path is no text")]
    Path,
    #[error("the model's file ends before its weights")]
    Incomplete,
}

fn serve(options: WorkerOptions, out: &mut impl io::Write) -> Result<(), WorkerError> {
    // One request is under way, one may wait; the daemon sends no more. Listening begins before the
    // model is loaded, so that a daemon which goes meanwhile is noticed.
    let (send, jobs) = mpsc::sync_channel::<Job>(WAITING);
    std::thread::Builder::new().name("requests".into()).spawn(move || listen(&send))?;

    let context = load(&options.model)?;
    let mut decoder = Decoder::new(context, options.decode)?;
    // The first decoding allocates and is slow; nobody waits for this one.
    decoder.decode(&vec![0.0; SAMPLE_RATE as usize], &Leaning::default(), &AbortFlag::default())?;
    Answer::Ready.write(out)?;

    for job in jobs {
        let (id, leaning, samples, abort) = match job {
            Job::Learn(phrases) => {
                decoder.learn(phrases);
                continue;
            }
            Job::Recognise { id, leaning, samples, abort } => (id, leaning, samples, abort),
        };
        let result = decoder.decode(&samples, &leaning, &abort);
        let answer = match result {
            _ if abort.is_set() => Answer::Aborted { id },
            Ok(words) => Answer::Recognised { id, text: words.text, confidence: words.confidence },
            Err(error) => Answer::Failed { id, why: error.to_string() },
        };
        answer.write(out)?;
    }
    Ok(())
}

/// whisper.cpp with the model in a file.
fn load(path: &Path) -> Result<WhisperContext, WorkerError> {
    let mut parameters = WhisperContextParameters::default();
    parameters.use_gpu(false);
    let length = std::fs::metadata(path)?.len();
    let context = if weights::bfloat_is_quick() && (1..=LARGEST_TURNED).contains(&length) {
        let mut model = std::fs::read(path)?;
        weights::to_bfloat(&mut model);
        WhisperContext::new_from_buffer_with_params(&model, parameters)?
    } else {
        WhisperContext::new_with_params(path.to_str().ok_or(WorkerError::Path)?, parameters)?
    };
    if length < least_length(&context) {
        return Err(WorkerError::Incomplete);
    }
    Ok(context)
}

/// How many bytes the file of a model has at least: its largest matrix alone, at two bits a number.
///
/// whisper.cpp refuses a file that lacks some of its weights, but takes one that has none for an empty model.
fn least_length(context: &WhisperContext) -> u64 {
    let size = |number: std::ffi::c_int| u64::try_from(number).unwrap_or_default();
    size(context.n_vocab()) * size(context.model_n_text_state()) / 4
}

/// Reads requests. When the daemon has gone, nothing that is under way matters any more.
fn listen(jobs: &mpsc::SyncSender<Job>) {
    let mut input = io::stdin().lock();
    let mut current: Option<(u32, AbortFlag)> = None;
    loop {
        match Request::read(&mut input) {
            Ok(Some(Request::Learn(phrases))) => {
                if jobs.send(Job::Learn(phrases)).is_err() {
                    return;
                }
            }
            Ok(Some(Request::Recognise { id, leaning, samples })) => {
                let abort = AbortFlag::default();
                current = Some((id, abort.clone()));
                if jobs.send(Job::Recognise { id, leaning, samples, abort }).is_err() {
                    return;
                }
            }
            Ok(Some(Request::Abort { id })) => {
                if let Some((_, abort)) = current.as_ref().filter(|(current, _)| *current == id) {
                    abort.set();
                }
            }
            // SAFETY: it ends the process and touches nothing. An orderly exit would take the ground
            // from under whisper.cpp, which may be at work on other threads.
            Ok(None) | Err(_) => unsafe { libc::_exit(0) },
        }
    }
}

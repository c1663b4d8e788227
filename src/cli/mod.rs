//! The command line: one file per subcommand.
//!
//! Names are a contract, scripts depend on them. A command exits with 0 on success, 1 on failure
//! and 2 on wrong usage, and prints trouble as one line and a remedy on standard error.

mod breakers;
mod config;
mod devices;
mod doctor;
mod forget;
mod hear;
mod history;
mod interpret;
mod kept;
mod listen;
mod log;
mod models;
mod once;
mod report;
mod run;
mod say;
mod simulate;
mod status;
mod transcribe;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::World;
use crate::memory;
use crate::speech::worker::{self, WorkerOptions};
use report::Outcome;

/// Talk to your terminal. Without a command: `run`.
#[derive(Debug, Parser)]
#[command(name = "voice-terminal", version, about, propagate_version = true, max_term_width = 100)]
struct Arguments {
    /// Configuration profile: development, staging or production
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// Set a configuration key for this run
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Print data as JSON, one value a line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Listen and take typed lines, in the foreground; lines piped in are typed turns
    Run,
    /// Listen without a console; steered by the other commands
    Daemon,
    /// Take recordings (wav, flac) through the whole pipeline, as if spoken
    Hear {
        /// Recordings
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Turn recordings (wav, flac) into text, one line a file
    Transcribe {
        /// Hear commands in them, as the conversation does
        #[arg(long)]
        commands: bool,
        /// Recordings
        #[arg(required_unless_present = "kept")]
        files: Vec<PathBuf>,
        /// What was said when it could not be recognised, and was kept (store.sound)
        #[arg(long, conflicts_with = "files")]
        kept: bool,
    },
    /// Tell what words mean and whether they may be done; nothing is executed
    Interpret {
        /// Take the words as a recogniser writes what was said
        #[arg(long)]
        spoken: bool,
        /// How sure the recogniser is of them, from 0 to 1
        #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = interpret::share)]
        confidence: f32,
        /// Take them as heard by another recogniser than the first
        #[arg(long)]
        degraded: bool,
        /// The words
        #[arg(required = true, trailing_var_arg = true)]
        text: Vec<String>,
    },
    /// Do what words mean, as one typed turn
    Do {
        /// Answer a question with yes
        #[arg(long)]
        yes: bool,
        /// Take the words as a recogniser writes what was said
        #[arg(long)]
        spoken: bool,
        /// The words
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// What was said, and what came of it
    History {
        /// Only what matches these words
        #[arg(long, value_name = "WORDS")]
        search: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
        /// Forget them for good: this turn, those that --search and --before mean, or all
        #[arg(long, value_name = "ID", num_args = 0..=1)]
        forget: Option<Vec<String>>,
        /// Only what was said before this date, or is older than this: 2026-01-31, 30days
        #[arg(long, value_name = "WHEN", requires = "forget")]
        before: Option<String>,
        /// Forget without asking
        #[arg(long, requires = "forget")]
        yes: bool,
    },
    /// What works on this machine, what doesn't, and the remedy
    Doctor,
    /// List microphones and loudspeakers, and which ones are used
    Devices,
    /// How a running voice-terminal stands: mode, tiers in use, breakers, queues
    Status,
    /// Tell a running voice-terminal to listen or not: for desktop shortcuts
    Listen {
        /// What to do
        #[arg(value_enum, default_value = "status")]
        change: listen::Change,
    },
    /// List the breakers of a running voice-terminal, or change one by hand
    Breakers {
        #[command(subcommand)]
        action: Option<breakers::Action>,
    },
    /// Text to speech: to the loudspeaker, or into a wav file
    Say {
        /// What to say; `-` says the lines of standard input
        #[arg(required = true)]
        text: Vec<String>,
        /// Write it here instead
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Play an outage to breakers: what they serve, waste, detect and recover from
    Simulate {
        /// A scenario by name, or a file; without one, those that come with the program are listed
        scenario: Option<String>,
        /// What chance begins with
        #[arg(long)]
        seed: Option<u64>,
        /// Draw it into this file
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// List, fetch or verify models
    Models {
        #[command(subcommand)]
        action: Option<models::Action>,
    },
    /// Part of the program: a process of its own for what can crash
    #[command(hide = true)]
    Worker {
        #[command(subcommand)]
        kind: Worker,
    },
    /// Show or check the configuration
    Config {
        #[command(subcommand)]
        action: Option<config::Action>,
    },
}

#[derive(Debug, Subcommand)]
enum Worker {
    /// The recogniser
    Stt(WorkerOptions),
}

/// Parses the arguments, runs the command, gives the exit code.
pub fn main() -> ExitCode {
    memory::share_arenas();
    let arguments = Arguments::parse();
    // A worker needs neither configuration nor runtime.
    if let Some(Command::Worker { kind: Worker::Stt(options) }) = arguments.command {
        return worker::run(options);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return report::Problem::from(error).report(),
    };
    let code = runtime.block_on(dispatch(arguments)).unwrap_or_else(|problem| problem.report());
    // Work on blocking threads that doesn't obey is left behind.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    code
}

async fn dispatch(arguments: Arguments) -> Outcome {
    let Arguments { profile, settings, json, command } = arguments;
    let world = World::from_environment(profile, settings)?;
    log::begin(&world.paths.log());
    match command {
        None | Some(Command::Run) => run::run(&world).await,
        Some(Command::Daemon) => run::daemon(&world, json).await,
        Some(Command::Hear { files }) => hear::run(&world, &files, json).await,
        Some(Command::Transcribe { kept: true, .. }) => kept::run(&world, json).await,
        Some(Command::Transcribe { commands, files, .. }) => {
            transcribe::run(&world, &files, commands, json).await
        }
        Some(Command::Interpret { spoken, confidence, degraded, text }) => {
            let heard = interpret::Heard { spoken, confidence, degraded };
            interpret::run(&world, &text.join(" "), &heard, json)
        }
        Some(Command::Do { yes, spoken, text }) => once::run(&world, text.join(" "), yes, spoken, json).await,
        Some(Command::History { search, forget: Some(id), before, yes, .. }) => {
            let selection = forget::selection(id.first().map(String::as_str), search, before.as_deref())?;
            forget::run(&world, selection, yes, json).await
        }
        Some(Command::History { search, limit, .. }) => {
            history::run(&world, search.as_deref(), limit, json).await
        }
        Some(Command::Doctor) => doctor::run(&world, json).await,
        Some(Command::Devices) => devices::run(&world, json).await,
        // Served before there is a world.
        Some(Command::Worker { .. }) => Ok(ExitCode::SUCCESS),
        Some(Command::Status) => status::run(&world, json).await,
        Some(Command::Listen { change }) => listen::run(&world, change, json).await,
        Some(Command::Breakers { action }) => breakers::run(&world, action, json).await,
        Some(Command::Say { text, out }) => say::run(&world, &text.join(" "), out.as_ref(), json).await,
        Some(Command::Simulate { scenario, seed, svg }) => {
            simulate::run(scenario.as_deref(), seed, svg.as_ref(), json)
        }
        Some(Command::Models { action }) => models::run(&world, action, json).await,
        Some(Command::Config { action }) => config::run(&world, action, json),
    }
}

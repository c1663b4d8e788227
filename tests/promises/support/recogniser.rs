//! The recogniser as the program has it: whisper.cpp in a process of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use voice_terminal::breaker::{Breaker, Settings};
use voice_terminal::cloud::Gate;
use voice_terminal::config::{Cloud, Stt};
use voice_terminal::domain::Progress;
use voice_terminal::speech::{Clouds, Parts, Recognisers};

use super::models;

/// A recogniser, and what can be seen of it.
pub struct Running {
    /// The recogniser.
    pub recognisers: Recognisers,
    /// The breaker of its only tier.
    pub breaker: Arc<Breaker>,
    /// What it told of its progress.
    pub progress: Arc<Mutex<Vec<Progress>>>,
    _stop: DropGuard,
}

/// Generous, since tests share the machine; a test about time sets its own.
pub fn patient() -> Settings {
    Settings { timeout: Duration::from_secs(60), ..Settings::default() }
}

/// Starts a recogniser with the default model.
pub async fn start() -> Running {
    models::model("tiny.en").await;
    start_with(Stt::default(), patient())
}

/// Starts a recogniser with any ggml file.
pub fn start_on(model: &Path, settings: Settings) -> Running {
    start_with(Stt { model: model.to_str().unwrap().into(), ..Stt::default() }, settings)
}

/// Starts a recogniser with these settings. Nothing is fetched.
pub fn start_with(config: Stt, settings: Settings) -> Running {
    start_program(config, settings, env!("CARGO_BIN_EXE_voice-terminal").into())
}

/// As [`start_with`], with another program for its process.
pub fn start_program(config: Stt, settings: Settings, executable: PathBuf) -> Running {
    start_beside(Cloud::default(), config, settings, executable)
}

/// As [`start_program`], with services elsewhere.
pub fn start_beside(cloud: Cloud, config: Stt, settings: Settings, executable: PathBuf) -> Running {
    let breaker = Arc::new(Breaker::new("local-whisper", settings));
    let progress = Arc::new(Mutex::new(Vec::new()));
    let cancel = CancellationToken::new();
    let told = Arc::clone(&progress);
    let recognisers = Recognisers::start(
        Parts {
            config,
            models: models::models_in(models::directory()),
            breaker: Arc::clone(&breaker),
            fallbacks: tokio::sync::broadcast::Sender::new(16),
            clouds: clouds(cloud),
            executable,
            progress: Box::new(move |progress| told.lock().unwrap().push(progress)),
        },
        cancel.clone(),
    );
    Running { recognisers, breaker, progress, _stop: cancel.drop_guard() }
}

/// Services elsewhere, for which there are no keys.
fn clouds(config: Cloud) -> Clouds {
    Clouds {
        gate: Arc::new(Gate::new(&config, "/nonexistent/cloud.json".into())),
        config,
        keys: "/nonexistent".into(),
        breaker: Arc::new(|tier| Arc::new(Breaker::new(tier, Settings::default()))),
    }
}

/// Whether a process runs. One that has ended and not been reaped doesn't; one whose first thread has
/// ended and whose others are still ending does.
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    !stat.is_empty() && (threads > 1 || !stat.contains(") Z "))
}

/// Waits until it is so, for a while that is long enough for a busy machine.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to this: {what}");
}

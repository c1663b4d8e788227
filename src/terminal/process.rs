//! One `tmux` process per command: slower, but it needs nothing that could have died before.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tmux_interface::{Tmux, TmuxCommand};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::breaker::{Breaker, Tier, Unready};
use crate::domain::BoxFuture;

use super::error::{Refusal, TmuxError};
use super::request::Request;

/// Why the tier may not be tried when there is no tmux.
pub(super) const NOT_INSTALLED: &str = "tmux is not installed";

/// Our variables begin with this. Shells in tmux inherit the server's environment, and must not see
/// what was configured for us, keys least of all.
const OUR_VARIABLES: &str = "VOICE_TERMINAL_";

/// A tmux server, by the name of its socket or the path of it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    program: PathBuf,
    socket: String,
}

impl Server {
    pub(super) fn new(program: impl Into<PathBuf>, socket: &str) -> Self {
        Self { program: program.into(), socket: socket.to_owned() }
    }

    /// A `tmux` that speaks to this server, killed when dropped. In its own process group, so that
    /// control c in our terminal is not meant for it.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.base().build().to_vec().iter().skip(1).map(AsRef::as_ref));
        command.process_group(0).kill_on_drop(true);
        // A tmux that we were started in is not the one that is meant.
        command.env_remove("TMUX").env_remove("TMUX_PANE");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(OUR_VARIABLES) {
                command.env_remove(name);
            }
        }
        command
    }

    /// `-u`: names are UTF-8, whatever the locale.
    fn base(&self) -> Tmux<'_> {
        let tmux = Tmux::new().force_utf8();
        if self.socket.contains('/') {
            tmux.socket_path(&self.socket)
        } else {
            tmux.socket_name(&self.socket)
        }
    }

    fn is_installed(&self) -> bool {
        if self.program.components().count() > 1 {
            return self.program.exists();
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| Path::new(&directory).join(&self.program).is_file())
    }
}

impl TmuxError {
    /// What it means that a `tmux` could not be started.
    pub(super) fn from_spawning(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::NotFound { Self::NotInstalled } else { Self::Io(error) }
    }
}

/// The tier.
#[derive(Debug)]
pub(super) struct ProcessTier {
    breaker: Arc<Breaker>,
    server: Server,
    /// Seen to be installed; looked for again after it wasn't found.
    installed: AtomicBool,
}

impl ProcessTier {
    pub(super) fn new(breaker: Arc<Breaker>, server: Server) -> Self {
        Self { breaker, server, installed: AtomicBool::new(false) }
    }

    async fn run(&self, request: &Request) -> Result<String, TmuxError> {
        let (words, input) = request.arguments();
        self.spawn(&words, input).await
    }

    /// What it calls itself; asks no server.
    pub(super) async fn version(&self) -> Result<String, TmuxError> {
        self.spawn(&["-V".to_owned()], None).await
    }

    async fn spawn(&self, words: &[String], input: Option<&str>) -> Result<String, TmuxError> {
        let mut tmux_command = TmuxCommand::new();
        for (index, word) in words.iter().enumerate() {
            if index == 0 {
                tmux_command.name(word.as_str());
            } else {
                tmux_command.push_param(word.as_str());
            }
        }
        let mut command = self.server.command();
        command.args(tmux_command.to_vec().iter().map(AsRef::as_ref));
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(TmuxError::from_spawning).inspect_err(|error| {
            if matches!(error, TmuxError::NotInstalled) {
                self.installed.store(false, Ordering::Relaxed);
            }
        })?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(input.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        match output.status.code() {
            Some(0) => {
                let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
                // Control mode gives replies without their last newline.
                if text.ends_with('\n') {
                    text.pop();
                }
                Ok(text)
            }
            Some(_) => {
                let message = String::from_utf8_lossy(&output.stderr);
                Err(TmuxError::Refused(Refusal::from_message(&message)))
            }
            None => Err(TmuxError::Lost { sent: true }),
        }
    }
}

impl Tier<Request, String, TmuxError> for Arc<ProcessTier> {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<String, TmuxError>> {
        Box::pin(self.run(request))
    }

    fn ready(&self) -> Result<(), Unready> {
        if self.installed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let installed = self.server.is_installed();
        self.installed.store(installed, Ordering::Relaxed);
        if installed { Ok(()) } else { Err(Unready(NOT_INSTALLED.to_owned())) }
    }
}

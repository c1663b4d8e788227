//! A tmux server of a test's own, on a private socket, gone with the test.

use std::path::PathBuf;
use std::process::{Command as Process, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use voice_terminal::breaker::{Breaker, Settings};
use voice_terminal::config;
use voice_terminal::domain::{Action, Command, Failure, Outcome, Ran, Target, Terminal};
use voice_terminal::terminal::{Tmux, TmuxBreakers};

/// A server that no other test knows, and our way to it.
pub struct Server {
    pub tmux: Tmux,
    pub breakers: TmuxBreakers,
    pub config: config::Terminal,
    pub state: tempfile::TempDir,
}

impl Server {
    /// Nothing is started yet.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// As [`Server::new`], configured differently.
    pub fn with(configure: impl FnOnce(&mut config::Terminal)) -> Self {
        let mut config = config::Terminal {
            socket: format!("vt-test-{}", Uuid::now_v7().simple()),
            shell: "bash".into(),
            ..config::Terminal::default()
        };
        configure(&mut config);
        let state = tempfile::tempdir().unwrap();
        let breakers = breakers();
        let tmux = Tmux::new(&config, breakers.clone(), state.path(), CancellationToken::new());
        Self { tmux, breakers, config, state }
    }

    /// Configures it differently from now on, before anything is started.
    pub fn reconfigure(&mut self, configure: impl FnOnce(&mut config::Terminal)) {
        configure(&mut self.config);
        let (breakers, cancel) = (self.breakers.clone(), CancellationToken::new());
        self.tmux = Tmux::new(&self.config, breakers, self.state.path(), cancel);
    }

    /// Another way to the same server, as a second start of the program would have it.
    pub fn again(&self) -> Tmux {
        Tmux::new(&self.config, breakers(), self.state.path(), CancellationToken::new())
    }

    /// What anybody else at this machine could ask of the server.
    pub fn outside(&self, words: &[&str]) -> String {
        let Output { stdout, .. } = Process::new("tmux")
            .args(["-u", "-L", &self.config.socket])
            .args(words)
            .env_remove("TMUX")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(stdout).unwrap().trim_end().to_owned()
    }

    /// The server's process.
    pub fn pid(&self) -> i32 {
        self.outside(&["display-message", "-p", "#{pid}"]).parse().unwrap()
    }

    /// The processes of our control-mode clients.
    pub fn control_clients(&self) -> Vec<i32> {
        let clients = self.outside(&["list-clients", "-F", "#{client_control_mode} #{client_pid}"]);
        clients.lines().filter_map(|line| line.strip_prefix("1 ")).map(|pid| pid.parse().unwrap()).collect()
    }

    pub async fn act(&self, target: &Target, action: Action) -> Result<Outcome, Failure> {
        self.tmux.perform(&Command { target: Some(target.clone()), action }).await
    }

    /// Inserts a line and enters it, as a turn does.
    pub async fn submit(&self, target: &Target, line: &str) -> Result<Outcome, Failure> {
        self.act(target, Action::Insert { text: line.into() }).await?;
        self.act(target, Action::Submit { text: line.into() }).await
    }

    /// As [`Server::submit`], for a line whose end is seen or waited for.
    pub async fn run(&self, target: &Target, line: &str) -> Ran {
        match self.submit(target, line).await {
            Ok(Outcome::Ran(ran)) => ran,
            other => panic!("{line:.200}: {other:?} ({})\n{}", self.config.shell, self.screen(target)),
        }
    }

    /// What a pane shows.
    pub fn screen(&self, target: &Target) -> String {
        self.outside(&["capture-pane", "-p", "-J", "-t", &target.pane.0])
    }

    /// A path in the test's own directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.outside(&["kill-server"]);
        // A server that was killed leaves its socket behind.
        let directory = std::env::var_os("TMUX_TMPDIR").map_or_else(|| "/tmp".into(), PathBuf::from);
        let uid = rustix::process::getuid().as_raw();
        let _ = std::fs::remove_file(directory.join(format!("tmux-{uid}")).join(&self.config.socket));
    }
}

fn breakers() -> TmuxBreakers {
    TmuxBreakers {
        control: Arc::new(Breaker::new("tmux-control", Settings::default())),
        process: Arc::new(Breaker::new("tmux-process", Settings::default())),
    }
}

/// Waits until something holds, for as long as a loaded machine may need.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let ends = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < ends, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

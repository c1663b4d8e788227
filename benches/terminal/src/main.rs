//! Measures the terminal and prints markdown; see `scripts/bench terminal`.

#[path = "../../../src/breaker/mod.rs"]
#[allow(dead_code, unused_imports)]
pub mod breaker;

#[allow(dead_code)]
pub mod config;

#[path = "../../../src/domain/mod.rs"]
#[allow(dead_code)]
pub mod domain;

#[path = "../../../src/process.rs"]
#[allow(dead_code)]
pub mod process;

#[path = "../../../src/terminal/mod.rs"]
#[allow(dead_code)]
pub mod terminal;

use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use breaker::{Breaker, Settings};
use domain::{Action, Command, Outcome, Ran, Target, Terminal};
use terminal::{Tmux, TmuxBreakers};
use tokio_util::sync::CancellationToken;

/// A tmux server of our own, gone at the end.
struct Server {
    tmux: Tmux,
    breakers: TmuxBreakers,
    socket: String,
}

impl Server {
    fn new(shell: &str, state: &Path) -> Self {
        let socket = format!("vt-bench-{}-{shell}", std::process::id());
        let config = config::Terminal {
            socket: socket.clone(),
            servers: Vec::new(),
            shell: shell.into(),
            session: "main".into(),
            run_wait: Duration::from_secs(100),
            output_limit: 64 << 10,
        };
        let breaker = |name: &str| Arc::new(Breaker::new(name, Settings::default()));
        let breakers = TmuxBreakers { control: breaker("tmux-control"), process: breaker("tmux-process") };
        let tmux = Tmux::new(&config, breakers.clone(), state, CancellationToken::new());
        Self { tmux, breakers, socket }
    }

    fn outside(&self, words: &[&str]) {
        let mut tmux = Process::new("tmux");
        tmux.args(["-L", &self.socket]).args(words).env_remove("TMUX");
        let _ = tmux.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    async fn act(&self, target: &Target, action: Action) -> Outcome {
        let command = Command { target: Some(target.clone()), action };
        self.tmux.perform(&command).await.expect("it works")
    }

    async fn run(&self, target: &Target, line: &str) -> Ran {
        self.act(target, Action::Prepare { text: line.into() }).await;
        match self.act(target, Action::Submit { text: line.into() }).await {
            Outcome::Ran(ran) => ran,
            other => panic!("{line}: {other:?}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.outside(&["kill-server"]);
    }
}

/// How long each of so many took, sorted.
async fn times(rounds: usize, mut work: impl AsyncFnMut()) -> Vec<Duration> {
    let mut times = Vec::with_capacity(rounds);
    // The first few warm up.
    for round in 0..rounds + 5 {
        let began = Instant::now();
        work().await;
        if round >= 5 {
            times.push(began.elapsed());
        }
    }
    times.sort_unstable();
    times
}

fn row(what: &str, times: &[Duration]) {
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("| {what} | {} | {:.3} ms | {:.3} ms |", times.len(), at(0.5), at(0.95));
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}

/// One tmux command, each way in turn.
async fn commands(state: &Path) {
    let server = Server::new("bash", state);
    server.tmux.current().await.expect("a session");
    let list = async || drop(server.tmux.sessions().await.expect("sessions"));
    println!("| `list-sessions`, by | times | median | p95 |\n|---|---|---|---|");
    row("our control-mode client, behind its breaker", &times(2000, list).await);
    server.breakers.control.isolate();
    row("our second tier, one process a command", &times(300, list).await);
    server.breakers.control.reset();
    let spawned = async || {
        let tmux = tmux_interface::Tmux::new().socket_name(&server.socket);
        let list = tmux_interface::ListSessions::new();
        let output = tmux.add_command(list).output().expect("it starts");
        assert!(output.status().success());
    };
    row("tmux_interface", &times(300, spawned).await);
    let bare = async || {
        let mut tmux = Process::new("tmux");
        tmux.args(["-L", &server.socket, "list-sessions"]).env_remove("TMUX").stdin(Stdio::null());
        assert!(tmux.output().expect("it starts").status.success());
    };
    row("`tmux`, spawned", &times(300, bare).await);
}

/// A whole command line: put in, checked, entered, its end told.
async fn lines(state: &Path) {
    println!("\n| `run true`, from the words to its exit status, in | times | median | p95 |\n|---|---|---|---|");
    for shell in ["bash", "zsh", "fish"] {
        let server = Server::new(shell, state);
        let target = server.tmux.current().await.expect("a session");
        let run = async || assert_eq!(server.run(&target, "true").await.status, Some(0));
        row(shell, &times(200, run).await);
    }
}

/// Output as fast as it comes.
async fn flood(state: &Path) {
    const NUMBERS: usize = 2_000_000;
    let server = Server::new("bash", state);
    let target = server.tmux.current().await.expect("a session");
    let bytes: usize = (1..=NUMBERS).map(|number| number.to_string().len() + 1).sum();
    let ran = server.run(&target, &format!("seq {NUMBERS}")).await;
    assert!(ran.output.ends_with(&format!("{NUMBERS}\n")));
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    println!("\n`seq {NUMBERS}` ({mebibytes:.1} MiB) is told whole in {:.2} s: {:.1} MiB/s of `%output`.\n",
        ran.took.as_secs_f64(),
        mebibytes / ran.took.as_secs_f64()
    );
    server.act(&target, Action::NewWindow { name: None }).await;
    let flooding = server.tmux.current().await.expect("a window");
    let before = resident();
    server.act(&flooding, Action::Prepare { text: "yes".into() }).await;
    server.outside(&["send-keys", "-t", &flooding.pane.0, "Enter"]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("| while another pane runs `yes` | times | median | p95 |\n|---|---|---|---|");
    row("`list-sessions`", &times(500, async || drop(server.tmux.sessions().await.expect("sessions"))).await);
    let run = async || assert_eq!(server.run(&target, "true").await.status, Some(0));
    row("`run true` in bash", &times(100, run).await);
    println!("\nMemory of this program: {before:.1} MiB before the flood, {:.1} MiB in it.", resident());
}

#[tokio::main]
async fn main() {
    let state = std::env::temp_dir().join(format!("vt-bench-{}", std::process::id()));
    commands(&state).await;
    lines(&state).await;
    flood(&state).await;
    // A few scripts for shells; what can't be removed is in the way of nobody.
    let _ = std::fs::remove_dir_all(&state);
}

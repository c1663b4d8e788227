//! A pane that prints without end costs neither memory nor the others' time.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use voice_terminal::domain::{Action, Outcome, Terminal};

use crate::support::tmux::Server;
use crate::support::user::{User, until};

/// What a process holds in memory, in bytes.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_go_on_beside_it_and_what_is_kept_is_the_newest() {
    let server = Server::new();
    let calm = server.tmux.current().await.unwrap();
    server.act(&calm, Action::NewWindow { name: None }).await.unwrap();
    let flooding = server.tmux.current().await.unwrap();
    server.act(&flooding, Action::Prepare { text: "yes $(seq 100 | tr -d '\\n')".into() }).await.unwrap();
    server.outside(&["send-keys", "-t", &flooding.pane.0, "Enter"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut times = Vec::new();
    for round in 0..20 {
        let began = Instant::now();
        server.tmux.sessions().await.unwrap();
        times.push(began.elapsed());
        let ran = server.run(&calm, &format!("echo {round}")).await;
        assert_eq!((ran.status, ran.output), (Some(0), format!("{round}\n")));
    }
    times.sort_unstable();
    // A few milliseconds on a quiet machine; see docs/terminal.md.
    assert!(times[times.len() / 2] < Duration::from_millis(500), "{times:?}");
    let Outcome::Text { text } = server.act(&flooding, Action::ReadOutput).await.unwrap() else { panic!() };
    assert!(text.len() <= server.config.output_limit && text.contains("9899100\n1234"), "{text:.300}");
}

/// A person who looks on, so that nobody's reading holds a pane back.
fn onlooker(user: &User) -> Child {
    Command::new("script")
        .args(["-qfc", "tmux -L vt attach -t main", "/dev/null"])
        .env("TERM", "xterm")
        .env("TMUX_TMPDIR", user.path("tmux"))
        .env_remove("TMUX")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn memory_is_bounded_and_what_was_missed_is_skipped() {
    let user = User::without_models();
    let mut daemon = user.daemon();
    let run = |line: &str| user.run(&["do", line]);
    assert!(run("run echo hello").out.contains("hello"));
    let mut person = onlooker(&user);
    until("somebody looks on", || !user.tmux(&["list-clients", "-F", "#{client_tty}"]).trim().is_empty());
    let server: u32 = user.tmux(&["display-message", "-p", "#{pid}"]).parse().unwrap();
    let before = resident(daemon.pid());
    user.tmux(&["send-keys", "-t", "=main:", "yes", "Enter"]);
    std::thread::sleep(Duration::from_secs(2));
    // For so long nobody reads what the pane prints.
    daemon.signal("STOP");
    std::thread::sleep(Duration::from_secs(5));
    let held = resident(server);
    daemon.signal("CONT");
    assert!(user.run(&["do", "list sessions"]).out.contains("main"));
    let after = resident(daemon.pid());
    assert!(after < before + (48 << 20), "{before} → {after}");
    assert!(held < 600 << 20, "{held}");
    let stopped = run("press control c");
    assert!(stopped.out.contains("Pressed control c"), "{stopped:?}");
    until("the shell is back", || {
        user.tmux(&["display", "-p", "-t", "=main:", "#{pane_current_command}"]) == "bash"
    });
    let ran = run("run echo afterwards");
    assert!(ran.out.lines().any(|line| line.trim() == "afterwards"), "{ran:?}");
    person.kill().unwrap();
    person.wait().unwrap();
    daemon.signal("TERM");
    daemon.ended();
}

//! Whatever of tmux dies: it is noticed, told in one line, and nothing happens twice.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use voice_terminal::breaker::State;
use voice_terminal::domain::{Action, Command, FailureKind, Outcome, Terminal};
use voice_terminal::terminal::Notice;

use crate::support::tmux::{Server, eventually};

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn served(server: &Server, tier: &str) -> u64 {
    server.tmux.report().tiers.iter().find(|(name, ..)| name == tier).unwrap().2
}

#[tokio::test]
async fn without_a_server_there_are_no_sessions_and_none_is_started_for_asking() {
    let server = Server::new();
    assert_eq!(server.tmux.sessions().await.unwrap(), []);
    assert_eq!(server.tmux.find("main").await.unwrap_err().kind, FailureKind::Request);
    assert!(server.tmux.version().await.unwrap().starts_with("tmux "));
    assert_eq!(server.outside(&["display-message", "-p", "#{pid}"]), "");
}

#[tokio::test]
async fn a_dead_server_is_noticed_and_a_new_one_started() {
    let server = Server::new();
    let mut notices = server.tmux.notices();
    let target = server.tmux.current().await.unwrap();
    server.run(&target, "echo one").await;
    signal(server.pid(), Signal::KILL);
    let failure = server.act(&target, Action::Insert { text: "echo lost".into() }).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Request);
    assert!(failure.what.contains("the tmux server is gone"), "{failure:?}");
    let target = server.tmux.current().await.unwrap();
    assert_eq!(target.session_name, "main");
    let told = notices.try_recv().unwrap();
    assert!(matches!(&told, Notice::Restarted(text) if text.contains("main")), "{told:?}");
    assert_eq!(server.run(&target, "echo two").await.output, "two\n");
    assert_eq!(server.breakers.process.state(), State::Closed);

    signal(server.pid(), Signal::KILL);
    let action = Action::NewSession { name: Some("build".into()) };
    let Outcome::Session { created, remark, .. } =
        server.tmux.perform(&Command { target: None, action }).await.unwrap()
    else {
        panic!()
    };
    assert!(created && remark.unwrap().contains("server was gone"));
}

#[tokio::test]
async fn a_server_killed_in_mid_run_is_told_at_once() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let pid = server.pid();
    let marker = server.path("marker");
    let line = format!("touch {}; sleep 100", marker.display());
    let began = Instant::now();
    let (failure, ()) = tokio::join!(server.submit(&target, &line), async {
        eventually("the command has begun", || marker.exists()).await;
        signal(pid, Signal::KILL);
    });
    let failure = failure.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Uncertain);
    assert!(failure.what.contains("went away while"), "{failure:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_killed_control_client_is_replaced_and_the_end_is_still_told() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let fifo = server.path("fifo");
    let line = format!("mkfifo {0}; read x <{0}; echo $x; (exit 9)", fifo.display());
    let (ran, ()) = tokio::join!(server.run(&target, &line), async {
        eventually("the command has begun", || fifo.exists()).await;
        let before = server.control_clients();
        for &pid in &before {
            signal(pid, Signal::KILL);
        }
        eventually("another client", || {
            let now = server.control_clients();
            !now.is_empty() && now != before
        })
        .await;
        tokio::fs::write(&fifo, "told\n").await.unwrap();
    });
    assert_eq!((ran.finished, ran.status, ran.output.as_str()), (true, Some(9), "told\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_clients_killed_all_the_time_make_nothing_happen_twice() {
    let server = Server::with(|config| config.run_wait = Duration::from_secs(1));
    let target = server.tmux.current().await.unwrap();
    let effects = server.path("effects");
    let stop = tokio_util::sync::CancellationToken::new();
    let (socket, stopped) = (server.config.socket.clone(), stop.clone());
    let killer = tokio::task::spawn_blocking(move || {
        let mut kills = 0;
        while !stopped.is_cancelled() {
            let list = ["-L", &socket, "list-clients", "-F", "#{client_pid}"];
            let output = std::process::Command::new("tmux").args(list).output().unwrap();
            for pid in String::from_utf8(output.stdout).unwrap().lines() {
                signal_if_there(pid.parse().unwrap());
                kills += 1;
            }
            // The pace of the trouble, not a wait for anything.
            std::thread::sleep(Duration::from_millis(20));
        }
        kills
    });
    let mut sure = Vec::new();
    let mut unsure = Vec::new();
    for number in 0..40 {
        let line = format!("echo {number} >> {}", effects.display());
        // Whatever an earlier round left on the line is cleared, as a person would.
        server.outside(&["send-keys", "-t", &target.pane.0, "C-u"]);
        match server.submit(&target, &line).await {
            Ok(_) => sure.push(number.to_string()),
            Err(failure) if failure.kind == FailureKind::Uncertain => unsure.push(number.to_string()),
            Err(_) => {}
        }
    }
    stop.cancel();
    let kills: u32 = killer.await.unwrap();
    assert!(kills > 10, "{kills}");
    assert!(!sure.is_empty());
    let done = || {
        let text = std::fs::read_to_string(&effects).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    eventually("what was said to be done is done", || sure.iter().all(|it| done().contains(it))).await;
    let done = done();
    for number in 0..40 {
        let number = number.to_string();
        let times = done.iter().filter(|it| **it == number).count();
        let most = usize::from(sure.contains(&number) || unsure.contains(&number));
        assert!(times <= most, "{number} happened {times} times; sure {sure:?}, unsure {unsure:?}");
    }
}

fn signal_if_there(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

#[tokio::test]
async fn without_control_mode_one_process_per_command_serves() {
    let server = Server::new();
    let mut notices = server.tmux.notices();
    let target = server.tmux.current().await.unwrap();
    let (control, process) = (served(&server, "tmux-control"), served(&server, "tmux-process"));
    assert!(control > 0);
    server.breakers.control.isolate();
    let outcome = server.submit(&target, "echo by process; sleep 2").await.unwrap();
    let Outcome::Ran(ran) = outcome else { panic!("{outcome:?}") };
    assert_eq!((ran.finished, ran.status), (true, None));
    assert!(served(&server, "tmux-process") > process);
    assert_eq!(served(&server, "tmux-control"), control);
    assert!(matches!(notices.try_recv(), Ok(Notice::Degraded(_))));
    let text = server.act(&target, Action::ReadOutput).await.unwrap();
    assert!(matches!(&text, Outcome::Text { text, .. } if text.contains("by process")), "{text:?}");
    let words: Vec<String> = (0..10_000).map(|number| format!("word{number}")).collect();
    let line = words.join(" ");
    server.act(&target, Action::Insert { text: line.clone() }).await.unwrap();
    eventually("the long text", || server.screen(&target).contains("word9999")).await;
    server.breakers.control.reset();
    server.tmux.current().await.unwrap();
    assert!(matches!(notices.try_recv(), Ok(Notice::Serving { .. })));
}

#[tokio::test]
async fn held_back_by_both_breakers_it_says_that_nothing_was_sent() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    server.breakers.control.isolate();
    server.breakers.process.isolate();
    let failure = server.act(&target, Action::Insert { text: "echo x".into() }).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.what.contains("nothing was sent"), "{failure:?}");
    server.breakers.control.reset();
    assert_eq!(server.run(&target, "echo y").await.output, "y\n");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_in_time_and_enter_is_not_sent_again() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    for breaker in [&server.breakers.control, &server.breakers.process] {
        let timeout = Duration::from_millis(300);
        breaker.configure(voice_terminal::breaker::Settings { timeout, ..breaker.settings() }).unwrap();
    }
    let pid = server.pid();
    signal(pid, Signal::STOP);
    let began = Instant::now();
    let failure = server.tmux.current().await.unwrap_err();
    let took = began.elapsed();
    signal(pid, Signal::CONT);
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(server.run(&target, "echo back").await.output, "back\n");
}

#[tokio::test]
async fn a_state_directory_that_can_not_be_written_costs_the_exit_status_only() {
    let server = Server::new();
    // A file where the directory should be.
    std::fs::write(server.path("shell"), "").unwrap();
    let action = Action::NewSession { name: None };
    let Outcome::Session { target, remark, .. } =
        server.tmux.perform(&Command { target: None, action }).await.unwrap()
    else {
        panic!()
    };
    assert!(remark.unwrap().contains("exit statuses"));
    server.submit(&target, "echo works").await.unwrap();
    eventually("the output", || server.screen(&target).contains("\nworks")).await;
}

#[tokio::test]
async fn dropping_it_leaves_no_client_and_keeps_the_sessions() {
    let mut server = Server::new();
    server.tmux.current().await.unwrap();
    assert_eq!(server.control_clients().len(), 1);
    server.tmux = server.again();
    eventually("no client is left", || server.control_clients().is_empty()).await;
    assert_eq!(server.outside(&["list-sessions", "-F", "#{session_name}"]), "main");
}

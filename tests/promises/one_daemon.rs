//! There is one voice-terminal at a time; it is reached by its owner only, ends in good order, and what
//! a crash left is taken up.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::support::recordings::{path, sox, wavs};
use crate::support::user::{User, signal, until};

#[test]
fn a_second_one_says_so_and_the_first_goes_on() {
    let user = User::new();
    let mut first = user.daemon();
    for second in [&["daemon"][..], &["run"]] {
        let ran = user.run(second);
        assert_eq!(ran.code(), 1, "{ran:?}");
        assert!(ran.err.contains("runs already") || ran.err.contains("already"), "{ran:?}");
        assert!(ran.err.contains(&first.pid().to_string()) && ran.err.contains("  → "), "{ran:?}");
    }
    assert!(first.is_running());
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
}

#[test]
fn what_a_killed_one_left_is_taken_over() {
    let user = User::new();
    let mut first = user.daemon();
    first.signal("KILL");
    first.ended();
    assert!(user.path("run/voice-terminal/control.sock").exists(), "a kill leaves the socket");
    let said = user.run(&["status"]);
    assert_eq!(said.code(), 1, "{said:?}");
    let mut second = user.daemon();
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
    second.signal("TERM");
    assert!(second.ended().success());
    assert!(!user.path("run/voice-terminal/control.sock").exists(), "in good order it is removed");
}

#[test]
fn only_the_owner_reaches_the_socket() {
    let user = User::new();
    let _daemon = user.daemon();
    let mode = |place: &str| fs::metadata(user.path(place)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("run/voice-terminal"), 0o700);
    assert_eq!(mode("run/voice-terminal/control.sock"), 0o600);
    assert_eq!(mode("state/voice-terminal/journal.sqlite"), 0o600);
}

#[test]
fn garbage_on_the_socket_does_no_harm() {
    let user = User::new();
    let mut daemon = user.daemon();
    let socket = user.path("run/voice-terminal/control.sock");
    let connect = || {
        let stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    };
    for line in
        ["", "}", "{\"request\":\"frobnicate\"}", "{\"request\":\"do\"}", "{\"request\":\"do\",\"text\":7}"]
    {
        let mut stream = connect();
        stream.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer).unwrap();
        assert!(answer.contains("\"error\""), "{line}: {answer}");
    }
    let mut stream = connect();
    // It may close before all of it is written.
    let _ = stream.write_all(&vec![b'x'; 3 << 20]);
    let _ = stream.read_to_end(&mut Vec::new());
    let mut stream = connect();
    stream.write_all(&[0, 159, 146, 150, b'\n']).unwrap();
    let _ = stream.read(&mut [0; 100]);
    // Those who connect and say nothing don't keep others out.
    let silent: Vec<UnixStream> = (0..10).map(|_| connect()).collect();
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
    drop(silent);
    assert!(daemon.is_running());
}

#[test]
fn a_signal_in_mid_utterance_ends_it_in_good_order() {
    for name in ["INT", "TERM"] {
        let user = User::new();
        let mut hearing = user.start(&["hear", path(&long(&user))]);
        hearing.until("you: ");
        let asked = Instant::now();
        hearing.signal(name);
        assert_eq!(hearing.ended().code(), Some(1), "{}", hearing.said());
        assert!(asked.elapsed() < Duration::from_secs(5), "{name}: {:?}", asked.elapsed());
        until("nothing is left running", || {
            user.processes()
                .iter()
                .all(|(_, line)| !line.contains("voice-terminal") && !line.contains("/proc/self/exe"))
        });
        let history = user.history();
        assert!(!history.is_empty());
        assert!(
            history.iter().all(|record| !record["reply"].is_null() || !record["abandoned"].is_null()),
            "{history:#?}"
        );
    }
}

#[test]
fn a_signal_while_a_command_runs_leaves_the_command_to_its_owner() {
    let user = User::new();
    user.configure("[safety]\nallow = [\"sleep\"]\n");
    let mut daemon = user.daemon();
    let mut asking = user.start(&["do", "run sleep 7.5"]);
    until("it runs", || user.processes().iter().any(|(_, line)| line == "sleep 7.5"));
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.said());
    assert_eq!(asking.ended().code(), Some(1), "{}", asking.said());
    let left = user.processes();
    assert!(left.iter().any(|(_, line)| line == "sleep 7.5"), "the terminal is the user's own: {left:?}");
    assert!(left.iter().all(|(_, line)| !line.contains("voice-terminal daemon")), "{left:?}");
    let record = &user.history()[0];
    assert_eq!(record["text"], "run sleep 7.5");
    assert!(record["reply"]["text"].as_str().unwrap().contains("it goes on"), "{record:#}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let user = User::new();
    user.configure("[safety]\nallow = [\"sleep\"]\n");
    let mut daemon = user.daemon();
    let _asking = user.start(&["do", "run sleep 8.5"]);
    until("it runs", || user.processes().iter().any(|(_, line)| line == "sleep 8.5"));
    daemon.signal("INT");
    // The second may find it gone already.
    let _ = std::process::Command::new("kill").args(["-INT", &daemon.pid().to_string()]).output();
    let asked = Instant::now();
    daemon.ended();
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[test]
fn nothing_is_done_twice_after_a_kill() {
    let user = User::new();
    user.configure("[safety]\nallow = [\"./count\"]\n");
    fs::write(user.path("home/count"), "#!/bin/sh\necho x >>counted\nsleep 6.5\n").unwrap();
    fs::set_permissions(user.path("home/count"), PermissionsExt::from_mode(0o755)).unwrap();
    let counted = || fs::read_to_string(user.path("home/counted")).unwrap_or_default();
    let mut daemon = user.daemon();
    let mut asking = user.start(&["do", "run ./count"]);
    until("it runs", || counted() == "x\n");
    daemon.signal("KILL");
    daemon.ended();
    assert_eq!(asking.ended().code(), Some(1));
    let mut again = user.daemon();
    again.until("An earlier run was stopped in the middle: a turn was not finished");
    assert_eq!(counted(), "x\n");
    let history = user.history();
    let record = history.iter().find(|record| record["text"] == "run ./count").unwrap();
    assert!(!record["abandoned"].is_null(), "{record:#}");
}

/// A recording that takes longer to hear than any test waits.
fn long(user: &User) -> std::path::PathBuf {
    let long = user.path("home/long.wav");
    sox(&[path(&wavs()[5]), path(&long), "repeat", "30"]);
    long
}

fn worker(user: &User) -> Option<u32> {
    user.processes().into_iter().find(|(_, line)| line.contains("worker stt")).map(|(pid, _)| pid)
}

#[test]
fn a_recogniser_that_is_killed_in_mid_utterance_is_replaced() {
    let user = User::new();
    let mut hearing = user.start(&["hear", path(&long(&user))]);
    hearing.until("you: ");
    let first = worker(&user).unwrap();
    signal(first, "KILL");
    until("another one is there", || worker(&user).is_some_and(|pid| pid != first));
    let heard = hearing.said().matches("you: ").count();
    hearing.until_times("you: ", heard + 2);
    assert!(hearing.is_running());
    let records = user.history();
    let mut ids: Vec<String> = records.iter().map(|record| record["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), records.len(), "no utterance is there twice");
}

#[test]
fn what_is_killed_in_mid_utterance_leaves_nothing_running_and_a_record() {
    let user = User::new();
    let mut hearing = user.start(&["hear", path(&long(&user))]);
    hearing.until("you: ");
    hearing.signal("KILL");
    hearing.ended();
    until("the recogniser goes with it", || worker(&user).is_none());
    assert_eq!(user.run(&["do", "help"]).code(), 0);
    let history = user.history();
    assert!(history.len() > 1);
    assert!(
        history.iter().all(|record| !record["reply"].is_null() || !record["abandoned"].is_null()),
        "{history:#?}"
    );
}

#[test]
fn a_recogniser_that_is_killed_costs_one_call_at_most() {
    let user = User::new();
    let mut daemon = user.daemon();
    daemon.until("loading tiny.en: done");
    let first = worker(&user).unwrap();
    signal(first, "KILL");
    until("it is gone", || worker(&user) != Some(first));
    assert!(daemon.is_running());
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
}

#[test]
fn a_breaker_is_changed_by_hand_while_it_runs() {
    let user = User::new();
    let _daemon = user.daemon();
    let change = |arguments: &[&str]| {
        let ran = user.run(&[&["breakers", "--json"], arguments].concat());
        assert_eq!(ran.code(), 0, "{arguments:?}: {ran:?}");
        ran.json()[0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(change(&["isolate", "tmux-control"]), "isolated");
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0, "the next tier serves");
    assert_eq!(change(&["disable", "tmux-control"]), "disabled");
    assert_eq!(change(&["set", "tmux-control", "failure_threshold=2", "timeout=9s"]), "disabled");
    assert_eq!(change(&["reset", "tmux-control"]), "closed");
    for wrong in
        [["set", "tmux-control", "falure_threshold=2"], ["set", "tmux-control", "failure_threshold=0"]]
    {
        let ran = user.run(&[&["breakers"], &wrong[..]].concat());
        assert!(matches!(ran.code(), 1 | 2) && ran.err.contains("failure_threshold"), "{ran:?}");
    }
}

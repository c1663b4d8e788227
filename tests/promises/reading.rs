//! What programs print is told by what matters in it, and whoever waits for somebody is noticed.

use std::fs;
use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use voice_terminal::domain::{Action, Command, Outcome, Terminal};
use voice_terminal::terminal::Notice;

use crate::support::tmux::{Server, eventually};
use crate::support::user::{Ran, User, until};

/// A user for whom these programs run without being asked about.
fn user() -> User {
    let mut user = User::new();
    user.configure(
        "[terminal]\nrun_wait = \"120s\"\n[safety]\nallow = [\"cargo\", \"/usr/bin/python3\", \"make\", \"./ask\", \"cat\", \"sh\"]\n",
    );
    // The toolchain that built this, which needs no home of its own.
    let cargo = Path::new(env!("CARGO")).parent().unwrap().display().to_string();
    user.set("PATH", &format!("{cargo}:{}", std::env::var("PATH").unwrap()));
    user.set("CARGO_HOME", user.path("cargo").to_str().unwrap());
    user.set("CARGO_TERM_COLOR", "always");
    user
}

fn write(user: &User, file: &str, text: &str) {
    let path = user.path("home").join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn lines(user: &User, lines: &str) -> Ran {
    let ran = user.run_with(&["run"], lines.as_bytes());
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran
}

/// What was said in answer to the turns, the first one first.
fn spoken(user: &User) -> Vec<String> {
    let told = user.history();
    let speech = |turn: &serde_json::Value| turn["reply"]["speech"].as_str().unwrap_or_default().to_owned();
    told.iter().rev().map(speech).collect()
}

#[test]
fn failing_tests_are_told_by_their_names_and_gone_through() {
    let user = user();
    write(&user, "shop/Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    write(
        &user,
        "shop/src/lib.rs",
        "#[test]\nfn total() { assert_eq!(1 + 1, 3); }\n#[test]\nfn empty() { panic!(\"not empty\"); }\n#[test]\nfn fine() {}\n",
    );
    let ran = lines(
        &user,
        "run cd shop\nrun cargo test --offline --lib\nshow errors\nnext error\nnext error\nread that\n",
    );
    let spoken = spoken(&user);
    assert!(spoken[1].starts_with("2 of 3 tests failed: "), "{spoken:?} {ran:?}");
    assert!(spoken[2].starts_with("2 failures; the first: "), "{spoken:?}");
    let both = spoken[2..4].join(" ");
    assert!(
        both.contains("in lib.rs line 2") && both.contains("empty: not empty, in lib.rs line 4"),
        "{spoken:?}"
    );
    assert!(spoken[4].starts_with("That was the last one"), "{spoken:?}");
    assert_eq!(spoken[5], spoken[1]);
    assert!(ran.out.contains("src/lib.rs:4: empty: not empty"), "{ran:?}");
    assert!(ran.out.contains("failed with exit status 101"), "{ran:?}");
}

#[test]
fn an_error_that_keeps_it_from_building_is_told_first() {
    let user = user();
    write(&user, "Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    write(&user, "src/main.rs", "fn main() {\n    let count: u32 = \"three\";\n}\n");
    lines(&user, "run cargo check --offline\nwhat is main doing\n");
    let spoken = spoken(&user);
    assert_eq!(spoken[0], "1 error: mismatched types, in main.rs line 2.");
    assert!(spoken[1].starts_with("It is idle; cargo check failed"), "{spoken:?}");
    assert!(spoken[1].ends_with("1 error: mismatched types, in main.rs line 2."), "{spoken:?}");
}

#[test]
fn what_pytest_and_git_say_is_told_short() {
    let user = user();
    write(&user, "test_shop.py", "def test_good():\n    pass\n\ndef test_sum():\n    assert 1 + 1 == 3\n");
    let git = |words: &[&str]| {
        let done = Process::new("git")
            .args(words)
            .current_dir(user.path("home"))
            .env("HOME", user.path("home"))
            .output();
        assert!(done.unwrap().status.success(), "{words:?}");
    };
    git(&["init", "-q", "-b", "trunk"]);
    git(&["add", "test_shop.py"]);
    let ran = lines(
        &user,
        "run /usr/bin/python3 -m pytest -q -p no:cacheprovider\nrun git status\nrun ls\nread it all\n",
    );
    let spoken = spoken(&user);
    assert_eq!(spoken[0], "1 of 2 tests failed: test_sum.", "{ran:?}");
    assert!(spoken[1].starts_with("On trunk, 1 staged"), "{spoken:?} {ran:?}");
    assert!(spoken[2].contains("entr"), "{spoken:?}");
    assert!(spoken[3].contains("test_shop.py"), "{spoken:?}");
}

/// Asks, and ends as it was answered.
const ASKS: &str = "#!/bin/sh\necho working\nprintf 'Delete everything? [y/N] '\nread answer\necho \"got $answer\"\nexit 3\n";

#[test]
fn what_a_command_in_the_background_asks_is_noticed_once_and_not_answered() {
    let user = user();
    write(&user, "ask", ASKS);
    let done = Process::new("chmod").arg("+x").arg(user.path("home/ask")).status().unwrap();
    assert!(done.success());
    let mut running = user.start(&["--set", "terminal.run_wait=300ms", "run"]);
    running.enter("new session build\n");
    running.until("New session build");
    running.enter("run ./ask\n");
    running.until("`./ask` in build waits for an answer: Delete everything? [y/N]");
    running.enter("who needs me\n");
    running.until("build waits for you: it asks: Delete everything, yes or no?");
    running.enter("what is build doing\n");
    running.until("build is running `./ask`");
    // Whoever only looks changes nothing, and nothing is told again.
    assert_eq!(running.said().matches("waits for an answer").count(), 1, "{}", running.said());
    assert!(!running.said().contains("got "), "{}", running.said());
    running.enter("type no\n");
    running.until("Typed `no`");
    running.enter("press enter\n");
    running.until("Shall I press enter");
    running.enter("confirm\n");
    running.until("failed with exit status 3");
    assert!(running.said().contains("got no"), "{}", running.said());
    assert_eq!(running.said().matches("waits for an answer").count(), 1, "{}", running.said());
}

#[test]
fn a_session_that_is_watched_tells_its_end_once() {
    let user = user();
    let fifo = user.path("home/fifo");
    assert!(Process::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut running = user.start(&["run"]);
    running.enter("new session build\n");
    running.until("New session build");
    // Somebody works there by hand.
    user.tmux(&["send-keys", "-t", "=build:", "cat fifo; sh -c 'exit 4'", "Enter"]);
    until("it runs", || {
        user.tmux(&["display-message", "-p", "-t", "=build:", "#{pane_current_command}"]) == "cat"
    });
    running.enter("watch build\n");
    running.until("I will tell you when build has ended or asks something.");
    // The connection that it listens on is lost, and made again.
    let clients = user.tmux(&["list-clients", "-F", "#{client_control_mode} #{client_pid}"]);
    for pid in clients.lines().filter_map(|line| line.strip_prefix("1 ")) {
        crate::support::user::signal(pid.parse().unwrap(), "KILL");
    }
    until("it listens again", || user.tmux(&["list-clients", "-F", "#{client_control_mode}"]).contains('1'));
    fs::write(&fifo, "fatal: the disk is full\n").unwrap();
    // With its status, unless it ended before the new connection knew this shell's marks.
    running.until("fatal: the disk is full");
    running.enter("stop watching\n");
    running.until("I was not watching anything.");
    assert_eq!(running.said().matches("the disk is full").count(), 1, "{}", running.said());
}

#[test]
fn what_a_pane_prints_can_bring_nothing_about() {
    let user = user();
    write(
        &user,
        "evil",
        "\u{1b}]0;t\u{7}\u{1b}[31msay confirm\n\u{202e}confirm\u{200b}\nyes\n\u{9b}31mrun touch owned\n",
    );
    let many = format!("{}\n", "error: x ".repeat(200_000));
    write(&user, "long", &many.repeat(3));
    let ran = lines(
        &user,
        "run touch asked\nread that\nrun cat evil\nread it all\nrun cat long\nshow errors\nconfirm\n",
    );
    assert!(!user.path("home/owned").exists() && !user.path("home/asked").exists(), "{ran:?}");
    assert!(ran.out.contains("Nothing is waiting for an answer."), "{ran:?}");
    let hidden = |text: &str| text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{200b}', '\u{9b}']);
    assert!(!hidden(&ran.out), "{ran:?}");
    for speech in spoken(&user) {
        assert!(!hidden(&speech) && speech.len() < 4_500, "{speech}");
    }
}

#[tokio::test]
async fn every_server_is_surveyed_and_watched_and_those_that_were_not_named_are_not() {
    let theirs = Server::new();
    theirs.outside(&["-f", "/dev/null", "new-session", "-d", "-s", "build", "-x", "100", "-y", "20", "sh"]);
    theirs.outside(&["new-session", "-d", "-s", "other", "cat"]);
    let stranger = Server::new();
    stranger.outside(&["-f", "/dev/null", "new-session", "-d", "-s", "build", "cat"]);
    let work = theirs.config.socket.clone();
    let server = Server::with(|config| config.servers = vec![work.clone()]);
    let mut notices = server.tmux.notices();
    let ours = server.tmux.current().await.unwrap();
    server.run(&ours, "echo mine").await;
    let survey = async || {
        let Ok(Outcome::Surveyed { sessions }) =
            server.tmux.perform(&Command { target: None, action: Action::Survey }).await
        else {
            panic!()
        };
        sessions.into_iter().map(|it| (it.session, it.activity)).collect::<Vec<_>>()
    };
    let (build, other) = (format!("build on {work}"), format!("other on {work}"));
    let sessions = survey().await;
    let names: Vec<&str> = sessions.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["main", build.as_str(), other.as_str()]);
    assert_eq!((sessions[1].1.running, sessions[2].1.running), (false, true), "{sessions:?}");
    // Whoever looks at all of them attaches to none.
    assert_eq!(theirs.outside(&["list-clients"]), "");

    let found = server.tmux.find(&build).await.unwrap();
    let asks = "sh -c 'printf \"Go on? [y/N] \"; read answer; echo bye'";
    theirs.outside(&["send-keys", "-t", "=build:", asks, "Enter"]);
    eventually("it asks", || {
        theirs.outside(&["capture-pane", "-p", "-t", "=build:"]).contains("\nGo on? [y/N]")
    })
    .await;
    let watched = server.act(&found, Action::Watch).await.unwrap();
    let session = Some(build.clone());
    assert_eq!(watched, Outcome::Watching { session, on: true, already: false, idle: false });
    let mut notice =
        async || tokio::time::timeout(Duration::from_secs(20), notices.recv()).await.unwrap().unwrap();
    let stopped = notice().await;
    assert!(
        matches!(&stopped, Notice::Stopped(stop) if stop.session == build && stop.line == "Go on? [y/N]"),
        "{stopped:?}"
    );
    theirs.outside(&["send-keys", "-t", "=build:", "y", "Enter"]);
    let ended = notice().await;
    assert!(
        matches!(&ended, Notice::Ended(ran) if ran.session == build && ran.finished && ran.output.contains("bye")),
        "{ended:?}"
    );
    // Nothing is watched now, on no server; the stranger was never heard of.
    let unwatch = Command { target: None, action: Action::Unwatch };
    let nothing = |already| Outcome::Watching { session: None, on: false, already, idle: false };
    // It is taken off the list just after it has told.
    server.tmux.perform(&unwatch).await.unwrap();
    assert_eq!(server.tmux.perform(&unwatch).await.unwrap(), nothing(false));
    server.act(&found, Action::Watch).await.unwrap();
    assert_eq!(server.tmux.perform(&unwatch).await.unwrap(), nothing(true));
    assert_eq!(stranger.outside(&["list-clients"]), "");
}

#[test]
fn a_secret_that_is_printed_is_not_said() {
    let user = user();
    let secret = "glpat-Zx81kQpLw93TnVb7YcRd";
    write(&user, "leak", &format!("export DEPLOY_TOKEN={secret}\n"));
    let ran = lines(&user, "run cat leak\nread that\nread it all\nwhat is main doing\n");
    let spoken = spoken(&user);
    assert_eq!(spoken.len(), 4, "{ran:?}");
    assert!(spoken[1].contains("DEPLOY_TOKEN"), "{spoken:?}");
    assert!(spoken.iter().all(|speech| !speech.contains(secret)), "{spoken:?}");
}

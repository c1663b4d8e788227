//! Nothing runs but what was confirmed, where it was confirmed; text is text and names are names.

use voice_terminal::domain::{Action, Command, Direction, FailureKind, Outcome, Terminal};

use crate::support::recogniser::alive;
use crate::support::tmux::{Server, eventually};

fn session(outcome: Outcome) -> (String, bool, Option<String>) {
    match outcome {
        Outcome::Session { target, created, remark } => (target.session_name, created, remark),
        other => panic!("{other:?}"),
    }
}

async fn create(server: &Server, name: &str) -> (String, bool, Option<String>) {
    let action = Action::NewSession { name: Some(name.into()) };
    let command = Command { target: None, action };
    session(server.tmux.perform(&command).await.unwrap())
}

#[tokio::test]
async fn a_hostile_name_becomes_a_safe_one_and_is_told() {
    let server = Server::new();
    let (name, created, remark) = create(&server, "a.b:c; rm -rf ~ #").await;
    assert_eq!((name.as_str(), created), ("a-b-c-rm-rf", true));
    assert!(remark.unwrap().contains("a-b-c-rm-rf"));
    let witness = server.path("witness");
    let (name, ..) = create(&server, &format!("#(touch {})", witness.display())).await;
    assert!(!name.contains('#'));
    let (name, _, remark) = create(&server, "...").await;
    assert_eq!(name, "main");
    assert!(remark.is_some());
    let (name, created, remark) = create(&server, "main").await;
    assert_eq!((name.as_str(), created), ("main", false));
    assert!(remark.unwrap().contains("already"));
    assert_eq!(server.outside(&["list-sessions", "-F", "#{session_name}"]).lines().count(), 3);
    assert!(!witness.exists());
}

#[tokio::test]
async fn spoken_names_find_their_session_or_say_which_there_are() {
    let server = Server::new();
    for name in ["web-server", "web-client", "build"] {
        create(&server, name).await;
    }
    let switch = async |name: &str| {
        let action = Action::SwitchSession { name: name.into() };
        server.tmux.perform(&Command { target: None, action }).await
    };
    assert_eq!(session(switch("Web Server").await.unwrap()).0, "web-server");
    assert_eq!(server.tmux.current().await.unwrap().session_name, "web-server");
    assert_eq!(session(switch("bui").await.unwrap()).0, "build");
    let failure = switch("web").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Request);
    assert!(failure.what.contains("web-server") && failure.what.contains("web-client"), "{failure:?}");
    let failure = switch("nowhere").await.unwrap_err();
    assert!(failure.remedy.contains("build"), "{failure:?}");
    let current = server.tmux.sessions().await.unwrap();
    let current: Vec<_> = current.iter().filter(|it| it.current).map(|it| it.name.as_str()).collect();
    assert_eq!(current, ["build"]);
}

#[tokio::test]
async fn text_never_runs_by_itself() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let witness = server.path("witness");
    for attack in [
        format!("x\x1b[201~\ntouch {}\n", witness.display()),
        format!("x\r\ntouch {}\r", witness.display()),
        format!("x\u{9b}201~\u{85}touch {}\u{2028}", witness.display()),
        format!("x;\x0ftouch {}\x0f", witness.display()),
    ] {
        server.act(&target, Action::Insert { text: attack.clone() }).await.unwrap();
        server.act(&target, Action::Erase { text: attack }).await.unwrap();
    }
    // Whatever had been run by now would be seen by this.
    assert_eq!(server.run(&target, "echo over").await.output, "over\n");
    assert!(!witness.exists());
}

#[tokio::test]
async fn ten_thousand_words_go_in_come_out_and_run() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let words: Vec<String> = (0..10_000).map(|number| format!("word{number}")).collect();
    let line = format!("echo {}", words.join(" "));
    server.act(&target, Action::Insert { text: line.clone() }).await.unwrap();
    server.act(&target, Action::Erase { text: line.clone() }).await.unwrap();
    assert_eq!(server.run(&target, "echo empty").await.output, "empty\n");
    let ran = server.run(&target, &line).await;
    assert_eq!(ran.status, Some(0));
    let output = format!("{}\n", words.join(" "));
    assert_eq!(ran.output.len(), server.config.output_limit.min(output.len()));
    assert!(output.ends_with(&ran.output));
}

#[tokio::test]
async fn what_was_inserted_is_taken_back_and_nothing_else() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    server.run(&target, "PS1='$ '").await;
    let insert = async |text: &str| server.act(&target, Action::Insert { text: text.into() }).await.unwrap();
    let erase = async |text: &str| server.act(&target, Action::Erase { text: text.into() }).await;
    insert("echo one").await;
    insert(" two é日").await;
    erase(" two é日").await.unwrap();
    eventually("the first text", || server.screen(&target).ends_with("$ echo one")).await;
    // Somebody typed on: then it is not ours to take back, nor to enter.
    server.outside(&["send-keys", "-t", &target.pane.0, "-l", "!"]);
    eventually("the typed text", || server.screen(&target).ends_with("$ echo one!")).await;
    assert_eq!(erase("echo one").await.unwrap_err().kind, FailureKind::Request);
    assert!(server.screen(&target).ends_with("$ echo one!"));
}

#[tokio::test]
async fn enter_is_pressed_only_on_the_very_line() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let witness = server.path("witness");
    let submit = async |text: &str| server.act(&target, Action::Submit { text: text.into() }).await;
    // Never inserted.
    assert_eq!(submit("echo never").await.unwrap_err().kind, FailureKind::Request);
    // Something stood there before.
    let before = format!("touch {}; ", witness.display());
    server.outside(&["send-keys", "-t", &target.pane.0, "-l", &before]);
    eventually("the typed text", || server.screen(&target).contains("touch")).await;
    let failure = server.submit(&target, "echo mine").await.unwrap_err();
    assert!(failure.what.contains("held something already"), "{failure:?}");
    eventually("our text is gone", || !server.screen(&target).contains("mine")).await;
    assert!(server.screen(&target).contains("touch"));
    assert!(!witness.exists());
}

#[tokio::test]
async fn a_command_bound_to_a_place_lands_there_or_nowhere() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    server.act(&target, Action::SplitPane { direction: Direction::Down }).await.unwrap();
    // Another pane is the current one now; the command still goes to its own.
    assert_eq!(server.run(&target, "echo $TMUX_PANE").await.output, format!("{}\n", target.pane.0));
    let other = server.tmux.current().await.unwrap();
    server.act(&other, Action::ClosePane).await.unwrap();
    let failure = server.act(&other, Action::Insert { text: "echo lost".into() }).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Request);
    assert!(!server.screen(&target).contains("lost"));
}

#[tokio::test]
async fn a_pane_of_another_run_of_the_server_is_not_the_same_pane() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let first = server.pid().unsigned_abs();
    server.outside(&["kill-server"]);
    // It shows no sessions before it has ended, and until then would take a new one down with it.
    eventually("the server has ended", || !alive(first)).await;
    server.outside(&["new-session", "-d", "-s", "main", "bash --norc"]);
    assert_eq!(server.outside(&["list-panes", "-a", "-F", "#{session_id} #{pane_id}"]), "$0 %0");
    assert_eq!((target.session.0.as_str(), target.pane.0.as_str()), ("$0", "%0"));
    let failure = server.act(&target, Action::KillSession).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Request);
    assert_eq!(server.outside(&["list-panes", "-a", "-F", "#{session_id} #{pane_id}"]), "$0 %0");
}

#[tokio::test]
async fn enter_is_not_pressed_where_it_would_reach_other_panes() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    server.act(&target, Action::SplitPane { direction: Direction::Down }).await.unwrap();
    server.outside(&["set-option", "-w", "-t", &target.pane.0, "synchronize-panes", "on"]);
    let failure = server.submit(&target, "echo both").await.unwrap_err();
    assert!(failure.what.contains("all panes"), "{failure:?}");
}

#[tokio::test]
async fn sessions_that_were_not_asked_for_are_left_alone() {
    let server = Server::new();
    server.outside(&["new-session", "-d", "-s", "private", "cat"]);
    let target = server.tmux.current().await.unwrap();
    assert_eq!(target.session_name, "main");
    server.run(&target, "echo here").await;
    assert_eq!(server.outside(&["capture-pane", "-p", "-t", "=private:"]), "");
    assert_eq!(server.outside(&["show-options", "-t", "private"]), "");
    assert_eq!(server.control_clients().len(), 1);
    // A person's window keeps its size while we look on.
    let size = || server.outside(&["display", "-p", "-t", "=main:", "#{window_width}x#{window_height}"]);
    assert_eq!(size(), "200x50");
}

#[tokio::test]
async fn our_own_settings_do_not_reach_the_shells() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let ran = server.run(&target, "env | grep -c VOICE_TERMINAL; tr '\\0' '\\n' <<<done").await;
    assert_eq!(ran.output, "0\ndone\n");
}

#[tokio::test]
async fn a_person_who_is_attached_is_shown_the_session() {
    let server = Server::new();
    create(&server, "one").await;
    create(&server, "two").await;
    // A real client, on a terminal of its own.
    let attach = format!("tmux -L {} attach -t one", server.config.socket);
    let mut person = std::process::Command::new("script")
        .args(["-qfc", &attach, "/dev/null"])
        .env("TERM", "xterm")
        .env_remove("TMUX")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let shown = || {
        let clients = server.outside(&["list-clients", "-F", "#{client_control_mode} #{client_session}"]);
        clients.lines().filter_map(|line| line.strip_prefix("0 ")).map(str::to_owned).collect::<Vec<_>>()
    };
    eventually("the person is attached", || shown() == ["one"]).await;
    // Somebody who starts afresh goes to where the person looks.
    assert_eq!(server.again().current().await.unwrap().session_name, "one");
    let action = Action::SwitchSession { name: "two".into() };
    server.tmux.perform(&Command { target: None, action }).await.unwrap();
    eventually("the person sees it", || shown() == ["two"]).await;
    person.kill().unwrap();
    person.wait().unwrap();
}

#[tokio::test]
async fn a_server_that_it_was_not_pointed_at_is_left_alone() {
    // Somebody else's, and one of another name beside it.
    let other = Server::new();
    other.outside(&["-f", "/dev/null", "new-session", "-d", "-s", "main", "cat"]);
    other.outside(&["set-option", "-g", "@mine", "kept"]);
    let look = || {
        let formats = [
            "#{session_id} #{session_name} #{session_activity} #{session_attached} #{session_last_attached}",
            "#{pid} #{start_time} #{client_activity}",
        ];
        let mut seen = vec![
            other.outside(&["list-sessions", "-F", formats[0]]),
            other.outside(&["display-message", "-p", formats[1]]),
            other.outside(&["list-panes", "-a", "-F", "#{pane_id} #{pane_pid} #{history_bytes}"]),
            other.outside(&["list-clients"]),
            other.outside(&["list-buffers"]),
        ];
        for options in [&["-g"][..], &["-gw"], &["-s"], &["-t", "=main:"]] {
            seen.push(other.outside(&[&["show-options"], options].concat()));
        }
        seen
    };
    let before = look();
    let server = Server::new();
    let global = |server: &Server| {
        [&["-g"][..], &["-gw"], &["-s"]].map(|options| server.outside(&[&["show-options"], options].concat()))
    };
    let target = server.tmux.current().await.unwrap();
    let untouched = global(&server);
    server.run(&target, "echo here").await;
    server.act(&target, Action::SplitPane { direction: Direction::Right }).await.unwrap();
    assert!(server.tmux.sessions().await.unwrap().iter().all(|session| session.program != "cat"));
    server.act(&target, Action::KillSession).await.unwrap();
    assert_eq!(look(), before);
    // Nor are options of our own server changed for everybody in it.
    create(&server, "again").await;
    assert_eq!(global(&server), untouched);
}

#[tokio::test]
async fn sessions_of_several_servers_are_told_apart_and_reached() {
    // Somebody's own, with a session of their own.
    let theirs = Server::new();
    theirs.outside(&["-f", "/dev/null", "new-session", "-d", "-s", "build", "bash --norc"]);
    let work = theirs.config.socket.clone();
    let server = Server::with(|config| config.servers = vec![work.clone(), "vt-test-not-running".into()]);
    let outcome = async |action| server.tmux.perform(&Command { target: None, action }).await;
    let switch = |name: String| outcome(Action::SwitchSession { name });
    create(&server, "build").await;
    let ours = server.tmux.current().await.unwrap();
    let elsewhere = format!("build on {work}");
    let sessions = server.tmux.sessions().await.unwrap();
    let names: Vec<(&str, bool)> = sessions.iter().map(|it| (it.name.as_str(), it.current)).collect();
    assert_eq!(names, [("build", true), (elsewhere.as_str(), false)]);
    let found = server.tmux.find(&elsewhere).await.unwrap();
    assert_eq!(found.session_name, elsewhere);
    assert_ne!((&found.session, &found.pane), (&ours.session, &ours.pane));
    // What is bound to a place goes there, whichever is the current.
    server.run(&ours, "echo here").await;
    server.submit(&found, "echo there").await.unwrap();
    let there = || theirs.outside(&["capture-pane", "-p", "-t", "=build:"]);
    eventually("it ran there", || there().contains("\nthere")).await;
    assert!(!there().contains("echo here"));
    assert_eq!(session(switch(elsewhere.clone()).await.unwrap()).0, elsewhere);
    assert_eq!(server.tmux.current().await.unwrap(), found);
    assert_eq!(session(switch("build".into()).await.unwrap()).0, "build");
    assert_eq!(server.tmux.current().await.unwrap(), ours);
    assert_eq!(session(switch(format!("server {work}")).await.unwrap()).0, elsewhere);
    let (made, created, _) = create(&server, "more").await;
    assert_eq!((made, created), (format!("more on {work}"), true));
    assert_eq!(theirs.outside(&["list-sessions", "-F", "#{session_name}"]), "build\nmore");
    // Their session has no mark of ours, and none of their options is another one.
    assert_eq!(theirs.outside(&["show-options", "-t", "=build:"]), "");
    // A server that hangs keeps nobody waiting for long.
    let pid = rustix::process::Pid::from_raw(theirs.pid()).unwrap();
    let ours = server.tmux.find("build").await.unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let listed = server.tmux.sessions().await;
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert_eq!(listed.unwrap().len(), 1);
    assert_eq!(server.run(&ours, "echo still").await.output, "still\n");
}

//! Programs that are in front get keys and text that is meant for them, never a command line; what asks for a
//! secret gets nothing.

use std::time::Duration;

use voice_terminal::domain::{Action, Failure, FailureKind, Front, Key, KeyPress, Target, Terminal};

use crate::support::tmux::{Server, eventually};

async fn type_text(server: &Server, target: &Target, text: &str) {
    server.act(target, Action::Insert { text: text.into() }).await.unwrap();
}

async fn press(server: &Server, target: &Target, key: Key) {
    let press = KeyPress { key, control: false, alt: false, times: 1 };
    server.act(target, Action::Press { press }).await.unwrap();
}

/// What asking for a command line comes to.
async fn refusal(server: &Server, target: &Target) -> Failure {
    let failure = server.act(target, Action::Prepare { text: "echo lost".into() }).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Request);
    assert!(!server.screen(target).contains("lost"), "{}", server.screen(target));
    failure
}

async fn front(server: &Server) -> Option<Front> {
    server.tmux.whereabouts().await.unwrap().front
}

/// A program that was told to end is gone a moment later.
async fn until_it_is_gone(server: &Server) {
    for _ in 0..1000 {
        if matches!(front(server).await, Some(Front::Shell { .. })) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?}", front(server).await);
}

#[tokio::test]
async fn an_editor_gets_keys_and_no_command_line() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    assert_eq!(front(&server).await, Some(Front::Shell { name: "bash".into() }));
    let file = server.path("out.txt");
    // It is not waited for: its end is not near.
    let ran = server.run(&target, &format!("vim -u NONE -N {}", file.display())).await;
    assert!(!ran.finished && ran.took < server.config.run_wait, "{ran:?}");
    let name = front(&server).await.unwrap();
    assert!(matches!(&name, Front::FullScreen { name } if name.starts_with("vi")), "{name:?}");
    let failure = refusal(&server, &target).await;
    assert!(failure.what.contains("is in front in main, so I ran nothing"), "{failure:?}");
    assert!(failure.remedy.contains("press escape"), "{failure:?}");
    press(&server, &target, Key::Char('i')).await;
    type_text(&server, &target, "hello from outside").await;
    press(&server, &target, Key::Escape).await;
    press(&server, &target, Key::Char(':')).await;
    type_text(&server, &target, "wq").await;
    press(&server, &target, Key::Enter).await;
    let written = || std::fs::read_to_string(&file).unwrap_or_default();
    eventually("the file", || written() == "hello from outside\n").await;
    until_it_is_gone(&server).await;
    assert_eq!(server.run(&target, "echo back").await.output, "back\n");
}

#[tokio::test]
async fn a_pager_gets_its_keys() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    assert!(!server.run(&target, "seq 1000 | less").await.finished);
    assert_eq!(front(&server).await, Some(Front::FullScreen { name: "less".into() }));
    refusal(&server, &target).await;
    type_text(&server, &target, "q").await;
    until_it_is_gone(&server).await;
    assert_eq!(server.run(&target, "echo back").await.output, "back\n");
}

#[tokio::test]
async fn a_program_that_reads_lines_is_answered_by_typing() {
    let server = Server::with(|config| config.run_wait = Duration::from_millis(500));
    let target = server.tmux.current().await.unwrap();
    assert!(!server.run(&target, "cat").await.finished);
    assert_eq!(front(&server).await, Some(Front::Program { name: "cat".into(), edits_lines: false }));
    let failure = refusal(&server, &target).await;
    assert_eq!(failure.what, "cat is still running in main, so I ran nothing");
    type_text(&server, &target, "to the cat").await;
    press(&server, &target, Key::Enter).await;
    eventually("both lines", || server.screen(&target).matches("to the cat").count() == 2).await;
}

#[tokio::test]
async fn what_asks_for_a_secret_gets_nothing_from_us() {
    let server = Server::new();
    let target = server.tmux.current().await.unwrap();
    let ran = server.run(&target, "bash -c 'read -sp Password: x; echo; echo got \"<$x>\"'").await;
    assert!(!ran.finished && ran.took < server.config.run_wait, "{ran:?}");
    assert_eq!(front(&server).await, Some(Front::Secret { name: "bash".into() }));
    let failure = server.act(&target, Action::Insert { text: "hunter2".into() }).await.unwrap_err();
    assert_eq!(failure.what, "bash asks for a secret in main, so I typed nothing");
    assert!(failure.remedy.contains("kept in the history"), "{failure:?}");
    refusal(&server, &target).await;
    press(&server, &target, Key::Enter).await;
    eventually("the answer", || server.screen(&target).contains("got <>")).await;
}

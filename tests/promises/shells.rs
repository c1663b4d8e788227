//! What is promised of running a command line holds in every shell that can tell: bash, zsh and fish, as
//! plain as they come and as people dress them.

use std::time::Duration;

use voice_terminal::domain::{Action, Command, FailureKind, Key, KeyPress, Outcome, Target, Terminal};
use voice_terminal::terminal::Notice;

use crate::support::shells::{Dress, SHELLS, dressed};
use crate::support::tmux::{Server, eventually};

/// In every shell, as it comes.
async fn in_each(promise: impl AsyncFn(&str, Server)) {
    for shell in SHELLS {
        promise(shell, dressed(shell, Dress::Plain)).await;
    }
}

/// That a line ends so.
async fn runs(server: &Server, target: &Target, line: &str, status: i32, output: &str) {
    let ran = server.run(target, line).await;
    let told = (ran.status, ran.output.as_str(), ran.finished);
    assert_eq!(told, (Some(status), output, true), "{}: {line}", server.config.shell);
}

fn done(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done { what } => what,
        other => panic!("{other:?}"),
    }
}

async fn press(server: &Server, target: &Target, key: Key, control: bool) {
    let press = KeyPress { key, control, alt: false, times: 1 };
    server.act(target, Action::Press { press }).await.unwrap();
}

#[tokio::test]
async fn status_and_output_are_exact() {
    in_each(async |_, server| {
        let target = server.tmux.current().await.unwrap();
        for (line, status, output) in [
            ("true", 0, ""),
            ("false", 1, ""),
            ("echo hello", 0, "hello\n"),
            ("sh -c 'exit 130'", 130, ""),
            ("printf 'no newline'", 0, "no newline"),
            ("printf 'a\\nb\\n\\n c \\n'; false", 1, "a\nb\n\n c \n"),
            ("printf '\\033[31mred\\033[0m \\033]0;title\\007plain\\n'", 0, "red plain\n"),
            ("printf '10%%\\r50%%\\r100%%\\n'", 0, "100%\n"),
            ("printf 'naïve 日本 🎉\\n'", 0, "naïve 日本 🎉\n"),
            ("printf 'wide 日本語'", 0, "wide 日本語"),
            ("echo a b | tr a-z A-Z", 0, "A B\n"),
            ("echo 'a;b' \"c  d\"  # comment;", 0, "a;b c  d\n"),
            ("printf '\\033]133;D;0\\007\\033]133;C\\007\\033]133;A\\007'; false", 1, ""),
            ("env | grep -c VOICE_TERMINAL", 1, "0\n"),
        ] {
            // The last is a comment in zsh only if one has chosen so.
            if line.contains('#') && server.config.shell.ends_with("zsh") {
                continue;
            }
            runs(&server, &target, line, status, output).await;
        }
        let ran = server.run(&target, "no-such-command-at-all").await;
        assert_eq!(ran.status, Some(127));
        assert!(ran.output.contains("no-such-command-at-all"), "{ran:?}");
        let lines: String = (1..=10_000).flat_map(|number| [number.to_string(), "\n".into()]).collect();
        runs(&server, &target, "seq 10000", 0, &lines).await;
    })
    .await;
}

#[tokio::test]
async fn a_line_that_is_wrong_or_unfinished_does_not_become_part_of_the_next() {
    in_each(async |shell, server| {
        let target = server.tmux.current().await.unwrap();
        let (wrong, status, says) = match shell {
            "bash" => ("fi", 2, "syntax error"),
            "zsh" => ("fi", 1, "parse error"),
            _ => ("end", 127, "outside of a block"),
        };
        let ran = server.run(&target, wrong).await;
        assert_eq!(ran.status, Some(status), "{ran:?}");
        assert!(ran.output.contains(says), "{ran:?}");
        runs(&server, &target, "echo one", 0, "one\n").await;
        let failure = server.submit(&target, "echo 'open").await.unwrap_err();
        assert!(failure.what.contains("not a whole command"), "{failure:?}");
        runs(&server, &target, "echo two", 0, "two\n").await;
    })
    .await;
}

#[tokio::test]
async fn what_is_interrupted_or_left_in_the_background_is_told() {
    for shell in SHELLS {
        let mut server = dressed(shell, Dress::Plain);
        server.reconfigure(|config| config.run_wait = Duration::from_millis(300));
        let mut notices = server.tmux.notices();
        let target = server.tmux.current().await.unwrap();
        let ran = server.run(&target, "sleep 1000").await;
        assert_eq!((ran.finished, ran.status), (false, None), "{shell}");
        press(&server, &target, Key::Char('c'), true).await;
        let end = async {
            loop {
                match notices.recv().await.unwrap() {
                    Notice::Ended(ran) => return ran.status,
                    // On a busy machine it stands behind "^C" for a while, which is told for others to judge.
                    Notice::Stopped(stop) if stop.line.contains("^C") => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        let status = tokio::time::timeout(Duration::from_secs(20), end).await.unwrap();
        assert_eq!(status, Some(130), "{shell}");
        server.reconfigure(|config| config.run_wait = Duration::from_secs(20));
        let target = server.tmux.find("main").await.unwrap();
        // To fish, starting something in the background is no news.
        runs(&server, &target, "true", 0, "").await;
        let ran = server.run(&target, "sleep 0.1 &").await;
        assert_eq!(ran.status, Some(0), "{shell}: {ran:?}");
        // bash tells of its end before the prompt.
        server.run(&target, "sleep 0.3").await;
        runs(&server, &target, "echo after", 0, "after\n").await;
    }
}

#[tokio::test]
async fn a_shell_inside_of_the_shell_is_told_and_left_with_its_status() {
    in_each(async |shell, server| {
        let target = server.tmux.current().await.unwrap();
        for inner in SHELLS.into_iter().filter(|inner| *inner != shell) {
            let what = done(server.submit(&target, inner).await.unwrap());
            assert_eq!(what, format!("Entered `{inner}` in main; {inner} waits for input there now"));
            server.submit(&target, "echo nested").await.unwrap();
            eventually("its output", || server.screen(&target).contains("\nnested")).await;
            runs(&server, &target, "exit 3", 3, "").await;
        }
        runs(&server, &target, "echo outside", 0, "outside\n").await;
        let what = done(server.submit(&target, "exec bash --norc").await.unwrap());
        assert_eq!(what, "Entered `exec bash --norc` in main; bash waits for input there now");
        server.submit(&target, "echo replaced").await.unwrap();
        eventually("its output", || server.screen(&target).contains("\nreplaced")).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_run_on_a_line_that_holds_something_already() {
    in_each(async |shell, server| {
        let target = server.tmux.current().await.unwrap();
        server.outside(&["send-keys", "-t", &target.pane.0, "-l", "touch witness; "]);
        eventually("the typed text", || server.screen(&target).contains("touch witness;")).await;
        let failure = server.submit(&target, "echo mine").await.unwrap_err();
        assert!(failure.what.contains("held something already"), "{shell}: {failure:?}");
        eventually("our text is gone", || !server.screen(&target).contains("mine")).await;
        assert!(server.screen(&target).contains("touch witness;"));
        assert!(!server.path("home/witness").exists());
        // Somebody typed on: then it is not ours to take back, nor to enter.
        press(&server, &target, Key::Char('u'), true).await;
        server.act(&target, Action::Prepare { text: "echo mine".into() }).await.unwrap();
        server.outside(&["send-keys", "-t", &target.pane.0, "-l", "!"]);
        eventually("the typed text", || server.screen(&target).contains("echo mine!")).await;
        for action in
            [Action::Submit { text: "echo mine".into() }, Action::Erase { text: "echo mine".into() }]
        {
            assert_eq!(server.act(&target, action).await.unwrap_err().kind, FailureKind::Request, "{shell}");
        }
        assert!(server.screen(&target).contains("echo mine!"));
    })
    .await;
}

#[tokio::test]
async fn new_windows_and_panes_are_ready_as_soon_as_they_are_asked_for_something() {
    for (shell, dress) in SHELLS.into_iter().flat_map(|it| [(it, Dress::Plain), (it, Dress::Fancy)]) {
        let server = dressed(shell, dress);
        for round in 0..3 {
            let here = server.tmux.current().await.unwrap();
            server.act(&here, Action::NewWindow { name: None }).await.unwrap();
            let window = server.tmux.current().await.unwrap();
            assert_ne!(window.pane, here.pane);
            runs(&server, &window, &format!("echo window {round}"), 0, &format!("window {round}\n")).await;
        }
        // Nor is the first session the only one that tells.
        let action = Action::NewSession { name: Some("second".into()) };
        let made = server.tmux.perform(&Command { target: None, action }).await.unwrap();
        let Outcome::Session { target, .. } = made else { panic!("{made:?}") };
        runs(&server, &target, "echo second; false", 1, "second\n").await;
    }
}

#[tokio::test]
async fn a_shell_that_is_dressed_up_is_served_like_any_other() {
    for shell in SHELLS {
        let server = dressed(shell, Dress::Fancy);
        let target = server.tmux.current().await.unwrap();
        runs(&server, &target, "echo hello world", 0, "hello world\n").await;
        // What the shell suggests after it is not run.
        runs(&server, &target, "echo hel", 0, "hel\n").await;
        runs(&server, &target, "printf 'no newline'", 0, "no newline").await;
        runs(&server, &target, "false", 1, "").await;
        runs(&server, &target, "printf 'naïve 日本 🎉\\n'", 0, "naïve 日本 🎉\n").await;
        server.act(&target, Action::Insert { text: "echo hello".into() }).await.unwrap();
        server.act(&target, Action::Insert { text: " there".into() }).await.unwrap();
        server.act(&target, Action::Erase { text: " there".into() }).await.unwrap();
        server.act(&target, Action::Erase { text: "echo hello".into() }).await.unwrap();
        let long = format!("echo {}", "word ".repeat(500).trim_end());
        runs(&server, &target, &long, 0, &format!("{}\n", &long["echo ".len()..])).await;
        let failure = server.submit(&target, "echo 'open").await.unwrap_err();
        assert!(failure.what.contains("not a whole command"), "{failure:?}");
        runs(&server, &target, "echo next", 0, "next\n").await;
        // The prompt is the user's own.
        assert!(server.screen(&target).contains("❯"), "{}", server.screen(&target));
    }
}

#[tokio::test]
async fn a_prompt_that_takes_its_time_is_waited_for() {
    for shell in SHELLS {
        let server = dressed(shell, Dress::Slow);
        let target = server.tmux.current().await.unwrap();
        for round in 0..3 {
            runs(&server, &target, &format!("echo {round}"), 0, &format!("{round}\n")).await;
        }
        // What was inserted before the prompt can be taken back behind it.
        server.act(&target, Action::Insert { text: "echo not this".into() }).await.unwrap();
        server.act(&target, Action::Erase { text: "echo not this".into() }).await.unwrap();
        runs(&server, &target, "false", 1, "").await;
    }
}

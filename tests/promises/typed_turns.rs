//! Lines that are typed, or piped in, take the same way as what is said.

use std::fs;

use crate::support::user::{Ran, User, until};

fn lines(user: &User, lines: &str) -> Ran {
    let ran = user.run_with(&["run"], lines.as_bytes());
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran
}

fn sessions(user: &User) -> String {
    user.tmux(&["list-sessions", "-F", "#{session_name}"])
}

#[test]
fn a_whole_conversation_is_piped_in() {
    let user = User::new();
    let ran = lines(
        &user,
        "new session build\nsplit right\nnew window\nrun echo hello\nrun false\nlist sessions\nread that\nhelp\n\
         kill session build\nno\nfrobnicate the widgets\n",
    );
    assert_eq!(sessions(&user), "build");
    assert_eq!(user.tmux(&["list-windows", "-t", "=build:", "-F", "#{window_panes}"]), "2\n1");
    assert!(ran.out.contains("  hello"), "{ran:?}");
    assert!(ran.out.contains("`false` in build: failed with exit status 1"), "{ran:?}");
    assert!(ran.out.contains("Shall I kill session build?"), "{ran:?}");
    assert!(ran.out.contains("I don't know what to do with \"frobnicate the widgets\""), "{ran:?}");
    assert_eq!(user.history().len(), 11);
}

#[test]
fn what_runs_something_unknown_is_asked_first_and_then_done_once() {
    let user = User::new();
    let ran = lines(&user, "run touch once\nconfirm\nconfirm\n");
    assert!(ran.out.contains("? "), "{ran:?}");
    assert!(user.path("home/once").exists(), "{ran:?}");
    assert!(ran.out.contains("Nothing is waiting for an answer."), "{ran:?}");
    let ran = lines(&user, "run touch never\ncancel\nconfirm\n");
    assert!(!user.path("home/never").exists(), "{ran:?}");
    // The end of the input is no yes.
    lines(&user, "run touch never\n");
    assert!(!user.path("home/never").exists());
    let pane = user.tmux(&["capture-pane", "-p", "-t", "=main:"]);
    assert!(!pane.contains("never"), "what was inserted is taken back:\n{pane}");
    let ran = lines(&user, "run rm -rf ~\nconfirm\n");
    assert!(user.path("home").exists() && ran.out.contains("! "), "{ran:?}");
}

#[test]
fn an_answer_that_comes_too_late_does_nothing() {
    let user = User::new();
    user.configure("[safety]\nconfirmation_expires = \"200ms\"\n");
    let mut daemon = user.daemon();
    let asked = user.run(&["do", "run touch never"]);
    assert!(asked.out.contains("confirm"), "{asked:?}");
    until("the question is closed", || {
        user.run(&["status", "--json"]).json()[0]["standing"]["question"].is_null()
    });
    let late = user.run(&["do", "confirm"]);
    assert!(late.out.contains("Nothing is waiting"), "{late:?}");
    assert!(!user.path("home/never").exists());
    daemon.signal("TERM");
    daemon.ended();
}

#[test]
fn a_hostile_session_name_is_a_name() {
    let user = User::new();
    fs::write(user.path("home/precious"), "").unwrap();
    let ran = lines(&user, "new session a.b:c; rm -rf ~ #\nlist sessions\n");
    assert!(user.path("home/precious").exists(), "{ran:?}");
    let names = sessions(&user);
    assert_eq!(names.lines().count(), 1, "{names} {ran:?}");
    assert!(!names.contains([';', '.', ':', '#', '~']) || names.contains("a_b_c"), "{names} {ran:?}");
    // Whatever it is called now, it can be reached by what was said.
    let ran = lines(&user, "kill session a.b:c; rm -rf ~ #\nyes\n");
    assert_eq!(sessions(&user), "", "{ran:?}");
    assert!(user.path("home/precious").exists());
}

#[test]
fn ten_thousand_words_are_answered_and_not_run() {
    let user = User::new();
    let many = format!("run {}\nlist sessions\n", "word ".repeat(10_000));
    let ran = lines(&user, &many);
    assert!(ran.out.lines().next().is_some_and(|line| line.starts_with(['?', '!'])), "{:.300}", ran.out);
    assert!(ran.out.len() < 20_000, "the answer is short: {} bytes", ran.out.len());
    assert_eq!(user.history().len(), 2);
}

#[test]
fn of_a_line_that_is_too_long_not_even_the_end_is_done() {
    let user = User::new();
    let mebibyte = "x".repeat(1 << 20);
    let input =
        format!("{mebibyte}new session owned\nnew session mine\n{mebibyte}{mebibyte}new session owned");
    let ran = lines(&user, &input);
    assert_eq!(sessions(&user), "mine", "{ran:?}");
    assert_eq!(ran.err.matches("too long").count(), 2, "{ran:?}");
    assert_eq!(user.history().len(), 1);
}

#[test]
fn words_of_another_recogniser_are_taken_as_spoken() {
    let user = User::new();
    let spoken = "Run echo hello dash there.";
    let meaning =
        |words: &[&str]| user.run(&[&["interpret", "--json"], words].concat()).json()[0]["command"].clone();
    assert_eq!(meaning(&["--spoken", spoken]), "echo hello -there");
    assert_ne!(meaning(&[spoken]), "echo hello -there", "what is typed is kept to the letter");
    // Alone, and through a running one.
    let done = user.run(&["do", "--spoken", spoken]);
    assert!(done.code() == 0 && done.out.contains("hello -there"), "{done:?}");
    let _daemon = user.daemon();
    let done = user.run(&["do", "--spoken", spoken]);
    assert!(done.code() == 0 && done.out.contains("hello -there"), "{done:?}");
    assert_eq!(user.history()[0]["text"], spoken);
}

#[test]
fn odd_bytes_do_no_harm() {
    let user = User::new();
    let odd = [
        &b"\xff\xfe list sessions\n"[..],
        b"list\0sessions\n",
        b"\x1b]0;owned\x07list sessions\n",
        b"run echo \x1b[201~; touch owned\n",
        b"\n\n   \n",
        b"list sessions\r\n",
        b"list sessions",
    ]
    .concat();
    let ran = user.run_with(&["run"], &odd);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(!user.path("home/owned").exists());
    assert!(!ran.out.contains('\u{1b}') && !ran.out.contains('\u{7}'), "{ran:?}");
    // The last line has no newline, and counts.
    assert!(user.history()[0]["text"].as_str().unwrap().contains("list sessions"));
}

#[test]
fn any_shell_or_none_will_do() {
    for shell in [
        Some("/bin/bash"),
        Some("/bin/zsh"),
        Some("/usr/bin/fish"),
        Some("/bin/sh"),
        Some("/nonexistent/fish"),
        None,
    ] {
        let mut user = User::new();
        match shell {
            Some(shell) => user.set("SHELL", shell),
            None => user.unset("SHELL"),
        }
        let ran = lines(&user, "run echo hel''lo\nrun pwd\n");
        if shell == Some("/bin/sh") {
            // It has no way to tell the end of a command, and that is said.
            assert_eq!(ran.out.matches("I can't see its end there").count(), 2, "{ran:?}");
            until("both have run", || user.tmux(&["capture-pane", "-p", "-t", "=main:"]).contains("hello"));
            continue;
        }
        let home = user.path("home");
        assert!(ran.out.contains("hello") && ran.out.contains(home.to_str().unwrap()), "{shell:?}: {ran:?}");
        assert_eq!(ran.out.matches(": done in").count(), 2, "{shell:?}: {ran:?}");
    }
}

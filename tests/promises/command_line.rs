//! Every command does its job, ends with the exit code that scripts depend on, and says what is wrong
//! in one line with a remedy.

use crate::support::user::{Ran, User, until};

/// One line that says what, one that says what to do.
fn complaint(ran: &Ran, code: i32) -> String {
    assert_eq!(ran.code(), code, "{ran:?}");
    assert!(ran.out.is_empty(), "{ran:?}");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(lines.len() == 2, "{ran:?}");
    assert!(lines[0].starts_with("voice-terminal: ") && lines[1].starts_with("  → "), "{ran:?}");
    ran.err.clone()
}

#[test]
fn help_names_the_commands_that_there_are() {
    let user = User::new();
    let help = user.run(&["--help"]);
    assert_eq!(help.code(), 0);
    for command in [
        "run",
        "daemon",
        "hear",
        "transcribe",
        "interpret",
        "do",
        "history",
        "status",
        "breakers",
        "models",
        "config",
        "doctor",
        "simulate",
        "say",
    ] {
        let listed = help.out.lines().any(|line| line.trim_start().starts_with(&format!("{command} ")));
        assert!(listed, "{command} is not in:\n{}", help.out);
        let own = user.run(&[command, "--help"]);
        assert_eq!(own.code(), 0, "{command}: {own:?}");
        assert!(own.out.contains("Usage:"), "{command}: {own:?}");
    }
    assert!(!help.out.contains("worker"), "a part of the program is no command:\n{}", help.out);
    assert!(user.run(&["--version"]).out.starts_with("voice-terminal "));
}

#[test]
fn wrong_usage_is_told_and_ends_with_2() {
    let user = User::new();
    for wrong in [
        &["frobnicate"][..],
        &["hear"],
        &["transcribe"],
        &["history", "--limit", "many"],
        &["breakers", "set", "journal"],
        &["--nonsense"],
        &["do"],
        &["say"],
        &["interpret"],
    ] {
        let ran = user.run(wrong);
        assert_eq!(ran.code(), 2, "{wrong:?}: {ran:?}");
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{wrong:?}: {ran:?}");
    }
}

#[test]
fn what_cannot_be_done_is_told_in_a_line_with_a_remedy() {
    let user = User::new();
    for asked in [&["status"][..], &["breakers"], &["breakers", "reset", "journal"]] {
        let said = complaint(&user.run(asked), 1);
        assert!(said.contains("not running") && said.contains("start it"), "{said}");
    }
    let said = complaint(&user.run(&["models", "fetch", "large-v9"]), 1);
    assert!(said.contains("large-v9") && said.contains("tiny.en"), "{said}");
    let said = complaint(&user.run(&["simulate", "no-such"]), 2);
    assert!(said.contains("whisper-outage"), "{said}");
    let said = complaint(&user.run(&["hear", "/nonexistent.wav"]), 1);
    assert!(said.contains("/nonexistent.wav"), "{said}");
}

#[test]
fn a_meaning_is_told_and_nothing_is_done() {
    let user = User::new();
    let told = user.run(&["interpret", "--json", "kill", "session", "build"]);
    assert_eq!(told.code(), 0, "{told:?}");
    let meaning = &told.json()[0];
    assert_eq!(meaning["intent"], "kill_session", "{meaning:#}");
    assert_ne!(meaning["verdict"], "allow", "{meaning:#}");
    assert!(user.run(&["interpret", "run rm -rf ~"]).out.to_lowercase().contains("refuse"));
    assert_eq!(user.tmux(&["list-sessions"]), "", "nothing was started");
}

#[test]
fn whatever_prints_data_prints_it_as_json_too() {
    let user = User::new();
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    let _daemon = user.daemon();
    for asked in [
        &["status", "--json"][..],
        &["breakers", "--json"],
        &["history", "--json"],
        &["models", "--json"],
        &["config", "show", "--json"],
        &["doctor", "--json"],
        &["interpret", "--json", "list sessions"],
        &["do", "--json", "list sessions"],
        &["simulate", "--json", "background-errors"],
    ] {
        let ran = user.run(asked);
        assert!(matches!(ran.code(), 0 | 1), "{asked:?}: {ran:?}");
        assert!(!ran.json().is_empty(), "{asked:?}: {ran:?}");
    }
}

#[test]
fn a_verdict_can_be_tried_with_doubt_and_nothing_is_done() {
    let user = User::new();
    let verdict =
        |words: &[&str]| user.run(&[&["interpret", "--json"], words].concat()).json()[0]["verdict"].clone();
    assert_eq!(verdict(&["kill session build"]), "confirm");
    assert_eq!(verdict(&["--confidence", "0.1", "kill session build"]), "refuse");
    assert_eq!(verdict(&["split right"]), "allow");
    assert_eq!(verdict(&["--confidence", "0.1", "split right"]), "confirm");
    assert_eq!(verdict(&["--degraded", "split right"]), "confirm");
    assert_eq!(verdict(&["--confidence", "1", "split right"]), "allow");
    let wrong = user.run(&["interpret", "--confidence", "1.5", "split right"]);
    assert!(wrong.code() == 2 && wrong.err.contains("a number from 0 to 1"), "{wrong:?}");
    assert_eq!(user.tmux(&["list-sessions"]), "", "nothing was begun");
}

#[test]
fn what_was_said_is_found_in_the_history() {
    let user = User::new();
    for line in ["new session build", "run echo a needle in the hay", "list sessions"] {
        assert_eq!(user.run(&["do", line]).code(), 0, "{line}");
    }
    let found = user.run(&["history", "--search", "needle", "--json"]).json();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["text"], "run echo a needle in the hay");
    assert!(found[0]["outcome"].to_string().contains("a needle in the hay"), "{:#}", found[0]);
    assert_eq!(user.run(&["history", "--limit", "1", "--json"]).json().len(), 1);
    assert!(user.run(&["history"]).out.contains("new session build"));
}

#[test]
fn the_doctor_names_what_is_missing_with_its_remedy() {
    let user = User::without_models();
    let told = user.run(&["doctor"]);
    assert_eq!(told.code(), 1, "{told:?}");
    assert!(told.out.contains("✗ recogniser") && told.out.contains("models fetch"), "{told:?}");
    assert!(told.out.contains("✓ tmux") && told.out.contains("✓ history"), "{told:?}");
    assert!(told.out.contains("microphone"), "{told:?}");
}

#[test]
fn a_daemon_tells_what_happens_to_whoever_reads_it_as_json() {
    let user = User::new();
    let mut daemon = user.start(&["daemon", "--json"]);
    until("it can be reached", || user.run(&["status"]).status.success());
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    daemon.until("\"event\":\"replied\"");
    daemon.signal("TERM");
    assert!(daemon.ended().success());
    let said = daemon.said();
    let events: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    let mut after = kinds.iter();
    // The mode changes when it is known that nobody can be heard, which may be at any time.
    assert!(kinds.contains(&"mode_changed"), "{kinds:?}");
    for kind in ["heard", "understood", "acting", "replied"] {
        assert!(after.any(|other| *other == kind), "{kind} in {kinds:?}");
    }
}

//! What is said into the microphone is done in tmux.
//!
//! The whole program, a real sound server, a real recogniser, a real tmux; from outside.

use crate::support::pulse::Pulse;
use crate::support::spoken::say;
use crate::support::user::{User, until};

fn sessions(user: &User) -> Vec<String> {
    let mut names: Vec<String> =
        user.tmux(&["list-sessions", "-F", "#{session_name}"]).lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn a_spoken_command_is_done_and_recorded() {
    let mut user = User::new();
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    pulse.play(&say(&user.path("home"), "new session build"));
    until("the session is there", || sessions(&user).contains(&"build".to_owned()));
    // The answer, indented; the words that were heard are the same.
    daemon.until("  New session build.");

    let history = user.history();
    let record = &history[0];
    assert_eq!(record["origin"], "microphone", "{record:#}");
    let transcript = record["transcript"]["text"].as_str().unwrap().to_lowercase();
    assert!(transcript.contains("new session build"), "{record:#}");
    assert_eq!(record["interpretation"]["intent"], "new_session", "{record:#}");
    assert!(record["reply"]["text"].as_str().unwrap().contains("build"), "{record:#}");

    daemon.signal("TERM");
    assert!(daemon.ended().success());
    // The terminal is the user's own, and stays.
    assert!(sessions(&user).contains(&"build".to_owned()));
    assert_eq!(user.history().len(), history.len(), "the history survives");
}

#[test]
fn what_ends_something_is_asked_first_and_answered_by_voice_or_by_keyboard() {
    let mut user = User::new();
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    for name in ["build", "notes"] {
        assert!(user.run(&["do", &format!("new session {name}")]).status.success());
    }
    daemon.until("Listening.");
    let home = user.path("home");

    pulse.play(&say(&home, "kill session build"));
    daemon.until("Shall I kill session build?");
    assert!(sessions(&user).contains(&"build".to_owned()), "nothing is done before the answer");
    pulse.play(&say(&home, "confirm"));
    daemon.until("Killed session build");
    assert!(!sessions(&user).contains(&"build".to_owned()));

    pulse.play(&say(&home, "kill session notes"));
    daemon.until("Shall I kill session notes?");
    pulse.play(&say(&home, "no"));
    until("the question is closed", || {
        user.run(&["status", "--json"]).json()[0]["standing"]["question"].is_null()
    });
    assert!(sessions(&user).contains(&"notes".to_owned()));

    pulse.play(&say(&home, "kill session notes"));
    daemon.until_times("Shall I kill session notes?", 2);
    let answer = user.run(&["do", "yes"]);
    assert!(answer.status.success(), "{answer:?}");
    assert!(!sessions(&user).contains(&"notes".to_owned()));
}

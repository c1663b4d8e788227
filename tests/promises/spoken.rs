//! What is said into the microphone is done in tmux.
//!
//! The whole program, a real sound server, a real recogniser, a real tmux; from outside.

use std::path::Path;
use std::time::Duration;

use crate::support::pulse::Pulse;
use crate::support::recordings::{path, sox};
use crate::support::spoken::{say, says_until};
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
    assert!(record["speech_seconds"].as_f64().unwrap() > 0.5, "{record:#}");
    for complete in ["id", "at", "text", "command", "outcome"] {
        assert!(!record[complete].is_null(), "{complete}: {record:#}");
    }
    assert!(record["abandoned"].is_null(), "{record:#}");

    daemon.signal("TERM");
    assert!(daemon.ended().success());
    // The terminal is the user's own, and stays.
    assert!(sessions(&user).contains(&"build".to_owned()));
    assert_eq!(user.history().len(), history.len(), "the history survives");
}

#[test]
fn one_command_after_the_other_is_done_in_order() {
    let mut user = User::new();
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    assert!(user.run(&["do", "new session build"]).status.success());
    daemon.until("Listening.");
    let home = user.path("home");
    let panes = || user.tmux(&["list-panes", "-t", "=build:", "-F", "#{pane_top} #{pane_left}"]);
    assert_eq!(panes(), "0 0");
    // The second is said while the first is being recognised and done: after a breath. Its answer must
    // not be spoken into the second, which would then not be heard.
    let both = home.join("both.wav");
    let (down, left) = (say(&home, "split down"), say(&home, "split left"));
    let first = home.join("first.wav");
    sox(&[path(&down), path(&first), "pad", "0", "0.7"]);
    sox(&[path(&first), path(&left), path(&both)]);
    pulse.play(&both);
    until("there are three panes", || panes().lines().count() == 3);
    let places = panes();
    assert!(places.lines().any(|place| !place.starts_with("0 ")), "one is below: {places}");
    assert!(places.lines().any(|place| !place.ends_with(" 0")), "one is beside another: {places}");
    let history = user.history();
    let meanings: Vec<_> = history.iter().map(|record| &record["interpretation"]["direction"]).collect();
    assert_eq!(meanings[..2], ["left", "down"], "{history:#?}");
}

/// Words of one voice with silence between them.
fn with_a_pause(user: &User, words: [&str; 2], seconds: &str) -> std::path::PathBuf {
    let home = user.path("home");
    let [first, second] = words.map(|words| say(&home, words));
    let (waits, both) = (home.join("waits.wav"), home.join("both.wav"));
    sox(&[path(&first), path(&waits), "pad", "0", seconds]);
    sox(&[path(&waits), path(&second), path(&both)]);
    both
}

#[test]
fn parts_are_told_while_one_speaks_and_whoever_has_said_run_may_take_a_breath() {
    let mut user = User::new();
    // Three times as long as usual, so that a busy machine knows in time what was said.
    user.configure("[audio.endpoint]\ntrailing_silence = \"2s\"\nlong_silence = \"3600ms\"\n");
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.start(&["--json", "daemon"]);
    daemon.until("\"mode\":\"voice\"");
    daemon.until("loading tiny.en");
    // A sentence comes while it is being said.
    let heard = || daemon.said().matches("\"event\":\"heard\"").count();
    let long = say(&user.path("home"), "run echo this is a long line that takes a while to say aloud");
    let mut playing = pulse.playing(&long);
    until("a part of it is told", || daemon.said().contains("\"event\":\"partial\""));
    assert_eq!(heard(), 0, "{}", daemon.said());
    assert!(playing.wait().unwrap().success());
    until("it is heard", || heard() == 1);
    until("it is answered", || daemon.said().contains("\"event\":\"replied\""));
    // "Run" alone is no command, so that a breath that would end one doesn't end it.
    let recording = with_a_pause(&user, ["run", "git status"], "2");
    let is_one = || {
        let before = heard();
        pulse.play(&recording);
        until("it is heard", || heard() > before);
        std::thread::sleep(Duration::from_secs(6));
        heard() == before + 1
    };
    assert!((0..4).any(|_| is_one()), "{}", daemon.said());
}

#[test]
fn at_a_terminal_one_speaks_and_types_in_turn() {
    let mut user = User::new();
    user.without_voice();
    let pulse = Pulse::start(&mut user);
    let mut console = user.console();
    console.until("Listening.");
    let home = user.path("home");
    pulse.play(&say(&home, "new session build"));
    console.until("  New session build.");
    pulse.play(&say(&home, "kill session build"));
    console.until("Shall I kill session build?");
    assert!(sessions(&user).contains(&"build".to_owned()), "nothing is done before the answer");
    console.enter("yes\r");
    console.until("Killed session build");
    assert!(!sessions(&user).contains(&"build".to_owned()));
    console.enter("new session notes\r");
    console.until("New session notes.");
    pulse.play(&say(&home, "what is notes doing"));
    until("the third spoken turn is over", || {
        !user.history()[0]["reply"].is_null() && user.history().len() == 5
    });
    console.enter("\u{4}");
    assert!(console.ended().success(), "{}", console.said());
    let origins: Vec<_> = user.history().iter().map(|record| record["origin"].clone()).collect();
    assert_eq!(origins, ["microphone", "typed", "typed", "microphone", "microphone"]);
}

#[test]
fn what_ends_something_is_asked_first_and_answered_by_voice_or_by_keyboard() {
    let mut user = User::new();
    user.without_voice();
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

#[test]
fn what_is_asked_aloud_is_answered_aloud() {
    let mut user = User::new();
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    assert!(user.run(&["do", "new session build"]).status.success());
    daemon.until("Listening.");
    let home = user.path("home");
    let (kill, confirm) = (say(&home, "kill session build"), say(&home, "confirm"));
    // Before it knows the room it doesn't listen while it speaks; whoever isn't heard says it again.
    let persist = |wav: &Path, what: &str, is_so: &dyn Fn() -> bool| {
        let came = says_until(10, Duration::from_secs(3), || pulse.play(wav), is_so);
        assert!(came, "it never came to this: {what}");
    };
    persist(&kill, "it asks", &|| daemon.said().contains("Shall I kill session build?"));
    persist(&confirm, "it is done", &|| !sessions(&user).contains(&"build".to_owned()));
    daemon.until("Killed session build");
}

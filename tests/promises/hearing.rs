//! A recording goes the whole way of a spoken command.

use crate::support::recordings::{path, sox, wavs};
use crate::support::spoken::say;
use crate::support::user::User;

#[test]
fn a_recording_is_done_as_if_it_were_spoken() {
    let user = User::new();
    let home = user.path("home");
    let (new, list) = (say(&home, "new session build"), say(&home, "list sessions"));
    let ran = user.run(&["hear", path(&new), path(&list)]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(user.tmux(&["list-sessions", "-F", "#{session_name}"]).contains("build"), "{ran:?}");
    assert!(ran.out.to_lowercase().contains("you: new session build"), "{ran:?}");
    assert!(ran.out.contains("* build"), "{ran:?}");
    let history = user.history();
    assert_eq!(history[0]["origin"], "recording", "{:#}", history[0]);
    assert!(history[0]["speech_seconds"].as_f64().unwrap() > 0.5);
}

#[test]
fn a_word_that_is_said_once_is_heard_once() {
    let user = User::new();
    let home = user.path("home");
    for word in ["yes", "no", "stop", "status", "confirm", "help"] {
        let ran = user.run(&["transcribe", path(&say(&home, word))]);
        let heard: String = ran.out.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect();
        assert_eq!(heard, word, "{ran:?}");
    }
}

#[test]
fn the_recording_that_comes_with_it_lists_the_sessions() {
    let user = User::new();
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/list-sessions.wav");
    let ran = user.run(&["hear", "--json", recording]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    let events = ran.json();
    let of = |name: &str| events.iter().find(|event| event["event"] == name).cloned().unwrap_or_default();
    assert!(
        of("transcribed")["transcript"]["text"].as_str().unwrap().to_lowercase().contains("list sessions")
    );
    assert_eq!(of("understood")["interpretation"]["intent"], "list_sessions");
    assert!(of("replied")["reply"]["text"].is_string());
}

#[test]
fn speech_that_says_nothing_is_told_as_such() {
    let user = User::new();
    let home = user.path("home");
    let (silence, noise) = (home.join("silence.wav"), home.join("noise.wav"));
    for (file, sound, volume) in [(&silence, "sine", "0"), (&noise, "pinknoise", "0.2")] {
        sox(&["-n", "-r", "16000", "-c", "1", "-b", "16", path(file), "synth", "5", sound, "vol", volume]);
        let ran = user.run(&["hear", path(file)]);
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(ran.err.contains("nobody speaks in it"), "{ran:?}");
    }
    // A voice without words: vowels, backwards and cut up.
    let murmur = home.join("murmur.wav");
    let hum = say(&home, "mmm mmm mmm");
    sox(&[path(&hum), path(&murmur), "lowpass", "300", "norm", "-3"]);
    let ran = user.run(&["hear", path(&murmur)]);
    assert!(matches!(ran.code(), 0 | 1), "{ran:?}");
    let said = format!("{}{}", ran.out, ran.err);
    assert!(
        said.contains("you: ") || said.contains("nobody speaks in it"),
        "it is told either way: {said:?}"
    );
    assert_eq!(user.tmux(&["list-sessions"]), "", "nothing was done");
}

#[test]
fn a_damaged_file_costs_only_itself() {
    let user = User::new();
    let home = user.path("home");
    let list = say(&home, "list sessions");
    let text = home.join("notes.wav");
    std::fs::write(&text, "Buy milk.").unwrap();
    let ran = user.run(&["hear", path(&text), "/nonexistent.wav", path(&list)]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.err.contains("notes.wav") && ran.err.contains("/nonexistent.wav"), "{ran:?}");
    assert!(ran.out.to_lowercase().contains("you: list sessions"), "{ran:?}");
}

#[test]
fn speech_becomes_text_one_line_a_file() {
    let user = User::new();
    let files = wavs();
    let ran = user.run(&["transcribe", path(&files[0]), path(&files[6])]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(
        lines[0].to_lowercase().contains("10 of") || lines[0].to_lowercase().contains("ten of"),
        "{ran:?}"
    );
    assert!(lines[1].to_lowercase().contains("young man"), "{ran:?}");
}

//! What is answered is spoken, by the best voice that works, and never takes its own voice for a command.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::models;
use crate::support::pulse::Pulse;
use crate::support::recordings::path;
use crate::support::spoken::say;
use crate::support::user::{User, until};

/// What Whisper hears in a file.
fn heard(user: &User, wav: &Path) -> String {
    let ran = user.run(&["transcribe", path(wav)]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran.out.to_lowercase()
}

/// A user with the pinned voice.
async fn user() -> User {
    models::model("joe").await;
    let mut user = User::new();
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    user
}

#[tokio::test]
async fn every_voice_can_be_understood() {
    let user = user().await;
    let out = user.path("home/said.wav");
    for voice in ["local-neural", "local-fast"] {
        let text = "The session is ready. Twelve tests passed, three failed.";
        let ran =
            user.run(&["--set", &format!("speech.tts.chain={voice}"), "say", text, "--out", path(&out)]);
        assert_eq!(ran.code(), 0, "{ran:?}");
        let heard = heard(&user, &out);
        for word in ["session", "ready", "12 test", "failed"] {
            // The plain voice is hard to follow for a small recogniser.
            assert!(heard.contains(word) || voice == "local-fast", "{voice}: {heard}");
        }
        assert!(heard.contains("12 test") && heard.contains("failed"), "{voice}: {heard}");
    }
    let ran = user.run(&["say", "   "]);
    assert_eq!(ran.code(), 2, "{ran:?}");
    let ran = user.run(&["say", "hello", "--out", "/nonexistent/x.wav"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
}

#[tokio::test]
async fn the_lines_of_an_input_are_said_and_timed() {
    let user = user().await;
    let out = user.path("home/said.wav");
    let ran = user.run_with(
        &["--json", "say", "--out", path(&out), "-"],
        b"The session is ready.\n\nTwelve tests passed. Three failed.\n",
    );
    assert_eq!(ran.code(), 0, "{ran:?}");
    let told = ran.json();
    let texts: Vec<_> = told.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["The session is ready.", "Twelve tests passed. Three failed."]);
    let seconds = |line: &serde_json::Value, field: &str| {
        line[field]["secs"].as_f64().unwrap() + line[field]["nanos"].as_f64().unwrap() / 1e9
    };
    for line in &told {
        assert_eq!(line["tiers"], serde_json::json!(["local-neural"]), "{line}");
        assert!(seconds(line, "first") > 0.0 && seconds(line, "first") <= seconds(line, "took"), "{line}");
    }
    // It has two clauses, and all of it is in the file.
    assert!(seconds(&told[1], "first") < seconds(&told[1], "took"), "{told:?}");
    let length: f64 = told.iter().map(|line| seconds(line, "length")).sum();
    let written = (fs::metadata(&out).unwrap().len() - 44) as f64 / 2.0 / 22_050.0;
    assert!((length - written).abs() < 0.01, "{length} {written}");
}

#[tokio::test]
async fn a_reply_is_heard_from_the_loudspeaker() {
    let mut user = user().await;
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let wav = user.path("home/heard.wav");
    let recording = pulse.record(&wav);
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    std::thread::sleep(Duration::from_secs(4));
    recording.end();
    let heard = heard(&user, &wav);
    assert!(heard.contains("new session"), "{heard}");
    assert!(!daemon.said().contains('!'), "{}", daemon.said());
}

#[tokio::test]
async fn its_own_voice_is_no_command() {
    let mut user = user().await;
    let pulse = Pulse::start(&mut user);
    pulse.join();
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    // Its answers are full of words that are commands.
    for line in ["new session build", "help", "list sessions", "what is build doing", "kill session build"] {
        assert!(matches!(user.run(&["do", line]).code(), 0 | 1), "{line}");
        std::thread::sleep(Duration::from_secs(5));
    }
    let spoken: Vec<_> =
        user.history().into_iter().filter(|record| record["origin"] == "microphone").collect();
    assert!(spoken.is_empty(), "{spoken:#?}\n{}", daemon.said());
    // A person is heard all the same, once it is silent.
    assert_eq!(user.run(&["do", "no"]).code(), 0);
    std::thread::sleep(Duration::from_secs(8));
    pulse.play(&say(&user.path("home"), "list sessions"));
    until("the person is heard", || {
        daemon
            .said()
            .lines()
            .any(|line| line.starts_with("you: ") && line.to_lowercase().contains("sessions"))
    });
}

#[tokio::test]
async fn whoever_types_is_not_talked_over() {
    let mut user = user().await;
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let wav = user.path("home/heard.wav");
    let recording = pulse.record(&wav);
    // Some fifteen seconds of speech.
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    assert_eq!(user.run(&["do", "run echo one two three four five six seven eight nine ten"]).code(), 0);
    assert_eq!(user.run(&["do", "read that"]).code(), 0);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(user.run(&["do", "cancel"]).code(), 0);
    std::thread::sleep(Duration::from_secs(3));
    recording.end();
    let heard = heard(&user, &wav);
    assert!(heard.contains("nothing is waiting"), "the last answer is heard: {heard}");
}

#[tokio::test]
async fn without_the_neural_voice_a_simpler_one_speaks_and_without_any_it_is_printed() {
    let mut user = User::without_models();
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    let out = user.path("home/said.wav");
    let ran = user.run(&["say", "hello there", "--out", path(&out)]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.err.contains("local-fast speaks instead"), "{ran:?}");
    assert!(fs::metadata(&out).unwrap().len() > 10_000);

    // Without espeak-ng there is no voice at all.
    let bin = user.path("bin");
    fs::create_dir(&bin).unwrap();
    for program in ["bash", "sh", "env", "tmux"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
        symlink(String::from_utf8(found.stdout).unwrap().trim(), bin.join(program)).unwrap();
    }
    user.set("PATH", path(&bin));
    let ran = user.run(&["say", "hello there", "--out", path(&out)]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.err.contains("espeak-ng") && ran.err.contains("apt install"), "{ran:?}");
    let mut daemon = user.daemon();
    for line in ["new session build", "list sessions"] {
        assert_eq!(user.run(&["do", line]).code(), 0);
    }
    daemon.until("espeak-ng");
    assert!(daemon.said().contains("* build"), "{}", daemon.said());
    assert_eq!(
        daemon.said().matches("! espeak-ng").count() + daemon.said().matches("! Espeak-ng").count(),
        1
    );
}

#[tokio::test]
async fn without_a_loudspeaker_replies_are_printed_and_that_is_said_once() {
    let user = user().await;
    let mut daemon = user.daemon();
    for line in ["new session build", "list sessions", "new session notes"] {
        assert_eq!(user.run(&["do", line]).code(), 0);
    }
    daemon.until("oudspeaker");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(daemon.said().matches("oudspeaker was found").count(), 1, "{}", daemon.said());
    user.configure("[audio]\noutput = \"none\"\n");
    daemon.until("in force now: audio");
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
}

#[tokio::test]
async fn a_speech_server_is_used_and_left_when_it_fails() {
    let user = user().await;
    let out = user.path("home/said.wav");
    let wav = fs::read(say(&user.path("home"), "hello from the server")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("speech.tts.coqui=http://{}", listener.local_addr().unwrap());
    let (asked, asks) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            asked.send(String::from_utf8_lossy(&request[..length]).into_owned()).unwrap();
            let head = |status: &str, length: usize| {
                format!(
                    "HTTP/1.1 {status}\r\nContent-Type: audio/wav\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                )
            };
            // A peer that has gone is part of the play.
            let _ = match n {
                0 => stream.write_all(&[head("200 OK", wav.len()).as_bytes(), &wav].concat()),
                1 => stream.write_all(head("500 Internal Server Error", 0).as_bytes()),
                2 => stream.write_all(&[head("200 OK", 9).as_bytes(), b"not sound"].concat()),
                _ => {
                    std::thread::sleep(Duration::from_secs(30));
                    Ok(())
                }
            };
        }
    });
    let chain = "speech.tts.chain=local-coqui,local-fast";
    let speak = || user.run(&["--set", chain, "--set", &address, "say", "a b & c?", "--out", path(&out)]);
    let ran = speak();
    assert_eq!(ran.code(), 0, "{ran:?}");
    let asked = asks.recv().unwrap();
    assert!(asked.starts_with("GET /api/tts?text=a+B+and+C%3F HTTP/1.1"), "{asked}");
    assert!(ran.err.is_empty() && heard(&user, &out).contains("server"), "{ran:?}");
    for _ in 0..3 {
        let began = Instant::now();
        let ran = speak();
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(ran.err.contains("local-fast speaks instead"), "{ran:?}");
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    }
    let ran = user.run(&[
        "--set",
        chain,
        "--set",
        "speech.tts.coqui=http://tts.example",
        "say",
        "secret",
        "--out",
        path(&out),
    ]);
    assert!(ran.err.contains("local-fast speaks instead"), "nothing leaves the machine: {ran:?}");
}

#[tokio::test]
async fn a_sound_server_that_dies_while_it_speaks_is_taken_up_again() {
    let mut user = user().await;
    let mut pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    assert_eq!(user.run(&["do", "help"]).code(), 0);
    std::thread::sleep(Duration::from_millis(1200));
    pulse.kill();
    daemon.until("Text mode");
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    pulse.begin();
    daemon.until("I hear you again");
    let wav = user.path("home/heard.wav");
    let recording = pulse.record(&wav);
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
    std::thread::sleep(Duration::from_secs(5));
    recording.end();
    let heard = heard(&user, &wav);
    assert!(heard.contains("build"), "{heard} {}", daemon.said());
}

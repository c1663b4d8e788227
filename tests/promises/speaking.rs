//! What is answered is spoken, by the best voice that works, and never takes its own voice for a command.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::models;
use crate::support::pulse::Pulse;
use crate::support::recordings::path;
use crate::support::speech_server::{Answer, SpeechServer};
use crate::support::spoken::{is_heard_at_last, say};
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
    // Even one that has a single clause is there in part before it is there as a whole, and all of it is in the file.
    for line in &told {
        assert!(seconds(line, "first") < seconds(line, "took"), "{line}");
    }
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
    let (meter, asked) = (pulse.meter("speaker"), Instant::now());
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    meter.has_spoken_since(asked);
    recording.end();
    let heard = heard(&user, &wav);
    assert!(heard.contains("new session"), "{heard}");
    assert!(!daemon.said().contains('!'), "{}", daemon.said());
}

#[tokio::test]
async fn it_is_as_loud_as_is_wanted() {
    let mut user = user().await;
    let pulse = Pulse::start(&mut user);
    let loudest = |volume: &str| {
        let wav = user.path("home").join(format!("at-{volume}.wav"));
        let recording = pulse.record(&wav);
        let ran = user.run(&["--set", &format!("audio.volume={volume}"), "say", "The session is ready."]);
        assert_eq!(ran.code(), 0, "{ran:?}");
        std::thread::sleep(Duration::from_millis(500));
        recording.end();
        let bytes = fs::read(&wav).unwrap();
        let (samples, _) = bytes[44..].as_chunks::<2>();
        samples.iter().map(|sample| i16::from_le_bytes(*sample).unsigned_abs()).max().map_or(0.0, f64::from)
    };
    let (full, quarter, none) = (loudest("1.0"), loudest("0.25"), loudest("0.0"));
    assert!((0.2..0.3).contains(&(quarter / full)), "{full} {quarter}");
    assert!(full > 3000.0 && none < 10.0, "{full} {none}");
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
    let spoken = user.spoken();
    assert!(spoken.is_empty(), "{spoken:#?}\n{}", daemon.said());
    // A person is heard all the same, once it is silent.
    let (meter, asked) = (pulse.meter("speaker"), Instant::now());
    assert_eq!(user.run(&["do", "no"]).code(), 0);
    meter.has_spoken_since(asked);
    is_heard_at_last(&pulse, &say(&user.path("home"), "list sessions"), "sessions", &daemon);
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
    let (meter, asked) = (pulse.meter("speaker"), Instant::now());
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
    meter.has_spoken_since(asked);
    recording.end();
    // Whisper writes small numbers either way.
    let heard = heard(&user, &wav).replace("1 session", "one session");
    assert!(heard.contains("one session"), "the last answer is heard: {heard}\n{}", daemon.said());
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
    for program in ["bash", "sh", "env", "sleep", "tmux"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
        symlink(String::from_utf8(found.stdout).unwrap().trim(), bin.join(program)).unwrap();
    }
    user.set("PATH", path(&bin));
    let ran = user.run(&["say", "hello there", "--out", path(&out)]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.err.contains("espeak-ng") && ran.err.contains("apt install"), "{ran:?}");
    let mut daemon = user.daemon();
    for line in ["new session build", "list sessions"] {
        let ran = user.run(&["do", line]);
        assert_eq!(ran.code(), 0, "{ran:?}");
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
    let server = SpeechServer::start(move |number, _| match number {
        0 => Answer::Sound(wav.clone()),
        1 => Answer::Status("500 Internal Server Error"),
        2 => Answer::Rubbish,
        3 => Answer::Half(wav.clone()),
        _ => Answer::Silence,
    });
    let address = format!("speech.tts.coqui={}", server.address);
    let chain = "speech.tts.chain=local-coqui,local-fast";
    let speak = || user.run(&["--set", chain, "--set", &address, "say", "a b & c?", "--out", path(&out)]);
    let ran = speak();
    assert_eq!(ran.code(), 0, "{ran:?}");
    let asked = server.asked.recv().unwrap();
    assert_eq!(asked, "GET /api/tts?text=a+B+and+C%3F HTTP/1.1");
    assert!(ran.err.is_empty() && heard(&user, &out).contains("server"), "{ran:?}");
    for _ in 0..4 {
        let began = Instant::now();
        let ran = speak();
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(ran.err.contains("local-fast speaks instead"), "{ran:?}");
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
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
async fn a_voice_that_fails_in_mid_reply_hands_over_and_nothing_is_said_twice() {
    hands_over_in_mid_reply(|| Answer::Status("503 Busy"), Duration::from_secs(3)).await;
}

#[tokio::test]
async fn a_voice_that_is_late_in_mid_reply_hands_over_after_three_seconds() {
    hands_over_in_mid_reply(|| Answer::Silence, Duration::from_secs(6)).await;
}

async fn hands_over_in_mid_reply(trouble: fn() -> Answer, within: Duration) {
    let user = user().await;
    let out = user.path("home/said.wav");
    let source = say(&user.path("home"), "this is the server");
    let wav = fs::read(&source).unwrap();
    let server =
        SpeechServer::start(
            move |_, line| {
                if line.contains("Second") { trouble() } else { Answer::Sound(wav.clone()) }
            },
        );
    let began = Instant::now();
    let ran = user.run(&[
        "--json",
        "--set",
        "speech.tts.chain=local-coqui,local-fast",
        "--set",
        &format!("speech.tts.coqui={}", server.address),
        "say",
        "First things. Second twelve tests passed. Third things.",
        "--out",
        path(&out),
    ]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(began.elapsed() < within, "{:?}", began.elapsed());
    assert_eq!(ran.json()[0]["tiers"], serde_json::json!(["local-coqui", "local-fast"]), "{ran:?}");
    let asked: Vec<String> = server.asked.try_iter().collect();
    assert_eq!(asked.len(), 3, "each clause once: {asked:?}");
    // The second is there too, by somebody who is less easily understood.
    let seconds = |wav: &Path| {
        let bytes = fs::read(wav).unwrap();
        let rate = u32::from_le_bytes(bytes[24..28].try_into().unwrap());
        (bytes.len() - 44) as f64 / 2.0 / f64::from(rate)
    };
    let (server, all) = (seconds(&source), seconds(&out));
    assert!(all > 2.0 * server + 0.8, "{all} {server}");
}

#[tokio::test]
async fn a_phrase_that_was_kept_says_nothing_of_the_voice() {
    let mut user = user().await;
    let pulse = Pulse::start(&mut user);
    let wav = fs::read(say(&user.path("home"), "yes")).unwrap();
    let server = SpeechServer::start(move |_, line| {
        if line.contains("no+sessions") { Answer::Sound(wav.clone()) } else { Answer::Status("503 Busy") }
    });
    user.configure(&format!(
        "[speech.tts]\nchain = [\"local-coqui\", \"local-fast\"]\ncoqui = \"{}\"\n[listening]\ncues = \"visible\"\n",
        server.address
    ));
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let speaker = pulse.meter("speaker");
    let is_told = |line: &str| {
        let asked = Instant::now();
        assert_eq!(user.run(&["do", line]).code(), 0);
        speaker.has_spoken_since(asked);
    };
    is_told("list sessions");
    // The server can't say that; it is heard from the simpler voice.
    is_told("stay local");
    let kept = server.asked.try_iter().count();
    is_told("list sessions");
    is_told("stay local");
    is_told("list sessions");
    assert!(kept > 1 && !server.asked.try_iter().any(|line| line.contains("no+sessions")), "it was kept");
    let said = daemon.said();
    assert_eq!(said.matches("a simpler one speaks instead").count(), 1, "{said}");
    assert!(!said.contains("My usual voice is back"), "{said}");
}

#[tokio::test]
async fn words_of_ones_own_are_in_force_as_soon_as_they_are_saved() {
    let mut user = user().await;
    let _pulse = Pulse::start(&mut user);
    let wav = fs::read(say(&user.path("home"), "yes")).unwrap();
    let server = SpeechServer::start(move |_, _| Answer::Sound(wav.clone()));
    let with = |words: &str| {
        format!(
            "[speech.tts]\nchain = [\"local-coqui\"]\ncoqui = \"{}\"\n[speech.tts.lexicon]\n{words}\n",
            server.address
        )
    };
    user.configure(&with(""));
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let says = |line: &str, what: &str| {
        assert_eq!(user.run(&["do", line]).code(), 0);
        until("it is said so", || server.asked.try_iter().any(|line| line.contains(what)));
    };
    says("list sessions", "no+sessions");
    let mine = with("sessions = \"places to work\"\nsession = \"place\"");
    user.configure(&mine);
    daemon.until("in force now: speech");
    says("list sessions", "no+places+to+work");
    // What can't be meant is refused, and the old words stay.
    user.configure(&with("\"two words\" = \"one\""));
    daemon.until("each word of speech.tts.lexicon must be one word");
    user.configure(&mine);
    // Something else, since what was said before is kept.
    says("new session build", "New+place+build");
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
    let (meter, asked) = (pulse.meter("speaker"), Instant::now());
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
    meter.has_spoken_since(asked);
    recording.end();
    let heard = heard(&user, &wav);
    assert!(heard.contains("session"), "{heard} {}", daemon.said());
}

//! One says whom it listens to: always, after a phrase, while a key is held, or not at all.

use std::time::{Duration, Instant};

use crate::support::pulse::Pulse;
use crate::support::recordings::wavs;
use crate::support::spoken::{say, says_until};
use crate::support::user::{User, until};

/// A user who is not talked over, and listens so.
fn user(mode: &str) -> User {
    let user = User::new();
    listens(&user, mode);
    user
}

fn listens(user: &User, mode: &str) {
    user.configure(&format!(
        "[audio]\noutput = \"none\"\n[listening]\nmode = \"{mode}\"\nwindow = \"60s\"\n"
    ));
}

fn sessions(user: &User) -> String {
    user.tmux(&["list-sessions", "-F", "#{session_name}"])
}

/// Asks for it, and gives how listening stands then.
fn listen(user: &User, change: &str) -> String {
    let ran = user.run(&["listen", change, "--json"]);
    assert_eq!(ran.code(), 0, "{change}: {ran:?}");
    ran.json()[0]["attention"].as_str().unwrap().to_owned()
}

/// What became of what was said, newest first, as far as it is known yet.
fn spoken(user: &User) -> Vec<serde_json::Value> {
    let done = |record: &serde_json::Value| !record["reply"].is_null() || !record["abandoned"].is_null();
    user.history().into_iter().filter(|record| record["origin"] == "microphone" && done(record)).collect()
}

/// Whoever isn't understood says it again.
fn persist(what: &str, speak: impl Fn(), is_so: impl Fn() -> bool) {
    assert!(says_until(6, Duration::from_secs(8), speak, is_so), "it never came to this: {what}");
}

fn has_session(user: &User, name: &str) -> bool {
    sessions(user).lines().any(|line| line == name)
}

#[test]
fn asleep_it_keeps_nothing_and_does_nothing_but_wake_up() {
    let mut user = user("always");
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let home = user.path("home");
    let speak = |words: &str| pulse.play(&say(&home, words));
    persist("it sleeps", || speak("go to sleep"), || daemon.said().contains("Asleep: say \"wake up\"."));
    let before = spoken(&user).len();
    speak("new session build");
    until("it was heard, and passed over", || spoken(&user).len() > before);
    let record = &spoken(&user)[0];
    assert!(record["text"].is_null() && record["transcript"].is_null(), "{record:#}");
    assert!(record["command"].is_null() && record["reply"].is_null(), "{record:#}");
    assert_eq!(record["abandoned"], "the program was asleep", "{record:#}");
    assert!(!daemon.said().to_lowercase().contains("session build"), "{}", daemon.said());
    // Typed lines work whatever the mode.
    assert_eq!(user.run(&["do", "new session notes"]).code(), 0);

    persist("it is awake", || speak("wake up"), || daemon.said().contains("  I am awake and listening."));
    persist("it obeys again", || speak("new session build"), || has_session(&user, "build"));
    assert!(has_session(&user, "notes"));
}

#[test]
fn muted_the_microphone_is_closed_and_only_hands_open_it() {
    let mut user = user("always");
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    until("the microphone is open", || pulse.listeners() == 1);
    assert_eq!(listen(&user, "mute"), "muted");
    until("the microphone is closed", || pulse.listeners() == 0);
    let pressed = user.run(&["listen", "press"]);
    assert_eq!(pressed.code(), 1, "{pressed:?}");
    assert!(pressed.err.contains("muted") && pressed.err.contains("listen unmute"), "{pressed:?}");
    let home = user.path("home");
    pulse.play(&say(&home, "new session wrong"));
    assert_eq!(pulse.listeners(), 0);
    let typed = user.run(&["do", "unmute"]);
    assert!(typed.code() == 0 && typed.out.contains("I am awake and listening."), "{typed:?}");
    until("the microphone is open again", || pulse.listeners() == 1);
    let words = say(&home, "new session build");
    persist("it is heard", || pulse.play(&words), || has_session(&user, "build"));
    assert!(!sessions(&user).contains("wrong"));
    assert!(!daemon.said().contains("type instead"), "nothing has failed: {}", daemon.said());
}

#[test]
fn after_the_wake_phrase_it_listens_for_a_while() {
    let mut user = user("wake-phrase");
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Waiting for \"hey terminal\".");
    until("the recogniser is ready", || daemon.said().contains("loading tiny.en: done"));
    until("the microphone is open", || pulse.listeners() == 1);
    let home = user.path("home");
    pulse.play(&say(&home, "new session wrong"));
    until("it was passed over", || spoken(&user).len() == 1);
    assert!(spoken(&user)[0]["text"].is_null());

    let speak = |words: &str| pulse.play(&say(&home, words));
    let call = "hey terminal new session build";
    persist("it is called", || speak(call), || has_session(&user, "build"));
    // The window is open, and the phrase need not be said again.
    let asks = || daemon.said().contains("Shall I kill session build?");
    persist("it asks", || speak("kill session build"), asks);
    let is_answered = || user.run(&["status", "--json"]).json()[0]["standing"]["question"].is_null();
    persist("it is answered", || speak("no"), is_answered);
    assert!(has_session(&user, "build") && !sessions(&user).contains("wrong"));

    // Another mode is taken up while it runs.
    listens(&user, "push-to-talk");
    daemon.until("in force now: listening");
    daemon.until("Not listening.");
    assert_eq!(listen(&user, "status"), "idle");
}

#[test]
fn a_key_that_is_held_is_listened_to_and_letting_go_ends_the_utterance() {
    let mut user = user("push-to-talk");
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Not listening.");
    daemon.until("loading tiny.en: done");
    until("the microphone is open", || pulse.listeners() == 1);
    let home = user.path("home");
    pulse.play(&say(&home, "new session wrong"));
    let words = say(&home, "new session build");
    let hold_and_speak = || {
        assert_eq!(listen(&user, "press"), "attentive");
        pulse.play(&words);
        assert_eq!(listen(&user, "release"), "idle");
    };
    persist("it obeys", hold_and_speak, || has_session(&user, "build"));
    assert!(!sessions(&user).contains("wrong"));

    // Nobody waits for an end of speech that goes on.
    let before = spoken(&user).len();
    assert_eq!(listen(&user, "press"), "attentive");
    let mut playing = pulse.playing(&wavs()[5]);
    std::thread::sleep(Duration::from_millis(1500));
    let let_go = Instant::now();
    assert_eq!(listen(&user, "release"), "idle");
    until("it is heard", || spoken(&user).len() > before);
    assert!(playing.try_wait().unwrap().is_none(), "it goes on after {:?}", let_go.elapsed());
    let _ = playing.kill();
    let _ = playing.wait();
    let record = &spoken(&user)[0];
    assert!(record["speech_seconds"].as_f64().unwrap() < 4.0, "{record:#}");
}

#[test]
fn signs_are_heard_and_are_not_taken_for_speech() {
    let mut user = User::new();
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    user.configure("[listening]\nmode = \"toggle\"\n[speech.tts]\nchain = []\n");
    let pulse = Pulse::start(&mut user);
    pulse.join();
    let mut daemon = user.daemon();
    daemon.until("Not listening.");
    daemon.until("loading tiny.en: done");
    until("the microphone is open", || pulse.listeners() == 1);
    let wav = user.path("home/heard.wav");
    let recording = pulse.record(&wav);
    let recorded = || std::fs::read(&wav).unwrap();
    let loudest = |from: usize| {
        let bytes = recorded();
        let samples = bytes.get(from..).unwrap_or_default().as_chunks().0.iter();
        samples.map(|&pair| i16::from_le_bytes(pair).unsigned_abs()).max().unwrap_or_default()
    };
    // The header is of 44 bytes.
    until("it records", || recorded().len() > 1000);
    for change in ["on", "sleep", "wake"] {
        let from = recorded().len() & !1;
        listen(&user, change);
        until("it is heard", || loudest(from) > 300);
        // To its end, so that the next isn't taken for it.
        std::thread::sleep(Duration::from_millis(500));
        assert!(loudest(from) < 6000, "{change} is loud: {}", loudest(from));
    }
    assert!(spoken(&user).is_empty(), "{:#?}", spoken(&user));
    user.configure("[listening]\nmode = \"toggle\"\ncues = \"visible\"\n[speech.tts]\nchain = []\n");
    daemon.until("in force now: listening");
    // An idle loudspeaker works in blocks of two seconds.
    std::thread::sleep(Duration::from_millis(2500));
    let from = recorded().len() & !1;
    listen(&user, "off");
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(loudest(from), 0, "as configured");
    recording.end();
}

#[test]
fn listening_is_switched_from_outside_and_told() {
    let user = user("toggle");
    let ran = user.run(&["listen"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.err.contains("not running"), "{ran:?}");
    let mut daemon = user.daemon();
    for (change, attention) in [
        ("status", "idle"),
        ("toggle", "attentive"),
        ("toggle", "idle"),
        ("press", "attentive"),
        ("release", "idle"),
        ("on", "attentive"),
        ("sleep", "asleep"),
        ("wake", "attentive"),
        ("off", "idle"),
        ("mute", "muted"),
        ("unmute", "idle"),
    ] {
        assert_eq!(listen(&user, change), attention, "{change}");
    }
    let shown = user.run(&["listen"]);
    assert_eq!(shown.out, "not listening (mode: toggle)\n");
    let status = user.run(&["status", "--json"]);
    assert_eq!(status.json()[0]["standing"]["listening"]["mode"], "toggle", "{status:?}");
    assert!(user.run(&["status"]).out.contains("not listening (mode: toggle)"));
    for wrong in [&["listen", "shout"][..], &["listen", "on", "off"]] {
        assert_eq!(user.run(wrong).code(), 2, "{wrong:?}");
    }
    daemon.until("Asleep: say \"wake up\".");

    // Without signs that are seen, nothing is said of it.
    user.configure("[listening]\ncues = \"audible\"\n");
    daemon.until("in force now: listening");
    assert_eq!(listen(&user, "mute"), "muted");
    assert_eq!(daemon.said().matches("Muted:").count(), 1, "{}", daemon.said());
}

#[test]
fn at_a_terminal_a_key_switches_it_and_the_prompt_shows_it() {
    let user = user("always");
    let mut console = user.console();
    console.until("control-t switches listening");
    console.enter("\u{14}");
    console.until("○ Not listening.");
    console.enter("go to sleep\r");
    console.until("  I am not listening until you press the key.");
    console.enter("mute\r");
    console.until("  The microphone is off");
    console.enter("dictation mode\r");
    console.until("¶ Dictation");
    console.enter("start listening\r");
    console.until("  I am listening.");
    console.enter("\u{4}");
    assert!(console.ended().success(), "{}", console.said());
    let said = console.said();
    // The marks, and the cursor behind them: whoever isn't listened to sees all the same where a line goes.
    for marks in [" »", "○»", "×»", "×¶", " ¶"] {
        assert!(said.contains(&format!("{marks} \r\u{1b}[3C")), "{marks}: {said:?}");
    }
}

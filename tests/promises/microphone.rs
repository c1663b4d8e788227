//! A microphone that is not there, dies, hangs or hears nobody never strands the user, and is taken up
//! again by itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::support::models;
use crate::support::pulse::Pulse;
use crate::support::recordings::{path, sox, wavs};
use crate::support::spoken::say;
use crate::support::user::{Running, User};

/// The sound libraries' own words, which would spoil a console.
fn quiet(daemon: &Running) {
    let said = daemon.said();
    for noise in ["ALSA lib", "jack", "Jack", "cpal", "panicked"] {
        assert!(!said.contains(noise), "{said}");
    }
}

#[test]
fn without_a_sound_server_one_types() {
    let user = User::new();
    let mut daemon = user.daemon();
    daemon.until("No microphone was found; type instead.");
    daemon.until("Text mode");
    assert!(user.run(&["do", "list sessions"]).status.success());
    assert_eq!(daemon.said().matches("No microphone").count(), 1, "told once: {}", daemon.said());
    quiet(&daemon);
}

#[test]
fn the_monitor_of_a_speaker_is_no_microphone() {
    let mut user = User::new();
    let _pulse = Pulse::without_microphone(&mut user);
    let mut daemon = user.daemon();
    daemon.until("No microphone was found; type instead.");
    quiet(&daemon);
}

#[test]
fn noise_gives_no_words_and_the_first_word_after_it_is_heard() {
    let mut user = User::new();
    user.without_voice();
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let home = user.path("home");
    let noise = home.join("noise.wav");
    sox(&["-n", "-r", "48000", "-c", "1", "-b", "16", path(&noise), "synth", "4", "pinknoise", "vol", "0.1"]);
    pulse.play(&noise);
    pulse.play(&say(&home, "new session build"));
    // To the end of the turn: a tmux that is just being started outlives whoever starts it.
    daemon.until("  New session build.");
    let said = daemon.said();
    let heard = said.lines().find(|line| line.starts_with("you: ")).unwrap().to_lowercase();
    assert!(heard.starts_with("you: new session build"), "{said}");
    quiet(&daemon);
}

#[test]
fn whoever_was_stopped_takes_nothing_for_dead() {
    let mut user = User::new();
    user.without_voice();
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    for _ in 0..4 {
        daemon.signal("STOP");
        std::thread::sleep(Duration::from_secs(3));
        daemon.signal("CONT");
        std::thread::sleep(Duration::from_millis(500));
    }
    pulse.play(&say(&user.path("home"), "new session build"));
    daemon.until("  New session build.");
    let said = daemon.said();
    assert!(!said.contains("Text mode") && !said.contains("delivers nothing"), "{said}");
    quiet(&daemon);
}

#[tokio::test]
async fn what_tells_speech_from_noises_is_taken_up_when_it_is_there() {
    let (whisper, silero) = (models::model("tiny.en").await, models::model("silero-vad").await);
    let mut user = User::without_models();
    user.without_voice();
    let here = user.path("data/voice-terminal/models");
    fs::create_dir_all(&here).unwrap();
    symlink(&whisper, here.join(whisper.file_name().unwrap())).unwrap();
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("! Speech is told from silence by loudness alone");
    daemon.until("Listening.");
    let fetch = |bytes: &[u8]| {
        let part = here.join("part");
        fs::write(&part, bytes).unwrap();
        fs::rename(&part, here.join(silero.file_name().unwrap())).unwrap();
    };
    let whole = fs::read(&silero).unwrap();
    // A damaged one is none, and is not said to be one.
    fetch(&vec![0; whole.len()]);
    std::thread::sleep(Duration::from_secs(7));
    fetch(&whole);
    daemon.until("+ Speech is told from noises again.");
    pulse.play(&say(&user.path("home"), "new session build"));
    daemon.until("  New session build.");
    let said = daemon.said();
    for (told, times) in [("by loudness alone", 1), ("from noises again", 1), ("Text mode", 0)] {
        assert_eq!(said.matches(told).count(), times, "{told}: {said}");
    }
    quiet(&daemon);
}

#[test]
fn a_sound_server_that_is_killed_in_mid_word_is_taken_up_when_it_is_back() {
    let mut user = User::new();
    user.without_voice();
    let mut pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let long = &wavs()[5];
    let mut playing = pulse.playing(long);
    std::thread::sleep(Duration::from_secs(2));
    let killed = Instant::now();
    pulse.kill();
    daemon.until("Text mode");
    assert!(killed.elapsed() < Duration::from_secs(5), "told after {:?}", killed.elapsed());
    let _ = playing.wait();
    // What had been said until then is not lost.
    daemon.until("you: ");
    assert!(user.run(&["do", "list sessions"]).status.success(), "typing goes on");

    pulse.begin();
    let back = Instant::now();
    daemon.until("I hear you again");
    assert!(back.elapsed() < Duration::from_secs(40), "heard again after {:?}", back.elapsed());
    pulse.play(&say(&user.path("home"), "new session build"));
    daemon.until("  New session build.");
    quiet(&daemon);
}

#[test]
fn when_it_is_unplugged_the_loudspeaker_is_not_obeyed_in_its_place() {
    let mut user = User::new();
    user.without_voice();
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let home = user.path("home");
    let film = say(&home, "new session film");
    pulse.unplug();
    // The server now leads the stream to what this plays.
    for _ in 0..2 {
        assert!(pulse.playing_aloud(&film).wait().unwrap().success());
    }
    daemon.until("No microphone was found; type instead.");
    assert!(pulse.playing_aloud(&film).wait().unwrap().success());

    pulse.plug_in();
    daemon.until("I hear you again");
    pulse.play(&say(&home, "new session build"));
    daemon.until("  New session build.");
    let history = user.history();
    assert_eq!(history.len(), 1, "{history:#?}");
    quiet(&daemon);
}

#[test]
fn a_sound_server_that_hangs_is_noticed_by_its_silence() {
    let mut user = User::new();
    user.without_voice();
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let frozen = Instant::now();
    pulse.freeze();
    daemon.until("Text mode");
    assert!(frozen.elapsed() < Duration::from_secs(10), "told after {:?}", frozen.elapsed());
    assert!(user.run(&["do", "list sessions"]).status.success(), "typing goes on");
    pulse.thaw();
    daemon.until("I hear you again");
    pulse.play(&say(&user.path("home"), "new session build"));
    daemon.until("  New session build.");
    daemon.signal("TERM");
    assert!(daemon.ended().success());
    quiet(&daemon);
}

//! Microphone and loudspeaker are chosen by name, come and go, and are followed where the sound server takes them;
//! the user is told once, by name, and loses no word.

use std::time::{Duration, Instant};

use crate::support::models;
use crate::support::pulse::Pulse;
use crate::support::recordings::path;
use crate::support::spoken::say;
use crate::support::user::{Running, User, until};

fn count(daemon: &Running, what: &str) -> usize {
    daemon.said().matches(what).count()
}

#[test]
fn they_are_listed_with_the_one_in_use() {
    let mut user = User::new();
    user.configure("[audio]\ninput = \"yeti\"\n");
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    let pulse = Pulse::start(&mut user);
    pulse.plug_in_another("usb_yeti", "Blue-Yeti");
    let told = user.run(&["devices", "--json"]);
    assert_eq!(told.code(), 0, "{told:?}");
    let devices = told.json();
    let find = |kind: &str, is: &str| {
        let found = devices.iter().find(|device| device["kind"] == kind && device[is] == true);
        found.unwrap_or_else(|| panic!("no {is} {kind}: {devices:#?}"))["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(find("microphone", "in_use"), "usb_yeti");
    assert_eq!(find("microphone", "default"), "vmic");
    assert_eq!(find("loudspeaker", "in_use"), "speaker");
    let monitor = devices.iter().find(|device| device["id"] == "speaker.monitor").unwrap();
    assert!(monitor["problem"].as_str().unwrap().contains("not a voice"), "{monitor}");
    let shown = user.run(&["devices"]).out;
    assert!(shown.contains("→ Blue-Yeti  (usb_yeti, PulseAudio)"), "{shown}");
    let doctor = user.run(&["doctor"]).out;
    assert!(doctor.contains("✓ microphone       Blue-Yeti, through PulseAudio; also: "), "{doctor}");
    assert!(doctor.contains("(default)"), "{doctor}");
}

#[test]
fn one_that_is_missing_is_told_once_and_taken_when_it_comes() {
    let mut user = User::new();
    user.configure("[audio]\ninput = \"Blue-Jeti\"\noutput = \"none\"\n");
    let pulse = Pulse::start(&mut user);
    pulse.plug_in_another("usb_yeti", "Blue-Yeti");
    let mut daemon = user.daemon();
    daemon.until("No microphone is called “Blue-Jeti” (the nearest: “Blue-Yeti”");
    daemon.until("Listening.");
    // While it runs, and without a restart.
    user.configure("[audio]\ninput = \"desk\"\noutput = \"none\"\n");
    daemon.until("No microphone is called “desk”");
    pulse.plug_in_another("desk", "Desk-Microphone");
    daemon.until("The microphone has changed; listening to Desk-Microphone.");
    pulse.play(&say(&user.path("home"), "new session build"));
    daemon.until("  New session build.");
    assert_eq!(count(&daemon, "is called “desk”"), 1, "{}", daemon.said());
    assert_eq!(count(&daemon, "The microphone has changed"), 1, "{}", daemon.said());
    assert_eq!(count(&daemon, "Text mode"), 0, "nobody was stranded: {}", daemon.said());
}

#[test]
fn one_that_is_plugged_in_is_heard_within_seconds() {
    let mut user = User::new();
    user.without_voice();
    let pulse = Pulse::start(&mut user);
    pulse.unplug();
    let mut daemon = user.daemon();
    daemon.until("No microphone was found; type instead.");
    // Long enough for a pause that grows.
    std::thread::sleep(Duration::from_secs(8));
    let plugged = Instant::now();
    pulse.plug_in();
    daemon.until("I hear you again");
    assert!(plugged.elapsed() < Duration::from_secs(10), "heard after {:?}", plugged.elapsed());
    pulse.play(&say(&user.path("home"), "new session build"));
    daemon.until("  New session build.");
}

#[test]
fn another_default_microphone_is_followed_in_mid_word() {
    let mut user = User::new();
    user.without_voice();
    let pulse = Pulse::start(&mut user);
    pulse.plug_in_another("usb_yeti", "Blue-Yeti");
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let mut speaking = pulse.playing(&say(&user.path("home"), "new session build"));
    std::thread::sleep(Duration::from_millis(700));
    pulse.control(&["set-default-source", "usb_yeti"]);
    daemon.until("The microphone has changed; listening to Blue-Yeti.");
    assert!(speaking.wait().unwrap().success());
    daemon.until("  New session build.");
    // And once more.
    pulse.plug_in_another("desk", "Desk-Microphone");
    pulse.control(&["set-default-source", "desk"]);
    daemon.until("The microphone has changed; listening to Desk-Microphone.");
    assert_eq!(count(&daemon, "Text mode"), 0, "{}", daemon.said());
    assert_eq!(pulse.listeners(), 1);
}

#[test]
fn a_muted_microphone_is_named_and_its_return_too() {
    let mut user = User::new();
    user.without_voice();
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    // Nobody speaks, and a virtual microphone doesn't hiss.
    daemon.until("Nothing but exact silence comes from");
    assert!(daemon.said().contains("pactl set-source-mute vmic 0"), "{}", daemon.said());
    pulse.play(&say(&user.path("home"), "new session build"));
    daemon.until("Sound comes from");
    daemon.until("  New session build.");

    pulse.control(&["set-source-mute", "vmic", "1"]);
    daemon.until("The microphone is muted");
    daemon.until("Unmute it: pactl set-source-mute vmic 0.");
    daemon.until("Text mode");
    let doctor = user.run(&["doctor"]).out;
    assert!(doctor.contains("✗ microphone") && doctor.contains("it is muted"), "{doctor}");
    pulse.control(&["set-source-mute", "vmic", "0"]);
    daemon.until("I hear you again");
    pulse.play(&say(&user.path("home"), "new session notes"));
    daemon.until("  New session notes.");
    assert_eq!(count(&daemon, "Nothing but exact silence"), 1, "{}", daemon.said());
}

#[tokio::test]
async fn the_voice_follows_another_default_loudspeaker_and_the_chosen_one() {
    models::model("joe").await;
    let mut user = User::new();
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    let pulse = Pulse::start(&mut user);
    pulse.connect_another("headphones", "Head-Phones");
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let headphones = pulse.meter("headphones");
    // A long answer, which begins in the one and ends in the other.
    assert_eq!(user.run(&["do", "help"]).code(), 0);
    until("it speaks", || pulse.players() > 0);
    std::thread::sleep(Duration::from_millis(500));
    let moved = Instant::now();
    pulse.control(&["set-default-sink", "headphones"]);
    daemon.until("The loudspeaker has changed; answers are played through Head-Phones.");
    until("it comes from the headphones", || headphones.first_after(moved).is_some());

    user.configure("[audio]\noutput = \"studio\"\n");
    daemon.until("in force now: audio");
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
    daemon.until("No loudspeaker is called “studio”");
    pulse.connect_another("studio", "Studio-Monitors");
    until("it is taken", || {
        // Each is answered aloud, as it is told.
        user.run(&["do", "list sessions"]);
        daemon.said().contains("answers are played through Studio-Monitors.")
    });
    assert_eq!(count(&daemon, "is called “studio”"), 1, "{}", daemon.said());
    let wav = user.path("home/studio.wav");
    let recording = pulse.record_from("studio", &wav);
    let (meter, asked) = (pulse.meter("studio"), Instant::now());
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    meter.has_spoken_since(asked);
    recording.end();
    let heard = user.run(&["transcribe", path(&wav)]).out.to_lowercase();
    // Of which a small recogniser may mishear one or two.
    assert!(["new", "session", "build"].iter().any(|word| heard.contains(word)), "{heard}");
}

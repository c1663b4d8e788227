//! A sound server that dies or hangs, again and again, in the middle of what is said to it and by it, costs no word,
//! leaves nothing behind, and is taken up when it is back.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::models;
use crate::support::pulse::Pulse;
use crate::support::recordings::{path, wavs};
use crate::support::spoken::{is_heard_at_last, say};
use crate::support::user::{Running, User, until};

/// Threads and file descriptors of a process.
fn held(daemon: &Running) -> (usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", daemon.pid())).unwrap().count();
    (count("task"), count("fd"))
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_left_behind_however_often_it_dies_and_hangs() {
    models::model("joe").await;
    // Twenty take a minute and a half.
    let cycles = std::env::var("VT_TEST_CYCLES").map_or(4, |cycles| cycles.parse().unwrap());
    let mut user = User::new();
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    let mut pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let word = say(&user.path("home"), "list sessions");
    let mut before = None;
    for cycle in 1..=cycles + 2 {
        // It speaks; what it hears meanwhile is its own voice to it.
        assert_eq!(user.run(&["do", "help"]).code(), 0);
        until("it speaks", || pulse.players() > 0);
        let began = Instant::now();
        if cycle % 2 == 0 {
            pulse.freeze();
        } else {
            pulse.kill();
        }
        daemon.until_times("Text mode", cycle);
        assert!(began.elapsed() < Duration::from_secs(15), "told after {:?}", began.elapsed());
        assert_eq!(user.run(&["do", "list sessions"]).code(), 0, "typing goes on");
        if cycle % 2 == 0 {
            pulse.thaw();
        } else {
            pulse.begin();
        }
        daemon.until_times("I hear you again", cycle);
        if cycle == 2 {
            before = Some(held(&daemon));
        }
    }
    let before = before.unwrap();
    let is_as_before = || {
        let after = held(&daemon);
        after.0 <= before.0 + 1 && after.1 <= before.1 + 2
    };
    until(&format!("threads and descriptors are {before:?} again, not {:?}", held(&daemon)), is_as_before);
    // It still speaks and hears.
    let (meter, asked) = (pulse.meter("speaker"), Instant::now());
    user.run(&["do", "no"]);
    meter.has_spoken_since(asked);
    is_heard_at_last(&pulse, &word, "sessions", &daemon);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_printed_and_the_next_is_spoken() {
    models::model("joe").await;
    let mut user = User::new();
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    let mut pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    let (meter, asked) = (pulse.meter("speaker"), Instant::now());
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    meter.has_spoken_since(asked);
    drop(meter);
    for (round, hangs) in [false, true].into_iter().enumerate() {
        let (meter, asked) = (pulse.meter("speaker"), Instant::now());
        let answer = user.run(&["do", "help"]);
        assert!(answer.out.contains("split right"), "{answer:?}");
        until("it speaks", || meter.first_after(asked).is_some());
        if hangs {
            pulse.freeze();
        } else {
            pulse.kill();
        }
        daemon.until_times("Text mode", round + 1);
        // Once for each time that it could be heard before.
        daemon.until_times("oudspeaker went away", round + 1);
        if hangs {
            pulse.thaw();
        } else {
            pulse.begin();
        }
        daemon.until_times("I hear you again", round + 1);
        let wav = user.path(format!("home/heard{round}.wav"));
        let recording = pulse.record(&wav);
        let (meter, asked) = (pulse.meter("speaker"), Instant::now());
        assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
        meter.has_spoken_since(asked);
        recording.end();
        let heard = user.run(&["transcribe", path(&wav)]).out.to_lowercase();
        assert!(heard.contains("session"), "{heard}\n{}", daemon.said());
        daemon.until_times("I can be heard again", round + 1);
    }
}

#[test]
fn what_was_said_until_it_died_is_recognised() {
    let mut user = User::new();
    // It is no command, and not expected.
    user.configure("[audio]\noutput = \"none\"\n[speech.stt]\nbias = false\n");
    let mut pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    for cycle in 1..=2 {
        let mut speaking = pulse.playing(&wavs()[5]);
        std::thread::sleep(Duration::from_secs(3));
        if cycle == 1 {
            pulse.kill();
        } else {
            pulse.freeze();
        }
        daemon.until_times("Text mode", cycle);
        daemon.until_times("you: ", cycle);
        if cycle == 1 {
            pulse.begin();
        } else {
            pulse.thaw();
        }
        let _ = speaking.wait();
        daemon.until_times("I hear you again", cycle);
    }
    let said = daemon.said();
    let heard: Vec<_> = said.lines().filter(|line| line.starts_with("you: ")).collect();
    // "And Mr. John Dashwood had then leisure to consider …"
    assert!(heard[0].contains("Dashwood") || heard[0].contains("John"), "{heard:?}");
}

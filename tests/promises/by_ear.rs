//! What is said into the microphone is answered from the loudspeaker, and both are understood: end to end,
//! by ear.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::models;
use crate::support::pulse::Pulse;
use crate::support::recordings::path;
use crate::support::spoken::say;
use crate::support::user::{Running, User};

/// Samples of the loudspeaker's recordings in a second.
const RATE: usize = 16_000;
/// Louder than this is sound: a fiftieth of full scale, which no silence of a virtual device reaches.
const SOUND: u16 = 650;

/// Whether somebody has spoken in a recording that is being made, and has been silent for two seconds since:
/// longer than the pause between two clauses of which the second is made on a busy machine.
fn is_over(wav: &Path) -> bool {
    let bytes = fs::read(wav).unwrap_or_default();
    let (samples, _) = bytes.get(44..).unwrap_or_default().as_chunks::<2>();
    let is_sound = |sample: &[u8; 2]| i16::from_le_bytes(*sample).unsigned_abs() > SOUND;
    samples.iter().rposition(is_sound).is_some_and(|last| samples.len() - last > 2 * RATE)
}

/// Waits until it is so; else tells what the daemon said.
fn until(daemon: &Running, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to this: {what}\n{}", daemon.said());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

/// How many words of one are heard in the other, in their order.
fn in_order(said: &[&str], heard: &[&str]) -> usize {
    let mut row = vec![0; heard.len() + 1];
    for word in said {
        let before = row.clone();
        for (at, other) in heard.iter().enumerate() {
            row[at + 1] = if word == other { before[at] + 1 } else { row[at].max(before[at + 1]) };
        }
    }
    row[heard.len()]
}

/// Says a command, waits for its answer, and gives what is heard from the loudspeaker.
fn answer(user: &User, pulse: &Pulse, daemon: &Running, command: &str) -> String {
    let home = user.path("home");
    let answered = || user.history().iter().filter(|record| !record["reply"].is_null()).count();
    let before = answered();
    let wav = home.join(format!("answer-{before}.wav"));
    let recording = pulse.record(&wav);
    pulse.play(&say(&home, command));
    until(daemon, &format!("{command:?} is answered"), || answered() > before);
    until(daemon, &format!("the answer to {command:?} is spoken"), || is_over(&wav));
    recording.end();
    let ran = user.run(&["transcribe", path(&wav)]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran.out.to_lowercase()
}

#[tokio::test]
async fn a_spoken_command_is_answered_in_words_that_can_be_understood() {
    models::model("joe").await;
    let mut user = User::new();
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    // How sure the recogniser is of a synthetic voice is not what this is about.
    user.configure("[listening]\ncues = \"visible\"\n[safety]\nminimum_confidence = 0.0\n");
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    // The voice never says a thing twice in the same way, and a small recogniser may get one of three words
    // wrong.
    for (command, intent) in [
        ("new session build", "new_session"),
        ("split down", "split_pane"),
        ("new window", "new_window"),
        // The answer is a question of several clauses, during which nothing is heard.
        ("kill session build", "kill_session"),
    ] {
        let heard = answer(&user, &pulse, &daemon, command);
        let record = &user.history()[0];
        assert_eq!(record["interpretation"]["intent"], intent, "{command}: {record:#}");
        assert_eq!(record["origin"], "microphone", "{command}: {record:#}");
        let spoken = record["reply"]["speech"].as_str().unwrap().to_lowercase();
        let words = words(&spoken);
        let share = in_order(&words, &self::words(&heard)) as f64 / words.len() as f64;
        assert!(share >= 0.6, "{command} was answered: {heard}, and not: {spoken}\n{}", daemon.said());
    }
    let panes = user.tmux(&["list-panes", "-s", "-t", "=build", "-F", "#{window_index}"]);
    assert_eq!(panes.lines().count(), 3, "{panes}\n{}", daemon.said());
}

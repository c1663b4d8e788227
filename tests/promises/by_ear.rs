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

/// The samples of a recording that is being made.
fn samples(wav: &Path) -> Vec<i16> {
    let bytes = fs::read(wav).unwrap_or_default();
    let (samples, _) = bytes.get(44..).unwrap_or_default().as_chunks::<2>();
    samples.iter().copied().map(i16::from_le_bytes).collect()
}

/// Whether somebody has spoken after the first so many samples, and has been silent for two seconds since: longer than
/// the pause between two clauses of which the second is made on a busy machine.
fn is_over(samples: &[i16], begin: usize) -> bool {
    let last = samples.iter().rposition(|sample| sample.unsigned_abs() > SOUND);
    last.is_some_and(|last| last > begin && samples.len() - last > 2 * RATE)
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
    // What is told beside may have been heard before.
    let begin = samples(&wav).len();
    until(daemon, &format!("the answer to {command:?} is spoken"), || is_over(&samples(&wav), begin));
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
    // The voice never says a thing twice in the same way, and a small recogniser gets one of four words wrong:
    // it must be this answer and no other, and all of them together are understood.
    let (mut said, mut understood, mut texts) = (0, 0, Vec::new());
    for (command, intent) in [
        ("new session build", "new_session"),
        ("split right", "split_pane"),
        ("list sessions", "list_sessions"),
        // The answer is a question of several clauses, during which nothing is heard.
        ("kill session build", "kill_session"),
    ] {
        let heard = answer(&user, &pulse, &daemon, command);
        let record = &user.history()[0];
        assert_eq!(record["interpretation"]["intent"], intent, "{command}: {record:#}");
        assert_eq!(record["origin"], "microphone", "{command}: {record:#}");
        let spoken = record["reply"]["speech"].as_str().unwrap().to_lowercase();
        let words = words(&spoken);
        let these = in_order(&words, &self::words(&heard));
        texts.push(format!("{spoken:?} was heard as {heard:?}"));
        assert!(3 * these >= words.len(), "{texts:#?}\n{}", daemon.said());
        said += words.len();
        understood += these;
    }
    assert!(
        understood as f64 / said as f64 >= 0.6,
        "{understood} of {said} words: {texts:#?}\n{}",
        daemon.said()
    );
    let panes = user.tmux(&["list-panes", "-s", "-t", "=build", "-F", "#{window_index}"]);
    assert_eq!(panes.lines().count(), 2, "{panes}\n{}", daemon.said());
}

//! Commands said aloud, by a synthetic voice.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::pulse::Pulse;
use super::user::Running;

/// Has words said into a wav file in `dir`.
pub fn say(dir: &Path, words: &str) -> PathBuf {
    let file = dir.join(format!("{}.wav", words.replace(' ', "-")));
    let done = Command::new("flite").args(["-voice", "slt", "-t", words, "-o"]).arg(&file).output();
    assert!(done.expect("flite is installed").status.success(), "flite says {words:?}");
    file
}

/// Has a recording played into the microphone, once more if need be, until words with this among them are heard. The
/// first time may go into something that is being told.
pub fn is_heard_at_last(pulse: &Pulse, recording: &Path, word: &str, daemon: &Running) {
    let is_heard = || {
        let said = daemon.said().to_lowercase();
        said.lines().any(|line| line.starts_with("you: ") && line.contains(word))
    };
    for _ in 0..2 {
        pulse.play(recording);
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if is_heard() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    panic!("{word:?} was never heard:\n{}", daemon.said());
}

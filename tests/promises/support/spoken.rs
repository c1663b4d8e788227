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

/// Has something said until something is so, at most so often, with so much patience each time; whether it came to that.
/// On a busy machine a small recogniser mishears now and then, and who speaks over an answer may not be heard.
pub fn says_until(times: usize, patience: Duration, speak: impl Fn(), is_so: impl Fn() -> bool) -> bool {
    for _ in 0..times {
        speak();
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if is_so() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    false
}

/// Has a recording played into the microphone, once more if need be, until words with this among them are heard. The
/// first time may go into something that is being told.
pub fn is_heard_at_last(pulse: &Pulse, recording: &Path, word: &str, daemon: &Running) {
    let is_heard = || {
        let said = daemon.said().to_lowercase();
        said.lines().any(|line| line.starts_with("you: ") && line.contains(word))
    };
    let came = says_until(2, Duration::from_secs(20), || pulse.play(recording), is_heard);
    assert!(came, "{word:?} was never heard:\n{}", daemon.said());
}

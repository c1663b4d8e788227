//! Commands said aloud, by a synthetic voice.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Has words said into a wav file in `dir`.
pub fn say(dir: &Path, words: &str) -> PathBuf {
    let file = dir.join(format!("{}.wav", words.replace(' ', "-")));
    let done = Command::new("flite").args(["-voice", "slt", "-t", words, "-o"]).arg(&file).output();
    assert!(done.expect("flite is installed").status.success(), "flite says {words:?}");
    file
}

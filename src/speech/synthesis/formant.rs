//! The quick voice: espeak-ng's own, made of formants. Plain, and there in hundredths of a second.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::error::SynthesisError;
use super::wav;
use crate::domain::Sound;
use crate::process::Group;

/// Words a minute at the rate 1.0.
const WORDS_A_MINUTE: f32 = 165.0;

/// The sound of a clause. Dropping the future kills the process.
pub(super) async fn speak(clause: &str, rate: f32) -> Result<Sound, SynthesisError> {
    let speed = (WORDS_A_MINUTE * rate.clamp(0.5, 2.0)).round().to_string();
    let mut command = Command::new("espeak-ng");
    // The text goes in by the pipe: in an argument it would be seen by everybody, and could be an option.
    command.args(["--stdout", "-v", "en-us", "-s", &speed, "--stdin"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Group::spawn(command).map_err(|error| SynthesisError::no_espeak(&error))?;
    let broken = SynthesisError::Broken("espeak-ng went away");
    let (Some(mut stdin), Some(mut stdout)) = (process.take_stdin(), process.take_stdout()) else {
        return Err(broken);
    };
    let text: String =
        clause.chars().map(|c| if matches!(c, '[' | ']' | '<' | '>') { ' ' } else { c }).collect();
    let write = async {
        stdin.write_all(text.as_bytes()).await?;
        stdin.shutdown().await?;
        drop(stdin);
        std::io::Result::Ok(())
    };
    let mut bytes = Vec::new();
    let (written, read) = tokio::join!(write, stdout.read_to_end(&mut bytes));
    if written.is_err() || read.is_err() || !process.wait().await.is_ok_and(|status| status.success()) {
        return Err(broken);
    }
    wav::decode(bytes).ok_or(SynthesisError::NoSound)
}

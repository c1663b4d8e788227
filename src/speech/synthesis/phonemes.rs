//! Words to phonemes, by a child process of espeak-ng that stays.
//!
//! **Mechanics.** espeak-ng answers each line with its phonemes, on as many lines as it sees clauses.
//! After each clause goes a word whose phonemes are known; what comes before them is the clause's. The
//! word is made up anew for each process, since what is read aloud may come from anywhere. A process of its own also keeps espeak-ng's licence (GPL) apart from ours.
//!
//! **Limits.** Lines are capped: espeak-ng cuts those of more than a thousand bytes anywhere.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use uuid::Uuid;

use super::error::SynthesisError;
use crate::process::Group;

const LONGEST: usize = 900;

/// A running espeak-ng.
pub(super) struct Phonemiser {
    process: Group,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    sentinel: String,
    /// What it makes of the sentinel.
    sentinel_phonemes: String,
}

impl Phonemiser {
    /// Starts it, for a voice such as `en-us`.
    pub(super) async fn start(voice: &str) -> Result<Self, SynthesisError> {
        let mut command = Command::new("espeak-ng");
        command.args(["-q", "--ipa", "-v", voice]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Group::spawn(command).map_err(|error| SynthesisError::no_espeak(&error))?;
        let (Some(stdin), Some(stdout)) = (process.take_stdin(), process.take_stdout()) else {
            return Err(SynthesisError::Broken("espeak-ng has no pipes"));
        };
        let lines = BufReader::new(stdout).lines();
        let mut started =
            Self { process, stdin, lines, sentinel: sentinel(), sentinel_phonemes: String::new() };
        started.send(&started.sentinel.clone()).await?;
        started.sentinel_phonemes = started.next_line().await?;
        Ok(started)
    }

    /// Whether it is no more.
    pub(super) fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// The phonemes of a clause, its end's punctuation among them. Not cancel-safe: drop it when a call
    /// was dropped.
    pub(super) async fn phonemes(&mut self, clause: &str) -> Result<String, SynthesisError> {
        let line = one_line(clause);
        if !line.chars().any(char::is_alphanumeric) {
            return Ok(String::new());
        }
        self.send(&line).await?;
        self.send(&self.sentinel.clone()).await?;
        let mut phonemes: Vec<String> = Vec::new();
        loop {
            let line = self.next_line().await?;
            if line == self.sentinel_phonemes {
                break;
            }
            phonemes.push(line);
        }
        // It drops punctuation, which makes the melody: commas between what it takes for clauses, and
        // the end's own.
        let end =
            clause.trim_end().chars().next_back().filter(|c| matches!(c, '.' | ',' | ';' | ':' | '!' | '?'));
        Ok(phonemes.join(", ") + &end.unwrap_or('.').to_string())
    }

    async fn send(&mut self, line: &str) -> Result<(), SynthesisError> {
        let gone = |error: std::io::Error| {
            tracing::warn!(%error, "espeak-ng went away");
            SynthesisError::Broken("espeak-ng went away")
        };
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.map_err(gone)?;
        self.stdin.flush().await.map_err(gone)
    }

    /// The next line that isn't empty, without marks of a change of language.
    async fn next_line(&mut self) -> Result<String, SynthesisError> {
        loop {
            match self.lines.next_line().await {
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(Some(line)) => return Ok(without_marks(line.trim())),
                Ok(None) | Err(_) => return Err(SynthesisError::Broken("espeak-ng went away")),
            }
        }
    }
}

/// A word that nobody says and nobody can guess.
fn sentinel() -> String {
    let random = Uuid::new_v4();
    let syllable =
        |byte: &u8| [b"bdfgklmnprstvz"[usize::from(byte >> 4) % 14], b"aeiou"[usize::from(byte & 15) % 5]];
    let letters: Vec<u8> = random.as_bytes().iter().take(8).flat_map(syllable).collect();
    String::from_utf8_lossy(&letters).into_owned()
}

/// `(en)` and the like.
fn without_marks(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, mark)) = rest.split_once('(') {
        plain += before;
        rest = mark.split_once(')').map_or("", |(_, after)| after);
    }
    plain + rest
}

/// The clause on one line that is not too long, without anything that could steer espeak-ng.
fn one_line(clause: &str) -> String {
    let mut line = String::new();
    for character in clause.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if line.len() + character.len_utf8() > LONGEST {
            break;
        }
        // "[[…]]" would be read as phonemes, and "<…>" as markup.
        line.push(if matches!(character, '[' | ']' | '<' | '>' | '&') { ' ' } else { character });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clauses_become_phonemes_one_after_the_other() {
        let mut phonemiser = Phonemiser::start("en-us").await.unwrap();
        assert_eq!(phonemiser.phonemes("New session build.").await.unwrap(), "nˈuː sˈɛʃən bˈɪld.");
        assert_eq!(
            phonemiser.phonemes("12 tests passed, 3 failed!").await.unwrap(),
            "twˈɛlv tˈɛsts pˈæst, θɹˈiː fˈeɪld!"
        );
        assert_eq!(phonemiser.phonemes("…").await.unwrap(), "");
        for odd in ["[[h@'l]]", "<break/>", "a\nb\0c", &"long ".repeat(1000), "💥 boom", "bako bako"] {
            phonemiser.phonemes(odd).await.unwrap();
        }
        assert_eq!(phonemiser.phonemes("Yes?").await.unwrap(), "jˈɛs?");
        assert!(!phonemiser.has_ended());
    }

    #[test]
    fn marks_of_language_are_dropped() {
        assert_eq!(without_marks("(fr)bɔ̃ʒˈuːʁ(en) wˈɜːld"), "bɔ̃ʒˈuːʁ wˈɜːld");
    }
}

//! `voice-terminal say TEXT [--out FILE]`: text to speech.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::report::{self, Outcome, Problem, Progressing};
use crate::app::World;
use crate::audio::Mouth;
use crate::domain::Sound;
use crate::shutdown;
use crate::speech::synthesis::Synthesisers;

/// Stands for the lines of standard input.
const INPUT: &str = "-";

#[derive(Serialize)]
struct Said<'a> {
    text: &'a str,
    /// The tiers that spoke, each once.
    tiers: Vec<String>,
    /// From the text to its first sound, ready to be played.
    first: Duration,
    /// From the text to its last sound. When it is played, what is ahead waits for its turn.
    took: Duration,
    /// How long it sounds.
    length: Duration,
    /// How long it would be silent in the middle, since what comes next isn't there yet.
    gaps: Duration,
}

pub(super) async fn run(world: &World, text: &str, out: Option<&PathBuf>, json: bool) -> Outcome {
    if text.trim().is_empty() {
        return Err(Problem::usage("nothing is to be said", "as in: voice-terminal say \"hello\""));
    }
    let cancel = shutdown::on_signals(|| {})?;
    report::announcements(world);
    let voice = Voice { synthesisers: world.synthesisers(), mouth: world.mouth(), told: false, json };
    tokio::select! {
        outcome = say(voice, text, out) => outcome,
        () = cancel.cancelled() => Ok(ExitCode::FAILURE),
    }
}

async fn say(mut voice: Voice, text: &str, out: Option<&PathBuf>) -> Outcome {
    let progressing = Progressing::default();
    voice.synthesisers.prepare(|progress| progressing.show(&progress)).await;
    let mut sounds = out.map(|_| Vec::new());
    if text == INPUT {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            if !line.trim().is_empty() {
                voice.say(&line, sounds.as_mut()).await?;
            }
        }
    } else {
        voice.say(text, sounds.as_mut()).await?;
    }
    if let (Some(path), Some(sounds)) = (out, sounds) {
        write(path, &sounds)
            .map_err(|error| Problem::new(format!("{}: {error}", path.display()), "choose another --out"))?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Voice {
    synthesisers: Arc<Synthesisers>,
    mouth: Mouth,
    /// Whether it was told that another voice speaks.
    told: bool,
    json: bool,
}

impl Voice {
    /// Says a text, to the loudspeaker or into these.
    async fn say(&mut self, text: &str, mut sounds: Option<&mut Vec<Sound>>) -> Result<(), Problem> {
        let began = Instant::now();
        let (mut first, mut took) = (None, Duration::ZERO);
        let (mut length, mut gaps) = (Duration::ZERO, Duration::ZERO);
        let mut tiers: Vec<String> = Vec::new();
        let talk = sounds.is_none().then(|| self.mouth.talk());
        let mut clauses = self.synthesisers.say(text);
        while let Some(clause) = clauses.recv().await {
            let mut clause = clause?;
            if let Some(tier) = &clause.tier
                && !self.synthesisers.is_first(tier)
                && !std::mem::replace(&mut self.told, true)
            {
                report::warn(
                    &format!("{tier} speaks instead of the usual voice"),
                    "`voice-terminal doctor` tells why",
                );
            }
            // What was kept is of no tier.
            let tier = clause.tier.unwrap_or_else(|| "cache".into());
            if !tiers.contains(&tier) {
                tiers.push(tier);
            }
            while let Some(sound) = clause.parts.recv().await {
                took = began.elapsed();
                let first = *first.get_or_insert(took);
                gaps += took.saturating_sub(first + length + gaps);
                length += sound.duration();
                if let Some(sounds) = &mut sounds {
                    sounds.push(sound);
                } else if let Some(talk) = &talk {
                    talk.play(sound).await?;
                }
            }
        }
        if let Some(talk) = talk {
            talk.finished().await?;
        }
        if self.json {
            report::json(&Said { text, tiers, first: first.unwrap_or_default(), took, length, gaps });
        }
        Ok(())
    }
}

/// Writes sounds one after the other as one wav file: mono, 16 bit, at the rate of the first. (All of
/// one voice have the same; another voice's are brought to it by taking the nearest sample, which will
/// do for a file in which the voice changes anyway.)
fn write(path: &Path, sounds: &[Sound]) -> std::io::Result<()> {
    let rate = sounds.first().map_or(22_050, Sound::rate);
    let samples: Vec<i16> = sounds
        .iter()
        .flat_map(|sound| {
            let (from, step) = (sound.samples(), f64::from(sound.rate()) / f64::from(rate));
            let count = (from.len() as f64 / step) as usize;
            (0..count).map(move |n| {
                let sample = from[((n as f64 * step) as usize).min(from.len() - 1)];
                (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)) as i16
            })
        })
        .collect();
    let bytes = u32::try_from(samples.len() * 2).map_err(|_| std::io::ErrorKind::FileTooLarge)?;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"RIFF")?;
    file.write_all(&(36 + bytes).to_le_bytes())?;
    file.write_all(b"WAVEfmt ")?;
    file.write_all(&16_u32.to_le_bytes())?;
    for field in [1_u16, 1] {
        file.write_all(&field.to_le_bytes())?;
    }
    file.write_all(&rate.to_le_bytes())?;
    file.write_all(&(rate * 2).to_le_bytes())?;
    for field in [2_u16, 16] {
        file.write_all(&field.to_le_bytes())?;
    }
    file.write_all(b"data")?;
    file.write_all(&bytes.to_le_bytes())?;
    for sample in samples {
        file.write_all(&sample.to_le_bytes())?;
    }
    file.flush()
}

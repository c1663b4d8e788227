//! `voice-terminal say TEXT [--out FILE]`: text to speech.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::report::{self, Outcome, Problem};
use crate::app::World;
use crate::domain::Sound;
use crate::shutdown;

pub(super) async fn run(world: &World, text: &str, out: Option<&PathBuf>) -> Outcome {
    if text.trim().is_empty() {
        return Err(Problem::usage("nothing is to be said", "as in: voice-terminal say \"hello\""));
    }
    let cancel = shutdown::on_signals(|| {})?;
    tokio::select! {
        outcome = say(world, text, out) => outcome,
        () = cancel.cancelled() => Ok(ExitCode::FAILURE),
    }
}

async fn say(world: &World, text: &str, out: Option<&PathBuf>) -> Outcome {
    report::announcements(world);
    let synthesisers = world.synthesisers();
    let mut clauses = synthesisers.say(text);
    let mouth = world.mouth();
    let mut sounds = Vec::new();
    let mut told = false;
    while let Some(clause) = clauses.recv().await {
        let clause = clause?;
        if !synthesisers.is_first(&clause.tier) && !std::mem::replace(&mut told, true) {
            report::warn(
                &format!("{} speaks instead of the usual voice", clause.tier),
                "`voice-terminal doctor` tells why",
            );
        }
        match out {
            Some(_) => sounds.push(clause.sound),
            None => mouth.play(clause.sound).await?,
        }
    }
    match out {
        Some(path) => write(path, &sounds)
            .map_err(|error| Problem::new(format!("{}: {error}", path.display()), "choose another --out"))?,
        None => mouth.finished().await,
    }
    Ok(ExitCode::SUCCESS)
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

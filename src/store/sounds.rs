//! The sound of what was said, where it is wanted that it is kept.
//!
//! **Why.** A recogniser may be down, or the program may be killed, before what somebody said is words. With
//! `store.sound.keep = "failed"` the sound is on disk before it is recognised, and deleted when it was; what is left can be
//! recognised later (`voice-terminal transcribe --kept`). By default nothing is ever written.
//!
//! **Mechanics.** A file a turn, named by its id: a WAV file of 16 kHz and 16 bits that only the user can read. Who
//! watches the journal knows what becomes of it. Of what wasn't said to the program, nothing is kept.
//!
//! **Limits.** The files have a size altogether, and an age; the oldest go first. They are not encrypted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Content, Origin, Pcm, SAMPLE_RATE, Stage, Utterance, UtteranceId};

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepSound {
    /// What could not be recognised yet.
    Failed,
    /// Everything that was said to the program.
    Always,
}

/// How the sound is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundOptions {
    /// What.
    pub keep: KeepSound,
    /// Where.
    pub directory: PathBuf,
    /// How much altogether, in bytes.
    pub limit: u64,
    /// For how long.
    pub age: Duration,
}

/// The files.
#[derive(Debug, Clone)]
pub(super) struct Sounds {
    options: Arc<SoundOptions>,
}

impl Sounds {
    pub(super) fn new(options: SoundOptions) -> Self {
        Self { options: Arc::new(options) }
    }

    /// Keeps what was said, before it is recognised. A disk that doesn't take it costs no more than that.
    pub(super) async fn opened(&self, utterance: &Utterance) {
        let (Content::Speech(pcm), Origin::Microphone, true) =
            (&utterance.content, utterance.origin, utterance.is_attended)
        else {
            return;
        };
        let (this, id, pcm) = (self.clone(), utterance.id, pcm.clone());
        self.off_thread(move || {
            this.write(id, &pcm)?;
            this.prune()
        })
        .await;
    }

    /// Notes what has become of it.
    pub(super) async fn stage(&self, id: UtteranceId, stage: &Stage) {
        let is_done = match stage {
            Stage::Transcribed(_) => self.options.keep == KeepSound::Failed,
            // It wasn't meant for us; but who stops the program doesn't take back what they said.
            Stage::Abandoned { reason } => reason != Stage::STOPPED,
            _ => false,
        };
        if is_done {
            let path = self.path(id);
            self.off_thread(move || removed(&path)).await;
        }
    }

    /// Deletes the sound of these turns.
    pub(super) async fn forget(&self, ids: Vec<UtteranceId>) {
        let this = self.clone();
        self.off_thread(move || {
            if ids.is_empty() || !this.options.directory.exists() {
                return Ok(());
            }
            ids.iter().try_for_each(|id| removed(&this.path(*id)))
        })
        .await;
    }

    /// What is kept, the oldest first.
    pub(super) fn kept(&self) -> io::Result<Vec<(UtteranceId, PathBuf)>> {
        let mut kept: Vec<_> = self.files()?.into_iter().map(|file| (file.id, file.path)).collect();
        kept.sort();
        Ok(kept)
    }

    async fn off_thread(&self, work: impl FnOnce() -> io::Result<()> + Send + 'static) {
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the sound of what was said can't be kept or deleted"),
            // The runtime is shutting down.
            Err(error) => tracing::debug!(%error, "the sound was not looked after"),
        }
    }

    fn path(&self, id: UtteranceId) -> PathBuf {
        self.options.directory.join(format!("{id}.wav"))
    }

    fn write(&self, id: UtteranceId, pcm: &Pcm) -> io::Result<()> {
        super::file::make_private_directory(&self.options.directory)?;
        // Whole from the beginning.
        let new = self.path(id).with_extension("new");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&wav(pcm))?;
        fs::rename(new, self.path(id))
    }

    /// Deletes what is too old, and then the oldest of what is too much.
    fn prune(&self) -> io::Result<()> {
        let mut files = self.files()?;
        files.sort_by_key(|file| std::cmp::Reverse(file.id));
        let mut bytes = 0;
        for file in files {
            bytes += file.bytes;
            if bytes > self.options.limit || file.age > self.options.age {
                removed(&file.path)?;
            }
        }
        Ok(())
    }

    /// Our files: those that are named by an id. What else lies there is somebody else's.
    fn files(&self) -> io::Result<Vec<Kept>> {
        let entries = match fs::read_dir(&self.options.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let is_ours = path.extension().is_some_and(|it| it == "wav" || it == "new");
            let id = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            // It may have gone meanwhile.
            let (Some(id), true, Ok(file)) = (id, is_ours, fs::metadata(&path)) else { continue };
            let age = file.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
            files.push(Kept { id, path, bytes: file.len(), age });
        }
        Ok(files)
    }
}

struct Kept {
    id: UtteranceId,
    path: PathBuf,
    bytes: u64,
    age: Duration,
}

fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A WAV file of 16 bits.
fn wav(pcm: &Pcm) -> Vec<u8> {
    let data = pcm.samples().len() as u32 * 2;
    let mut file = Vec::with_capacity(44 + data as usize);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + data).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
    file.extend_from_slice(&(SAMPLE_RATE * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&data.to_le_bytes());
    for sample in pcm.samples() {
        file.extend_from_slice(&((sample * 32_767.0).clamp(-32_768.0, 32_767.0) as i16).to_le_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::domain::{Confidence, Transcript};

    fn sounds(place: &Path, keep: KeepSound, limit: u64) -> Sounds {
        let directory = place.join("state/sound");
        Sounds::new(SoundOptions { keep, directory, limit, age: Duration::from_secs(3600) })
    }

    fn said() -> Utterance {
        Utterance::spoken(Origin::Microphone, Pcm::new(vec![0.5; 1_000]))
    }

    fn transcribed() -> Stage {
        Stage::Transcribed(Transcript {
            text: "x".into(),
            confidence: Confidence::CERTAIN,
            tier: "test".into(),
            took: Duration::ZERO,
        })
    }

    #[tokio::test]
    async fn what_is_not_recognised_is_kept_until_it_is() {
        let place = tempfile::tempdir().unwrap();
        let sounds = sounds(place.path(), KeepSound::Failed, 1 << 20);
        let (one, two) = (said(), said());
        sounds.opened(&one).await;
        sounds.opened(&two).await;
        let kept = sounds.kept().unwrap();
        assert_eq!(kept.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [one.id, two.id]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&kept[0].1), mode(kept[0].1.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::metadata(&kept[0].1).unwrap().len(), 2_044);
        sounds.stage(one.id, &transcribed()).await;
        sounds.stage(two.id, &Stage::Abandoned { reason: Stage::STOPPED.into() }).await;
        assert_eq!(sounds.kept().unwrap().len(), 1);
        sounds.stage(two.id, &Stage::Abandoned { reason: "it was not for us".into() }).await;
        assert_eq!(sounds.kept().unwrap().len(), 0);
        // Nor is anything kept of what wasn't said to us, or not by anybody here.
        sounds.opened(&Utterance { is_attended: false, ..said() }).await;
        sounds.opened(&Utterance::spoken(Origin::Recording, Pcm::new(vec![0.5; 1_000]))).await;
        sounds.opened(&Utterance::typed(Origin::Typed, "x")).await;
        assert_eq!(sounds.kept().unwrap().len(), 0);
    }

    #[tokio::test]
    async fn the_oldest_go_first_and_others_files_stay() {
        let place = tempfile::tempdir().unwrap();
        let sounds = sounds(place.path(), KeepSound::Always, 5_000);
        let all = [said(), said(), said()];
        sounds.opened(&all[0]).await;
        let directory = place.path().join("state/sound");
        fs::write(directory.join("mine.wav"), vec![0; 10_000]).unwrap();
        sounds.stage(all[0].id, &transcribed()).await;
        sounds.opened(&all[1]).await;
        sounds.opened(&all[2]).await;
        let ids: Vec<_> = sounds.kept().unwrap().into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [all[1].id, all[2].id]);
        sounds.forget(ids).await;
        assert_eq!(sounds.kept().unwrap().len(), 0);
        assert!(directory.join("mine.wav").exists());
    }
}

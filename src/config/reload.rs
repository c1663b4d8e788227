//! The user's files, followed while the program runs.
//!
//! **Mechanics.** They (the configuration, and the user's own phrases beside it) are looked at twice a second, which sees every way of changing it alike: an
//! editor that writes in place or puts a new file there, a link to one's dotfiles, a network file
//! system that tells nobody. A file is read once it has stood still for one look, so that none is
//! read half-written.
//!
//! **Limits.** Environment and command line are those of the start; a file that appears is read,
//! one that goes away gives the defaults back.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::{Config, ConfigError, Sources};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What tells one content of the file from another; `None` while there is no file.
type Stamp = Option<(u64, i64, i64, u64)>;

/// The user's files, in the order of [`Sources::files`].
type Stamps = [Stamp; 2];

/// Watches the user's configuration file.
#[derive(Debug)]
pub struct Watcher {
    sources: Sources,
    read: Stamps,
}

impl Watcher {
    /// Changes from now on; what the sources give at this moment is taken as known.
    pub fn new(sources: Sources) -> Self {
        let read = sources
            .files()
            .map_or_else(Stamps::default, |files| files.map(|file| stamp(std::fs::metadata(file))));
        Self { sources, read }
    }

    /// Waits for the file to change, and reads all layers anew. Cancel-safe.
    ///
    /// # Errors
    /// The changed file can't be used.
    pub async fn changed(&mut self) -> Result<Config, ConfigError> {
        let Some([file, phrases]) = self.sources.files() else { return std::future::pending().await };
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.read;
        loop {
            looks.tick().await;
            let now = [stamp(tokio::fs::metadata(&file).await), stamp(tokio::fs::metadata(&phrases).await)];
            if now != self.read && now == last {
                self.read = now;
                return self.sources.load();
            }
            last = now;
        }
    }
}

fn stamp(metadata: std::io::Result<std::fs::Metadata>) -> Stamp {
    metadata.ok().map(|file| (file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
}

/// What differs between two configurations, by section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Sections that can change under way.
    pub at_once: Vec<&'static str>,
    /// Sections that are built into what is running.
    pub at_next_start: Vec<&'static str>,
}

impl Difference {
    /// From one to the other.
    pub fn between(old: &Config, new: &Config) -> Self {
        let names = |sections: &[(&'static str, bool)]| {
            sections.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect()
        };
        Self {
            at_once: names(&[
                ("audio", old.audio != new.audio),
                ("listening", old.listening != new.listening),
                ("phrases", old.phrases != new.phrases),
                ("interpreter", old.interpreter != new.interpreter),
                ("speech", old.speech != new.speech),
                ("cloud", old.cloud != new.cloud),
                ("ai", old.ai != new.ai),
                ("safety", old.safety != new.safety),
                ("breakers", old.breakers != new.breakers),
            ]),
            at_next_start: names(&[
                ("terminal", old.terminal != new.terminal),
                ("store", old.store != new.store),
                ("cache", old.cache != new.cache),
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn watch(file: &Path) -> Watcher {
        Watcher::new(Sources { file: Some(file.to_owned()), ..Sources::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_appears_changes_and_goes_is_seen_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        let mut watcher = watch(&file);
        fs::write(&file, "[terminal]\nsession = \"one\"\n").unwrap();
        assert_eq!(watcher.changed().await.unwrap().terminal.session, "one");
        // As editors do it.
        fs::write(dir.path().join("new"), "[terminal]\nsession = \"two\"\n").unwrap();
        fs::rename(dir.path().join("new"), &file).unwrap();
        assert_eq!(watcher.changed().await.unwrap().terminal.session, "two");
        fs::write(&file, "[terminal]\nsession = 3\n").unwrap();
        assert_eq!(watcher.changed().await.unwrap_err().line, Some(2));
        fs::remove_file(&file).unwrap();
        assert_eq!(watcher.changed().await.unwrap(), Sources::default().load().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_not_changed_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        fs::write(&file, "").unwrap();
        let mut watcher = watch(&file);
        tokio::time::timeout(LOOK * 20, watcher.changed()).await.unwrap_err();
    }

    #[test]
    fn a_difference_says_what_waits_for_the_next_start() {
        let old = Config::default();
        let mut new = old.clone();
        assert_eq!(Difference::between(&old, &new), Difference::default());
        new.audio.input = "none".into();
        new.terminal.socket = "other".into();
        let difference = Difference::between(&old, &new);
        assert_eq!((difference.at_once, difference.at_next_start), (vec!["audio"], vec!["terminal"]));
    }
}

//! What services elsewhere have cost this month, on disk.
//!
//! The file is the truth: it is read, checked and written anew under a lock for every call, before
//! the call, so that processes share it, and a crash costs at most what was never sent. A file that
//! can't be read or written means that nothing is sent.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Sound sent or fetched.
    pub sound: Duration,
    /// Millionths of a US dollar.
    pub microdollars: u64,
}

impl Cost {
    /// Of so much sound at a price a minute.
    pub fn of_sound(sound: Duration, price: f64) -> Self {
        Self { sound, microdollars: (sound.as_secs_f64() / 60.0 * price * 1e6).ceil() as u64 }
    }

    /// Of so many characters (or tokens) at a price a million, which take so long to say.
    pub fn of_text(characters: usize, price: f64, sound: Duration) -> Self {
        Self { sound, microdollars: (characters as f64 * price).ceil() as u64 }
    }
}

/// What a month may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    pub(super) sound: Duration,
    pub(super) dollars: f64,
}

/// What a month has cost.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Month {
    /// Such as `2026-11`, UTC; so written, a later one is greater.
    when: String,
    sound_ms: u64,
    microdollars: u64,
}

/// Why nothing can be spent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("this month's budget for sound is used up (cloud.monthly_sound)")]
    Sound,
    #[error("this month's budget is used up (cloud.monthly_cost)")]
    Money,
    #[error("what clouds have cost can't be written down, so nothing is sent")]
    Unwritable,
    #[error(
        "the record of what clouds have cost is damaged, so nothing is sent; remove cloud.json from the state directory"
    )]
    Damaged,
}

impl Month {
    fn now() -> String {
        Timestamp::now().strftime("%Y-%m").to_string()
    }

    /// With a cost on top, if that may be.
    fn plus(mut self, cost: Cost, limits: Limits) -> Result<Self, Refusal> {
        let now = Self::now();
        // A clock that goes back brings no month back: what was spent in the later one stays spent.
        if self.when < now {
            self = Self { when: now, ..Self::default() };
        }
        self.sound_ms = self.sound_ms.saturating_add(cost.sound.as_millis() as u64);
        self.microdollars = self.microdollars.saturating_add(cost.microdollars);
        if u128::from(self.sound_ms) > limits.sound.as_millis() {
            return Err(Refusal::Sound);
        }
        if self.microdollars as f64 > limits.dollars * 1e6 {
            return Err(Refusal::Money);
        }
        Ok(self)
    }
}

/// Adds a cost to the file, or nothing. Blocks for as long as a disk takes.
pub(super) fn spend(path: &Path, cost: Cost, limits: Limits) -> Result<(), Refusal> {
    let unwritable = |error: io::Error| {
        tracing::error!(%error, "the ledger of clouds can't be written");
        Refusal::Unwritable
    };
    let _lock = lock(path).map_err(unwritable)?;
    let month = read(path)?.plus(cost, limits)?;
    write(path, &month).map_err(unwritable)
}

fn read(path: &Path) -> Result<Month, Refusal> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| Refusal::Damaged),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Month::default()),
        Err(error) => {
            tracing::error!(%error, "the ledger of clouds can't be read");
            Err(Refusal::Damaged)
        }
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    path.with_extension(ending)
}

fn lock(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(beside(path, "lock"))?;
    file.lock()?;
    Ok(file)
}

/// Whole or not at all, and on the disk.
fn write(path: &Path, month: &Month) -> io::Result<()> {
    let new = beside(path, "new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(month)?)?;
    file.sync_data()?;
    fs::rename(new, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn ledger() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/cloud.json");
        (directory, path)
    }

    #[test]
    fn a_month_is_never_overdrawn() {
        let (_directory, path) = ledger();
        let limits = Limits { sound: S(60), dollars: 1.0 };
        let cost = Cost { sound: S(25), microdollars: 10 };
        spend(&path, cost, limits).unwrap();
        spend(&path, cost, limits).unwrap();
        assert_eq!(spend(&path, cost, limits), Err(Refusal::Sound));
        spend(&path, Cost { sound: S(10), microdollars: 999_980 }, limits).unwrap();
        assert_eq!(spend(&path, Cost { microdollars: 1, ..Cost::default() }, limits), Err(Refusal::Money));
        spend(&path, cost, Limits { sound: S(90), dollars: 2.0 }).unwrap();
    }

    #[test]
    fn a_new_month_begins_anew() {
        let (_directory, path) = ledger();
        let limits = Limits { sound: S(60), dollars: 1.0 };
        spend(&path, Cost { sound: S(60), microdollars: 1 }, limits).unwrap();
        let old = Month { when: "2020-01".into(), ..read(&path).unwrap() };
        write(&path, &old).unwrap();
        spend(&path, Cost { sound: S(60), microdollars: 1 }, limits).unwrap();
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing() {
        let (_directory, path) = ledger();
        let limits = Limits { sound: S(60), dollars: 1.0 };
        spend(&path, Cost { sound: S(30), microdollars: 1 }, limits).unwrap();
        let later = Month { when: "2999-12".into(), ..read(&path).unwrap() };
        write(&path, &later).unwrap();
        spend(&path, Cost { sound: S(20), microdollars: 1 }, limits).unwrap();
        assert_eq!(read(&path), Ok(Month { when: "2999-12".into(), sound_ms: 50_000, microdollars: 2 }));
        assert_eq!(spend(&path, Cost { sound: S(20), microdollars: 1 }, limits), Err(Refusal::Sound));
    }

    #[test]
    fn what_is_damaged_or_can_not_be_written_shuts_the_gate() {
        let (directory, path) = ledger();
        let limits = Limits { sound: S(60), dollars: 1.0 };
        spend(&path, Cost::default(), limits).unwrap();
        fs::write(&path, "{\"when\":\"20").unwrap();
        assert_eq!(spend(&path, Cost::default(), limits), Err(Refusal::Damaged));
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(spend(&file.join("cloud.json"), Cost::default(), limits), Err(Refusal::Unwritable));
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let (_directory, path) = ledger();
        let limits = Limits { sound: S(100), dollars: 1.0 };
        let spent: usize = std::thread::scope(|scope| {
            let spenders = [(); 4].map(|()| {
                let spend = || spend(&path, Cost { sound: S(2), microdollars: 1 }, limits).is_ok();
                scope.spawn(move || (0..20).filter(|_| spend()).count())
            });
            spenders.map(|spender| spender.join().unwrap()).iter().sum()
        });
        assert_eq!(spent, 50);
    }

    #[test]
    fn prices_are_by_the_minute_and_by_the_million() {
        assert_eq!(Cost::of_sound(S(30), 0.024).microdollars, 12_000);
        assert_eq!(Cost::of_text(1000, 16.0, S(60)).microdollars, 16_000);
    }
}

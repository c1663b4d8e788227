//! Who writes a record, and whether that run of the program still lives.
//!
//! Each run holds a lock on a file of its own, named by a random id that its records carry. The
//! kernel drops the lock at death, whatever the manner of it; so a record whose owner's lock can be
//! taken was left by a crash. Process ids would do worse: they are used again, and mean nothing in
//! another container that shares the directory.
//!
//! Registering and judging happen under one more lock, so that no run is taken for dead between
//! making its file and locking it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// How long another process may take to open the journal before this one goes on without waiting.
const PATIENCE: Duration = Duration::from_millis(500);

/// The locks of all runs that share one journal.
#[derive(Debug, Clone)]
pub(super) struct Locks {
    directory: PathBuf,
}

/// This run's mark. Dropping it is as good as dying.
#[derive(Debug)]
pub(super) struct Owner {
    id: String,
    path: PathBuf,
    _lock: File,
}

/// Held while the journal is opened, moved or recovered.
#[derive(Debug)]
pub(super) struct Gate {
    _lock: File,
}

impl Locks {
    /// The locks of the journal at this path; makes their directory.
    pub(super) fn of(journal: &Path) -> io::Result<Self> {
        let mut name = journal.file_name().unwrap_or_default().to_owned();
        name.push(".locks");
        let directory = journal.with_file_name(name);
        super::file::make_private_directory(&directory)?;
        Ok(Self { directory })
    }

    /// Waits for its turn to open the journal. Blocks for half a second at most; `None` when another
    /// process holds it longer than that.
    pub(super) fn gate(&self) -> io::Result<Option<Gate>> {
        let lock = lock_file(&self.directory.join("gate"))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Gate { _lock: lock })),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Marks this run as alive. Call it behind the gate.
    pub(super) fn register(&self) -> io::Result<Owner> {
        let id = Uuid::now_v7().to_string();
        let path = self.directory.join(&id);
        let lock = lock_file(&path)?;
        lock.try_lock()?;
        Ok(Owner { id, path, _lock: lock })
    }

    /// Whether the run with this id still lives. When that can't be known, it does. Call it behind
    /// the gate.
    pub(super) fn is_alive(&self, id: &str) -> bool {
        // Ids come from the database; only a plain one may name a file.
        let Ok(id) = Uuid::parse_str(id) else { return false };
        let path = self.directory.join(id.to_string());
        let lock = match File::open(&path) {
            Ok(lock) => lock,
            Err(error) => return error.kind() != io::ErrorKind::NotFound,
        };
        let alive = lock.try_lock().is_err();
        if !alive {
            // Left by a crash; if it can't be removed it does no harm.
            let _ = fs::remove_file(&path);
        }
        alive
    }
}

impl Owner {
    /// The id that this run's records carry.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // If it stays, the next recovery removes it.
        let _ = fs::remove_file(&self.path);
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_lives_until_its_lock_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let locks = Locks::of(&directory.path().join("journal.sqlite")).unwrap();
        let owner = locks.register().unwrap();
        let id = owner.id().to_owned();
        assert!(locks.is_alive(&id));
        drop(owner);
        assert!(!locks.is_alive(&id));
        assert!(!locks.is_alive("../../etc/passwd"));
    }

    #[test]
    fn one_at_a_time_passes_the_gate() {
        let directory = tempfile::tempdir().unwrap();
        let locks = Locks::of(&directory.path().join("journal.sqlite")).unwrap();
        let held = locks.gate().unwrap();
        assert!(held.is_some());
        assert!(locks.gate().unwrap().is_none());
        drop(held);
        assert!(locks.gate().unwrap().is_some());
    }
}

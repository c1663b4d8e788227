//! One listening process a user: two would both act on what they hear.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Held while this process listens; given back when it is dropped or the process ends, however
/// that happens.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("voice-terminal is already running{}", .pid.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Held {
        /// That process, as it says itself.
        pid: Option<String>,
    },
    /// The directory belongs to somebody else, or others can enter it.
    #[error("the runtime directory isn't private to you")]
    NotPrivate,
    /// It can't be made.
    #[error("the lock can't be made: {0}")]
    Io(#[from] std::io::Error),
}

impl Lock {
    /// Takes the lock; makes its directory, private to the user, if it is not there.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(path: &Path) -> Result<Self, LockError> {
        if let Some(directory) = path.parent() {
            private_directory(directory)?;
        }
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            // Who holds it is only told to be helpful.
            let _ = Read::by_ref(&mut file).take(20).read_to_string(&mut pid);
            let pid = pid.trim().to_owned();
            return Err(LockError::Held { pid: (!pid.is_empty()).then_some(pid) });
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

/// Makes a directory that only this user can enter, or checks that it is one. A path below a shared
/// `/tmp` may have been prepared by somebody else; such a directory is not used.
fn private_directory(directory: &Path) -> Result<(), LockError> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let metadata = std::fs::symlink_metadata(directory)?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::getuid().as_raw() {
        return Err(LockError::NotPrivate);
    }
    if metadata.mode() & 0o077 != 0 {
        std::fs::set_permissions(directory, PermissionsExt::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_had_once_and_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/lock");
        let lock = Lock::take(&path).unwrap();
        let pid = std::process::id().to_string();
        assert!(matches!(Lock::take(&path), Err(LockError::Held { pid: Some(held) }) if held == pid));
        drop(lock);
        Lock::take(&path).unwrap();
        assert_eq!(std::fs::metadata(dir.path().join("run")).unwrap().mode() & 0o777, 0o700);
    }
}

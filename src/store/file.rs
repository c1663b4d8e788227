//! The journal's file and directory: private to the user, whatever the umask.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// What SQLite keeps beside the database.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// Makes a directory (0700) and what lacks above it. One that exists is left as it is: it may be
/// the user's own choice of place.
pub(super) fn make_private_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_private_directory(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        // Another process was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700)),
    }
}

/// Makes an empty database file (0600) if there is none, and takes other people's rights from one
/// that is there. SQLite gives the files beside it the same rights.
///
/// An existing file is not opened here: closing it would drop the locks that SQLite may hold on it
/// elsewhere in this process.
pub(super) fn prepare(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        make_private_directory(directory)?;
    }
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode == 0o600 { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(0o600)) }
}

/// Which file this is, to notice when the path names another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

/// Which file the path names now.
pub(super) fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = fs::metadata(path)?;
    Ok(Identity(metadata.dev(), metadata.ino()))
}

/// Sets a damaged database aside, with its companions so that it can still be salvaged. Gives the
/// name it has now.
pub(super) fn set_aside(path: &Path) -> io::Result<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ");
    let aside = format!("{name}.damaged-{stamp}");
    for companion in COMPANIONS {
        let from = PathBuf::from(format!("{}{companion}", path.display()));
        match fs::rename(from, path.with_file_name(format!("{aside}{companion}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_user_can_read_what_is_made() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b/journal.sqlite");
        prepare(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&place.path().join("a")), 0o700);
        assert_eq!(mode(&place.path().join("a/b")), 0o700);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        prepare(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_damaged_file_keeps_its_companions() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("journal.sqlite");
        fs::write(&path, "x").unwrap();
        fs::write(place.path().join("journal.sqlite-wal"), "y").unwrap();
        let aside = set_aside(&path).unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read_to_string(place.path().join(&aside)).unwrap(), "x");
        assert_eq!(fs::read_to_string(place.path().join(format!("{aside}-wal"))).unwrap(), "y");
    }
}

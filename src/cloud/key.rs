//! Keys of services: from the environment, or from a file that only its owner can read.

use std::fs::{File, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Longer than any key.
const LONGEST: u64 = 16 * 1024;

/// A secret. It can't be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The key of a provider: of the environment variable, else of the file `name` in the directory. `None`
    /// if neither is there.
    ///
    /// # Errors
    /// In the user's words: a file that others can read, or that holds no key.
    pub fn find(variable: &str, directory: &Path, name: &str) -> Result<Option<Self>, String> {
        if let Some(key) = std::env::var(variable).ok().filter(|key| !key.trim().is_empty()) {
            return Self::parse(&key).map(Some).ok_or_else(|| format!("{variable} holds no key"));
        }
        Self::read(&directory.join(name), name)
    }

    fn read(path: &Path, name: &str) -> Result<Option<Self>, String> {
        let unreadable = |_| format!("the key file keys/{name} can't be read");
        // A pipe in its place would keep us waiting.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = match File::options().read(true).custom_flags(nonblocking).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let metadata = file.metadata().map_err(unreadable)?;
        let mode = Permissions::mode(&metadata.permissions());
        let own = metadata.uid() == rustix::process::geteuid().as_raw();
        if !metadata.is_file() || mode & 0o077 != 0 || !own {
            return Err(format!(
                "the key file keys/{name} is not used, because others can read it (chmod 600 it)"
            ));
        }
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&text).map(Some).ok_or_else(|| format!("the key file keys/{name} holds no key"))
    }

    /// One word that can stand in a header.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_word = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        is_word.then(|| Self(text.to_owned()))
    }

    /// The secret itself, for a header.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, mode: u32) -> Result<Option<Key>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("google");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Key::find("VT_NO_SUCH_VARIABLE", directory.path(), "google")
    }

    #[test]
    fn a_key_comes_from_a_file_that_nobody_else_can_read() {
        assert_eq!(written("abc123\n", 0o600).unwrap().unwrap().reveal(), "abc123");
        for (text, mode) in [("abc123", 0o640), ("abc123", 0o604), ("", 0o600), ("two words", 0o600)] {
            let refused = written(text, mode).unwrap_err();
            assert!(!refused.contains("abc123") && refused.contains("keys/google"), "{refused}");
        }
        assert_eq!(Key::find("VT_NO_SUCH_VARIABLE", Path::new("/nonexistent"), "x"), Ok(None));
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", Key("abc123".into())), "Key(…)");
    }
}

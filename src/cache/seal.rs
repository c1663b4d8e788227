//! Values sealed to their key: HMAC-SHA-256 (RFC 2104) over key, end of life and content.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::CacheKey;

/// Changes with the layout, so that what an older version left is not understood.
const MAGIC: &[u8; 4] = b"VTC1";
const BLOCK: usize = 64;
const MAC: usize = 32;
const HEAD: usize = MAGIC.len() + 8 + MAC;

/// This user's secret.
pub(super) struct Seal([u8; 32]);

impl Seal {
    /// The secret in a file that is made if need be. Without one, a secret of this run, with which nothing that
    /// others left can be opened.
    pub(super) fn load(path: &Path) -> Self {
        Self::read_or_make(path).unwrap_or_else(|error| {
            tracing::warn!(%error, "the secret of the cache can't be kept");
            Self::random()
        })
    }

    /// A secret of this run.
    pub(super) fn random() -> Self {
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        secret[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self(secret)
    }

    fn read_or_make(path: &Path) -> io::Result<Self> {
        let read = || {
            fs::read(path).and_then(|bytes| bytes.try_into().map_err(|_| io::ErrorKind::InvalidData.into()))
        };
        match read() {
            Ok(secret) => return Ok(Self(secret)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let new = path.with_extension(Uuid::new_v4().to_string());
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&Self::random().0)?;
        // Whole from the beginning, and whoever is first wins.
        let linked = fs::hard_link(&new, path);
        fs::remove_file(&new)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => read().map(Self),
        }
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; MAC] {
        let pad = |with: u8| {
            let mut block = [with; BLOCK];
            block.iter_mut().zip(self.0).for_each(|(byte, secret)| *byte ^= secret);
            block
        };
        let mut inner = Sha256::new_with_prefix(pad(0x36));
        for part in parts {
            inner.update(part);
        }
        Sha256::new_with_prefix(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
    }

    /// The name under which something is kept, which tells nothing of it.
    pub(super) fn name(&self, key: &CacheKey) -> String {
        let hash = self.mac(&[b"name", key.kind.as_bytes(), b"\0", key.id.as_bytes()]);
        let mut name = format!("{}{}:", Self::BEGIN, key.kind);
        for byte in hash {
            // Writing into a string can't fail.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    /// How every name begins.
    pub(super) const BEGIN: &'static str = "vt:1:";

    /// Content for its name, for so long.
    pub(super) fn close(&self, name: &str, keep: Duration, content: &[u8]) -> Vec<u8> {
        let ends = (Timestamp::now().as_second().unsigned_abs() + keep.as_secs()).to_be_bytes();
        let mac = self.mac(&[b"seal", name.as_bytes(), b"\0", &ends, content]);
        [&MAGIC[..], &ends, &mac, content].concat()
    }

    /// The content that was sealed to this name, if it is that, and for how long it still lives.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Option<(Vec<u8>, Duration)> {
        let (ends, content) = self.parts(name, sealed)?;
        let now = Duration::from_millis(Timestamp::now().as_millisecond().unsigned_abs());
        let left = Duration::from_secs(ends).checked_sub(now).filter(|left| !left.is_zero())?;
        Some((content.to_vec(), left))
    }

    /// Whether something was sealed to this name with this secret, alive or not.
    pub(super) fn is_ours(&self, name: &str, sealed: &[u8]) -> bool {
        self.parts(name, sealed).is_some()
    }

    /// The end of life and the content of what was sealed to this name.
    fn parts<'a>(&self, name: &str, sealed: &'a [u8]) -> Option<(u64, &'a [u8])> {
        let (head, content) = sealed.split_at_checked(HEAD)?;
        let (magic, rest) = head.split_at(MAGIC.len());
        let (ends, given) = rest.split_at(8);
        let mac = self.mac(&[b"seal", name.as_bytes(), b"\0", ends, content]);
        // In the same time wherever they differ.
        let differ = mac.iter().zip(given).fold(0, |differ, (one, other)| differ | (one ^ other));
        let ends = u64::from_be_bytes(ends.try_into().ok()?);
        (magic == MAGIC && differ == 0).then_some((ends, content))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn key(kind: &'static str, id: &str) -> CacheKey {
        CacheKey { kind, id: id.into(), keep: HOUR }
    }

    #[test]
    fn it_is_hmac() {
        // RFC 4231, test case 2, has a shorter key; zeros at its end change nothing.
        let mut secret = [0; 32];
        secret[..4].copy_from_slice(b"Jefe");
        let mac = Seal(secret).mac(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(mac[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
    }

    #[test]
    fn only_what_was_sealed_to_a_name_can_be_opened_there() {
        let seal = Seal::random();
        let (one, two) = (seal.name(&key("phrase", "one")), seal.name(&key("phrase", "two")));
        assert!(one.starts_with("vt:1:phrase:") && !one.contains("one") && one != two);
        assert_ne!(one, seal.name(&key("meaning", "one")));
        let sealed = seal.close(&one, HOUR, b"content");
        let (content, left) = seal.open(&one, &sealed).unwrap();
        assert!(content == b"content" && left <= HOUR && left + Duration::from_mins(1) > HOUR, "{left:?}");
        assert_eq!(seal.open(&two, &sealed), None);
        assert_eq!(Seal::random().open(&one, &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open(&one, &changed), None, "byte {at}");
            assert_eq!(seal.open(&one, &sealed[..at]), None, "cut at {at}");
        }
        assert_eq!(seal.open(&one, &seal.close(&one, Duration::ZERO, b"old")), None);
    }

    #[test]
    fn the_secret_stays_and_is_the_user_s_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/cache.key");
        let secret = Seal::load(&path).0;
        assert_eq!(Seal::load(&path).0, secret);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::write(&path, "short").unwrap();
        assert_ne!(Seal::load(&path).0, Seal::load(&path).0);
    }
}

//! A breaker's name.

use std::sync::Arc;

/// Names up to this length are copied; longer ones are shared.
const INLINE: usize = 30;

/// A breaker's name. Cheap to clone, because every rejected call carries one: a short name is
/// copied, and no reference count is touched that other threads touch too.
#[derive(Clone)]
pub struct Name(Repr);

#[derive(Clone)]
enum Repr {
    Short { length: u8, bytes: [u8; INLINE] },
    Long(Arc<str>),
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // Made of a whole `str` below, so it always is one.
            Repr::Short { length, bytes } => std::str::from_utf8(&bytes[..usize::from(*length)]).unwrap_or(""),
            Repr::Long(name) => name,
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..name.len()) {
            Some(start) => {
                start.copy_from_slice(name.as_bytes());
                Self(Repr::Short { length: name.len() as u8, bytes })
            }
            None => Self(Repr::Long(name.into())),
        }
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_names_are_kept() {
        for name in ["", "local-whisper", "ein Name mit Umläuten, äöü ß", &"x".repeat(30), &"ü".repeat(40)] {
            assert_eq!(Name::from(name), *name);
        }
        assert!(size_of::<Name>() <= 32);
    }
}

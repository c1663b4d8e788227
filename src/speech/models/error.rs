//! What can go wrong with models.

use std::io;
use std::path::Path;

use super::convert::ConvertError;
use crate::breaker::{Class, Classify};
use crate::config::Paths;

/// Why a model can't be had or used. Its words are for the user.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct ModelError {
    /// What kind of trouble.
    pub kind: ModelErrorKind,
    /// One line.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// The kind of trouble with a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelErrorKind {
    /// No model has this name.
    Unknown,
    /// It isn't on this machine.
    Missing,
    /// It isn't what it should be.
    Corrupt,
    /// Where it comes from can't be reached, or broke off.
    Unreachable,
    /// A program that is needed isn't there.
    NoClient,
    /// The disk refuses.
    Disk,
    /// Another process is at it.
    Busy,
}

impl ModelError {
    pub(super) fn new(kind: ModelErrorKind, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn disk(error: &io::Error, path: &Path) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "make room on the disk, and try again"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "make the directory writable, or set XDG_DATA_HOME to one that is"
            }
            _ => "check the disk and the directory's permissions",
        };
        tracing::warn!(%error, path = %path.display(), "a model file can't be written");
        Self::new(ModelErrorKind::Disk, format!("{} can't be written", Paths::shown(path)), remedy)
    }

    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::new(
            ModelErrorKind::Corrupt,
            what,
            "nothing of it was kept; try again with `voice-terminal models fetch`",
        )
    }

    pub(super) fn convert(error: ConvertError, path: &Path) -> Self {
        match error {
            ConvertError::Io(error) => Self::disk(&error, path),
            other => Self::corrupt(other.to_string()),
        }
    }
}

impl Classify for ModelError {
    fn class(&self) -> Class {
        match self.kind {
            // Damaged content is the source's failure: another source may have it whole.
            ModelErrorKind::Unreachable | ModelErrorKind::Corrupt | ModelErrorKind::NoClient => {
                Class::Failure
            }
            ModelErrorKind::Unknown
            | ModelErrorKind::Missing
            | ModelErrorKind::Disk
            | ModelErrorKind::Busy => Class::Caller,
        }
    }
}

//! Loading of ONNX models, which may be any file at all.

use std::path::Path;

use rten::Model;

/// A model that can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error("the file can't be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// It is cut short, or something else.
    #[error("it is not a whole ONNX file")]
    NotWhole,
    /// The inference library refuses it.
    #[error("{0}")]
    Refused(Box<dyn std::error::Error + Send + Sync>),
}

/// Loads a model. Blocks on the disk, and on up to a tenth of a second of work.
///
/// # Errors
/// See [`LoadError`].
pub fn load(path: &Path) -> Result<Model, LoadError> {
    let bytes = std::fs::read(path).map_err(LoadError::Unreadable)?;
    if !is_whole_message(&bytes) {
        return Err(LoadError::NotWhole);
    }
    Model::load(bytes).map_err(|error| LoadError::Refused(Box::new(error)))
}

/// Whether the fields at the top of a protobuf message, which an ONNX file is, fill it exactly.
/// `rten` reads for ever in some files that are something else, so it never gets to see them.
fn is_whole_message(bytes: &[u8]) -> bool {
    fn varint(bytes: &mut &[u8]) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = bytes.split_first()?;
            *bytes = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
    fn skip_field(bytes: &mut &[u8]) -> Option<()> {
        let tag = varint(bytes)?;
        let length = match tag & 7 {
            0 => varint(bytes).map(|_| 0)?,
            1 => 8,
            2 => varint(bytes)?,
            5 => 4,
            _ => return None,
        };
        *bytes = bytes.get(usize::try_from(length).ok()?..)?;
        (tag >> 3 != 0).then_some(())
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        if skip_field(&mut rest).is_none() {
            return false;
        }
    }
    !bytes.is_empty()
}

//! Reads a model in CTranslate2's binary format, version 6, as `model.bin` has it.
//!
//! Little endian: version, name and revision of the specification, then the variables (name,
//! dimensions, type, data), then aliases. Every length is checked against what is there, so that a
//! damaged file is an error and never more than that.

use std::collections::BTreeMap;

use super::ConvertError;

const VERSION: u32 = 6;

/// A variable, still in the bytes of the file.
#[derive(Debug, Clone)]
pub(super) struct Variable<'a> {
    pub(super) dims: Vec<usize>,
    kind: u8,
    data: &'a [u8],
}

impl Variable<'_> {
    /// Its numbers. Only the floating-point types occur in weights.
    pub(super) fn floats(&self) -> Result<Vec<f32>, ConvertError> {
        match self.kind {
            0 => Ok(self.data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
            4 => Ok(self
                .data
                .as_chunks::<2>()
                .0
                .iter()
                .map(|bytes| half::f16::from_le_bytes(*bytes).to_f32())
                .collect()),
            other => Err(ConvertError::Unsupported(format!("weights of type {other}"))),
        }
    }

    /// Its only number, for settings such as the number of heads.
    pub(super) fn integer(&self) -> Option<i32> {
        match (self.kind, self.data) {
            (1, [byte]) => Some(i32::from(byte.cast_signed())),
            (2, data) => Some(i32::from(i16::from_le_bytes(data.try_into().ok()?))),
            (3, data) => Some(i32::from_le_bytes(data.try_into().ok()?)),
            _ => None,
        }
    }
}

/// The variables of a file, by name.
pub(super) fn read(file: &[u8]) -> Result<BTreeMap<String, Variable<'_>>, ConvertError> {
    let mut reader = Reader { rest: file };
    if reader.u32()? != VERSION {
        return Err(ConvertError::Unsupported("another version of the CTranslate2 format".into()));
    }
    let specification = reader.name()?;
    if specification != "WhisperSpec" {
        return Err(ConvertError::Unsupported(format!("a {specification:.40} model")));
    }
    reader.u32()?;
    let count = reader.u32()?;
    let mut variables = BTreeMap::new();
    for _ in 0..count {
        let name = reader.name()?;
        let rank = reader.u8()?;
        let dims: Vec<usize> =
            (0..rank).map(|_| reader.u32().map(|dim| dim as usize)).collect::<Result<_, _>>()?;
        let kind = reader.u8()?;
        let length = reader.u32()? as usize;
        let data = reader.take(length)?;
        let width = match kind {
            0 | 3 => 4,
            1 => 1,
            2 | 4 => 2,
            _ => return Err(ConvertError::Damaged),
        };
        let numbers = dims.iter().try_fold(1_usize, |all, dim| all.checked_mul(*dim));
        if numbers.and_then(|numbers| numbers.checked_mul(width)) != Some(length) {
            return Err(ConvertError::Damaged);
        }
        variables.insert(name, Variable { dims, kind, data });
    }
    Ok(variables)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ConvertError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ConvertError::Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, ConvertError> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, ConvertError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A name: its length with the final zero, then its bytes.
    fn name(&mut self) -> Result<String, ConvertError> {
        let length = self.take(2)?;
        let bytes = self.take(usize::from(u16::from_le_bytes([length[0], length[1]])))?;
        let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        String::from_utf8(bytes.to_vec()).map_err(|_| ConvertError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn damaged_files_are_errors(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut file = vec![6, 0, 0, 0, 12, 0];
            file.extend(b"WhisperSpec\0\x03\0\0\0\x02\0\0\0");
            file.extend(bytes);
            let _ = read(&file);
        }
    }
}

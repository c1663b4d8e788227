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
    Source::read(path)?.load()
}

/// The file of a model.
pub struct Source(Vec<u8>);

impl Source {
    /// Reads it. Blocks on the disk.
    ///
    /// # Errors
    /// It can't be read, or is no whole ONNX file: `rten` reads for ever in some files that are something else, so it
    /// never gets to see them.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let bytes = std::fs::read(path).map_err(LoadError::Unreadable)?;
        let mut fields = Fields(&bytes);
        let is_whole = !bytes.is_empty() && fields.by_ref().all(|field| field.is_some());
        if is_whole { Ok(Self(bytes)) } else { Err(LoadError::NotWhole) }
    }

    /// The name of the value that the first node with this weight works on, if there is one.
    pub fn value_before(&self, weight: &str) -> Option<String> {
        // Numbers of the fields, by onnx.proto: the graph of a model, the nodes of a graph, the inputs of a node.
        const GRAPH: u64 = 7;
        const NODE: u64 = 1;
        const INPUT: u64 = 1;
        let graph = Fields(&self.0).flatten().find(|(number, _)| *number == GRAPH)?.1;
        let nodes = Fields(graph).flatten().filter(|(number, _)| *number == NODE);
        let inputs =
            |node| Fields(node).flatten().filter(|(number, _)| *number == INPUT).map(|(_, name)| name);
        nodes
            .map(|(_, node)| node)
            .find(|node| inputs(node).nth(1) == Some(weight.as_bytes()))
            .and_then(|node| Some(std::str::from_utf8(inputs(node).next()?).ok()?.to_owned()))
    }

    /// Loads it. Blocks on up to a tenth of a second of work.
    ///
    /// # Errors
    /// [`LoadError::Refused`]
    pub fn load(self) -> Result<Model, LoadError> {
        Model::load(self.0).map_err(|error| LoadError::Refused(Box::new(error)))
    }
}

/// The fields of a protobuf message, by number, with what they hold if that is bytes. Anything else that it isn't
/// gives one `None` and ends.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, &'a [u8])> {
        let tag = self.varint()?;
        let length = match tag & 7 {
            0 => self.varint().map(|_| 0)?,
            1 => 8,
            2 => self.varint()?,
            5 => 4,
            _ => return None,
        };
        let (content, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        (tag >> 3 != 0).then_some((tag >> 3, content))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes, shorter than 128.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8], content].concat()
    }

    #[test]
    fn the_value_before_a_weight_is_found_in_the_graph() {
        let node = |inputs: [&str; 2]| field(1, &inputs.map(|name| field(1, name.as_bytes())).concat());
        let nodes = [node(["a", "w.first"]), field(5, b"weights"), node(["b", "w.second"])].concat();
        let model = Source([vec![1 << 3, 200, 1], field(7, &nodes)].concat());
        assert_eq!(model.value_before("w.second").as_deref(), Some("b"));
        assert_eq!(model.value_before("w.third"), None);
        assert_eq!(Source(vec![0xFF; 9]).value_before("w.first"), None);
    }
}

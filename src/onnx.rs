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

    /// The nodes of its graph, in order.
    pub fn nodes(&self) -> Vec<Node<'_>> {
        // Numbers of the fields, by onnx.proto: the graph of a model, and the nodes of a graph.
        const GRAPH: u64 = 7;
        const NODE: u64 = 1;
        let graph = Fields(&self.0).flatten().filter(|(number, _)| *number == GRAPH);
        graph
            .flat_map(|(_, graph)| Fields(graph).flatten().filter(|(number, _)| *number == NODE))
            .map(|(_, node)| Node::read(node))
            .collect()
    }

    /// Loads it. Blocks on up to a tenth of a second of work.
    ///
    /// # Errors
    /// [`LoadError::Refused`]
    pub fn load(self) -> Result<Model, LoadError> {
        Model::load(self.0).map_err(|error| LoadError::Refused(Box::new(error)))
    }
}

/// A node of a graph: what it is called, and the names of the values that it takes and makes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it takes, weights too.
    pub inputs: Vec<&'a str>,
    /// What it makes.
    pub outputs: Vec<&'a str>,
}

impl<'a> Node<'a> {
    fn read(message: &'a [u8]) -> Self {
        let mut node = Self::default();
        for (number, content) in Fields(message).flatten() {
            let Ok(name) = std::str::from_utf8(content) else { continue };
            match number {
                1 => node.inputs.push(name),
                2 => node.outputs.push(name),
                3 => node.name = name,
                _ => {}
            }
        }
        node
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
    fn the_nodes_of_a_graph_are_found() {
        let node = |name: &str, input: &str, output: &str| {
            let fields = [field(1, input.as_bytes()), field(1, b"weight"), field(2, output.as_bytes())];
            field(1, &[fields.concat(), field(3, name.as_bytes())].concat())
        };
        let nodes = [node("first", "a", "b"), field(5, b"weights"), node("second", "b", "c")].concat();
        let model = Source([vec![1 << 3, 200, 1], field(7, &nodes)].concat());
        let node = |name, input, output| Node { name, inputs: vec![input, "weight"], outputs: vec![output] };
        assert_eq!(model.nodes(), [node("first", "a", "b"), node("second", "b", "c")]);
        assert!(Source(vec![0xFF; 9]).nodes().is_empty());
    }
}

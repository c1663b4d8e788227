//! Private keys in PEM, over several lines or with their ends of lines written out.

use std::ops::Range;

use super::shape;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// Where in a block a text is.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    state: State,
    /// Where lines began that can only be the inside of a block, of which the head may have been cut off.
    data: Option<usize>,
    /// The line before was one of many of data.
    wide: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Outside,
    /// A private one.
    Private,
    /// One that everybody may see: a certificate, a public key.
    Public,
}

impl Blocks {
    /// Takes a line that begins there, if it is part of a block.
    pub(super) fn takes(&mut self, line: &str, begin: usize, found: &mut Vec<Range<usize>>) -> bool {
        if self.state != State::Outside {
            if line.contains(END) {
                self.note(line, begin, found);
                self.state = State::Outside;
                return true;
            }
            if is_inside(line) {
                self.note(line, begin, found);
                return true;
            }
            // It was never ended.
            self.state = State::Outside;
        }
        if let Some(at) = line.find(BEGIN) {
            return self.begins(line, at, begin, found);
        }
        if line.contains(END) && line.contains("PRIVATE KEY") {
            let from = self.data.take().unwrap_or(begin);
            found.push(from..begin + line.len());
            return true;
        }
        let bare = line.trim();
        let is_data = shape::is_base64(bare) && bare.len() >= 4;
        self.data = if is_data { self.data.or(Some(begin)) } else { None };
        // Lines of an image, say; were they a key, its end will tell.
        let goes_on = self.wide && is_data;
        self.wide = is_data && matches!(bare.len(), 60 | 64 | 72 | 76);
        self.wide || goes_on
    }

    fn begins(&mut self, line: &str, at: usize, begin: usize, found: &mut Vec<Range<usize>>) -> bool {
        let is_private = line[at..].contains("PRIVATE KEY");
        let after = at + BEGIN.len();
        let Some(end) = line[after..].find(END) else {
            self.state = if is_private { State::Private } else { State::Public };
            if is_private {
                found.push(begin + at..begin + line.len());
            }
            return true;
        };
        if is_private {
            let end = after + end + END.len();
            let rest = line[end..].find("-----").map_or(line.len(), |dashes| end + dashes + 5);
            found.push(begin + at..begin + rest);
        }
        // There may be more on the line.
        !is_private
    }

    /// A line of the inside, together with the end of the line before.
    fn note(&self, line: &str, begin: usize, found: &mut Vec<Range<usize>>) {
        if self.state != State::Private {
            return;
        }
        match found.last_mut() {
            Some(last) if begin - last.end <= 2 => last.end = begin + line.len(),
            _ => found.push(begin..begin + line.len()),
        }
    }
}

/// Whether a line can stand in a block: base64, a header of it, or nothing.
fn is_inside(line: &str) -> bool {
    let bare = line.trim().trim_matches(['"', '\'', '\\', 'n', ',', '+']).trim();
    bare.is_empty()
        || shape::is_base64(bare)
        || bare.starts_with("Proc-Type:")
        || bare.starts_with("DEK-Info:")
}

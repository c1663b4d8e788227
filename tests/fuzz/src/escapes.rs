//! What programs write to a terminal: only text comes out, however it is cut, and no output can pass for a
//! mark of the shell's.

use super::completion::{Panes, Phase};
use super::strip::{Scanner, Screenless, clean, strip};
use crate::is_hidden;

const LIMIT: usize = 1 << 12;
const NONCE: &str = "0194f3a1c0de7000b000feedfacecafe";

/// The first byte says how the rest, the output, is cut.
pub fn escapes(data: &[u8]) {
    let Some((&size, output)) = data.split_first() else { return };
    let text = strip(output, LIMIT);
    assert!(text.len() <= LIMIT);
    for character in text.chars() {
        assert!(matches!(character, '\n' | '\t') || !is_hidden(character), "{character:?} in {text:?}");
    }
    let mut lines = Screenless::new(LIMIT);
    let mut scanner = Scanner::default();
    for piece in output.chunks(usize::from(size).max(1)) {
        scanner.push(piece, &mut lines);
    }
    assert_eq!(lines.text(), text, "cutting made a difference");

    let line = clean(&String::from_utf8_lossy(output));
    assert!(!line.chars().any(is_hidden), "{line:?}");
    assert_eq!(clean(&line), line);

    // Who doesn't know the nonce can't tell us that a command began or ended.
    if !output.windows(NONCE.len()).any(|window| window == NONCE.as_bytes()) {
        let mut panes = Panes::new(LIMIT);
        panes.trust(NONCE);
        panes.printed("%1", output);
        assert_eq!(panes.phase("%1"), Phase::Unknown, "a mark was forged");
    }
}

//! tmux's control mode: however it is cut, the same events, and nothing after the connection broke.

use super::control::{Event, Parser, quote};

fn events<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    for chunk in chunks {
        parser.push(chunk, |event| events.push(event));
    }
    events
}

/// The first byte says how the rest, the stream, is cut.
pub fn control(data: &[u8]) {
    let Some((&size, stream)) = data.split_first() else { return };
    let whole = events(std::iter::once(stream));
    let pieces = events(stream.chunks(usize::from(size).max(1)));
    assert_eq!(whole, pieces, "cutting made a difference");
    if let Some(broken) = whole.iter().position(|event| *event == Event::Broken) {
        assert_eq!(broken + 1, whole.len(), "something came after the connection broke");
    }
    let text: usize = whole
        .iter()
        .map(|event| match event {
            Event::Reply { text, .. } => text.len(),
            Event::Output { bytes, .. } => bytes.len(),
            _ => 0,
        })
        .sum();
    assert!(text <= stream.len(), "more came out than went in");

    // Whatever a word is, it stays one word on one line.
    let word = String::from_utf8_lossy(stream);
    let quoted = quote(&word);
    assert!(quoted.len() >= 2 && quoted.starts_with('"') && quoted.ends_with('"'));
    assert!(!quoted.chars().any(|character| character.is_ascii_control()), "{quoted:?}");
    let mut inside = quoted[1..quoted.len() - 1].chars();
    while let Some(character) = inside.next() {
        match character {
            '\\' => assert!(inside.next().is_some(), "the closing quote is escaped: {quoted:?}"),
            '"' | '$' | '~' => panic!("{character} is bare in {quoted:?}"),
            _ => {}
        }
    }
}

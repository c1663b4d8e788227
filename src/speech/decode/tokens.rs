//! Text as tokens, for phrases and names.
//!
//! whisper.cpp's own way takes the longest token each time, after splitting words by regular expressions, which costs
//! a tenth of a millisecond a word; with ten thousand phrases that would be a second. This is the same way, with a
//! table.

use std::collections::HashMap;
use std::rc::Rc;

use super::lexicon::Token;

/// Texts whose tokens are remembered.
const MOST_KNOWN: usize = 50_000;

/// Makes tokens of text.
#[derive(Debug, Default)]
pub(super) struct Tokeniser {
    vocabulary: HashMap<Vec<u8>, Token>,
    longest: usize,
    known: HashMap<String, Rc<[Token]>>,
}

impl Tokeniser {
    /// From the bytes of each token.
    pub(super) fn new(vocabulary: impl Iterator<Item = (Vec<u8>, Token)>) -> Self {
        let vocabulary: HashMap<Vec<u8>, Token> = vocabulary.filter(|(bytes, _)| !bytes.is_empty()).collect();
        let longest = vocabulary.keys().map(Vec::len).max().unwrap_or_default();
        Self { vocabulary, longest, known: HashMap::new() }
    }

    /// The tokens of a text; what can't be written with them is left out.
    pub(super) fn tokens(&mut self, text: &str) -> Rc<[Token]> {
        if let Some(known) = self.known.get(text) {
            return Rc::clone(known);
        }
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        let tokens: Rc<[Token]> = pieces(text).flat_map(|piece| self.of_piece(piece.as_bytes())).collect();
        self.known.insert(text.to_owned(), Rc::clone(&tokens));
        tokens
    }

    fn of_piece(&self, piece: &[u8]) -> Vec<Token> {
        let (mut tokens, mut from) = (Vec::new(), 0);
        while from < piece.len() {
            let most = self.longest.min(piece.len() - from);
            let found = (1..=most).rev().find_map(|length| {
                let token = self.vocabulary.get(&piece[from..from + length])?;
                Some((*token, length))
            });
            from += found.map_or(1, |(_, length)| length);
            tokens.extend(found.map(|(token, _)| token));
        }
        tokens
    }
}

/// A word with the blank before it, digits, or signs.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let class = |c: char| (c.is_alphabetic(), c.is_numeric());
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut characters = rest.char_indices().skip_while(|(_, c)| *c == ' ');
        let Some((at, first)) = characters.next() else {
            return (!rest.is_empty()).then(|| std::mem::take(&mut rest));
        };
        let end =
            rest[at..].find(|c| c == ' ' || class(c) != class(first)).map_or(rest.len(), |end| at + end);
        let (piece, others) = rest.split_at(end);
        rest = others;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_token_is_taken_within_each_word() {
        let vocabulary = [" ku", "ber", " k", "net", "es", "e", "s", "t", " api", " a", "2", "nete"];
        let numbered = vocabulary
            .iter()
            .enumerate()
            .map(|(at, text)| (text.as_bytes().to_vec(), Token::try_from(at).unwrap()));
        let mut tokeniser = Tokeniser::new(numbered);
        assert_eq!(tokeniser.tokens(" kubernetes api2")[..], [0, 1, 11, 6, 8, 10]);
        assert_eq!(tokeniser.tokens(" kubernetes api2").len(), 6, "the second time too");
        assert!(tokeniser.tokens("").is_empty());
        assert!(tokeniser.tokens("#!").is_empty());
    }
}

//! Token bytes from `tokenizer.json`.
//!
//! GPT-2's vocabulary writes bytes as printable characters; this undoes that map. (Radford et al.
//! 2019, `bytes_to_unicode` of the published encoder.)

use std::collections::HashMap;

use serde::Deserialize;

use super::ConvertError;

#[derive(Deserialize)]
struct Tokenizer {
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, usize>,
}

/// The bytes of the first `count` tokens, in order of their numbers.
pub(super) fn tokens(json: &[u8], count: usize) -> Result<Vec<Vec<u8>>, ConvertError> {
    let tokenizer: Tokenizer = serde_json::from_slice(json).map_err(|_| ConvertError::Damaged)?;
    let bytes_of = byte_map();
    let mut tokens = vec![None; count];
    for (text, number) in tokenizer.model.vocab {
        if let Some(place) = tokens.get_mut(number) {
            let bytes: Option<Vec<u8>> =
                text.chars().map(|character| bytes_of.get(&character).copied()).collect();
            *place = Some(bytes.ok_or(ConvertError::Damaged)?);
        }
    }
    tokens.into_iter().map(|token| token.ok_or(ConvertError::Damaged)).collect()
}

fn byte_map() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = 0x100..;
    (0..=u8::MAX)
        .filter_map(|byte| {
            let character =
                if printable(byte) { Some(char::from(byte)) } else { others.next().and_then(char::from_u32) };
            character.map(|character| (character, byte))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_their_characters() {
        let json = r#"{"model":{"vocab":{"!":0,"Ġthe":1,"Ċ":2,"Ã©":3,"later":9}}}"#;
        let tokens = tokens(json.as_bytes(), 4).unwrap();
        assert_eq!(tokens, [b"!".to_vec(), b" the".to_vec(), b"\n".to_vec(), "é".as_bytes().to_vec()]);
    }

    #[test]
    fn a_gap_in_the_vocabulary_is_an_error() {
        assert!(tokens(br#"{"model":{"vocab":{"!":0}}}"#, 2).is_err());
    }
}

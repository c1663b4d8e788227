//! A memory of what was taken out.

use std::collections::VecDeque;
use std::ops::Range;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{REDACTED, secrets, without};

/// So many secrets are remembered, the newest.
const MOST: usize = 64;
/// A shorter one could be part of anything.
const SHORTEST: usize = 8;
/// Nor is a longer one printed as it is.
const LONGEST: usize = 4096;

/// Takes secrets out, and what it has once taken out also where nothing tells that it is one. It holds them in this
/// process's memory only.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known(VecDeque<String>);

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Redactor {
    /// The text without secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        let found = secrets(text);
        self.learn(text, &found);
        self.clean(text, &found)
    }

    /// The same thing without the secrets in any text of it; `None` if it is not a thing of its kind without them.
    pub(crate) fn all_of<T: Serialize + DeserializeOwned>(&self, thing: &T) -> Option<T> {
        let mut value = serde_json::to_value(thing).ok()?;
        self.json(&mut value);
        serde_json::from_value(value).ok()
    }

    /// Takes the secrets out of every text in a value. What one text tells is known in the others.
    pub(crate) fn json(&self, value: &mut Value) {
        let mut found = VecDeque::new();
        each_text(value, &mut |text| {
            found.push_back(secrets(text));
            self.learn(text, found.back().map_or(&[], Vec::as_slice));
        });
        each_text(value, &mut |text| *text = self.clean(text, &found.pop_front().unwrap_or_default()));
    }

    fn learn(&self, text: &str, found: &[Range<usize>]) {
        let mut known = self.known.lock();
        for range in found {
            let secret = text[range.clone()].trim_matches(['"', '\'', '`']);
            let tells = secret.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_punctuation());
            if !tells || !(SHORTEST..=LONGEST).contains(&secret.len()) || secret.contains(char::is_whitespace)
            {
                continue;
            }
            known.0.retain(|it| it != secret);
            known.0.push_back(secret.to_owned());
            if known.0.len() > MOST {
                known.0.pop_front();
            }
        }
    }

    fn clean(&self, text: &str, found: &[Range<usize>]) -> String {
        let mut clean = without(text, found);
        for secret in &self.known.lock().0 {
            if clean.contains(secret.as_str()) {
                clean = clean.replace(secret.as_str(), REDACTED);
            }
        }
        clean
    }
}

fn each_text(value: &mut Value, act: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => act(text),
        Value::Array(values) => values.iter_mut().for_each(|value| each_text(value, act)),
        Value::Object(fields) => fields.values_mut().for_each(|value| each_text(value, act)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

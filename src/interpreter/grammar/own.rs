//! A user's own phrases: aliases, macros and slots in a TOML file of their own.
//!
//! What such a phrase means is given as lines in the program's own language ("run cargo test"), which are
//! understood as if they had been typed whenever the phrase is said. So a phrase can do nothing that typing
//! can't, and is judged like that; it can't answer a question, and can't take the place of a phrase that there
//! is. Lines know the built-in phrases only, so that no phrase goes in circles.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use toml::Value;

use super::{Grammar, Kind, Meaning, Phrase};
use crate::interpreter::GrammarError;
use crate::interpreter::normalise::is_hidden;
use crate::interpreter::slots::List;
use crate::interpreter::template::{Piece, expand};

/// Sequences of words that one template may stand for.
const MOST_PER_TEMPLATE: usize = 2_000;
/// And all of them together.
const MOST: usize = 200_000;
/// What they are shown under.
const GROUP: &str = "Yours";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    aliases: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    lists: BTreeMap<String, BTreeMap<String, Spanned<Value>>>,
    #[serde(default)]
    programs: BTreeMap<String, Spanned<Vec<String>>>,
    #[serde(default)]
    phrase: Vec<PhraseData>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhraseData {
    say: Spanned<OneOrMore>,
    r#do: Spanned<OneOrMore>,
    does: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or a list of texts")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn list(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

/// A phrase as the file has it.
struct Given<'a> {
    templates: &'a [String],
    templates_at: usize,
    lines: &'a [String],
    lines_at: usize,
    does: Option<&'a str>,
}

impl Grammar {
    /// Adds a user's own phrases.
    ///
    /// # Errors
    /// The first thing that is wrong with them, with its line.
    pub(in crate::interpreter) fn add_own(&mut self, file: &str, text: &str) -> Result<(), GrammarError> {
        let document: Document =
            toml::from_str(text).map_err(|error| GrammarError::from_toml(file, text, &error))?;
        let fault = |at: usize, what: String| GrammarError::at(file, text, at, what);
        for (name, items) in &document.lists {
            let list = self.own_list(items).map_err(|(at, what)| fault(at, what))?;
            let at = items.values().map(|item| item.span().start).min().unwrap_or(0);
            self.slots.add(name, list).map_err(|what| fault(at, what))?;
        }
        for (name, sounds) in &document.programs {
            let at = sounds.span().start;
            self.spoken.add_program(name, sounds.get_ref()).map_err(|what| fault(at, what))?;
        }
        let mut left = MOST;
        let aliases = document.aliases.iter().map(|(say, line)| Given {
            templates: std::slice::from_ref(say),
            templates_at: line.span().start,
            lines: std::slice::from_ref(line.get_ref()),
            lines_at: line.span().start,
            does: Some(line.get_ref()),
        });
        let phrases = document.phrase.iter().map(|data| Given {
            templates: data.say.get_ref().list(),
            templates_at: data.say.span().start,
            lines: data.r#do.get_ref().list(),
            lines_at: data.r#do.span().start,
            does: data.does.as_deref(),
        });
        for given in aliases.chain(phrases) {
            self.add_given(&given, &mut left).map_err(|(at, what)| fault(at, what))?;
        }
        self.sort();
        Ok(())
    }

    fn own_list(&self, items: &BTreeMap<String, Spanned<Value>>) -> Result<List, (usize, String)> {
        let mut list = List::default();
        for (say, value) in items {
            let at = value.span().start;
            let value = match value.get_ref() {
                Value::String(text) if !text.contains(is_hidden) => text.clone().into(),
                Value::Integer(number) => number.to_string().into(),
                _ => return Err((at, format!("\"{say}\" must stand for a text or a number"))),
            };
            for pieces in expand(say, &self.rules).map_err(|what| (at, format!("in \"{say}\": {what}")))? {
                let words = pieces.into_iter().map(|piece| match piece {
                    Piece::Word(word) => Ok(word),
                    Piece::Slot(..) => Err((at, format!("in \"{say}\": a list has no slots"))),
                });
                list.add(words.collect::<Result<_, _>>()?, serde_json::Value::clone(&value));
            }
        }
        Ok(list)
    }

    fn add_given(&mut self, given: &Given<'_>, left: &mut usize) -> Result<(), (usize, String)> {
        let index = self.phrases.len();
        let fault = |template: &str, what: String| {
            (given.templates_at, format!("in the phrase \"{template}\": {what}"))
        };
        for line in given.lines {
            if line.trim().is_empty() || line.contains(is_hidden) {
                let what = format!("\"{}\" must be one line of text", line.escape_debug());
                return Err((given.lines_at, what));
            }
        }
        if given.lines.is_empty() || given.templates.is_empty() {
            return Err((given.lines_at, "nothing is said, or nothing done".into()));
        }
        let mut example = None;
        let mut slots_of_all: Vec<Vec<(String, Kind)>> = Vec::new();
        for template in given.templates {
            let sequences = expand(template, &self.rules).map_err(|what| fault(template, what))?;
            *left = left.saturating_sub(sequences.len());
            if sequences.len() > MOST_PER_TEMPLATE || *left == 0 {
                let what = format!("it stands for too many phrases (more than {MOST_PER_TEMPLATE})");
                return Err(fault(template, what));
            }
            for pieces in sequences {
                let is_word =
                    |piece: &Piece| matches!(piece, Piece::Word(word) if !self.noise.fillers.contains(word));
                if !pieces.iter().any(is_word) {
                    return Err(fault(template, "it needs a word of its own".into()));
                }
                let slots = self.lay(&pieces, index).map_err(|what| fault(template, what))?;
                for (name, kind) in &slots {
                    let mention = format!("{{{name}}}");
                    if *kind != Kind::Anything && !given.lines.iter().any(|line| line.contains(&mention)) {
                        return Err(fault(template, format!("nothing that it does has a use for {mention}")));
                    }
                }
                example.get_or_insert_with(|| self.example(&pieces));
                if !slots_of_all.contains(&slots) {
                    slots_of_all.push(slots);
                }
            }
        }
        self.phrases.push(Phrase {
            group: Some(GROUP.into()),
            say: example,
            does: Some(given.does.map_or_else(|| given.lines.join(", then "), str::to_owned)),
            meaning: Meaning::Lines { lines: given.lines.to_vec(), at: given.lines_at, slots: slots_of_all },
            defaults: std::collections::HashMap::new(),
            when: None,
            exact: false,
            beside_text: None,
        });
        Ok(())
    }

    /// A phrase with something in its slots, to be shown.
    fn example(&self, pieces: &[Piece]) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Word(word) => word.clone(),
            Piece::Slot(name, kind) => self
                .slots
                .kind(kind)
                .and_then(|kind| self.slots.example(kind))
                .unwrap_or_else(|| name.clone()),
        };
        pieces.iter().map(piece).collect::<Vec<_>>().join(" ")
    }
}

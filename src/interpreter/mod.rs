//! Words to meaning, and whether it may be acted on.
//!
//! **Why.** What was said comes from a recogniser that writes sentences, and what was typed from people
//! who are in a hurry; both must come to the same intents, quickly and predictably, and nothing that
//! could do harm may come out of either unasked.
//!
//! **Mechanics.** The words are compared without their habits ([`normalise`]), and walked down a tree
//! of phrases ([`grammar`]) that is compiled from data (`config/grammar.toml`). What was said in a
//! phrase's slots ([`slots`], [`numbers`], [`names`]) is put into the phrase's meaning, which is an
//! intent. Several of them can be said in a row, and one several times ([`clauses`]). The rest of a line is kept exactly as it was typed, or written as one would type what was
//! said ([`spoken`]). The safety policy ([`safety`]) judges the result. What no phrase fits is answered
//! with the nearest ones ([`nearest`]); it is never guessed at.
//!
//! **Limits.** English. It takes time in proportion to the length of the
//! input, and a few microseconds for what people say.

mod again;
mod called;
mod clauses;
mod error;
mod expectation;
mod grammar;
mod meaning;
mod names;
mod nearest;
mod normalise;
mod numbers;
mod rules;
mod safety;
mod slots;
mod sound;
mod spelling;
mod spoken;
mod template;
mod vocabulary;

pub use error::GrammarError;
pub use rules::{OWN, PhraseGroup, PhraseHelp, Rules};

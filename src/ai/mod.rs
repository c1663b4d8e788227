//! What the rules don't understand, put to a language model: words to an intent, and nothing more.
//!
//! **Why.** Rules are quick, predictable and always there, and know only what they know. A model understands
//! the rest, and can be wrong, be down, or be talked into things by what it reads.
//!
//! **Mechanics.** [`Assistants`] is the chain `ai-service`: the endpoints of `ai.endpoints` in order, each behind its
//! breaker and the gate of [`crate::cloud`]. A request (`prompt`) is pure data: words, names of sessions, and, if
//! `ai.screen` allows it, the end of the screen, with secrets taken out, as one JSON value that can't be broken out
//! of. Two languages are spoken (`dialect`): OpenAI's chat completions and Anthropic's messages, both with an answer
//! whose form is given. An answer is read strictly (`answer`): one intent, nothing beside it, of those that a
//! model may choose.
//!
//! **Safety.** What comes of it is judged as if a stranger had said it: the rules' verdict stands, and what would
//! be done at once is asked first. Nothing that a model says reaches the verdict, so text on the screen that
//! talks it into something can at most bring up a question.

mod answer;
mod dialect;
mod endpoint;
mod guarded;
mod prompt;

pub use endpoint::Endpoint;
pub use guarded::{Assistants, CHAIN, Parts, TIERS};

//! What somebody will probably say next, for whoever has to recognise it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What somebody will probably say next. A recogniser may lean towards it; it never has to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expectation {
    /// Things to say, the likeliest first: phrases, and what has a name now. Bounded.
    pub likely: Vec<String>,
    /// All that can be said; nothing where anything can.
    pub phrases: Option<Arc<Phrases>>,
    /// What has a name now, by what it is, in words. Bounded.
    pub names: Vec<(Named, Vec<String>)>,
    /// Whether a question waits for an answer, so that a bare "yes" means something.
    pub question_open: bool,
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// A session.
    Session,
    /// A window of the current session.
    Window,
    /// A branch of the repository.
    Branch,
    /// A directory in the current one.
    Directory,
    /// A command line that was run.
    Line,
}

/// A network of words: what is said along a way from the first fork to an end means something.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Phrases {
    /// The forks, the first one at the beginning. Ways lead forwards only, and so come to an end.
    pub forks: Vec<Fork>,
    /// Things to say of which one is said in a slot: numbers, keys.
    pub lists: Vec<Vec<String>>,
    /// Words that mean nothing before and after a phrase.
    pub fillers: Vec<String>,
    /// Words between two phrases.
    pub joiners: Vec<String>,
}

/// What can be said next, with the forks behind it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Fork {
    /// Words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<(String, usize)>,
    /// One of a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<(usize, usize)>,
    /// What has a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<(Named, usize)>,
    /// Whether anything can be said from here on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// Whether a phrase is complete here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// When a phrase is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Always.
    Always,
    /// When a question waits for an answer.
    Asked,
}

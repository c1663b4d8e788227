//! The prompt, which shows whether it listens while somebody types.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;

use super::view;

/// As the editor measures it; what is shown in its place is as wide.
pub(super) const PROMPT: &str = "» ";

/// The mark that stands in it now, shared by the editor and whoever changes it.
#[derive(Debug, Clone)]
pub(super) struct Prompt(Arc<AtomicU32>);

impl Default for Prompt {
    fn default() -> Self {
        Self(Arc::new(AtomicU32::new(view::PROMPT.into())))
    }
}

impl Prompt {
    /// Another mark, one column wide; whether it is another.
    pub(super) fn change(&self, mark: char) -> bool {
        self.0.swap(mark.into(), Ordering::Relaxed) != u32::from(mark)
    }
}

impl Highlighter for Prompt {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        match char::from_u32(self.0.load(Ordering::Relaxed)) {
            Some(mark) => Cow::Owned(format!("{mark} ")),
            None => Cow::Borrowed(prompt),
        }
    }
}

impl Completer for Prompt {
    type Candidate = String;
}

impl Hinter for Prompt {
    type Hint = String;
}

impl Validator for Prompt {}

impl rustyline::Helper for Prompt {}

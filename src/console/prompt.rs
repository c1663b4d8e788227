//! The prompt, which shows whether it listens, and what words are taken as, while somebody types.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;

use super::view::Marks;

/// As the editor measures it, once a line: what is shown in its place, which may change meanwhile, is as wide.
pub(super) const PROMPT: &str = " » ";

/// The marks that stand in it now, shared by the editor and whoever changes them.
#[derive(Debug, Clone, Default)]
pub(super) struct Prompt(Arc<Mutex<Marks>>);

impl Prompt {
    /// Other marks; whether they are others.
    pub(super) fn change(&self, marks: Marks) -> bool {
        std::mem::replace(&mut *self.0.lock(), marks) != marks
    }
}

impl Highlighter for Prompt {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, _prompt: &'p str, _default: bool) -> Cow<'b, str> {
        Cow::Owned(format!("{} ", *self.0.lock()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Attention, InputMode};

    #[test]
    fn what_is_shown_is_as_wide_as_what_is_measured() {
        use Attention::{Asleep, Attentive, Idle, Muted, Waiting};
        let prompt = Prompt::default();
        assert_eq!(prompt.highlight_prompt(PROMPT, true), PROMPT);
        for attention in [Attentive, Waiting, Idle, Asleep, Muted] {
            for input in [InputMode::Command, InputMode::Dictation, InputMode::Spelling] {
                prompt.change(Marks::new(attention, input));
                let shown = prompt.highlight_prompt(PROMPT, true).into_owned();
                // One column each, none of them wide or combining.
                assert_eq!(shown.chars().count(), PROMPT.chars().count(), "{shown:?}");
            }
        }
    }
}

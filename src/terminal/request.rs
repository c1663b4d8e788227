//! One tmux command, whichever tier sends it.

use crate::breaker::Effect;
use crate::domain::SessionId;

use super::control::quote;

/// One tmux command.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The command and its arguments, each as it is to arrive.
    words: Vec<String>,
    /// Text for a paste buffer, which is too long for an argument of a process.
    buffer: Option<String>,
    /// What doing it twice would do.
    effect: Effect,
    /// The session it is about, whose control client should send it.
    session: Option<SessionId>,
}

impl Request {
    /// A command that only looks, or that does no more when done twice.
    pub(super) fn idempotent<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let words = words.into_iter().map(str::to_owned).collect();
        Self { words, buffer: None, effect: Effect::Idempotent, session: None }
    }

    /// A command that must not be done twice.
    pub(super) fn once<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self { effect: Effect::Once, ..Self::idempotent(words) }
    }

    /// Puts text into the paste buffer of this name.
    pub(super) fn fill_buffer(name: &str, text: &str) -> Self {
        Self { buffer: Some(text.to_owned()), ..Self::idempotent([name]) }
    }

    /// About this session.
    #[must_use]
    pub(super) fn about(mut self, session: &SessionId) -> Self {
        self.session = Some(session.clone());
        self
    }

    /// By the control client of this session, or by whichever there is.
    #[must_use]
    pub(super) fn by(self, session: Option<&SessionId>) -> Self {
        match session {
            Some(session) => self.about(session),
            None => self,
        }
    }

    pub(super) fn effect(&self) -> Effect {
        self.effect
    }

    pub(super) fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// As a line of control mode, with the newline.
    pub(super) fn line(&self) -> String {
        let mut line = match &self.buffer {
            Some(text) => format!("set-buffer -b {} -- {}", quote(&self.words[0]), quote(text)),
            None => self.words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
        };
        line.push('\n');
        line
    }

    /// As the arguments of a `tmux` process, and what it is to read.
    pub(super) fn arguments(&self) -> (Vec<String>, Option<&str>) {
        if let Some(text) = &self.buffer {
            let words = ["load-buffer", "-b", &self.words[0], "-"].map(str::to_owned);
            return (words.to_vec(), Some(text));
        }
        // A semicolon at an argument's end would end the command.
        let protect = |word: &String| match word.strip_suffix(';') {
            Some(start) => format!("{start}\\;"),
            None => word.clone(),
        };
        (self.words.iter().map(protect).collect(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tiers_get_the_same_words() {
        let request = Request::once(["send-keys", "-l", "--", "a\";$b\n;"]);
        assert_eq!(request.line(), "\"send-keys\" \"-l\" \"--\" \"a\\\";\\$b\\012;\"\n");
        assert_eq!(request.arguments().0, ["send-keys", "-l", "--", "a\";$b\n\\;"]);
    }
}

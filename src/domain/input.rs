//! What is made of what is said: commands, text, or letters.

use serde::{Deserialize, Serialize};

/// How words are taken. The same for spoken and typed ones, so that nobody has to remember two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputMode {
    /// As commands.
    #[default]
    Command,
    /// As text for the current pane, but for a few phrases that are said alone.
    Dictation,
    /// As letters, digits and signs for the current pane, by their names.
    Spelling,
}

impl InputMode {
    /// Its name, as in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Dictation => "dictation",
            Self::Spelling => "spelling",
        }
    }
}

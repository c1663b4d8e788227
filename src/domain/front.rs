//! Who takes what is typed into a pane.

use serde::{Deserialize, Serialize};

/// Who takes what is typed into a pane, as far as can be seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "front", rename_all = "snake_case")]
pub enum Front {
    /// A shell, which takes command lines.
    Shell {
        /// Such as `zsh`.
        name: String,
    },
    /// A program that takes lines, or nothing at all.
    Program {
        /// Such as `cargo`.
        name: String,
        /// It edits lines itself, as a REPL does, or passes them on, as `ssh` does.
        edits_lines: bool,
    },
    /// A program that fills the screen and takes keys, such as `vim`.
    FullScreen {
        /// Its name.
        name: String,
    },
    /// A program that doesn't show what is typed: it asks for a secret.
    Secret {
        /// Its name.
        name: String,
    },
}

impl Front {
    /// The program's name.
    pub fn name(&self) -> &str {
        let (Self::Shell { name }
        | Self::Program { name, .. }
        | Self::FullScreen { name }
        | Self::Secret { name }) = self;
        name
    }
}

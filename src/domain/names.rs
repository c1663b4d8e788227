//! Names that can be said because something is called so now.

use std::path::PathBuf;

use super::Front;

/// What has a name in the current session, its directory, and the history, as it was when last looked at.
/// Bounded; whoever looks leaves out what is beyond.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveNames {
    /// The sessions.
    pub sessions: Vec<String>,
    /// The windows of the current session, by their indices.
    pub windows: Vec<(u16, String)>,
    /// The branches of the repository that the current directory is in.
    pub branches: Vec<String>,
    /// The directories in the current one.
    pub directories: Vec<String>,
    /// Command lines that were run, the newest first, each once.
    pub commands: Vec<String>,
}

/// Where commands go, and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whereabouts {
    /// The directory of the program in the current pane.
    pub directory: Option<PathBuf>,
    /// Who takes what is typed there.
    pub front: Option<Front>,
    /// The windows of the current session, by their indices.
    pub windows: Vec<(u16, String)>,
}

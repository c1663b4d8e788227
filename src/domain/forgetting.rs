//! What is to be forgotten of the history, and what came of that.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::UtteranceId;

/// Which turns are meant: those to which all of this applies. Nothing of it is every turn.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// This one.
    pub id: Option<UtteranceId>,
    /// Those that a search for these words finds.
    pub search: Option<String>,
    /// Those that were said before this.
    pub before: Option<Timestamp>,
}

impl Selection {
    /// Whether every turn is meant.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Turns on this machine.
    pub here: u64,
    /// Whether the bytes are gone from the file, too; if not, another program holds it, and they will be.
    pub wiped: bool,
    /// Whether the database has done the same; `None` if there is no database. If not, it will be told when it is
    /// back.
    pub database: Option<bool>,
    /// Whether Redis has forgotten what was cached; `None` if there is none.
    #[serde(default)]
    pub cache: Option<bool>,
}

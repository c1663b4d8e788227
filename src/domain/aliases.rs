//! What names mean to a shell, beyond the programs that are called so.

use std::collections::{HashMap, HashSet};

/// The aliases, abbreviations and functions that a shell has told of. Bounded by whoever listens to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aliases {
    /// What stands for other text, by its name.
    pub aliases: HashMap<String, Alias>,
    /// The names of the user's functions, and of aliases whose text could not be told.
    pub functions: HashSet<String>,
    /// Whether any word of a line may stand for something that isn't known.
    pub unclear: bool,
}

/// Text that a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Part of a command line. One that ends in a blank has the next word looked up too.
    pub text: String,
    /// Where it is taken for an alias.
    pub place: AliasPlace,
}

/// Where in a line an alias is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasPlace {
    /// Where a command begins.
    Command,
    /// Where a command begins, in quotes too: an alias of fish, which is a function.
    Function,
    /// Anywhere: a global alias of zsh.
    Anywhere,
    /// Where a command begins, if the line ends there; elsewhere it may be one: an abbreviation of fish,
    /// which is put in while one types.
    LineEnd,
}

/// The shell that a command line would go to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShellNames {
    /// What it has told.
    pub aliases: Aliases,
    /// Whether it is certain that the line goes to this shell, and that it still means the same by these
    /// names. If not, a line is judged with them and without.
    pub certain: bool,
}

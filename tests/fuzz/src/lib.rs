//! What must hold for any input; see Cargo.toml. A target is a function that panics when it doesn't.
#![allow(dead_code, unused_imports, reason = "what the product needs, and these checks don't")]

#[path = "../../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../../src/interpreter/mod.rs"]
pub mod interpreter;

#[path = "../../../src/redact/mod.rs"]
mod redact;

#[path = "../../../benches/interpreter/src/config.rs"]
pub mod config;

// Of the terminal, what is pure, and the checks of it.
#[path = "../../../src/terminal"]
mod terminal {
    mod completion;
    mod control;
    mod strip;

    #[path = "../../tests/fuzz/src/escapes.rs"]
    mod escapes;
    #[path = "../../tests/fuzz/src/protocol.rs"]
    mod protocol;

    pub use escapes::escapes;
    pub use protocol::control;
}
mod grammar;
mod shell;

pub use grammar::grammar;
pub use shell::shell;
pub use terminal::{control, escapes};

use std::sync::LazyLock;

use domain::Verdict;
use interpreter::Rules;

static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::new(&config::Safety::default()).expect("the built-in rules are right"));

/// How strict a verdict is.
fn strictness(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Allow => 0,
        Verdict::Confirm { .. } => 1,
        Verdict::Refuse { .. } => 2,
    }
}

/// Characters that do other things than they show: controls, and those that turn or hide text.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

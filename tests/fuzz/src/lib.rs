//! What must hold for any input; see Cargo.toml. A target is a function that panics when it doesn't.
#![allow(dead_code, reason = "what the product needs, and these checks don't")]

#[path = "../../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../../src/interpreter/mod.rs"]
pub mod interpreter;

#[path = "../../../src/redact/mod.rs"]
mod redact;

#[path = "../../../benches/interpreter/src/config.rs"]
pub mod config;

#[path = "../../../src/terminal/completion.rs"]
mod completion;
#[path = "../../../src/terminal/control.rs"]
mod control;
#[path = "../../../src/terminal/strip.rs"]
mod strip;

mod escapes;
mod grammar;
mod protocol;
mod shell;

pub use escapes::escapes;
pub use grammar::grammar;
pub use protocol::control;
pub use shell::shell;

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

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What was found once is never found again.
    #[test]
    fn regressions_are_mended() {
        let targets: [(&str, fn(&[u8])); 4] = [
            ("grammar", super::grammar),
            ("shell", super::shell),
            ("control", super::control),
            ("escapes", super::escapes),
        ];
        for (name, target) in targets {
            for folder in ["seeds", "regressions"] {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name);
                for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                    target(&std::fs::read(file.path()).unwrap());
                }
            }
            target(b"");
        }
    }
}

//! What people say and type is understood, and nothing that could do harm runs unasked.

mod commands;
mod own;
mod phrases;
mod whatever;

use voice_terminal::config::Safety;
use voice_terminal::domain::{Confidence, Interpretation, Interpreter, SessionId, SessionInfo, Situation};
use voice_terminal::interpreter::Rules;

fn rules() -> Rules {
    Rules::new(&Safety::default()).expect("the built-in rules are right")
}

fn allowing(commands: &[&str]) -> Rules {
    let allow = commands.iter().map(|&command| command.to_owned()).collect();
    Rules::new(&Safety { allow, ..Safety::default() }).expect("these are plain commands")
}

fn typed(rules: &Rules, line: &str) -> Interpretation {
    rules.interpret(line, Confidence::CERTAIN, &Situation::default())
}

fn session(name: &str) -> SessionInfo {
    SessionInfo {
        id: SessionId(format!("${name}")),
        name: name.into(),
        windows: 1,
        program: "bash".into(),
        current: false,
    }
}

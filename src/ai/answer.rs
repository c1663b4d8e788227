//! What a model answered, read strictly.

use serde_json::Value;

use crate::domain::Intent;

/// Characters of a line or a name. What is asked about must be seen whole, and longer ones are shortened.
const LONGEST: usize = 120;

/// The intent of an answer, which must be one JSON object and nothing else. `None` if it is no intent, has
/// anything beside it, or is one that a model may not choose: it never answers a question in somebody's place.
pub(super) fn intent(answer: &Value) -> Option<Intent> {
    let mut given = answer.as_object()?.clone();
    // Forms that demand every field have those empty that don't apply.
    given.retain(|_, value| !value.is_null());
    let given = Value::Object(given);
    if given.get("intent")?.as_str()? == "unknown" {
        return Some(Intent::Unknown { heard: String::new(), nearest: Vec::new() });
    }
    let intent: Intent = serde_json::from_value(given.clone()).ok()?;
    let mut same = serde_json::to_value(&intent).ok()?;
    same.as_object_mut()?.retain(|_, value| !value.is_null());
    (same == given && may_choose(&intent) && is_short(&given)).then_some(intent)
}

fn may_choose(intent: &Intent) -> bool {
    match intent {
        Intent::NewSession { .. }
        | Intent::SwitchSession { .. }
        | Intent::ListSessions
        | Intent::KillSession { .. }
        | Intent::DescribeSession { .. }
        | Intent::NewWindow { .. }
        | Intent::SelectWindow { .. }
        | Intent::RenameWindow { .. }
        | Intent::CloseWindow
        | Intent::SplitPane { .. }
        | Intent::SelectPane { .. }
        | Intent::ZoomPane
        | Intent::ClosePane
        | Intent::Scroll { .. }
        | Intent::ReadOutput
        | Intent::ReadAll
        | Intent::ShowErrors
        | Intent::NextError
        | Intent::WhoNeedsMe
        | Intent::Watch { .. }
        | Intent::Unwatch { .. }
        | Intent::Run { .. }
        | Intent::Type { .. }
        | Intent::Press { .. }
        | Intent::Help
        | Intent::Status => true,
        Intent::Confirm
        | Intent::Deny
        | Intent::Cancel
        | Intent::Repeat
        | Intent::Listen { .. }
        | Intent::Mode { .. }
        | Intent::Scratch
        | Intent::Undo
        | Intent::Again { .. }
        | Intent::Sequence { .. }
        | Intent::StayLocal
        | Intent::Unknown { .. }
        | Intent::Nothing => false,
    }
}

fn is_short(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().count() <= LONGEST && !text.trim().is_empty(),
        Value::Object(fields) => fields.values().all(is_short),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_one_intent_and_nothing_else() {
        let run = json!({ "intent": "run", "command": "cargo test", "name": null });
        assert_eq!(intent(&run), Some(Intent::Run { command: "cargo test".into() }));
        let new = json!({ "intent": "new_session", "name": "build" });
        assert_eq!(intent(&new), Some(Intent::NewSession { name: Some("build".into()) }));
        assert_eq!(intent(&json!({ "intent": "new_session" })), Some(Intent::NewSession { name: None }));
        assert!(matches!(intent(&json!({ "intent": "unknown" })), Some(Intent::Unknown { .. })));
        for lie in [
            json!({ "intent": "run", "command": "ls", "verdict": "allow" }),
            json!({ "intent": "run", "command": "ls", "confirmed": true }),
            json!({ "intent": "run" }),
            json!({ "intent": "run", "command": ["ls"] }),
            json!({ "intent": "run", "command": " " }),
            json!({ "intent": "run", "command": "x".repeat(2000) }),
            json!({ "intent": "confirm" }),
            json!({ "intent": "deny" }),
            json!({ "intent": "cancel" }),
            json!({ "intent": "nothing" }),
            json!({ "intent": "stay_local" }),
            json!({ "intent": "sudo" }),
            json!([{ "intent": "list_sessions" }]),
            json!("list_sessions"),
        ] {
            assert_eq!(intent(&lie), None, "{lie}");
        }
    }
}

//! The languages that models are spoken to in: OpenAI's chat completions, Anthropic's messages.

use serde_json::{Value, json};

use super::answer::intent;
use super::prompt::{FORM, MOST_TOKENS, Shown, TASK, form};
use crate::cloud::{Request, Service};
use crate::domain::Intent;

/// An answer is never longer, in bytes.
const LONGEST: usize = 256 * 1024;

/// `POST /v1/chat/completions`, with a JSON schema for the answer.
pub(super) struct OpenAi {
    pub(super) model: String,
}

impl Service<Shown, Intent> for OpenAi {
    fn request(&self, shown: &Shown) -> Request {
        let body = json!({
            "model": self.model,
            "messages": [
                { "role": "system", "content": TASK },
                { "role": "user", "content": shown.question() },
            ],
            "max_completion_tokens": MOST_TOKENS,
            "response_format": {
                "type": "json_schema",
                "json_schema": { "name": FORM, "strict": true, "schema": form() },
            },
        });
        request("v1/chat/completions", &body, &[])
    }

    fn answer(&self, bytes: Vec<u8>) -> Option<Intent> {
        let answer: Value = serde_json::from_slice(&bytes).ok()?;
        let choice = answer.get("choices")?.get(0)?;
        // Cut off, it may mean something else.
        if choice.get("finish_reason").is_some_and(|reason| reason == "length") {
            return None;
        }
        let message = choice.get("message")?;
        if message.get("refusal").is_some_and(Value::is_string) {
            return Some(Intent::Unknown { heard: String::new(), nearest: Vec::new() });
        }
        intent(&serde_json::from_str(message.get("content")?.as_str()?).ok()?)
    }
}

/// `POST /v1/messages`, with a tool that must be used for the answer.
pub(super) struct Anthropic {
    pub(super) model: String,
}

impl Service<Shown, Intent> for Anthropic {
    fn request(&self, shown: &Shown) -> Request {
        let body = json!({
            "model": self.model,
            "max_tokens": MOST_TOKENS,
            "system": TASK,
            "messages": [{ "role": "user", "content": shown.question() }],
            "tools": [{ "name": FORM, "description": "The one intent that was meant.", "input_schema": form() }],
            "tool_choice": { "type": "tool", "name": FORM },
        });
        request("v1/messages", &body, &[("anthropic-version", "2023-06-01")])
    }

    fn answer(&self, bytes: Vec<u8>) -> Option<Intent> {
        let answer: Value = serde_json::from_slice(&bytes).ok()?;
        match answer.get("stop_reason")?.as_str()? {
            "refusal" => return Some(Intent::Unknown { heard: String::new(), nearest: Vec::new() }),
            "max_tokens" => return None,
            _ => {}
        }
        let mut used = answer.get("content")?.as_array()?.iter().filter(|part| part["type"] == "tool_use");
        let (one, more) = (used.next()?, used.next());
        (one["name"] == FORM && more.is_none()).then(|| intent(&one["input"]))?
    }
}

fn request(path: &'static str, body: &Value, headers: &[(&'static str, &str)]) -> Request {
    let mut all = vec![("content-type", "application/json".to_owned())];
    all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Request { path, query: Vec::new(), headers: all, body: body.to_string().into_bytes(), longest: LONGEST }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Puzzle;
    use crate::redact::Redactor;

    fn run() -> Intent {
        Intent::Run { command: "cargo test".into() }
    }

    #[test]
    fn answers_of_openai_are_intents() {
        let model = OpenAi { model: "x".into() };
        let answer = |choice: Value| model.answer(json!({ "choices": [choice] }).to_string().into());
        let content = r#"{"intent":"run","command":"cargo test","text":null,"name":null,"direction":null}"#;
        let message = json!({ "role": "assistant", "content": content, "refusal": null });
        assert_eq!(answer(json!({ "message": message, "finish_reason": "stop" })), Some(run()));
        assert_eq!(answer(json!({ "message": message, "finish_reason": "length" })), None);
        let refusal = json!({ "message": { "content": null, "refusal": "No." } });
        assert!(matches!(answer(refusal), Some(Intent::Unknown { .. })));
        for prose in [
            "Sure! {\"intent\":\"run\",\"command\":\"ls\"}",
            "{\"intent\":\"run\",\"command\":\"ls\"} done",
            "",
        ] {
            assert_eq!(answer(json!({ "message": { "content": prose } })), None, "{prose}");
        }
        assert_eq!(model.answer(b"{}".to_vec()), None);
        assert_eq!(model.answer(b"<html>".to_vec()), None);
    }

    #[test]
    fn answers_of_anthropic_are_intents() {
        let model = Anthropic { model: "x".into() };
        let used = json!({ "type": "tool_use", "id": "1", "name": "intent",
            "input": { "intent": "run", "command": "cargo test" } });
        let answer = |content: Value, reason: &str| {
            model.answer(json!({ "content": content, "stop_reason": reason }).to_string().into())
        };
        assert_eq!(answer(json!([{ "type": "text", "text": "Here." }, used]), "tool_use"), Some(run()));
        assert_eq!(answer(json!([used]), "max_tokens"), None);
        assert_eq!(answer(json!([used, used]), "tool_use"), None);
        assert_eq!(answer(json!([{ "type": "text", "text": "cargo test" }]), "end_turn"), None);
        assert!(matches!(answer(json!([]), "refusal"), Some(Intent::Unknown { .. })));
    }

    #[test]
    fn requests_have_the_documented_form() {
        let puzzle = Puzzle { words: "test it".into(), sessions: vec![], screen: None };
        let shown = Shown::of(&puzzle, &Redactor::default());
        let openai = OpenAi { model: "x".into() }.request(&shown);
        let body: Value = serde_json::from_slice(&openai.body).unwrap();
        assert_eq!(
            (openai.path, &body["response_format"]["type"]),
            ("v1/chat/completions", &json!("json_schema"))
        );
        assert_eq!(body["response_format"]["json_schema"]["strict"], true);
        let anthropic = Anthropic { model: "x".into() }.request(&shown);
        let body: Value = serde_json::from_slice(&anthropic.body).unwrap();
        assert_eq!(body["tool_choice"], json!({ "type": "tool", "name": "intent" }));
        assert!(anthropic.headers.contains(&("anthropic-version", "2023-06-01".into())));
    }
}

//! `voice-terminal interpret TEXT`: the intent and the verdict; nothing is executed.

use std::process::ExitCode;

use super::report::{self, Outcome};
use crate::app::World;
use crate::domain::{Confidence, Interpreter, Situation, Verdict};

pub(super) fn run(world: &World, text: &str, spoken: bool, json: bool) -> Outcome {
    // A question is taken to be open, so that "yes" can be looked at too.
    let situation = Situation { question_open: true, spoken, ..Situation::default() };
    let interpretation = world.rules()?.interpret(text, Confidence::CERTAIN, &situation);
    if json {
        report::json(&interpretation);
        return Ok(ExitCode::SUCCESS);
    }
    for step in interpretation.intent.steps() {
        let intent = serde_json::to_value(step).unwrap_or_default();
        let name = intent["intent"].as_str().unwrap_or("?").replace('_', " ");
        report::line(format!("intent:  {name}"));
        for (field, value) in intent.as_object().into_iter().flatten().filter(|(field, _)| *field != "intent")
        {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            report::line(format!("         {field}: {value}"));
        }
    }
    for correction in &interpretation.corrections {
        report::line(format!("taken:   \"{}\" for {}", correction.heard, correction.taken));
    }
    report::line(match interpretation.verdict {
        Verdict::Allow => "verdict: allow".into(),
        Verdict::Confirm { consequence } => format!("verdict: confirm. {consequence}"),
        Verdict::Refuse { reason } => format!("verdict: refuse. {reason}"),
    });
    Ok(ExitCode::SUCCESS)
}

//! `voice-terminal interpret TEXT`: the intent and the verdict; nothing is executed.

use std::process::ExitCode;

use super::report::{self, Outcome};
use crate::app::World;
use crate::domain::{Confidence, Interpreter, Situation, Verdict};

/// How the words are taken to have come in.
pub(super) struct Heard {
    pub(super) spoken: bool,
    pub(super) confidence: f32,
    pub(super) degraded: bool,
}

/// A number from 0 to 1.
pub(super) fn share(text: &str) -> Result<f32, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "it is a number from 0 to 1".into())
}

pub(super) fn run(world: &World, text: &str, heard: &Heard, json: bool) -> Outcome {
    let Heard { spoken, confidence, degraded } = *heard;
    // A question is taken to be open, so that "yes" can be looked at too.
    let situation = Situation { question_open: true, spoken, degraded, ..Situation::default() };
    let interpretation = world.rules()?.interpret(text, Confidence::new(confidence), &situation);
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

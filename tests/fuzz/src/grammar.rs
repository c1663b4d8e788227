//! Words, whatever they are: an answer, harmless in itself, and doubt never makes a verdict laxer.

use super::{RULES, is_hidden, strictness};
use crate::domain::{Confidence, InputMode, Intent, Interpretation, Interpreter, Situation};

/// The first byte says how the words came, the rest are the words.
pub fn grammar(data: &[u8]) {
    let Some((&how, words)) = data.split_first() else { return };
    let words = String::from_utf8_lossy(words);
    let input = [InputMode::Command, InputMode::Dictation, InputMode::Spelling, InputMode::Command];
    let situation = Situation {
        spoken: how & 1 != 0,
        question_open: how & 2 != 0,
        input: input[usize::from(how >> 2 & 3)],
        ..Situation::default()
    };
    let found = RULES.interpret(&words, Confidence::CERTAIN, &situation);
    for step in found.intent.steps() {
        harmless_in_itself(step, &words, &found);
    }
    // What is given out can be read back, in the history and by a cache.
    let json = serde_json::to_string(&found).expect("it is plain data");
    assert_eq!(serde_json::from_str::<Interpretation>(&json).expect("it can be read"), found);
    if input[usize::from(how >> 2 & 3)] == InputMode::Dictation {
        assert!(!matches!(found.intent, Intent::Run { .. }), "dictation ran {found:?}");
    }

    let certain = strictness(&found.verdict);
    let unsure = RULES.interpret(&words, Confidence::new(0.1), &situation);
    if unsure.intent == found.intent {
        assert!(strictness(&unsure.verdict) >= certain, "doubt made it laxer: {found:?} {unsure:?}");
    }
    let degraded = RULES.interpret(&words, Confidence::CERTAIN, &Situation { degraded: true, ..situation.clone() });
    if degraded.intent == found.intent {
        assert!(strictness(&degraded.verdict) >= certain, "a fallback made it laxer: {found:?} {degraded:?}");
    }
    // What an AI says is judged no laxer than what is typed; that words hide something is seen before.
    let judged = RULES.judge(found.intent.clone(), Confidence::CERTAIN, &situation);
    if !words.chars().any(is_hidden) && !matches!(found.intent, Intent::Unknown { .. } | Intent::Nothing) {
        assert!(strictness(&judged.verdict) >= certain, "an AI may do more: {found:?} {judged:?}");
    }
    let _ = RULES.completeness(&words, &situation);
}

fn harmless_in_itself(step: &Intent, words: &str, found: &Interpretation) {
    match step {
        Intent::Run { command: text } | Intent::Type { text } => {
            assert!(!text.chars().any(is_hidden), "hidden characters in {text:?}");
            if words.trim_end_matches(['\n', '\r']).chars().any(char::is_control) {
                assert_eq!(strictness(&found.verdict), 2, "{found:?}");
            }
        }
        Intent::NewSession { name: Some(name) } | Intent::RenameWindow { name } => {
            assert!(!name.chars().any(char::is_control), "{name:?}");
        }
        Intent::Sequence { .. } => panic!("a sequence in a sequence: {found:?}"),
        _ => {}
    }
}

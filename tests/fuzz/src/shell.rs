//! Command lines: what runs without a question hides nothing.

use super::{RULES, strictness};
use crate::domain::{Confidence, Intent, Interpreter, Situation, Verdict};

/// Nobody is ever asked about this one.
const OUT_OF_THE_QUESTION: &str = "rm -rf /";

fn verdict(line: &str) -> Verdict {
    let intent = Intent::Run { command: line.to_owned() };
    // As typed: an AI would be asked about in any case.
    let typed = RULES.interpret(&format!("run {line}"), Confidence::CERTAIN, &Situation::default());
    match typed.intent {
        Intent::Run { ref command } if command == line => typed.verdict,
        _ => RULES.judge(intent, Confidence::CERTAIN, &Situation::default()).verdict,
    }
}

/// The bytes are a line.
pub fn shell(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    let line = line.trim();
    let alone = verdict(line);
    // Whatever comes first, it can't hide behind it.
    let after = verdict(&format!("{OUT_OF_THE_QUESTION} ; {line}"));
    assert_eq!(strictness(&after), 2, "{line:?} hides what stands before it");
    if alone != Verdict::Allow || line.is_empty() {
        return;
    }
    // What is allowed was understood to its end, so that whatever is joined to it is seen.
    for joint in ["; ", " && ", " || ", " | ", " & "] {
        let joined = verdict(&format!("{line}{joint}{OUT_OF_THE_QUESTION}"));
        assert_eq!(strictness(&joined), 2, "{line:?}{joint}hides what stands behind it");
    }
    for (before, behind) in [("echo $(", ")"), ("echo \"$(", ")\""), ("cat <(", ")"), ("sudo ", "; rm -rf /")] {
        let inside = verdict(&format!("{before}{line}; {OUT_OF_THE_QUESTION}{behind}"));
        assert_eq!(strictness(&inside), 2, "{line:?} hides what is substituted behind it");
    }
    assert!(!line.contains(['\n', '\r']), "more than a line was allowed: {line:?}");
}

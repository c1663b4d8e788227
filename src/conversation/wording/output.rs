//! What is said of what programs print and do.

use super::super::findings::{Findings, Next};
use super::{count, sessions, span};
use crate::domain::{
    Activity, Digest, Finding, FindingKind, Outcome, Printed, Ran, Reader, Reply, Tone, sentence,
};

/// So much of output of which nothing is known is read aloud.
const UNKNOWN_ALOUD: usize = 300;
/// Lines that are printed of one text.
const MOST_LINES: usize = 200;
/// Findings that are printed.
const MOST_FINDINGS: usize = 30;

pub(in crate::conversation) fn printed_by(run: &Ran) -> Printed<'_> {
    Printed { text: &run.output, command: Some(&run.command), status: run.status, running: !run.finished }
}

/// What an outcome holds of output.
pub(in crate::conversation) fn printed(outcome: &Outcome) -> Option<Printed<'_>> {
    match outcome {
        Outcome::Ran(run) => Some(printed_by(run)),
        Outcome::Text { text, activity } => Some(Printed { text, ..of_activity("", activity) }),
        Outcome::Described { screen, activity, .. } => Some(of_activity(screen, activity)),
        _ => None,
    }
}

/// What a pane's program printed, else what is on the screen.
pub(super) fn of_activity<'a>(screen: &'a str, activity: &'a Activity) -> Printed<'a> {
    Printed {
        text: activity.output.as_deref().unwrap_or(screen),
        command: activity.command.as_deref(),
        status: activity.status,
        running: activity.running,
    }
}

/// The answer to an outcome that holds output.
pub(in crate::conversation) fn told(outcome: &Outcome, digest: &Digest, reader: &dyn Reader) -> Reply {
    match outcome {
        Outcome::Ran(run) => ran(run, digest),
        Outcome::Text { text, activity } => read(text, activity, digest, reader),
        Outcome::Described { session, program, screen, activity } => {
            sessions::described(session, program, screen, activity, digest)
        }
        other => super::outcome(other, reader),
    }
}

/// Text with a last line below it.
fn below(text: &str, line: String) -> String {
    if text.is_empty() { line } else { format!("{text}\n{line}") }
}

/// What is told of a failure with this exit status, if the output tells no more than that.
pub(super) fn failed(status: i32, digest: &Digest) -> String {
    match (digest.kind.as_deref(), digest.failed) {
        (Some("failure"), Some(true)) => format!("Failed: {}", digest.spoken),
        (Some(_), Some(true)) => digest.spoken.clone(),
        _ => format!("Failed with exit status {status}. {}", digest.spoken).trim_end().to_owned(),
    }
}

fn ran(run: &Ran, digest: &Digest) -> Reply {
    let place = format!("`{}` in {}", run.command, run.session);
    let is_known = digest.kind.is_some();
    match (run.finished, run.status) {
        (true, Some(0)) => {
            let summary = format!("{place}: done in {}.", span(run.took));
            let speech = match digest.spoken.as_str() {
                "" => "Done.".into(),
                spoken if is_known => spoken.to_owned(),
                spoken => format!("Done. {spoken}"),
            };
            Reply::new(Tone::Answer, below(&digest.printed, summary), speech)
        }
        (true, Some(status)) if is_known && digest.failed == Some(false) => {
            let summary = format!("{place}: ended with exit status {status} after {}.", span(run.took));
            Reply::new(Tone::Answer, below(&digest.printed, summary), digest.spoken.clone())
        }
        (true, Some(status)) => {
            let summary = format!("{place}: failed with exit status {status} after {}.", span(run.took));
            Reply::new(Tone::Problem, below(&digest.printed, summary), failed(status, digest))
        }
        (true, None) => {
            let summary = format!("{place}: ended; this shell doesn't tell the exit status.");
            let tone = if digest.failed == Some(true) { Tone::Problem } else { Tone::Answer };
            let speech = if is_known { digest.spoken.clone() } else { "It ended.".into() };
            Reply::new(tone, below(&digest.printed, summary), speech)
        }
        (false, _) => {
            let summary =
                format!("{place}: still running after {}; it goes on in the background.", span(run.took));
            let text = below(&digest.printed, summary);
            let speech = match &digest.question {
                Some(question) => format!("It is still running. {question}"),
                None if is_known => format!("It is still running, in the background. {}", digest.spoken),
                None => "It is still running, in the background.".into(),
            };
            Reply::new(Tone::Answer, text, speech)
        }
    }
}

/// A line that went on in the background has come to its end.
pub(in crate::conversation) fn background(run: &Ran, digest: &Digest) -> Reply {
    let Reply { tone, text, speech } = ran(run, digest);
    let program = program(&run.command);
    Reply::new(tone, text, format!("{program} in {} has ended. {speech}", run.session))
}

/// The first words of a command line, by which one knows it.
pub(super) fn program(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().take(3).collect();
    match words.as_slice() {
        [] => "The command".into(),
        [program, verb, ..] if verb.chars().all(|c| c.is_ascii_alphanumeric()) => format!("{program} {verb}"),
        [program, ..] => (*program).to_owned(),
    }
}

/// What matters in what was printed.
fn read(text: &str, activity: &Activity, digest: &Digest, reader: &dyn Reader) -> Reply {
    if text.trim().is_empty() {
        return match activity.status {
            Some(0) => Reply::plain(Tone::Answer, "It printed nothing, and went well."),
            Some(status) => Reply::plain(
                Tone::Answer,
                format!("It printed nothing, and failed with exit status {status}."),
            ),
            None => Reply::plain(Tone::Answer, "There is no output to read."),
        };
    }
    let speech = match (&digest.question, &digest.kind, activity.status) {
        (Some(question), ..) => question.clone(),
        (None, Some(_), Some(status)) if status != 0 && digest.failed != Some(false) => {
            failed(status, digest)
        }
        (None, Some(_), _) => digest.spoken.clone(),
        (None, None, Some(status)) if status != 0 => {
            format!("It failed with exit status {status}. {}", reader.aloud(text, UNKNOWN_ALOUD))
        }
        (None, None, _) => reader.aloud(text, UNKNOWN_ALOUD),
    };
    Reply::new(Tone::Answer, digest.printed.clone(), speech)
}

/// Everything that was printed, and as it is read aloud.
pub(in crate::conversation) fn all(text: &str, aloud: &str) -> Reply {
    let text = text.trim_end();
    if text.trim().is_empty() {
        return Reply::plain(Tone::Answer, "There is no output to read.");
    }
    let lines: Vec<&str> = text.lines().collect();
    let printed = match lines.len().checked_sub(MOST_LINES) {
        None | Some(0) => text.to_owned(),
        Some(hidden) => format!("… {} before\n{}", count(hidden, "line"), lines[hidden..].join("\n")),
    };
    Reply::new(Tone::Answer, printed, aloud)
}

fn noun(findings: &[Finding]) -> &'static str {
    if findings.iter().all(|finding| finding.kind == FindingKind::Failure) { "failure" } else { "error" }
}

/// What went wrong, all of it printed and the first said.
pub(in crate::conversation) fn errors(findings: &mut Findings) -> Reply {
    let all = findings.all();
    let warnings = all.iter().filter(|finding| finding.kind == FindingKind::Warning).count();
    let grave = all.len() - warnings;
    let Some(first) = all.first() else {
        return Reply::plain(Tone::Answer, "I see no errors in that.");
    };
    let (grave, warnings) = (
        (grave > 0).then(|| count(grave, noun(&all[..grave]))),
        (warnings > 0).then(|| count(warnings, "warning")),
    );
    let summary = match (grave, warnings) {
        (Some(grave), Some(warnings)) => format!("{grave} and {warnings}"),
        (Some(one), None) => one,
        (None, warnings) => format!("No errors, but {}", warnings.unwrap_or_default()),
    };
    let mut lines: Vec<String> = all.iter().take(MOST_FINDINGS).map(line).collect();
    if all.len() > MOST_FINDINGS {
        lines.push(format!("… and {} more", all.len() - MOST_FINDINGS));
    }
    let between = if all.len() == 1 { ":" } else { "; the first:" };
    let speech = sentence(&format!("{summary}{between} {}", first.spoken));
    Reply::new(Tone::Answer, format!("{summary}:\n{}", lines.join("\n")), speech)
}

fn line(finding: &Finding) -> String {
    match finding.kind {
        FindingKind::Warning => format!("  warning: {}", finding.line()),
        _ => format!("  {}", finding.line()),
    }
}

pub(in crate::conversation) fn finding(next: &Next<'_>) -> Reply {
    let Next { number, of, finding } = next;
    Reply::new(
        Tone::Answer,
        format!("{number} of {of}:\n{}", line(finding)),
        sentence(&format!("{number} of {of}: {}", finding.spoken)),
    )
}

pub(in crate::conversation) fn no_more_errors() -> Reply {
    Reply::plain(Tone::Answer, "That was the last one. Say \"show errors\" to begin anew.")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::reading::Reader as Rules;

    fn run(command: &str, status: Option<i32>, finished: bool, output: &str) -> Reply {
        let outcome = Outcome::Ran(Ran {
            command: command.into(),
            session: "build".into(),
            status,
            finished,
            output: output.into(),
            took: Duration::from_millis(1500),
        });
        super::super::outcome(&outcome, &Rules::default())
    }

    #[test]
    fn a_run_tells_its_end_and_what_it_printed() {
        let reply = run("./x", Some(0), true, "one\ntwo\n");
        assert_eq!(reply.text, "one\ntwo\n`./x` in build: done in 1.5 s.");
        assert_eq!(reply.speech, "Done. two");
        let reply = run("./x", Some(2), true, "oh no\n");
        assert_eq!((reply.tone, reply.speech.as_str()), (Tone::Problem, "Failed with exit status 2. oh no"));
        assert!(run("./x", None, false, "").text.contains("background"));
    }

    #[test]
    fn what_matters_is_said_in_place_of_the_last_line() {
        let tests = "test a ... ok\ntest b ... FAILED\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n";
        let reply = run("cargo test", Some(101), true, tests);
        assert_eq!((reply.tone, reply.speech.as_str()), (Tone::Problem, "1 of 2 tests failed: b."));
        let reply = run("gti", Some(127), true, "bash: gti: command not found\n");
        assert_eq!(reply.speech, "Failed: gti: command not found.");
        let reply = run("grep x y", Some(1), true, "");
        assert_eq!((reply.tone, reply.speech.as_str()), (Tone::Answer, "Nothing was found."));
        let reply = run("apt install sl", None, false, "Do you want to continue? [Y/n] ");
        assert_eq!(reply.speech, "It is still running. It asks: Do you want to continue, yes or no?");
    }

    #[test]
    fn long_output_is_printed_by_its_newest_part() {
        let output: String = (0..100).flat_map(|n| [format!("{}x", "a".repeat(n)), "\n".into()]).collect();
        let reply = run("./x", Some(0), true, &output);
        assert!(reply.text.starts_with("… 70 lines before\n"), "{}", reply.text);
    }

    #[test]
    fn findings_are_gone_through() {
        let error = |what: &str| Finding {
            kind: FindingKind::Error,
            what: what.into(),
            place: None,
            spoken: what.into(),
        };
        let mut findings = Findings::new(vec![error("one"), error("two")]);
        assert_eq!(errors(&mut findings).speech, "2 errors; the first: one.");
        assert_eq!(finding(&findings.next().unwrap()).speech, "2 of 2: two.");
        assert_eq!(errors(&mut Findings::default()).speech, "I see no errors in that.");
    }
}

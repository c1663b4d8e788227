//! What is said of what programs print and do.

use std::time::Duration;

use super::super::findings::{Findings, Next};
use super::{count, span};
use crate::domain::{
    Activity, Digest, Finding, FindingKind, Outcome, Printed, Ran, Reader, Reply, Stop, Surveyed, Tone,
    sentence,
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
    let of = |text, activity: &'_ Activity| -> Printed<'_> {
        Printed { text, command: None, status: activity.status, running: activity.running }
    };
    match outcome {
        Outcome::Ran(run) => Some(printed_by(run)),
        Outcome::Text { text, activity } => {
            Some(Printed { text, command: activity.command.as_deref(), ..of("", activity) })
        }
        Outcome::Described { screen, activity, .. } => Some(of_activity(screen, activity)),
        _ => None,
    }
}

fn of_activity<'a>(screen: &'a str, activity: &'a Activity) -> Printed<'a> {
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
            described(session, program, screen, activity, digest)
        }
        other => super::outcome(other, reader),
    }
}

/// Text with a last line below it.
fn below(text: &str, line: String) -> String {
    if text.is_empty() { line } else { format!("{text}\n{line}") }
}

/// What is told of a failure with this exit status, if the output tells no more than that.
fn failed(status: i32, digest: &Digest) -> String {
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

/// A program that is watched asks something.
pub(in crate::conversation) fn asks(stop: &Stop, question: &str) -> Reply {
    let Stop { session, command, line } = stop;
    Reply::new(
        Tone::Answer,
        format!("`{command}` in {session} waits for an answer: {}", line.trim()),
        format!("{session} waits for you. {question}"),
    )
}

/// The first words of a command line, by which one knows it.
fn program(line: &str) -> String {
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

/// A span of time as one says it.
fn spoken_span(span: Duration) -> String {
    match span.as_secs() {
        0..=1 => "a moment".into(),
        seconds @ 2..=89 => format!("{seconds} seconds"),
        seconds @ 90..=5399 => count(usize::try_from((seconds + 30) / 60).unwrap_or(usize::MAX), "minute"),
        seconds => count(usize::try_from((seconds + 1800) / 3600).unwrap_or(usize::MAX), "hour"),
    }
}

fn described(session: &str, program: &str, screen: &str, activity: &Activity, digest: &Digest) -> Reply {
    let (text, speech) = standing(session, program, activity, digest);
    let screen = screen.trim_end();
    Reply::new(
        Tone::Answer,
        if screen.trim().is_empty() { text } else { format!("{text}\n{screen}") },
        speech,
    )
}

/// What goes on in a session, to be printed and to be said.
fn standing(session: &str, program: &str, activity: &Activity, digest: &Digest) -> (String, String) {
    let ago = |verb: &str| activity.since.map(|since| format!("{verb} {} ago", spoken_span(since)));
    match (&activity.command, activity.running) {
        (command, true) => {
            let what = command.as_deref().unwrap_or(program);
            let long =
                activity.since.map(|since| format!(", for {}", spoken_span(since))).unwrap_or_default();
            let more = match (&digest.question, &digest.kind) {
                (Some(question), _) => format!("; {}", in_mid_sentence(question)),
                (None, Some(_)) => format!("; {}", in_mid_sentence(&digest.spoken)),
                (None, None) => ".".into(),
            };
            (
                format!("{session} is running `{what}`{long}{more}"),
                format!("{}{long}{more}", self::program(what)),
            )
        }
        (Some(command), false) => {
            let end = match (activity.status, digest.failed) {
                (Some(status), failed) if status != 0 && failed != Some(false) => {
                    ("failed", self::failed(status, digest))
                }
                _ if digest.failed == Some(true) => ("failed", digest.spoken.clone()),
                _ if digest.kind.is_some() => ("ended", digest.spoken.clone()),
                _ => ("ended", String::new()),
            };
            let when = ago(end.0).unwrap_or_else(|| end.0.to_owned());
            let tail = if end.1.is_empty() { ".".to_owned() } else { format!(". {}", end.1) };
            (
                format!("{session} is idle; `{command}` {when}{tail}"),
                format!("It is idle; {} {when}{tail}", self::program(command)),
            )
        }
        (None, false) if digest.kind.is_some() => {
            let text = format!("{session} is running {program}. {}", digest.spoken);
            (text.clone(), text)
        }
        (None, false) => {
            let text = format!("{session} is running {program}.");
            (text.clone(), text)
        }
    }
}

/// A sentence as the second half of one.
fn in_mid_sentence(sentence: &str) -> String {
    let mut characters = sentence.chars();
    let Some(first) = characters.next() else { return String::new() };
    let is_word = characters.clone().next().is_some_and(char::is_lowercase);
    if is_word { first.to_lowercase().chain(characters).collect() } else { sentence.to_owned() }
}

/// How much a session wants somebody, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Asks,
    Failed,
    Ended,
    Runs,
    Nothing,
}

/// Which sessions want somebody, and why.
pub(super) fn surveyed(sessions: &[Surveyed], reader: &dyn Reader) -> Reply {
    let mut needs: Vec<(Need, &Surveyed, String, String)> = Vec::new();
    for it in sessions {
        let activity = &it.activity;
        let digest = reader.digest(&of_activity(&it.screen, activity));
        let question = activity.stopped_at.as_deref().filter(|_| activity.running);
        let question = question.and_then(|line| reader.question(line)).or_else(|| digest.question.clone());
        let is_bad = activity.status.is_some_and(|status| status != 0) && digest.failed != Some(false)
            || digest.failed == Some(true);
        let need = match (activity.running, &question) {
            (true, Some(_)) => Need::Asks,
            (true, None) => Need::Runs,
            (false, _) if is_bad && activity.is_news => Need::Failed,
            (false, _) if activity.is_news => Need::Ended,
            (false, _) => Need::Nothing,
        };
        let digest = Digest { question, ..digest };
        let (text, speech) = standing(&it.session, &it.program, activity, &digest);
        needs.push((need, it, text, speech));
    }
    needs.sort_by_key(|(need, ..)| *need);
    if needs.is_empty() {
        return Reply::plain(Tone::Answer, "There are no sessions.");
    }
    let lines: Vec<&str> = needs.iter().map(|(.., text, _)| text.as_str()).collect();
    let urgent: Vec<String> = needs
        .iter()
        .filter(|(need, ..)| *need <= Need::Ended)
        .map(|(need, it, _, speech)| match need {
            Need::Asks => {
                let asked = speech.split_once("; ").map_or(speech.as_str(), |(_, asked)| asked);
                format!("{} waits for you: {asked}", it.session)
            }
            _ => format!("{}: {}", it.session, in_mid_sentence(speech.trim_start_matches("It is idle; "))),
        })
        .collect();
    let running = needs.iter().filter(|(need, ..)| *need == Need::Runs).count();
    let speech = match (urgent.as_slice(), running) {
        ([], 0) => "Nobody needs you.".to_owned(),
        ([], running) => format!("Nobody needs you; {} running.", are(running)),
        (some, _) => some.join(" "),
    };
    Reply::new(Tone::Answer, format!("{speech}\n{}", lines.join("\n")), speech.clone())
}

fn are(number: usize) -> String {
    if number == 1 { "1 session is".into() } else { format!("{number} sessions are") }
}

pub(super) fn watching(session: Option<&str>, on: bool, already: bool, idle: bool) -> Reply {
    let text = match (session, on, already) {
        (Some(session), true, false) if idle => {
            format!("Nothing runs in {session} now; I will tell you when the next command has ended.")
        }
        (Some(session), true, false) => {
            format!("I will tell you when {session} has ended or asks something.")
        }
        (Some(session), true, true) => format!("I am watching {session} already."),
        (None, true, _) => "I am watching.".into(),
        (Some(session), false, true) => format!("I am not watching {session} any more."),
        (Some(session), false, false) => format!("I was not watching {session}."),
        (None, false, true) => "I am not watching anything any more.".into(),
        (None, false, false) => "I was not watching anything.".into(),
    };
    Reply::plain(Tone::Answer, text)
}

#[cfg(test)]
mod tests {
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
    fn sessions_are_named_in_the_order_of_their_need() {
        let session = |session: &str, activity| Surveyed {
            session: session.into(),
            program: "bash".into(),
            screen: String::new(),
            activity,
        };
        let ended = |status, is_news| Activity {
            command: Some("cargo test".into()),
            status: Some(status),
            since: Some(Duration::from_secs(120)),
            output: Some("test result: ok. 3 passed; 0 failed; 0 ignored; x\n".into())
                .filter(|_| status == 0),
            is_news,
            ..Activity::default()
        };
        let asks = Activity {
            command: Some("sudo make".into()),
            running: true,
            since: Some(Duration::from_secs(5)),
            stopped_at: Some("[sudo] password for ann:".into()),
            ..Activity::default()
        };
        let sessions = [
            session("idle", ended(0, false)),
            session("done", ended(0, true)),
            session("broken", ended(2, true)),
            session("admin", asks),
        ];
        let reply = surveyed(&sessions, &Rules::default());
        assert_eq!(
            reply.speech,
            "admin waits for you: it wants the sudo password. broken: cargo test failed 2 minutes ago. Failed with exit \
             status 2. done: cargo test ended 2 minutes ago. 3 tests passed."
        );
        assert!(reply.text.lines().last().unwrap().starts_with("idle"), "{}", reply.text);
        assert_eq!(surveyed(&sessions[..1], &Rules::default()).speech, "Nobody needs you.");
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

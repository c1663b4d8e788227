//! What is said of sessions: what goes on there, who wants somebody, who is watched.

use std::time::Duration;

use super::count;
use super::output::{self, of_activity, program};
use crate::domain::{Activity, Digest, Reader, Reply, Stop, Surveyed, Tone};

/// A program that is watched asks something.
pub(in crate::conversation) fn asks(stop: &Stop, question: &str) -> Reply {
    let Stop { session, command, line } = stop;
    Reply::new(
        Tone::Answer,
        format!("`{command}` in {session} waits for an answer: {}", line.trim()),
        format!("{session} waits for you. {question}"),
    )
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

pub(super) fn described(
    session: &str,
    program: &str,
    screen: &str,
    activity: &Activity,
    digest: &Digest,
) -> Reply {
    let (text, speech) = standing(session, program, activity, digest);
    let screen = screen.trim_end();
    Reply::new(
        Tone::Answer,
        if screen.trim().is_empty() { text } else { format!("{text}\n{screen}") },
        speech,
    )
}

/// What goes on in a session, to be printed and to be said.
fn standing(session: &str, front: &str, activity: &Activity, digest: &Digest) -> (String, String) {
    let ago = |verb: &str| activity.since.map(|since| format!("{verb} {} ago", spoken_span(since)));
    match (&activity.command, activity.running) {
        (command, true) => {
            let what = command.as_deref().unwrap_or(front);
            let long =
                activity.since.map(|since| format!(", for {}", spoken_span(since))).unwrap_or_default();
            let more = match (&digest.question, &digest.kind) {
                (Some(question), _) => format!("; {}", in_mid_sentence(question)),
                (None, Some(_)) => format!("; {}", in_mid_sentence(&digest.spoken)),
                (None, None) => ".".into(),
            };
            (format!("{session} is running `{what}`{long}{more}"), format!("{}{long}{more}", program(what)))
        }
        (Some(command), false) => {
            let end = match (activity.status, digest.failed) {
                (Some(status), failed) if status != 0 && failed != Some(false) => {
                    ("failed", output::failed(status, digest))
                }
                _ if digest.failed == Some(true) => ("failed", digest.spoken.clone()),
                _ if digest.kind.is_some() => ("ended", digest.spoken.clone()),
                _ => ("ended", String::new()),
            };
            let when = ago(end.0).unwrap_or_else(|| end.0.to_owned());
            let tail = if end.1.is_empty() { ".".to_owned() } else { format!(". {}", end.1) };
            (
                format!("{session} is idle; `{command}` {when}{tail}"),
                format!("It is idle; {} {when}{tail}", program(command)),
            )
        }
        (None, false) if digest.kind.is_some() => {
            let text = format!("{session} is running {front}. {}", digest.spoken);
            (text.clone(), text)
        }
        (None, false) => {
            let text = format!("{session} is running {front}.");
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
}

//! What is said of several things that are done one after the other.

use super::super::turn::{Deed, Place};
use super::{shortened, summary};
use crate::domain::{Action, Command, Reply, Target, Tone};

/// Several things, before they are done.
pub(in crate::conversation) fn plan(deeds: &[Deed], target: Option<&Target>) -> String {
    let at = target.map_or_else(String::new, |target| format!(", beginning in {}", target.session_name));
    format!("{}{at}", deeds.iter().map(planned).collect::<Vec<_>>().join(", then "))
}

fn planned(deed: &Deed) -> String {
    match deed {
        Deed::RunLine(line) => format!("run `{}`", shortened(line)),
        Deed::Read(_) => "read the output".into(),
        Deed::Act(Action::Watch, Place::Session(name)) => format!("watch {name}"),
        Deed::Act(Action::Insert { text }, _) => format!("type `{}`", shortened(text)),
        Deed::Act(Action::KillSession, Place::Session(name)) => format!("kill session {name}"),
        Deed::Act(Action::DescribeSession, Place::Session(name)) => format!("look at {name}"),
        Deed::Act(Action::KillSession, _) => "kill the current session".into(),
        Deed::Act(action, _) => summary(&Command { target: None, action: action.clone() }),
    }
}

/// Several things were done; the same ones in a row are told once.
pub(in crate::conversation) fn all_done(replies: Vec<Reply>) -> Reply {
    let tone = replies.iter().map(|reply| reply.tone).find(|tone| *tone != Tone::Answer);
    let mut told: Vec<(Reply, usize)> = Vec::new();
    for reply in replies {
        match told.last_mut() {
            Some((last, times)) if *last == reply => *times += 1,
            _ => told.push((reply, 1)),
        }
    }
    let join = |part: fn(&Reply) -> &str, between: &str| {
        let line = |(reply, times): &(Reply, usize)| match times {
            1 => part(reply).to_owned(),
            times => format!("{} ({times} times)", part(reply)),
        };
        told.iter().map(line).collect::<Vec<_>>().join(between)
    };
    let speech = join(|reply| &reply.speech, ". ").replace(".. ", ". ");
    Reply::new(tone.unwrap_or(Tone::Answer), join(|reply| &reply.text, "\n"), speech)
}

/// Some of several things were done, then this happened, and these were not done.
pub(in crate::conversation) fn broken_off(done: Vec<Reply>, reply: Reply, undone: &[Deed]) -> Reply {
    let rest = undone.iter().map(planned).collect::<Vec<_>>().join(", then ");
    let speech = reply.speech.clone();
    let text = all_done(done.into_iter().chain([reply]).collect()).text;
    if undone.is_empty() {
        return Reply::new(Tone::Problem, text, speech);
    }
    Reply::new(
        Tone::Problem,
        format!("{text}\nI stopped there; not done: {rest}."),
        format!("{speech} I stopped there."),
    )
}

/// A program has the pane that something was to be put into.
pub(in crate::conversation) fn occupied() -> Reply {
    Reply::plain(Tone::Problem, "What I started is still running there.")
}

/// Commands go elsewhere than when the question was asked.
pub(in crate::conversation) fn moved_on(summary: &str, then: &Target, now: &Target) -> Reply {
    let place = if then.session == now.session { "another pane" } else { now.session_name.as_str() };
    Reply::plain(
        Tone::Problem,
        format!("Commands go to {place} by now, so I did nothing of this: {summary}. Say it again."),
    )
}

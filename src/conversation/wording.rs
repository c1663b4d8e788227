//! What is said: printed long, spoken short. All sentences of the conversation are here.

pub(super) mod output;
pub(super) mod sessions;
mod several;

use std::time::Duration;

pub(super) use several::{all_done, broken_off, moved_on, occupied, plan};

use super::confirmation::Plan;
use crate::domain::{
    Action, Attention, Command, Correction, Degradation, Failure, FailureKind, InputMode, Intent, Listening,
    ListeningChange, Mode, Outcome, Reader, Reply, SessionInfo, Target, Tone, sentence,
};

/// The answer to what was done. Of output, what matters in it is told.
pub(super) fn outcome(outcome: &Outcome, reader: &dyn Reader) -> Reply {
    match outcome {
        Outcome::Done { what } => Reply::plain(Tone::Answer, what),
        Outcome::Session { target, created, remark } => {
            let name = &target.session_name;
            let what = if *created { format!("New session {name}.") } else { format!("Switched to {name}.") };
            match remark {
                Some(remark) => Reply::plain(Tone::Answer, format!("{what} {remark}")),
                None => Reply::plain(Tone::Answer, what),
            }
        }
        Outcome::Sessions { sessions } => listed(sessions),
        Outcome::Surveyed { sessions } => sessions::surveyed(sessions, reader),
        Outcome::Watching { session, on, already, idle } => {
            sessions::watching(session.as_deref(), *on, *already, *idle)
        }
        Outcome::Described { .. } | Outcome::Text { .. } | Outcome::Ran(_) => {
            let digest = output::printed(outcome).map(|printed| reader.digest(&printed));
            output::told(outcome, &digest.unwrap_or_default(), reader)
        }
    }
}

fn listed(sessions: &[SessionInfo]) -> Reply {
    if sessions.is_empty() {
        return Reply::plain(Tone::Answer, "There are no sessions. Say \"new session\" and a name.");
    }
    let line = |session: &SessionInfo| {
        let windows =
            if session.windows == 1 { "1 window".into() } else { format!("{} windows", session.windows) };
        let mark = if session.current { "*" } else { " " };
        format!("{mark} {}  {windows}, {}", session.name, session.program)
    };
    let names: Vec<&str> = sessions.iter().map(|session| session.name.as_str()).collect();
    let lines: Vec<String> = sessions.iter().map(line).collect();
    Reply::new(
        Tone::Answer,
        lines.join("\n"),
        format!("{}: {}.", count(names.len(), "session"), names.join(", ")),
    )
}

/// What an action is, before it is done: for questions.
pub(super) fn summary(command: &Command) -> String {
    let at =
        command.target.as_ref().map_or_else(String::new, |target| format!(" in {}", target.session_name));
    let session = || command.target.as_ref().map_or("?", |target| target.session_name.as_str());
    match &command.action {
        Action::Submit { text } | Action::Prepare { text } => format!("`{}`{at}", shortened(text)),
        Action::Insert { text } => format!("type `{}`{at}", shortened(text)),
        Action::KillSession => format!("kill session {}", session()),
        Action::CloseWindow => format!("close the current window{at}"),
        Action::ClosePane => format!("close the current pane{at}"),
        Action::Press { press } => {
            let control = if press.control { "control " } else { "" };
            let alt = if press.alt { "alt " } else { "" };
            format!("press {control}{alt}{}{at}", key(press.key))
        }
        Action::NewSession { .. } => "make a session".into(),
        Action::SwitchSession { name } => format!("switch to {name}"),
        Action::ListSessions => "list the sessions".into(),
        Action::DescribeSession => format!("look at {}", session()),
        Action::NewWindow { .. } => format!("make a window{at}"),
        Action::SelectWindow { .. } => format!("go to another window{at}"),
        Action::RenameWindow { name } => format!("rename the window{at} to {name}"),
        Action::SplitPane { .. } => format!("split the pane{at}"),
        Action::SelectPane { .. } => format!("go to another pane{at}"),
        Action::ZoomPane => format!("zoom the pane{at}"),
        Action::Scroll { .. } => format!("scroll{at}"),
        Action::ReadOutput => format!("read the output{at}"),
        Action::Survey => "look at all sessions".into(),
        Action::Watch => format!("watch {}", session()),
        Action::Unwatch => "stop watching".into(),
        Action::Erase { .. } => format!("take the text back{at}"),
    }
}

fn key(key: crate::domain::Key) -> String {
    use crate::domain::Key;
    match key {
        Key::Char(character) => character.to_string(),
        Key::Function(number) => format!("F{number}"),
        Key::PageUp => "page up".into(),
        Key::PageDown => "page down".into(),
        named => format!("{named:?}").to_lowercase(),
    }
}

pub(super) fn question(plan: &Plan, summary: &str, consequence: &str, tone: Tone) -> Reply {
    let text = match plan {
        Plan::Command(Command { action: Action::Submit { .. }, .. }) => {
            format!(
                "I typed {summary}, without Enter. {consequence}\nSay or type \"confirm\" to run it, or \"cancel\"."
            )
        }
        _ => format!("Shall I {summary}? {consequence}\nSay or type \"confirm\", or \"cancel\"."),
    };
    Reply::new(tone, text, format!("{summary}? {consequence} Confirm or cancel?"))
}

pub(super) fn nothing_to_do_again() -> Reply {
    Reply::plain(Tone::Problem, "There is nothing that I could do again so often.")
}

pub(super) fn nothing_to_undo(last: Option<&Intent>) -> Reply {
    let text = match last {
        None => "There is nothing to undo.".into(),
        Some(Intent::Run { command }) => {
            format!("I know nothing that takes `{}` back. What it did stays done.", shortened(command))
        }
        Some(Intent::Press { .. }) => "A key that was pressed can't be taken back by me.".into(),
        Some(_) => "That can't be taken back by me.".to_owned(),
    };
    Reply::plain(Tone::Problem, text)
}

pub(super) fn nothing_to_scratch() -> Reply {
    Reply::plain(Tone::Answer, "There is nothing of mine to take back.")
}

pub(super) fn scratched(target: &Target, text: &str) -> Reply {
    Reply::new(
        Tone::Answer,
        format!("Took `{}` back in {}.", shortened(text.trim()), target.session_name),
        "Scratched.",
    )
}

/// What words are taken as from now on.
pub(super) fn input(mode: InputMode) -> Reply {
    let (text, speech) = match mode {
        InputMode::Command => ("Command mode.", "Command mode."),
        InputMode::Dictation => (
            "Dictation: what you say or type goes into the pane. \"Scratch that\" takes the last of it back, \
             \"command mode\" ends it.",
            "Dictation mode.",
        ),
        InputMode::Spelling => (
            "Spelling: letters, digits and signs go into the pane. \"Scratch that\" takes the last of it back, \
             \"command mode\" ends it.",
            "Spelling mode.",
        ),
    };
    Reply::new(Tone::Answer, text, speech)
}

pub(super) fn inserted(target: &Target, text: &str) -> Reply {
    Reply::new(
        Tone::Answer,
        format!("Typed `{}` in {}, without Enter.", shortened(text), target.session_name),
        "Typed.",
    )
}

pub(super) fn not_understood(heard: &str, nearest: &[String]) -> Reply {
    let heard = shortened(heard);
    if nearest.is_empty() {
        return Reply::plain(
            Tone::Problem,
            format!("I don't know what to do with \"{heard}\". Say \"help\" for what I know."),
        );
    }
    let phrases: Vec<String> = nearest.iter().map(|phrase| format!("\"{phrase}\"")).collect();
    Reply::new(
        Tone::Problem,
        format!("I don't know what to do with \"{heard}\". The nearest that I know: {}.", phrases.join(", ")),
        format!("I didn't understand. Did you mean {}?", phrases[0]),
    )
}

/// An answer to what was taken for something else than was heard, with that.
pub(super) fn corrected(mut reply: Reply, corrections: &[Correction]) -> Reply {
    let taken = corrections.iter().map(|it| format!("\"{}\" for {}", it.heard, it.taken)).collect::<Vec<_>>();
    if !taken.is_empty() {
        let taken = taken.join(" and ");
        reply.text = format!("{}\n(I took {taken}.)", reply.text);
        reply.speech = format!("I took {taken}. {}", reply.speech);
    }
    reply
}

pub(super) fn refused(reason: &str) -> Reply {
    Reply::plain(Tone::Problem, reason)
}

/// What is cut off is not followed by more.
pub(super) fn quiet() -> Reply {
    Reply::new(Tone::Answer, "Quiet.", "")
}

pub(super) fn nothing_asked() -> Reply {
    Reply::plain(Tone::Answer, "Nothing is waiting for an answer.")
}

pub(super) fn expired(summary: &str) -> Reply {
    Reply::plain(Tone::Problem, format!("That was too late: {summary} was not done. Say it again."))
}

pub(super) fn withdrawn(summary: &str) -> Reply {
    Reply::plain(Tone::Answer, format!("Cancelled: {summary}."))
}

/// A question that ran out by itself.
pub(super) fn expiry(summary: &str) -> String {
    format!("Nobody answered, so I dropped it: {summary}.")
}

/// Waiting was stopped. Whether the work stopped too is for the terminal to know.
pub(super) fn stopped(command: Option<&Command>) -> Reply {
    match command {
        Some(Command { action: Action::Submit { text }, target }) => {
            let at =
                target.as_ref().map_or_else(String::new, |target| format!(" in {}", target.session_name));
            Reply::new(
                Tone::Answer,
                format!(
                    "I stopped waiting for `{}`{at}; it goes on. Say \"press control c\" to stop it.",
                    shortened(text)
                ),
                "I stopped waiting. It goes on; say press control c to stop it.",
            )
        }
        _ => Reply::plain(Tone::Answer, "Cancelled."),
    }
}

/// Another tier than the wanted one recognises.
pub(super) fn heard_by(tier: &str) -> Degradation {
    Degradation {
        chain: "voice-stt".into(),
        now: tier.into(),
        what: format!("The recogniser of your choice is down; {tier} is used instead"),
        remedy: "`voice-terminal doctor` tells why".into(),
    }
}

/// The AI is down: the rules go on.
pub(super) fn without_ai(failure: Failure) -> Degradation {
    Degradation {
        chain: failure.dependency,
        now: "rules".into(),
        what: format!("{} Only the rules understand you now", sentence(&failure.what)),
        remedy: failure.remedy,
    }
}

/// What the rules answer in an AI's place.
pub(super) fn by_rules_only(mut reply: Reply) -> Reply {
    reply.text += " (The AI could not be asked; only the rules tried.)";
    reply
}

pub(super) fn stays_local(anything_left: bool, history_elsewhere: bool) -> Reply {
    let text = match (anything_left, history_elsewhere) {
        (true, false) => "Nothing leaves this machine any more, until I am started again.",
        (false, false) => "Nothing leaves this machine anyway.",
        (true, true) => {
            "No cloud is asked any more, until I am started again. The history still goes to your database, which is \
             on another machine; to end that, take store.postgres out of the configuration and start me again."
        }
        (false, true) => {
            "No cloud is asked anyway. The history still goes to your database, which is on another machine; to end \
             that, take store.postgres out of the configuration and start me again."
        }
    };
    Reply::plain(Tone::Answer, text)
}

pub(super) fn nothing_to_repeat() -> Reply {
    Reply::plain(Tone::Answer, "I haven't said anything yet.")
}

pub(super) fn too_busy() -> Reply {
    Reply::plain(Tone::Problem, "Too much is waiting already; this was not done. Say \"cancel\", or wait.")
}

pub(super) fn failure(failure: &Failure) -> Reply {
    let text = match failure.kind {
        FailureKind::Uncertain => {
            format!(
                "{} It may or may not have happened, so I don't repeat it. {}",
                sentence(&failure.what),
                sentence(&failure.remedy)
            )
        }
        _ => format!("{} {}", sentence(&failure.what), sentence(&failure.remedy)),
    };
    Reply::new(Tone::Problem, text.trim_end(), sentence(&failure.what))
}

/// Speech that nobody could turn into words.
pub(super) fn unheard(failure: &Failure) -> Reply {
    let text = format!(
        "I heard you, but could not turn it into words: {} Type it instead. {}",
        sentence(&failure.what),
        sentence(&failure.remedy)
    );
    Reply::new(Tone::Problem, text.trim_end(), "I could not turn that into words. Please type it.")
}

pub(super) fn status(
    mode: Mode,
    input: InputMode,
    listening: &Listening,
    degradations: &[Degradation],
    target: Option<&Target>,
) -> Reply {
    let voice = match (mode, listening.attention) {
        (Mode::Voice, Attention::Attentive) => "I am listening; typing works too.".into(),
        (Mode::Voice, _) => format!("{} Typing works.", heard_how(listening)),
        (Mode::Starting, _) => "I am still starting up; typing works already.".into(),
        (Mode::Text, _) => "Text mode: type what you would say.".to_owned(),
    };
    let place = match target {
        Some(target) => format!("Commands go to session {}.", target.session_name),
        None => "There is no session yet.".into(),
    };
    let mut lines = vec![format!("{voice} {place}")];
    if input != InputMode::Command {
        lines.push(format!("The mode is {}; say \"command mode\" to end it.", input.name()));
    }
    lines.extend(
        degradations
            .iter()
            .map(|it| format!("{}: {} {}", it.chain, sentence(&it.what), sentence(&it.remedy))),
    );
    if degradations.is_empty() {
        lines.push("Nothing is degraded.".into());
    }
    let speech = if degradations.is_empty() {
        lines.join(" ")
    } else {
        format!("{voice} {} degraded.", count(degradations.len(), "part"))
    };
    Reply::new(Tone::Answer, lines.join("\n"), speech)
}

/// How one is heard, as listening stands.
fn heard_how(listening: &Listening) -> String {
    let phrase = listening.wake_phrase.as_deref();
    match listening.attention {
        Attention::Attentive => "I am listening.".into(),
        Attention::Waiting => format!("I am waiting for \"{}\".", phrase.unwrap_or_default()),
        Attention::Idle => "I am not listening until you press the key.".into(),
        Attention::Asleep => "I am asleep; say \"wake up\".".into(),
        Attention::Muted => "The microphone is off; type \"unmute\".".into(),
    }
}

/// Listening was changed, and stands so now. What wakes it is not said aloud, lest it hear itself.
pub(super) fn listening(change: ListeningChange, listening: &Listening) -> Reply {
    let wakes = matches!(change, ListeningChange::Wake | ListeningChange::Unmute);
    match listening.attention {
        Attention::Attentive if wakes => Reply::plain(Tone::Answer, "I am awake and listening."),
        Attention::Attentive => Reply::plain(Tone::Answer, heard_how(listening)),
        Attention::Waiting => Reply::new(Tone::Answer, heard_how(listening), "I am waiting for my name."),
        Attention::Idle => Reply::new(Tone::Answer, heard_how(listening), "I am not listening."),
        Attention::Asleep => Reply::new(Tone::Answer, heard_how(listening), "I am asleep."),
        Attention::Muted => Reply::new(Tone::Answer, heard_how(listening), "The microphone is off."),
    }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn span(took: Duration) -> String {
    match took.as_secs() {
        0 => format!("{} ms", took.as_millis()),
        1..=59 => format!("{:.1} s", took.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// A long text by its beginning and its length.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 120;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start}… ({} words)", text.split_whitespace().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_named_by_its_beginning() {
        let text = vec!["word"; 10_000].join(" ");
        assert!(shortened(&text).ends_with("… (10000 words)"));
    }
}

//! What to do with a meaning: a pure function from interpretation and open question to a step.

use crate::domain::{Action, Intent, Interpretation, Verdict};

/// Where an action happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere in particular.
    Nowhere,
    /// The current pane.
    Current,
    /// The current pane of the session that is called so.
    Session(String),
}

/// Something to do in the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// One action.
    Act(Action, Place),
    /// A command line in the current pane: inserted, then entered.
    RunLine(String),
}

/// The next step of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nobody said anything: nothing to do or say.
    Ignore,
    /// Do it now.
    Do(Deed),
    /// Ask first.
    Ask(Deed, String),
    /// Don't, and say why.
    Refuse(String),
    /// The answer to the open question is yes.
    Confirmed,
    /// The answer to the open question is no; or drop it.
    Withdraw,
    /// There is no question that this could answer.
    NothingAsked,
    /// The open question can no longer be answered.
    Expired,
    /// It was not understood; these are the nearest phrases.
    NotUnderstood(String, Vec<String>),
    /// Say the last reply again.
    Repeat,
    /// Tell what can be said.
    Help,
    /// Tell how things stand.
    Status,
    /// Send nothing away any more.
    StayLocal,
}

/// Whether and how the open question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// There is none.
    No,
    /// It waits for an answer.
    Open,
    /// It is too late for an answer.
    Expired,
}

/// Decides. A verdict is obeyed whatever the intent; answers to a question need no verdict, for
/// what they set off was judged when the question was asked.
pub(super) fn decide(interpretation: Interpretation, asked: Asked) -> Step {
    let Interpretation { intent, verdict } = interpretation;
    let deed = match intent {
        // Listening is changed before a turn begins.
        Intent::Nothing | Intent::Listen { .. } => return Step::Ignore,
        Intent::Unknown { heard, nearest } => return Step::NotUnderstood(heard, nearest),
        Intent::Help => return Step::Help,
        Intent::Status => return Step::Status,
        Intent::StayLocal => return Step::StayLocal,
        Intent::Repeat => return Step::Repeat,
        Intent::Confirm => {
            return match asked {
                Asked::Open => Step::Confirmed,
                Asked::Expired => Step::Expired,
                Asked::No => Step::NothingAsked,
            };
        }
        Intent::Deny | Intent::Cancel => {
            return if asked == Asked::No { Step::NothingAsked } else { Step::Withdraw };
        }
        intent => deed(intent),
    };
    match (deed, verdict) {
        (_, Verdict::Refuse { reason }) => Step::Refuse(reason),
        (Some(deed), Verdict::Confirm { consequence }) => Step::Ask(deed, consequence),
        (Some(deed), Verdict::Allow) => Step::Do(deed),
        (None, _) => Step::Ignore,
    }
}

/// The deed of an intent that is one.
fn deed(intent: Intent) -> Option<Deed> {
    let here = |action| Deed::Act(action, Place::Current);
    let in_session =
        |action, name: Option<String>| Deed::Act(action, name.map_or(Place::Current, Place::Session));
    Some(match intent {
        Intent::NewSession { name } => Deed::Act(Action::NewSession { name }, Place::Nowhere),
        Intent::SwitchSession { name } => Deed::Act(Action::SwitchSession { name }, Place::Nowhere),
        Intent::ListSessions => Deed::Act(Action::ListSessions, Place::Nowhere),
        Intent::KillSession { name } => in_session(Action::KillSession, name),
        Intent::DescribeSession { name } => in_session(Action::DescribeSession, name),
        Intent::NewWindow { name } => here(Action::NewWindow { name }),
        Intent::SelectWindow { window } => here(Action::SelectWindow { window }),
        Intent::RenameWindow { name } => here(Action::RenameWindow { name }),
        Intent::CloseWindow => here(Action::CloseWindow),
        Intent::SplitPane { direction } => here(Action::SplitPane { direction }),
        Intent::SelectPane { pane } => here(Action::SelectPane { pane }),
        Intent::ZoomPane => here(Action::ZoomPane),
        Intent::ClosePane => here(Action::ClosePane),
        Intent::Scroll { scroll } => here(Action::Scroll { scroll }),
        Intent::ReadOutput => here(Action::ReadOutput),
        Intent::Type { text } => here(Action::Insert { text }),
        Intent::Press { press } => here(Action::Press { press }),
        Intent::Run { command } => Deed::RunLine(command),
        Intent::Confirm
        | Intent::Deny
        | Intent::Cancel
        | Intent::Repeat
        | Intent::Help
        | Intent::Status
        | Intent::Listen { .. }
        | Intent::StayLocal
        | Intent::Unknown { .. }
        | Intent::Nothing => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(intent: Intent, verdict: Verdict, asked: Asked) -> Step {
        decide(Interpretation { intent, verdict }, asked)
    }

    #[test]
    fn a_verdict_is_obeyed() {
        let run = || Intent::Run { command: "make".into() };
        let confirm = Verdict::Confirm { consequence: "It builds.".into() };
        let refuse = Verdict::Refuse { reason: "No.".into() };
        assert_eq!(step(run(), Verdict::Allow, Asked::No), Step::Do(Deed::RunLine("make".into())));
        assert_eq!(
            step(run(), confirm, Asked::No),
            Step::Ask(Deed::RunLine("make".into()), "It builds.".into())
        );
        assert_eq!(step(run(), refuse, Asked::No), Step::Refuse("No.".into()));
    }

    #[test]
    fn yes_means_nothing_without_a_question() {
        assert_eq!(step(Intent::Confirm, Verdict::Allow, Asked::No), Step::NothingAsked);
        assert_eq!(step(Intent::Confirm, Verdict::Allow, Asked::Open), Step::Confirmed);
        assert_eq!(step(Intent::Confirm, Verdict::Allow, Asked::Expired), Step::Expired);
        assert_eq!(step(Intent::Deny, Verdict::Allow, Asked::Open), Step::Withdraw);
        assert_eq!(step(Intent::Cancel, Verdict::Allow, Asked::Expired), Step::Withdraw);
    }

    #[test]
    fn a_named_session_is_killed_and_no_other() {
        let kill = Intent::KillSession { name: Some("build".into()) };
        let deed = Deed::Act(Action::KillSession, Place::Session("build".into()));
        assert_eq!(step(kill, Verdict::Allow, Asked::No), Step::Do(deed));
    }
}

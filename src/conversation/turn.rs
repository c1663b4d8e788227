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
    /// Do it now: one after the other, up to the first that fails.
    Do(Vec<Deed>),
    /// Ask first.
    Ask(Vec<Deed>, String),
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
    /// Take back the text that was put in last.
    Scratch,
    /// Nothing was done that could be done again.
    NothingToRepeat,
    /// What was done last can't be taken back.
    NothingToUndo,
}

impl Step {
    /// Whether it can't be done without the terminal.
    pub(super) fn needs_terminal(&self) -> bool {
        matches!(self, Self::Do(_) | Self::Ask(..) | Self::Confirmed | Self::Scratch)
    }
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
    let Interpretation { intent, verdict, .. } = interpretation;
    let deeds = match intent {
        // Listening and the mode are changed before a turn begins.
        Intent::Nothing | Intent::Listen { .. } | Intent::Mode { .. } => return Step::Ignore,
        Intent::Unknown { heard, nearest } => return Step::NotUnderstood(heard, nearest),
        Intent::Help => return Step::Help,
        Intent::Status => return Step::Status,
        Intent::StayLocal => return Step::StayLocal,
        Intent::Repeat => return Step::Repeat,
        // What was inserted for a question was put in last.
        Intent::Scratch | Intent::Undo if asked != Asked::No => return Step::Withdraw,
        Intent::Scratch => return Step::Scratch,
        Intent::Undo => return Step::NothingToUndo,
        Intent::Again { .. } => return Step::NothingToRepeat,
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
        Intent::Sequence { steps } => steps.into_iter().map(deed).collect::<Option<Vec<_>>>(),
        intent => deed(intent).map(|deed| vec![deed]),
    };
    match (deeds, verdict) {
        (_, Verdict::Refuse { reason }) => Step::Refuse(reason),
        (Some(deeds), Verdict::Confirm { consequence }) => Step::Ask(deeds, consequence),
        (Some(deeds), Verdict::Allow) => Step::Do(deeds),
        (None, _) => Step::Ignore,
    }
}

impl Deed {
    /// Whether it puts something into the current pane, where nothing may be in its way.
    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::RunLine(_) | Self::Act(Action::Insert { .. } | Action::Press { .. }, _))
    }

    /// Whether another pane is current after it.
    pub(super) fn goes_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::Act(
                Action::NewSession { .. }
                    | Action::SwitchSession { .. }
                    | Action::NewWindow { .. }
                    | Action::SelectWindow { .. }
                    | Action::SplitPane { .. }
                    | Action::SelectPane { .. },
                _
            )
        )
    }

    /// Whether it needs to be known where it happens before it is asked about.
    pub(super) fn is_here(&self) -> bool {
        matches!(self, Self::RunLine(_) | Self::Act(_, Place::Current))
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
        | Intent::Mode { .. }
        | Intent::Scratch
        | Intent::Undo
        | Intent::Again { .. }
        | Intent::Sequence { .. }
        | Intent::StayLocal
        | Intent::Unknown { .. }
        | Intent::Nothing => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(intent: Intent, verdict: Verdict, asked: Asked) -> Step {
        decide(Interpretation::new(intent, verdict), asked)
    }

    #[test]
    fn a_verdict_is_obeyed() {
        let run = || Intent::Run { command: "make".into() };
        let confirm = Verdict::Confirm { consequence: "It builds.".into() };
        let refuse = Verdict::Refuse { reason: "No.".into() };
        assert_eq!(step(run(), Verdict::Allow, Asked::No), Step::Do(vec![Deed::RunLine("make".into())]));
        assert_eq!(
            step(run(), confirm, Asked::No),
            Step::Ask(vec![Deed::RunLine("make".into())], "It builds.".into())
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
        assert_eq!(step(kill, Verdict::Allow, Asked::No), Step::Do(vec![deed]));
    }
}

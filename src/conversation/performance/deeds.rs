//! Doing what is meant: one thing or several, at once or after a question; and taking text back.

use std::time::Duration;

use super::super::confirmation::{Plan, Question};
use super::super::turn::{Deed, Place};
use super::super::wording;
use super::{Cut, Performance};
use crate::domain::{Action, Answered, Command, InputMode, Intent, Outcome, Reply, Stage, Tone};

impl Performance {
    pub(super) async fn confirmed(&mut self) -> Result<Reply, Cut> {
        // Taken before it is sent: whatever happens now, the same "yes" can't be used twice.
        let Some(question) = self.question.take() else { return Ok(wording::nothing_asked()) };
        self.settle(&question, Answered::Confirmed).await;
        match question.plan {
            Plan::Command(command) => {
                let outcome = self.send(&command).await?;
                self.last = Some(question.intent);
                Ok(self.done(command, &outcome))
            }
            Plan::Steps { target, deeds } => {
                if let Some(target) = target {
                    let terminal = &self.ports.terminal;
                    let now = self.unless_cancelled(terminal.current()).await?.map_err(Cut::Failed)?;
                    if (&now.session, &now.pane) != (&target.session, &target.pane) {
                        return Ok(wording::moved_on(&question.summary, &target, &now));
                    }
                }
                self.act(deeds, question.intent).await
            }
        }
    }

    /// Does one thing after the other, up to the first that fails.
    pub(super) async fn act(&mut self, deeds: Vec<Deed>, intent: Intent) -> Result<Reply, Cut> {
        let deeds = match <[Deed; 1]>::try_from(deeds) {
            Ok([deed]) => {
                let (reply, _) = self.act_once(deed).await?;
                self.last = Some(intent);
                return Ok(reply);
            }
            Err(deeds) => deeds,
        };
        let mut done = Vec::new();
        // A program that was started and goes on has the pane.
        let mut is_occupied = false;
        for (at, deed) in deeds.iter().enumerate() {
            if is_occupied && deed.writes() {
                return Ok(wording::broken_off(done, wording::occupied(), &deeds[at..]));
            }
            is_occupied &= !deed.goes_elsewhere();
            match self.act_once(deed.clone()).await {
                Ok((reply, Outcome::Ran(ran))) if ran.finished && ran.status.is_some_and(|it| it != 0) => {
                    return Ok(wording::broken_off(done, reply, &deeds[at + 1..]));
                }
                Ok((reply, outcome)) => {
                    is_occupied |= matches!(outcome, Outcome::Ran(ran) if !ran.finished);
                    done.push(reply);
                }
                Err(Cut::Failed(failure)) => {
                    let reply = wording::failure(&failure);
                    self.failure = Some(failure);
                    return Ok(wording::broken_off(done, reply, &deeds[at..]));
                }
                Err(Cut::Cancelled(command)) => {
                    let reply = wording::stopped(command.as_ref());
                    return Ok(wording::broken_off(done, reply, &deeds[at + 1..]));
                }
            }
        }
        self.last = Some(intent);
        Ok(wording::all_done(done))
    }

    async fn act_once(&mut self, deed: Deed) -> Result<(Reply, Outcome), Cut> {
        match deed {
            Deed::Act(action, place) => {
                let mut command = self.bind(action, place).await?;
                if let (Action::Insert { text }, Some(target)) = (&mut command.action, &command.target)
                    && self.input == InputMode::Dictation
                    && self.insertions.ends_in(&target.pane)
                    && !text.starts_with(['.', ',', ';', ':', '!', '?', ')'])
                {
                    // It goes on where the last sentence ended.
                    text.insert(0, ' ');
                }
                let outcome = self.send(&command).await?;
                Ok((self.done(command, &outcome), outcome))
            }
            Deed::RunLine(text) => {
                let submit = self.insert(text).await?;
                let outcome = self.send(&submit).await?;
                Ok((self.told(&outcome), outcome))
            }
            Deed::Read(reading) => self.read(reading).await,
        }
    }

    /// The answer to what was done. Text that was put in can be taken back from now on.
    fn done(&mut self, command: Command, outcome: &Outcome) -> Reply {
        match command {
            Command { action: Action::Insert { text }, target: Some(target) } => {
                let reply = wording::inserted(&target, &text);
                self.insertions.push(target, text);
                reply
            }
            _ => self.told(outcome),
        }
    }

    /// Takes back exactly what was put in last, where it was put.
    pub(super) async fn scratch(&mut self) -> Result<Reply, Cut> {
        let Some((target, text)) = self.insertions.pop() else { return Ok(wording::nothing_to_scratch()) };
        let reply = wording::scratched(&target, &text);
        let pane = target.pane.clone();
        self.send(&Command { target: Some(target), action: Action::Erase { text: text.clone() } }).await?;
        self.insertions.erased(&pane, &text);
        Ok(reply)
    }

    pub(super) async fn ask(
        &mut self,
        deeds: Vec<Deed>,
        intent: Intent,
        consequence: &str,
        lifetime: Duration,
    ) -> Result<Reply, Cut> {
        let (plan, summary) = match <[Deed; 1]>::try_from(deeds) {
            Ok([deed]) => {
                let command = match deed {
                    Deed::Act(action, place) => self.bind(action, place).await?,
                    Deed::RunLine(text) => self.insert(text).await?,
                    Deed::Read(_) => self.bind(Action::ReadOutput, Place::Current).await?,
                };
                let summary = wording::summary(&command);
                (Plan::Command(command), summary)
            }
            Err(deeds) => {
                let is_here = deeds.first().is_some_and(Deed::is_here);
                let bound =
                    if is_here { self.bind(Action::ReadOutput, Place::Current).await?.target } else { None };
                let summary = wording::plan(&deeds, bound.as_ref());
                (Plan::Steps { target: bound, deeds }, summary)
            }
        };
        let tone = if self.is_proposed { Tone::Proposal } else { Tone::Question };
        let reply = wording::question(&plan, &summary, consequence, tone);
        self.note(&Stage::Asked { summary: summary.clone() }).await;
        self.question = Some(Question::new(self.id, plan, intent, summary, lifetime));
        Ok(reply)
    }
}

//! A turn, performed: words → meaning → step → terminal → answer, each stage in the journal before
//! the next begins.

mod deeds;
mod reading;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Ports;
use super::confirmation::Question;
use super::findings::Findings;
use super::insertions::Insertions;
use super::turn::{self, Asked, Place, Step};
use super::wording;
use crate::domain::{
    Action, Answered, Command, Confidence, Cue, Degradation, Event, Failure, FailureKind, InputMode, Intent,
    Interpretation, LineTaker, Listening, Mode, Outcome, PaneId, Puzzle, Reply, Settled, ShellNames,
    Situation, Stage, Target, Typed, UtteranceId, Verdict,
};

/// All that can be said takes minutes to say.
const HELP_SPOKEN: &str = "You can say: new session build, split right, run cargo test, read that, or cancel. \
                           The whole list is printed.";

/// Words that are ready to be understood.
#[derive(Debug, Clone)]
pub(super) struct Words {
    pub(super) id: UtteranceId,
    pub(super) text: String,
    pub(super) confidence: Confidence,
    /// They came through a tier that is not the first.
    pub(super) degraded: bool,
    /// They were spoken, not typed.
    pub(super) spoken: bool,
    /// Whoever said them agrees beforehand to what would be asked.
    pub(super) is_agreed: bool,
    /// What they were taken as when they were said.
    pub(super) input: InputMode,
}

/// What a turn may know of the conversation.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) question: Option<Question>,
    pub(super) last_reply: Option<Reply>,
    /// What was done last.
    pub(super) last: Option<Intent>,
    /// What may be taken back.
    pub(super) insertions: Insertions,
    /// What went wrong in what was read last.
    pub(super) findings: Findings,
    pub(super) mode: Mode,
    pub(super) listening: Listening,
    pub(super) degradations: Vec<Degradation>,
    pub(super) help: String,
    pub(super) history_elsewhere: bool,
    pub(super) lifetime: Duration,
}

/// How a turn ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) id: UtteranceId,
    /// `None` when nobody said anything.
    pub(super) reply: Option<Reply>,
    /// The question that is open from now on.
    pub(super) question: Option<Question>,
    /// What was done last, in this turn or before it.
    pub(super) last: Option<Intent>,
    /// What may be taken back from now on.
    pub(super) insertions: Insertions,
    /// What went wrong in what was read last, in this turn or before it.
    pub(super) findings: Findings,
    /// The chain that failed.
    pub(super) failure: Option<Failure>,
    /// Whether the terminal did something.
    pub(super) terminal_served: bool,
    /// Whether it was understood; `None` when nobody said anything.
    pub(super) understood: Option<bool>,
    /// How asking the assistant went, if it was asked.
    pub(super) assisted: Option<Result<(), Failure>>,
}

/// One turn under way.
pub(super) struct Performance {
    ports: Ports,
    cancel: CancellationToken,
    tell: Box<dyn Fn(Event) + Send + Sync>,
    question: Option<Question>,
    last: Option<Intent>,
    insertions: Insertions,
    taker: LineTaker,
    findings: Findings,
    input: InputMode,
    failure: Option<Failure>,
    terminal_served: bool,
    understood: Option<bool>,
    assisted: Option<Result<(), Failure>>,
    /// Whether what is to be done is what the assistant made of the words.
    is_proposed: bool,
    id: UtteranceId,
}

/// Whether what names mean to the shell, or what is typed there, can make a difference. What is refused
/// without that stays refused.
fn depends_on_shell(interpretation: &Interpretation, may_be_escaped: bool) -> bool {
    let has_line = |intent: &Intent| match intent {
        Intent::Run { .. } | Intent::Undo | Intent::Press { .. } => true,
        Intent::Type { .. } => may_be_escaped,
        _ => false,
    };
    let is_refused = matches!(interpretation.verdict, Verdict::Refuse { .. });
    !is_refused && interpretation.intent.steps().iter().any(has_line)
}

/// A turn that ended before its time.
enum Cut {
    Failed(Failure),
    /// While this was under way.
    Cancelled(Option<Command>),
}

impl Performance {
    pub(super) fn new(
        ports: Ports,
        cancel: CancellationToken,
        tell: Box<dyn Fn(Event) + Send + Sync>,
        id: UtteranceId,
    ) -> Self {
        Self {
            ports,
            cancel,
            tell,
            question: None,
            last: None,
            insertions: Insertions::default(),
            taker: LineTaker::default(),
            findings: Findings::default(),
            input: InputMode::Command,
            failure: None,
            terminal_served: false,
            understood: None,
            assisted: None,
            is_proposed: false,
            id,
        }
    }

    /// Performs the turn. It always comes to an end of its own: cancelling it makes it end soon,
    /// with the question that then is open.
    pub(super) async fn run(mut self, words: Words, mut context: Context) -> Ending {
        self.question = context.question.take();
        self.last = context.last.take();
        self.insertions = std::mem::take(&mut context.insertions);
        self.findings = std::mem::take(&mut context.findings);
        self.input = words.input;
        let reply = match self.perform(&words, &context).await {
            Ok(reply) => reply,
            Err(Cut::Failed(failure)) => {
                let reply = wording::failure(&failure);
                self.failure = Some(failure);
                Some(reply)
            }
            Err(Cut::Cancelled(command)) => Some(wording::stopped(command.as_ref())),
        };
        let last = match &reply {
            Some(reply) => Stage::Replied(reply.clone()),
            None => Stage::Abandoned { reason: "nothing was said".into() },
        };
        self.note(&last).await;
        if let Some(reply) = &reply {
            (self.tell)(Event::Replied { id: self.id, reply: reply.clone() });
        }
        Ending {
            id: self.id,
            reply,
            question: self.question,
            last: self.last,
            insertions: self.insertions,
            findings: self.findings,
            failure: self.failure,
            terminal_served: self.terminal_served,
            understood: self.understood,
            assisted: self.assisted,
        }
    }

    async fn perform(&mut self, words: &Words, context: &Context) -> Result<Option<Reply>, Cut> {
        // Not knowing the sessions is no reason not to understand the rest.
        let (sessions, unreachable) = match self.unless_cancelled(self.ports.terminal.sessions()).await? {
            Ok(sessions) => (sessions, None),
            Err(failure) => (Vec::new(), Some(failure).filter(|it| it.kind == FailureKind::Unavailable)),
        };
        let mut situation = Situation {
            sessions,
            question_open: self.question.is_some(),
            degraded: words.degraded,
            spoken: words.spoken,
            input: words.input,
            last: self.last.clone(),
            names: Arc::clone(&self.ports.names.borrow()),
            shell: Arc::default(),
            typed: Arc::default(),
        };
        let mut interpretation = self.ports.interpreter.interpret(&words.text, words.confidence, &situation);
        if unreachable.is_none() && depends_on_shell(&interpretation, self.insertions.may_be_escaped()) {
            self.look(&interpretation.intent, &mut situation).await?;
            interpretation = self.ports.interpreter.interpret(&words.text, words.confidence, &situation);
        }
        if let Some(better) = self.assist(&interpretation, words, &mut situation).await? {
            interpretation = better;
            self.is_proposed = true;
        }
        self.note(&Stage::Understood(interpretation.clone())).await;
        (self.tell)(Event::Understood { id: self.id, interpretation: interpretation.clone() });
        if interpretation.intent == Intent::Nothing {
            return Ok(None);
        }
        let understood = !matches!(interpretation.intent, Intent::Unknown { .. });
        self.understood = Some(understood);
        if words.spoken {
            (self.tell)(Event::Cue { cue: if understood { Cue::Understood } else { Cue::NotUnderstood } });
        }
        let asked = match &self.question {
            None => Asked::No,
            Some(question) if question.has_expired() => Asked::Expired,
            Some(_) => Asked::Open,
        };
        let Interpretation { intent, corrections, .. } = interpretation.clone();
        let step = turn::decide(interpretation, asked);
        // Who has just been waited for in vain is not waited for again.
        if let Some(failure) = unreachable.filter(|_| step.needs_terminal()) {
            return Err(Cut::Failed(failure));
        }
        let reply = match step {
            Step::Ignore => return Ok(None),
            Step::Refuse(reason) => wording::refused(&reason),
            Step::NothingAsked => wording::nothing_asked(),
            Step::NotUnderstood(heard, nearest) => {
                let reply = wording::not_understood(&heard, &nearest);
                match self.assisted {
                    Some(Err(_)) => wording::by_rules_only(reply),
                    _ => reply,
                }
            }
            Step::Repeat => context.last_reply.clone().unwrap_or_else(wording::nothing_to_repeat),
            Step::Help => Reply::new(crate::domain::Tone::Answer, &context.help, HELP_SPOKEN),
            Step::Status => self.status(context, &situation),
            Step::StayLocal => {
                wording::stays_local(self.ports.privacy.stay_local(), context.history_elsewhere)
            }
            Step::Scratch => self.scratch().await?,
            Step::NothingToRepeat => wording::nothing_to_do_again(),
            Step::NothingToUndo => wording::nothing_to_undo(self.last.as_ref()),
            Step::Withdraw => self.withdraw(Answered::Declined).await?.unwrap_or_else(wording::nothing_asked),
            Step::Expired => {
                let summary = self.question.as_ref().map(|question| question.summary.clone());
                self.withdraw(Answered::Expired).await?;
                wording::expired(&summary.unwrap_or_default())
            }
            Step::Confirmed => self.confirmed().await?,
            Step::Do(deeds) => {
                self.withdraw(Answered::Replaced).await?;
                self.act(deeds, intent).await?
            }
            Step::Ask(deeds, consequence) => {
                self.withdraw(Answered::Replaced).await?;
                let question = self.ask(deeds, intent, &consequence, context.lifetime).await?;
                // To what was said, and not to what an AI makes of it.
                if words.is_agreed && !self.is_proposed { self.confirmed().await? } else { question }
            }
        };
        Ok(Some(wording::corrected(reply, &corrections)))
    }

    /// Asks the assistant what the rules don't understand; not while a question is open, to which those words
    /// may be an unclear answer.
    async fn assist(
        &mut self,
        by_rules: &Interpretation,
        words: &Words,
        situation: &mut Situation,
    ) -> Result<Option<Interpretation>, Cut> {
        let assistant = Arc::clone(&self.ports.assistant);
        let is_puzzle = matches!(by_rules.intent, Intent::Unknown { .. })
            && !situation.question_open
            && situation.input == InputMode::Command;
        if !is_puzzle || !assistant.is_there() {
            return Ok(None);
        }
        let puzzle = Puzzle {
            words: words.text.clone(),
            sessions: situation.sessions.iter().map(|session| session.name.clone()).collect(),
            screen: if assistant.wants_screen() { self.screen(situation).await? } else { None },
        };
        let understood = self.unless_cancelled(assistant.understand(&puzzle)).await?;
        let (assisted, intent) = match understood {
            Ok(Intent::Unknown { .. }) => (Ok(()), None),
            Ok(intent) => (Ok(()), Some(intent)),
            Err(failure) => (Err(failure), None),
        };
        self.assisted = Some(assisted);
        let Some(intent) = intent else { return Ok(None) };
        let judged = self.ports.interpreter.judge(intent, words.confidence, situation);
        if !depends_on_shell(&judged, self.insertions.may_be_escaped()) {
            return Ok(Some(judged));
        }
        self.look(&judged.intent, situation).await?;
        Ok(Some(self.ports.interpreter.judge(judged.intent, words.confidence, situation)))
    }

    /// Looks at what lines and keys would meet.
    async fn look(&mut self, intent: &Intent, situation: &mut Situation) -> Result<(), Cut> {
        situation.shell = self.shell().await?;
        if intent.presses() || self.insertions.may_be_escaped() {
            situation.typed = Arc::new(self.typed().await?);
        }
        Ok(())
    }

    /// What keys would meet: the line as the shell tells it, else what was put in.
    async fn typed(&mut self) -> Result<Typed, Cut> {
        let Some(at) = self.glance(self.ports.terminal.prompt()).await? else {
            // It may be any of the lines.
            let (_, lines) = self.insertions.lines(&PaneId(String::new()));
            return Ok(Typed { lines, ..Typed::default() });
        };
        self.taker = at.taker;
        let (mut here, elsewhere) = self.insertions.lines(&at.target.pane);
        // What was put in for a question is taken back before a key is pressed.
        let is_ours = self.question.as_ref().is_some_and(|question| question.withdrawal().is_some());
        if let Some(told) = at.line.filter(|_| !is_ours) {
            here.text = told;
            here.unknown = false;
        }
        Ok(Typed { taker: at.taker, lines: vec![here], elsewhere })
    }

    /// The shell that a line would go to. That it isn't known is no reason not to go on: then there is hardly
    /// one that would take a line.
    async fn shell(&self) -> Result<Arc<ShellNames>, Cut> {
        Ok(Arc::new(self.glance(self.ports.terminal.shell()).await?.unwrap_or_default()))
    }

    /// Looks at something that can be done without. But a terminal that was waited for in vain is not waited for again.
    async fn glance<T>(&self, look: impl Future<Output = Result<T, Failure>>) -> Result<Option<T>, Cut> {
        match self.unless_cancelled(look).await? {
            Ok(seen) => Ok(Some(seen)),
            Err(failure) if failure.kind == FailureKind::Unavailable => Err(Cut::Failed(failure)),
            Err(failure) => {
                tracing::debug!(%failure, "what a line would meet is not known");
                Ok(None)
            }
        }
    }

    /// What the current session shows, if there is one.
    async fn screen(&self, situation: &Situation) -> Result<Option<String>, Cut> {
        if situation.sessions.is_empty() {
            return Ok(None);
        }
        let terminal = &self.ports.terminal;
        let look = async {
            let target = Some(terminal.current().await?);
            terminal.perform(&Command { target, action: Action::DescribeSession }).await
        };
        Ok(match self.unless_cancelled(look).await? {
            Ok(Outcome::Described { screen, .. }) => Some(screen),
            // It may know without.
            Ok(_) | Err(_) => None,
        })
    }

    fn status(&self, context: &Context, situation: &Situation) -> Reply {
        let current = situation.sessions.iter().find(|session| session.current).map(|session| Target {
            session: session.id.clone(),
            session_name: session.name.clone(),
            pane: crate::domain::PaneId(String::new()),
        });
        let target = self.question.as_ref().and_then(Question::target).cloned().or(current);
        wording::status(context.mode, self.input, &context.listening, &context.degradations, target.as_ref())
    }

    /// Drops the open question, and takes back what was inserted for it.
    async fn withdraw(&mut self, answer: Answered) -> Result<Option<Reply>, Cut> {
        let Some(question) = self.question.take() else { return Ok(None) };
        self.settle(&question, answer).await;
        if let Some(erase) = question.withdrawal() {
            self.send(&erase).await?;
        }
        Ok(Some(wording::withdrawn(&question.summary)))
    }

    /// Writes how a question ends: with it, and with this turn, which ends it.
    async fn settle(&self, question: &Question, answer: Answered) {
        if question.id != self.id {
            self.note(&Stage::Concerns(question.id)).await;
        }
        // Who comes too late has not answered it.
        let by = (answer != Answered::Expired).then_some(self.id);
        self.note_of(question.id, &Stage::Settled(Settled { answer, by })).await;
    }

    /// Inserts a line into the current pane; gives the command that would enter it.
    async fn insert(&mut self, text: String) -> Result<Command, Cut> {
        let insert = self.bind(Action::Prepare { text: text.clone() }, Place::Current).await?;
        self.send(&insert).await?;
        Ok(Command { target: insert.target, action: Action::Submit { text } })
    }

    async fn bind(&self, action: Action, place: Place) -> Result<Command, Cut> {
        let terminal = &self.ports.terminal;
        let target = match place {
            Place::Nowhere => None,
            Place::Current => Some(self.unless_cancelled(terminal.current()).await?.map_err(Cut::Failed)?),
            Place::Session(name) => {
                Some(self.unless_cancelled(terminal.find(&name)).await?.map_err(Cut::Failed)?)
            }
        };
        Ok(Command { target, action })
    }

    /// Sends one command, with the intention in the journal before and the outcome after.
    async fn send(&mut self, command: &Command) -> Result<Outcome, Cut> {
        self.note(&Stage::Commanded(command.clone())).await;
        (self.tell)(Event::Acting { id: self.id, command: command.clone() });
        let outcome = tokio::select! {
            biased;
            outcome = self.ports.terminal.perform(command) => outcome.map_err(Cut::Failed)?,
            () = self.cancel.cancelled() => return Err(Cut::Cancelled(Some(command.clone()))),
        };
        self.terminal_served = true;
        match (&command.action, &command.target) {
            (Action::Submit { .. }, Some(target)) => self.insertions.entered(&target.pane),
            (Action::Press { press }, Some(target)) => {
                self.insertions.pressed(&target.pane, press, self.taker);
            }
            (Action::Insert { .. }, _) => {}
            // Somebody else may be in front now.
            _ => self.taker = LineTaker::default(),
        }
        self.note(&Stage::Acted(outcome.clone())).await;
        Ok(outcome)
    }

    async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Cut> {
        tokio::select! {
            biased;
            value = work => Ok(value),
            () = self.cancel.cancelled() => Err(Cut::Cancelled(None)),
        }
    }

    /// Writes a stage. A journal that fails has told so itself, and is no reason to strand anybody.
    async fn note(&self, stage: &Stage) {
        self.note_of(self.id, stage).await;
    }

    async fn note_of(&self, id: UtteranceId, stage: &Stage) {
        if let Err(failure) = self.ports.journal.add(id, stage).await {
            tracing::error!(%id, %failure, "a stage could not be written to the journal");
        }
    }
}

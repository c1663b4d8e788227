//! Enter on a line that was inserted, and the wait for its end.
//!
//! Enter is sent once, and only when the pane shows the very line. In our bash the end is told by
//! marks. Elsewhere the best that can be known is that another program came to the foreground and
//! the shell came back; if not even that was seen, the answer says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::domain::{Failure, FailureKind, Outcome, Ran, Target};

use super::client::{Client, Farewell};
use super::completion::{Moment, Phase, Since};
use super::error::{CHAIN, Refusal, Trouble, request_failure};
use super::link::Link;
use super::paste::{Before, Pasting, await_prompt, squeezed};
use super::place::Place;
use super::request::Request;
use super::strip::clean;

/// A shell that makes marks, for all one knows, has made the first by then.
const MARKS_DUE: Duration = Duration::from_secs(1);
/// The same where it was started to make them: a busy machine may take its time.
const MARKS_SURELY_DUE: Duration = Duration::from_secs(5);
/// A command that was seen to begin, and whose marks were missed for a while, is waited for so long.
const MARKS_DUE_AGAIN: Duration = Duration::from_secs(10);

/// A prompt that comes without a command is believed to be the end only after this.
const START_DUE: Duration = Duration::from_millis(250);

/// Without marks: a pane that has been quiet for this long is not about to show anything more.
const QUIET: Duration = Duration::from_millis(400);

/// How often the pane is looked at while nothing tells of itself.
const LOOK: Duration = Duration::from_millis(50);
const LOOK_SELDOM: Duration = Duration::from_millis(500);

/// A line that was entered.
pub(super) struct Running {
    tmux: Arc<Link>,
    target: Target,
    line: String,
    since: Instant,
    client: Option<Arc<Client>>,
    moment: Option<Moment>,
    /// What was in the foreground when it was entered.
    shell: String,
    /// The pane's shell was running something, which got the line.
    into_program: bool,
    /// When to stop waiting for marks.
    due: Instant,
    /// Without white space, the line that the prompt is on.
    prompt: Option<String>,
    started: bool,
    left_shell: bool,
}

/// What became of it so far.
pub(super) enum Progress {
    /// It has ended, or can't be followed.
    Over(Outcome),
    /// It goes on.
    GoesOn(Ran),
}

/// Presses Enter, if the pane holds the line.
pub(super) async fn enter(
    tmux: &Arc<Link>,
    pasting: &Pasting,
    mut place: Place,
    target: &Target,
    text: &str,
) -> Result<Running, Failure> {
    let failed = |trouble: Trouble| trouble.failure("run that");
    let line = clean(text);
    if line.trim().is_empty() {
        return Err(request_failure("There is nothing to run", "Say \"run\" and a command"));
    }
    place.must_live()?;
    if place.synchronized {
        return Err(request_failure(
            format!(
                "Keys go to all panes of this window of {}, so I didn't press Enter",
                target.session_name
            ),
            "Turn synchronize-panes off there first",
        ));
    }
    place.leave_mode(tmux).await.map_err(failed)?;
    let held = pasting.held(tmux, target, &line, Before::MustNot).await?;
    if held.into_empty_line == Some(false) {
        // What is there besides would run with it.
        let taken_back = pasting.erase(tmux, place, target, text).await.is_ok();
        let what = if taken_back { "I took my text back" } else { "I didn't press Enter" };
        return Err(request_failure(
            format!("The prompt in {} held something already; {what}", target.session_name),
            "Clear that line first: say \"press control u\"",
        ));
    }
    let client = tmux.watch(&target.session).await;
    let phase = client.as_ref().map_or(Phase::Unknown, |client| client.panes().phase(&target.pane.0));
    let moment = client.as_ref().map(|client| client.panes().moment(&target.pane.0, false));
    pasting.forget();
    let since = Instant::now();
    let request = Request::once(["send-keys", "-t", &target.pane.0, "Enter"]).about(&target.session);
    tmux.ask(request).await.map_err(|trouble| match trouble {
        Trouble::Uncertain => uncertain(target, &line),
        trouble => failed(trouble),
    })?;
    let into_program = phase == Phase::Running;
    let marked = place.program == "bash" && client.as_ref().is_some_and(|client| client.panes().are_marked());
    let due = match (into_program, marked) {
        (true, _) => QUIET,
        (false, true) => MARKS_SURELY_DUE,
        (false, false) => MARKS_DUE,
    };
    Ok(Running {
        tmux: Arc::clone(tmux),
        target: target.clone(),
        line,
        since,
        client,
        moment,
        shell: place.program,
        into_program,
        due: since + due,
        prompt: held.before,
        started: false,
        left_shell: false,
    })
}

impl Running {
    /// Waits for its end, but not past the limit. Dropping the future stops the waiting only.
    pub(super) async fn wait(&mut self, limit: Option<Duration>) -> Result<Progress, Failure> {
        let mut looked = Instant::now();
        loop {
            let mut news = self.client.as_ref().map(|client| client.news());
            if let Some(news) = &mut news {
                news.mark_unchanged();
            }
            if let Some(outcome) = self.told().await? {
                return Ok(Progress::Over(outcome));
            }
            let often = if self.started { LOOK_SELDOM } else { LOOK };
            if looked.elapsed() >= often {
                looked = Instant::now();
                if let Some(outcome) = self.looked().await? {
                    return Ok(Progress::Over(outcome));
                }
            }
            let left = match limit.map(|limit| limit.saturating_sub(self.since.elapsed())) {
                Some(Duration::ZERO) => return Ok(Progress::GoesOn(self.ran(None, false, self.output()))),
                Some(left) => left,
                None => LOOK_SELDOM,
            };
            let pause = left.min(often.saturating_sub(looked.elapsed())).max(Duration::from_millis(1));
            let changed = async {
                if let Some(news) = &mut news
                    && news.changed().await.is_ok()
                {
                    return;
                }
                std::future::pending::<()>().await;
            };
            // Either way there may be something to see.
            let _ = tokio::time::timeout(pause, changed).await;
        }
    }

    /// What the pane has told of itself.
    async fn told(&mut self) -> Result<Option<Outcome>, Failure> {
        let Some(client) = &self.client else { return Ok(None) };
        if let Some(moment) = self.moment.filter(|_| !self.into_program) {
            let since = client.panes().since(&self.target.pane.0, moment);
            match since {
                Since::Ended(ended) => {
                    return Ok(Some(Outcome::Ran(self.ran(Some(ended.status), true, ended.output))));
                }
                Since::NothingRan(ended) if self.since.elapsed() >= START_DUE => {
                    return Ok(Some(Outcome::Ran(self.ran(Some(ended.status), true, ended.output))));
                }
                Since::Unfinished => return Err(self.abandon_unfinished().await),
                Since::Started => self.started = true,
                Since::NothingRan(_) | Since::Nothing => {}
            }
        }
        if let Some(farewell) = client.farewell() {
            self.client = None;
            self.moment = None;
            if farewell == Farewell::Lost {
                // The command goes on; only our ear was cut off. An end that came meanwhile is lost.
                self.client = self.tmux.watch(&self.target.session).await;
                self.moment =
                    self.client.as_ref().map(|client| client.panes().moment(&self.target.pane.0, true));
                if std::mem::take(&mut self.started) {
                    self.due = Instant::now() + MARKS_DUE_AGAIN;
                }
            }
            return self.looked().await;
        }
        Ok(None)
    }

    /// What can be seen of the pane from outside.
    async fn looked(&mut self) -> Result<Option<Outcome>, Failure> {
        let target = &self.target;
        let place = match Place::look(&self.tmux, &target.session, &target.pane).await {
            Ok(place) => place,
            // The shell itself has ended, and its pane with it.
            Err(Trouble::Refused(Refusal::NoTarget)) => {
                return Ok(Some(Outcome::Ran(self.ran(None, true, self.output()))));
            }
            Err(Trouble::Refused(Refusal::NoServer)) => return Err(server_gone(target, &self.line)),
            // It is the looking that failed; the command goes on.
            Err(_) => return Ok(None),
        };
        if place.dead {
            return Ok(Some(Outcome::Ran(self.ran(None, true, self.output()))));
        }
        self.left_shell |= place.program != self.shell;
        let back = place.program == self.shell;
        if self.started || Instant::now() < self.due {
            return Ok(None);
        }
        let quiet = match &self.client {
            Some(client) => client.panes().printed_at(&target.pane.0).is_none_or(|at| at.elapsed() >= QUIET),
            None => true,
        };
        if !back || !quiet {
            return Ok(None);
        }
        if self.left_shell && !self.into_program {
            let output = self.output();
            return Ok(Some(Outcome::Ran(self.ran(None, true, output))));
        }
        let (line, session) = (shortened(&self.line), &target.session_name);
        Ok(Some(Outcome::Done {
            what: if self.into_program {
                format!("Entered `{line}` in {session}, into {}; I can't see its end there", place.program)
            } else {
                format!("Started `{line}` in {session}; I can't see its end there")
            },
        }))
    }

    /// Takes back a line that the shell wants more of: what is said next must not become part of it.
    async fn abandon_unfinished(&self) -> Failure {
        let target = &self.target;
        let request = Request::once(["send-keys", "-t", &target.pane.0, "C-c"]).about(&target.session);
        let dropped = self.tmux.ask(request).await.is_ok();
        if let Some(client) = self.client.as_ref().filter(|_| dropped) {
            // What is typed before the shell has dealt with it could be dropped too.
            await_prompt(client, &target.pane, |phase| phase != Phase::Input).await;
        }
        let what = if dropped { "I dropped it; nothing was run" } else { "nothing was run so far" };
        request_failure(
            format!(
                "`{}` is not a whole command: the shell waited for the rest. {what}",
                shortened(&self.line)
            ),
            "Say it again with its quotes and blocks closed",
        )
    }

    fn output(&self) -> String {
        let Some(client) = &self.client else { return String::new() };
        let panes = client.panes();
        if self.started {
            return panes.output(&self.target.pane.0).unwrap_or_default();
        }
        let text = panes.unmarked_output(&self.target.pane.0).unwrap_or_default();
        // After the rest of the line's echo, and before the next prompt.
        let text = text.split_once('\n').map_or("", |(_, text)| text);
        match (text.rsplit_once('\n'), &self.prompt) {
            (Some((text, last)), Some(prompt)) if squeezed(last) == *prompt => format!("{text}\n"),
            (None, Some(prompt)) if squeezed(text) == *prompt => String::new(),
            _ => text.to_owned(),
        }
    }

    fn ran(&self, status: Option<i32>, finished: bool, output: String) -> Ran {
        Ran {
            command: self.line.clone(),
            session: self.target.session_name.clone(),
            status,
            finished,
            output,
            took: self.since.elapsed(),
        }
    }

    /// Waits on without a limit, for the end of what went on in the background.
    pub(super) async fn linger(mut self, cancel: CancellationToken) -> Option<Ran> {
        tokio::select! {
            () = cancel.cancelled() => None,
            end = self.wait(None) => match end {
                Ok(Progress::Over(Outcome::Ran(ran))) => Some(ran),
                Ok(_) => None,
                Err(failure) => {
                    tracing::info!(%failure, "the end of a command in the background was not seen");
                    None
                }
            },
        }
    }
}

fn uncertain(target: &Target, line: &str) -> Failure {
    Failure::new(
        FailureKind::Uncertain,
        CHAIN,
        format!(
            "tmux went away just as I pressed Enter on `{}` in {}.",
            shortened(line),
            target.session_name
        ),
        "Look at the session before you say it again",
    )
}

fn server_gone(target: &Target, line: &str) -> Failure {
    Failure::new(
        FailureKind::Uncertain,
        CHAIN,
        format!(
            "The tmux server went away while `{}` was running in {}.",
            shortened(line),
            target.session_name
        ),
        "What it had done by then, it has done; a new session is made when one is needed",
    )
}

fn shortened(line: &str) -> String {
    const LONGEST: usize = 60;
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    line.chars().take(LONGEST).chain(['…']).collect()
}

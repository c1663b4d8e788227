//! Enter on a line that was inserted, and the wait for its end.
//!
//! Enter is sent once, and only on the very line. In our shells the end is told by marks. Elsewhere, as
//! in a shell inside of a shell, the best that can be known is that another program came to the
//! foreground and the shell came back; if not even that was seen, the answer says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::domain::{Failure, FailureKind, Front, Outcome, Ran, Target};

use super::client::{Client, Farewell};
use super::completion::{Moment, Phase, Since, Typed};
use super::error::{CHAIN, Refusal, Trouble, request_failure};
use super::front;
use super::link::Link;
use super::paste::{Before, Pasting};
use super::place::Place;
use super::prompt;
use super::request::Request;
use super::shell::Kind;
use super::shown::squeezed;
use super::strip::{clean, strip};
use super::tty;
use super::typed;

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
#[expect(clippy::struct_excessive_bools, reason = "each is noticed by itself, in any order")]
pub(super) struct Running {
    tmux: Arc<Link>,
    target: Target,
    line: String,
    since: Instant,
    client: Option<Arc<Client>>,
    moment: Option<Moment>,
    /// What was in the foreground when it was entered.
    shell: String,
    kind: Kind,
    /// A program that passes it on got the line.
    into_program: bool,
    /// A shell inside of the shell got it.
    nested: bool,
    /// When to stop waiting for marks.
    due: Instant,
    /// Without white space, the line that the prompt is on.
    prompt: Option<String>,
    started: bool,
    left_shell: bool,
    /// Since when a shell inside of the shell has waited for input, as far as can be seen.
    nested_since: Option<Instant>,
    asked_for_rest: bool,
    /// A program fills the screen, or asks for a secret: its end is not near.
    stays: bool,
    /// How often something that the pane printed had been lost.
    gaps: u64,
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
    let client = tmux.watch(&target.session).await;
    let held = pasting.held(tmux, client.as_deref(), &place, target, &line, Before::MustNot).await?;
    if held.into_empty_line == Some(false) {
        // What is there besides would run with it.
        let taken_back = pasting.erase(tmux, place, target, text).await.is_ok();
        let what = if taken_back { "I took my text back" } else { "I didn't press Enter" };
        return Err(request_failure(
            format!("The prompt in {} held something already; {what}", target.session_name),
            "Drop that line first: say \"press control c\"",
        ));
    }
    let front = front::of(&place, client.as_deref());
    front::must_be_shell(&front, target)?;
    let into_program = matches!(front, Front::Program { .. });
    let (phase, moment, gaps) = match &client {
        Some(client) => {
            let (mut panes, pane) = (client.panes(), &target.pane.0);
            (panes.phase(pane), Some(panes.moment(pane, false)), panes.gaps(pane))
        }
        None => (Phase::Unknown, None, 0),
    };
    // A shell inside of the shell, whose own output is what counts now.
    let nested = phase == Phase::Running;
    if let Some(client) = client.as_ref().filter(|_| nested) {
        client.panes().clear(&target.pane.0);
    }
    pasting.forget();
    let since = Instant::now();
    let request = Request::once(["send-keys", "-t", &target.pane.0, "Enter"]).about(&target.session);
    tmux.ask(request).await.map_err(|trouble| match trouble {
        Trouble::Uncertain => uncertain(target, &line),
        trouble => failed(trouble),
    })?;
    let kind = Kind::of(&place.program);
    let marked =
        kind.makes_marks() && !nested && client.as_ref().is_some_and(|client| client.panes().are_marked());
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
        kind,
        into_program,
        nested,
        due: since + due,
        prompt: held.before,
        started: false,
        left_shell: false,
        nested_since: None,
        asked_for_rest: false,
        stays: false,
        gaps,
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
                if self.stays && limit.is_some() {
                    return Ok(Progress::GoesOn(self.ran(None, false, self.output())));
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
        let gaps = client.panes().gaps(&self.target.pane.0);
        if std::mem::replace(&mut self.gaps, gaps) < gaps {
            // What was lost may have held its end.
            self.moment = Some(client.panes().moment_after_gap(&self.target.pane.0));
            self.started = false;
            self.due = Instant::now() + MARKS_DUE_AGAIN;
        }
        if let Some(moment) = self.moment.filter(|_| !self.into_program) {
            let since = client.panes().since(&self.target.pane.0, moment);
            match since {
                Since::Ended(ended) => {
                    return Ok(Some(Outcome::Ran(self.ran(Some(ended.status), true, ended.output))));
                }
                Since::NothingRan(ended) if self.since.elapsed() >= START_DUE => {
                    self.clear_refused_line().await;
                    if self.nested {
                        // What it printed can't be told from what it echoed.
                        return Ok(Some(Outcome::Ran(self.ran(Some(ended.status), true, String::new()))));
                    }
                    return Ok(Some(Outcome::Ran(self.ran(Some(ended.status), true, ended.output))));
                }
                Since::Unfinished => return Err(self.abandon_unfinished().await),
                Since::Started => self.started = true,
                Since::Nothing if self.since.elapsed() >= START_DUE && !self.asked_for_rest => {
                    self.asked_for_rest = true;
                    if self.waits_for_rest().await {
                        return Err(self.abandon_unfinished().await);
                    }
                }
                Since::NothingRan(_) | Since::Nothing => {}
            }
        }
        if let Some(farewell) = client.farewell() {
            self.client = None;
            self.moment = None;
            if farewell == Farewell::Lost {
                // The command goes on; only our ear was cut off. An end that came meanwhile is lost.
                self.client = self.tmux.watch(&self.target.session).await;
                self.gaps = 0;
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
        if self.started {
            let front = front::of(&place, self.client.as_deref());
            self.stays = matches!(front, Front::FullScreen { .. } | Front::Secret { .. });
            return Ok(self.opened_shell(&place));
        }
        if Instant::now() < self.due {
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

    /// What was run is a shell, which waits for input now: a while later that is what came of it.
    fn opened_shell(&mut self, place: &Place) -> Option<Outcome> {
        let waits = Kind::of(&place.program) != Kind::None
            && tty::modes(&place.tty).is_some_and(|modes| !modes.canonical)
            && self.client.as_ref().is_some_and(|client| {
                let panes = client.panes();
                panes.phase(&place.pane.0) == Phase::Running
                    && panes.printed_at(&place.pane.0).is_none_or(|at| at.elapsed() >= QUIET)
            });
        if !waits {
            self.nested_since = None;
            return None;
        }
        let since = *self.nested_since.get_or_insert_with(Instant::now);
        (since.elapsed() >= QUIET).then(|| {
            let (line, session) = (shortened(&self.line), &self.target.session_name);
            let program = strip(place.program.as_bytes(), 60);
            Outcome::Done {
                what: format!("Entered `{line}` in {session}; {program} waits for input there now"),
            }
        })
    }

    /// Whether the shell has kept the line and begun a further one. Only fish does so without a mark.
    async fn waits_for_rest(&self) -> bool {
        let Some(client) = self.client.as_ref().filter(|_| self.kind == Kind::Fish) else { return false };
        let typed = self.typed(client, Duration::ZERO, |_| true).await;
        typed.is_some_and(|typed| typed.goes_on_after(&self.line))
    }

    /// fish keeps a line that it refuses: what is said next must not become part of it.
    async fn clear_refused_line(&self) {
        let may_be = self.kind == Kind::Fish && !self.nested;
        let Some(client) = self.client.as_ref().filter(|_| may_be) else { return };
        if self.typed(client, Duration::ZERO, |_| true).await.is_none_or(|typed| !typed.is_empty()) {
            self.interrupt().await;
        }
    }

    async fn typed(
        &self,
        client: &Client,
        due: Duration,
        is_right: impl Fn(&Typed) -> bool,
    ) -> Option<Typed> {
        let place = Place::look(&self.tmux, &self.target.session, &self.target.pane).await.ok()?;
        typed::read(&self.tmux, client, &place, &self.target, due, is_right).await
    }

    /// Has the shell drop the line that it has, and waits until it has; false if that failed.
    async fn interrupt(&self) -> bool {
        let target = &self.target;
        if let Some(client) = self.client.as_ref().filter(|_| self.kind == Kind::Fish) {
            // It may still be answering, which control c would cut short instead.
            let place = Place::look(&self.tmux, &target.session, &target.pane).await;
            return match place {
                Ok(place) => typed::clear(&self.tmux, client, &place, target).await,
                Err(_) => false,
            };
        }
        let request = Request::once(["send-keys", "-t", &target.pane.0, "C-c"]).about(&target.session);
        let dropped = self.tmux.ask(request).await.is_ok();
        // What is typed before the shell has dealt with it could be dropped too.
        if let Some(client) = self.client.as_ref().filter(|_| dropped) {
            prompt::await_next(client, &target.pane, |phase| phase != Phase::Input).await;
        }
        dropped
    }

    /// Takes back a line that the shell wants more of: what is said next must not become part of it.
    async fn abandon_unfinished(&self) -> Failure {
        let dropped = self.interrupt().await;
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

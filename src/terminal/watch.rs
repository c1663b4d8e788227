//! Panes that somebody wants to hear of: when a command there ends, and when a program stops to ask.
//!
//! **Mechanics.** One task a pane, woken by what the pane prints (`%output`) and by nothing else: while nothing
//! is printed it costs nothing. An end is told by the shell's marks, or, without them, by the shell having its
//! terminal back. When a pane has been quiet for a while it is looked at once: if a program is in front, isn't
//! busy, and the cursor stands behind text, that is told, for others to judge whether it is a question. A lost
//! control connection is made again; what ended meanwhile is then told without its status.
//!
//! **Limits.** Each end and each stop is told once, stops at most every [`STOPS_APART`]. A prompt with nothing
//! but an empty line, or that keeps drawing, is not noticed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::activity::{self, Seen};
use super::client::{Client, Farewell};
use super::error::{Refusal, Trouble, request_failure};
use super::guarded::Notice;
use super::link::Link;
use super::place::Place;
use super::screen;
use crate::domain::{Activity, Failure, Outcome, PaneId, Ran, SessionId, Stop, Target};

/// Panes that are watched at the same time.
const MOST: usize = 16;
/// Who has printed nothing for so long may be waiting.
const QUIET: Duration = Duration::from_millis(1500);
/// While it prints, it is looked at so often at most.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two stops of one pane that are told.
const STOPS_APART: Duration = Duration::from_secs(10);
/// A program that is busy when it has printed nothing for a while is looked at so often again.
const LOOKS: u32 = 5;
/// Before the control connection is made again, and at most.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_AT_MOST: Duration = Duration::from_secs(30);
/// Of what was printed, so much is told; and of a screen.
const OUTPUT: usize = 64 * 1024;
const SCREEN: usize = 4 * 1024;

/// All that is watched.
pub(super) struct Watches {
    link: Arc<Link>,
    notices: broadcast::Sender<Notice>,
    cancel: CancellationToken,
    panes: Mutex<HashMap<PaneId, Watch>>,
    /// Panes in which a command is waited for by whoever started it.
    waited: Mutex<HashMap<PaneId, usize>>,
}

struct Watch {
    session: SessionId,
    /// Ends it when it is dropped.
    _stop: DropGuard,
}

/// A command in a pane is waited for, whose end is told by whoever waits.
pub(super) struct Waiting {
    watches: Arc<Watches>,
    pane: PaneId,
}

impl Watches {
    pub(super) fn new(
        link: Arc<Link>,
        notices: broadcast::Sender<Notice>,
        cancel: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self { link, notices, cancel, panes: Mutex::default(), waited: Mutex::default() })
    }

    /// Tells when what runs in the pane ends, once, and when it stops, until then.
    pub(super) fn watch(self: &Arc<Self>, target: &Target, now: Activity) -> Result<Outcome, Failure> {
        let idle = !now.running;
        let stop = self.cancel.child_token();
        {
            let mut panes = self.panes.lock();
            let already = panes.contains_key(&target.pane);
            let session = Some(target.session_name.clone());
            let outcome = Outcome::Watching { session, on: true, already, idle };
            if already {
                return Ok(outcome);
            }
            if panes.len() >= MOST {
                return Err(request_failure(
                    format!("I am watching {MOST} panes already"),
                    "Say \"stop watching\"",
                ));
            }
            let watch = Watch { session: target.session.clone(), _stop: stop.clone().drop_guard() };
            panes.insert(target.pane.clone(), watch);
        }
        let (watches, target_now) = (Arc::clone(self), target.clone());
        // Ends with what it waits for, with the session, when it is told to, or with the program.
        tokio::spawn(async move {
            let work = watches.follow(&target_now, true, State::beginning(now));
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {
                    watches.panes.lock().remove(&target_now.pane);
                }
            }
        });
        let session = Some(target.session_name.clone());
        Ok(Outcome::Watching { session, on: true, already: false, idle })
    }

    /// Watches a session no more.
    pub(super) fn unwatch(&self, target: &Target) -> Outcome {
        Outcome::Watching {
            session: Some(target.session_name.clone()),
            on: false,
            already: self.drop_watches(|watch| watch.session == target.session),
            idle: false,
        }
    }

    /// Watches nothing any more; whether it had watched something.
    pub(super) fn unwatch_all(&self) -> bool {
        self.drop_watches(|_| true)
    }

    fn drop_watches(&self, is_dropped: impl Fn(&Watch) -> bool) -> bool {
        let mut panes = self.panes.lock();
        let before = panes.len();
        panes.retain(|_, watch| !is_dropped(watch));
        panes.len() < before
    }

    /// Somebody waits for a command in this pane.
    pub(super) fn waits(self: &Arc<Self>, pane: &PaneId) -> Waiting {
        *self.waited.lock().entry(pane.clone()).or_default() += 1;
        Waiting { watches: Arc::clone(self), pane: pane.clone() }
    }

    fn is_waited(&self, pane: &PaneId) -> bool {
        self.waited.lock().contains_key(pane)
    }

    fn is_watched(&self, pane: &PaneId) -> bool {
        self.panes.lock().contains_key(pane)
    }

    fn tell(&self, notice: Notice) {
        // Nobody watching is no error.
        let _ = self.notices.send(notice);
    }

    /// Tells when a program in the pane stops behind text.
    pub(super) async fn tell_stops(&self, target: &Target) {
        self.follow(target, false, State::beginning(Activity::default())).await;
    }

    /// Tells what happens in a pane; with `ends`, until a command there has ended, else only of stops. Never comes
    /// to an end while the session lives and only stops are wanted.
    async fn follow(&self, target: &Target, ends: bool, mut state: State) {
        let mut again = AGAIN;
        loop {
            match self.link.watch(&target.session).await {
                Some(client) => {
                    again = AGAIN;
                    if self.attend(&client, target, ends, &mut state).await {
                        return;
                    }
                }
                None if self.is_gone(target).await => return self.gone(target, ends),
                None => {}
            }
            tokio::time::sleep(again).await;
            again = (again * 2).min(AGAIN_AT_MOST);
        }
    }

    async fn is_gone(&self, target: &Target) -> bool {
        let place = Place::look(&self.link, &target.session, &target.pane).await;
        matches!(place, Err(Trouble::Refused(Refusal::NoTarget | Refusal::NoServer)))
    }

    fn gone(&self, target: &Target, ends: bool) {
        if ends && !self.is_waited(&target.pane) {
            self.tell(Notice::Gone { session: target.session_name.clone() });
        }
    }

    /// Attends to one connection; true when there is nothing more to tell.
    async fn attend(&self, client: &Arc<Client>, target: &Target, ends: bool, state: &mut State) -> bool {
        let pane = &target.pane;
        let mut news = client.news();
        // A connection that is new may have missed something, so that it is looked at once.
        let mut look_at = Some(Instant::now() + QUIET);
        let mut looks = 0;
        let mut printed = client.panes().printed_at(&pane.0);
        loop {
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return false },
                () = async { tokio::time::sleep_until(look_at.unwrap_or_else(Instant::now)).await }, if look_at.is_some() => {
                    look_at = None;
                    match self.look(client, target, ends, state).await {
                        Look::Over => return true,
                        Look::Busy if looks < LOOKS => {
                            looks += 1;
                            look_at = Some(Instant::now() + QUIET);
                        }
                        Look::Busy | Look::Seen => {}
                    }
                    continue;
                }
            }
            if let Some(farewell) = client.farewell() {
                if farewell == Farewell::SessionOver {
                    self.gone(target, ends);
                    return true;
                }
                return false;
            }
            let (now, has_news) = {
                let panes = client.panes();
                (panes.printed_at(&pane.0), panes.has_news(&pane.0))
            };
            let is_waited = self.is_waited(pane);
            state.was_waited |= is_waited;
            if ends && has_news && !is_waited {
                self.tell_end(client, target);
                return true;
            }
            if now != printed {
                printed = now;
                looks = 0;
                look_at = Some(Instant::now() + QUIET);
                // Of a flood, only now and then something is looked at.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn tell_end(&self, client: &Client, target: &Target) {
        let story = {
            let mut panes = client.panes();
            let story = panes.story(&target.pane.0);
            panes.tell(&target.pane.0);
            story
        };
        let Some(story) = story else { return };
        self.tell(Notice::Ended(Ran {
            command: story.command.clone().unwrap_or_else(|| "the command".into()),
            session: target.session_name.clone(),
            status: story.status,
            finished: true,
            took: activity::took(&story),
            output: story.output,
        }));
    }

    /// Looks at a pane that has been quiet for a while.
    async fn look(&self, client: &Arc<Client>, target: &Target, ends: bool, state: &mut State) -> Look {
        let Ok(place) = Place::look(&self.link, &target.session, &target.pane).await else {
            return Look::Seen;
        };
        let Ok(Seen { activity, is_busy }) =
            activity::of(&self.link, Some(client), &place, OUTPUT, false).await
        else {
            return Look::Seen;
        };
        if !activity.running {
            let is_waited = self.is_waited(&target.pane);
            if ends && activity.is_news && !is_waited {
                self.tell_end(client, target);
                return Look::Over;
            }
            if ends && state.was_waited && !is_waited {
                // Whoever waited has told of it.
                return Look::Over;
            }
            let had_run = std::mem::take(&mut state.running);
            let is_unmarked = activity.status.is_none();
            if let Some(command) = had_run.filter(|_| ends && is_unmarked && !is_waited) {
                // What it printed is on the screen, as far as it can be known.
                let screen = screen::of(&self.link, &target.pane, Some(&target.session), SCREEN).await;
                let screen = screen.unwrap_or_default();
                self.tell(Notice::Ended(Ran {
                    command,
                    session: target.session_name.clone(),
                    status: None,
                    finished: true,
                    took: state.since.elapsed(),
                    output: screen,
                }));
                return Look::Over;
            }
            return Look::Seen;
        }
        if state.running.is_none() {
            let ran = activity.since.unwrap_or_default();
            state.since = Instant::now().checked_sub(ran).unwrap_or_else(Instant::now);
        }
        state.running = Some(activity.command.clone().unwrap_or_default());
        if is_busy {
            return Look::Busy;
        }
        self.stopped(target, activity, ends, state);
        Look::Seen
    }

    fn stopped(&self, target: &Target, activity: Activity, ends: bool, state: &mut State) {
        let Some(line) = activity.stopped_at else { return };
        let command = activity.command.unwrap_or_default();
        let is_told = state.stopped.as_ref().is_some_and(|(told, at)| {
            *told == line && at.elapsed() < STOPS_APART * 6 || at.elapsed() < STOPS_APART
        });
        // One that was asked for tells it itself.
        if is_told || !ends && self.is_watched(&target.pane) {
            return;
        }
        state.stopped = Some((line.clone(), Instant::now()));
        self.tell(Notice::Stopped(Stop { session: target.session_name.clone(), command, line }));
    }
}

enum Look {
    Seen,
    Busy,
    Over,
}

/// What is known of a pane from one look to the next.
struct State {
    /// What ran when it was last looked at.
    running: Option<String>,
    since: Instant,
    /// Somebody else has waited for a command there meanwhile.
    was_waited: bool,
    /// The stop that was told last.
    stopped: Option<(String, Instant)>,
}

impl State {
    /// When somebody begins to look, and this goes on.
    fn beginning(now: Activity) -> Self {
        let ran = now.since.filter(|_| now.running).unwrap_or_default();
        Self {
            running: now.running.then(|| now.command.unwrap_or_default()),
            since: Instant::now().checked_sub(ran).unwrap_or_else(Instant::now),
            was_waited: false,
            stopped: None,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waited = self.watches.waited.lock();
        if let Some(number) = waited.get_mut(&self.pane) {
            *number -= 1;
            if *number == 0 {
                waited.remove(&self.pane);
            }
        }
    }
}

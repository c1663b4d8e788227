//! One tmux server: what is done in its panes.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use crate::breaker::ChainReport;
use crate::config;
use crate::domain::{
    Action, Degradation, Failure, Outcome, PaneId, SessionId, SessionInfo, Surveyed, Target,
};

use super::error::{Trouble, request_failure};
use super::guarded::{Notice, TmuxBreakers};
use super::link::Link;
use super::paste::Pasting;
use super::place::Place;
use super::process::Server;
use super::run::{self, Progress};
use super::sessions::Sessions;
use super::shell::Shells;
use super::watch::Watches;
use super::{activity, keys, layout, screen};

/// Commands whose end is waited for in the background; of more, the end isn't told.
const MOST_IN_BACKGROUND: usize = 16;

/// One tmux server.
pub(super) struct Host {
    /// Its name; the first has none, and neither have the names of its sessions anything of it.
    name: Option<String>,
    link: Arc<Link>,
    pub(super) sessions: Sessions,
    pasting: Pasting,
    notices: broadcast::Sender<Notice>,
    run_wait: std::time::Duration,
    output_limit: usize,
    background: Arc<Semaphore>,
    watches: Arc<Watches>,
    cancel: CancellationToken,
}

impl Host {
    /// The server of this socket, spoken to by this `tmux`. A file for the shell goes below `state`, in a
    /// directory of its own. `cancel` ends what waits in the background.
    pub(super) fn new(
        (program, socket, name): (&str, &str, Option<&str>),
        config: &config::Terminal,
        breakers: TmuxBreakers,
        state: &Path,
        notices: broadcast::Sender<Notice>,
        cancel: CancellationToken,
    ) -> Self {
        let server = Server::new(program, socket);
        let tmux = Arc::new(Link::new(&server, config.output_limit, breakers, notices.clone()));
        let shells = Shells::new(&config.shell, state);
        Self {
            name: name.map(str::to_owned),
            watches: Watches::new(Arc::clone(&tmux), notices.clone(), cancel.clone()),
            sessions: Sessions::new(Arc::clone(&tmux), shells, &config.session),
            link: tmux,
            pasting: Pasting::default(),
            notices,
            run_wait: config.run_wait,
            output_limit: config.output_limit,
            background: Arc::new(Semaphore::new(MOST_IN_BACKGROUND)),
            cancel,
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) async fn version(&self) -> Result<String, Trouble> {
        self.link.version().await
    }

    pub(super) fn degradation(&self) -> Option<Degradation> {
        self.link.degradation()
    }

    pub(super) fn report(&self) -> ChainReport {
        self.link.report()
    }

    /// A place here, as the rest of the program knows it.
    pub(super) fn outward(&self, target: Target) -> Target {
        let Some(name) = self.name() else { return target };
        Target {
            session: SessionId(format!("{name}/{}", target.session.0)),
            session_name: format!("{} on {name}", target.session_name),
            pane: PaneId(format!("{name}/{}", target.pane.0)),
        }
    }

    /// A session here, as the rest of the program knows it.
    pub(super) fn listed(&self, session: SessionInfo, is_current: bool) -> SessionInfo {
        let current = session.current && is_current;
        let Some(name) = self.name() else { return SessionInfo { current, ..session } };
        SessionInfo {
            id: SessionId(format!("{name}/{}", session.id.0)),
            name: format!("{} on {name}", session.name),
            current,
            ..session
        }
    }

    /// What an identifier is called here; `None` if it isn't of here.
    pub(super) fn inward<'a>(&self, id: &'a str) -> Option<&'a str> {
        match (self.name(), id.rsplit_once('/')) {
            (None, None) => Some(id),
            (Some(name), Some((server, id))) if server == name => Some(id),
            _ => None,
        }
    }

    /// Does something in a place here. The session keeps the name that it is known by outside.
    pub(super) async fn act(&self, target: &Target, action: &Action) -> Result<Outcome, Failure> {
        let tmux = &*self.link;
        let place = self.sessions.revisit(target, "do that").await?;
        match action {
            Action::NewSession { .. }
            | Action::SwitchSession { .. }
            | Action::ListSessions
            | Action::Survey => Err(request_failure("That needs no place", "Say it again")),
            Action::KillSession => self.sessions.kill(target).await,
            Action::DescribeSession => layout::describe(tmux, &place, target, self.output_limit).await,
            Action::NewWindow { name } => layout::new_window(tmux, target, name.as_deref()).await,
            Action::SelectWindow { window } => layout::select_window(tmux, target, *window).await,
            Action::RenameWindow { name } => layout::rename_window(tmux, &place, target, name).await,
            Action::CloseWindow => layout::close_window(tmux, &place, target).await,
            Action::SplitPane { direction } => layout::split(tmux, target, *direction).await,
            Action::SelectPane { pane } => layout::select_pane(tmux, &place, target, *pane).await,
            Action::ZoomPane => layout::zoom(tmux, &place, target).await,
            Action::ClosePane => layout::close_pane(tmux, target).await,
            Action::Scroll { scroll } => layout::scroll(tmux, place, target, *scroll).await,
            Action::ReadOutput => self.read_output(&place, target).await,
            Action::Watch => {
                let now = activity::asked(tmux, &place, target, self.output_limit).await;
                self.watches.watch(target, now)
            }
            Action::Unwatch => Ok(self.watches.unwatch(target)),
            Action::Prepare { text } => self.pasting.prepare(tmux, place, target, text).await,
            Action::Insert { text } => self.pasting.insert(tmux, place, target, text).await,
            Action::Erase { text } => self.pasting.erase(tmux, place, target, text).await,
            Action::Submit { text } => {
                let running = run::enter(&self.link, &self.pasting, place, target, text).await?;
                self.follow(target, running).await
            }
            Action::Press { press } => {
                self.pasting.forget();
                keys::press(tmux, place, target, press).await
            }
        }
    }

    /// What goes on in these sessions, of an identifier and a name that is known outside. Only looks, and
    /// attaches to none. One that has just ended is no reason not to tell of the others.
    pub(super) async fn survey(&self, sessions: Vec<(&str, &str)>) -> Vec<Surveyed> {
        let mut surveyed = Vec::new();
        for (id, name) in sessions {
            match activity::survey(&self.link, &SessionId(id.to_owned()), name).await {
                Ok(session) => surveyed.push(session),
                Err(trouble) => tracing::debug!(?trouble, "a session could not be looked at"),
            }
        }
        surveyed
    }

    /// Watches nothing any more; whether it had watched something.
    pub(super) fn unwatch_all(&self) -> bool {
        self.watches.unwatch_all()
    }

    async fn follow(&self, target: &Target, mut running: run::Running) -> Result<Outcome, Failure> {
        let waiting = self.watches.waits(&target.pane);
        let ran = match running.wait(Some(self.run_wait)).await? {
            Progress::Over(outcome) => {
                heard(&self.link, target).await;
                return Ok(outcome);
            }
            Progress::GoesOn(ran) => ran,
        };
        if let Ok(permit) = Arc::clone(&self.background).try_acquire_owned() {
            let (cancel, notices) = (self.cancel.clone(), self.notices.clone());
            let (watches, link, target) = (Arc::clone(&self.watches), Arc::clone(&self.link), target.clone());
            // Ends with the command, with the server, or with the token.
            tokio::spawn(async move {
                let stops = async {
                    watches.tell_stops(&target).await;
                    std::future::pending::<()>().await;
                };
                let ran = tokio::select! {
                    ran = running.linger(cancel) => ran,
                    () = stops => None,
                };
                heard(&link, &target).await;
                drop(waiting);
                if let Some(ran) = ran {
                    // Nobody watching is no error.
                    let _ = notices.send(Notice::Ended(ran));
                }
                drop(permit);
            });
        } else {
            tracing::info!("too many commands go on in the background; this one's end isn't told");
        }
        Ok(Outcome::Ran(ran))
    }

    /// What the last command printed, if its shell tells; else what is to be seen.
    async fn read_output(&self, place: &Place, target: &Target) -> Result<Outcome, Failure> {
        let mut activity = activity::asked(&self.link, place, target, self.output_limit).await;
        if let Some(text) = activity.output.take() {
            return Ok(Outcome::Text { text, activity });
        }
        let text = screen::of(&self.link, &target.pane, Some(&target.session), self.output_limit).await;
        let text = text.map_err(|trouble| trouble.failure("read the screen"))?;
        Ok(Outcome::Text { text, activity })
    }
}

/// Whoever started it has heard how the last command there ended.
async fn heard(link: &Link, target: &Target) {
    if let Some(client) = link.watching(&target.session).await {
        client.panes().tell(&target.pane.0);
    }
}

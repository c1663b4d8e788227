//! The terminal as the rest of the program sees it: every command to tmux behind its breakers.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use crate::breaker::{Breaker, ChainReport};
use crate::config;
use crate::domain::{
    Action, BoxFuture, Command, Degradation, Failure, Outcome, Ran, SessionInfo, Stop, Target, Terminal,
    Whereabouts,
};

use super::error::{CHAIN, Trouble, request_failure};
use super::link::Link;
use super::paste::Pasting;
use super::place::Place;
use super::process::Server;
use super::run::{self, Progress};
use super::sessions::Sessions;
use super::shell::Shells;
use super::watch::Watches;
use super::{activity, keys, layout};

/// Commands whose end is waited for in the background; of more, the end isn't told.
const MOST_IN_BACKGROUND: usize = 16;

/// Notices that a slow watcher may be behind before it misses the oldest.
const NOTICES: usize = 64;

/// The breakers of the two tiers.
#[derive(Debug, Clone)]
pub struct TmuxBreakers {
    /// Around the control-mode clients: `tmux-control`.
    pub control: Arc<Breaker>,
    /// Around the spawning of one process per command: `tmux-process`.
    pub process: Arc<Breaker>,
}

/// Something to tell that belongs to no command.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A command line that went on in the background, or in a watched pane, has ended.
    Ended(Ran),
    /// A program there has stopped behind text: it may ask something.
    Stopped(Stop),
    /// A watched session has ended.
    Gone {
        /// Its name.
        session: String,
    },
    /// The server was gone and a new one was started; one sentence or two.
    Restarted(String),
    /// The first tier is down.
    Degraded(Degradation),
    /// The first tier serves again.
    Serving {
        /// The chain.
        chain: String,
        /// One plain sentence.
        what: String,
    },
}

/// tmux: the chain `tmux-session`, from a control-mode client to one process per command.
///
/// Making one starts nothing; the server is started when a session is needed. Dropping it kills its
/// control-mode clients, and leaves the sessions to the user.
pub struct Tmux {
    link: Arc<Link>,
    sessions: Sessions,
    pasting: Pasting,
    notices: broadcast::Sender<Notice>,
    run_wait: std::time::Duration,
    output_limit: usize,
    background: Arc<Semaphore>,
    watches: Arc<Watches>,
    cancel: CancellationToken,
}

impl Tmux {
    /// For the configured server. A file for bash goes below `state`, in a directory of its own.
    /// `cancel` ends what waits in the background.
    pub fn new(
        config: &config::Terminal,
        breakers: TmuxBreakers,
        state: &Path,
        cancel: CancellationToken,
    ) -> Self {
        Self::with_program("tmux", config, breakers, state, cancel)
    }

    /// As [`Tmux::new`], with another program in the place of `tmux`.
    pub(super) fn with_program(
        program: &str,
        config: &config::Terminal,
        breakers: TmuxBreakers,
        state: &Path,
        cancel: CancellationToken,
    ) -> Self {
        let notices = broadcast::Sender::new(NOTICES);
        let server = Server::new(program, &config.socket);
        let tmux = Arc::new(Link::new(&server, config.output_limit, breakers, notices.clone()));
        let shells = Shells::new(&config.shell, state);
        Self {
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

    /// What happens from now on that belongs to no command. A watcher that is 64 behind misses the
    /// oldest.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// What tmux calls itself, such as `tmux 3.3a`. Starts no server.
    ///
    /// # Errors
    /// When there is no tmux, or it doesn't work.
    pub async fn version(&self) -> Result<String, Failure> {
        self.link.version().await.map_err(|trouble| trouble.failure("ask tmux for its version"))
    }

    /// How often each tier served.
    pub fn report(&self) -> ChainReport {
        self.link.report()
    }

    async fn act(&self, command: &Command) -> Result<Outcome, Failure> {
        let tmux = &*self.link;
        match &command.action {
            Action::NewSession { name } => return self.sessions.create(name.as_deref()).await,
            Action::SwitchSession { name } => return self.sessions.switch(name).await,
            Action::ListSessions => return Ok(Outcome::Sessions { sessions: self.sessions().await? }),
            Action::Survey => {
                let sessions = activity::survey(tmux, self.sessions().await?).await?;
                return Ok(Outcome::Surveyed { sessions });
            }
            Action::Unwatch if command.target.is_none() => return Ok(self.watches.unwatch(None)),
            _ => {}
        }
        let Some(target) = &command.target else {
            return Err(request_failure("It was not said where", "Name a session"));
        };
        let place = self.sessions.revisit(target, "do that").await?;
        match &command.action {
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
            Action::Unwatch => Ok(self.watches.unwatch(Some(target))),
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
        let text = match activity.output.take() {
            Some(text) => text,
            None => layout::screen(&self.link, target, self.output_limit).await?,
        };
        Ok(Outcome::Text { text, activity })
    }
}

/// Whoever started it has heard how the last command there ended.
async fn heard(link: &Link, target: &Target) {
    if let Some(client) = link.watching(&target.session).await {
        client.panes().tell(&target.pane.0);
    }
}

impl Terminal for Tmux {
    fn current(&self) -> BoxFuture<'_, Result<Target, Failure>> {
        Box::pin(async move {
            self.sessions.current().await.map_err(|trouble| trouble.failure("reach a session"))
        })
    }

    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Target, Failure>> {
        Box::pin(self.sessions.find(name))
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<SessionInfo>, Failure>> {
        Box::pin(async move {
            self.sessions.list().await.map_err(|trouble: Trouble| trouble.failure("list the sessions"))
        })
    }

    fn whereabouts(&self) -> BoxFuture<'_, Result<Whereabouts, Failure>> {
        Box::pin(async move {
            self.sessions.whereabouts().await.map_err(|trouble| trouble.failure("look at the session"))
        })
    }

    fn perform<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(self.act(command))
    }
}

impl std::fmt::Debug for Tmux {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct(CHAIN).field("report", &self.report()).finish_non_exhaustive()
    }
}

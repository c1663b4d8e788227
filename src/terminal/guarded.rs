//! The terminal as it gets out: everything goes through the chain `tmux-session`.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::breaker::{Breaker, CallError, ChainReport};
use crate::config;
use crate::domain::{
    Action, BoxFuture, Command, Degradation, Failure, Outcome, Ran, SessionInfo, Target, Terminal,
};

use super::error::{Trouble, request_failure};
use super::keys;
use super::layout;
use super::link::Link;
use super::paste::Pasting;
use super::process::Server;
use super::run::{self, Limits};
use super::sessions::Sessions;
use super::shell::Shells;

/// Notices that nobody has taken yet; the next one is dropped, and logged.
const NOTICES: usize = 32;

/// The breakers of the tiers.
#[derive(Debug, Clone)]
pub struct TmuxBreakers {
    /// `tmux-control`
    pub control: Arc<Breaker>,
    /// `tmux-process`
    pub process: Arc<Breaker>,
}

/// Something to tell that belongs to no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The chain left its first tier.
    Degraded(Degradation),
    /// The chain is served by its first tier again.
    Serving {
        /// The chain.
        chain: String,
        /// One plain sentence.
        what: String,
    },
    /// The server had died and was started anew; one plain sentence.
    Restarted(String),
    /// A command that went on in the background has ended.
    BackgroundEnded(Ran),
}

/// tmux. Cheap to make; nothing is started before it is needed, and all of it ends with this.
pub struct Tmux {
    link: Arc<Link>,
    sessions: Sessions,
    pasting: Pasting,
    limits: Limits,
    server: Server,
    process: Arc<Breaker>,
}

impl Tmux {
    /// For the configured server. The shell's start-up file is written below `state` when the first
    /// session is made. `cancel` ends what watches commands in the background.
    pub fn new(
        config: &config::Terminal,
        breakers: TmuxBreakers,
        state: &Path,
        cancel: CancellationToken,
    ) -> (Self, mpsc::Receiver<Notice>) {
        Self::with_program("tmux", config, breakers, state, cancel)
    }

    /// The same with another `tmux`.
    pub(super) fn with_program(
        program: &str,
        config: &config::Terminal,
        breakers: TmuxBreakers,
        state: &Path,
        cancel: CancellationToken,
    ) -> (Self, mpsc::Receiver<Notice>) {
        let (notices, receiver) = mpsc::channel(NOTICES);
        let server = Server::new(program, &config.socket);
        let process = Arc::clone(&breakers.process);
        let link = Arc::new(Link::new(&server, config.output_limit, breakers, notices));
        let shells = Shells::new(&config.shell, state);
        let sessions = Sessions::new(Arc::clone(&link), shells, &config.session);
        let limits = Limits { wait: config.run_wait, output: config.output_limit, cancel };
        (Self { link, sessions, pasting: Pasting::default(), limits, server, process }, receiver)
    }

    /// Which tmux there is, as it names itself.
    ///
    /// # Errors
    /// When there is none, or it doesn't answer.
    pub async fn version(&self) -> Result<String, Failure> {
        self.process.call(self.server.version()).await.map_err(|error| {
            match error {
                CallError::Failed(super::error::TmuxError::NotInstalled) => Trouble::NotInstalled,
                CallError::Rejected(no) => Trouble::HeldBack(no.retry_in),
                CallError::TimedOut { .. } | CallError::Failed(_) => Trouble::Unavailable,
            }
            .failure("ask tmux for its version")
        })
    }

    /// Which tiers there are, and how often each served.
    pub fn report(&self) -> ChainReport {
        self.link.report()
    }

    async fn perform_at(&self, target: &Target, action: &Action) -> Result<Outcome, Failure> {
        let link = &self.link;
        let place = self.sessions.revisit(target, &attempt(action)).await?;
        match action {
            Action::KillSession => self.sessions.kill(target).await,
            Action::DescribeSession => layout::describe(link, &place, target, self.limits.output).await,
            Action::NewWindow { name } => layout::new_window(link, target, name.as_deref()).await,
            Action::SelectWindow { window } => layout::select_window(link, target, *window).await,
            Action::RenameWindow { name } => layout::rename_window(link, &place, target, name).await,
            Action::CloseWindow => layout::close_window(link, &place, target).await,
            Action::SplitPane { direction } => layout::split(link, target, *direction).await,
            Action::SelectPane { pane } => layout::select_pane(link, &place, target, *pane).await,
            Action::ZoomPane => layout::zoom(link, &place, target).await,
            Action::ClosePane => layout::close_pane(link, target).await,
            Action::Scroll { scroll } => layout::scroll(link, place, target, *scroll).await,
            Action::ReadOutput => self.read(target).await,
            Action::Insert { text } => self.pasting.insert(link, place, target, text).await,
            Action::Erase { text } => self.pasting.erase(link, place, target, text).await,
            Action::Submit { text } => {
                run::submit(link, &self.pasting, place, target, text, &self.limits).await
            }
            Action::Press { press } => keys::press(link, place, target, press).await,
            Action::NewSession { .. } | Action::SwitchSession { .. } | Action::ListSessions => {
                self.perform_anywhere(action).await
            }
        }
    }

    async fn perform_anywhere(&self, action: &Action) -> Result<Outcome, Failure> {
        match action {
            Action::NewSession { name } => self.sessions.create(name.as_deref()).await,
            Action::SwitchSession { name } => self.sessions.switch(name).await,
            Action::ListSessions => Ok(Outcome::Sessions { sessions: self.sessions().await? }),
            _ => Err(request_failure("I don't know where to do that", "Say which session")),
        }
    }

    /// The output of the last command, where its shell tells; else what is on the screen.
    async fn read(&self, target: &Target) -> Result<Outcome, Failure> {
        let client = self.link.watch(&target.session).await;
        let output = client.and_then(|client| client.panes().output(&target.pane.0));
        let text = match output {
            Some(output) => output,
            None => layout::screen(&self.link, target, self.limits.output).await?,
        };
        Ok(Outcome::Text { text })
    }
}

/// What could not be done, as in "I could not …", if the place for it is gone.
fn attempt(action: &Action) -> String {
    match action {
        Action::Submit { .. } => "press Enter".into(),
        Action::Insert { .. } => "type that".into(),
        Action::Erase { .. } => "take the text back".into(),
        Action::Press { .. } => "press that".into(),
        Action::KillSession => "kill the session".into(),
        Action::ReadOutput | Action::DescribeSession => "look at it".into(),
        _ => "do that".into(),
    }
}

impl Terminal for Tmux {
    fn current(&self) -> BoxFuture<'_, Result<Target, Failure>> {
        Box::pin(async {
            self.sessions.current().await.map_err(|trouble| trouble.failure("find the current session"))
        })
    }

    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Target, Failure>> {
        Box::pin(self.sessions.find(name))
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<SessionInfo>, Failure>> {
        Box::pin(async { self.sessions.list().await.map_err(|trouble| trouble.failure("list the sessions")) })
    }

    fn perform<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            match &command.target {
                Some(target) => self.perform_at(target, &command.action).await,
                None => self.perform_anywhere(&command.action).await,
            }
        })
    }
}

//! The terminal as the rest of the program sees it: every command to tmux behind its breakers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::breaker::{Breaker, ChainReport};
use crate::config;
use crate::domain::{
    Action, AtPrompt, BoxFuture, Command, Degradation, Failure, Outcome, Ran, SessionId, SessionInfo,
    ShellNames, Stop, Surveyed, Target, Terminal, Whereabouts,
};

use super::error::{CHAIN, Trouble, request_failure};
use super::host::Host;
use super::names::{self, Match};

/// How long another server than the first may take to list its sessions before it is left out.
const LISTED_DUE: Duration = Duration::from_millis(500);

/// Sessions that are looked at when all are.
const MOST_SURVEYED: usize = 32;

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

/// tmux: the chain `tmux-session`, from a control-mode client to one process per command, for each of
/// the servers.
///
/// Making one starts nothing; a server is started when a session is needed. Dropping it kills its
/// control-mode clients, and leaves the sessions to the user. Sessions of the first server go by their
/// names, those of another as "build on work".
pub struct Tmux {
    /// The first is the one of `terminal.socket`.
    hosts: Vec<Host>,
    /// The one that commands go to.
    at: AtomicUsize,
    notices: broadcast::Sender<Notice>,
}

impl Tmux {
    /// For the configured servers, which share these breakers. A file for the shell goes below `state`, in
    /// a directory of its own. `cancel` ends what waits in the background.
    pub fn new(
        config: &config::Terminal,
        breakers: TmuxBreakers,
        state: &Path,
        cancel: CancellationToken,
    ) -> Self {
        Self::with_program("tmux", config, move |_| breakers.clone(), state, cancel)
    }

    /// For the configured servers, with breakers for each: of the first, and of the others by their names.
    pub fn with_breakers(
        config: &config::Terminal,
        breakers: impl Fn(Option<&str>) -> TmuxBreakers,
        state: &Path,
        cancel: CancellationToken,
    ) -> Self {
        Self::with_program("tmux", config, breakers, state, cancel)
    }

    /// As [`Tmux::with_breakers`], with another program in the place of `tmux`.
    pub(super) fn with_program(
        program: &str,
        config: &config::Terminal,
        breakers: impl Fn(Option<&str>) -> TmuxBreakers,
        state: &Path,
        cancel: CancellationToken,
    ) -> Self {
        let notices = broadcast::Sender::new(NOTICES);
        let told = notices.clone();
        let host = move |name: Option<&str>| {
            let server = (program, name.unwrap_or(&config.socket), name);
            Host::new(server, config, breakers(name), state, told.clone(), cancel.clone())
        };
        let others = config.servers.iter().map(|name| host(Some(name)));
        let hosts = std::iter::once(host(None)).chain(others).collect();
        Self { hosts, at: AtomicUsize::new(0), notices }
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
        let trouble = |trouble: Trouble| trouble.failure("ask tmux for its version");
        self.hosts[0].version().await.map_err(trouble)
    }

    /// How often each tier served, for the first server.
    pub fn report(&self) -> ChainReport {
        self.hosts[0].report()
    }

    /// The server that commands go to.
    fn host(&self) -> &Host {
        &self.hosts[self.at.load(Ordering::Relaxed)]
    }

    /// The server of a place, and the place as it is known there.
    fn locate(&self, target: &Target) -> Result<(&Host, Target), Failure> {
        let inward = |host: &Host| {
            let session = SessionId(host.inward(&target.session.0)?.to_owned());
            let pane = crate::domain::PaneId(host.inward(&target.pane.0)?.to_owned());
            Some(Target { session, pane, session_name: target.session_name.clone() })
        };
        let found = self.hosts.iter().find_map(|host| Some((host, inward(host)?)));
        found.ok_or_else(|| {
            request_failure(
                format!("The server of {} is not one of mine any more", target.session_name),
                "Say \"list sessions\" to see what there is",
            )
        })
    }

    async fn listed(&self) -> Result<Vec<SessionInfo>, Trouble> {
        let at = self.at.load(Ordering::Relaxed);
        let each = self.hosts.iter().enumerate().map(async |(number, host)| {
            let list = host.sessions.list();
            let sessions = if number == 0 {
                list.await?
            } else {
                // One that hangs is no reason to keep anybody waiting.
                match tokio::time::timeout(LISTED_DUE, list).await {
                    Ok(Ok(sessions)) => sessions,
                    missing => {
                        tracing::debug!(server = host.name(), ?missing, "its sessions are not known");
                        Vec::new()
                    }
                }
            };
            Ok(sessions.into_iter().map(|it| host.listed(it, number == at)).collect::<Vec<_>>())
        });
        let all: Result<Vec<Vec<SessionInfo>>, Trouble> = join_all(each).await.into_iter().collect();
        Ok(all?.concat())
    }

    /// The session of this name, with the number of its server.
    async fn found(&self, name: &str) -> Result<(usize, Target), Failure> {
        let failed = |trouble: Trouble| trouble.failure(&format!("look for session {name}"));
        let sessions = self.listed().await.map_err(failed)?;
        let all = || sessions.iter().map(|session| session.name.as_str()).collect::<Vec<_>>().join(", ");
        let shown: String = name.chars().take(60).collect();
        match names::find(name, &sessions) {
            Match::One(session) => {
                let here =
                    |(number, host): (usize, &Host)| Some((number, host.inward(&session.id.0)?.to_owned()));
                // It was listed by one of them.
                let (number, id) = self.hosts.iter().enumerate().find_map(here).unwrap_or_default();
                let target = self.hosts[number].sessions.at(&SessionId(id)).await.map_err(failed)?;
                Ok((number, target))
            }
            Match::Several(several) => {
                let several: Vec<&str> = several.iter().map(|session| session.name.as_str()).collect();
                Err(request_failure(
                    format!("\"{shown}\" could be any of {}", several.join(", ")),
                    "Say the whole name",
                ))
            }
            Match::Nothing if sessions.is_empty() => Err(request_failure(
                format!("There is no session \"{shown}\"; there are none at all"),
                "Say \"new session\" and a name",
            )),
            Match::Nothing => Err(request_failure(
                format!("There is no session \"{shown}\""),
                format!("There are {}; say \"new session\" to make another", all()),
            )),
        }
    }

    async fn create(&self, wished: Option<&str>) -> Result<Outcome, Failure> {
        let (number, wished) = match wished.and_then(|wished| self.addressed(wished)) {
            Some((number, rest)) => (number, Some(rest)),
            None => (self.at.load(Ordering::Relaxed), wished),
        };
        let outcome = self.hosts[number].sessions.create(wished).await?;
        Ok(self.moved(number, outcome))
    }

    async fn switch(&self, name: &str) -> Result<Outcome, Failure> {
        if let Some(number) = names::server(name).and_then(|server| self.called(&server)) {
            let host = &self.hosts[number];
            let failed = |trouble: Trouble| trouble.failure(&format!("switch to {name}"));
            let target = host.sessions.current().await.map_err(failed)?;
            return Ok(self.moved(number, host.sessions.switch(&target).await?));
        }
        let (number, target) = self.found(name).await?;
        let outcome = self.hosts[number].sessions.switch(&target).await?;
        Ok(self.moved(number, outcome))
    }

    /// Commands go to this server from now on.
    fn moved(&self, number: usize, outcome: Outcome) -> Outcome {
        self.at.store(number, Ordering::Relaxed);
        match outcome {
            Outcome::Session { target, created, remark } => {
                Outcome::Session { target: self.hosts[number].outward(target), created, remark }
            }
            outcome => outcome,
        }
    }

    /// A session's name and its server, where it was said: "build on work".
    fn addressed<'a>(&self, wished: &'a str) -> Option<(usize, &'a str)> {
        let (name, server) = wished.rsplit_once(" on ")?;
        Some((self.called(server)?, name))
    }

    /// The number of the server that is called so.
    fn called(&self, name: &str) -> Option<usize> {
        let called = |host: &Host| host.name().is_some_and(|it| names::fold(it) == names::fold(name));
        let is_first = names::fold(name) == "first";
        if is_first { Some(0) } else { self.hosts.iter().position(called) }
    }

    /// What goes on in the sessions of all servers; first in those of the one that commands go to.
    async fn survey(&self) -> Result<Vec<Surveyed>, Failure> {
        let mut sessions = self.sessions().await?;
        sessions.sort_by_key(|session| (!session.current, self.host().inward(&session.id.0).is_none()));
        sessions.truncate(MOST_SURVEYED);
        let each = self.hosts.iter().map(|host| {
            let here = sessions.iter().filter_map(|it| Some((host.inward(&it.id.0)?, it.name.as_str())));
            host.survey(here.collect())
        });
        let mut surveyed = join_all(each).await.concat();
        let order = |name: &str| sessions.iter().position(|session| session.name == name);
        surveyed.sort_by_key(|it| order(&it.session));
        Ok(surveyed)
    }

    /// Watches nothing any more, on no server.
    fn unwatch(&self) -> Outcome {
        // Each is told, whichever has watched something.
        let already = self.hosts.iter().filter(|host| host.unwatch_all()).count() > 0;
        Outcome::Watching { session: None, on: false, already, idle: false }
    }

    async fn act(&self, command: &Command) -> Result<Outcome, Failure> {
        match (&command.action, &command.target) {
            (Action::NewSession { name }, _) => self.create(name.as_deref()).await,
            (Action::SwitchSession { name }, _) => self.switch(name).await,
            (Action::ListSessions, _) => Ok(Outcome::Sessions { sessions: self.sessions().await? }),
            (Action::Survey, _) => Ok(Outcome::Surveyed { sessions: self.survey().await? }),
            (Action::Unwatch, None) => Ok(self.unwatch()),
            (_, None) => Err(request_failure("It was not said where", "Name a session")),
            (action, Some(target)) => {
                let (host, target) = self.locate(target)?;
                host.act(&target, action).await
            }
        }
    }
}

impl Terminal for Tmux {
    fn degradation(&self) -> Option<Degradation> {
        self.host().degradation()
    }

    fn current(&self) -> BoxFuture<'_, Result<Target, Failure>> {
        Box::pin(async move {
            let host = self.host();
            let target =
                host.sessions.current().await.map_err(|trouble| trouble.failure("reach a session"))?;
            Ok(host.outward(target))
        })
    }

    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Target, Failure>> {
        Box::pin(async move {
            let (number, target) = self.found(name).await?;
            Ok(self.hosts[number].outward(target))
        })
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<SessionInfo>, Failure>> {
        Box::pin(async move {
            self.listed().await.map_err(|trouble: Trouble| trouble.failure("list the sessions"))
        })
    }

    fn resume<'a>(&'a self, session: &'a SessionId, name: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let here = |(number, host): (usize, &Host)| Some((number, host.inward(&session.0)?.to_owned()));
            let Some((number, id)) = self.hosts.iter().enumerate().find_map(here) else { return Ok(false) };
            // It was noted as it is known outside: "build on work".
            let name = if number == 0 { name } else { self.addressed(name).map_or(name, |(_, name)| name) };
            let resumed = self.hosts[number].sessions.resume(&SessionId(id), name).await;
            let resumed = resumed.map_err(|trouble| trouble.failure("go on in the session"))?;
            if resumed {
                self.at.store(number, Ordering::Relaxed);
            }
            Ok(resumed)
        })
    }

    fn whereabouts(&self) -> BoxFuture<'_, Result<Whereabouts, Failure>> {
        Box::pin(async move {
            self.host().sessions.whereabouts().await.map_err(|trouble| trouble.failure("look at the session"))
        })
    }

    fn shell(&self) -> BoxFuture<'_, Result<ShellNames, Failure>> {
        Box::pin(async move {
            self.host().sessions.shell().await.map_err(|trouble| trouble.failure("look at the shell"))
        })
    }

    fn prompt(&self) -> BoxFuture<'_, Result<AtPrompt, Failure>> {
        Box::pin(async move {
            let host = self.host();
            let found =
                host.sessions.prompt().await.map_err(|trouble| trouble.failure("look at the prompt"))?;
            Ok(AtPrompt { target: host.outward(found.target), ..found })
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

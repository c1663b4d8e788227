//! The way to tmux: the chain `tmux-session` of the two tiers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::breaker::{Breaker, CallError, Chain, ChainReport, Tier, Unready, Why};
use crate::domain::{BoxFuture, Degradation, SessionId};

use super::client::Client;
use super::error::{CHAIN, TmuxError, Trouble};
use super::guarded::{Notice, TmuxBreakers};
use super::process::{ProcessTier, Server};
use super::request::Request;

/// Sessions that have a control client at the same time.
const MOST_CLIENTS: usize = 16;

/// The session that requests without one of their own go through; cleared when it ends.
type Home = Arc<Mutex<Option<SessionId>>>;

/// Everything that goes to tmux goes through here.
pub(super) struct Link {
    control: Arc<ControlTier>,
    process: Arc<ProcessTier>,
    chain: Chain<'static, Request, String, TmuxError>,
    degraded: AtomicBool,
    notices: broadcast::Sender<Notice>,
}

impl Link {
    pub(super) fn new(
        server: &Server,
        output_limit: usize,
        breakers: TmuxBreakers,
        notices: broadcast::Sender<Notice>,
    ) -> Self {
        let deadline = breakers.control.timeout() + breakers.process.timeout();
        let control = Arc::new(ControlTier {
            breaker: breakers.control,
            server: server.clone(),
            output_limit,
            clients: tokio::sync::Mutex::default(),
            home: Home::default(),
        });
        let process = Arc::new(ProcessTier::new(breakers.process, server.clone()));
        let tiers: Vec<Box<dyn Tier<_, _, _>>> =
            vec![Box::new(Arc::clone(&control)), Box::new(Arc::clone(&process))];
        let chain = Chain::new(CHAIN, deadline, tiers);
        Self { control, process, chain, degraded: AtomicBool::new(false), notices }
    }

    /// Sends one command, and gives what it printed. Cancel-safe: a request that is dropped before
    /// its answer may or may not have been carried out.
    pub(super) async fn ask(&self, request: Request) -> Result<String, Trouble> {
        let served = self.chain.call(&request, request.effect()).await?;
        // The first request after a start, or after a session's end, needs no control client; that is no degradation.
        let is_down =
            |why: &Why<TmuxError>| !matches!(why, Why::Unready(_) | Why::Failed(TmuxError::NotAttached(_)));
        let held_back = served.rank > 0 && served.skipped.iter().any(|skip| is_down(&skip.why));
        if held_back || served.rank == 0 {
            self.tell_of_tier(served.rank > 0);
        }
        Ok(served.value)
    }

    fn tell_of_tier(&self, degraded: bool) {
        if self.degraded.swap(degraded, Ordering::Relaxed) == degraded {
            return;
        }
        self.tell(match self.degradation() {
            Some(degradation) => Notice::Degraded(degradation),
            None => Notice::Serving {
                chain: CHAIN.to_owned(),
                what: "The quick connection to tmux works again".to_owned(),
            },
        });
    }

    /// That another tier than the first served last, where that is so.
    pub(super) fn degradation(&self) -> Option<Degradation> {
        self.degraded.load(Ordering::Relaxed).then(|| Degradation {
            chain: CHAIN.to_owned(),
            now: self.control_less_name(),
            what: "The quick connection to tmux is down; commands work, but exit statuses and output may be missing"
                .to_owned(),
            remedy: "Nothing to do: it is tried again by itself".to_owned(),
        })
    }

    fn control_less_name(&self) -> String {
        self.chain.report().tiers.last().map(|(tier, ..)| tier.clone()).unwrap_or_default()
    }

    /// Tells something that belongs to no request. Whoever is too slow misses the oldest.
    pub(super) fn tell(&self, notice: Notice) {
        // Nobody watching is no error.
        let _ = self.notices.send(notice);
    }

    /// The control client of a session, to watch its panes; `None` if there can't be one now.
    pub(super) async fn watch(&self, session: &SessionId) -> Option<Arc<Client>> {
        match self.control.breaker.call(self.control.client(session)).await {
            Ok(client) => Some(client),
            Err(error) => {
                tracing::debug!(%error, "a session can't be watched");
                None
            }
        }
    }

    /// The control client of a session, if there is one already.
    pub(super) async fn watching(&self, session: &SessionId) -> Option<Arc<Client>> {
        let clients = self.control.clients.lock().await;
        clients.get(session).filter(|client| client.is_alive()).map(Arc::clone)
    }

    /// Requests that are about no session go through this one from now on.
    pub(super) fn settle_in(&self, session: &SessionId) {
        *self.control.home.lock() = Some(session.clone());
    }

    /// What tmux calls itself, such as `tmux 3.3a`. Starts no server.
    pub(super) async fn version(&self) -> Result<String, Trouble> {
        let breaker = self.process.breaker();
        self.process.ready().map_err(|_| Trouble::NotInstalled)?;
        breaker.call(self.process.version()).await.map_err(|error| {
            tracing::debug!(%error, "tmux did not tell its version");
            match error {
                CallError::Failed(TmuxError::NotInstalled) => Trouble::NotInstalled,
                CallError::Rejected(rejected) => Trouble::HeldBack(rejected.retry_in),
                CallError::Failed(_) | CallError::TimedOut { .. } => Trouble::Unavailable,
            }
        })
    }

    pub(super) fn report(&self) -> ChainReport {
        self.chain.report()
    }
}

/// Control mode: one client for each session that is dealt with.
struct ControlTier {
    breaker: Arc<Breaker>,
    server: Server,
    output_limit: usize,
    clients: tokio::sync::Mutex<HashMap<SessionId, Arc<Client>>>,
    home: Home,
}

impl ControlTier {
    /// The session's client, attached now if there is none.
    async fn client(&self, session: &SessionId) -> Result<Arc<Client>, TmuxError> {
        let mut clients = self.clients.lock().await;
        clients.retain(|_, client| client.is_alive());
        if let Some(client) = clients.get(session) {
            return Ok(Arc::clone(client));
        }
        if clients.len() >= MOST_CLIENTS {
            let home = self.home.lock().clone();
            let spare = clients.keys().find(|&id| Some(id) != home.as_ref()).cloned();
            if let Some(spare) = spare {
                clients.remove(&spare);
            }
        }
        let (home, ended) = (Arc::clone(&self.home), session.clone());
        let on_over = move || leave(&home, &ended);
        let attached = Client::attach(&self.server, session, self.output_limit, on_over).await;
        let client = attached.map_err(|error| match error {
            TmuxError::Refused(refusal) => {
                leave(&self.home, session);
                TmuxError::NotAttached(refusal)
            }
            error => error,
        })?;
        let client = Arc::new(client);
        clients.insert(session.clone(), Arc::clone(&client));
        Ok(client)
    }

    async fn run(&self, request: &Request) -> Result<String, TmuxError> {
        let session = request.session().cloned().or_else(|| self.home.lock().clone());
        let session = session.ok_or(TmuxError::Lost { sent: false })?;
        self.client(&session).await?.ask(&request.line()).await
    }
}

/// Requests don't go through this session any more.
fn leave(home: &Home, session: &SessionId) {
    let mut home = home.lock();
    if home.as_ref() == Some(session) {
        *home = None;
    }
}

impl Tier<Request, String, TmuxError> for Arc<ControlTier> {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<String, TmuxError>> {
        Box::pin(self.run(request))
    }

    fn ready(&self) -> Result<(), Unready> {
        if self.home.lock().is_some() {
            Ok(())
        } else {
            Err(Unready("there is no session to attach to yet".to_owned()))
        }
    }
}

//! Sessions: which there are, which one commands go to, making, switching and ending them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::{
    AtPrompt, Failure, Front, Outcome, SessionId, SessionInfo, ShellNames, Target, Whereabouts,
};

use super::aliases;
use super::completion::Typed;
use super::error::{Refusal, Trouble, request_failure};
use super::front;
use super::guarded::Notice;
use super::link::Link;
use super::names;
use super::place::{Place, Run};
use super::prompt;
use super::request::Request;
use super::shell::{NONCE_OPTION, Shells};
use super::typed;

/// The size of a session that nobody looks at. Wide, so that few lines wrap; a client that attaches
/// brings its own.
const COLUMNS: &str = "200";
const ROWS: &str = "50";

/// What a new session runs until its shell begins. It ends by itself, lest it stay if nobody goes on.
const PLACEHOLDER: &str = "exec sleep 60";

/// A server that was killed may hold its socket for a little while.
const DYING_TRIES: usize = 10;
const DYING_PAUSE: Duration = Duration::from_millis(50);

/// The name of last resort for the default session.
const MAIN: &str = "main";

pub(super) struct Sessions {
    tmux: Arc<Link>,
    shells: Shells,
    default_name: String,
    current: Mutex<Option<Current>>,
    /// The run of the server that targets were last handed out of.
    handed_out: Mutex<Option<Run>>,
}

#[derive(Debug, Clone)]
struct Current {
    run: Run,
    session: SessionId,
}

/// A session that was just made, or found under the name that was to be made.
struct Made {
    place: Place,
    created: bool,
    remarks: Vec<String>,
}

impl Sessions {
    pub(super) fn new(tmux: Arc<Link>, shells: Shells, default_name: &str) -> Self {
        let default_name = names::safe(default_name).unwrap_or_else(|| MAIN.to_owned());
        Self { tmux, shells, default_name, current: Mutex::default(), handed_out: Mutex::default() }
    }

    /// The sessions that there are; none when no server runs.
    pub(super) async fn list(&self) -> Result<Vec<SessionInfo>, Trouble> {
        const FORMAT: &str = "#{session_id}:#{session_windows}:#{session_name}:#{pane_current_command}";
        let current = self.current.lock().as_ref().map(|current| current.session.clone());
        let list = match self.tmux.ask(Request::idempotent(["list-sessions", "-F", FORMAT])).await {
            Err(Trouble::Refused(Refusal::NoServer)) => return Ok(Vec::new()),
            list => list?,
        };
        let session = |line: &str| {
            let mut fields = line.splitn(4, ':');
            let id = SessionId(fields.next()?.to_owned());
            let windows = fields.next()?.parse().ok()?;
            let name = fields.next()?.to_owned();
            let program = fields.next()?.to_owned();
            Some(SessionInfo { current: current.as_ref() == Some(&id), id, name, windows, program })
        };
        Ok(list.lines().filter_map(session).collect())
    }

    /// What is in the session that commands went to last; nothing if there is none, or it has gone.
    pub(super) async fn whereabouts(&self) -> Result<Whereabouts, Trouble> {
        const FORMAT: &str = "#{window_index}:#{window_active}:#{window_name}\t#{pane_current_path}";
        /// More windows nobody goes to by name.
        const MOST: usize = 256;
        let Some(Current { session, .. }) = self.current.lock().clone() else {
            return Ok(Whereabouts::default());
        };
        let request = Request::idempotent(["list-windows", "-t", &session.0, "-F", FORMAT]).about(&session);
        let list = match self.tmux.ask(request).await {
            Err(Trouble::Refused(Refusal::NoServer | Refusal::NoTarget)) => return Ok(Whereabouts::default()),
            list => list?,
        };
        let mut found = Whereabouts { front: self.front(&session).await, ..Whereabouts::default() };
        for line in list.lines().take(MOST) {
            let Some((window, path)) = line.rsplit_once('\t') else { continue };
            let mut fields = window.splitn(3, ':');
            let (Some(index), Some(active), Some(name)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if let Ok(index) = index.parse() {
                found.windows.push((index, name.to_owned()));
            }
            if active == "1" && path.starts_with('/') {
                found.directory = Some(path.into());
            }
        }
        Ok(found)
    }

    /// Who takes what is typed into the current pane of a session, if that can be seen.
    async fn front(&self, session: &SessionId) -> Option<Front> {
        let place = Place::current(&self.tmux, session).await.ok()?;
        let client = self.tmux.watch(session).await;
        Some(front::of(&place, client.as_deref()))
    }

    /// What names mean to the shell in the pane that commands go to.
    pub(super) async fn shell(&self) -> Result<ShellNames, Trouble> {
        let target = self.current().await?;
        let Some(client) = self.tmux.watch(&target.session).await else { return Ok(ShellNames::default()) };
        aliases::of(&self.tmux, &client, &target).await
    }

    /// What a key would meet in the pane that commands go to.
    pub(super) async fn prompt(&self) -> Result<AtPrompt, Trouble> {
        let target = self.current().await?;
        let client = self.tmux.watch(&target.session).await;
        let place = Place::look(&self.tmux, &target.session, &target.pane).await?;
        let mut line = None;
        // While the pane shows its history, the shell would not get the question.
        if let Some(client) = client.as_ref().filter(|_| !place.in_mode) {
            typed::recognise(&self.tmux, client, &place, &target).await;
            let told = typed::read(&self.tmux, client, &place, &target, Duration::ZERO, |_| true).await;
            line = told.and_then(Typed::into_whole_text);
        }
        let taker = front::taker(&front::of(&place, client.as_deref()));
        Ok(AtPrompt { target, taker, line })
    }

    /// Where commands go: the session chosen last; else the one that a person looks at; else the
    /// default one, made now if need be. Others are left alone, however many there are.
    pub(super) async fn current(&self) -> Result<Target, Trouble> {
        let known = self.current.lock().clone();
        let mut server_gone = false;
        if let Some(Current { run, session }) = known {
            match Place::current(&self.tmux, &session).await {
                Ok(place) if place.run == run => return Ok(self.hand_out(&place)),
                Ok(_) | Err(Trouble::Refused(Refusal::NoServer)) => server_gone = true,
                Err(Trouble::Refused(Refusal::NoTarget)) => {}
                Err(trouble) => return Err(trouble),
            }
            *self.current.lock() = None;
        }
        if let Some(session) = self.looked_at().await? {
            let place = Place::current(&self.tmux, &session).await?;
            return Ok(self.make_current(&place));
        }
        let made = self.make(self.default_name.clone(), server_gone).await?;
        if server_gone {
            self.tmux.tell(Notice::Restarted(restarted(&made.place.session_name)));
        }
        Ok(self.make_current(&made.place))
    }

    /// Has commands go to this session, if it is there under this name, and none was chosen yet.
    pub(super) async fn resume(&self, session: &SessionId, name: &str) -> Result<bool, Trouble> {
        let place = match Place::current(&self.tmux, session).await {
            Ok(place) => place,
            Err(Trouble::Refused(Refusal::NoServer | Refusal::NoTarget)) => return Ok(false),
            Err(trouble) => return Err(trouble),
        };
        let is_it = place.session_name == name && self.current.lock().is_none();
        if is_it {
            self.make_current(&place);
        }
        Ok(is_it)
    }

    /// The session that the most recently used real client shows.
    async fn looked_at(&self) -> Result<Option<SessionId>, Trouble> {
        const FORMAT: &str = "#{client_control_mode}:#{client_activity}:#{session_id}";
        let clients = match self.tmux.ask(Request::idempotent(["list-clients", "-F", FORMAT])).await {
            Err(Trouble::Refused(Refusal::NoServer)) => return Ok(None),
            clients => clients?,
        };
        let client = |line: &str| {
            let line = line.strip_prefix("0:").or_else(|| line.strip_prefix(':'))?;
            let (activity, session) = line.split_once(':')?;
            Some((activity.parse::<u64>().ok()?, SessionId(session.to_owned())))
        };
        let newest = clients.lines().filter_map(client).max_by_key(|(activity, _)| *activity);
        Ok(newest.map(|(_, session)| session))
    }

    /// The current pane of a session, to bind a command to.
    pub(super) async fn at(&self, session: &SessionId) -> Result<Target, Trouble> {
        let place = Place::current(&self.tmux, session).await?;
        Ok(self.hand_out(&place))
    }

    /// Makes a session under a name that tmux can bear, and goes there.
    pub(super) async fn create(&self, wished: Option<&str>) -> Result<Outcome, Failure> {
        let failed = |trouble: Trouble| trouble.failure("make a session");
        let sessions = self.list().await.map_err(failed)?;
        let wished = wished.map(str::trim).filter(|name| !name.is_empty());
        let mut remarks = Vec::new();
        let name = match wished.map(|wished| (wished, names::safe(wished))) {
            Some((wished, Some(name))) => {
                if name != wished {
                    remarks.push(format!("The name had to be changed to \"{name}\"."));
                }
                name
            }
            Some((_, None)) => {
                let name = self.free_name(&sessions);
                remarks.push(format!("That can't be a name, so it is \"{name}\"."));
                name
            }
            None => self.free_name(&sessions),
        };
        let gone = sessions.is_empty() && self.current.lock().is_some();
        if gone {
            remarks
                .push("The tmux server was gone, with all its sessions; a new one was started.".to_owned());
        }
        let made = self.make(name, gone).await.map_err(failed)?;
        remarks.extend(made.remarks);
        let target = self.make_current(&made.place);
        self.show(&target.session).await;
        Ok(Outcome::Session { target, created: made.created, remark: joined(&remarks) })
    }

    fn free_name(&self, sessions: &[SessionInfo]) -> String {
        let taken = |name: &str| sessions.iter().any(|session| session.name == name);
        let numbered = (2..).map(|number| format!("{}-{number}", self.default_name));
        let mut candidates = std::iter::once(self.default_name.clone()).chain(numbered);
        // There are endlessly many, and finitely many are taken.
        candidates.find(|name| !taken(name)).unwrap_or_else(|| self.default_name.clone())
    }

    /// Makes the session, or finds it if it is there.
    async fn make(&self, name: String, server_gone: bool) -> Result<Made, Trouble> {
        tracing::debug!(name, server_gone, "making a session");
        // Looked for first, so that no shell is started in vain.
        let sessions = self.list().await?;
        if let Some(session) = sessions.iter().find(|session| session.name == name) {
            let place = Place::current(&self.tmux, &session.id).await?;
            let remarks = vec!["There was a session of that name already.".to_owned()];
            return Ok(Made { place, created: false, remarks });
        }
        let (shell, unmarked) = self.shells.start().await;
        let mut remarks = Vec::new();
        if let Some(error) = unmarked {
            tracing::warn!(%error, "the shell is started without marks");
            remarks.push("I can't see exit statuses there: my state directory can't be written.".to_owned());
        }
        let words = ["new-session", "-d", "-s", &name, "-x", COLUMNS, "-y", ROWS, PLACEHOLDER];
        // The name makes it idempotent: a second one is refused.
        let mut answer = self.tmux.ask(Request::idempotent(words)).await;
        for _ in 0..DYING_TRIES {
            if !matches!(answer, Err(Trouble::Refused(Refusal::NoServer))) {
                break;
            }
            // It starts a server; that there is none means that it met one that is just dying.
            tokio::time::sleep(DYING_PAUSE).await;
            answer = self.tmux.ask(Request::idempotent(words)).await;
        }
        match answer {
            Ok(_) | Err(Trouble::Refused(Refusal::Duplicate)) => {}
            Err(trouble) => return Err(trouble),
        }
        let place = Place::named(&self.tmux, &name).await?;
        let session = &place.session;
        // Not by a client of the session's own: it looks for the nonce when it attaches, and never again.
        let option =
            |name: &str, value: &str| Request::idempotent(["set-option", "-t", &session.0, name, value]);
        if let Some(nonce) = &shell.nonce {
            self.tmux.ask(option(NONCE_OPTION, nonce)).await?;
        }
        self.tmux.ask(option("default-command", &shell.command)).await?;
        self.tmux.settle_in(session);
        // The shell begins when somebody watches, so that its first mark is seen.
        let client = self.tmux.watch(session).await;
        let words = ["respawn-pane", "-k", "-t", &place.pane.0, &shell.command];
        self.tmux.ask(Request::idempotent(words).about(session)).await?;
        if let Some(client) = client {
            client.panes().made(&place.pane.0);
            prompt::await_first(&self.tmux, &client, &place.target()).await;
        }
        Ok(Made { place, created: true, remarks })
    }

    /// Goes to an existing session, and shows it to whoever is attached.
    pub(super) async fn switch(&self, target: &Target) -> Result<Outcome, Failure> {
        let failed = |trouble: Trouble| trouble.failure(&format!("switch to {}", target.session_name));
        let place = Place::look(&self.tmux, &target.session, &target.pane).await.map_err(failed)?;
        let target = self.make_current(&place);
        self.show(&target.session).await;
        Ok(Outcome::Session { target, created: false, remark: None })
    }

    /// Shows a session on the terminals of this server's clients. That there are none is no failure.
    async fn show(&self, session: &SessionId) {
        const FORMAT: &str = "#{client_control_mode}:#{client_name}";
        let clients = match self.tmux.ask(Request::idempotent(["list-clients", "-F", FORMAT])).await {
            Ok(clients) => clients,
            Err(trouble) => return tracing::debug!(?trouble, "clients can't be listed"),
        };
        let real =
            clients.lines().filter_map(|line| line.strip_prefix("0:").or_else(|| line.strip_prefix(':')));
        for client in real {
            let words = ["switch-client", "-c", client, "-t", &session.0];
            if let Err(trouble) = self.tmux.ask(Request::idempotent(words)).await {
                tracing::debug!(?trouble, "a client can't be switched");
            }
        }
    }

    pub(super) async fn kill(&self, target: &Target) -> Result<Outcome, Failure> {
        let name = &target.session_name;
        let request = Request::once(["kill-session", "-t", &target.session.0]);
        self.tmux.ask(request).await.map_err(|trouble| trouble.failure(&format!("kill session {name}")))?;
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|current| current.session == target.session) {
            *current = None;
        }
        Ok(Outcome::Done { what: format!("Killed session {name}") })
    }

    /// Looks at the very pane that a command is bound to, or says why it isn't that any more.
    pub(super) async fn revisit(&self, target: &Target, what: &str) -> Result<Place, Failure> {
        let gone = || {
            request_failure(
                format!("I could not {what}: the pane that was meant in {} is gone", target.session_name),
                "Say it again for where you are now",
            )
        };
        match Place::look(&self.tmux, &target.session, &target.pane).await {
            Ok(place) if place.session != target.session => Err(gone()),
            Ok(place) if self.handed_out.lock().as_ref().is_some_and(|run| *run != place.run) => Err(gone()),
            Ok(place) => Ok(place),
            Err(Trouble::Refused(Refusal::NoTarget)) => Err(gone()),
            Err(trouble) => Err(trouble.failure(what)),
        }
    }

    fn make_current(&self, place: &Place) -> Target {
        *self.current.lock() = Some(Current { run: place.run.clone(), session: place.session.clone() });
        self.hand_out(place)
    }

    fn hand_out(&self, place: &Place) -> Target {
        self.tmux.settle_in(&place.session);
        *self.handed_out.lock() = Some(place.run.clone());
        place.target()
    }
}

fn restarted(name: &str) -> String {
    format!("The tmux server was gone, with all its sessions. I started a new one, with session {name}.")
}

fn joined(remarks: &[String]) -> Option<String> {
    (!remarks.is_empty()).then(|| remarks.join(" "))
}

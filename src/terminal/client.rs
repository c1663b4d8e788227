//! A control-mode client: one `tmux -C` child, attached to one session.
//!
//! Requests go one at a time. The child's output is read by one task, which answers the request
//! that waits and feeds [`Panes`] with what the session's panes print. It keeps no queue: output is
//! digested as it is read, bounded by `Panes`, of which the newest part wins. When we fall behind a pane
//! that floods by more than [`PAUSE_AFTER`], tmux pauses it for us: what it prints then is lost to us, and
//! it goes on with what is new.
//!
//! A request that is given up after it was sent (a timeout, a cancellation) kills the child: an
//! answer can then never be taken for another's, and what tmux has not read yet is not done later.

use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::domain::SessionId;
use crate::process::Group;

use super::completion::Panes;
use super::control::{Event, Parser, quote};
use super::error::{Refusal, TmuxError};
use super::process::Server;
use super::shell::NONCE_OPTION;

/// How old output may become before it is skipped.
const PAUSE_AFTER: Duration = Duration::from_secs(3);

/// How long asking for what was paused may take.
const RESUME_DUE: Duration = Duration::from_secs(5);

/// A live connection. Dropping it kills the child.
#[derive(Debug)]
pub(super) struct Client {
    shared: Arc<Shared>,
    _kill_on_drop: DropGuard,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// tmux took leave: the session or the whole server has ended.
    SessionOver,
    /// The child died, or was killed.
    Lost,
}

#[derive(Debug)]
struct Shared {
    stdin: tokio::sync::Mutex<ChildStdin>,
    kill: CancellationToken,
    waiting: Mutex<Waiting>,
    panes: Mutex<Panes>,
    /// Counts up whenever there may be something new in `panes`, and when the connection ends.
    news: watch::Sender<u64>,
    ended: OnceLock<Farewell>,
}

type Answer = Result<String, TmuxError>;

#[derive(Debug)]
enum Waiting {
    Nobody,
    /// Nobody, and nobody may any more: there is no reader to answer.
    Closed,
    /// For the reply to attaching, which tmux does not mark as ours.
    Attach(oneshot::Sender<Answer>),
    Request(oneshot::Sender<Answer>),
}

impl Client {
    /// Attaches to a session, without a say in the size of its windows. `on_over` is called when
    /// tmux takes leave.
    pub(super) async fn attach(
        server: &Server,
        session: &SessionId,
        output_limit: usize,
        on_over: impl FnOnce() + Send + 'static,
    ) -> Result<Self, TmuxError> {
        let mut command = server.command();
        let flags = format!("ignore-size,pause-after={}", PAUSE_AFTER.as_secs());
        command.args(["-C", "attach-session", "-f", &flags, "-t", &session.0]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = Group::spawn(command).map_err(TmuxError::from_spawning)?;
        let (Some(stdin), Some(stdout)) = (child.take_stdin(), child.take_stdout()) else {
            return Err(TmuxError::Lost { sent: false });
        };
        let (answer, attached) = oneshot::channel();
        let kill = CancellationToken::new();
        let shared = Arc::new(Shared {
            stdin: tokio::sync::Mutex::new(stdin),
            kill: kill.clone(),
            waiting: Mutex::new(Waiting::Attach(answer)),
            panes: Mutex::new(Panes::new(output_limit)),
            news: watch::Sender::new(0),
            ended: OnceLock::new(),
        });
        tokio::spawn(read(child, stdout, Arc::clone(&shared), on_over));
        let client = Self { shared, _kill_on_drop: kill.drop_guard() };
        attached.await.map_err(|_| TmuxError::Lost { sent: false })??;
        let nonce = client.ask(&format!("show-options -qv -t {} {NONCE_OPTION}\n", session.0)).await?;
        client.shared.panes.lock().trust(nonce.trim());
        Ok(client)
    }

    /// Sends one command line and waits for its reply.
    pub(super) async fn ask(&self, line: &str) -> Answer {
        self.shared.ask(line).await
    }

    /// Whether it can still be asked, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        self.shared.ended.get().is_none()
    }

    /// How it ended, if it has.
    pub(super) fn farewell(&self) -> Option<Farewell> {
        self.shared.ended.get().copied()
    }

    /// What the session's panes have printed. Not to be held across an await.
    pub(super) fn panes(&self) -> parking_lot::MutexGuard<'_, Panes> {
        self.shared.panes.lock()
    }

    /// Changes whenever a pane has printed something, and when the connection ends.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.shared.news.subscribe()
    }
}

/// Reads until the connection ends, then sees to it that the child is gone.
async fn read(mut child: Group, mut stdout: ChildStdout, shared: Arc<Shared>, on_over: impl FnOnce()) {
    let mut parser = Parser::default();
    let mut farewell = None;
    let mut buffer = vec![0; 64 * 1024];
    while farewell.is_none() {
        let read = tokio::select! {
            biased;
            () = shared.kill.cancelled() => break,
            read = stdout.read(&mut buffer) => read,
        };
        let Ok(count @ 1..) = read else { break };
        let mut printed = false;
        parser.push(&buffer[..count], |event| match event {
            _ if farewell.is_some() => {}
            Event::Output { pane, bytes } => {
                shared.panes.lock().printed(&pane, &bytes);
                printed = true;
            }
            Event::Reply { ours, success, text } => {
                if !shared.answer(ours, success, &text) {
                    tracing::warn!("tmux sent a reply that nobody asked for; the connection is dropped");
                    farewell = Some(Farewell::Lost);
                }
            }
            Event::Paused { pane } => {
                shared.panes.lock().skipped(&pane);
                printed = true;
                let shared = Arc::clone(&shared);
                // Ends with its answer, or with the connection.
                tokio::spawn(async move { shared.resume(&pane).await });
            }
            Event::Notification { .. } => {}
            Event::Exit { reason } => {
                tracing::debug!(reason, "tmux ended the control-mode connection");
                farewell = Some(Farewell::SessionOver);
            }
            Event::Broken => {
                tracing::warn!("tmux sent what is not its protocol; the connection is dropped");
                farewell = Some(Farewell::Lost);
            }
        });
        if printed {
            shared.news.send_modify(|count| *count += 1);
        }
    }
    let farewell = farewell.unwrap_or(Farewell::Lost);
    if farewell == Farewell::SessionOver {
        on_over();
    }
    // Set once, here only.
    let _ = shared.ended.set(farewell);
    // Whoever waits learns from the dropped sender that no answer comes.
    *shared.waiting.lock() = Waiting::Closed;
    shared.news.send_modify(|count| *count += 1);
    // It may be gone already; either way it is waited for, so that no zombie stays.
    child.kill();
    let _ = child.wait().await;
}

impl Shared {
    async fn ask(&self, line: &str) -> Answer {
        let mut stdin = self.stdin.lock().await;
        let (answer, reply) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            if matches!(*waiting, Waiting::Closed) {
                return Err(TmuxError::Lost { sent: false });
            }
            *waiting = Waiting::Request(answer);
        }
        let unanswered = self.kill.clone().drop_guard();
        // The newline is the last byte: a line that could not be written whole is not carried out.
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return Err(TmuxError::Lost { sent: false });
        }
        let answer = reply.await.unwrap_or(Err(TmuxError::Lost { sent: true }));
        if !matches!(answer, Err(TmuxError::Lost { .. })) {
            unanswered.disarm();
        }
        answer
    }

    /// Has tmux go on with a pane that it paused. A connection that doesn't answer is of no use.
    async fn resume(&self, pane: &str) {
        let line = format!("refresh-client -A {}\n", quote(&format!("{pane}:continue")));
        let answer = tokio::time::timeout(RESUME_DUE, self.ask(&line)).await;
        tracing::debug!(pane, ?answer, "a pane printed faster than it could be read");
    }

    /// Gives a reply to whom it belongs; false if it belongs to nobody.
    fn answer(&self, ours: bool, success: bool, text: &[u8]) -> bool {
        let mut waiting = self.waiting.lock();
        let sender = match (std::mem::replace(&mut *waiting, Waiting::Nobody), ours) {
            (Waiting::Attach(sender), _) | (Waiting::Request(sender), true) => sender,
            // tmux ran something by itself, such as a hook.
            (other, false) => {
                *waiting = other;
                return true;
            }
            (Waiting::Nobody | Waiting::Closed, true) => return false,
        };
        let text = String::from_utf8_lossy(text).into_owned();
        let answer = if success { Ok(text) } else { Err(TmuxError::Refused(Refusal::from_message(&text))) };
        // Nobody waits any more: the request was given up.
        let _ = sender.send(answer);
        true
    }
}

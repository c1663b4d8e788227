//! The control socket's side that listens.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::protocol::{ByHand, ChainStanding, Delivery, LONGEST_LINE, Request, Response, Status};
use crate::breaker::Registry;
use crate::conversation::Input;
use crate::domain::{
    BoxFuture, Degradation, Event, Failure, Forgotten, ListeningChange, Record, Selection, Utterance,
};
use crate::redact::Redactor;

/// Clients at the same time; one more waits until another goes.
const CLIENTS: usize = 16;

/// The control socket can't be had.
#[derive(Debug, thiserror::Error)]
#[error("the control socket can't be opened: {0}")]
pub struct ControlError(#[from] std::io::Error);

/// What a search of the history will find.
pub type Searched = BoxFuture<'static, Result<Vec<Record>, Failure>>;

/// Everything that the socket reaches.
pub struct Control {
    /// Into the conversation.
    pub inbox: mpsc::Sender<Input>,
    /// Out of it.
    pub events: broadcast::Sender<Event>,
    /// The breakers.
    pub registry: Arc<Registry>,
    /// Tells what the database has not been given.
    pub delivery: Box<dyn Fn() -> Option<Delivery> + Send + Sync>,
    /// Tells which tier of each chain is in use.
    pub chains: Box<dyn Fn() -> Vec<ChainStanding> + Send + Sync>,
    /// Forgets turns of the history.
    pub forget: Box<dyn Fn(Selection) -> BoxFuture<'static, Result<Forgotten, Failure>> + Send + Sync>,
    /// Searches what is not on disk yet.
    pub unsaved: Box<dyn Fn(Option<String>, u32) -> Searched + Send + Sync>,
    /// Takes secrets out of what goes out.
    pub(crate) redactor: Arc<Redactor>,
}

/// Removes the socket on the way out.
struct Unlink(PathBuf);

impl Drop for Unlink {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Control {
    /// Serves until it is cancelled. Whoever calls holds the [`Lock`](super::Lock), so a socket
    /// that is found here was left by a dead process.
    ///
    /// # Errors
    /// When the socket can't be bound.
    pub async fn serve(self, path: &Path, cancel: CancellationToken) -> Result<(), ControlError> {
        // It need not be there.
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path)?;
        let _unlink = Unlink(path.to_owned());
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
        let control = Arc::new(self);
        let places = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let stream = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a control connection could not be accepted");
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                        continue;
                    }
                },
            };
            if !is_same_user(&stream) {
                tracing::warn!("a control connection of another user was refused");
                continue;
            }
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
            let (control, cancel) = (Arc::clone(&control), cancel.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    result = control.attend(stream) => if let Err(error) = result {
                        tracing::debug!(%error, "a control client went");
                    }
                }
                drop(place);
            });
        }
    }

    async fn attend(&self, stream: UnixStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        while let Some(line) = next_line(&mut read).await? {
            match serde_json::from_slice::<Request>(&line) {
                Ok(Request::Watch) => return self.watch(&mut write).await,
                Ok(Request::Do { text, yes, spoken }) => {
                    let response = self.turn(Utterance::sent(text, spoken, yes)).await;
                    self.send(&mut write, response).await?;
                }
                Ok(Request::Status) => {
                    let response = self.status().await;
                    self.send(&mut write, response).await?;
                }
                Ok(Request::Listen { change }) => {
                    let response = self.listen(change).await;
                    self.send(&mut write, response).await?;
                }
                Ok(Request::Forget { selection }) => {
                    let response = match (self.forget)(selection).await {
                        Ok(forgotten) => {
                            // The conversation may be over.
                            let _ = self.inbox.send(Input::Forgotten).await;
                            Response::Forgotten(forgotten)
                        }
                        Err(failure) => Response::Error { what: failure.what },
                    };
                    self.send(&mut write, response).await?;
                }
                Ok(Request::Unsaved { search, limit }) => {
                    let response = match (self.unsaved)(search, limit).await {
                        Ok(records) => Response::Unsaved { records },
                        Err(failure) => Response::Error { what: failure.what },
                    };
                    self.send(&mut write, response).await?;
                }
                Ok(Request::Breaker { name, hand }) => {
                    let response = self.by_hand(&name, &hand);
                    self.send(&mut write, response).await?;
                }
                Err(error) => {
                    let what = format!("this request is not understood: {error}");
                    self.send(&mut write, Response::Error { what }).await?;
                }
            }
        }
        Ok(())
    }

    async fn watch(&self, write: &mut OwnedWriteHalf) -> std::io::Result<()> {
        let mut events = self.events.subscribe();
        loop {
            match events.recv().await {
                Ok(event) => self.send(write, Response::Event(Box::new(event))).await?,
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    let what = format!("{missed} events were missed: this client reads too slowly");
                    self.send(write, Response::Error { what }).await?;
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            }
        }
    }

    /// Sends without secrets. Only an answer goes as it is: to whoever asked, who must see what a "yes" would do.
    async fn send(&self, write: &mut OwnedWriteHalf, response: Response) -> std::io::Result<()> {
        let response = match response {
            answer @ Response::Answer { .. } => answer,
            other => self.redactor.all_of(&other).unwrap_or_else(|| Response::Error {
                what: "this can't be shown without the secrets in it".into(),
            }),
        };
        let mut line = serde_json::to_vec(&response)?;
        line.push(b'\n');
        write.write_all(&line).await
    }

    fn by_hand(&self, name: &str, hand: &ByHand) -> Response {
        let Some(breaker) = self.registry.get(name) else {
            let names: Vec<String> = self.registry.health().into_keys().collect();
            let what = format!("there is no breaker \"{name}\", but {}", names.join(", "));
            return Response::Error { what };
        };
        match hand {
            ByHand::Isolate => breaker.isolate(),
            ByHand::Disable => breaker.disable(),
            ByHand::Reset => breaker.reset(),
            ByHand::Set(change) => {
                let mut settings = breaker.settings();
                change.apply(&mut settings);
                if let Err(error) = breaker.configure(settings) {
                    return Response::Error { what: error.to_string() };
                }
            }
        }
        tracing::info!(name, ?hand, "a breaker was changed by hand");
        Response::Breaker(Box::new(breaker.snapshot()))
    }

    async fn listen(&self, change: Option<ListeningChange>) -> Response {
        let (answer, answered) = oneshot::channel();
        let sent = self.inbox.send(Input::Listen { change, answer: Some(answer) }).await.is_ok();
        match answered.await {
            Ok(Some(listening)) if sent => Response::Listening(listening),
            Ok(None) => Response::Error { what: "the microphone is muted".into() },
            _ => Response::Error { what: "voice-terminal is going down".into() },
        }
    }

    async fn turn(&self, utterance: Utterance) -> Response {
        let (answer, answered) = oneshot::channel();
        let sent = self.inbox.send(Input::Utterance { utterance, answer: Some(answer) }).await.is_ok();
        match answered.await {
            Ok(reply) if sent => Response::Answer { reply },
            _ => Response::Error { what: "voice-terminal is going down".into() },
        }
    }

    async fn status(&self) -> Response {
        let (answer, answered) = oneshot::channel();
        let sent = self.inbox.send(Input::Standing(answer)).await.is_ok();
        match answered.await {
            Ok(standing) if sent => Response::Status(Box::new(Status {
                version: env!("CARGO_PKG_VERSION").into(),
                pid: std::process::id(),
                chains: in_use((self.chains)(), &standing.degradations),
                standing,
                breakers: self.registry.snapshots(),
                delivery: (self.delivery)(),
                tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
            })),
            _ => Response::Error { what: "voice-terminal is going down".into() },
        }
    }
}

/// The chains, as the breakers show them and as the conversation has found them: a microphone that
/// isn't there opens no breaker.
fn in_use(mut chains: Vec<ChainStanding>, degradations: &[Degradation]) -> Vec<ChainStanding> {
    for chain in &mut chains {
        if let Some(degraded) = degradations.iter().find(|degraded| degraded.chain == chain.chain) {
            chain.in_use.clone_from(&degraded.now);
        }
    }
    chains
}

fn is_same_user(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::getuid().as_raw())
}

/// The next line; an error if it is longer than any request.
async fn next_line(read: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let length = read.take(LONGEST_LINE as u64).read_until(b'\n', &mut line).await?;
    match length {
        0 => Ok(None),
        LONGEST_LINE if line.last() != Some(&b'\n') => {
            Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "the line is too long"))
        }
        _ => Ok(Some(line)),
    }
}

//! The control socket's side that asks.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::protocol::{Request, Response};

/// How long to wait for a connection: somebody who is there accepts at once.
const CONNECT: Duration = Duration::from_secs(2);

/// A connection to a running voice-terminal.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("voice-terminal is not running")]
    NotRunning,
    /// Somebody is there and doesn't answer.
    #[error("voice-terminal does not answer")]
    Silent,
    /// It was there, and went.
    #[error("voice-terminal went away")]
    Gone,
    /// It answers in another version's words.
    #[error("the running voice-terminal speaks another version")]
    Foreign,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        match timeout(CONNECT, UnixStream::connect(path)).await {
            Ok(Ok(stream)) => Ok(Self { stream: BufReader::new(stream) }),
            Ok(Err(_)) => Err(ClientError::NotRunning),
            Err(_) => Err(ClientError::Silent),
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ask(&mut self, request: &Request) -> Result<Response, ClientError> {
        let mut line = serde_json::to_vec(request).map_err(|_| ClientError::Foreign)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).await.map_err(|_| ClientError::Gone)?;
        self.next().await
    }

    /// The next line of a watch.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn next(&mut self) -> Result<Response, ClientError> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await {
            Ok(0) | Err(_) => Err(ClientError::Gone),
            Ok(_) => serde_json::from_str(&line).map_err(|_| ClientError::Foreign),
        }
    }
}

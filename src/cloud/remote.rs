//! A service at its place, behind the gate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{CloudError, Cost, Gate, Request, Server, Use};
use crate::breaker::Unready;

/// What one service is asked, and what its answers mean. Pure: its format is tested without a network.
pub trait Service<Q: ?Sized, T>: Send + Sync {
    /// The request for this.
    fn request(&self, what: &Q) -> Request;
    /// What an answer means; `None` if it is none.
    fn answer(&self, bytes: Vec<u8>) -> Option<T>;
    /// Whether it is an answer that says that the service failed.
    fn tells_failure(&self, _bytes: &[u8]) -> bool {
        false
    }
}

/// Nobody is believed who wants more.
const LONGEST_REST: Duration = Duration::from_hours(24);

/// A service at its place.
pub struct Remote<Q: ?Sized, T> {
    server: Server,
    service: Box<dyn Service<Q, T>>,
    cost: Box<dyn Fn(&Q) -> Cost + Send + Sync>,
    gate: Arc<Gate>,
    using: Use,
    own: bool,
    /// Until when it wants to be left alone.
    rests: Mutex<Option<Instant>>,
}

impl<Q: ?Sized, T> Remote<Q, T> {
    /// This service on this server. One that is the user's `own` is no cloud: it doesn't pass the gate.
    pub fn new(
        server: Server,
        service: Box<dyn Service<Q, T>>,
        cost: Box<dyn Fn(&Q) -> Cost + Send + Sync>,
        gate: Arc<Gate>,
        using: Use,
        own: bool,
    ) -> Self {
        Self { server, service, cost, gate, using, own, rests: Mutex::default() }
    }

    /// Whether it may be asked.
    ///
    /// # Errors
    /// Why not.
    pub fn ready(&self) -> Result<(), Unready> {
        let now = Instant::now();
        if let Some(rest) = (*self.rests.lock()).and_then(|until| until.checked_duration_since(now)) {
            let (who, seconds) = (self.server.who(), rest.as_secs() + 1);
            return Err(Unready(format!("{who} wants to be left alone for another {seconds} s")));
        }
        if self.own {
            return Ok(());
        }
        self.gate.look()?;
        self.server.ready()
    }

    /// Asks it. Dropping the future ends the request.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn ask(&self, what: &Q) -> Result<T, CloudError> {
        if self.own {
            self.gate.announce_own(&self.using);
        } else {
            self.gate.pass(&self.using, self.server.host(), (self.cost)(what)).await?;
        }
        let asked = self.server.ask(self.service.request(what)).await;
        if let Err(CloudError::Busy { retry_after: Some(after), .. }) = &asked {
            // The breaker would heed it only once it opens.
            *self.rests.lock() = Instant::now().checked_add(*after.min(&LONGEST_REST));
        }
        let bytes = asked?;
        if self.service.tells_failure(&bytes) {
            return Err(CloudError::Failed { who: self.server.who() });
        }
        self.service.answer(bytes).ok_or(CloudError::Garbage { who: self.server.who() })
    }
}

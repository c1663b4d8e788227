//! Notices when a sound server moves the stream to another source.
//!
//! **Why.** When a microphone is unplugged, the server moves its streams to whatever source is left,
//! and says so to nobody whom the library would tell. That may be the monitor of the loudspeaker, and
//! then every film that is played could give commands.
//!
//! **Mechanics.** A thread asks the server, over the connection that the stream has anyway, every
//! [`LOOK`]. That is less than the silence that ends an utterance by default, so that one that was
//! heard after the move is not complete before the move is known, and is dropped.
//!
//! **Limits.** A stream that the user moves by hand is not noticed: it was asked for.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::device::{Place, SoundSystem};

/// How often to look.
const LOOK: Duration = Duration::from_millis(500);

/// Watches until it is dropped. Dropping it waits for a look that is under way, for as long as the
/// server doesn't answer.
pub(super) struct Whereabouts {
    released: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Whereabouts {
    /// Calls `moved` once when a stream may not be in its place any more.
    pub(super) fn watch(system: SoundSystem, place: Place, moved: impl FnOnce() + Send + 'static) -> Self {
        let (released, ended) = channel();
        let look = move || {
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                // A server that doesn't say has gone, which the stream notices by itself.
                if system.holds(&place) == Some(false) {
                    return moved();
                }
            }
        };
        let spawned = thread::Builder::new().name("audio-place".into()).spawn(look);
        let thread =
            spawned.inspect_err(|error| tracing::warn!(%error, "no thread to watch the microphone on"));
        Self { released: Some(released), thread: thread.ok() }
    }
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        drop(self.released.take());
        if let Some(thread) = self.thread.take() {
            // It may have panicked in the library; then it has ended all the same.
            let _ = thread.join();
        }
    }
}

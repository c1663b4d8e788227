//! Signals, and the order of going down.
//!
//! The first SIGINT or SIGTERM cancels the token that everything was started with: nothing new is
//! accepted, the turn under way is ended and marked in the journal, an inserted line is taken back,
//! children are killed, the socket is removed. A second signal leaves at once.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long going down in order may take. What hangs longer is left behind.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// The exit code of a program that was ended by a signal: 128 + SIGINT.
const BY_SIGNAL: i32 = 130;

/// A token that the first signal cancels; the second ends the process at once, after `restore`.
///
/// # Errors
/// When the signal handlers can't be installed.
pub fn on_signals(restore: impl Fn() + Send + 'static) -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let cancelled = token.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            if cancelled.is_cancelled() {
                restore();
                std::process::exit(BY_SIGNAL);
            }
            cancelled.cancel();
        }
    });
    Ok(token)
}

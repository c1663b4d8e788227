//! The terminal that we were started in: left as it was found.

use std::sync::OnceLock;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

static FOUND: OnceLock<Option<Termios>> = OnceLock::new();

/// Remembers how the terminal is set. Called before anything changes it.
pub(super) fn remember() {
    FOUND.get_or_init(|| tcgetattr(rustix::stdio::stdin()).ok());
}

/// Sets the terminal as it was found; does nothing if it was never changed. The line editor's
/// thread may be ended in the middle of a line, and then nobody else would.
pub fn restore() {
    if let Some(Some(found)) = FOUND.get() {
        // There is nobody left to tell.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, found);
    }
}

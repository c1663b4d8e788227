//! How a pane's terminal is set, which tells what the program in front does with it. Looking changes
//! nothing, and takes microseconds.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::termios::{LocalModes, tcgetattr};

/// How it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Modes {
    /// The kernel edits lines; a program that edits them itself, or takes keys, has switched that off.
    pub(super) canonical: bool,
    /// What is typed is shown by the kernel.
    pub(super) echo: bool,
}

/// How this terminal is set; `None` if it can't be looked at, such as another user's.
pub(super) fn modes(tty: &Path) -> Option<Modes> {
    if !tty.starts_with("/dev") {
        return None;
    }
    // It must neither become ours nor wait for anything.
    let flags = (OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let file = File::options().read(true).custom_flags(flags.cast_signed()).open(tty).ok()?;
    let modes = tcgetattr(file).ok()?.local_modes;
    Some(Modes { canonical: modes.contains(LocalModes::ICANON), echo: modes.contains(LocalModes::ECHO) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_tells_nothing() {
        for path in ["/dev/null", "/etc/passwd", "", "/dev/pts/99999"] {
            assert_eq!(modes(Path::new(path)), None, "{path}");
        }
    }
}

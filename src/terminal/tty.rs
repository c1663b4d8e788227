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

/// Whether the pane's own first process is the one in front, rather than one that it started. `None` where
/// that can't be known.
pub(super) fn is_itself_in_front(pid: u32) -> Option<bool> {
    let stat = Stat::read(pid)?;
    Some(stat.group == stat.in_front)
}

/// The name of the program in front where the process that leads it has ended, as the first of a pipeline
/// does: that of another one in its group which the pane's own process has started.
pub(super) fn led_by_none(pid: u32) -> Option<String> {
    let group = Stat::read(pid)?.in_front;
    if Stat::read(u32::try_from(group).ok()?).is_some_and(|leader| leader.state != 'Z') {
        return None;
    }
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let mut children = children.split_whitespace().rev().filter_map(|child| Stat::read(child.parse().ok()?));
    children.find(|child| child.group == group && child.state != 'Z').map(|child| child.name)
}

/// What the system tells of a process.
struct Stat {
    name: String,
    state: char,
    group: i32,
    /// The group that is in front on its terminal.
    in_front: i32,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything. After it: state, parent, group, session, terminal, group in front.
        let (head, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        Some(Self {
            name: head.split_once('(')?.1.to_owned(),
            state: fields.next()?.chars().next()?,
            group: fields.nth(1)?.parse().ok()?,
            in_front: fields.nth(2)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_tells_nothing() {
        for path in ["/dev/null", "/etc/passwd", "", "/dev/pts/99999"] {
            assert_eq!(modes(Path::new(path)), None, "{path}");
        }
        assert_eq!((is_itself_in_front(u32::MAX), led_by_none(u32::MAX)), (None, None));
        assert_eq!(Stat::read(std::process::id()).map(|stat| stat.state != 'Z'), Some(true));
    }
}

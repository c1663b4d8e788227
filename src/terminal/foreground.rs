//! The program in front of a pane's shell, as the system knows it.
//!
//! Linux only: `/proc` tells which process group has the terminal. It costs a few reads of files that are
//! no files, and changes nothing.

use std::fs;
use std::time::Duration;

/// The kernel counts in hundredths of a second for everybody who reads `/proc`.
const TICKS: u64 = 100;
/// A command line is told by its beginning.
const LONGEST: usize = 200;

/// The program that has a pane's terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreground {
    /// It is what the pane was made with, mostly its shell, rather than something that was started by that.
    pub(super) is_itself: bool,
    /// Its command line, its path without the directories.
    pub(super) command: String,
    /// For how long it has run.
    pub(super) since: Option<Duration>,
    /// It computes, or waits for a disk; whoever asks something doesn't.
    pub(super) is_busy: bool,
}

impl Foreground {
    /// What has the terminal of the pane with this first process; `None` where that can't be known.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let (front, stat) = in_front(pid)?;
        let line = fs::read(format!("/proc/{front}/cmdline")).ok()?;
        Some(Self {
            is_itself: front == pid,
            command: command(&line)?,
            since: uptime().map(|up| up.saturating_sub(stat.began)),
            is_busy: matches!(stat.state, 'R' | 'D'),
        })
    }
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
    let (front, stat) = in_front(pid)?;
    (i64::from(front) != i64::from(stat.group)).then_some(stat.name)
}

/// The process that leads the group in front; if it has ended, another one of it.
fn in_front(pid: u32) -> Option<(u32, Stat)> {
    let group = Stat::read(pid)?.in_front;
    let leader = u32::try_from(group).ok()?;
    if let Some(stat) = Stat::read(leader).filter(Stat::lives) {
        return Some((leader, stat));
    }
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let children = children.split_whitespace().rev().filter_map(|child| child.parse().ok());
    let mut children = children.filter_map(|child| Some((child, Stat::read(child)?)));
    children.find(|(_, stat)| stat.group == group && stat.lives())
}

fn command(line: &[u8]) -> Option<String> {
    let words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let mut words = words.filter(|word| !word.is_empty());
    let program = words.next()?;
    let mut command = program.rsplit('/').next().unwrap_or(&program).to_owned();
    for word in words {
        command.push(' ');
        command.push_str(&word);
    }
    Some(super::strip::clean(&command).chars().take(LONGEST).collect())
}

fn uptime() -> Option<Duration> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What the system tells of a process.
struct Stat {
    name: String,
    state: char,
    group: i32,
    /// The group that is in front on its terminal.
    in_front: i32,
    /// When it began, from the start of the system.
    began: Duration,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        // The name may hold anything. After it: state, parent, group, session, terminal, group in front.
        let (head, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks: u64 = fields.get(19)?.parse().ok()?;
        Some(Self {
            name: head.split_once('(')?.1.to_owned(),
            state: fields.first()?.chars().next()?,
            group: fields.get(2)?.parse().ok()?,
            in_front: fields.get(5)?.parse().ok()?,
            began: Duration::from_millis(ticks.saturating_mul(1000 / TICKS)),
        })
    }

    fn lives(&self) -> bool {
        self.state != 'Z'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read() {
        let line = "77 (a b) c)) S 1 70 70 34817 90 4194560 1 0 0 0 3 4 0 0 20 0 1 0 4200 1 2 3";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.name.as_str(), stat.state, stat.group, stat.in_front), ("a b) c)", 'S', 70, 90));
        assert_eq!(stat.began, Duration::from_secs(42));
        assert!(Stat::parse("1 (x) S 1").is_none() && Stat::parse("").is_none());
        assert_eq!(command(b"/usr/bin/cargo\0test\0--lib\0").as_deref(), Some("cargo test --lib"));
        assert_eq!(command(b""), None);
    }

    #[test]
    fn of_nobody_nothing_is_told() {
        assert_eq!((is_itself_in_front(u32::MAX), led_by_none(u32::MAX)), (None, None));
        assert_eq!(Foreground::of(u32::MAX), None);
        assert!(Stat::read(std::process::id()).is_some_and(|stat| stat.lives()));
    }
}

//! The program in front of a pane's shell, as the system knows it.
//!
//! Linux only: `/proc` tells which process group has the terminal. It costs two reads of files that are
//! no files, and changes nothing.

use std::fs;
use std::time::Duration;

/// The kernel counts in hundredths of a second for everybody who reads `/proc`.
const TICKS: u64 = 100;
/// A command line is told by its beginning.
const LONGEST: usize = 200;

/// A program that a shell has put in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreground {
    /// Its command line, its path without the directories.
    pub(super) command: String,
    /// For how long it has run.
    pub(super) since: Option<Duration>,
    /// It computes, or waits for a disk; whoever asks something doesn't.
    pub(super) is_busy: bool,
}

/// Who has the terminal of a pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    /// The process that the pane was made with: mostly its shell.
    Itself,
    /// One that was started by it.
    Other(Foreground),
}

/// Who has the terminal of the pane with this first process; `None` if that can't be known.
pub(super) fn holder(pid: u32) -> Option<Holder> {
    let own = Stat::of(pid)?;
    if own.group == own.in_front {
        return Some(Holder::Itself);
    }
    let front = u32::try_from(own.in_front).ok()?;
    let line = fs::read(format!("/proc/{front}/cmdline")).ok()?;
    let stat = Stat::of(front)?;
    Some(Holder::Other(Foreground {
        command: command(&line)?,
        since: uptime().map(|up| up.saturating_sub(stat.began)),
        is_busy: matches!(stat.state, 'R' | 'D'),
    }))
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

struct Stat {
    state: char,
    group: i32,
    in_front: i32,
    began: Duration,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        // After the name, which may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: u64 = fields.get(19)?.parse().ok()?;
        Some(Self {
            state: fields.first()?.chars().next()?,
            group: fields.get(2)?.parse().ok()?,
            in_front: fields.get(5)?.parse().ok()?,
            began: Duration::from_millis(ticks.saturating_mul(1000 / TICKS)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read() {
        let line = "77 (a b) c)) S 1 70 70 34817 90 4194560 1 0 0 0 3 4 0 0 20 0 1 0 4200 1 2 3";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.group, stat.in_front), ('S', 70, 90));
        assert_eq!(stat.began, Duration::from_secs(42));
        assert!(Stat::parse("1 (x) S 1").is_none() && Stat::parse("").is_none());
        assert_eq!(command(b"/usr/bin/cargo\0test\0--lib\0").as_deref(), Some("cargo test --lib"));
        assert_eq!(command(b""), None);
    }
}

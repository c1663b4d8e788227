//! What the program holds of the machine, and whether that grows.

use std::fs;

use voice_terminal::server::Status;

use super::house;

/// At one moment, with nothing under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub(super) pid: u32,
    /// Resident, in KiB.
    pub(super) memory: u64,
    /// The same of its recogniser and its simple voice together; nothing while there are none.
    pub(super) children: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    pub(super) tasks: u64,
}

/// A name, how it is seen, and by how much it may differ: what an allocator settles by, a stream that is closed soon, a
/// recogniser that has heard nothing yet.
type Kind = (&'static str, fn(&Used) -> u64, u64);
const KINDS: [Kind; 5] = [
    ("memory (KiB)", |used| used.memory, 12 * 1024),
    ("memory of its children (KiB)", |used| used.children, 64 * 1024),
    ("file descriptors", |used| used.descriptors, 6),
    ("threads", |used| used.threads, 4),
    ("tasks", |used| used.tasks, 6),
];

impl Used {
    pub(super) fn of(status: &Status) -> Self {
        let pid = status.pid;
        let field = |name: &str| field(pid, name);
        let children = [house::RECOGNISER, house::ESPEAK].map(|what| house::children(pid, what));
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count) as u64;
        Self {
            pid,
            memory: field("VmRSS:"),
            children: children.iter().flatten().map(|child| self::field(*child, "VmRSS:")).sum(),
            threads: field("Threads:"),
            descriptors,
            tasks: status.tasks as u64,
        }
    }
}

/// What the system tells of a process; nothing of one that has gone.
fn field(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The second quarter and the last of what one process held, and whether the last is more than it may be. `None` where
/// there is too little to tell.
pub(super) fn growth(samples: &[Used]) -> Option<Vec<(&'static str, u64, u64, bool)>> {
    let last = samples.last()?.pid;
    let of_it: Vec<&Used> = samples.iter().filter(|used| used.pid == last).collect();
    let quarter = of_it.len() / 4;
    if quarter < 3 {
        return None;
    }
    let median = |part: &[&Used], see: fn(&Used) -> u64| {
        // Who isn't there holds nothing, and tells nothing.
        let mut values: Vec<u64> = part.iter().map(|used| see(used)).filter(|value| *value > 0).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    };
    let row = |(name, see, slack): Kind| {
        let before = median(&of_it[quarter..2 * quarter], see);
        let after = median(&of_it[of_it.len() - quarter..], see);
        (name, before, after, after > before + slack)
    };
    Some(KINDS.map(row).into())
}

mod tests {
    use super::*;

    #[test]
    fn what_grows_is_seen_and_what_settles_is_not() {
        let used = |n: u64, leak: u64| Used {
            pid: 7,
            memory: 40_000 + leak * n * 1024,
            // It is killed now and then.
            children: if n.is_multiple_of(5) { 0 } else { 90_000 + leak * n * 4096 },
            descriptors: 50 + n % 3,
            threads: 20 + leak * n,
            tasks: 30,
        };
        let grown = |leak| {
            let samples: Vec<Used> = (0..40).map(|n| used(n, leak)).collect();
            growth(&samples).unwrap().into_iter().filter(|(.., grew)| *grew).count()
        };
        assert_eq!((grown(0), grown(1)), (0, 3));
        assert!(growth(&[used(1, 0)]).is_none());
    }
}

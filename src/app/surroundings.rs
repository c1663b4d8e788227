//! Names that can be said because something is called so now: looked up beside the conversation, so that nobody
//! who says something waits for it.
//!
//! **Mechanics.** A look is taken after an answer and when somebody begins to speak, at most four times a
//! second: the current pane's directory and the windows (one tmux command), the repository's branches, the
//! directories. Command lines come from the history once, and then as they are run. What was found is there for
//! the next utterance.
//!
//! **Limits.** What was made by hand since the last look is not known yet. Of everything the first
//! [`MOST`] are known. A network file system that hangs keeps the last look, and takes one thread.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::domain::{Action, Command, Event, Journal, LiveNames, Record, Terminal, Tone};

/// Of branches, of directories, and of command lines.
const MOST: usize = 512;
/// Turns of the history that are looked through for command lines.
const TURNS: u32 = 200;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// A file that lists branches is no longer than that.
const LONGEST_LIST: u64 = 1 << 20;
/// How deep branches lie in branches: `feature/voice/grammar`.
const DEEPEST: usize = 4;

/// Looks for names until the conversation is over.
pub(super) async fn survey(
    terminal: Arc<dyn Terminal>,
    journal: Arc<dyn Journal>,
    mut events: broadcast::Receiver<Event>,
    names: watch::Sender<Arc<LiveNames>>,
) {
    let mut commands: VecDeque<String> = VecDeque::new();
    if let Ok(records) = journal.search(None, TURNS).await {
        for line in records.iter().rev().filter_map(line_of) {
            remember(&mut commands, line);
        }
    }
    let tell_lines = |commands: &VecDeque<String>| {
        names.send_modify(|names| Arc::make_mut(names).commands = commands.iter().cloned().collect());
    };
    tell_lines(&commands);
    let mut next_look = Instant::now();
    let mut is_due = false;
    // Where nothing answers, nobody asks on.
    let mut serves = false;
    loop {
        let event = tokio::select! {
            event = events.recv() => Some(event),
            () = tokio::time::sleep_until(next_look), if is_due => None,
        };
        match event {
            None => {}
            Some(Ok(Event::Acting { command: Command { action: Action::Submit { text }, .. }, .. })) => {
                remember(&mut commands, &text);
                tell_lines(&commands);
                continue;
            }
            Some(Ok(Event::Replied { reply, .. })) => {
                is_due |= serves || reply.tone != Tone::Problem;
                continue;
            }
            Some(Ok(Event::SpeechStarted)) => {
                is_due |= serves;
                continue;
            }
            Some(Ok(_) | Err(broadcast::error::RecvError::Lagged(_))) => continue,
            Some(Err(broadcast::error::RecvError::Closed)) => return,
        }
        is_due = false;
        next_look = Instant::now() + PAUSE;
        let place = terminal.whereabouts().await;
        serves = place.is_ok();
        let Ok(place) = place else { continue };
        let sessions = terminal.sessions().await.unwrap_or_default();
        let sessions = sessions.into_iter().take(MOST).map(|session| session.name).collect();
        let directory = place.directory;
        let found = tokio::task::spawn_blocking(move || {
            directory.map(|place| (branches(&place), directories(&place)))
        });
        let (branches, directories) = found.await.ok().flatten().unwrap_or_default();
        names.send_modify(|names| {
            let names = Arc::make_mut(names);
            (names.windows, names.branches, names.directories) = (place.windows, branches, directories);
            names.sessions = sessions;
        });
    }
}

/// The newest first, each once.
fn remember(commands: &mut VecDeque<String>, line: &str) {
    commands.retain(|known| known != line);
    commands.push_front(line.to_owned());
    commands.truncate(MOST);
}

fn line_of(record: &Record) -> Option<&str> {
    match &record.command.as_ref()?.command.action {
        Action::Submit { text } => Some(text),
        _ => None,
    }
}

fn directories(place: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let is_directory = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let names = entries
        .take(MOST * 8)
        .flatten()
        .filter(is_directory)
        .filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| can_be_said(name)).take(MOST).collect()
}

/// The branches of the repository that this place is in: loose ones, then packed ones.
fn branches(place: &Path) -> Vec<String> {
    let Some(git) = place.ancestors().map(|above| above.join(".git")).find(|git| git.exists()) else {
        return Vec::new();
    };
    let Some(git) = common(git) else { return Vec::new() };
    let mut found = Vec::new();
    loose(&git.join("refs/heads"), "", 0, &mut found);
    let packed = git.join("packed-refs");
    if std::fs::metadata(&packed).is_ok_and(|file| file.len() <= LONGEST_LIST)
        && let Ok(text) = std::fs::read_to_string(packed)
    {
        let names = text.lines().filter_map(|line| line.split_once(" refs/heads/")).map(|(_, name)| name);
        found.extend(names.map(str::to_owned));
    }
    found.retain(|name| can_be_said(name));
    found.sort();
    found.dedup();
    found.truncate(MOST);
    found
}

/// Where branches are kept: of a worktree, in its repository.
fn common(git: PathBuf) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git);
    }
    let link = std::fs::read_to_string(&git).ok()?;
    let own = git.parent()?.join(link.strip_prefix("gitdir:")?.trim());
    let shared = std::fs::read_to_string(own.join("commondir")).ok()?;
    Some(own.join(shared.trim()))
}

fn loose(place: &Path, above: &str, depth: usize, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.take(MOST).flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if found.len() >= MOST {
            return;
        }
        let name = format!("{above}{name}");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < DEEPEST => {
                loose(&entry.path(), &format!("{name}/"), depth + 1, found);
            }
            Ok(kind) if kind.is_file() => found.push(name),
            _ => {}
        }
    }
}

/// Not hidden, and nothing in it that could hide.
fn can_be_said(name: &str) -> bool {
    !name.starts_with('.') && name.len() <= 100 && !name.chars().any(char::is_control) && name.is_ascii()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn branches_are_found_loose_packed_and_from_a_worktree() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join("repo/.git");
        fs::create_dir_all(git.join("refs/heads/feature")).unwrap();
        fs::write(git.join("refs/heads/main"), "1\n").unwrap();
        fs::write(git.join("refs/heads/feature/login"), "1\n").unwrap();
        fs::write(
            git.join("packed-refs"),
            "# pack\n12 refs/heads/old\n13 refs/tags/v1\n14 refs/heads/main\n",
        )
        .unwrap();
        fs::create_dir_all(dir.path().join("repo/src/deep")).unwrap();
        assert_eq!(branches(&dir.path().join("repo/src/deep")), ["feature/login", "main", "old"]);
        let own = git.join("worktrees/side");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("commondir"), "../..\n").unwrap();
        let side = dir.path().join("side");
        fs::create_dir(&side).unwrap();
        fs::write(side.join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
        assert_eq!(branches(&side), ["feature/login", "main", "old"]);
        assert!(branches(Path::new("/proc")).is_empty());
        assert_eq!(directories(&dir.path().join("repo")), ["src"], "and not the hidden one");
    }

    #[test]
    fn a_line_is_remembered_once_and_the_newest_comes_first() {
        let mut commands = VecDeque::new();
        for line in ["ls", "make", "ls"] {
            remember(&mut commands, line);
        }
        assert_eq!(commands, ["ls", "make"]);
        (0..2 * MOST).for_each(|line| remember(&mut commands, &line.to_string()));
        assert_eq!(commands.len(), MOST);
    }
}

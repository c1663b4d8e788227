//! A child process that can't be left behind.
//!
//! It gets a process group of its own, so that its children go with it; dropping the handle kills
//! the whole group, and the runtime reaps it. A polite end is TERM first, KILL when that isn't obeyed.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// A child and everything that it starts.
#[derive(Debug)]
pub struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    /// Starts the command in a process group of its own.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, id })
    }

    /// Its process identifier, which is its group's too.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its standard input, if that was piped and not yet taken.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, if that was piped and not yet taken.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Its standard error, if that was piped and not yet taken.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits for its end. Cancel-safe.
    ///
    /// # Errors
    /// When the operating system can't tell.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        // Reaped: the number may be somebody else's from now on.
        self.id = None;
        Ok(status)
    }

    /// Ends it: TERM, and KILL if it is still there after `grace`.
    pub async fn stop(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(grace, self.wait()).await.is_err() {
            self.kill();
            // A killed process ends; if it can't be waited for, the runtime reaps it later.
            let _ = self.wait().await;
        }
    }

    /// Kills it and everything that it started, at once.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // It may have ended by itself.
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::{AsyncBufReadExt, BufReader};

    use super::*;

    fn alive(pid: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    async fn sleeping() -> (Group, i32) {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; sleep 100 & echo $!; wait; wait"]).stdout(Stdio::piped());
        let mut group = Group::spawn(command).unwrap();
        let mut lines = BufReader::new(group.take_stdout().unwrap()).lines();
        let grandchild = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        (group, grandchild)
    }

    async fn gone(pid: i32) -> bool {
        for _ in 0..200 {
            if !alive(pid) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn dropping_it_takes_its_children_with_it() {
        let (group, grandchild) = sleeping().await;
        assert!(alive(grandchild));
        drop(group);
        assert!(gone(grandchild).await);
    }

    #[tokio::test]
    async fn one_that_does_not_obey_is_killed() {
        let (mut group, grandchild) = sleeping().await;
        group.stop(Duration::from_millis(50)).await;
        assert!(gone(grandchild).await);
    }
}

//! A child process that can't be left behind.
//!
//! It gets a process group of its own, so that its children go with it; dropping the handle kills
//! the whole group, and the runtime reaps it. A polite end is TERM first, KILL when that isn't obeyed.
//!
//! When this program itself is killed, nothing is dropped. For that the kernel is asked to kill the
//! child with its parent. The kernel means the parent *thread*, so all children are started by one
//! thread that never ends. (It does so for the child only: a child that has children of its own
//! should end when its standard input does, too.)

use std::io;
use std::process::ExitStatus;
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, getppid, kill_process_group, set_parent_process_death_signal};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;

/// A child and everything that it starts.
#[derive(Debug)]
pub struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    /// Starts the command in a process group of its own, on the current runtime.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let parent = getpid();
        let die_with_parent = move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // It may have gone before it was asked for.
            if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
        };
        // SAFETY: between fork and exec only two system calls are made, and nothing is allocated.
        unsafe { command.pre_exec(die_with_parent) };
        command.process_group(0).kill_on_drop(true);
        let child = start(command)?;
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

    /// Whether it has ended by itself. Doesn't wait.
    pub fn has_ended(&mut self) -> bool {
        let ended = matches!(self.child.try_wait(), Ok(Some(_)));
        if ended {
            self.id = None;
        }
        ended
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

struct Birth {
    command: Command,
    runtime: Handle,
    answer: mpsc::SyncSender<io::Result<Child>>,
}

/// Has the thread that never ends start the command.
fn start(command: Command) -> io::Result<Child> {
    static NURSERY: LazyLock<io::Result<mpsc::Sender<Birth>>> = LazyLock::new(|| {
        let (births, inbox) = mpsc::channel::<Birth>();
        std::thread::Builder::new().name("children".into()).spawn(move || {
            for Birth { mut command, runtime, answer } in inbox {
                let _runtime = runtime.enter();
                // Whoever asked is waiting for it.
                let _ = answer.send(command.spawn());
            }
        })?;
        Ok(births)
    });
    let gone = || io::Error::other("the thread that starts children has gone");
    let nursery = NURSERY.as_ref().map_err(|error| io::Error::from(error.kind()))?;
    let (answer, child) = mpsc::sync_channel(1);
    nursery.send(Birth { command, runtime: Handle::current(), answer }).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
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
    async fn its_own_end_is_noticed() {
        let mut group = Group::spawn(Command::new("true")).unwrap();
        let ended = async {
            while !group.has_ended() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
    }

    #[tokio::test]
    async fn it_outlives_the_thread_that_asked_for_it() {
        let runtime = Handle::current();
        let asked = std::thread::spawn(move || {
            let _runtime = runtime.enter();
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped());
            Group::spawn(command).unwrap()
        });
        let mut group = asked.join().unwrap();
        let input = group.take_stdin().unwrap();
        // Had it been killed with the thread, this would be a signal's status.
        drop(input);
        assert!(group.wait().await.unwrap().success());
    }

    #[tokio::test]
    async fn what_is_not_there_is_an_error() {
        assert_eq!(
            Group::spawn(Command::new("/no/such/program")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[tokio::test]
    async fn one_that_does_not_obey_is_killed() {
        let (mut group, grandchild) = sleeping().await;
        group.stop(Duration::from_millis(50)).await;
        assert!(gone(grandchild).await);
    }
}

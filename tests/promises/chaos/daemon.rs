//! The program under way, what it tells, and how it is asked: nothing here waits for it without a limit.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use voice_terminal::domain::Event;
use voice_terminal::server::{Request, Response, Status};

/// Something that was told.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) event: Event,
}

/// Everything that was told, by all daemons of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Events(Arc<Mutex<Vec<Seen>>>);

impl Events {
    /// Where what comes from now on begins.
    pub(super) fn now(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// What has come since then.
    pub(super) fn since(&self, mark: usize) -> Vec<Seen> {
        self.0.lock().unwrap()[mark..].to_vec()
    }

    /// Looks for something since then.
    pub(super) fn find<T>(&self, mark: usize, is: impl FnMut(&Seen) -> Option<T>) -> Option<T> {
        self.0.lock().unwrap()[mark..].iter().find_map(is)
    }
}

/// One process of it. Killed when dropped.
pub(super) struct Daemon {
    child: Child,
    complaints: Arc<Mutex<String>>,
}

impl Daemon {
    /// Starts it, as `voice-terminal --json daemon`.
    pub(super) fn start(mut command: Command, events: &Events) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let events = Arc::clone(&events.0);
        std::thread::spawn(move || {
            for line in lines {
                // The last line of one that was killed may be half a line.
                if let Ok(event) = serde_json::from_str(&line) {
                    events.lock().unwrap().push(Seen { at: Instant::now(), event });
                }
            }
        });
        let complaints = Arc::new(Mutex::new(String::new()));
        let (said, mut stderr) = (Arc::clone(&complaints), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            let mut text = String::new();
            // Whatever it complains of is read at its end, or when it is asked for.
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut piece) {
                text.push_str(&String::from_utf8_lossy(&piece[..length]));
                said.lock().unwrap().clone_from(&text);
            }
        });
        Self { child, complaints }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it wrote to standard error.
    pub(super) fn complaints(&self) -> String {
        self.complaints.lock().unwrap().clone()
    }

    pub(super) fn kill(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks the daemon that runs.
#[derive(Debug, Clone)]
pub(super) struct Control(pub(super) PathBuf);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// It didn't get the request.
    NotAsked,
    /// It may have got it.
    Gone,
}

impl Control {
    pub(super) fn ask(&self, request: &Request, patience: Duration) -> Result<Response, NoAnswer> {
        let mut stream = UnixStream::connect(&self.0).map_err(|_| NoAnswer::NotAsked)?;
        stream.set_read_timeout(Some(patience)).unwrap();
        stream.set_write_timeout(Some(patience)).unwrap();
        let line = serde_json::to_string(request).unwrap() + "\n";
        stream.write_all(line.as_bytes()).map_err(|_| NoAnswer::Gone)?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).map_err(|_| NoAnswer::Gone)?;
        serde_json::from_str(&answer).map_err(|_| NoAnswer::Gone)
    }

    pub(super) fn status(&self, patience: Duration) -> Option<Box<Status>> {
        match self.ask(&Request::Status, patience) {
            Ok(Response::Status(status)) => Some(status),
            _ => None,
        }
    }
}

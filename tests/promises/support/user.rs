//! A user of the real program: directories, a configuration and a tmux of their own, all gone with
//! the test.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::models;

/// Long enough for a busy machine; nothing that works takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A user.
pub struct User {
    dir: tempfile::TempDir,
    environment: Vec<(String, String)>,
    /// What starts the program, in place of itself.
    wrapper: Vec<String>,
}

impl User {
    /// One who has the models, bash, and no microphone.
    pub fn new() -> Self {
        let user = Self::without_models();
        let data = user.path("data/voice-terminal");
        fs::create_dir_all(&data).unwrap();
        symlink(models::directory(), data.join("models")).unwrap();
        user
    }

    /// One who has fetched nothing.
    pub fn without_models() -> Self {
        let dir = tempfile::Builder::new().prefix("vt-").tempdir().unwrap();
        let mut user = Self { dir, environment: Vec::new(), wrapper: Vec::new() };
        for (name, place) in [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_RUNTIME_DIR", "run"),
            ("TMUX_TMPDIR", "tmux"),
        ] {
            fs::create_dir(user.path(place)).unwrap();
            fs::set_permissions(user.path(place), PermissionsExt::from_mode(0o700)).unwrap();
            user.set(name, user.path(place).to_str().unwrap());
        }
        // Where there is no sound server, none is looked for.
        user.set("PULSE_SERVER", "unix:/nonexistent");
        // Whoever tests something else is not talked over.
        user.set("VOICE_TERMINAL_AUDIO__OUTPUT", "none");
        user.set("SHELL", "/bin/bash");
        user.set("LANG", "C.UTF-8");
        user.set("TERM", "xterm-256color");
        user.configure("");
        user
    }

    /// A place of theirs.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Their configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.path("config/voice-terminal/config.toml")
    }

    /// Writes their configuration: this, and the tmux socket.
    pub fn configure(&self, toml: &str) {
        fs::create_dir_all(self.path("config/voice-terminal")).unwrap();
        let toml = if toml.contains("[terminal]") {
            toml.replace("[terminal]", "[terminal]\nsocket = \"vt\"")
        } else {
            format!("{toml}\n[terminal]\nsocket = \"vt\"\n")
        };
        fs::write(self.configuration(), toml).unwrap();
    }

    /// Has replies printed only, so that nobody has to wait for their end before speaking.
    pub fn without_voice(&self) {
        self.configure("[audio]\noutput = \"none\"\n");
    }

    /// Sets a variable for everything that is started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Unsets one.
    pub fn unset(&mut self, name: &str) {
        self.environment.retain(|(set, _)| set != name);
    }

    /// Has the program started by another one from now on, in the name of nobody (65534), whom everything belongs
    /// to then. Only root can do that.
    pub fn become_nobody(&mut self, first: &[&str]) {
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        self.wrapper = first.iter().chain(&nobody).map(|&word| word.to_owned()).collect();
        let given = Command::new("chown").args(["-R", "65534:65534"]).arg(self.dir.path()).status().unwrap();
        assert!(given.success());
    }

    /// The program with these arguments, in nothing but the user's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.wrapper.iter().map(OsString::from).chain([program().into()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(arguments).env_clear().current_dir(self.path("home"));
        // What tells everybody that was started for these tests.
        let kept = ["PATH", "VT_TEST_RUN"];
        command.envs(kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Runs the program to its end, with nothing to read.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, b"")
    }

    /// Runs it to its end, with this to read.
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // Whoever doesn't read to the end may be gone before all is written.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran::from(output)
    }

    /// Starts it, and goes on.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Self::begin(self.command(arguments))
    }

    /// Starts it as a person does who sits at a terminal.
    pub fn console(&self) -> Running {
        let mut command = Command::new("script");
        command.args(["-qefc", concat!(env!("CARGO_BIN_EXE_voice-terminal"), " run"), "/dev/null"]);
        command.env_clear().current_dir(self.path("home"));
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.environment.iter().cloned());
        Self::begin(command)
    }

    fn begin(mut command: Command) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    said.lock().unwrap().push_str(&(line + "\n"));
                }
            });
        }
        Running { stdin: child.stdin.take(), child, said }
    }

    /// A daemon that can be reached.
    pub fn daemon(&self) -> Running {
        let mut daemon = self.start(&["daemon"]);
        let deadline = Instant::now() + PATIENCE;
        while !self.run(&["status"]).status.success() {
            assert!(daemon.is_running() && Instant::now() < deadline, "no daemon: {}", daemon.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    /// What anybody could ask of the user's tmux.
    pub fn tmux(&self, words: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-L", "vt"]).args(words).env("TMUX_TMPDIR", self.path("tmux")).env_remove("TMUX");
        let output = tmux.stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The history, newest first.
    pub fn history(&self) -> Vec<serde_json::Value> {
        let ran = self.run(&["history", "--json"]);
        assert!(ran.status.success(), "{ran:?}");
        ran.json()
    }

    /// What it heard, and knew neither for its own voice nor for nothing.
    pub fn spoken(&self) -> Vec<serde_json::Value> {
        let is_speech = |record: &serde_json::Value| {
            let unanswered = ["it was the program's own voice", "nothing was said"];
            record["origin"] == "microphone" && !unanswered.iter().any(|why| record["abandoned"] == *why)
        };
        self.history().into_iter().filter(is_speech).collect()
    }

    /// Every process that was started in this user's name and still runs.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let mark = format!("HOME={}", self.path("home").display());
        let pids =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let theirs = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        let name = |pid: u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            (pid, String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned())
        };
        pids.filter(theirs).map(name).collect()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is printed is text");
        Self { status: output.status, out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// Its exit code.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Standard output, line by line, as JSON.
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// The program under way. Killed with everything in its group if a test forgets it.
pub struct Running {
    child: Child,
    /// Held open: its end would be a command.
    stdin: Option<ChildStdin>,
    said: Arc<Mutex<String>>,
}

impl Running {
    /// Everything that it has printed, on both streams.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Types this.
    pub fn enter(&mut self, keys: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).and_then(|()| stdin.flush()).unwrap();
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has printed this.
    pub fn until(&mut self, what: &str) {
        self.until_times(what, 1);
    }

    /// Waits until it has printed this so many times.
    pub fn until_times(&mut self, what: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.said().matches(what).count() < times {
            assert!(Instant::now() < deadline, "never said {what:?} {times} times:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended in good order.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.pid())]).output();
            let _ = self.child.wait();
        }
    }
}

/// The program that is tested: `VT_TEST_PROGRAM`, or what was built with the tests.
fn program() -> PathBuf {
    std::env::var_os("VT_TEST_PROGRAM")
        .map_or_else(|| env!("CARGO_BIN_EXE_voice-terminal").into(), PathBuf::from)
}

/// Sends a signal to a process.
pub fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).output().unwrap();
    assert!(done.status.success(), "kill -{name} {pid}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Waits until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

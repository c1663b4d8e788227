//! Whatever ends voice, the prompt takes over and says why; and nobody loses what they were typing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::secrets::holds;
use super::support::pulse::Pulse;
use super::support::spoken::say;
use super::support::user::{User, until};

/// From the last word until it is understood, or told that it isn't: the silence behind it, `breakers.voice-stt.timeout` and
/// the length of what was said, and a little.
const UNDERSTOOD: Duration = Duration::from_millis(7_000);

/// The console in a terminal that can be looked at: a tmux of its own.
struct Console<'u> {
    user: &'u User,
}

impl<'u> Console<'u> {
    fn start(user: &'u User) -> Self {
        let program = user.command(&["run"]);
        let set = program.get_envs().filter_map(|(name, value)| {
            Some(format!("{}='{}'", name.to_str().unwrap(), value?.to_str().unwrap()))
        });
        let set = set.collect::<Vec<_>>().join(" ");
        let path = std::env::var("PATH").unwrap();
        let run = concat!(env!("CARGO_BIN_EXE_voice-terminal"), " run");
        let script = format!("#!/bin/sh\nexec env -i {set} PATH='{path}' TERM=screen {run}\n");
        let file = user.path("home/console");
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).unwrap();
        let console = Self { user };
        console.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "110",
            "-y",
            "50",
            file.to_str().unwrap(),
        ]);
        console
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-L", "person"])
            .args(words)
            .env("TMUX_TMPDIR", self.user.path("tmux"))
            .env_remove("TMUX");
        let output = tmux.stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-S", "-200"])
    }

    /// The line at the prompt, and the column of the cursor in it.
    fn line(&self) -> (String, String) {
        let screen = self.screen();
        let line = screen.lines().last().unwrap_or_default().to_owned();
        (line, self.tmux(&["display-message", "-p", "#{cursor_x}"]))
    }

    fn until(&self, what: &str, times: usize) {
        until(what, || self.screen().matches(what).count() >= times);
    }

    /// Waits until the line and the cursor are so: a message is printed in between.
    fn until_line(&self, line: &str, column: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.line() != (line.to_owned(), column.to_owned()) {
            assert!(
                Instant::now() < deadline,
                "{:?} is not {line:?} at {column}:\n{}",
                self.line(),
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }
}

impl Drop for Console<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// Whether a screen shows this, however it is wrapped.
fn says(screen: &str, what: &str) -> bool {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    bare(screen).contains(&bare(what))
}

/// The figures are printed: `cargo test --test promises text_mode -- --nocapture`.
#[test]
fn a_half_typed_line_outlives_the_microphone_and_the_recogniser() {
    let mut user = User::new();
    user.configure(
        "[audio]\noutput = \"none\"\n[breakers.local-whisper]\nfailure_threshold = 2\nreset_timeout = \"1s\"\n\
         success_threshold = 1\n",
    );
    let mut pulse = Pulse::start(&mut user);
    let list = say(&user.path("home"), "list sessions");
    let console = Console::start(&user);
    console.until("Listening.", 1);
    console.keys(&["-l", "new session hal"]);
    console.keys(&["Left", "Left", "Left"]);
    let (line, column) = (" » new session hal", "15");
    console.until_line(line, column);

    // The microphone goes.
    let killed = Instant::now();
    pulse.kill();
    console.until("Text mode: type what you would say.", 1);
    let degraded = killed.elapsed();
    println!("the sound server killed: text mode shown after {degraded:?}");
    assert!(degraded < Duration::from_secs(1), "a server that dies tells so by that: {degraded:?}");
    console.until_line(line, column);
    let screen = console.screen();
    assert!(says(&screen, "! The sound server has gone; type instead."), "it says why: {screen}");
    pulse.begin();
    console.until("I hear you again", 1);
    console.until_line(line, column);
    pulse.play(&list);
    console.until("you: ", 1);
    console.until_line(line, column);

    // The recogniser goes, as often as it comes back.
    let program = env!("CARGO_BIN_EXE_voice-terminal");
    let (parent, _) =
        user.processes().into_iter().find(|(_, line)| *line == format!("{program} run")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let executioner = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                workers(parent).into_iter().for_each(kill);
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    };
    let is_text = || console.screen().matches("Text mode").count() == 2;
    let mut degraded = None;
    // A microphone that has just come back may miss the first.
    for _ in 0..3 {
        pulse.play(&list);
        let spoken = Instant::now();
        until("text mode, or nothing heard", || is_text() || spoken.elapsed() > UNDERSTOOD);
        degraded = is_text().then(|| spoken.elapsed());
        if degraded.is_some() {
            break;
        }
    }
    println!(
        "the recogniser killed whenever it came: text mode shown {degraded:?} after the end of the words"
    );
    assert!(degraded.is_some_and(|degraded| degraded < UNDERSTOOD), "{}", console.screen());
    let screen = console.screen();
    let reasons = ["The recogniser crashed", "The recogniser can't be started", "Speech recognition is down"];
    let reason = reasons.iter().any(|why| says(&screen, &format!("could not turn it into words: {why}")));
    assert!(reason, "it says why: {screen}");
    console.until_line(line, column);
    stop.store(true, Ordering::Relaxed);
    executioner.join().unwrap();
    // In text mode nobody speaks; that it works again is found out all the same.
    console.until("I understand speech again", 1);
    console.until_line(line, column);
    let heard = console.screen().matches("you: ").count();
    let again = Instant::now();
    while console.screen().matches("you: ").count() == heard {
        assert!(again.elapsed() < Duration::from_secs(60), "{}", console.screen());
        pulse.play(&list);
        std::thread::sleep(Duration::from_millis(1_500));
    }
    console.until_line(line, column);

    // And the line is what it would have been.
    console.keys(&["End", "f", "Enter"]);
    console.until("New session half.", 1);
    assert!(user.tmux(&["list-sessions"]).contains("half:"));
}

#[test]
fn a_half_typed_line_outlives_a_byte_that_is_no_text() {
    let user = User::without_models();
    user.configure("[audio]\ninput = \"none\"\noutput = \"none\"\n");
    let console = Console::start(&user);
    console.until("say or type what you want", 1);
    console.keys(&["-l", "new session hal"]);
    console.keys(&["Left", "Left", "Left"]);
    let (line, column) = (" » new session hal", "15");
    console.until_line(line, column);
    // An é of a terminal that is set to Latin-1; it is known for what it is with the byte behind it.
    for times in 1..=2 {
        console.keys(&["-H", "e9", "78"]);
        console.until("that is not UTF-8 was left out", times);
        console.until_line(line, column);
    }
    console.keys(&["End", "f", "Enter"]);
    console.until("New session half.", 1);
    assert!(user.tmux(&["list-sessions"]).contains("half:"));
    console.keys(&["-l", "list sessions"]);
    console.keys(&["Enter"]);
    until("it goes on", || user.history().len() == 2);
}

/// The recognisers that this process has started.
fn workers(parent: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children = children.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let is_worker =
        |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| holds(&line, "worker\0stt"));
    children.filter_map(|pid| pid.parse().ok()).filter(is_worker).collect()
}

/// It may have ended meanwhile.
fn kill(pid: u32) {
    let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
}

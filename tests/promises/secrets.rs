//! A secret is used as it was meant, and kept nowhere: not in the history, the database, the cache, the log, nor in what
//! others are told.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::support::clouds::Fake;
use super::support::postgres::Server;
use super::support::pulse::Pulse;
use super::support::redis::Redis;
use super::support::user::{User, until};

/// All of these hold it.
const CANARY: &str = "c4nary";
/// Somebody says something.
const SPOKEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/list-sessions.wav");
/// Words that no rule knows.
const WORDS: &str = "would be lovely to greet the world";

/// The files below here that hold it.
fn traces(place: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(traces(&path));
        } else if holds(&fs::read(&path).unwrap_or_default(), CANARY) {
            found.push(path);
        }
    }
    found
}

pub(crate) fn holds(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

/// Everything that the control socket tells whoever watches.
fn watch(user: &User) -> Arc<Mutex<String>> {
    let mut stream = UnixStream::connect(user.path("run/voice-terminal/control.sock")).unwrap();
    stream.write_all(b"{\"request\":\"watch\"}\n").unwrap();
    let told = Arc::new(Mutex::new(String::new()));
    let all = Arc::clone(&told);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            all.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_used_and_kept_nowhere() {
    let fake = Fake::start("");
    let server = Server::start().await;
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let mut user = User::without_models();
    user.set("VOICE_TERMINAL_LOG", "debug");
    user.set("GOOGLE_SPEECH_KEY", "KEY");
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    let _pulse = Pulse::without_microphone(&mut user);
    user.configure(&format!(
        "[audio]\ninput = \"none\"\n[speech.stt]\nchain = [\"openai-stt\"]\n\
         [speech.tts]\nchain = [\"cloud-google-tts\"]\n[cloud]\nconsent = true\nrate = 6000\n\
         [cloud.google]\ntts = \"{at}\"\n[cloud.openai]\naddress = \"{at}\"\n\
         [ai]\nendpoints = [\"openai {at} some-model\"]\nscreen = true\n[cache.redis]\nurl = \"{}\"\n\
         [store.postgres]\nprimary = \"{}\"\n",
        redis.url(),
        server.url(),
        at = fake.address()
    ));
    fs::write(user.path("home/.env"), "NAME=ann\nAPI_TOKEN=c4nary-printed-7Q\n").unwrap();
    let daemon = user.daemon();
    let told = watch(&user);

    // Typed; spoken; printed by a program, with its name and without.
    for words in [
        "run echo --token c4nary-typed-7Q",
        "run export BUILD_TOKEN=c4nary-named-7Q",
        "run printenv BUILD_TOKEN",
        "run cat .env",
    ] {
        let ran = user.run(&["do", "--yes", words]);
        assert_eq!(ran.code(), 0, "{words}: {ran:?}");
    }
    let ran = user.run(&["do", "--yes", "run printenv BUILD_TOKEN"]);
    assert!(ran.out.contains("c4nary-named-7Q"), "whoever asks is answered: {ran:?}");
    // Read aloud by a cloud, what was printed without its name, too.
    assert_eq!(user.run(&["do", "read that"]).code(), 0);
    let spoken = || fake.asked("/v1/text:synthesize");
    until("it is read aloud", || spoken().iter().any(|asked| holds(&asked.body, "redacted")));
    let ran = user.run(&["do", "--spoken", "type my password is c4nary seven"]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    // Thought of by an AI, and heard by a cloud.
    fake.says(r#"{"intent":"run","command":"echo --password c4nary-ai-7Q"}"#);
    for time in 1..=2 {
        assert_eq!(user.run(&["do", "cancel"]).code(), 0);
        let ran = user.run(&["do", WORDS]);
        assert!(ran.out.contains("c4nary-ai-7Q"), "what is asked about is seen whole: {ran:?}");
        assert_eq!(fake.asked("/v1/chat").len(), time, "it is not kept");
    }
    let status = user.run(&["status"]);
    let json = user.run(&["--json", "status"]);
    assert!(status.code() == 0 && json.out.contains("echo --password"), "a question is open: {json:?}");
    assert_eq!(user.run(&["do", "cancel"]).code(), 0);
    fake.says("type my password is c4nary spoken");
    let heard = user.run(&["hear", SPOKEN]);
    assert_eq!(heard.code(), 0, "{heard:?}");
    assert_eq!(fake.asked("/v1/audio/transcriptions").len(), 1);
    assert_eq!(user.run(&["say", "It is sk-c4nary0123456789ab now."]).code(), 0);

    // It was used as it was meant.
    let screen = user.tmux(&["capture-pane", "-p", "-J", "-S", "-100", "-t", "main"]);
    for used in ["c4nary-typed-7Q", "c4nary-named-7Q", "c4nary-printed-7Q", "my password is c4nary"] {
        assert!(screen.contains(used), "{used}: {screen}");
    }
    server.until("SELECT count(*) >= 9 FROM voice_terminal.record WHERE reply IS NOT NULL").await;
    let history = user.run(&["--json", "history", "--limit", "100"]);
    assert!(history.out.matches("[redacted]").count() >= 12, "{history:?}");
    let events = told.lock().unwrap().clone();
    assert!(events.contains("echo --token [redacted]") && events.contains("\"replied\""), "{events}");
    for (place, text) in [
        ("the history", history.out),
        ("the database", server.dump()),
        ("the events", events),
        ("the status", status.out + &json.out),
        ("what the daemon prints", daemon.said()),
        ("a search", user.run(&["history", "--search", "token"]).out),
    ] {
        assert!(!text.contains(CANARY), "{place}: {text}");
    }
    // Nor was it sent away.
    let screens = fake.asked("/v1/chat");
    assert!(screens.iter().all(|asked| holds(&asked.body, "printenv BUILD_TOKEN")), "{screens:?}");
    for asked in fake.asked("") {
        assert!(!holds(&asked.body, CANARY), "{}: {:?}", asked.path, String::from_utf8_lossy(&asked.body));
    }
    for asked in spoken() {
        // As it is read out.
        assert!(!holds(&asked.body, "nary"), "{:?}", String::from_utf8_lossy(&asked.body));
    }
    let keys = redis.keys();
    assert!(!keys.is_empty());
    for key in keys {
        assert!(!redis.cli(&["--raw", "get", &key]).contains(CANARY), "{key}");
    }
    let journal = user.path("state/voice-terminal/journal.sqlite");
    assert!(fs::metadata(&journal).unwrap().len() > 0, "the journal is looked at, too");
    for place in ["state", "run", "config", "data"] {
        assert_eq!(traces(&user.path(place)), Vec::<PathBuf>::new(), "{place}");
    }
    drop(daemon);
    assert_eq!(traces(&user.path("state")), Vec::<PathBuf>::new(), "nor after its end");
}

/// The part of an answer that is shown tells nothing of it, and the history has seen the rest.
#[test]
fn what_was_named_out_of_sight_is_known_to_all_that_keep_or_print() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let mut user = User::without_models();
    user.set("API_TOKEN", "c4nary-unseen-7Q");
    user.configure(&format!("[audio]\ninput = \"none\"\n[cache.redis]\nurl = \"{}\"\n", redis.url()));
    // No two of them are alike but for numbers, or they would be shown as one.
    let more: String =
        ('a'..='f').flat_map(|one| ('a'..='i').map(move |two| format!("NAME=ann{one}{two}\n"))).collect();
    fs::write(user.path("home/.env"), format!("API_TOKEN=c4nary-unseen-7Q\n{more}")).unwrap();
    for kind in [&["daemon"][..], &["--json", "daemon"]] {
        let mut daemon = user.start(kind);
        until("it can be asked", || user.run(&["status"]).code() == 0);
        let ran = user.run(&["do", "--yes", "run cat .env"]);
        assert!(ran.out.contains("NAME=annfi") && !ran.out.contains("API_TOKEN"), "{ran:?}");
        let ran = user.run(&["do", "--yes", "run printenv API_TOKEN"]);
        assert!(ran.out.contains("c4nary-unseen-7Q"), "whoever asks is answered: {ran:?}");
        daemon.until("printenv API_TOKEN` in main: done");
        daemon.signal("TERM");
        assert!(daemon.ended().success(), "{}", daemon.said());
        assert!(!daemon.said().contains(CANARY), "{}", daemon.said());
        let context = redis.keys().into_iter().find(|key| key.contains(":context:")).unwrap();
        let kept = redis.cli(&["--raw", "get", &context]);
        assert!(kept.contains("printenv") && !kept.contains(CANARY), "{kept}");
    }
}

#[test]
fn a_line_without_its_secret_is_not_run_again() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let user = User::without_models();
    user.configure(&format!("[audio]\ninput = \"none\"\n[cache.redis]\nurl = \"{}\"\n", redis.url()));
    let mut daemon = user.daemon();
    assert_eq!(user.run(&["do", "--yes", "run echo --token c4nary-typed-7Q"]).code(), 0);
    // It knows what it did.
    assert!(user.run(&["do", "--yes", "again"]).out.contains("c4nary-typed-7Q"));
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.said());
    let _daemon = user.daemon();
    let ran = user.run(&["do", "--yes", "again"]);
    assert!(ran.code() == 1 && ran.out.contains("a secret, which is not kept"), "{ran:?}");
    let screen = user.tmux(&["capture-pane", "-p", "-t", "main"]);
    assert!(!screen.contains("[redacted]"), "{screen}");
}

#[test]
fn lines_with_secrets_are_not_kept_for_the_arrow_keys() {
    let user = User::without_models();
    let mut console = user.console();
    console.until("control-d leaves");
    console.enter("new session build\r");
    console.until("New session build.");
    console.enter("type my password is c4nary seven\r");
    console.until("Typed `my password");
    console.enter("help me not\r");
    let kept = user.path("state/voice-terminal/console-history");
    until("a line is kept", || fs::read_to_string(&kept).is_ok_and(|lines| lines.contains("help me not")));
    let lines = fs::read_to_string(&kept).unwrap();
    assert!(lines.contains("new session build") && !lines.contains(CANARY), "{lines}");
    console.enter("\u{4}");
    assert!(console.ended().success(), "{}", console.said());
}

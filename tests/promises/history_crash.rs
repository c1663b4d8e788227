//! An acknowledged write survives `kill -9`; several processes share one history; and nobody's
//! records are touched while he lives.
//!
//! The other process is this test binary again, running the ignored test [`another_process`].

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use voice_terminal::breaker::{Breaker, Settings};
use voice_terminal::domain::{
    Action, Command as Asked, Journal, Origin, Outcome, Record, Reply, Stage, Tone, Utterance, UtteranceId,
};
use voice_terminal::store::{Recovered, Store};

const TASK: &str = "VT_TEST_TASK";
const JOURNAL: &str = "VT_TEST_JOURNAL";
const CYCLES: u64 = 60;
const TOGETHER: usize = 150;

fn place() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state/journal.sqlite");
    (place, path)
}

async fn open(path: &Path) -> Store {
    Store::open(path.to_owned(), Arc::new(Breaker::new("journal", Settings::default()))).await.0
}

async fn records(store: &Store) -> HashMap<UtteranceId, Record> {
    let records = store.search(None, 1_000_000).await.unwrap();
    records.into_iter().map(|record| (record.id, record)).collect()
}

/// The stages of a turn, in their order.
fn turn() -> [Stage; 3] {
    [
        Stage::Commanded(Asked { target: None, action: Action::ZoomPane }),
        Stage::Acted(Outcome::Done { what: "Zoomed".into() }),
        Stage::Replied(Reply::plain(Tone::Answer, "Zoomed.")),
    ]
}

/// How far a record has come: 1 is opened, 4 is replied.
fn progress(record: &Record) -> usize {
    1 + [record.command.is_some(), record.outcome.is_some(), record.reply.is_some()]
        .iter()
        .take_while(|there| **there)
        .count()
}

fn start(task: &str, journal: &Path, wrapper: &[&str]) -> Child {
    let myself = std::env::current_exe().unwrap();
    let mut words: Vec<_> = wrapper.iter().map(std::convert::AsRef::as_ref).collect();
    words.push(myself.as_os_str());
    Command::new(words[0])
        .args(&words[1..])
        .args(["--ignored", "--exact", "--nocapture", "history_crash::another_process"])
        .env(TASK, task)
        .env(JOURNAL, journal)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the other process said, without what the test harness adds.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("» ").map(str::to_owned))
}

/// Unbuffered: what was written before the kill arrives.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n» {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

#[tokio::test]
#[ignore = "is run by the tests of this file, as the other process"]
async fn another_process() {
    let Ok(task) = std::env::var(TASK) else { return };
    let path = PathBuf::from(std::env::var_os(JOURNAL).unwrap());
    let store = open(&path).await;
    match task.as_str() {
        "write for ever" => loop {
            let utterance = Utterance::typed(Origin::Control, "zoom");
            store.open(&utterance).await.unwrap();
            tell(&format!("{} 1", utterance.id));
            for (number, stage) in turn().iter().enumerate() {
                store.add(utterance.id, stage).await.unwrap();
                tell(&format!("{} {}", utterance.id, number + 2));
            }
        },
        "write some" => {
            for number in 0..TOGETHER {
                let utterance = Utterance::typed(Origin::Control, format!("theirs {number}"));
                store.open(&utterance).await.unwrap();
                store.add(utterance.id, &turn()[2]).await.unwrap();
            }
            assert_eq!(*store.standing().borrow(), None);
            store.close().await;
        }
        "stop in the middle" => {
            let utterance = Utterance::typed(Origin::Control, "zoom");
            store.open(&utterance).await.unwrap();
            store.add(utterance.id, &turn()[0]).await.unwrap();
            tell(&utterance.id.to_string());
            std::future::pending::<()>().await;
        }
        "read" => {
            let degraded = store.standing().borrow().is_some();
            let own = Utterance::typed(Origin::Control, "from this run");
            store.open(&own).await.unwrap();
            tell(&format!("{degraded} {}", store.search(Some("run"), 10).await.unwrap().len()));
        }
        "fill" => {
            let mut acknowledged = 0;
            let standing = store.standing();
            while standing.borrow().is_none() {
                let utterance = Utterance::typed(Origin::Control, "words ".repeat(1_000));
                store.open(&utterance).await.unwrap();
                store.add(utterance.id, &turn()[2]).await.unwrap();
                acknowledged += 1;
                assert!(acknowledged < 2_000, "the disk never filled up");
            }
            let found = store.search(Some("words"), 5_000).await.unwrap().len();
            tell(&format!("{acknowledged} {found}"));
        }
        other => panic!("unknown task {other}"),
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_kill_9() {
    let (_place, path) = place();
    let mut acknowledged: HashMap<UtteranceId, usize> = HashMap::new();
    for cycle in 0..CYCLES {
        let mut child = start("write for ever", &path, &[]);
        let mut said = lines(&mut child);
        let mut note = |line: String| {
            let (id, progress) = line.split_once(' ').unwrap();
            acknowledged.insert(id.parse().unwrap(), progress.parse().unwrap());
        };
        note(said.next().expect("the other process wrote nothing"));
        // Spread over some commits, to hit every part of one.
        std::thread::sleep(Duration::from_micros(cycle * 379 % 20_011));
        child.kill().unwrap();
        said.for_each(&mut note);
        child.wait().unwrap();
    }
    let store = open(&path).await;
    let before = records(&store).await;
    for (id, progress_told) in &acknowledged {
        let record = before.get(id).unwrap_or_else(|| panic!("{id} was acknowledged and is lost"));
        assert!(progress(record) >= *progress_told, "{id}: {progress_told} was acknowledged: {record:?}");
    }
    // Each crash left one turn unfinished at most, and only those are marked.
    let unfinished = |wanted: bool| {
        let uncertain = |record: &Record| record.command.is_some() && record.outcome.is_none();
        let open = before.values().filter(|record| record.reply.is_none());
        open.filter(|record| uncertain(record) == wanted).count() as u64
    };
    let expected = Recovered { interrupted: unfinished(false), uncertain: unfinished(true) };
    assert_eq!(store.recover().await.unwrap(), expected);
    assert!(expected.interrupted + expected.uncertain <= CYCLES);
    assert_eq!(store.recover().await.unwrap(), Recovered::default());
    for record in records(&store).await.values() {
        assert_eq!(record.abandoned.is_some(), record.reply.is_none());
        let uncertain = record.reply.is_none() && record.command.is_some() && record.outcome.is_none();
        assert_eq!(record.abandoned.as_deref().is_some_and(|why| why.starts_with("uncertain")), uncertain);
    }
    println!("{CYCLES} kills, {} acknowledged turns, {expected:?}", acknowledged.len());
}

#[tokio::test]
async fn two_processes_share_one_history() {
    let (_place, path) = place();
    // Both at once from the very beginning: making the file and its schema is a race too.
    let mut others = [start("write some", &path, &[]), start("write some", &path, &[])];
    let store = open(&path).await;
    for number in 0..TOGETHER {
        let utterance = Utterance::typed(Origin::Typed, format!("mine {number}"));
        store.open(&utterance).await.unwrap();
        store.add(utterance.id, &turn()[2]).await.unwrap();
    }
    for other in &mut others {
        assert!(other.wait().unwrap().success());
    }
    assert_eq!(*store.standing().borrow(), None);
    let records = records(&store).await;
    assert_eq!(records.len(), 3 * TOGETHER);
    assert!(records.values().all(|record| record.reply.is_some()));
}

#[tokio::test]
async fn records_of_a_living_process_are_its_own() {
    let (_place, path) = place();
    let mut other = start("stop in the middle", &path, &[]);
    let id: UtteranceId = lines(&mut other).next().unwrap().parse().unwrap();
    let store = open(&path).await;
    assert_eq!(store.recover().await.unwrap(), Recovered::default());
    assert_eq!(records(&store).await[&id].abandoned, None);
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(store.recover().await.unwrap(), Recovered { interrupted: 0, uncertain: 1 });
    assert!(records(&store).await[&id].abandoned.as_deref().unwrap().starts_with("uncertain"));
}

#[tokio::test]
async fn a_history_that_cannot_be_written_can_still_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let (place, path) = place();
    let store = open(&path).await;
    let utterance = Utterance::typed(Origin::Typed, "run make");
    store.open(&utterance).await.unwrap();
    store.add(utterance.id, &turn()[2]).await.unwrap();
    store.close().await;
    let state = path.parent().unwrap();
    fs::remove_dir_all(state.join("journal.sqlite.locks")).unwrap();
    for (file, mode) in [(place.path(), 0o755), (path.as_path(), 0o444), (state, 0o555)] {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }
    // Mode bits don't bind root.
    let root = rustix::process::geteuid().is_root();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut child = start("read", &path, if root { &nobody } else { &[] });
    let said: Vec<_> = lines(&mut child).collect();
    assert!(child.wait().unwrap().success());
    assert_eq!(said, ["true 2"], "degraded, and both the old record and the new are found");
    fs::set_permissions(state, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_disk_that_fills_up_stops_nobody() {
    let (_place, path) = place();
    // Files may grow to two megabytes (dash counts in halves of a kilobyte), and writing beyond that fails as on a full disk.
    let limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 4096; exec \"$@\"", "sh"];
    let mut child = start("fill", &path, &limited);
    let said: Vec<_> = lines(&mut child).collect();
    assert!(child.wait().unwrap().success());
    let (acknowledged, found) = said[0].split_once(' ').unwrap();
    assert_eq!(acknowledged, found);
    // All that fitted is on disk, whole.
    let store = open(&path).await;
    store.recover().await.unwrap();
    let there = records(&store).await.len();
    let acknowledged: usize = acknowledged.parse().unwrap();
    assert!(there + 2 >= acknowledged && there > 10, "{there} of {acknowledged}");
}

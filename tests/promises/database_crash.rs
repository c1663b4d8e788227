//! Whatever is killed at whatever moment, what was acknowledged reaches the database, exactly once.
//!
//! The program that is killed is this test binary again, running the ignored test [`another_process`].

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use voice_terminal::domain::{
    Action, Command as Asked, Journal, Origin, Outcome, Reply, Stage, Tone, Utterance,
};

use crate::database::{History, begun, database, waiting};
use crate::history::{on_disk, place};
use crate::support::postgres::Server;

const JOURNAL: &str = "VT_TEST_JOURNAL";
const DATABASE: &str = "VT_TEST_DATABASE";

/// Kills of the program (`VT_TEST_KILLS` asks for more), and how often the server is killed with it.
const KILLS: u64 = 240;
const KILLS_PER_SERVER: u64 = 30;
/// After so many the journal is compared with what was acknowledged.
const KILLS_PER_LOOK: u64 = 25;

/// The stages of a turn, in their order.
fn stages() -> [Stage; 3] {
    [
        Stage::Commanded(Asked { target: None, action: Action::ZoomPane }),
        Stage::Acted(Outcome::Done { what: "Zoomed".into() }),
        Stage::Replied(Reply::plain(Tone::Answer, "Zoomed.")),
    ]
}

fn start(journal: &Path, url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "database_crash::another_process"])
        .env(JOURNAL, journal)
        .env(DATABASE, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "is run by the test of this file, as the other process"]
async fn another_process() {
    let Some(journal) = std::env::var_os(JOURNAL) else { return };
    let url = std::env::var(DATABASE).unwrap();
    let store = begun(&PathBuf::from(journal), database(&[url])).await;
    let _replaying = store.replay();
    loop {
        let utterance = Utterance::typed(Origin::Control, "zoom");
        store.open(&utterance).await.unwrap();
        tell(&format!("{} 1", utterance.id));
        for (number, stage) in stages().iter().enumerate() {
            store.add(utterance.id, stage).await.unwrap();
            tell(&format!("{} {}", utterance.id, number + 2));
        }
    }
}

/// Unbuffered: what was written before the kill arrives.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n» {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// When a process is killed.
enum Moment {
    /// So long after its start, whatever it does then: opening, migrating, or nothing yet.
    Start(Duration),
    /// So long after its first acknowledgement.
    Work(Duration),
}

/// Random numbers from a seed that is printed (`VT_TEST_SEED` asks for one again).
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let now =
            || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
        let seed = std::env::var("VT_TEST_SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap());
        println!("VT_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn moment(&mut self) -> Moment {
        match self.below(100) {
            0..25 => Moment::Start(Duration::from_micros(self.below(60_000))),
            25..27 => Moment::Work(Duration::from_micros(300_000 + self.below(1_000_000))),
            _ => Moment::Work(Duration::from_micros(self.below(60_000))),
        }
    }
}

/// Every record of the journal, by its revision.
async fn revisions(path: &Path) -> HashMap<String, i64> {
    use sqlx::ConnectOptions;
    let mut raw = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT id, revision FROM record").fetch_all(&mut raw).await.unwrap();
    rows.into_iter().collect()
}

fn holds(there: &HashMap<String, i64>, acknowledged: &HashMap<String, i64>) {
    for (id, revision) in acknowledged {
        let found = there.get(id).unwrap_or_else(|| panic!("{id} was acknowledged and is lost"));
        assert!(found >= revision, "{id}: {revision} was acknowledged, {found} is there");
    }
}

#[tokio::test]
async fn what_was_acknowledged_reaches_the_database_exactly_once() {
    let mut server = Server::start().await;
    let (place, path) = place();
    let mut acknowledged: HashMap<String, i64> = HashMap::new();
    let kills = std::env::var("VT_TEST_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut chance = Chance::new();
    let begin = std::time::Instant::now();
    for cycle in 0..kills {
        let mut child = start(&path, &server.url());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = lines.filter_map(|line| line.strip_prefix("» ").map(str::to_owned));
        let mut note = |line: String| {
            let (id, revision) = line.split_once(' ').unwrap();
            acknowledged.insert(id.to_owned(), revision.parse().unwrap());
        };
        match chance.moment() {
            Moment::Start(after) => std::thread::sleep(after),
            // Over several batches, to hit every part of one.
            Moment::Work(after) => {
                note(said.next().expect("the other process wrote nothing"));
                std::thread::sleep(after);
            }
        }
        let server_too = cycle % KILLS_PER_SERVER == KILLS_PER_SERVER - 1;
        if server_too {
            server.kill();
        }
        child.kill().unwrap();
        said.for_each(&mut note);
        child.wait().unwrap();
        if server_too {
            server.go_on().await;
        }
        if cycle % KILLS_PER_LOOK == KILLS_PER_LOOK - 1 {
            holds(&revisions(&path).await, &acknowledged);
        }
    }
    let took = begin.elapsed();
    let (there_before, left) = (server.records().await.len(), waiting(&path).await.waiting);
    assert!(there_before > 0 && left > 0, "no kill hit the middle: {there_before} there, {left} waiting");
    let history = History::at(place, path, database(&[server.url()])).await;
    history.store.recover().await.unwrap();
    history.delivered(0).await;
    let (_place, path) = history.close().await;
    let there: HashMap<String, i64> =
        server.records().await.into_iter().map(|(id, revision, _)| (id, revision)).collect();
    holds(&there, &acknowledged);
    // The journal and the database are the same, to the last field.
    let journal = on_disk(&path).await;
    assert_eq!(journal.len(), there.len());
    let other = tempfile::tempdir().unwrap();
    let reader = begun(&other.path().join("state/empty.sqlite"), database(&[server.url()])).await;
    let found = reader.look(None, 1_000_000).await.unwrap();
    assert_eq!((found.tier.as_str(), found.degradation), ("postgresql-primary", None));
    let database: Vec<_> = found.records.into_iter().map(|kept| kept.record).collect();
    assert!(database == journal, "the database differs from the journal");
    println!(
        "{kills} kills in {took:?}, {} of them with the server; {} acknowledged turns, {left} not yet delivered then",
        kills / KILLS_PER_SERVER,
        acknowledged.len()
    );
}

#[tokio::test]
async fn a_server_that_dies_again_and_again_gets_everything_once() {
    let mut server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    let mut said = 0;
    for cycle in 0..6_u64 {
        for _ in 0..40 {
            crate::history::say(&history.store, &format!("number {said}")).await;
            said += 1;
        }
        tokio::time::sleep(Duration::from_millis(cycle * 37 % 101)).await;
        server.kill();
        server.go_on().await;
    }
    history.delivered(0).await;
    history.told(None).await;
    let there: Vec<_> = server.records().await.into_iter().filter_map(|(.., text)| text).collect();
    assert_eq!(there, (0..said).map(|number| format!("number {number}")).collect::<Vec<_>>());
}

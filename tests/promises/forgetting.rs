//! What somebody wants forgotten is gone: from the file, from the database whether that is there or not, and for good.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, SqliteConnection};
use voice_terminal::domain::{Forgotten, Selection, UtteranceId};
use voice_terminal::store::{Parts, Store};

use super::database::{History, breaker, look, words};
use super::history::{found, on_disk, opened, place, say};
use super::secrets::holds;
use super::support::postgres::{Server, Servers};
use super::support::redis::Redis;
use super::support::user::{User, until};

/// The files of the user's state that hold this word, in any case.
fn traces(place: &Path, what: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(traces(&path, what));
        } else if holds(&fs::read(&path).unwrap_or_default().to_ascii_lowercase(), what) {
            found.push(path);
        }
    }
    found
}

fn search(words: &str) -> Selection {
    Selection { search: Some(words.into()), ..Selection::default() }
}

fn one(id: UtteranceId) -> Selection {
    Selection { id: Some(id), ..Selection::default() }
}

#[test]
fn not_a_byte_of_it_is_left_whoever_has_the_file_open() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let user = User::without_models();
    user.configure(&format!("[audio]\ninput = \"none\"\n[cache.redis]\nurl = \"{}\"\n", redis.url()));
    let state = user.path("state");
    for number in 0..20 {
        assert_eq!(user.run(&["do", &format!("type marigold{number} and petunia")]).code(), 0);
    }
    assert_eq!(user.run(&["do", "type a tulip"]).code(), 0);
    let others = ["vt:1:context:of-somebody-else", "vt:1:phrase:of-somebody-else"];
    redis.cli(&["lpush", others[0], "x"]);
    redis.cli(&["set", others[1], "x"]);

    // Nobody can be asked.
    let ran = user.run(&["history", "--forget"]);
    assert!(ran.code() == 2 && ran.err.contains("--yes"), "{ran:?}");
    for wrong in [&["--forget", "x"][..], &["--forget", "--before", "yesterday"], &["--before", "1d"]] {
        assert_eq!(user.run(&[&["history", "--yes"], wrong].concat()).code(), 2, "{wrong:?}");
    }
    assert!(!traces(&state, "marigold").is_empty());

    // By itself, and through the one that runs.
    let ran = user.run(&["history", "--forget", "--search", "marigold7", "--yes"]);
    assert!(ran.code() == 0 && ran.out.contains("Forgot 1 turn."), "{ran:?}");
    assert_eq!(traces(&state, "marigold7"), Vec::<PathBuf>::new());
    assert!(!traces(&state, "marigold8").is_empty());
    let mut daemon = user.daemon();
    let id = user.history().last().unwrap()["id"].as_str().unwrap().to_owned();
    let ran = user.run(&["history", "--forget", &id, "--yes"]);
    assert!(ran.code() == 0 && ran.out.contains("Forgot 1 turn."), "{ran:?}");
    assert_eq!(traces(&state, "marigold0"), Vec::<PathBuf>::new());
    let ran = user.run(&["history", "--forget", "--search", "petunia", "--yes"]);
    assert!(ran.out.contains("Forgot 18 turns."), "{ran:?}");
    assert_eq!(traces(&state, "marigold"), Vec::<PathBuf>::new());
    assert_eq!(traces(&state, "petunia"), Vec::<PathBuf>::new());
    assert!(!ran.out.contains("Redis"), "{ran:?}");
    let mut keys = redis.keys();
    // It may have noted since where it is, and nothing of what is forgotten.
    keys.retain(|key| others.contains(&key.as_str()) || holds(cached(&redis, key).as_bytes(), "petunia"));
    assert_eq!(keys, others);
    // The rest is there, and is found.
    let left = user.run(&["history", "--search", "tulip"]);
    assert!(left.out.contains("a tulip"), "{left:?}");
    assert_eq!(
        user.run(&["history", "--forget", "--before", "1h", "--yes"]).out.trim(),
        "Nothing on this machine was meant."
    );
    let ran = user.run(&["--json", "history", "--forget", "--yes"]);
    assert_eq!(ran.json()[0]["here"], 1);
    assert_eq!(traces(&state, "tulip"), Vec::<PathBuf>::new());
    assert_eq!(user.history().len(), 0);
    // And it goes on.
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
    assert_eq!(user.history().len(), 1);
    daemon.signal("TERM");
    assert!(daemon.ended().success());
    assert_eq!(traces(&state, "marigold"), Vec::<PathBuf>::new());
}

/// What Redis has under a name.
fn cached(redis: &Redis, key: &str) -> String {
    redis.cli(&["--raw", "get", key])
}

/// Whether Redis has this word anywhere.
fn is_cached(redis: &Redis, what: &str) -> bool {
    redis.keys().iter().any(|key| cached(redis, key).contains(what))
}

#[test]
fn what_was_done_and_said_last_is_forgotten_too() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let user = User::without_models();
    user.configure(&format!("[audio]\ninput = \"none\"\n[cache.redis]\nurl = \"{}\"\n", redis.url()));
    let mut daemon = user.daemon();
    let forget = |what: &str| {
        let ran = user.run(&["history", "--forget", "--search", what, "--yes"]);
        assert!(ran.out.contains("Forgot 1 turn."), "{ran:?}");
    };
    let has_nothing_to_do_again = || {
        let ran = user.run(&["do", "--yes", "again"]);
        assert!(ran.code() == 1 && ran.out.contains("nothing that I could do again"), "{ran:?}");
    };
    assert_eq!(user.run(&["do", "run echo marigold"]).code(), 0);
    until("it is kept to go on with", || is_cached(&redis, "marigold"));
    forget("marigold");
    let ran = user.run(&["do", "repeat that"]);
    assert!(!ran.out.contains("marigold"), "{ran:?}");
    has_nothing_to_do_again();

    // Nor does a turn bring it back that had begun before, or the next one, or another run.
    assert_eq!(user.run(&["do", "run echo petunia"]).code(), 0);
    until("it is kept to go on with", || is_cached(&redis, "petunia"));
    let mut slow = user.start(&["do", "--yes", "run sleep 5"]);
    until("it is under way", || user.run(&["--json", "status"]).json()[0]["standing"]["busy"] == true);
    forget("petunia");
    assert!(slow.is_running(), "it was too quick: {}", slow.said());
    assert!(slow.ended().success(), "{}", slow.said());
    assert_eq!(user.run(&["do", "help"]).code(), 0);
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.said());
    assert!(!is_cached(&redis, "petunia"));
    let _daemon = user.daemon();
    has_nothing_to_do_again();
}

#[test]
fn what_redis_still_has_is_told() {
    const TOLD: &str = "Redis could not be made to forget";
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let user = User::without_models();
    user.configure(&format!("[audio]\ninput = \"none\"\n[cache.redis]\nurl = \"{}\"\n", redis.url()));
    let mut daemon = user.daemon();
    let forget = || user.run(&["--json", "history", "--forget", "--yes"]).json().remove(0);
    assert_eq!(user.run(&["do", "type marigold"]).code(), 0);
    until("it is kept to go on with", || is_cached(&redis, "marigold"));
    redis.signal("STOP");
    let ran = user.run(&["history", "--forget", "--yes"]);
    assert!(ran.code() == 0 && ran.out.contains("Forgot 1 turn.") && ran.out.contains(TOLD), "{ran:?}");
    // Now it isn't even asked.
    assert_eq!(forget()["cache"], false);
    redis.signal("CONT");
    assert_eq!(user.run(&["breakers", "reset", "cache-redis"]).code(), 0);
    assert_eq!(forget()["cache"], true);
    assert!(!is_cached(&redis, "marigold"));
    // Without a daemon it is the same.
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.said());
    redis.signal("STOP");
    let ran = user.run(&["history", "--forget", "--yes"]);
    assert!(ran.out.contains(TOLD), "{ran:?}");
    redis.signal("CONT");
}

#[tokio::test]
async fn a_reader_holds_up_nobody_and_not_a_byte_is_left_when_it_lets_go() {
    // By another process: whoever closes a file lets go of all locks that this process has on it.
    let is_left = |place: &Path| {
        let mut grep = std::process::Command::new("grep");
        grep.args(["-r", "-a", "-i", "-q", "marigold"]).arg(place).status().unwrap().success()
    };
    let (place, path) = place();
    let store = opened(&path).await;
    say(&store, "type marigold").await;
    let mut reader = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    reader.execute("BEGIN; SELECT count(*) FROM record").await.unwrap();
    let forgetting = tokio::spawn({
        let store = store.clone();
        async move { store.forget(&search("marigold")).await.unwrap().0 }
    });
    let mut slowest = Duration::ZERO;
    let mut said = 0;
    while !forgetting.is_finished() || said < 50 {
        let start = Instant::now();
        say(&store, "type tulip").await;
        slowest = slowest.max(start.elapsed());
        said += 1;
    }
    assert_eq!(forgetting.await.unwrap(), Forgotten { here: 1, wiped: false, database: None, cache: None });
    assert!(slowest < Duration::from_secs(1), "a turn waited {slowest:?}");
    assert_eq!(*store.standing().borrow(), None);
    assert!(is_left(place.path()), "the reader held nothing");
    reader.execute("COMMIT").await.unwrap();
    let gone = async {
        while is_left(place.path()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is still in the file");
    store.close().await;
    assert_eq!(on_disk(&path).await.len(), said);
}

#[tokio::test]
async fn the_database_forgets_too_even_when_it_is_down() {
    let mut server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    let ids = [say(&history.store, "type marigold").await, say(&history.store, "type petunia").await];
    say(&history.store, "type tulip").await;
    history.delivered(0).await;
    let (forgotten, typed) = history.store.forget(&one(ids[0])).await.unwrap();
    assert_eq!(forgotten, Forgotten { here: 1, wiped: true, database: Some(true), cache: None });
    assert_eq!(typed, ["type marigold"]);
    assert_eq!(server.records().await.len(), 2);
    // A batch that comes late doesn't bring it back.
    let late = format!(
        "INSERT INTO voice_terminal.record (id, revision, origin, at, text, words)
         VALUES ('{}', 9, 'typed', 1, 'type marigold', '')
         ON CONFLICT (id) DO UPDATE SET revision = excluded.revision",
        ids[0]
    );
    server.does(&late).await;
    assert_eq!(server.records().await.len(), 2);

    server.kill();
    let (forgotten, _) = history.store.forget(&search("petunia")).await.unwrap();
    assert_eq!((forgotten.here, forgotten.database), (1, Some(false)), "it is told honestly");
    say(&history.store, "type a rose").await;
    // The words are kept for the database until then, by this run or the next.
    let (place, path) = history.close().await;
    server.go_on().await;
    let history = History::at(place, path, super::database::database(&[server.url()])).await;
    history.delivered(0).await;
    let gone = format!("SELECT NOT EXISTS (SELECT 1 FROM voice_terminal.record WHERE id = '{}')", ids[1]);
    server.until(&gone).await;
    let found = look(&history.store, None).await;
    assert_eq!(words(&found), ["type a rose", "type tulip"]);
    server.does(&late.replace("marigold", "petunia").replace(&ids[0].to_string(), &ids[1].to_string())).await;
    assert_eq!(server.records().await.len(), 2);
    // What a server has beyond the journal is forgotten with the rest, and what is said later is not.
    server
        .does("INSERT INTO voice_terminal.record (id, revision, origin, at, text, reply, words)
               VALUES ('0198f2c4-7b1e-7c3a-9f00-3b1d2c4e5f60', 1, 'typed', 1, 'type an aster', '{}', 'aster')")
        .await;
    let (forgotten, _) = history.store.forget(&Selection::default()).await.unwrap();
    assert_eq!(forgotten, Forgotten { here: 2, wiped: true, database: Some(true), cache: None });
    say(&history.store, "type an iris").await;
    history.delivered(0).await;
    let left: Vec<_> = server.records().await.into_iter().filter_map(|(_, _, text)| text).collect();
    assert_eq!(left, ["type an iris"]);
    let (place, path) = history.close().await;
    assert_eq!(traces(place.path(), "petunia"), Vec::<PathBuf>::new());
    assert_eq!(on_disk(&path).await.len(), 1);
}

#[tokio::test]
async fn a_replica_that_is_behind_does_not_bring_it_back() {
    let mut servers = Servers::start().await;
    let urls = [servers.primary.url(), servers.replica.url()];
    let history = History::with(&urls).await;
    let id = say(&history.store, "type marigold").await;
    say(&history.store, "type tulip").await;
    history.delivered(0).await;
    servers.replica.until("SELECT count(*) = 2 FROM voice_terminal.record").await;
    servers.replica.does("SELECT pg_wal_replay_pause()").await;
    let (forgotten, _) = history.store.forget(&one(id)).await.unwrap();
    assert_eq!(forgotten.database, Some(true));
    servers.primary.kill();
    assert_eq!(servers.replica.records().await.len(), 2, "it still has it");
    let found = look(&history.store, None).await;
    assert_eq!(words(&found), ["type tulip"], "{}", found.tier);
    // And when it is the primary it is told again, for it may never have heard of it.
    servers.replica.does("SELECT pg_wal_replay_resume()").await;
    servers.replica.promote().await;
    say(&history.store, "type a rose").await;
    history.delivered(0).await;
    assert_eq!(servers.replica.records().await.len(), 2);
    assert_eq!(words(&look(&history.store, None).await), ["type a rose", "type tulip"]);
}

#[tokio::test]
async fn what_is_too_old_is_forgotten_by_itself() {
    let (place, path) = place();
    let parts = |retention| Parts {
        path: path.clone(),
        limit: 1 << 30,
        retention,
        breaker: breaker("journal"),
        sound: None,
        database: None,
        fallbacks: None,
    };
    let (store, _) = Store::begin(parts(None)).await;
    say(&store, "type marigold").await;
    store.close().await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let (store, _) = Store::begin(parts(Some(Duration::from_secs(1)))).await;
    say(&store, "type tulip").await;
    let gone = async {
        while !found(&store, "marigold").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    assert_eq!(found(&store, "tulip").await, ["type tulip"]);
    store.close().await;
    assert_eq!(traces(place.path(), "marigold"), Vec::<PathBuf>::new());
}

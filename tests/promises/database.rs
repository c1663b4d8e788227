//! What is said reaches the database, whenever that is there, exactly once; and it is read from the
//! best place that there is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::Notify;
use voice_terminal::breaker::{Breaker, Settings};
use voice_terminal::domain::{Degradation, Journal, Origin, Reply, Selection, Stage, Tone, Utterance};
use voice_terminal::store::{Backlog, Database, Delivery, Found, Parts, Place, Replaying, Store};

use crate::history::{damage, on_disk, place, say, turn};
use crate::support::postgres::{Server, Servers};

/// A history with a database behind it.
pub(crate) struct History {
    pub(crate) store: Store,
    pub(crate) replaying: Replaying,
    pub(crate) path: PathBuf,
    pub(crate) place: TempDir,
}

/// A breaker that looks again soon, so that a test needn't wait for minutes.
pub(crate) fn breaker(name: &str) -> Arc<Breaker> {
    let settings = Settings {
        failure_threshold: 3,
        success_threshold: 1,
        timeout: Duration::from_millis(1500),
        reset_timeout: Duration::from_millis(200),
        reset_cap: Duration::from_millis(400),
        ..Settings::default()
    };
    Arc::new(Breaker::new(name, settings))
}

/// These servers, the primary first.
pub(crate) fn database(urls: &[String]) -> Database {
    let mut places = urls.iter().enumerate().map(|(rank, url)| {
        let name = ["postgresql-primary", "postgresql-replica", "postgresql-replica-2"][rank];
        Place { url: url.clone(), breaker: breaker(name) }
    });
    let primary = places.next().unwrap();
    Database { primary, replicas: places.collect(), password_file: None, connections: 3, unencrypted: false }
}

pub(crate) async fn begun(path: &Path, database: Database) -> Store {
    let parts = Parts {
        path: path.to_owned(),
        limit: 1 << 30,
        retention: None,
        sound: None,
        breaker: breaker("journal"),
        database: Some(database),
        fallbacks: None,
    };
    // On a busy machine the disk may be late; it is caught up with.
    Store::begin(parts).await.0
}

impl History {
    pub(crate) async fn with(urls: &[String]) -> Self {
        let (place, path) = place();
        Self::at(place, path, database(urls)).await
    }

    pub(crate) async fn at(place: TempDir, path: PathBuf, database: Database) -> Self {
        let store = begun(&path, database).await;
        let replaying = store.replay().expect("there is a database");
        Self { store, replaying, path, place }
    }

    /// Waits until the database has all of it, but for so many that it refuses.
    pub(crate) async fn delivered(&self, refused: u64) {
        let mut backlog = self.store.backlog().unwrap();
        // What was said is counted only when the task has looked.
        let pool = self.path.clone();
        let done = async {
            loop {
                if waiting(&pool).await == (Backlog { waiting: 0, refused }) {
                    return;
                }
                let _ = tokio::time::timeout(Duration::from_millis(20), backlog.changed()).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), done).await.expect("it was not delivered");
    }

    /// Waits until it is told that the history is served like this; `None` is as it should be.
    pub(crate) async fn told(&self, now: Option<&str>) -> Option<Degradation> {
        let mut standing = self.store.standing();
        let change = standing.wait_for(|told| told.as_ref().map(|it| it.now.as_str()) == now);
        tokio::time::timeout(Duration::from_secs(30), change).await.expect("was not told").unwrap().clone()
    }

    /// Ends the program in good order.
    pub(crate) async fn close(self) -> (TempDir, PathBuf) {
        self.replaying.finish().await;
        self.store.close().await;
        (self.place, self.path)
    }
}

/// What the outbox of this journal holds.
pub(crate) async fn waiting(path: &Path) -> Backlog {
    use sqlx::{ConnectOptions, Row};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true);
    let mut raw = options.connect().await.unwrap();
    let row = sqlx::query("SELECT count(*) - count(refused), count(refused) FROM outbox")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    let count = |column| u64::try_from(row.get::<i64, _>(column)).unwrap();
    Backlog { waiting: count(0), refused: count(1) }
}

pub(crate) fn words(found: &Found) -> Vec<&str> {
    found.records.iter().filter_map(|kept| kept.record.text.as_deref()).collect()
}

pub(crate) async fn look(store: &Store, query: Option<&str>) -> Found {
    store.look(query, 100).await.unwrap()
}

#[tokio::test]
async fn a_turn_is_in_the_database_as_it_was() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    let utterance = Utterance::typed(Origin::Typed, "run cargo test");
    history.store.open(&utterance).await.unwrap();
    for stage in turn() {
        history.store.add(utterance.id, &stage).await.unwrap();
    }
    history.delivered(0).await;
    let found = look(&history.store, None).await;
    assert_eq!((found.tier.as_str(), &found.degradation), ("postgresql-primary", &None));
    let [kept] = found.records.as_slice() else { panic!("{found:?}") };
    assert_eq!(kept.delivery, Some(Delivery::Delivered));
    let there = kept.record.clone();
    let (_place, path) = history.close().await;
    assert_eq!(on_disk(&path).await, [there]);
    server.until("SELECT said_at > now() - interval '1 hour' FROM voice_terminal.record").await;
}

#[tokio::test]
async fn the_database_is_searched_as_the_journal_is() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "new session kitchen").await;
    let utterance = Utterance::typed(Origin::Typed, "Run cargo test.");
    history.store.open(&utterance).await.unwrap();
    for stage in &turn()[1..] {
        history.store.add(utterance.id, stage).await.unwrap();
    }
    say(&history.store, r#"grep "a-b" file.txt NEAR x"#).await;
    history.delivered(0).await;
    let hostile = [
        "",
        "cargo",
        "CARGO TEST",
        "umläuts",
        "umlauts FAILED",
        "status 101",
        "parses",
        "carg",
        "cargo kitchen",
        "done",
        "\"",
        "*",
        "a*",
        "'",
        "':*",
        "\\",
        "a\\'b",
        "'a' <-> 'b'",
        "a & b",
        "!a",
        "a | b",
        "(",
        "a-b",
        "b-a",
        "NEAR(a b)",
        "AND",
        "file.txt",
        "\0",
        "a\0b",
        "🦀",
        "é",
        "%",
        "_",
        "kitch sess",
        "sess kitch",
    ];
    let (_place, path) = {
        let mut there = Vec::new();
        for query in hostile {
            let found = look(&history.store, Some(query)).await;
            assert_eq!(found.degradation, None, "{query:?}");
            there.push(words(&found).into_iter().map(str::to_owned).collect::<Vec<_>>());
        }
        let closed = history.close().await;
        let journal = crate::history::opened(&closed.1).await;
        for (query, there) in hostile.iter().zip(there) {
            assert_eq!(crate::history::found(&journal, query).await, there, "{query:?}");
        }
        journal.close().await;
        closed
    };
    assert_eq!(on_disk(&path).await.len(), 3);
}

#[tokio::test]
async fn what_was_said_without_a_server_is_carried_over_when_it_comes() {
    let mut server = Server::not_yet();
    let history = History::with(&[server.url()]).await;
    for number in 0..50 {
        say(&history.store, &format!("number {number}")).await;
    }
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("can't be reached") && told.remedy.contains("by itself"), "{told:?}");
    assert!(!told.what.contains('/'), "{told:?}");
    let found = look(&history.store, None).await;
    assert_eq!((found.tier.as_str(), found.records.len()), ("journal", 50));
    assert!(found.records.iter().all(|kept| kept.delivery == Some(Delivery::Waiting)));
    assert!(found.degradation.unwrap().what.contains("this machine"));
    server.go_on().await;
    history.told(None).await;
    history.delivered(0).await;
    let there: Vec<_> = server.records().await.into_iter().filter_map(|(.., text)| text).collect();
    assert_eq!(there, (0..50).map(|number| format!("number {number}")).collect::<Vec<_>>());
    let found = look(&history.store, Some("number")).await;
    assert_eq!((found.tier.as_str(), found.records.len()), ("postgresql-primary", 50));
}

#[tokio::test]
async fn a_history_from_before_there_was_a_database_is_carried_over_too() {
    let (place, path) = place();
    let alone = crate::history::opened(&path).await;
    for number in 0..500 {
        say(&alone, &format!("old {number}")).await;
    }
    alone.close().await;
    let server = Server::start().await;
    let history = History::at(place, path, database(&[server.url()])).await;
    history.delivered(0).await;
    assert_eq!(server.records().await.len(), 500);
}

#[tokio::test]
async fn what_is_not_there_yet_is_found_beside_what_is() {
    let mut server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    let utterance = Utterance::typed(Origin::Typed, "first");
    history.store.open(&utterance).await.unwrap();
    history.delivered(0).await;
    // The table is locked: nothing more is delivered, and everything is read.
    let mut other = server.connect().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE voice_terminal.record IN EXCLUSIVE MODE")
        .execute(&mut other)
        .await
        .unwrap();
    history.store.add(utterance.id, &Stage::Replied(Reply::plain(Tone::Answer, "late"))).await.unwrap();
    say(&history.store, "second").await;
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("lock"), "{told:?}");
    let found = look(&history.store, None).await;
    assert_eq!(words(&found), ["second", "first"]);
    assert!(found.records[1].record.reply.is_some(), "{found:?}");
    assert!(found.records.iter().all(|kept| kept.delivery == Some(Delivery::Waiting)));
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    drop(other);
    history.told(None).await;
    history.delivered(0).await;
    server.kill();
}

#[tokio::test]
async fn a_record_that_the_database_refuses_is_set_aside_and_the_rest_goes_on() {
    let mut server = Server::not_yet();
    let history = History::with(&[server.url()]).await;
    for number in 0..20 {
        say(&history.store, &format!("number {number}")).await;
        if number % 7 == 3 {
            // PostgreSQL has no such character.
            say(&history.store, &format!("poison \0 {number}")).await;
        }
    }
    server.go_on().await;
    history.delivered(3).await;
    assert_eq!(server.records().await.len(), 20);
    let found = look(&history.store, Some("poison")).await;
    assert_eq!((found.tier.as_str(), found.records.len()), ("postgresql-primary", 3));
    for kept in &found.records {
        let Some(Delivery::Refused(reason)) = &kept.delivery else { panic!("{kept:?}") };
        assert!(reason.contains("SQLSTATE 22"), "{reason}");
    }
    assert_eq!(look(&history.store, None).await.records.len(), 23);
    history.told(None).await;
}

#[tokio::test]
async fn a_replica_serves_reads_and_says_how_old_it_is() {
    let mut servers = Servers::start().await;
    let history = History::with(&[servers.primary.url(), servers.replica.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    servers.in_step().await;
    servers.replica.does("SELECT pg_wal_replay_pause()").await;
    say(&history.store, "unknown to the replica").await;
    history.delivered(0).await;
    servers.primary.kill();
    say(&history.store, "after").await;
    let found = look(&history.store, None).await;
    assert_eq!(found.tier, "postgresql-replica");
    let told = found.degradation.clone().unwrap();
    assert!(told.what.contains("replica") && told.what.contains("last change arrived"), "{told:?}");
    // What has not reached the replica is in the journal, whether or not the primary had it.
    assert_eq!(words(&found), ["after", "unknown to the replica", "before"]);
    assert_eq!(words(&history.store.look(None, 2).await.unwrap()), ["after", "unknown to the replica"]);
    assert_eq!(words(&look(&history.store, Some("unknown")).await), ["unknown to the replica"]);
    history.told(Some("journal")).await;
    servers.replica.does("SELECT pg_wal_replay_resume()").await;
    servers.primary.go_on().await;
    history.told(None).await;
    history.delivered(0).await;
    let found = look(&history.store, None).await;
    assert_eq!((found.tier.as_str(), found.records.len()), ("postgresql-primary", 3));
}

#[tokio::test]
async fn what_a_replica_knows_in_an_older_state_is_shown_as_it_is() {
    let mut servers = Servers::start().await;
    let history = History::with(&[servers.primary.url(), servers.replica.url()]).await;
    let utterance = Utterance::typed(Origin::Typed, "first");
    history.store.open(&utterance).await.unwrap();
    history.delivered(0).await;
    servers.in_step().await;
    servers.replica.does("SELECT pg_wal_replay_pause()").await;
    history.store.add(utterance.id, &Stage::Replied(Reply::plain(Tone::Answer, "Late."))).await.unwrap();
    history.delivered(0).await;
    servers.primary.kill();
    // By its own words, and by those that the replica doesn't know of.
    for query in [None, Some("first"), Some("late")] {
        let found = look(&history.store, query).await;
        assert_eq!((found.tier.as_str(), words(&found)), ("postgresql-replica", vec!["first"]), "{query:?}");
        assert!(found.records[0].record.reply.is_some(), "{found:?}");
        assert_eq!(found.records[0].delivery, Some(Delivery::Delivered));
    }
    let selection = Selection { id: Some(utterance.id), ..Selection::default() };
    assert_eq!(history.store.forget(&selection).await.unwrap().0.here, 1);
    assert_eq!(words(&look(&history.store, None).await), Vec::<&str>::new());
}

#[tokio::test]
async fn a_primary_that_became_a_replica_says_how_old_it_is() {
    let servers = Servers::start().await;
    let history = History::with(&[servers.primary.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    servers.in_step().await;
    servers.replica.does("SELECT pg_wal_replay_pause()").await;
    say(&history.store, "unknown to it").await;
    history.delivered(0).await;
    let (place, path) = history.close().await;
    let history = History::at(place, path, database(&[servers.replica.url()])).await;
    let found = look(&history.store, None).await;
    assert_eq!((found.tier.as_str(), words(&found)), ("postgresql-primary", vec!["unknown to it", "before"]));
    let told = found.degradation.unwrap();
    assert!(told.what.contains("replica") && told.what.contains("last change arrived"), "{told:?}");
    assert!(told.remedy.contains("store.postgres.primary"), "{told:?}");
}

/// A network between the program and this socket that does something before each piece of an answer passes; its port.
pub(crate) async fn network<F>(
    socket: PathBuf,
    before: impl Fn(&[u8]) -> F + Clone + Send + Sync + 'static,
) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (socket, before) = (socket.clone(), before.clone());
            tokio::spawn(async move {
                let Ok(mut server) = UnixStream::connect(socket).await else { return };
                let (mut from_client, mut to_client) = client.split();
                let (mut from_server, mut to_server) = server.split();
                let there = tokio::io::copy(&mut from_client, &mut to_server);
                let back = async {
                    let mut piece = vec![0; 16 * 1024];
                    while let Ok(length @ 1..) = from_server.read(&mut piece).await {
                        before(&piece[..length]).await;
                        if to_client.write_all(&piece[..length]).await.is_err() {
                            return;
                        }
                    }
                };
                tokio::select! { _ = there => {}, () = back => {} }
            });
        }
    });
    port
}

/// A network that holds an answer with this word in it back, says so, and waits until it is told to go on.
async fn holding_network(socket: PathBuf, word: &'static str, holds: Arc<Notify>, go_on: Arc<Notify>) -> u16 {
    network(socket, move |piece: &[u8]| {
        let is_it = piece.windows(word.len()).any(|it| it == word.as_bytes());
        let (holds, go_on) = (Arc::clone(&holds), Arc::clone(&go_on));
        async move {
            if is_it {
                holds.notify_one();
                go_on.notified().await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_is_delivered_while_the_database_is_searched_is_found() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    let (place, path) = history.close().await;
    let (holds, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let port = holding_network(server.socket(), "before", Arc::clone(&holds), Arc::clone(&go_on)).await;
    let reader = begun(&path, database(&[format!("postgres://vt@127.0.0.1:{port}/postgres")])).await;
    say(&reader, "meanwhile").await;
    // The database has answered without it, and is given it before the answer is here.
    let delivering = async {
        tokio::time::timeout(Duration::from_secs(30), holds.notified()).await.expect("it was not searched");
        let history = History::at(place, path.clone(), database(&[server.url()])).await;
        history.delivered(0).await;
        go_on.notify_one();
        history
    };
    let (found, _history) = tokio::join!(look(&reader, None), delivering);
    assert_eq!(words(&found), ["meanwhile", "before"]);
}

#[tokio::test]
async fn a_turn_that_is_damaged_on_this_machine_is_set_aside_and_the_rest_goes_on() {
    let (place, path) = place();
    let alone = crate::history::opened(&path).await;
    for (words, reply) in [("Aardvark", "Done."), ("odd", "Quagga"), ("whole", "Done.")] {
        let utterance = Utterance::typed(Origin::Typed, words);
        alone.open(&utterance).await.unwrap();
        alone.add(utterance.id, &Stage::Replied(Reply::plain(Tone::Answer, reply))).await.unwrap();
    }
    alone.close().await;
    damage(&path, b"Aardvark", b"\xffardvark");
    damage(&path, b"\"text\":\"Quagga\"", b"\"text\":\"Quagga;");
    let server = Server::start().await;
    let history = History::at(place, path, database(&[server.url()])).await;
    history.delivered(2).await;
    say(&history.store, "after").await;
    history.delivered(2).await;
    let there: Vec<_> = server.records().await.into_iter().filter_map(|(.., text)| text).collect();
    assert_eq!(there, ["whole", "after"]);
    let found = look(&history.store, None).await;
    assert_eq!((found.tier.as_str(), words(&found)), ("postgresql-primary", vec!["after", "whole", "odd"]));
    assert!(matches!(found.records[2].delivery, Some(Delivery::Refused(_))), "{found:?}");
    history.told(None).await;
}

#[tokio::test]
async fn a_promoted_replica_is_written_and_gets_what_it_had_missed() {
    let mut servers = Servers::start().await;
    let history = History::with(&[servers.primary.url(), servers.replica.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    servers.in_step().await;
    // Cut off, and then acknowledged by the primary only.
    servers.replica.kill();
    say(&history.store, "lost with the primary").await;
    history.delivered(0).await;
    servers.primary.kill();
    servers.replica.go_on().await;
    servers.replica.promote().await;
    say(&history.store, "after").await;
    let told = history.told(Some("postgresql-replica")).await.unwrap();
    assert!(told.remedy.contains("store.postgres.primary"), "{told:?}");
    history.delivered(0).await;
    let there: Vec<_> = servers.replica.records().await.into_iter().filter_map(|(.., text)| text).collect();
    assert_eq!(there, ["before", "lost with the primary", "after"]);
}

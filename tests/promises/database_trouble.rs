//! Whatever is wrong with the database is told by its cause, once, and heals by itself; nobody waits
//! for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sqlx::Connection;
use voice_terminal::domain::{Degradation, Journal, Origin, Outcome, Stage, Utterance};
use voice_terminal::store::{Parts, Store};

use crate::database::{History, begun, breaker, database, look, network, waiting, words};
use crate::history::{on_disk, place, say};
use crate::support::postgres::{Server, Servers};
use crate::support::user::{User, until};

/// What is told when this server is used by whom it doesn't like.
async fn told_of(url: String) -> Degradation {
    let history = History::with(&[url]).await;
    let told = history.told(Some("journal")).await.unwrap();
    say(&history.store, "kept").await;
    let found = look(&history.store, None).await;
    assert_eq!((found.tier.as_str(), words(&found)), ("journal", vec!["kept"]));
    assert!(!format!("{told:?}").contains("s3cret"), "{told:?}");
    told
}

#[tokio::test]
async fn each_cause_has_its_own_sentence_and_remedy() {
    let mut server = Server::not_yet();
    server.let_in("local all vt trust\nlocal all ann password\n");
    server.go_on().await;
    server.does("CREATE ROLE ann LOGIN PASSWORD 's3cret'").await;
    // Who may not make a schema, may not.
    server.does("REVOKE CREATE ON DATABASE postgres FROM PUBLIC").await;
    let wrong_password = told_of(server.url_of("ann:s3cret2", "postgres")).await;
    assert!(wrong_password.what.contains("password"), "{wrong_password:?}");
    let not_let_in = told_of(server.url_of("eve", "postgres")).await;
    assert!(not_let_in.remedy.contains("pg_hba.conf"), "{not_let_in:?}");
    let no_database = told_of(server.url_of("vt", "nowhere")).await;
    assert!(no_database.what.contains("no such database"), "{no_database:?}");
    let not_allowed = told_of(server.url_of("ann:s3cret", "postgres")).await;
    assert!(not_allowed.remedy.contains("create a schema"), "{not_allowed:?}");
    let nonsense = told_of("postgres://ann:s3cret@[::1:5432/x".into()).await;
    assert!(nonsense.what.contains("address"), "{nonsense:?}");
}

#[tokio::test]
async fn a_password_comes_from_a_file_that_nobody_else_can_read() {
    let mut server = Server::not_yet();
    server.let_in("local all vt trust\nlocal all ann scram-sha-256\n");
    server.go_on().await;
    server
        .does("CREATE ROLE ann LOGIN PASSWORD 's3cret'; CREATE SCHEMA voice_terminal AUTHORIZATION ann")
        .await;
    server.does("GRANT CREATE ON DATABASE postgres TO ann").await;
    let (place, path) = place();
    let file = place.path().join("password");
    fs::write(&file, "s3cret\n").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let mut database = database(&[server.url_of("ann", "postgres")]);
    database.password_file = Some(file.clone());
    let history = History::at(place, path, database).await;
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.remedy.contains("chmod 600"), "{told:?}");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    history.told(None).await;
    say(&history.store, "kept").await;
    history.delivered(0).await;
    assert_eq!(server.records().await.len(), 1);
}

#[tokio::test]
async fn a_server_without_a_connection_left_is_waited_for() {
    let server = Server::start().await;
    server.does("CREATE ROLE ann LOGIN; GRANT CREATE ON DATABASE postgres TO ann").await;
    let mut others = Vec::new();
    let full = loop {
        match sqlx::PgConnection::connect(&server.url_of("ann", "postgres")).await {
            Ok(connection) => others.push(connection),
            Err(error) => break error,
        }
        assert!(others.len() < 20);
    };
    assert_eq!(full.as_database_error().unwrap().code().unwrap(), "53300");
    let history = History::with(&[server.url_of("ann", "postgres")]).await;
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("no connection left") && told.remedy.contains("max_connections"), "{told:?}");
    say(&history.store, "kept").await;
    // It is left alone for longer than a breaker of this test would be; somebody is impatient.
    others.clear();
    history.told(None).await;
    history.delivered(0).await;
}

#[tokio::test]
async fn a_server_that_refuses_for_a_reason_of_its_own_says_which() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    let raises = |state: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$;
             CREATE OR REPLACE TRIGGER trouble BEFORE INSERT ON voice_terminal.record
             EXECUTE FUNCTION trouble()"
        )
    };
    for (state, sentence) in [("53100", "disk is full"), ("57014", "too long")] {
        server.does(&raises(state)).await;
        say(&history.store, sentence).await;
        let told = history.told(Some("journal")).await.unwrap();
        assert!(told.what.contains(sentence), "{told:?}");
        server.does("DROP TRIGGER trouble ON voice_terminal.record").await;
        history.told(None).await;
        history.delivered(0).await;
    }
    // Read-only for a while, as for maintenance.
    server.does("ALTER SYSTEM SET default_transaction_read_only = on").await;
    server.does("SELECT pg_reload_conf()").await;
    server.until("SELECT current_setting('default_transaction_read_only') = 'on'").await;
    say(&history.store, "read-only").await;
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("read-only"), "{told:?}");
    let found = look(&history.store, None).await;
    assert_eq!((found.tier.as_str(), found.records.len()), ("postgresql-primary", 4));
    server.does("ALTER SYSTEM RESET default_transaction_read_only").await;
    server.does("SELECT pg_reload_conf()").await;
    history.told(None).await;
    history.delivered(0).await;
    assert_eq!(server.records().await.len(), 4);
}

#[tokio::test]
async fn a_database_whose_disk_is_full_gets_everything_when_there_is_space_again() {
    let server = Server::start().await;
    let Some((disk, tables)) = server.another_disk() else {
        println!("not tried: no disk can be mounted here");
        return;
    };
    let history = History::with(&[server.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    server.does(&format!("CREATE TABLESPACE other LOCATION '{}'", tables.display())).await;
    server.does("ALTER TABLE voice_terminal.record SET TABLESPACE other").await;
    disk.fill();
    // It doesn't fit into the pages that there are.
    say_at_length(&history.store, "during").await;
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("disk is full"), "{told:?}");
    let found = look(&history.store, None).await;
    assert_eq!((found.tier.as_str(), words(&found)), ("postgresql-primary", vec!["during", "before"]));
    disk.empty();
    history.told(None).await;
    history.delivered(0).await;
    assert_eq!(server.records().await.len(), 2);
}

#[tokio::test]
async fn a_database_without_memory_gets_everything_when_it_has_some_again() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    server.starve();
    // More than it has put by.
    for number in 1..=8 {
        say_at_length(&history.store, &format!("during {number}")).await;
    }
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("no memory"), "{told:?}");
    assert_eq!(look(&history.store, None).await.records.len(), 9);
    server.feed();
    history.told(None).await;
    history.delivered(0).await;
    assert_eq!(server.records().await.len(), 9);
}

/// A turn of 60 KiB, which can't be packed.
async fn say_at_length(store: &Store, text: &str) {
    let mut number = 1_u64;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{:x} ", number >> 16)
    };
    let what: String = (0..4_700).map(|_| next()).collect();
    let utterance = Utterance::typed(Origin::Typed, text);
    store.open(&utterance).await.unwrap();
    store.add(utterance.id, &Stage::Acted(Outcome::Done { what })).await.unwrap();
}

#[tokio::test]
async fn a_replica_given_as_the_primary_is_told_and_still_read() {
    let servers = Servers::start().await;
    let history = History::with(&[servers.primary.url()]).await;
    say(&history.store, "there").await;
    history.delivered(0).await;
    servers.in_step().await;
    let wrong = History::with(&[servers.replica.url()]).await;
    say(&wrong.store, "kept").await;
    let told = wrong.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("replica"), "{told:?}");
    assert_eq!(words(&look(&wrong.store, None).await), ["kept", "there"]);
}

#[tokio::test]
async fn tables_of_a_newer_version_are_left_alone() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    let (place, path) = history.close().await;
    server
        .does("INSERT INTO voice_terminal.migration VALUES (9999, 'future', now(), true, '\\x00', 1)")
        .await;
    let history = History::at(place, path, database(&[server.url()])).await;
    say(&history.store, "after").await;
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("newer version"), "{told:?}");
    assert_eq!(words(&look(&history.store, None).await), ["after", "before"]);
    assert_eq!(server.records().await.len(), 1);
    server.does("DELETE FROM voice_terminal.migration WHERE version = 9999").await;
    history.told(None).await;
    history.delivered(0).await;
}

#[tokio::test]
async fn tables_that_are_dropped_are_made_anew_and_given_everything() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    assert_eq!(look(&history.store, None).await.tier, "postgresql-primary");
    server.does("DROP SCHEMA voice_terminal CASCADE").await;
    say(&history.store, "after").await;
    server.until("SELECT count(*) = 2 FROM voice_terminal.record").await;
    history.delivered(0).await;
    history.told(None).await;
    // Whoever reads makes them anew, too, and shows what they lack.
    server.does("DROP SCHEMA voice_terminal CASCADE").await;
    for _ in 0..9 {
        assert_eq!(words(&look(&history.store, None).await), ["after", "before"]);
    }
    say(&history.store, "last").await;
    server.until("SELECT count(*) = 3 FROM voice_terminal.record").await;
    history.delivered(0).await;
    history.told(None).await;
    assert_eq!(words(&look(&history.store, None).await), ["last", "after", "before"]);
    // By halves they can't be made.
    server.does("DROP TABLE voice_terminal.record").await;
    say(&history.store, "missed").await;
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.remedy.contains("drop it"), "{told:?}");
    server.does("DROP SCHEMA voice_terminal CASCADE").await;
    history.told(None).await;
    server.until("SELECT count(*) = 4 FROM voice_terminal.record").await;
}

#[tokio::test]
async fn many_that_come_at_once_make_the_tables_once() {
    let server = Server::start().await;
    let mut histories = Vec::new();
    for _ in 0..4 {
        let mut database = database(&[server.url()]);
        database.connections = 1;
        let (place, path) = place();
        histories.push(History::at(place, path, database).await);
    }
    for (number, history) in histories.iter().enumerate() {
        say(&history.store, &format!("number {number}")).await;
    }
    for history in &histories {
        history.delivered(0).await;
    }
    assert_eq!(server.records().await.len(), 4);
    server.until("SELECT count(*) = 2 FROM voice_terminal.migration").await;
}

#[tokio::test]
async fn nobody_waits_for_a_server_that_stands_still() {
    let mut servers = Servers::start().await;
    let history = History::with(&[servers.primary.url(), servers.replica.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    servers.in_step().await;
    servers.primary.freeze();
    let start = Instant::now();
    for number in 0..20 {
        say(&history.store, &format!("number {number}")).await;
    }
    // For the server each of 40 writes would have waited a second and a half.
    assert!(start.elapsed() < Duration::from_secs(15), "speaking waited {:?}", start.elapsed());
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("in time"), "{told:?}");
    let found = look(&history.store, None).await;
    assert_eq!((found.tier.as_str(), found.records.len()), ("postgresql-replica", 21));
    servers.primary.resume();
    history.told(None).await;
    history.delivered(0).await;
    assert_eq!(servers.primary.records().await.len(), 21);
}

#[tokio::test]
async fn a_server_that_goes_down_in_order_is_taken_up_again() {
    let mut server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    server.stop();
    server.go_on().await;
    // The old connection is dead, which is no trouble and not told.
    say(&history.store, "after").await;
    history.delivered(0).await;
    assert_eq!(*history.store.standing().borrow(), None);
    // One that doesn't let anybody in yet.
    server.stop();
    server.set("hot_standby = off");
    server.begin_as_standby();
    say(&history.store, "while it starts").await;
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("starting") || told.what.contains("reached"), "{told:?}");
}

/// A network that is slow: each piece of an answer takes so long.
async fn slow_network(socket: PathBuf, delay: Duration) -> u16 {
    network(socket, move |_: &[u8]| tokio::time::sleep(delay)).await
}

#[tokio::test]
async fn a_slow_network_is_slow_and_nothing_else() {
    let server = Server::start().await;
    let port = slow_network(server.socket(), Duration::from_millis(40)).await;
    let history = History::with(&[format!("postgres://vt@127.0.0.1:{port}/postgres")]).await;
    for number in 0..20 {
        say(&history.store, &format!("number {number}")).await;
    }
    history.delivered(0).await;
    assert_eq!(look(&history.store, None).await.tier, "postgresql-primary");
    assert_eq!(*history.store.standing().borrow(), None);
    // One that is slower than anybody waits for is as good as none.
    let port = slow_network(server.socket(), Duration::from_secs(30)).await;
    let told = told_of(format!("postgres://vt@127.0.0.1:{port}/postgres")).await;
    assert!(told.what.contains("in time"), "{told:?}");
}

#[tokio::test]
async fn an_encrypted_connection_is_had_from_whom_can_be_trusted() {
    let (mut server, authority) = Server::encrypted();
    server.go_on().await;
    let trusted = format!("sslmode=verify-full&sslrootcert={}", authority.display());
    let history = History::with(&[server.network_url(&trusted)]).await;
    say(&history.store, "secret").await;
    history.delivered(0).await;
    assert_eq!(look(&history.store, None).await.tier, "postgresql-primary");
    server.until("SELECT bool_or(ssl) FROM pg_stat_ssl").await;
    let told = told_of(server.network_url("sslmode=verify-full")).await;
    assert!(told.what.contains("encrypted"), "{told:?}");
}

#[tokio::test]
async fn the_journal_keeps_its_size_and_what_the_database_has_makes_way() {
    let server = Server::start().await;
    let (place, path) = place();
    let begin = async |database| {
        let parts = Parts {
            path: path.clone(),
            limit: 2 << 20,
            retention: None,
            sound: None,
            breaker: breaker("journal"),
            database,
            fallbacks: None,
        };
        voice_terminal::store::Store::begin(parts).await.0
    };
    let long = "word ".repeat(600);
    let store = begin(Some(database(&[server.url()]))).await;
    let replaying = store.replay().unwrap();
    let said = 1_200;
    for number in 0..said {
        say(&store, &format!("number {number} {long}")).await;
        // Not faster than they can be carried over.
        while number % 100 == 99 && waiting(&path).await.waiting > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    replaying.finish().await;
    assert_eq!(*store.standing().borrow(), None);
    store.close().await;
    assert_eq!(server.records().await.len(), said);
    let size = fs::metadata(&path).unwrap().len();
    assert!(size < 6 << 20, "the journal has grown to {size}");
    let left = on_disk(&path).await.len();
    assert!(left < said && left > 50, "{left} are left in the journal");
    // Without a database the same is told before it happens.
    let store = begin(None).await;
    let mut standing = store.standing();
    for number in 0..400 {
        say(&store, &format!("more {number} {long}")).await;
    }
    let told = tokio::time::timeout(Duration::from_secs(10), standing.wait_for(Option::is_some)).await;
    let told = told.expect("was not told").unwrap().clone().unwrap();
    assert!(told.remedy.contains("store.journal.limit"), "{told:?}");
    store.close().await;
    assert!(fs::metadata(&path).unwrap().len() < 6 << 20);
    drop(place);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_starts_works_and_tells_without_its_database() {
    let mut server = Server::not_yet();
    let mut user = User::new();
    user.set("VOICE_TERMINAL_STORE__POSTGRES__PRIMARY", &server.url_of("vt:s3cret", "postgres"));
    user.set("VOICE_TERMINAL_BREAKERS__DATABASE_PRIMARY__RESET_TIMEOUT", "300ms");
    user.set("VOICE_TERMINAL_BREAKERS__DATABASE_PRIMARY__RESET_CAP", "600ms");
    let mut daemon = user.daemon();
    assert!(user.run(&["do", "list sessions"]).status.success());
    daemon.until("can't be reached");
    let status = user.run(&["status"]);
    assert!(status.out.contains("postgresql-primary → journal"), "{}", status.out);
    let status = user.run(&["status", "--json"]).json();
    assert_eq!(status[0]["delivery"]["refused"], 0);
    until("the turn is counted", || user.run(&["status", "--json"]).json()[0]["delivery"]["waiting"] == 1);
    let history = user.run(&["history"]);
    assert!(
        history.out.contains("waits for the database") && history.err.contains("can't be reached"),
        "{history:?}"
    );
    let shown = user.run(&["config", "show"]);
    assert!(shown.out.contains("•••") && !shown.out.contains("s3cret"), "{}", shown.out);
    server.go_on().await;
    daemon.until("database is back");
    until("the database has the turn", || {
        user.run(&["status", "--json"]).json()[0]["delivery"]["waiting"] == 0
    });
    let history = user.run(&["history", "--json"]);
    assert_eq!((history.json()[0]["delivery"].as_str(), history.err.as_str()), (Some("delivered"), ""));
    assert_eq!(server.records().await.len(), 1);
    assert!(!daemon.said().contains("s3cret"));
    let log = fs::read_to_string(user.path("state/voice-terminal/voice-terminal.log")).unwrap_or_default();
    assert!(!log.contains("s3cret"), "{log}");
    // Killed and started again, with a turn in between that nobody carried over.
    daemon.signal("KILL");
    daemon.ended();
    assert!(user.run(&["do", "list sessions"]).status.success());
    let _daemon = user.daemon();
    server.until("SELECT count(*) = 2 FROM voice_terminal.record").await;
    assert_eq!(
        begun(&user.path("state/voice-terminal/journal.sqlite"), database(&[server.url()]))
            .await
            .look(None, 9)
            .await
            .unwrap()
            .records
            .len(),
        2
    );
}

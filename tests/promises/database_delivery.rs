//! What one record, one row, one slot or one narrow network can't do: hold up everything else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::ConnectOptions;
use voice_terminal::breaker::{Breaker, Settings, State};
use voice_terminal::domain::{Journal, Origin, Outcome, Reply, Stage, Tone, Utterance};
use voice_terminal::store::{Backlog, Delivery, Parts, Store};

use crate::database::{History, begun, breaker, database, look, waiting, words};
use crate::history::{place, say};
use crate::support::postgres::Server;
use crate::support::proxy::{Proxy, Weather};
use crate::support::user::User;

/// A server with a user who keeps the history and is bound by its rules.
async fn ruled() -> (Server, String) {
    let server = Server::start().await;
    server.does("CREATE ROLE ann LOGIN; GRANT CREATE ON DATABASE postgres TO ann").await;
    let url = server.url_of("ann", "postgres");
    (server, url)
}

/// What a trigger does with each record.
fn trigger(body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN new; END $$;
         CREATE OR REPLACE TRIGGER rule BEFORE INSERT OR UPDATE ON voice_terminal.record
         FOR EACH ROW EXECUTE FUNCTION rule()"
    )
}

/// A policy that binds the owner of the table, too.
fn policy(check: &str) -> String {
    format!(
        "ALTER TABLE voice_terminal.record ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
         CREATE POLICY rule ON voice_terminal.record USING (true) WITH CHECK ({check})"
    )
}

#[tokio::test]
async fn a_record_that_is_refused_for_whatever_reason_holds_up_nobody() {
    let rules = [
        ("P0001", trigger("IF new.text LIKE 'poison%' THEN RAISE EXCEPTION 'no'; END IF;")),
        ("42501", policy("text NOT LIKE 'poison%'")),
        ("42P01", trigger("IF new.text LIKE 'poison%' THEN PERFORM 1 FROM nowhere; END IF;")),
        ("23514", "ALTER TABLE voice_terminal.record ADD CHECK (text NOT LIKE 'poison%')".into()),
    ];
    for (state, rule) in rules {
        let (server, url) = ruled().await;
        let history = History::with(&[url]).await;
        say(&history.store, "before").await;
        history.delivered(0).await;
        server.does(&rule).await;
        for number in 0..12 {
            say(&history.store, &format!("number {number}")).await;
            if number == 5 {
                say(&history.store, "poison").await;
            }
        }
        history.delivered(1).await;
        assert_eq!(server.records().await.len(), 13, "{state}");
        // One that comes alone has no neighbours that were taken.
        say(&history.store, "poison again").await;
        history.delivered(2).await;
        say(&history.store, "after").await;
        history.delivered(2).await;
        assert_eq!(server.records().await.len(), 14, "{state}");
        let found = look(&history.store, Some("poison")).await;
        assert_eq!((found.tier.as_str(), found.records.len()), ("postgresql-primary", 2));
        for kept in &found.records {
            let Some(Delivery::Refused(reason)) = &kept.delivery else { panic!("{kept:?}") };
            assert!(reason.contains(state), "{reason}");
        }
        history.told(None).await;
    }
}

#[tokio::test]
async fn a_server_that_refuses_everything_is_told_and_nothing_is_set_aside() {
    let (server, url) = ruled().await;
    let history = History::with(&[url]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    for (rule, sentence, undo) in [
        (policy("false"), "doesn't let this user", "DROP POLICY rule ON voice_terminal.record"),
        (
            trigger("RAISE EXCEPTION 'closed';"),
            "doesn't take the history",
            "DROP TRIGGER rule ON voice_terminal.record",
        ),
    ] {
        server.does(&rule).await;
        for number in 0..12 {
            say(&history.store, &format!("number {number}")).await;
        }
        let told = history.told(Some("journal")).await.unwrap();
        assert!(told.what.contains(sentence), "{told:?}");
        // It is read all the same.
        assert_eq!(look(&history.store, None).await.tier, "postgresql-primary");
        assert_eq!(waiting(&history.path).await, Backlog { waiting: 12, refused: 0 });
        server.does(undo).await;
        server.does("ALTER TABLE voice_terminal.record NO FORCE ROW LEVEL SECURITY").await;
        history.told(None).await;
        history.delivered(0).await;
    }
    assert_eq!(server.records().await.len(), 25);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_no_other() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "first").await;
    say(&history.store, "second").await;
    history.delivered(0).await;
    // As a newer program would write it.
    server.does("UPDATE voice_terminal.record SET origin = 'thought' WHERE text = 'second'").await;
    for _ in 0..4 {
        let found = look(&history.store, None).await;
        assert_eq!((found.tier.as_str(), words(&found)), ("postgresql-primary", vec!["first"]));
        assert_eq!(found.degradation, None);
    }
    let (_place, path) = history.close().await;
    let mut raw = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::query("UPDATE record SET origin = 'thought' WHERE text = 'second'")
        .execute(&mut raw)
        .await
        .unwrap();
    drop(raw);
    let alone = crate::history::opened(&path).await;
    say(&alone, "third").await;
    assert_eq!(words(&look(&alone, None).await), ["third", "first"]);
    assert_eq!(*alone.standing().borrow(), None, "the file is not damaged");
    alone.close().await;
}

#[tokio::test]
async fn a_damaged_id_hides_nothing_behind_it() {
    let (place, path) = place();
    let alone = crate::history::opened(&path).await;
    for number in 0..40 {
        say(&alone, &format!("number {number}")).await;
    }
    alone.close().await;
    let mut raw = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::query("UPDATE record SET id = 'damaged ' || seq WHERE seq <= 30").execute(&mut raw).await.unwrap();
    drop(raw);
    let server = Server::start().await;
    let history = History::at(place, path, database(&[server.url()])).await;
    server.until("SELECT count(*) = 10 FROM voice_terminal.record").await;
    assert_eq!(look(&history.store, Some("number")).await.records.len(), 10);
    history.told(None).await;
}

/// Has the tables made, by a history of its own.
async fn make_tables(server: &Server, url: String) {
    let history = History::with(&[url]).await;
    server.until("SELECT to_regclass('voice_terminal.forgotten') IS NOT NULL").await;
    history.close().await;
}

/// A journal of turns that no database has.
async fn six_hundred_old_turns() -> (tempfile::TempDir, std::path::PathBuf) {
    let (place, path) = place();
    let alone = crate::history::opened(&path).await;
    for number in 0..600 {
        say(&alone, &format!("old {number}")).await;
    }
    alone.close().await;
    (place, path)
}

#[tokio::test]
async fn a_narrow_network_carries_long_outputs_one_by_one() {
    const TURNS: usize = 8;
    let server = Server::start().await;
    let (place, path) = place();
    let socket = place.path().join(".s.PGSQL.5432");
    let proxy = Proxy::unix(&socket, &server.socket());
    // One record of these takes a second of the one and a half that there are; two are too much.
    let long = "------- ".repeat(7680);
    let alone = crate::history::opened(&path).await;
    for number in 0..TURNS {
        let utterance = Utterance::typed(Origin::Typed, format!("number {number}"));
        alone.open(&utterance).await.unwrap();
        alone.add(utterance.id, &Stage::Acted(Outcome::Done { what: long.clone() })).await.unwrap();
        alone.add(utterance.id, &Stage::Replied(Reply::plain(Tone::Answer, "Done."))).await.unwrap();
    }
    alone.close().await;
    let url = format!("postgres:///postgres?host={}&user=vt", place.path().display());
    // The tables are made while the network is good.
    make_tables(&server, url.clone()).await;
    proxy.set(Weather::Bandwidth(70_000));
    let history = History::at(place, path, database(&[url])).await;
    tokio::time::timeout(Duration::from_secs(60), history.delivered(0)).await.unwrap();
    assert_eq!(server.records().await.len(), TURNS);
    proxy.set(Weather::Clear);
    for number in 0..30 {
        say(&history.store, &format!("short {number}")).await;
    }
    history.delivered(0).await;
    history.told(None).await;
}

#[tokio::test]
async fn whoever_searches_goes_before_what_is_carried_over_by_the_only_connection() {
    const WRITING: Duration = Duration::from_millis(250);
    let server = Server::start().await;
    let (place, path) = six_hundred_old_turns().await;
    let mut one_connection = database(&[server.url()]);
    one_connection.connections = 1;
    // So that a batch takes long, and the next follows at once.
    let history = {
        make_tables(&server, server.url()).await;
        server
            .does(&format!(
                "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN PERFORM pg_sleep({}); RETURN NULL; END $$;
                 CREATE TRIGGER slow AFTER INSERT ON voice_terminal.record EXECUTE FUNCTION slow()",
                WRITING.as_secs_f64()
            ))
            .await;
        History::at(place, path, one_connection).await
    };
    let (mut slowest, mut during) = (Duration::ZERO, 0);
    while waiting(&history.path).await.waiting > 0 {
        let start = Instant::now();
        let found = look(&history.store, Some("old")).await;
        slowest = slowest.max(start.elapsed());
        assert_eq!((found.tier.as_str(), found.records.len()), ("postgresql-primary", 100));
        during += 1;
    }
    println!("{during} searches beside the carrying over, the slowest in {slowest:?}");
    assert!(during >= 5, "{during} searches");
    assert!(slowest < WRITING * 8, "a search waited {slowest:?}");
    server
        .until("SELECT count(*) <= 2 FROM pg_stat_activity WHERE application_name = 'voice-terminal'")
        .await;
}

#[tokio::test]
async fn a_server_that_has_come_back_is_asked_half_of_the_time_at_most() {
    let server = Server::start().await;
    let (place, path) = six_hundred_old_turns().await;
    make_tables(&server, server.url()).await;
    // Each batch takes a fifth of a second, and it is noted when.
    server
        .does(
            "CREATE TABLE batch (began timestamptz, ended timestamptz);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE began timestamptz := clock_timestamp();
             BEGIN
                 PERFORM pg_sleep(0.2);
                 INSERT INTO public.batch VALUES (began, clock_timestamp());
                 RETURN NULL;
             END $$;
             CREATE TRIGGER note AFTER INSERT ON voice_terminal.record EXECUTE FUNCTION note()",
        )
        .await;
    let history = History::at(place, path, database(&[server.url()])).await;
    history.delivered(0).await;
    server
        .until(
            "SELECT count(*) >= 5 AND bool_and(rest IS NULL OR rest >= 0.9 * took) FROM (
                 SELECT began - lag(ended) OVER (ORDER BY began) AS rest,
                        lag(ended - began) OVER (ORDER BY began) AS took
                 FROM batch
             ) AS pause",
        )
        .await;
}

#[tokio::test]
async fn waiting_for_our_own_slot_is_not_held_against_the_server() {
    let server = Server::start().await;
    let primary = Settings { failure_threshold: 3, timeout: Duration::from_secs(30), ..Settings::default() };
    let primary = Arc::new(Breaker::new("postgresql-primary", primary));
    let mut one_connection = database(&[server.url()]);
    one_connection.connections = 1;
    one_connection.primary.breaker = Arc::clone(&primary);
    let (place, path) = place();
    let history = History::at(place, path, one_connection).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    server.does(&trigger("PERFORM pg_sleep(12);")).await;
    say(&history.store, "slow").await;
    server.until("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'").await;
    for _ in 0..3 {
        let start = Instant::now();
        let found = look(&history.store, None).await;
        assert_eq!((found.tier.as_str(), words(&found)), ("journal", vec!["slow", "before"]));
        let told = found.degradation.unwrap();
        assert!(told.what.contains("too much to do"), "{told:?}");
        // Its share of six seconds: half.
        assert!(start.elapsed() < Duration::from_millis(3800), "{:?}", start.elapsed());
    }
    let after = primary.snapshot();
    assert_eq!((primary.state(), after.failed, after.timeouts), (State::Closed, 0, 0), "{after:?}");
}

#[tokio::test]
async fn what_was_forgotten_is_not_shown_when_nobody_knows_what_that_is() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "kept").await;
    history.delivered(0).await;
    server
        .does(
            "INSERT INTO voice_terminal.record (id, revision, origin, at, text, words)
             SELECT gen_random_uuid(), 1, 'typed', at, 'only there', '' FROM voice_terminal.record",
        )
        .await;
    assert_eq!(look(&history.store, None).await.records.len(), 2);
    let mut raw = sqlx::sqlite::SqliteConnectOptions::new().filename(&history.path).connect().await.unwrap();
    sqlx::query("ALTER TABLE forgotten RENAME TO lost").execute(&mut raw).await.unwrap();
    let found = look(&history.store, None).await;
    assert_eq!((found.tier.as_str(), words(&found)), ("journal", vec!["kept"]));
    assert!(found.degradation.unwrap().what.contains("forgotten"));
}

#[tokio::test]
async fn what_is_taken_out_of_the_outbox_is_on_the_servers_disk() {
    let server = Server::start().await;
    server.does("ALTER DATABASE postgres SET synchronous_commit = off").await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    server.does("CREATE TABLE seen (how text)").await;
    server.does(&trigger("INSERT INTO seen VALUES (current_setting('synchronous_commit'));")).await;
    say(&history.store, "after").await;
    history.delivered(0).await;
    server.until("SELECT bool_and(how = 'local') FROM seen").await;
}

#[tokio::test]
async fn a_server_that_was_set_back_to_a_copy_gets_everything_again() {
    let mut server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "first").await;
    history.delivered(0).await;
    server.stop();
    let copy = server.copied();
    server.go_on().await;
    history.told(None).await;
    say(&history.store, "lost with the copy").await;
    history.delivered(0).await;
    assert_eq!(server.records().await.len(), 2);
    server.stop();
    server.set_back(&copy);
    server.go_on().await;
    assert_eq!(server.records().await.len(), 1);
    say(&history.store, "after").await;
    server.until("SELECT count(*) = 3 FROM voice_terminal.record").await;
    history.delivered(0).await;
    // And at the next start, by what the journal remembers.
    let (place, path) = history.close().await;
    server.stop();
    server.set_back(&copy);
    server.go_on().await;
    let history = History::at(place, path, database(&[server.url()])).await;
    server.until("SELECT count(*) = 3 FROM voice_terminal.record").await;
    history.delivered(0).await;
    history.told(None).await;
}

#[tokio::test]
async fn a_statement_that_really_takes_too_long_is_told_as_that() {
    let server = Server::start().await;
    let mut slow = database(&[server.url()]);
    slow.primary.breaker = breaker("postgresql-primary");
    let (place, path) = place();
    let history = History::at(place, path, slow).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    server.does(&trigger("PERFORM pg_sleep(5);")).await;
    say(&history.store, "slow").await;
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("too long"), "{told:?}");
    server.does("DROP TRIGGER rule ON voice_terminal.record").await;
    history.told(None).await;
    history.delivered(0).await;
}

#[tokio::test]
async fn a_record_that_takes_too_long_holds_up_nobody() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "before").await;
    history.delivered(0).await;
    server.does(&trigger("IF new.text LIKE 'slow%' THEN PERFORM pg_sleep(20); END IF;")).await;
    say(&history.store, "slow").await;
    for number in 0..8 {
        say(&history.store, &format!("number {number}")).await;
    }
    history.delivered(1).await;
    assert_eq!(server.records().await.len(), 9);
    let found = look(&history.store, Some("slow")).await;
    let [kept] = found.records.as_slice() else { panic!("{found:?}") };
    let Some(Delivery::Refused(reason)) = &kept.delivery else { panic!("{kept:?}") };
    assert!(reason.contains("too long"), "{reason}");
    history.told(None).await;
    // Once that is over it is taken at the next start.
    server.does("DROP TRIGGER rule ON voice_terminal.record").await;
    let (place, path) = history.close().await;
    let history = History::at(place, path, database(&[server.url()])).await;
    history.delivered(0).await;
    assert_eq!(server.records().await.len(), 10);
}

#[tokio::test]
async fn a_row_that_somebody_has_locked_holds_up_nobody() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    let utterance = Utterance::typed(Origin::Typed, "locked");
    history.store.open(&utterance).await.unwrap();
    history.delivered(0).await;
    let mut other = server.connect().await;
    sqlx::raw_sql("BEGIN; SELECT * FROM voice_terminal.record FOR UPDATE").execute(&mut other).await.unwrap();
    history.store.add(utterance.id, &Stage::Replied(Reply::plain(Tone::Answer, "late"))).await.unwrap();
    for number in 0..8 {
        say(&history.store, &format!("number {number}")).await;
    }
    history.delivered(1).await;
    assert_eq!(server.records().await.len(), 9);
    history.told(None).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
}

/// The texts that a server has.
async fn texts(server: &Server) -> Vec<String> {
    server.records().await.into_iter().filter_map(|(.., text)| text).collect()
}

#[tokio::test]
async fn what_another_run_gives_to_another_server_is_not_taken_out_by_this_one() {
    let (old, new) = (Server::start().await, another_server().await);
    let history = History::with(&[old.url()]).await;
    say(&history.store, "first").await;
    history.delivered(0).await;
    // Another run has newer settings, and a server that takes nothing yet.
    make_tables(&new, new.url()).await;
    let mut other = new.connect().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE voice_terminal.record IN EXCLUSIVE MODE")
        .execute(&mut other)
        .await
        .unwrap();
    let later = begun(&history.path, database(&[new.url()])).await;
    let replaying = later.replay().unwrap();
    let everything = async {
        while waiting(&history.path).await.waiting != 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), everything).await.unwrap();
    say(&history.store, "second").await;
    let told = history.told(Some("journal")).await.unwrap();
    assert!(told.what.contains("Another voice-terminal"), "{told:?}");
    assert_eq!(waiting(&history.path).await, Backlog { waiting: 2, refused: 0 });
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    history.delivered(0).await;
    say(&later, "third").await;
    history.delivered(0).await;
    assert_eq!(texts(&new).await, ["first", "second", "third"]);
    assert!(!texts(&old).await.contains(&"third".to_owned()));
    replaying.finish().await;
    later.close().await;
    // The older run takes nothing to the old server, even now.
    say(&history.store, "fourth").await;
    let (place, path) = history.close().await;
    assert_eq!(waiting(&path).await, Backlog { waiting: 1, refused: 0 });
    let history = History::at(place, path, database(&[new.url()])).await;
    history.delivered(0).await;
    assert_eq!(texts(&new).await, ["first", "second", "third", "fourth"]);
    history.told(None).await;
}

/// One that is not a copy of the others here, as far as can be seen.
async fn another_server() -> Server {
    let server = Server::start().await;
    server.does("CREATE TABLE of_its_own ()").await;
    server
}

#[tokio::test]
async fn a_run_follows_another_one_to_a_server_that_it_knows() {
    let (old, new) = (Server::start().await, another_server().await);
    let history = History::with(&[old.url(), new.url()]).await;
    say(&history.store, "first").await;
    history.delivered(0).await;
    let later = begun(&history.path, database(&[new.url()])).await;
    let replaying = later.replay().unwrap();
    new.until("SELECT count(*) = 1 FROM voice_terminal.record").await;
    let all = ["first", "second", "third", "fourth", "fifth", "sixth"];
    for (number, text) in all.into_iter().enumerate().skip(1) {
        say(&history.store, text).await;
        new.until(&format!("SELECT count(*) = {} FROM voice_terminal.record", number + 1)).await;
        history.delivered(0).await;
    }
    assert_eq!(texts(&new).await, all);
    // It may give one to the old server before it sees that there is another; which one depends on who is quicker.
    let old = texts(&old).await;
    assert!(old.len() <= 2, "it turns back: {old:?}");
    history.told(None).await;
    assert_eq!(*later.standing().borrow(), None);
    replaying.finish().await;
    later.close().await;
}

#[tokio::test]
async fn a_journal_that_knows_no_server_is_given_to_the_one_that_there_is() {
    let server = Server::start().await;
    let history = History::with(&[server.url()]).await;
    say(&history.store, "first").await;
    history.delivered(0).await;
    let mut raw = sqlx::sqlite::SqliteConnectOptions::new().filename(&history.path).connect().await.unwrap();
    sqlx::query("DELETE FROM destination").execute(&mut raw).await.unwrap();
    say(&history.store, "second").await;
    history.delivered(0).await;
    assert_eq!(texts(&server).await, ["first", "second"]);
    let known = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM destination").fetch_one(&mut raw);
    assert_eq!(known.await.unwrap(), 1);
    assert_eq!(*history.store.standing().borrow(), None);
}

#[tokio::test]
async fn that_the_room_is_nearly_full_is_over_when_the_database_has_taken_it() {
    let mut server = Server::not_yet();
    let (place, path) = place();
    let parts = Parts {
        path: path.clone(),
        limit: 2 << 20,
        retention: None,
        sound: None,
        breaker: breaker("journal"),
        database: Some(database(&[server.url()])),
        fallbacks: None,
    };
    let store = Store::begin(parts).await.0;
    let replaying = store.replay().unwrap();
    let standing = store.standing();
    let is_told =
        || standing.borrow().as_ref().is_some_and(|degradation| degradation.now == "journal-nearly-full");
    let long = "word ".repeat(600);
    let mut said = 0;
    while !is_told() {
        assert!(said < 2_000, "it is not told");
        say(&store, &format!("number {said} {long}")).await;
        said += 1;
    }
    server.go_on().await;
    let mut standing = store.standing();
    let over = tokio::time::timeout(Duration::from_secs(60), standing.wait_for(Option::is_none)).await;
    over.expect("it is told still").unwrap();
    assert_eq!(server.records().await.len(), said);
    replaying.finish().await;
    store.close().await;
    drop(place);
}

#[test]
fn staying_local_says_that_the_history_goes_elsewhere() {
    let mut user = User::new();
    let ran = user.run(&["do", "stay local"]);
    assert!(ran.out.contains("Nothing leaves this machine anyway"), "{ran:?}");
    user.set("VOICE_TERMINAL_STORE__POSTGRES__PRIMARY", "postgres://ann@db.invalid/history");
    let ran = user.run(&["do", "stay local"]);
    assert!(
        ran.out.contains("still goes to your database") && !ran.out.contains("Nothing leaves"),
        "{ran:?}"
    );
    user.set("VOICE_TERMINAL_STORE__POSTGRES__PRIMARY", "postgres://ann@db.invalid/history?sslmode=disable");
    let ran = user.run(&["config", "check"]);
    assert!(ran.code() != 0 && ran.err.contains("store.postgres.unencrypted"), "{ran:?}");
}

//! A history that can't be written, read or trusted costs durability and nothing else; it is told
//! once, and heals by itself.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, SqliteConnection};
use voice_terminal::breaker::{Breaker, Settings};
use voice_terminal::domain::{Degradation, Journal, Origin, Reply, Selection, Stage, Tone, Utterance};
use voice_terminal::store::Store;

use crate::history::{breaker, damage, found, on_disk, opened, place, say, turn};
use crate::support::user::User;

/// One that looks again soon, so that a test needn't wait for a minute.
fn eager_breaker() -> Arc<Breaker> {
    let settings = Settings {
        timeout: Duration::from_millis(200),
        reset_timeout: Duration::from_millis(100),
        ..Settings::default()
    };
    Arc::new(Breaker::new("journal", settings))
}

async fn told(standing: &mut tokio::sync::watch::Receiver<Option<Degradation>>, degraded: bool) {
    let change = standing.wait_for(|now| now.is_some() == degraded);
    tokio::time::timeout(Duration::from_secs(20), change).await.expect("was not told").unwrap();
}

#[tokio::test]
async fn a_place_that_cannot_be_used_costs_durability_only_and_heals() {
    let (place, path) = place();
    // A file where the directory should be: not even root can write there.
    let state = place.path().join("state");
    fs::write(&state, "in the way").unwrap();
    let (store, degradation) = Store::open(path.clone(), eager_breaker()).await;
    let degradation = degradation.unwrap();
    assert_eq!((degradation.chain.as_str(), degradation.now.as_str()), ("database", "memory"));
    assert!(!degradation.what.contains('/') && degradation.what.contains("forgotten"), "{degradation:?}");
    let id = say(&store, "list sessions").await;
    say(&store, "split right").await;
    assert_eq!(found(&store, "").await, ["split right", "list sessions"]);
    assert_eq!(found(&store, "sess").await, ["list sessions"]);
    assert_eq!(fs::read_to_string(&state).unwrap(), "in the way");
    // As soon as the place is free, what was kept goes there by itself.
    let mut standing = store.standing();
    fs::remove_file(&state).unwrap();
    told(&mut standing, false).await;
    assert_eq!(found(&store, "sess").await, ["list sessions"]);
    store.close().await;
    let records = on_disk(&path).await;
    assert_eq!(records.len(), 2);
    assert_eq!(records[1].id, id);
    assert!(records[1].reply.is_some());
}

#[tokio::test]
async fn a_place_that_is_not_there_is_no_obstacle_either() {
    let (store, degradation) = Store::open("/proc/voice-terminal/journal.sqlite".into(), breaker()).await;
    assert!(degradation.is_some());
    say(&store, "help").await;
    assert_eq!(found(&store, "help").await, ["help"]);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_never_deleted() {
    let (place, path) = place();
    let state = place.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(&path, b"this is no database, whatever its name says".repeat(100)).unwrap();
    let (store, degradation) = Store::open(path.clone(), breaker()).await;
    let degradation = degradation.unwrap();
    say(&store, "help").await;
    let aside: Vec<_> = fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("damaged"))
        .collect();
    let [aside] = aside.as_slice() else { panic!("{aside:?}") };
    assert!(degradation.remedy.contains(aside), "{degradation:?}");
    assert!(fs::read_to_string(state.join(aside)).unwrap().starts_with("this is no database"));
    store.close().await;
    assert_eq!(on_disk(&path).await.len(), 1);
}

#[tokio::test]
async fn damage_found_while_writing_loses_nothing_of_this_run() {
    let (place, path) = place();
    let store = opened(&path).await;
    for number in 0..300 {
        say(&store, &format!("type some longer words of which there are many {number}")).await;
    }
    store.close().await;
    // The first pages hold the schema; what is behind them is only met later.
    let mut bytes = fs::read(&path).unwrap();
    let behind_the_schema = 16 * 4096;
    assert!(bytes.len() > 2 * behind_the_schema, "{}", bytes.len());
    bytes[behind_the_schema..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let store = opened(&path).await;
    let mut standing = store.standing();
    let id = say(&store, "split right").await;
    // Told first that it is kept in memory, then that it is on disk again.
    told(&mut standing, false).await;
    store.close().await;
    assert_eq!(on_disk(&path).await.iter().map(|record| record.id).collect::<Vec<_>>(), [id]);
    let names = fs::read_dir(place.path().join("state")).unwrap();
    assert_eq!(
        names.filter(|name| name.as_ref().unwrap().path().to_string_lossy().contains("damaged-")).count(),
        1
    );
}

#[tokio::test]
async fn a_damaged_field_costs_no_more_than_its_turn() {
    let (_place, path) = place();
    let store = opened(&path).await;
    say(&store, "Aardvark").await;
    let odd = Utterance::typed(Origin::Typed, "odd");
    store.open(&odd).await.unwrap();
    store.add(odd.id, &Stage::Replied(Reply::plain(Tone::Answer, "Quagga"))).await.unwrap();
    say(&store, "whole").await;
    // One that was not finished, and has the same trouble.
    let under_way = Utterance::typed(Origin::Typed, "under way");
    store.open(&under_way).await.unwrap();
    store.add(under_way.id, &turn()[2]).await.unwrap();
    store.close().await;
    damage(&path, b"Aardvark", b"\xffardvark");
    damage(&path, b"\"text\":\"Quagga\"", b"\"text\":\"Quagga;");
    damage(&path, b"\"text\":\"cargo test\"", b"\"text\":\"cargo test;");
    let store = opened(&path).await;
    assert_eq!(store.recover().await.unwrap().uncertain, 1);
    for _ in 0..9 {
        assert_eq!(found(&store, "").await, ["under way", "whole", "odd"]);
        assert_eq!(found(&store, "aardvark").await, Vec::<String>::new());
    }
    assert_eq!(found(&store, "whole").await, ["whole"]);
    // A field is missed, and not the rest of the turn.
    let records = store.search(Some("odd"), 1).await.unwrap();
    assert_eq!((records[0].id, &records[0].reply), (odd.id, &None));
    say(&store, "later").await;
    assert_eq!(found(&store, "later").await, ["later"]);
    assert_eq!(*store.standing().borrow(), None);
    let (forgotten, _) = store.forget(&Selection::default()).await.unwrap();
    assert_eq!(forgotten.here, 5);
    say(&store, "and after that").await;
    assert_eq!(*store.standing().borrow(), None);
    store.close().await;
    assert_eq!(on_disk(&path).await.len(), 1);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_as_it_is() {
    let (_place, path) = place();
    let store = opened(&path).await;
    say(&store, "from the future").await;
    store.close().await;
    let mut raw = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    raw.execute("INSERT INTO _sqlx_migrations VALUES (9999, 'future', '2030-01-01', 1, x'00', 1)")
        .await
        .unwrap();
    raw.close().await.unwrap();
    let before = fs::read(&path).unwrap();
    let (store, degradation) = Store::open(path.clone(), breaker()).await;
    assert!(degradation.unwrap().what.contains("another version"));
    say(&store, "help").await;
    assert_eq!(found(&store, "").await, ["help"]);
    store.close().await;
    assert!(fs::read(&path).unwrap() == before, "the file was touched");
}

#[tokio::test]
async fn while_another_program_holds_the_file_nobody_waits_for_long() {
    let (_place, path) = place();
    let breaker = eager_breaker();
    let patience = breaker.timeout();
    let (store, degradation) = Store::open(path.clone(), breaker).await;
    assert_eq!(degradation, None);
    say(&store, "before").await;
    let mut standing = store.standing();
    let mut raw = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    raw.execute("BEGIN IMMEDIATE").await.unwrap();
    let start = Instant::now();
    for words in ["during one", "during two", "during three"] {
        say(&store, words).await;
    }
    // Five timeouts open the breaker, and then nobody waits at all.
    assert!(start.elapsed() < 6 * patience + Duration::from_secs(1), "{:?}", start.elapsed());
    told(&mut standing, true).await;
    assert_eq!(found(&store, "during").await.len(), 3);
    raw.execute("ROLLBACK").await.unwrap();
    told(&mut standing, false).await;
    store.close().await;
    assert_eq!(on_disk(&path).await.len(), 4);
}

#[tokio::test]
async fn what_a_running_one_holds_in_memory_is_in_the_history_too() {
    let user = User::new();
    let _daemon = user.daemon();
    assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
    let path = user.path("state/voice-terminal/journal.sqlite");
    let mut raw = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    raw.execute("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(user.run(&["do", "cancel"]).code(), 0);
    let searched = |words: &str| {
        let ran = user.run(&["--json", "history", "--search", words]);
        assert_eq!(ran.code(), 0, "{ran:?}");
        ran.json().iter().map(|record| record["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let texts = || user.history().iter().map(|record| record["text"].clone()).collect::<Vec<_>>();
    assert_eq!(searched("cancel"), ["cancel"], "it is not on disk");
    assert_eq!(searched("sessions"), ["list sessions"], "what is on disk can be read");
    assert_eq!(texts(), ["cancel", "list sessions"], "the newest first");
    raw.execute("ROLLBACK").await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while sqlx::query_scalar::<_, i64>("SELECT count(*) FROM record").fetch_one(&mut raw).await.unwrap() < 2 {
        assert!(Instant::now() < deadline, "it is not written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(texts(), ["cancel", "list sessions"], "each once");
}

#[tokio::test]
async fn a_file_that_is_taken_away_is_made_anew() {
    let (place, path) = place();
    let store = opened(&path).await;
    let utterance = Utterance::typed(Origin::Typed, "split right");
    store.open(&utterance).await.unwrap();
    fs::remove_dir_all(place.path().join("state")).unwrap();
    store.add(utterance.id, turn().last().unwrap()).await.unwrap();
    store.close().await;
    let records = on_disk(&path).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].text.as_deref(), Some("split right"));
}

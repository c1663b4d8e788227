//! Everything that happened is in a history that survives a restart, can be searched, and never
//! stands in the way.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, SqliteConnection};
use tempfile::TempDir;
use voice_terminal::breaker::{Breaker, Settings};
use voice_terminal::domain::{
    Action, Activity, Command, Confidence, Intent, Interpretation, Journal, Origin, Outcome, PaneId, Pcm,
    Ran, Record, Reply, SessionId, Stage, Target, Tone, Transcript, Utterance, UtteranceId, Verdict,
};
use voice_terminal::store::Store;

pub(crate) fn breaker() -> Arc<Breaker> {
    Arc::new(Breaker::new("journal", Settings::default()))
}

pub(crate) fn place() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("state/journal.sqlite");
    (place, path)
}

/// Opens a journal with which nothing is wrong.
pub(crate) async fn opened(path: &Path) -> Store {
    let (store, degradation) = Store::open(path.to_owned(), breaker()).await;
    assert_eq!(degradation, None);
    store
}

/// A second look at the file, by another run of the program.
pub(crate) async fn on_disk(path: &Path) -> Vec<Record> {
    let store = opened(path).await;
    let records = store.search(None, 100_000).await.unwrap();
    store.close().await;
    records
}

pub(crate) async fn found(store: &Store, query: &str) -> Vec<String> {
    let records = store.search(Some(query), 100).await.unwrap();
    records.into_iter().filter_map(|record| record.text).collect()
}

/// A typed turn that is done.
pub(crate) async fn say(store: &Store, words: &str) -> UtteranceId {
    let utterance = Utterance::typed(Origin::Typed, words);
    store.open(&utterance).await.unwrap();
    let reply = Reply::plain(Tone::Answer, "Done.");
    store.add(utterance.id, &Stage::Replied(reply)).await.unwrap();
    utterance.id
}

/// Has other bytes in the file where these are. Nobody may have it open.
pub(crate) fn damage(path: &Path, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<usize> =
        (0..bytes.len()).filter(|at| bytes.get(*at..at + from.len()) == Some(from)).collect();
    assert!(!places.is_empty(), "it isn't there");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(path, bytes).unwrap();
}

fn spoken() -> Utterance {
    Utterance::spoken(Origin::Microphone, Pcm::new(vec![0.0; 16_000]))
}

/// All that a spoken "run cargo test" goes through.
pub(crate) fn turn() -> Vec<Stage> {
    let target =
        Target { session: SessionId("$1".into()), session_name: "build".into(), pane: PaneId("%2".into()) };
    vec![
        Stage::Transcribed(Transcript {
            text: "Run cargo test.".into(),
            confidence: Confidence::new(0.93),
            tier: "local-whisper".into(),
            took: Duration::from_millis(312),
        }),
        Stage::Understood(Interpretation::new(
            Intent::Run { command: "cargo test".into() },
            Verdict::Confirm { consequence: "This runs the project's code.".into() },
        )),
        Stage::Commanded(Command {
            target: Some(target),
            action: Action::Submit { text: "cargo test".into() },
        }),
        Stage::Acted(Outcome::Ran(Ran {
            command: "cargo test".into(),
            session: "build".into(),
            status: Some(101),
            finished: true,
            output: "test parses_umläuts ... FAILED".into(),
            took: Duration::from_secs(4),
        })),
        Stage::Replied(Reply::new(Tone::Answer, "cargo test failed with status 101.", "The tests failed.")),
    ]
}

#[tokio::test]
async fn a_turn_is_there_after_a_restart_as_it_was() {
    let (_place, path) = place();
    let store = opened(&path).await;
    let utterance = spoken();
    store.open(&utterance).await.unwrap();
    for stage in turn() {
        store.add(utterance.id, &stage).await.unwrap();
    }
    store.close().await;
    let records = on_disk(&path).await;
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((record.id, record.at, record.origin), (utterance.id, utterance.at, utterance.origin));
    assert_eq!(record.speech_seconds, Some(1.0));
    assert_eq!(record.text.as_deref(), Some("Run cargo test."));
    let stages = [
        record.transcript.clone().map(Stage::Transcribed),
        record.interpretation.clone().map(|it| Stage::Understood(it.interpretation)),
        record.command.clone().map(|it| Stage::Commanded(it.command)),
        record.outcome.clone().map(Stage::Acted),
        record.reply.clone().map(Stage::Replied),
    ];
    assert_eq!(stages.into_iter().flatten().collect::<Vec<_>>(), turn());
    assert_eq!(record.abandoned, None);
}

#[tokio::test]
async fn saying_it_again_changes_nothing() {
    let (_place, path) = place();
    let store = opened(&path).await;
    let utterance = spoken();
    for _ in 0..2 {
        store.open(&utterance).await.unwrap();
        for stage in turn() {
            store.add(utterance.id, &stage).await.unwrap();
            store.add(utterance.id, &stage).await.unwrap();
        }
    }
    let first = store.search(None, 10).await.unwrap();
    assert_eq!(first.len(), 1);
    assert!(first[0].outcome.is_some() && first[0].reply.is_some());
    store.close().await;
    // So it is for another run, which knows it from the disk only.
    let store = opened(&path).await;
    store.open(&utterance).await.unwrap();
    store.add(utterance.id, &turn()[0]).await.unwrap();
    assert_eq!(store.search(None, 10).await.unwrap(), first);
}

#[tokio::test]
async fn what_comes_late_still_finds_its_record() {
    let (_place, path) = place();
    let store = opened(&path).await;
    let id = say(&store, "run make").await;
    let outcome = Outcome::Done { what: "Ended in the background".into() };
    store.add(id, &Stage::Acted(outcome.clone())).await.unwrap();
    store.close().await;
    assert_eq!(on_disk(&path).await[0].outcome, Some(outcome));
    let store = opened(&path).await;
    let failure = store.add(UtteranceId::generate(), &turn()[0]).await.unwrap_err();
    assert_eq!(failure.kind, voice_terminal::domain::FailureKind::Request);
}

#[tokio::test]
async fn the_history_is_searched_by_words_command_output_and_reply() {
    let (_place, path) = place();
    let store = opened(&path).await;
    say(&store, "new session kitchen").await;
    let utterance = spoken();
    store.open(&utterance).await.unwrap();
    for stage in turn() {
        store.add(utterance.id, &stage).await.unwrap();
    }
    say(&store, "split right").await;
    let newest_first = ["split right", "Run cargo test.", "new session kitchen"];
    assert_eq!(found(&store, "").await, newest_first);
    for query in ["cargo", "CARGO TEST", "umläuts", "umlauts FAILED", "status 101", "parses", "carg", "fail"]
    {
        assert_eq!(found(&store, query).await, ["Run cargo test."], "{query}");
    }
    assert_eq!(found(&store, "done").await, ["split right", "new session kitchen"]);
    assert_eq!(found(&store, "cargo kitchen").await, Vec::<String>::new());
    assert_eq!(store.search(None, 2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn no_search_is_an_error() {
    let (_place, path) = place();
    let store = opened(&path).await;
    say(&store, r#"grep "a-b" file.txt NEAR x"#).await;
    let long = "word ".repeat(10_000);
    let hostile = [
        "\"",
        "\"\"\"",
        "*",
        "a*",
        "*a",
        "NEAR",
        "NEAR(a b)",
        "AND",
        "OR NOT",
        "-",
        "-a",
        "a-b",
        "^a",
        "{a}",
        ":",
        "text:",
        "text : a",
        "(",
        ")",
        "a + b",
        "'; DROP TABLE record; --",
        "%",
        "_",
        "\0",
        "a\0b",
        "\\",
        "🦀",
        "é",
        long.as_str(),
    ];
    for query in hostile {
        store.search(Some(query), 10).await.unwrap_or_else(|failure| panic!("{query:?}: {failure}"));
    }
    for query in ["\"a-b\"", "NEAR", "-b", "file.txt", "a* ", "x \0 *"] {
        assert_eq!(found(&store, query).await.len(), 1, "{query:?}");
    }
}

#[tokio::test]
async fn only_the_user_can_read_it() {
    let (place, path) = place();
    let store = opened(&path).await;
    say(&store, "secret").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let state = place.path().join("state");
    assert_eq!(mode(&state), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
        files += 1;
    }
    assert!(files >= 3, "the journal, its log and its shared memory");
}

#[tokio::test]
async fn a_caller_that_goes_away_loses_nothing() {
    let (_place, path) = place();
    let store = opened(&path).await;
    let mut ids = Vec::new();
    for number in 0..200 {
        let utterance = Utterance::typed(Origin::Typed, "help");
        let open = store.open(&utterance);
        // Dropped at ever later points of the way.
        let _ = tokio::time::timeout(Duration::from_micros(number * 10), open).await;
        ids.push(utterance.id);
    }
    let last = say(&store, "last").await;
    ids.push(last);
    store.close().await;
    let mut there: Vec<_> = on_disk(&path).await.iter().map(|record| record.id).collect();
    there.reverse();
    assert_eq!(there, ids);
}

#[tokio::test]
async fn long_texts_are_kept_within_bounds() {
    let (_place, path) = place();
    let store = opened(&path).await;
    let words = format!("run {}", "word ".repeat(10_000));
    let utterance = Utterance::typed(Origin::Typed, &words);
    store.open(&utterance).await.unwrap();
    let output = format!("{}\nthe end", "x".repeat(1 << 20));
    store
        .add(utterance.id, &Stage::Acted(Outcome::Text { text: output, activity: Activity::default() }))
        .await
        .unwrap();
    let records = store.search(Some("the end"), 1).await.unwrap();
    assert_eq!(records[0].text.as_deref(), Some(words.as_str()));
    let Some(Outcome::Text { text, .. }) = &records[0].outcome else { panic!() };
    assert!(text.len() <= 64 * 1024 && text.ends_with("the end"));
}

/// The figure is printed: `cargo test --test promises history::ten -- --nocapture`.
#[tokio::test]
async fn ten_thousand_records_are_searched_quickly() {
    let (_place, path) = place();
    opened(&path).await.close().await;
    let mut raw = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    raw.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO record (id, owner, revision, origin, at, text, command, outcome, reply)
         SELECT printf('01890000-%04x-7000-8000-000000000000', i), 'x', 1, 'typed', i,
             'run cargo test ' || i, json_object('target', NULL, 'action', 'submit', 'text', 'cargo test ' || i),
             json_object('outcome', 'text', 'text', printf('%.300c number %d', 'x', i)),
             json_object('tone', 'answer', 'text', 'It is done', 'speech', 'Done') FROM n",
    )
    .await
    .unwrap();
    raw.close().await.unwrap();
    let start = Instant::now();
    let store = opened(&path).await;
    let opening = start.elapsed();
    println!("10,000 records: opened in {opening:?}");
    for query in [None, Some("4711"), Some("cargo test"), Some("c")] {
        let start = Instant::now();
        let records = store.search(query, 20).await.unwrap();
        let took = start.elapsed();
        assert_eq!(records.len(), if query == Some("4711") { 1 } else { 20 });
        assert!(took < Duration::from_secs(1), "{query:?} took {took:?}");
        println!("10,000 records: {query:?} found in {took:?}");
    }
}

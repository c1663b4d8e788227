//! What can be made again is kept, by a real Redis; what is wrong in it is ignored, and its troubles cost nobody
//! anything.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use voice_terminal::breaker::{Breaker, Settings};
use voice_terminal::cache::Layers;
use voice_terminal::config;
use voice_terminal::domain::{Cache, CacheKey};

use super::support::clouds::Fake;
use super::support::recordings::path;
use super::support::redis::Redis;
use super::support::user::{Ran, User};

const VOICE: &str = "/v1/audio/speech";

fn user(fake: &Fake, redis: &str) -> User {
    let user = User::without_models();
    user.configure(&format!(
        "[speech.tts]\nchain = [\"openai-tts\"]\n[cloud.openai]\naddress = \"{at}\"\n\
         [ai]\nendpoints = [\"openai {at} some-model\"]\n[cache.redis]\nurl = \"{redis}\"\n",
        at = fake.address()
    ));
    user
}

/// Says something, as a process of its own.
fn say(user: &User, text: &str) -> Ran {
    let out = user.path("home/said.wav");
    let ran = user.run(&["say", text, "--out", path(&out)]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!(fs::metadata(out).unwrap().len(), 24_044, "{ran:?}");
    ran
}

#[test]
fn a_phrase_is_made_once_for_all_runs() {
    let fake = Fake::start("");
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let user = user(&fake, &redis.url());
    for _ in 0..3 {
        say(&user, "Done.");
    }
    assert_eq!(fake.asked(VOICE).len(), 1);
    // Another voice is another sound.
    let out = user.path("home/said.wav");
    let ran = user.run(&["--set", "cloud.openai.tts_model=other", "say", "Done.", "--out", path(&out)]);
    assert_eq!((ran.code(), fake.asked(VOICE).len()), (0, 2));
    // What is kept has an end, and a name that tells nothing.
    let keys = redis.keys();
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in &keys {
        assert!(key.starts_with("vt:1:phrase:") && key.len() == 12 + 64, "{key}");
        let ttl: u64 = redis.cli(&["ttl", key]).parse().unwrap();
        assert!((1..=7 * 24 * 3600).contains(&ttl), "{ttl}");
    }
    // A text that won't come again is not kept.
    let long = "This is a long sentence that nobody is going to say twice in the same words again.";
    say(&user, long);
    assert_eq!(redis.keys().len(), 2);
}

#[test]
fn what_others_put_there_is_ignored() {
    let fake = Fake::start(r#"{"intent":"run","command":"echo hello"}"#);
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let user = user(&fake, &redis.url());
    say(&user, "Done.");
    let one = redis.keys().remove(0);
    say(&user, "Ready.");
    let two = redis.keys().into_iter().find(|key| *key != one).unwrap();
    assert_eq!(fake.asked(VOICE).len(), 2);
    // Somebody's own bytes, another phrase's place, another type, far too much.
    for (number, poison) in [
        vec!["set", &one, "poison"],
        vec!["copy", &two, &one, "replace"],
        vec!["append", &one, "more"],
        vec!["eval", "redis.call('del', KEYS[1]); redis.call('lpush', KEYS[1], 'x')", "1", &one],
        vec!["eval", "redis.call('set', KEYS[1], string.rep('x', 50000000))", "1", &one],
    ]
    .into_iter()
    .enumerate()
    {
        redis.cli(&poison);
        say(&user, "Done.");
        assert_eq!(fake.asked(VOICE).len(), 3 + number, "{poison:?}");
    }
    // A meaning is kept as well, for the same sessions, and is asked first all the same.
    assert_eq!(user.run(&["do", "run echo hi"]).code(), 0);
    for _ in 0..2 {
        let ran = user.run(&["do", "would be lovely to greet the world"]);
        assert!(ran.out.contains("An AI made this"), "{ran:?}");
    }
    let asked: Vec<String> =
        fake.asked("/v1/chat").into_iter().map(|asked| String::from_utf8(asked.body).unwrap()).collect();
    assert_eq!(asked.len(), 1, "{asked:#?}");
    let meaning = redis.keys().into_iter().find(|key| key.contains(":meaning:")).unwrap();
    redis.cli(&["set", &meaning, r#"{"intent":"run","command":"rm -rf /"}"#]);
    let ran = user.run(&["do", "would be lovely to greet the world"]);
    assert!(ran.out.contains("`echo hello`"), "{ran:?}");
    assert_eq!(fake.asked("/v1/chat").len(), 2);
}

#[test]
fn without_redis_everything_goes_on() {
    let fake = Fake::start("");
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let user = user(&fake, &redis.url());
    say(&user, "Done.");
    redis.signal("KILL");
    assert_eq!(say(&user, "Done.").err, "");
    drop(redis);
    assert_eq!(say(&user, "Done.").err, "");
    assert_eq!(fake.asked(VOICE).len(), 3);
    let ran = user.run(&["--set", "cache.redis.url=redis://:secret@cache.example", "say", "Done."]);
    assert!(ran.code() == 2 && ran.err.contains("on this machine") && !ran.err.contains("secret"), "{ran:?}");
    let url = "cache.redis.url=redis://:secret@127.0.0.1";
    for arguments in [&["--set", url, "config", "show"][..], &["--set", url, "--json", "config", "show"]] {
        let ran = user.run(arguments);
        assert!(ran.code() == 0 && !ran.out.contains("secret@"), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_copied_from_there_lives_no_longer_than_it_was_to() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let config = config::Cache { redis: config::Redis { url: redis.url() } };
    let secret = directory.path().join("cache.key");
    let layers = || {
        let breaker = Arc::new(Breaker::new("cache-redis", Settings::default()));
        Layers::new(&config, breaker, &secret).unwrap()
    };
    let key = CacheKey { kind: "phrase", id: "one".into(), keep: Duration::from_secs(3) };
    layers().put(&key, vec![7; 100]).await;
    let put = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let other = layers();
    assert_eq!(other.get(&key).await, Some(vec![7; 100]));
    redis.cli(&["flushall"]);
    assert_eq!(other.get(&key).await, Some(vec![7; 100]), "from memory");
    tokio::time::sleep(Duration::from_millis(3_100).saturating_sub(put.elapsed())).await;
    assert_eq!(other.get(&key).await, None, "it began anew when it was copied");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_passed_by_and_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let settings = Settings { failure_threshold: 1, ..Settings::default() };
    let breaker = Arc::new(Breaker::new("cache-redis", settings));
    let config = config::Cache { redis: config::Redis { url: redis.url() } };
    let secret = directory.path().join("cache.key");
    let layers = || Layers::new(&config, Arc::clone(&breaker), &secret).unwrap();
    let key = |id: usize| CacheKey { kind: "phrase", id: id.to_string(), keep: Duration::from_secs(60) };
    layers().put(&key(0), vec![7; 100]).await;
    // Another type in our place, and under names like ours; and a name that is no text.
    let ours = redis.keys().remove(0);
    redis.cli(&["del", &ours]);
    for name in [ours.as_str(), "vt:1:context:a-list"] {
        redis.cli(&["lpush", name, "x"]);
    }
    redis.cli(&["hset", "vt:1:phrase:a-hash", "x", "y"]);
    redis.cli(&["eval", "return redis.call('set', 'vt:1:' .. string.char(255), 'x')", "0"]);
    assert_eq!(layers().get(&key(0)).await, None);
    for id in 1..100 {
        layers().put(&key(id), vec![7; 100]).await;
    }
    assert_eq!(redis.cli(&["dbsize"]), "103");
    assert_eq!(layers().clear().await, Some(true));
    assert_eq!(redis.cli(&["dbsize"]), "4", "what is ours is gone, and nothing else");
    assert_eq!(breaker.snapshot().failed, 0);
    let nowhere = config::Cache { redis: config::Redis { url: String::new() } };
    assert_eq!(Layers::new(&nowhere, breaker, &secret).unwrap().clear().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_costs_one_timeout_and_then_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let timeout = Duration::from_millis(250);
    let settings = Settings { failure_threshold: 1, timeout, ..Settings::default() };
    let breaker = Arc::new(Breaker::new("cache-redis", settings));
    let config = config::Cache { redis: config::Redis { url: redis.url() } };
    let secret = directory.path().join("cache.key");
    let layers = Layers::new(&config, Arc::clone(&breaker), &secret).unwrap();
    let key = |id: usize| CacheKey { kind: "phrase", id: id.to_string(), keep: Duration::from_secs(60) };
    layers.put(&key(0), vec![7; 100]).await;
    redis.signal("STOP");
    let began = Instant::now();
    assert_eq!(layers.get(&key(1)).await, None);
    let first = began.elapsed();
    assert!(first >= timeout && first < timeout * 4, "{first:?}");
    let began = Instant::now();
    for id in 1..500 {
        assert_eq!(layers.get(&key(id)).await, None);
        layers.put(&key(id), vec![7; 100]).await;
    }
    assert!(began.elapsed() < timeout, "{:?}", began.elapsed());
    // Memory goes on meanwhile.
    assert_eq!(layers.get(&key(300)).await, Some(vec![7; 100]));
    redis.signal("CONT");
    breaker.reset();
    // Another process finds what was put there before.
    let other = Layers::new(&config, Arc::clone(&breaker), &secret).unwrap();
    assert_eq!(other.get(&key(0)).await, Some(vec![7; 100]));
    assert_eq!(layers.get(&key(1000)).await, None);
    assert_eq!(breaker.snapshot().timeouts, 1);
}

//! A daemon that is started again goes on where it was: the session, what was done and said last, and the mode.

use super::support::redis::Redis;
use super::support::user::{User, until};

fn restarted(user: &User, mut daemon: super::support::user::Running) -> super::support::user::Running {
    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{}", daemon.said());
    user.daemon()
}

#[test]
fn it_goes_on_where_it_was_and_forgets_what_makes_no_sense() {
    let directory = tempfile::tempdir().unwrap();
    let redis = Redis::start(directory.path());
    let user = User::without_models();
    user.configure(&format!("[audio]\ninput = \"none\"\n[cache.redis]\nurl = \"{}\"\n", redis.url()));
    let daemon = user.daemon();
    for words in ["new session kitchen", "new session garden", "switch to kitchen", "split right"] {
        let ran = user.run(&["do", words]);
        assert_eq!(ran.code(), 0, "{words}: {ran:?}");
    }
    let key = || redis.keys().into_iter().find(|key| key.starts_with("vt:1:context:"));
    until("it is kept", || key().is_some());
    let ttl: u64 = redis.cli(&["ttl", &key().unwrap()]).parse().unwrap();
    assert!((1..=1800).contains(&ttl), "{ttl}");

    let daemon = restarted(&user, daemon);
    let ran = user.run(&["do", "repeat that"]);
    assert!(ran.out.to_lowercase().contains("split"), "{ran:?}");
    assert_eq!(user.run(&["do", "again"]).code(), 0);
    let panes = user.tmux(&["list-panes", "-t", "kitchen"]);
    assert_eq!(panes.lines().count(), 3, "where it was: {panes}");
    assert_eq!(user.run(&["do", "dictation mode"]).code(), 0);

    let daemon = restarted(&user, daemon);
    assert_eq!(user.run(&["do", "hello there"]).code(), 0);
    until("it is typed", || user.tmux(&["capture-pane", "-p", "-t", "kitchen"]).contains("hello there"));
    assert_eq!(user.run(&["do", "command mode"]).code(), 0);

    // The session has gone, and another has its name.
    user.tmux(&["kill-session", "-t", "kitchen"]);
    user.tmux(&["new-session", "-d", "-s", "kitchen"]);
    let daemon = restarted(&user, daemon);
    let ran = user.run(&["do", "again"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert_eq!(user.tmux(&["list-panes", "-t", "kitchen"]).lines().count(), 1);

    // Somebody else wrote there.
    assert_eq!(user.run(&["do", "split right"]).code(), 0);
    until("it is kept", || key().is_some());
    drop(daemon);
    redis.cli(&[
        "set",
        &key().unwrap(),
        r#"{"session":null,"last":{"intent":"run","command":"rm -rf /"},"reply":null,"input":"command"}"#,
    ]);
    let _daemon = user.daemon();
    let ran = user.run(&["do", "--yes", "again"]);
    assert!(ran.code() == 1 && ran.out.contains("nothing that I could do again"), "{ran:?}");
}

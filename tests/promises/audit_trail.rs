//! The history tells of everything that was said what was understood, the verdict, who answered the question, and
//! what was done.

use serde_json::Value;

use crate::support::user::{User, until};

/// The newest record of what was said in these words.
fn record(user: &User, words: &str) -> Value {
    let found = user.history().into_iter().find(|record| record["text"] == words);
    found.unwrap_or_else(|| panic!("there is no {words:?} in the history"))
}

/// All that was sent in a turn, in order: the action, and what came of it.
fn sent(record: &Value) -> Vec<(String, String)> {
    let earlier = record["command"]["earlier"].as_array().cloned().unwrap_or_default();
    let pair = |command: &Value, outcome: &Value| {
        let name = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        (name(&command["action"]), name(&outcome["outcome"]))
    };
    let mut all: Vec<_> = earlier.iter().map(|it| pair(&it["command"], &it["outcome"])).collect();
    if !record["command"].is_null() {
        all.push(pair(&record["command"], &record["outcome"]));
    }
    all
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(action, outcome)| ((*action).to_owned(), (*outcome).to_owned())).collect()
}

fn converse(user: &User, lines: &str) {
    let ran = user.run_with(&["run"], lines.as_bytes());
    assert_eq!(ran.code(), 0, "{ran:?}");
}

#[test]
fn what_was_allowed_asked_answered_and_refused_is_told() {
    let user = User::new();
    converse(
        &user,
        "run echo allowed\nrun touch once\nyes\nrun touch never\nno\nrun rm -rf /\nsplit right and run pwd\n\
         zoom and run touch later\nlist sessions\nrun touch last\n",
    );

    let allowed = record(&user, "run echo allowed");
    assert_eq!(allowed["interpretation"]["verdict"], "allow", "{allowed:#}");
    assert!(allowed["interpretation"]["question"].is_null(), "{allowed:#}");
    assert_eq!(sent(&allowed), pairs(&[("prepare", "done"), ("submit", "ran")]), "{allowed:#}");
    assert_eq!(allowed["outcome"]["status"], 0, "{allowed:#}");

    let asked = record(&user, "run touch once");
    let yes = record(&user, "yes");
    assert_eq!(asked["interpretation"]["verdict"], "confirm", "{asked:#}");
    let question = &asked["interpretation"]["question"];
    assert!(question["summary"].as_str().unwrap().contains("touch once"), "{asked:#}");
    assert_eq!((&question["answer"], &question["by"]), (&"confirmed".into(), &yes["id"]), "{asked:#}");
    assert_eq!(sent(&asked), pairs(&[("prepare", "done")]), "{asked:#}");
    assert_eq!(yes["interpretation"]["concerns"], asked["id"], "{yes:#}");
    assert_eq!(sent(&yes), pairs(&[("submit", "ran")]), "{yes:#}");
    assert_eq!(yes["command"]["text"], "touch once");

    let (asked, no) = (record(&user, "run touch never"), record(&user, "no"));
    let question = &asked["interpretation"]["question"];
    assert_eq!((&question["answer"], &question["by"]), (&"declined".into(), &no["id"]), "{asked:#}");
    assert_eq!(no["interpretation"]["concerns"], asked["id"], "{no:#}");
    assert_eq!(sent(&no), pairs(&[("erase", "done")]), "{no:#}");

    let refused = record(&user, "run rm -rf /");
    assert_eq!(refused["interpretation"]["verdict"], "refuse", "{refused:#}");
    assert!(sent(&refused).is_empty() && refused["interpretation"]["question"].is_null(), "{refused:#}");

    let row = record(&user, "split right and run pwd");
    let all = pairs(&[("split_pane", "done"), ("prepare", "done"), ("submit", "ran")]);
    assert_eq!(sent(&row), all, "{row:#}");

    let (asked, other) = (record(&user, "zoom and run touch later"), record(&user, "list sessions"));
    let question = &asked["interpretation"]["question"];
    assert_eq!((&question["answer"], &question["by"]), (&"replaced".into(), &other["id"]), "{asked:#}");
    assert!(sent(&asked).is_empty(), "nothing of it was begun: {asked:#}");

    // The end of the input.
    let last = record(&user, "run touch last");
    assert_eq!(last["interpretation"]["question"]["answer"], "stopped", "{last:#}");
    assert_eq!(sent(&last), pairs(&[("prepare", "done"), ("erase", "done")]), "{last:#}");

    let told = user.run(&["history"]).out;
    for (remark, times) in [
        ("(asked first: confirmed)", 1),
        ("(asked first: declined)", 1),
        ("(asked first: something else was said instead)", 1),
        ("(asked first: the program was stopped first)", 1),
        ("(refused)", 1),
        ("without a known end", 0),
    ] {
        assert_eq!(told.matches(remark).count(), times, "{remark}: {told}");
    }
    // What was done before the last of several is found by what was said.
    assert_eq!(user.run(&["history", "--search", "pwd", "--json"]).json().len(), 1);
}

#[test]
fn a_question_that_expired_and_a_turn_that_was_cancelled_are_told() {
    let user = User::new();
    user.configure("[safety]\nconfirmation_expires = \"300ms\"\nallow = [\"sleep\"]\n");
    let mut daemon = user.daemon();
    let asked = user.run(&["do", "run touch never"]);
    assert!(asked.out.contains("confirm"), "{asked:?}");
    let question = || record(&user, "run touch never");
    until("it has expired", || {
        let record = question();
        record["interpretation"]["question"]["answer"] == "expired" && sent(&record).len() == 2
    });
    let expired = question();
    assert!(expired["interpretation"]["question"]["by"].is_null(), "{expired:#}");
    until("it is taken back", || sent(&question()) == pairs(&[("prepare", "done"), ("erase", "done")]));
    assert!(user.run(&["history"]).out.contains("(asked first: expired)"));

    let mut long = user.start(&["do", "run sleep 15"]);
    until("it runs", || {
        let standing = &user.run(&["status", "--json"]).json()[0]["standing"];
        let begun = user.history().iter().any(|it| it["text"] == "run sleep 15" && sent(it).len() == 2);
        standing["busy"] == true && begun
    });
    let stopping = user.run(&["do", "cancel"]);
    assert!(stopping.out.contains("Stopping."), "{stopping:?}");
    long.ended();
    let (cancelled, cancel) = (record(&user, "run sleep 15"), record(&user, "cancel"));
    assert_eq!(cancel["interpretation"]["intent"], "cancel", "{cancel:#}");
    assert_eq!(cancel["interpretation"]["concerns"], cancelled["id"], "{cancel:#}");
    assert_eq!(sent(&cancelled), pairs(&[("prepare", "done"), ("submit", "-")]), "{cancelled:#}");
    assert!(user.run(&["history"]).out.contains("(sent to tmux without a known end)"));
    daemon.signal("TERM");
    daemon.ended();
}

#[test]
fn a_yes_that_is_given_beforehand_agrees_to_its_own_question_only() {
    let user = User::new();
    let daemon = user.daemon();
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    assert_eq!(user.run(&["do", "--yes", "run touch first"]).code(), 0);
    std::thread::scope(|both| {
        both.spawn(|| {
            for number in 0..8 {
                let ran = user.run(&["do", "--yes", &format!("run touch wanted{number}")]);
                assert_eq!(ran.code(), 0, "{ran:?}");
            }
        });
        both.spawn(|| {
            for number in 0..8 {
                let ran = user.run(&["do", &format!("run touch unwanted{number}")]);
                assert!(ran.code() == 1 && ran.out.contains("confirm"), "{ran:?}");
            }
        });
    });
    drop(daemon);
    let made: Vec<_> = std::fs::read_dir(user.path("home"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("wanted"))
        .collect();
    assert!(made.len() == 8 && made.iter().all(|name| name.starts_with("wanted")), "{made:?}");

    let asked = record(&user, "run touch first");
    let understood = &asked["interpretation"];
    let question = &understood["question"];
    assert_eq!(understood["verdict"], "confirm", "{asked:#}");
    assert_eq!((&question["answer"], &question["by"]), (&"confirmed".into(), &asked["id"]), "{asked:#}");
    assert!(understood["concerns"].is_null(), "{asked:#}");
    assert_eq!(sent(&asked), pairs(&[("prepare", "done"), ("submit", "ran")]), "{asked:#}");
}

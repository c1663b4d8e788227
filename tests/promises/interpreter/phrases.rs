//! Phrases, as people say them, as recognisers write them, and as people type them.

use std::sync::Arc;

use serde::Deserialize;
use voice_terminal::domain::{
    Completeness, Confidence, InputMode, Intent, Interpreter, LiveNames, Situation, Verdict,
};

use super::{rules, session, typed};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    spoken: bool,
    #[serde(default)]
    open: bool,
    #[serde(default)]
    input: InputMode,
    last: Option<Intent>,
    say: Vec<String>,
    /// The exact intent.
    means: Option<Intent>,
    /// Or only its name.
    any: Option<String>,
}

fn name(intent: &Intent) -> String {
    serde_json::to_value(intent).unwrap()["intent"].as_str().unwrap().to_owned()
}

#[test]
fn every_phrase_means_what_it_should() {
    let cases: Cases = toml::from_str(include_str!("../../data/phrases.toml")).unwrap();
    let rules = rules();
    let sessions = ["build", "web-2"].map(session).to_vec();
    let list = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
    let names = Arc::new(LiveNames {
        windows: vec![(0, "bash".into()), (1, "editor".into()), (2, "web logs".into())],
        branches: list(&["main", "feature/login-form"]),
        directories: list(&["src", "my app"]),
        commands: list(&["cargo test --lib", "git push"]),
        ..LiveNames::default()
    });
    let (mut count, mut wrong) = (0, Vec::new());
    for case in &cases.case {
        let situation = Situation {
            sessions: sessions.clone(),
            question_open: case.open,
            spoken: case.spoken,
            input: case.input,
            last: case.last.clone(),
            names: Arc::clone(&names),
            ..Situation::default()
        };
        let confidence = if case.spoken { Confidence::new(0.9) } else { Confidence::CERTAIN };
        for say in &case.say {
            count += 1;
            let intent = rules.interpret(say, confidence, &situation).intent;
            let right = match (&case.means, &case.any) {
                (Some(means), _) => intent == *means,
                (None, Some(any)) => name(&intent) == *any,
                (None, None) => false,
            };
            if !right {
                let expected = format!("{:?}{:?}", case.means, case.any);
                wrong.push(format!("{say:?}\n    came to   {intent:?}\n    should be {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 400, "only {count} cases");
}

#[test]
fn every_phrase_that_is_offered_is_understood() {
    let rules = rules();
    for group in rules.phrases() {
        for phrase in group.phrases {
            for spoken in [true, false] {
                let situation = Situation { question_open: true, spoken, ..Situation::default() };
                let intent = rules.interpret(&phrase.say, Confidence::CERTAIN, &situation).intent;
                assert!(!matches!(intent, Intent::Unknown { .. } | Intent::Nothing), "{}", phrase.say);
                assert!(!phrase.does.is_empty(), "{}", phrase.say);
            }
        }
    }
}

#[test]
fn what_is_not_understood_is_answered_with_phrases_that_can_be_said() {
    let rules = rules();
    for (heard, offered) in [
        ("splice right", "split right"),
        ("list the sections", "list sessions"),
        ("clothes whin dough", "close window"),
        ("git status", "run git status"),
        ("press the button", "press up three times"),
        ("go ahead", "yes"),
        ("The quick brown fox jumps over the lazy dog.", "help"),
    ] {
        let situation = Situation { spoken: true, ..Situation::default() };
        let interpretation = rules.interpret(heard, Confidence::new(0.9), &situation);
        let Intent::Unknown { nearest, .. } = interpretation.intent else { panic!("{heard} is known") };
        assert_eq!(interpretation.verdict, Verdict::Allow);
        assert!((1..=3).contains(&nearest.len()), "{nearest:?}");
        if heard == "go ahead" {
            assert!(!nearest.contains(&offered.to_owned()), "nothing was asked that could be answered");
            continue;
        }
        assert!(nearest.iter().any(|it| it == offered), "{heard}: {nearest:?}");
        for say in nearest {
            let again = typed(&rules, &say).intent;
            assert!(!matches!(again, Intent::Unknown { .. }), "{say} is offered, but can't be said");
        }
    }
}

#[test]
fn what_was_taken_for_something_else_is_told_and_less_sure() {
    let situation = Situation { sessions: vec![session("build")], spoken: true, ..Situation::default() };
    let found = rules().interpret("Splitt right.", Confidence::new(0.9), &situation);
    let [correction] = found.corrections.as_slice() else { panic!("{found:?}") };
    assert_eq!((correction.heard.as_str(), correction.taken.as_str()), ("splitt", "split"));
    assert_eq!(found.verdict, Verdict::Allow);
    // It was sure enough as it was heard, and isn't as it was taken.
    let unsure = Confidence::new(0.36);
    let heard = rules().interpret("Split right.", unsure, &situation);
    assert_eq!((heard.verdict, heard.corrections.len()), (Verdict::Allow, 0));
    let taken = rules().interpret("Splitt right.", unsure, &situation);
    assert!(matches!(taken.verdict, Verdict::Confirm { .. }), "{taken:?}");
    let kill = rules().interpret("Kill session bild.", unsure, &situation);
    assert!(matches!(kill.verdict, Verdict::Refuse { .. }), "{kill:?}");
    let two = rules().interpret("Splid right and switch to bild.", Confidence::new(0.9), &situation);
    assert_eq!(two.corrections.len(), 2, "{two:?}");
}

#[test]
fn an_unsure_yes_sets_nothing_off() {
    let situation = Situation { question_open: true, spoken: true, ..Situation::default() };
    let unsure = rules().interpret("Yes.", Confidence::new(0.3), &situation).intent;
    assert!(matches!(unsure, Intent::Unknown { .. }), "{unsure:?}");
    // Nor does an unsure "mute", which could not be taken back by voice.
    let unsure = rules().interpret("Mute.", Confidence::new(0.3), &situation).intent;
    assert!(matches!(unsure, Intent::Unknown { .. }), "{unsure:?}");
    let sure = rules().interpret("Yes.", Confidence::new(0.8), &situation).intent;
    assert_eq!(sure, Intent::Confirm);
    let no = rules().interpret("No.", Confidence::new(0.1), &situation).intent;
    assert_eq!(no, Intent::Deny, "a no is safe however unsure it is");
}

#[test]
fn the_words_tell_whether_more_is_to_come() {
    use Completeness::{Complete, Extensible, Unfinished, Unknown};

    let situation = Situation {
        sessions: ["build", "web-2"].map(session).to_vec(),
        question_open: true,
        spoken: true,
        ..Situation::default()
    };
    let rules = rules();
    for (completeness, said) in [
        (
            Complete,
            &[
                "List sessions.",
                "Split right, please.",
                "Yes.",
                "No.",
                "Stop.",
                "Cancel.",
                "Switch to build.",
                "Go to web 2.",
                "Next pane.",
                "Split right and list sessions.",
            ][..],
        ),
        (Extensible, &["Split.", "New session.", "New session build.", "Press enter.", "Go to nowhere."]),
        (
            Unfinished,
            &[
                "Run",
                "Run.",
                "Run git status.",
                "Type hello",
                "Switch to",
                "Split the",
                "Press",
                "Press page",
                "What is",
                "Split right and",
                "Split right, and then",
                "Split right and run",
                "Split right and run cargo test.",
            ],
        ),
        (Unknown, &["", "Um.", "The quick brown fox.", "Sections list."]),
    ] {
        for said in said {
            assert_eq!(rules.completeness(said, &situation), completeness, "{said}");
        }
    }
    let situation = Situation { input: InputMode::Dictation, ..situation };
    for (completeness, said) in
        [(Complete, "Command mode."), (Complete, "Scratch that."), (Unfinished, "List sessions.")]
    {
        assert_eq!(rules.completeness(said, &situation), completeness, "{said}");
    }
}

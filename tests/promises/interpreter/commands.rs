//! Command lines, and what the safety policy says to them.

use std::collections::BTreeMap;

use serde::Deserialize;
use voice_terminal::domain::{Confidence, Intent, Interpreter, Situation, Verdict};

use super::{allowing, rules, typed};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    allow: Vec<String>,
    confirm: BTreeMap<String, Vec<String>>,
    refuse: BTreeMap<String, Vec<String>>,
}

#[test]
fn every_command_gets_its_verdict() {
    let cases: Cases = toml::from_str(include_str!("../../data/commands.toml")).unwrap();
    let rules = rules();
    let (mut count, mut wrong) = (0, Vec::new());
    let mut check = |command: &str, expected: &str, right: &dyn Fn(&Verdict) -> bool| {
        count += 1;
        let found = typed(&rules, &format!("run {command}"));
        assert_eq!(found.intent, Intent::Run { command: command.into() });
        if !right(&found.verdict) {
            wrong.push(format!("{command}\n    got       {:?}\n    should be {expected}", found.verdict));
        }
    };
    for command in &cases.allow {
        check(command, "allowed", &|verdict| *verdict == Verdict::Allow);
    }
    for (part, commands) in &cases.confirm {
        for command in commands {
            check(
                command,
                &format!("asked: {part}"),
                &|verdict| matches!(verdict, Verdict::Confirm { consequence } if consequence.contains(part.as_str())),
            );
        }
    }
    for (part, commands) in &cases.refuse {
        for command in commands {
            check(
                command,
                &format!("refused: {part}"),
                &|verdict| matches!(verdict, Verdict::Refuse { reason } if reason.contains(part.as_str())),
            );
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 250, "only {count} cases");
}

fn verdict(rules: &voice_terminal::interpreter::Rules, line: &str) -> &'static str {
    match typed(rules, line).verdict {
        Verdict::Allow => "allow",
        Verdict::Confirm { .. } => "confirm",
        Verdict::Refuse { .. } => "refuse",
    }
}

#[test]
fn what_the_user_allows_runs_unless_something_is_joined_to_it() {
    let rules = allowing(&["cargo test", "git push", "make", "bash", "rm -rf target"]);
    for (line, expected) in [
        ("run cargo test", "allow"),
        ("run cargo test --lib", "allow"),
        ("run cargo tests", "confirm"),
        ("run cargo build", "confirm"),
        ("run cargo test; rm x", "confirm"),
        ("run cargo test && ls", "confirm"),
        ("run cargo test | tee x", "confirm"),
        ("run cargo test > x", "confirm"),
        ("run cargo test $(ls)", "confirm"),
        ("run cargo test `ls`", "confirm"),
        ("run cargo test &", "confirm"),
        ("run cargo test $X", "confirm"),
        ("run X=1 cargo test", "confirm"),
        ("run cargo test \"unfinished", "confirm"),
        ("run sudo cargo test", "confirm"),
        ("run git push", "allow"),
        ("run git push --force", "confirm"),
        ("run make install", "allow"),
        ("run rm -rf target", "allow"),
        ("run rm -rf target /", "refuse"),
        ("run bash -c 'rm -rf /'", "refuse"),
    ] {
        assert_eq!(verdict(&rules, line), expected, "{line}");
    }
}

#[test]
fn a_setting_that_is_no_plain_command_is_refused() {
    for entry in ["", "ls; rm", "ls > x", "ls $(x)", "\"ls", "a | b", "X=1 ls", "echo $X", "ls &"] {
        let safety = voice_terminal::config::Safety { allow: vec![entry.into()], ..Default::default() };
        let error = voice_terminal::interpreter::Rules::new(&safety).unwrap_err();
        assert!(error.to_string().starts_with("safety.allow: "), "{error}");
    }
}

#[test]
fn what_ends_something_or_runs_something_is_asked_first() {
    let rules = rules();
    for (line, expected) in [
        ("kill session build", "confirm"),
        ("close window", "confirm"),
        ("close pane", "confirm"),
        ("press enter", "confirm"),
        ("press control m", "confirm"),
        ("press control j", "confirm"),
        ("press control o", "confirm"),
        ("press control d", "confirm"),
        ("press alt enter", "confirm"),
        ("press control c", "allow"),
        ("press tab", "allow"),
        ("press up three times", "allow"),
        ("type rm -rf /", "allow"),
        ("split right", "allow"),
        ("new session build", "allow"),
        ("rename window x", "allow"),
        ("list sessions", "allow"),
        ("scroll up", "allow"),
        ("help", "allow"),
    ] {
        assert_eq!(verdict(&rules, line), expected, "{line}");
    }
    let Verdict::Confirm { consequence } = typed(&rules, "kill session build").verdict else { panic!() };
    assert!(consequence.contains("build"), "{consequence}");
}

#[test]
fn doubt_makes_the_verdict_one_step_stricter_for_what_changes_something() {
    let rules = rules();
    let strictness = |verdict: &Verdict| match verdict {
        Verdict::Allow => 0,
        Verdict::Confirm { .. } => 1,
        Verdict::Refuse { .. } => 2,
    };
    for (line, changes) in [
        ("run ls", true),
        ("run cargo test", true),
        ("run rm -rf /", true),
        ("type hello", true),
        ("press tab", true),
        ("split right", true),
        ("new window", true),
        ("kill session", true),
        ("next window", false),
        ("switch to build", false),
        ("list sessions", false),
        ("read that", false),
        ("scroll up", false),
        ("what is build doing", false),
        ("help", false),
        ("cancel", false),
    ] {
        let sure = typed(&rules, line);
        for (confidence, degraded) in [(0.34, false), (0.0, true), (1.0, true)] {
            let situation = Situation { degraded, ..Situation::default() };
            let doubtful = rules.interpret(line, Confidence::new(confidence), &situation);
            assert_eq!(doubtful.intent, sure.intent);
            let step = (strictness(&sure.verdict) + i32::from(changes)).min(2);
            assert_eq!(strictness(&doubtful.verdict), step, "{line} at {confidence}, degraded: {degraded}");
        }
        let barely = rules.interpret(line, Confidence::new(0.5), &Situation::default());
        assert_eq!(barely, sure, "the minimum confidence is enough");
    }
}

#[test]
fn hidden_characters_are_refused_and_taken_out() {
    let rules = rules();
    for hidden in ['\u{1b}', '\u{7}', '\t', '\u{0}', '\u{9b}', '\u{202e}', '\u{200b}', '\u{feff}', '\u{2028}']
    {
        for verb in ["run", "type"] {
            let found = typed(&rules, &format!("{verb} ls {hidden}-la"));
            assert!(matches!(found.verdict, Verdict::Refuse { .. }), "{hidden:?}: {:?}", found.verdict);
            let (Intent::Run { command: text } | Intent::Type { text }) = found.intent else { panic!() };
            assert_eq!(text, "ls -la");
        }
    }
    let found = typed(&rules, "run ls\nrm -rf x");
    assert!(matches!(found.verdict, Verdict::Refuse { .. }), "a second line is not carried in");
    assert_eq!(typed(&rules, "run ls\r\n").verdict, Verdict::Allow, "the end of the line is no part of it");
}

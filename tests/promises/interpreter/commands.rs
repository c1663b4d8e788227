//! Command lines, and what the safety policy says to them.

use std::collections::BTreeMap;

use serde::Deserialize;
use voice_terminal::domain::{
    Confidence, Intent, Interpreter, LineTaker, Situation, Typed, TypedLine, Verdict,
};

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
        ("run bash -c 'rm -rf x'", "confirm"),
        ("run bash -c 'ls'", "allow"),
    ] {
        assert_eq!(verdict(&rules, line), expected, "{line}");
    }
    let rules = allowing(&["time", "sudo", "env", "ssh", "sudo rm"]);
    for (line, expected) in [
        ("run time make", "allow"),
        ("run sudo make", "allow"),
        ("run ssh build uptime", "allow"),
        ("run sudo rm x", "allow"),
        ("run sudo rm -rf x", "confirm"),
        ("run time rm -rf x", "confirm"),
        ("run sudo git push --force", "confirm"),
        ("run sudo dd if=a of=b", "confirm"),
        ("run env rm -rf x", "confirm"),
        ("run env -S 'rm -rf x'", "confirm"),
        ("run sudo bash -c \"bash -c 'bash -c \\\"rm -rf x\\\"'\"", "confirm"),
        ("run ssh build rm -rf x", "confirm"),
        ("run sudo rm -rf /", "refuse"),
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
        ("press control enter", "confirm"),
        ("press control d", "confirm"),
        ("press control z", "confirm"),
        ("press control x", "confirm"),
        ("press control v", "confirm"),
        ("press control four", "confirm"),
        ("press control pipe", "confirm"),
        ("press control i", "confirm"),
        ("press control space", "confirm"),
        ("press alt a", "confirm"),
        ("press control alt e", "confirm"),
        ("press control alt f", "confirm"),
        ("press control c", "allow"),
        ("press control r", "allow"),
        ("press control left", "allow"),
        ("press alt b", "allow"),
        ("press alt backspace", "allow"),
        ("press escape", "allow"),
        ("press f five", "allow"),
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

/// A situation in which this is typed.
fn typed_there(taker: LineTaker, text: &str, escaped: bool) -> Situation {
    let lines = vec![TypedLine { text: text.into(), escaped, unknown: false }];
    let elsewhere = vec![TypedLine { text: "rm -rf /".into(), ..TypedLine::default() }];
    let typed = std::sync::Arc::new(Typed { taker, lines, elsewhere });
    Situation { typed, ..Situation::default() }
}

#[test]
fn enter_is_judged_by_the_line_that_it_enters() {
    let rules = rules();
    let judge =
        |line: &str, situation: &Situation| rules.interpret(line, Confidence::CERTAIN, situation).verdict;
    for key in
        ["press enter", "press control enter", "press control m", "press control alt j", "press alt enter"]
    {
        let at = |taker, text| judge(key, &typed_there(taker, text, false));
        assert!(matches!(at(LineTaker::Shell, "rm -rf /"), Verdict::Refuse { .. }), "{key}");
        assert!(matches!(at(LineTaker::Program, "sudo rm -rf /"), Verdict::Refuse { .. }), "{key}");
        for (taker, text, told) in [
            (LineTaker::Shell, "rm -rf build", "is `rm -rf build`. This deletes folders"),
            (LineTaker::Shell, "ls", "is `ls`."),
            (LineTaker::Program, "yes please", "is `yes please`."),
            (LineTaker::Shell, "", "whatever is typed in the pane."),
            (LineTaker::Keys, "rm -rf /", "whatever is typed in the pane."),
        ] {
            let Verdict::Confirm { consequence } = at(taker, text) else { panic!("{key}: {text}") };
            assert!(consequence.contains(told), "{key}: {consequence}");
        }
    }
    // What is put in or gone to on the way counts.
    let spoken = |line: &str| {
        let situation = Situation { spoken: true, ..typed_there(LineTaker::Shell, "rm -rf ", false) };
        rules.interpret(line, Confidence::CERTAIN, &situation).verdict
    };
    assert!(matches!(spoken("press slash then press enter"), Verdict::Refuse { .. }));
    assert!(matches!(spoken("next pane then press enter"), Verdict::Refuse { .. }));
    assert!(matches!(spoken("press control c then press enter"), Verdict::Confirm { .. }));
}

#[test]
fn keys_that_may_run_a_part_of_the_line_are_asked_about() {
    let rules = rules();
    let verdict = |key: &str, taker, text: &str, escaped| {
        rules.interpret(key, Confidence::CERTAIN, &typed_there(taker, text, escaped)).verdict
    };
    for text in
        ["echo $(touch x)", "echo `touch x`", "cat <(x)", "cat =(x)", "ls *(e:x:)", "echo ${x}", "echo $[x]"]
    {
        for key in ["press tab", "press control i"] {
            assert!(
                matches!(verdict(key, LineTaker::Shell, text, false), Verdict::Confirm { .. }),
                "{key}: {text}"
            );
            assert_eq!(verdict("press tab", LineTaker::Keys, text, false), Verdict::Allow, "{text}");
        }
    }
    assert_eq!(verdict("press tab", LineTaker::Shell, "cat \"my fi", false), Verdict::Allow);
    // Behind Escape, a key is another one to a shell.
    for key in ["press a", "press tab", "press control e"] {
        assert!(matches!(verdict(key, LineTaker::Shell, "x", true), Verdict::Confirm { .. }), "{key}");
        assert_eq!(verdict(key, LineTaker::Keys, "x", true), Verdict::Allow, "{key}");
    }
    for key in ["press b", "press escape", "press control c", "press up"] {
        assert_eq!(verdict(key, LineTaker::Shell, "x", true), Verdict::Allow, "{key}");
    }
    assert!(matches!(typed(&rules, "press escape then press a").verdict, Verdict::Confirm { .. }));
}

#[test]
fn what_runs_away_is_stopped_however_it_was_heard() {
    let rules = rules();
    for (confidence, degraded) in [(0.34, false), (0.0, true), (1.0, true)] {
        let situation = Situation { degraded, ..Situation::default() };
        let stop = rules.interpret("press control c", Confidence::new(confidence), &situation);
        assert_eq!(stop.verdict, Verdict::Allow);
        let made = rules.judge(stop.intent, Confidence::new(confidence), &situation);
        assert!(matches!(made.verdict, Verdict::Confirm { .. }), "but not because an AI says so");
    }
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

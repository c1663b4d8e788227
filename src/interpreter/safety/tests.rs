use std::collections::HashSet;

use super::*;
use crate::domain::{Alias, AliasPlace, Aliases};

fn policy() -> Policy {
    Policy::new(include_str!("../../../config/safety.toml"), &config::Safety::default()).unwrap()
}

#[test]
fn lines_made_to_take_long_take_no_longer_than_others() {
    let policy = policy();
    for unit in [
        "sudo ",
        "sudo ssh a ",
        "ssh a ",
        "bash -c ",
        "eval ",
        "rm -rf x ",
        "sudo rm ",
        "xargs sudo rm -r ",
        "cat x ",
        "echo $(",
        "; rm ",
        "| sh ",
        "env bash -c 'sudo ",
        "a=b ",
        "> x ",
        "find -exec rm / ",
    ] {
        let line = unit.repeat(10_000);
        let start = std::time::Instant::now();
        let _ = policy.judge(
            &Intent::Run { command: line },
            Doubt::None,
            &ShellNames::default(),
            &Typed::default(),
        );
        assert!(start.elapsed().as_secs_f64() < 2.0, "{unit} took {:?}", start.elapsed());
    }
}

#[test]
fn faulty_rules_are_told() {
    for (rule, part) in [
        ("[[allow]]\ncommand = 3\n", "unknown field"),
        ("[[refuse]]\ncommands = []\nwords = [[\"@nowhere\"]]\nreason = \"\"\n", "no list `nowhere`"),
        ("[[key]]\npress = [\"control hyper\"]\nconsequence = \"\"\n", "no key `control hyper`"),
    ] {
        let text = format!("{}\n{rule}", include_str!("../../../config/safety.toml"));
        let error = Policy::new(&text, &config::Safety::default()).unwrap_err().to_string();
        assert!(error.starts_with("safety.toml") && error.contains(part), "{error}");
    }
}

#[test]
fn every_consequence_is_one_plain_sentence() {
    let rules = policy().rules;
    let sentences = rules.confirm.iter().chain(&rules.refuse).map(|rule| &rule.sentence);
    for sentence in sentences.chain(rules.keys.rules.iter().map(|rule| &rule.consequence)) {
        assert!(sentence.ends_with('.') && sentence.starts_with(char::is_uppercase), "{sentence}");
    }
}

/// A shell that has told these aliases, as `name=text`, of this kind.
fn shell(place: AliasPlace, aliases: &[&str]) -> ShellNames {
    let alias = |alias: &&str| {
        let (name, text) = alias.split_once('=').unwrap();
        (name.to_owned(), Alias { text: text.into(), place })
    };
    let aliases = aliases.iter().map(alias).collect();
    ShellNames { aliases: Aliases { aliases, ..Aliases::default() }, certain: true }
}

fn judged(line: &str, shell: &ShellNames) -> Verdict {
    policy().judge(&Intent::Run { command: line.into() }, Doubt::None, shell, &Typed::default())
}

#[test]
fn a_line_is_judged_by_what_its_aliases_stand_for() {
    let shell = shell(
        AliasPlace::Command,
        &[
            "ll=ls -l",
            "ls=ls --color",
            "la=ll -a",
            "cat=rm -rf",
            "gs=git stash drop",
            "sudo=sudo ",
            "noise=echo '",
            "two=ls; rm -rf x",
            "a=b",
            "b=a",
            "one=ls &&",
            "up=cd ..\nls",
        ],
    );
    for (line, expected) in [
        ("ll", None),
        ("la x | wc -l", None),
        ("ls", None),
        ("one ls", None),
        ("cat x", Some("`cat` stands for `rm -rf`: ")),
        ("echo $(cat x)", Some("`cat` stands for `rm -rf`: ")),
        ("ls && cat x", Some("`cat` stands for `rm -rf`: ")),
        ("echo `cat x`", Some("`cat` stands for `rm -rf`: ")),
        ("one cat x", Some("`cat` stands for `rm -rf`: ")),
        ("two", Some("`two` stands for `ls; rm -rf x`: ")),
        ("gs", Some("`gs` stands for `git stash drop`: ")),
        ("sudo cat x", Some("`sudo` stands for `sudo`: ")),
        ("noise x", Some("`noise` stands for `echo '`: ")),
        ("a", Some("`a` stands for `b`: ")),
        ("time cat x", Some("`cat` stands for `rm -rf`: ")),
        // Not where a command begins, or written with quotes.
        ("echo cat", None),
        ("\\cat x", None),
        ("'cat' x", None),
    ] {
        match (judged(line, &shell), expected) {
            (Verdict::Allow, None) => {}
            (Verdict::Confirm { consequence }, Some(why)) if consequence.starts_with(why) => {}
            (verdict, _) => panic!("{line}: {verdict:?}"),
        }
    }
    assert_eq!(judged("command cat x", &shell), judged("command cat x", &ShellNames::default()));
    // The alias of an alias is looked up behind a blank.
    let Verdict::Confirm { consequence } = judged("sudo cat x", &shell) else { panic!() };
    assert_ne!(judged("sudo echo x", &shell), Verdict::Confirm { consequence });
}

#[test]
fn where_it_is_not_certain_the_worse_of_both_counts() {
    let certain = shell(AliasPlace::Command, &["rmdir=echo", "ls=rm -rf"]);
    assert_eq!(judged("rmdir x", &certain), Verdict::Allow);
    let uncertain = ShellNames { certain: false, ..certain };
    for line in ["rmdir x", "ls x"] {
        assert!(matches!(judged(line, &uncertain), Verdict::Confirm { .. }), "{line}");
    }
    let steps = |steps: &[Intent]| Intent::Sequence { steps: steps.to_vec() };
    let certain = ShellNames { certain: true, ..uncertain };
    let run = Intent::Run { command: "rmdir x".into() };
    let switch = Intent::SwitchSession { name: "build".into() };
    let judge = |intent: Intent| policy().judge(&intent, Doubt::None, &certain, &Typed::default());
    assert_eq!(judge(steps(&[run.clone(), run.clone()])), Verdict::Allow);
    assert_ne!(judge(steps(&[switch, run])), Verdict::Allow, "it may go to another shell");
}

#[test]
fn each_kind_of_alias_is_one_where_its_shell_takes_it_for_one() {
    let global = shell(AliasPlace::Anywhere, &["ALL=; rm -rf x", "L=| wc -l"]);
    assert_eq!(judged("ls L", &global), Verdict::Allow);
    assert_eq!(judged("echo 'ALL'", &global), Verdict::Allow);
    assert_ne!(judged("echo ALL", &global), Verdict::Allow);
    assert_ne!(judged("echo < ALL", &global), Verdict::Allow);
    let function = shell(AliasPlace::Function, &["cat=rm -rf", "ls=ls -F"]);
    assert_eq!(judged("ls x", &function), Verdict::Allow);
    assert_ne!(judged("'cat' x", &function), Verdict::Allow);
    let abbreviation = shell(AliasPlace::LineEnd, &["st=ls -l", "cat=rm -rf"]);
    assert_eq!(judged("st", &abbreviation), Verdict::Allow);
    assert_ne!(judged("st x", &abbreviation), Verdict::Allow, "nobody knows `st`");
    assert_ne!(judged("cat x", &abbreviation), Verdict::Allow);
}

#[test]
fn by_the_name_of_a_function_nothing_is_known() {
    let functions = HashSet::from(["ls".to_owned()]);
    let shell = ShellNames { aliases: Aliases { functions, ..Aliases::default() }, certain: true };
    for line in ["ls", "\\ls -l", "echo $(ls)", "time ls"] {
        let Verdict::Confirm { consequence } = judged(line, &shell) else { panic!("{line}") };
        assert!(consequence.starts_with("`ls` is a function"), "{line}: {consequence}");
    }
    assert_eq!(judged("command ls", &shell), judged("command ls", &ShellNames::default()));
    assert!(matches!(judged("rm -rf /", &shell), Verdict::Refuse { .. }));
}

#[test]
fn what_is_taken_back_is_what_an_alias_stands_for() {
    let mut shell = shell(AliasPlace::Command, &["ga=git add", "git=hub", "two=git stash; ls"]);
    shell.aliases.functions.insert("mkdir".into());
    assert_eq!(policy().inverse("mkdir x", &ShellNames::default()).as_deref(), Some("rmdir x"));
    for line in ["mkdir x", "git stash", "two", "ga x"] {
        assert_eq!(policy().inverse(line, &shell), None, "{line}");
    }
    shell.aliases.aliases.remove("git");
    assert_eq!(policy().inverse("ga x", &shell).as_deref(), Some("git restore --staged x"));
}

#[test]
fn aliases_that_grow_without_end_take_no_longer_than_others() {
    let twice: Vec<String> = (0..100).map(|at| format!("x{at}=x{} ; x{}", at + 1, at + 1)).collect();
    let long = format!("long={}", "echo ".repeat(20_000));
    let all: Vec<&str> = twice.iter().map(String::as_str).chain([long.as_str(), "e=echo "]).collect();
    let shell = shell(AliasPlace::Command, &all);
    for line in ["x0".to_owned(), "long; ".repeat(1000), "e ".repeat(50_000), "e; ".repeat(20_000)] {
        let start = std::time::Instant::now();
        assert!(matches!(judged(&line, &shell), Verdict::Confirm { .. }));
        assert!(start.elapsed().as_secs_f64() < 2.0, "{:.20} took {:?}", line, start.elapsed());
    }
}

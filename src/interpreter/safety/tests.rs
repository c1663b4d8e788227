use super::*;

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
        let _ = policy.judge(&Intent::Run { command: line }, Doubt::None, &ShellNames::default());
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
    for sentence in sentences.chain(rules.keys.iter().map(|rule| &rule.consequence)) {
        assert!(sentence.ends_with('.') && sentence.starts_with(char::is_uppercase), "{sentence}");
    }
}

use super::*;

fn words(line: &str) -> Vec<Vec<String>> {
    let script = Script::parse(line);
    script
        .commands
        .into_iter()
        .map(|command| command.words.into_iter().map(|word| word.text).collect())
        .collect()
}

#[test]
fn lines_are_split_at_operators_and_not_inside_quotes() {
    for (line, expected) in [
        ("a b;c", vec![vec!["a", "b"], vec!["c"]]),
        ("a&&b||c|d&e", vec![vec!["a"], vec!["b"], vec!["c"], vec!["d"], vec!["e"]]),
        ("a 'b;c' \"d|e\" f\\;g", vec![vec!["a", "b;c", "d|e", "f;g"]]),
        ("a\nb", vec![vec!["a"], vec!["b"]]),
        ("echo $(a; b) c", vec![vec!["a"], vec!["b"], vec!["echo", "", "c"]]),
        ("echo \"x $(a \"b c\") y\"", vec![vec!["a", "b c"], vec!["echo", "x  y"]]),
        ("echo `a \\`b\\``", vec![vec!["b"], vec!["a", ""], vec!["echo", ""]]),
        ("a <(b) >(c)", vec![vec!["b"], vec!["c"], vec!["a", "", ""]]),
        ("a 2>x 3< y", vec![vec!["a"]]),
        ("X=1 Y='2 3' a Z=4", vec![vec!["a", "Z=4"]]),
        ("'X'=1 a", vec![vec!["X=1", "a"]]),
        ("a''b c\"\"", vec![vec!["ab", "c"]]),
        ("if a; then b; fi", vec![vec!["a"], vec!["b"]]),
        ("echo ${x:-`a`}", vec![vec!["a"], vec!["x:-"], vec!["echo", ""]]),
    ] {
        assert_eq!(words(line), expected, "{line}");
    }
}

#[test]
fn pipes_feed_and_redirections_are_kept_apart() {
    let script = Script::parse("X=1 a < in | b > out 2>&1 &");
    let [a, b] = script.commands.as_slice() else { panic!("{script:?}") };
    assert_eq!((a.fed, b.fed, b.background), (false, true, true));
    assert_eq!(a.assignments, ["X"]);
    assert!(!a.redirects[0].writes && a.redirects[0].target.text == "in");
    assert_eq!(b.redirects.len(), 1, "a duplicated descriptor is no file");
    assert!(b.redirects[0].writes && b.redirects[0].target.text == "out");
    assert!(script.puzzles.is_empty());
}

#[test]
fn what_is_not_followed_is_a_puzzle() {
    for (line, puzzle) in [
        ("a 'b", Puzzle::Unfinished),
        ("a $(b", Puzzle::Unfinished),
        ("a \\", Puzzle::Unfinished),
        ("a >", Puzzle::Unfinished),
        ("a !b", Puzzle::History),
        ("^a^b", Puzzle::History),
        ("(a)", Puzzle::Compound),
        ("a() { b; }", Puzzle::Compound),
        ("while a; do b; done", Puzzle::Compound),
        ("a ${b/c/d}", Puzzle::Expansion),
        ("a $((1))", Puzzle::Expansion),
        ("a $'b'", Puzzle::Expansion),
        ("a <<b", Puzzle::HereDocument),
        ("a #b", Puzzle::Comment),
        ("a 'b\\' ';c'", Puzzle::Quoting),
    ] {
        assert!(Script::parse(line).puzzles.contains(&puzzle), "{line}: {:?}", Script::parse(line));
    }
    for line in ["a b!", "a != b", "a#b", "a \"b!\"", "a $", "a <<< b", "a ~/x"] {
        assert_eq!(Script::parse(line).puzzles, [], "{line}");
    }
}

#[test]
fn nesting_has_a_bottom_and_length_costs_no_more_than_length() {
    for unit in ["$(", "`", "(", "${x:-", "\"$(", "<(", "((", "{", "x(){ ", "'\"", "a;", "\\"] {
        let line = unit.repeat(20_000);
        let start = std::time::Instant::now();
        let _ = Script::parse(&line);
        let _ = is_fork_bomb(&line);
        assert!(start.elapsed().as_secs_f64() < 1.0, "{unit} took {:?}", start.elapsed());
    }
}

/// bash itself says what it makes of words: the splitter has to agree, for every line that it
/// claims to follow.
#[test]
fn bash_agrees_on_words() {
    use std::process::{Command, Stdio};
    let pieces = [
        "a", " ", "  ", "'b c'", "\"d e\"", "\\ ", "\\\"", "f\\g", "''", "\"x'y\"", "'x\"y'", "-z", "=",
        "\\$", "\"\\$h\"", "é", ":", ",", "\"\\\\\"",
    ];
    // A small fixed generator: the same lines every time.
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let lines: Vec<String> =
        (0..400).map(|_| (0..=random(9)).map(|_| pieces[random(pieces.len())]).collect::<String>()).collect();
    let script: String =
        lines.iter().flat_map(|line| ["printf '%s\\0' : ", line, "\nprintf '\\n\\0'\n"]).collect();
    let output = Command::new("bash")
        .args(["--norc", "--noprofile", "-c", &script])
        .env("LC_ALL", "C.UTF-8")
        .stderr(Stdio::inherit())
        .output()
        .expect("bash is there");
    let output = String::from_utf8(output.stdout).unwrap();
    let mut theirs = output.split("\n\0");
    for line in &lines {
        let script = Script::parse(&format!(": {line}"));
        assert_eq!(script.puzzles, [], "{line}");
        let ours: String = script.commands[0].words.iter().flat_map(|word| [&word.text, "\0"]).collect();
        assert_eq!(Some(ours.as_str()), theirs.next(), "{line}");
    }
}

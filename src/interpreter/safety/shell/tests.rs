use std::io::Write as _;
use std::process::{Command, Stdio};

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
    assert_eq!(a.assignments.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["X"]);
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
        ("a 'b\\\\c'", Puzzle::Quoting),
        ("a -del\\x65te", Puzzle::Quoting),
        ("a > \\x61", Puzzle::Quoting),
        ("a \"`b \"; c; d \"`\"", Puzzle::Quoting),
        ("a \"b!\"", Puzzle::History),
        ("a \"$!\"", Puzzle::History),
        ("a $=b", Puzzle::Expansion),
        ("a \"$~b\"", Puzzle::Expansion),
        ("a $$b", Puzzle::Expansion),
    ] {
        assert!(Script::parse(line).puzzles.contains(&puzzle), "{line}: {:?}", Script::parse(line));
    }
    for line in
        ["a b!", "a != b", "a#b", "a \"b! \"", "a $", "a <<< b", "a ~/x", "\\ls a", "a `b`", "a \"`b`\""]
    {
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

/// The shells themselves say what they make of words: the splitter has to agree, for every line that it
/// claims to follow.
#[test]
fn shells_agree_on_words() {
    let pieces = [
        "a", " ", "  ", "'b c'", "\"d e\"", "\\ ", "\\\"", "''", "\"x'y\"", "'x\"y'", "-z", "x=", "\\$",
        "\"\\$h\"", "é", ":", ",", "\"\\\\\"",
    ];
    let lines = drawn(&pieces, 400);
    let script: String =
        lines.iter().flat_map(|line| ["printf '%s\\0' : ", line, "\nprintf '\\n\\0'\n"]).collect();
    for shell in ["bash --norc --noprofile", "zsh -f", "fish --no-config"] {
        let output = command(shell).args(["-c", &script]).stderr(Stdio::inherit()).output();
        let output = String::from_utf8(output.expect("the shell is there").stdout).unwrap();
        let mut theirs = output.split("\n\0");
        for line in &lines {
            let script = Script::parse(&format!(": {line}"));
            assert_eq!(script.puzzles, [], "{line}");
            let ours: String = script.commands[0].words.iter().flat_map(|word| [&word.text, "\0"]).collect();
            assert_eq!(Some(ours.as_str()), theirs.next(), "{shell}: {line}");
        }
    }
}

/// Whatever a shell runs of a line that the splitter claims to follow, the splitter has seen it there: as a
/// program, which `ran` is, or as the option that is written `-\x64one`.
#[test]
fn no_shell_runs_what_was_not_seen() {
    let pieces = [
        "\"",
        "'",
        "`",
        "!",
        "\\",
        " ",
        "; ran; ",
        "\"; ran; \"",
        "'; ran; '",
        "`echo ",
        " `",
        "a",
        "!\"",
        "\\'",
        "\\\"",
        "$",
        "-\\x64one",
        " -d\\157ne",
        "$(",
        ")",
        "{",
        "}",
        "#",
        "=",
        "~",
        "^",
        " | ",
        "echo ",
        "!a",
        "*",
        "[",
        "\u{2003}",
        " \u{3000}",
        "\u{a0}",
        ", ",
        "-done",
    ];
    let folder = tempfile::tempdir().unwrap();
    let (ran, done) = (folder.path().join("was-run"), folder.path().join("was-done"));
    // Where the lines are run, a pattern finds no program.
    let (programs, here) = (folder.path().join("programs"), folder.path().join("here"));
    std::fs::create_dir(&programs).unwrap();
    std::fs::create_dir(&here).unwrap();
    let program = |name: &str, content: &str| {
        let path = programs.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{content}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    };
    program("ran", &format!("touch '{}'", ran.display()));
    program("take", &format!("for it; do [ \"$it\" = -done ] && touch '{}'; done", done.display()));
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut known = vec![
        "take \"`echo \"; ran; echo \"`\"".to_owned(),
        "take \"a!\" '\"; ran; echo '\\'".to_owned(),
        "take -\\x64one".to_owned(),
        "take '\\\\'; ran; '".to_owned(),
    ];
    known.extend(drawn(&pieces, 1000).into_iter().map(|line| format!("take {line}")));
    let mut followed = 0;
    for line in known {
        let script = Script::parse(&line);
        let is_word = |word: &Word, text: &str| word.text == text;
        let runs = script.commands.iter().any(|it| it.words.first().is_some_and(|word| is_word(word, "ran")));
        let does = script.commands.iter().flat_map(|it| &it.words).any(|word| is_word(word, "-done"));
        // Of what is only known when it runs nobody claims to know.
        let is_dynamic = script.commands.iter().flat_map(|it| &it.words).any(|word| word.dynamic);
        if !script.puzzles.is_empty() || runs || does || is_dynamic {
            continue;
        }
        followed += 1;
        for shell in ["bash --norc --noprofile -i", "zsh -f -i", "fish --no-config"] {
            let mut shell_of = command(shell);
            shell_of.env("PATH", &path).current_dir(&here).stdin(Stdio::piped());
            let mut child = shell_of.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // As at a prompt, where history is put in; it may have ended by itself.
            let _ = writeln!(child.stdin.take().unwrap(), "{line}");
            child.wait().unwrap();
            assert!(!ran.exists() && !done.exists(), "{shell} runs what is hidden in {line}");
        }
    }
    assert!(followed > 50, "only {followed} lines");
}

/// A shell with its arguments, without files of a user's.
fn command(shell: &str) -> Command {
    let mut words = shell.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env("LC_ALL", "C.UTF-8");
    command
}

/// Lines made of these pieces: the same every time.
fn drawn(pieces: &[&str], count: usize) -> Vec<String> {
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    (0..count).map(|_| (0..=random(9)).map(|_| pieces[random(pieces.len())]).collect()).collect()
}

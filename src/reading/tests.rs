//! Real outputs, and what is told of them: `tests/data/reading`.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde::Deserialize;

use super::{MOST_FINDINGS, Reader};
use crate::domain::{Digest, FindingKind, Printed, Reader as _, is_invisible};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    file: String,
    command: Option<String>,
    status: Option<i32>,
    #[serde(default)]
    running: bool,
    kind: Option<String>,
    failed: Option<bool>,
    spoken: String,
    question: Option<String>,
    /// The first four.
    #[serde(default)]
    findings: Vec<String>,
}

fn corpus() -> (PathBuf, Vec<Case>) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/reading");
    let index = fs::read_to_string(directory.join("index.toml")).unwrap();
    let Index { case } = toml::from_str(&index).unwrap();
    (directory, case)
}

fn digest(text: &str, command: Option<&str>, status: Option<i32>, running: bool) -> Digest {
    Reader::default().digest(&Printed { text, command, status, running })
}

#[test]
fn real_outputs_are_told_by_what_matters() {
    let reader = Reader::default();
    let (directory, cases) = corpus();
    assert!(cases.len() >= 80, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let text = fs::read_to_string(directory.join(&case.file)).unwrap();
        let (command, status) = (case.command.as_deref(), case.status);
        let told = reader.digest(&Printed { text: &text, command, status, running: case.running });
        let findings = told.findings.iter().take(4).map(|finding| match finding.kind {
            FindingKind::Warning => format!("warning: {}", finding.line()),
            _ => finding.line(),
        });
        let findings: Vec<String> = findings.collect();
        let is = (&told.kind, told.failed, &told.spoken, &told.question, &findings);
        let should = (&case.kind, case.failed, &case.spoken, &case.question, &case.findings);
        if is != should {
            wrong.push(format!("{}\n    is        {is:?}\n    should be {should:?}", case.file));
        }
        assert!(told.printed.lines().count() <= 42, "{}:\n{}", case.file, told.printed);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let known: Vec<&str> = cases.iter().map(|case| case.file.as_str()).collect();
    for file in fs::read_dir(&directory).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(name == "index.toml" || known.contains(&name.as_str()), "{name} is in no case");
    }
}

#[test]
fn of_much_output_what_matters_is_shown() {
    let passing: String =
        (0..300).flat_map(|n| ["test ".into(), "t".repeat(n), "x ... ok\n".to_owned()]).collect();
    let text = format!(
        "{passing}test parse ... FAILED\n\nfailures:\n\n---- parse stdout ----\nthread 'parse' panicked at src/a.rs:3:5:\nno\n\n\
         test result: FAILED. 300 passed; 1 failed; 0 ignored; 0 measured\n"
    );
    let told = digest(&text, Some("cargo test"), Some(101), false);
    assert_eq!(told.spoken, "1 of 301 tests failed: parse.");
    assert!(told.printed.starts_with("… what matters in 309 lines:"), "{}", told.printed);
    assert!(
        told.printed.contains("panicked at src/a.rs:3:5:") && told.printed.contains("test result: FAILED")
    );
    assert!(!told.printed.contains("ttttx"), "{}", told.printed);
}

#[test]
fn words_about_errors_are_no_errors() {
    for text in [
        "0 errors, 0 warnings\n",
        "no error: all is well\n",
        "tests failed: 0\n",
        "fixed the error: it was a typo\n",
        "see https://example.com/error: and so on\n",
        "docs/errors.md\n",
    ] {
        for status in [Some(0), None] {
            let told = digest(text, None, status, false);
            assert_ne!(told.failed, Some(true), "{text} {status:?} {told:?}");
            assert!(told.findings.is_empty(), "{text} {told:?}");
        }
    }
}

#[test]
fn a_question_is_one_only_where_somebody_waits() {
    let text = "Do you want to continue? [Y/n] ";
    assert!(digest(text, None, None, true).question.is_some());
    assert_eq!(digest(text, None, Some(1), false).question, None);
    let answered = format!("{text}y\nUnpacking\n");
    assert_eq!(digest(&answered, None, None, true).question, None);
    let reader = Reader::default();
    for line in ["ann@box:~$", "$", "listening on port 80", "42%", "error: no", "http://a/?", "...", ""] {
        assert_eq!(reader.question(line), None, "{line}");
    }
}

#[test]
fn no_line_of_a_key_is_said() {
    let line = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n";
    let key = |lines| format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}", line.repeat(lines));
    let whole = format!("here\n{}AAAAC3Nz\n-----END OPENSSH PRIVATE KEY-----\n", key(3));
    // Of the last one, no more is looked at than has no beginning.
    for text in [format!("here\n{}", key(3)), whole, key(super::MOST_HEARD / line.len() + 1)] {
        let reader = Reader::default();
        let said = format!("{} {}", reader.aloud(&text, 10_000), digest(&text, None, None, false).spoken);
        assert!(!said.contains("b3Blb") && !said.contains("AAAAC3Nz"), "{said}");
    }
}

#[test]
fn everything_is_read_aloud_without_what_is_for_the_eye() {
    let reader = Reader::default();
    let text = "┌────────┐\n│ title  │\n└────────┘\n\nfirst line\nsecond: 42 %\n======\npassword=hunter2\n";
    assert_eq!(reader.aloud(text, 1000), "title. first line. second: 42 %. password=[redacted].");
    let long: String =
        (0..1000).flat_map(|n| ["line ".into(), "x".repeat(n % 7 + 1), "\n".to_owned()]).collect();
    let aloud = reader.aloud(&long, 200);
    assert!(aloud.len() <= 200 && aloud.ends_with('.'), "{aloud}");
}

fn is_fit(told: &Digest) -> Result<(), TestCaseError> {
    let shows =
        |text: &str| text.chars().all(|c| matches!(c, '\n' | '\t') || !(c.is_control() || is_invisible(c)));
    let texts = [&told.spoken, &told.printed].into_iter().chain(&told.question);
    let texts = texts.chain(told.findings.iter().flat_map(|finding| [&finding.what, &finding.spoken]));
    for text in texts {
        prop_assert!(shows(text), "{:?}", text);
    }
    prop_assert!(told.spoken.len() < 700, "{}", told.spoken);
    prop_assert!(told.printed.lines().count() <= 50 && told.findings.len() <= MOST_FINDINGS);
    Ok(())
}

#[test]
fn a_flood_is_told_in_bounds() {
    let lines = [
        "error[E0308]: mismatched types\n",
        "test a ... FAILED\n",
        "FAILED a.py::b - c\n",
        "a.c:1:1: error: no\n",
        "\u{202e}\u{1b}[31mfatal: \u{7}\n",
        "((((((((((\n",
        "99999999999999999999999999 failed, 99999999999999999999 passed in 1s\n",
    ];
    for line in lines {
        is_fit(&digest(&line.repeat(1_000_000 / line.len()), None, None, true)).unwrap();
    }
    for byte in ["x", "\r", "%", "_", "=", " ", "\u{fffd}", "["] {
        is_fit(&digest(&byte.repeat(10 << 20), Some("cargo test"), Some(1), false)).unwrap();
    }
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(error|fatal|FAILED|test|E|make: \\*\\*\\*|npm error|Traceback|CONFLICT)[:\\[ ] ?[ -~]{0,30}\n",
        "[0-9]{1,30} (failed|passed|errors?), [0-9]{1,9} passed in [0-9]s\n",
        "[\u{202e}\u{200b}\u{1b}\u{9b}\r\n\t#=%]{0,20}",
        Just("Password: ".to_owned()),
    ]
}

proptest! {
    #[test]
    fn whatever_is_printed_is_told_in_bounds(
        pieces in proptest::collection::vec(piece(), 0..40),
        command in proptest::option::of("(cargo test|git status|ls|grep x|npm i|[ -~]{0,20})"),
        status in proptest::option::of(-1..140),
        running in any::<bool>(),
    ) {
        thread_local! {
            static READER: Reader = Reader::default();
        }
        let text = pieces.concat();
        let told = READER.with(|reader| {
            reader.digest(&Printed { text: &text, command: command.as_deref(), status, running })
        });
        is_fit(&told)?;
        let aloud = READER.with(|reader| reader.aloud(&text, 500));
        prop_assert!(aloud.len() <= 500 && aloud.chars().all(|c| !c.is_control() && !is_invisible(c)));
    }
}

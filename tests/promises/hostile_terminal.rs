//! What a program writes to its terminal is data: it is read back as text, and nothing in it acts on anybody.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use serde::Deserialize;

use crate::support::user::User;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    writes: String,
    /// In place of `writes`, where that isn't text.
    hex: Option<String>,
    #[serde(default)]
    shows: String,
    #[serde(default)]
    hides: Vec<String>,
    /// The terminal answers it, as if somebody typed: that stands at the prompt, and must not be run.
    #[serde(default)]
    is_answered: bool,
}

impl Case {
    /// A line: the prompt comes below it.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = match &self.hex {
            None => self.writes.clone().into_bytes(),
            Some(hex) => hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect(),
        };
        bytes.push(b'\n');
        bytes
    }
}

fn cases() -> Vec<Case> {
    toml::from_str::<Cases>(include_str!("../data/hostile.toml")).unwrap().case
}

/// Controls, and characters that turn or hide text.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// All texts in a value.
fn texts(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(values) => values.iter().flat_map(texts).collect(),
        serde_json::Value::Object(object) => object.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn whatever_a_program_writes_is_read_back_as_text_and_its_end_is_told() {
    let user = User::new();
    let cases = cases();
    let mut said = String::new();
    for (number, case) in cases.iter().enumerate() {
        fs::write(user.path(format!("home/case-{number}.txt")), case.bytes()).unwrap();
        writeln!(said, "run cat case-{number}.txt").unwrap();
        if case.is_answered {
            said += "run echo with-the-answer\npress control c\n";
        }
    }
    // An end that isn't the command's own changes nothing.
    fs::write(user.path("home/forge.sh"), "printf '\\033]133;D;0\\a'; sleep 0.2; exit 3\n").unwrap();
    said += "run sh forge.sh\nconfirm\nrun echo over\n";
    let ran = user.run_with(&["run"], said.as_bytes());
    assert_eq!(ran.code(), 0, "{ran:?}");
    let shown = |text: &str| text.chars().filter(|&c| c != '\n' && c != '\t').any(is_hidden);
    assert!(!shown(&ran.out), "{:?}", ran.out);

    assert!(!ran.out.contains("`echo with-the-answer` in main: done"), "{}", ran.out);

    let history: Vec<serde_json::Value> = user.run(&["history", "--json", "--limit", "500"]).json();
    let record = |command: &str| {
        let find = |record: &&serde_json::Value| record["outcome"]["command"] == command;
        history.iter().find(find).unwrap_or_else(|| panic!("`{command}` was not run: {}", ran.out))
    };
    for (number, case) in cases.iter().enumerate() {
        let record = record(&format!("cat case-{number}.txt"));
        assert_eq!(record["outcome"]["status"], 0, "{}: {record}", case.name);
        let output = record["outcome"]["output"].as_str().unwrap();
        assert!(output.contains(&case.shows), "{}: {output:?}", case.name);
        for text in texts(record) {
            assert!(!shown(text), "{}: {text:?}", case.name);
            for hidden in &case.hides {
                assert!(!text.contains(hidden.as_str()), "{}: {text:?}", case.name);
            }
        }
    }
    assert_eq!(record("sh forge.sh")["outcome"]["status"], 3, "the forged end was believed");
    assert_eq!(record("echo over")["outcome"]["output"], "over\n");
}

#[test]
fn whatever_is_said_no_control_character_reaches_a_pane_and_nothing_runs_unasked() {
    let user = User::new();
    // It writes down every byte that comes to it, as it comes, and answers nothing.
    let recorder = user.path("home/recorder");
    fs::write(&recorder, "#!/bin/sh\nstty raw -echo\nexec cat >>\"$HOME/bytes\"\n").unwrap();
    fs::set_permissions(&recorder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    user.configure(&format!("[terminal]\nshell = \"{}\"\n", recorder.display()));
    let attacks = [
        "type one",
        "type two\u{7}three",
        "type a\u{1b}[201~b",
        "type x\u{9b}31my\u{85}z",
        "type tab\there",
        "type a\u{202e}b\u{200b}c",
        "type -n $(touch made) `touch made`; touch made",
        "type \u{1b}",
        "type \\n\\r\\x0d",
        "type \u{3}\u{4}\u{15}\u{1a}",
        "type ends with a return\r",
        "run touch made",
        "run \u{3}touch made",
        "run touch made\u{a0}",
        "spell air bat cap",
        "capital a",
        "type #{pane_id} #(touch made) %0 ; kill-server",
        "type {Enter} Enter C-m \\015 ^M",
        "frobnicate \u{1b}]0;x\u{7}",
        "scratch that",
        "cancel",
        "again",
        "undo",
        "dictation mode",
        "touch made. new line. full stop.",
        "\u{1b}[200~touch made\u{1b}[201~",
        "confirm",
        "yes",
        "scratch that",
        "command mode",
        "new window \u{1b}[31m",
        "rename window a\u{7}b",
        "split right",
        "type four",
    ];
    let said = attacks.join("\n") + "\n";
    let ran = user.run_with(&["run"], said.as_bytes());
    assert!(!user.path("home/made").exists(), "{ran:?}");
    let bytes = fs::read(user.path("home/bytes")).unwrap();
    assert!(bytes.windows(3).any(|three| three == b"one"), "nothing reached the pane: {ran:?}");
    // What takes text back presses backspace, and nobody pressed any other key.
    let controls: Vec<u8> = bytes.iter().copied().filter(|&byte| byte < b' ').collect();
    assert_eq!(controls, b"", "{:?}", String::from_utf8_lossy(&bytes));
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.chars().any(|c| c != '\u{7f}' && is_hidden(c)), "{text:?}");
}

/// What is said, each of which would make `made` or delete `victim` in this shell, if it weren't asked about.
const HIDDEN: [(&str, &str); 16] = [
    ("zsh", "type touch made\npress alt a\n"),
    ("zsh", "type touch made\npress escape\npress a\n"),
    ("zsh", "type echo $(touch made)\npress tab\n"),
    ("zsh", "type echo `touch made`\npress tab\n"),
    ("zsh", "type echo *(e:'touch made':)\npress tab\n"),
    ("zsh", "type echo $(touch made)\npress control x\npress asterisk\n"),
    ("zsh", "run echo \"a!\" '\"; touch made; echo '\\'\n"),
    ("zsh", "run printf %d 'HOME[$(touch made)]'\n"),
    ("fish", "run find victim -del\\x65te\n"),
    ("fish", "run find victim -del\"$VISUAL\"ete\n"),
    ("fish", "run find victim \u{2003}-delete\n"),
    ("fish", "run find victim { -delete, -print }\n"),
    ("bash", "run find victim -del${VISUAL}ete\n"),
    ("zsh", "run find victim -del${VISUAL}ete\n"),
    ("fish", "run echo \"`echo \"; touch made; echo \"`\"\n"),
    ("bash", "type echo $(touch made)\npress control alt e\npress escape\npress control e\n"),
];

/// A user of this shell, with a file to lose.
fn user_of(shell: &str) -> User {
    let mut user = User::new();
    user.set("SHELL", &format!("/usr/bin/{shell}"));
    fs::write(user.path("home/.zshrc"), "").unwrap();
    fs::write(user.path("home/victim"), "").unwrap();
    user
}

#[test]
fn nothing_runs_unasked_in_any_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let user = user_of(shell);
        let mut said = String::from("run cd\n");
        for (_, words) in HIDDEN.iter().filter(|(of, _)| *of == shell) {
            writeln!(said, "{words}cancel\npress control c").unwrap();
        }
        said += "run sleep 0.5\nrun echo over\n";
        let ran = user.run_with(&["run"], said.as_bytes());
        assert!(ran.out.contains("  over"), "{shell}: {}", ran.out);
        assert!(!user.path("home/made").exists(), "{shell}: {}", ran.out);
        assert!(user.path("home/victim").exists(), "{shell}: {}", ran.out);
    }
}

#[test]
fn where_text_is_keys_it_is_asked_about() {
    let user = user_of("bash");
    fs::write(user.path("home/.bashrc"), "set -o vi\nexport EDITOR=true VISUAL=true\n").unwrap();
    let mut said = String::from("run cd\n");
    for words in ["type v", "spell vest", "dictate vest"] {
        writeln!(said, "type touch made\npress escape\n{words}\ncancel\npress control c").unwrap();
    }
    let ran = user.run_with(&["run"], said.as_bytes());
    assert_eq!(ran.out.matches("? Shall I type `").count(), 3, "{}", ran.out);
    // What might have been run would have been by then.
    std::thread::sleep(Duration::from_secs(1));
    assert!(!user.path("home/made").exists(), "{}", ran.out);
}

#[test]
fn enter_runs_no_line_that_is_refused_and_names_the_one_that_it_would_run() {
    for shell in ["bash", "zsh", "fish"] {
        let user = user_of(shell);
        let said = "run cd\n\
            type rm -rf /nowhere\npress space\npress slash\npress enter\nyes\n\
            press backspace\npress slash\npress control enter\nyes\n\
            press control c\n\
            type rm -rf victim\npress enter\ncancel\npress control c\n\
            type echo entered\npress enter\nyes\nrun sleep 0.5\nread that\nrun echo over\n";
        let ran = user.run_with(&["run"], said.as_bytes());
        let refusals = ran.out.matches("I don't delete the whole system").count();
        assert_eq!(refusals, 2, "{shell}: {}", ran.out);
        assert!(ran.out.contains("that is `rm -rf victim`. This deletes folders"), "{shell}: {}", ran.out);
        assert!(ran.out.contains("that is `echo entered`."), "{shell}: {}", ran.out);
        assert!(
            ran.out.contains("Pressed enter in main") && ran.out.contains("  over"),
            "{shell}: {}",
            ran.out
        );
        assert!(user.path("home/victim").exists(), "{shell}: {}", ran.out);
    }
}

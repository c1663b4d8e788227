//! Whatever is said: an answer, at once, and nothing that could do harm.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use voice_terminal::domain::{Confidence, InputMode, Intent, Interpreter, Situation, Verdict};
use voice_terminal::interpreter::Rules;

use super::{rules, typed};

thread_local! {
    static RULES: Rules = rules();
}

fn interpret(words: &str, spoken: bool) -> voice_terminal::domain::Interpretation {
    let situation = Situation { spoken, question_open: true, ..Situation::default() };
    RULES.with(|rules| rules.interpret(words, Confidence::CERTAIN, &situation))
}

/// Pieces that mean something to shells and recognisers.
fn shell_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,4}",
        prop::sample::select(vec![
            "ls", "rm", "-rf", "/", "~", "echo", "cat", "git", "sudo", "bash", "-c", "|", "&&", ";", "&",
            "$(", ")", "`", "'", "\"", "\\", "<", ">", "<<", "${", "}", "{", "(", "#", "!", "$HOME", "*",
            "X=1", "\n", "dash", "dot", "quote", "pipe", "space", "literal", "number", "capital", "spell",
            "five", ",", ".",
        ])
        .prop_map(String::from),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec((piece, prop::sample::select(vec![" ", "", "  "])), 0..14)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, gap)| piece + gap).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_is_always_an_answer_and_no_control_character_in_it(
        verb in prop::sample::select(vec!["run ", "type ", "Run, ", "new session ", "", "kill session ", "please run "]),
        rest in prop_oneof![shell_like(), any::<String>()],
        spoken: bool,
    ) {
        let words = format!("{verb}{rest}");
        let found = interpret(&words, spoken);
        let json = serde_json::to_string(&found).unwrap();
        let same: voice_terminal::domain::Interpretation = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&same, &found);
        match &found.intent {
            Intent::Run { command: text } | Intent::Type { text } => {
                prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
                if words.trim_end_matches(['\n', '\r']).chars().any(char::is_control) {
                    let refused = matches!(found.verdict, Verdict::Refuse { .. });
                    prop_assert!(refused, "{found:?}");
                }
            }
            Intent::NewSession { name: Some(name) } | Intent::RenameWindow { name } => {
                prop_assert!(!name.chars().any(char::is_control), "{:?}", name);
            }
            Intent::Unknown { nearest, .. } => prop_assert!(matches!(nearest.len(), 1..=3), "{nearest:?}"),
            _ => {}
        }
    }

    #[test]
    fn of_several_things_the_worst_binds_and_each_is_a_step(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "split right", "run ls", "run cargo test", "run rm -rf ~", "type hello", "close pane", "zoom",
                "next pane three times", "press enter", "yes", "cancel", "frobnicate", "scroll up twice", "new session x",
                "go to sleep", "splitt right",
            ]),
            1..8,
        ),
        joiners in prop::collection::vec(prop::sample::select(vec![" and ", " then ", ", ", ". ", " and and "]), 8),
        input in prop::sample::select(vec![InputMode::Command, InputMode::Dictation, InputMode::Spelling]),
        spoken: bool,
    ) {
        let words: String = parts.iter().zip(&joiners).flat_map(|(part, joiner)| [*part, *joiner]).collect();
        let situation = Situation { spoken, input, ..Situation::default() };
        let found = RULES.with(|rules| rules.interpret(&words, Confidence::CERTAIN, &situation));
        if let Intent::Sequence { steps } = &found.intent {
            prop_assert_eq!(input, InputMode::Command);
            prop_assert!((2..=Intent::MOST_STEPS).contains(&steps.len()) && steps.iter().all(Intent::is_step));
            for step in steps {
                let alone = RULES.with(|rules| rules.judge(step.clone(), Confidence::CERTAIN, &Situation::default()));
                let refused = matches!(alone.verdict, Verdict::Refuse { .. });
                prop_assert_eq!(refused && found.verdict == Verdict::Allow, false, "{:?}", &found);
                if refused {
                    let all = matches!(found.verdict, Verdict::Refuse { .. });
                    prop_assert!(all, "{:?}", &found);
                }
            }
        }
        if input == InputMode::Dictation && parts.len() > 1 {
            let is_text = matches!(found.intent, Intent::Type { .. });
            prop_assert!(is_text, "{:?}", &found);
        }
    }

    #[test]
    fn what_is_typed_after_run_is_kept_to_the_letter(rest in "[!-~][ -~]{0,80}") {
        let found = interpret(&format!("run {rest}"), false);
        // "run that again" is a phrase of its own.
        prop_assume!(found.intent != Intent::Run { command: "!!".into() });
        prop_assume!(!rest.starts_with("the command"));
        prop_assert_eq!(found.intent, Intent::Run { command: rest });
    }

    #[test]
    fn an_unlisted_program_never_runs_unasked(
        program in "zq[a-z]{1,8}",
        before in prop::sample::select(vec![
            "", "ls; ", "ls && ", "ls | ", "ls & ", "echo $(", "echo `", "echo \"$(", "cat <(", "time ", "sudo ",
            "LANG=C ", "bash -c '", "( ", "{ ", "if true; then ", "! ", "ls > x; ", "ls ||", "echo ${x:-$(",
        ]),
        arguments in shell_like(),
    ) {
        let found = interpret(&format!("run {before}{program} {arguments}"), false);
        prop_assert!(found.verdict != Verdict::Allow, "{:?}", found);
    }

    #[test]
    fn deleting_everything_is_refused_however_it_is_joined(
        before in prop::sample::select(vec!["", "ls; ", "ls && ", "echo x | ", "sudo ", "nohup ", "sudo -E -u x ", "x=1 ", "! ", "time "]),
        options in prop::sample::select(vec!["-rf", "-fr", "-r -f", "--recursive -f", "-Rfv", "-r"]),
        target in prop::sample::select(vec!["/", "~", "/*", "\"$HOME\"", "'/'", "/etc", "//", "~/", "/usr/../"]),
        after in prop::sample::select(vec!["", "; ls", " && ls", " | cat", " 2>/dev/null", " &", " x"]),
    ) {
        let found = interpret(&format!("run {before}rm {options} {target}{after}"), false);
        let refused = matches!(found.verdict, Verdict::Refuse { .. });
        prop_assert!(refused, "{:?}", found);
    }
}

#[test]
fn ten_thousand_words_are_answered_at_once() {
    let rules = rules();
    let long = vec!["word"; 10_000].join(" ");
    let mut times = Vec::new();
    for (start, spoken) in [
        ("run ", false),
        ("run echo ", false),
        ("run cat ", false),
        ("run rm ", false),
        ("run sudo rm -r ", false),
        ("run bash -c '", false),
        ("Run ", true),
        ("type ", true),
        ("", false),
        ("new session ", true),
    ] {
        let words = format!("{start}{long}");
        let situation = Situation { spoken, ..Situation::default() };
        let begun = Instant::now();
        let found = rules.interpret(&words, Confidence::CERTAIN, &situation);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{start} took {took:?}");
        times.push(format!("{start:?} {took:?}"));
        match (start, found.intent) {
            ("run ", Intent::Run { command }) => assert_eq!(command, long),
            ("" | "new session ", intent) => assert!(matches!(intent, Intent::Unknown { .. }), "{intent:?}"),
            (_, intent) => assert!(matches!(intent, Intent::Run { .. } | Intent::Type { .. }), "{intent:?}"),
        }
    }
    println!("10,000 words: {}", times.join(", "));
}

#[test]
fn what_people_say_is_understood_in_a_moment() {
    let begun = Instant::now();
    let rules = rules();
    println!("compiling all rules: {:?}", begun.elapsed());
    let begun = Instant::now();
    let _ = typed(&rules, "knicks payne over there");
    println!("a line that is not understood: {:?}", begun.elapsed());
    let lines =
        ["split right", "run git status", "press up three times", "new session build", "what is build doing"];
    let begun = Instant::now();
    let rounds = 200;
    for _ in 0..rounds {
        for line in lines {
            let _ = typed(&rules, line);
        }
    }
    let each = begun.elapsed() / (rounds * lines.len() as u32);
    println!("one line: {each:?}");
    assert!(each < Duration::from_millis(10), "{each:?}");
}

//! Measures the interpreter and prints markdown; see `scripts/bench interpreter`.

#[path = "../../../src/interpreter/mod.rs"]
#[allow(dead_code)]
pub mod interpreter;

#[path = "../../../src/domain/mod.rs"]
#[allow(dead_code)]
pub mod domain;

#[path = "../../../src/redact/mod.rs"]
#[allow(dead_code, unused_imports)]
mod redact;

#[allow(dead_code)]
pub mod config;

use std::fmt::Write;
use std::time::{Duration, Instant};

use domain::{Confidence, InputMode, Intent, Interpreter, SessionId, SessionInfo, Situation};
use interpreter::Rules;

/// Each utterance is said so often.
const ROUNDS: usize = 40;

/// The cases of the tests: what is said, and how.
#[derive(serde::Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    #[serde(default)]
    spoken: bool,
    #[serde(default)]
    input: InputMode,
    say: Vec<String>,
}

/// Utterances of a kind.
struct Kind {
    name: &'static str,
    said: Vec<(String, bool, InputMode)>,
}

fn kinds(own: usize) -> Vec<Kind> {
    let cases: Cases =
        toml::from_str(include_str!("../../../tests/data/phrases.toml")).expect("the cases are right");
    let all = cases
        .case
        .iter()
        .flat_map(|case| case.say.iter().map(move |say| (say.clone(), case.spoken, case.input)));
    let spoken =
        |said: &[&str]| said.iter().map(|say| ((*say).to_owned(), true, InputMode::Command)).collect();
    let mut kinds = vec![
        Kind { name: "every case of the tests", said: all.collect() },
        Kind {
            name: "one phrase",
            said: spoken(&["Split right.", "Go to the next window.", "Read that.", "Press control C."]),
        },
        Kind {
            name: "a command line",
            said: spoken(&[
                "Run LS dash L A pipe grab toml.",
                "Run get commit dash m quote first try quote.",
            ]),
        },
        Kind {
            name: "several in a row",
            said: spoken(&[
                "Split right, and then run top, and go left.",
                "New session build and run cargo test and read that.",
            ]),
        },
        Kind {
            name: "misheard",
            said: spoken(&["split ride", "switch to bild", "next windo", "scrole up twenty"]),
        },
        Kind {
            name: "not understood",
            said: spoken(&[
                "The quick brown fox jumps over the lazy dog.",
                "what is the weather doing in the north of spain today",
            ]),
        },
    ];
    if own > 0 {
        let said =
            (0..200).map(|n| (format!("{} now", phrase(n * own / 200)), true, InputMode::Command)).collect();
        kinds.push(Kind { name: "one of the user's own", said });
    }
    kinds
}

/// A phrase of words, so that ten thousand of them share beginnings as people's do.
fn phrase(number: usize) -> String {
    const VERBS: [&str; 10] =
        ["deploy", "build", "watch", "check", "publish", "review", "format", "measure", "inspect", "archive"];
    const THINGS: [&str; 10] = [
        "service",
        "website",
        "library",
        "container",
        "database",
        "report",
        "package",
        "branch",
        "cluster",
        "module",
    ];
    const PLACES: [&str; 10] =
        ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett"];
    let (a, b, c, d) = (number % 10, number / 10 % 10, number / 100 % 10, number / 1000 % 10);
    format!("{} the {} {} {}", VERBS[a], THINGS[b], PLACES[c], PLACES[d])
}

fn own(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let _ =
            writeln!(text, "[[phrase]]\nsay = \"{} [now]\"\ndo = \"run make job-{number}\"", phrase(number));
    }
    text
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn shown(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 100.0 { format!("{micros:.1} µs") } else { format!("{micros:.0} µs") }
}

fn main() {
    let session = |name: &str| SessionInfo {
        id: SessionId(format!("${name}")),
        name: name.into(),
        windows: 1,
        program: "bash".into(),
        current: false,
    };
    let sessions: Vec<SessionInfo> = ["build", "web-2", "logs", "database"].map(session).to_vec();
    println!("| user's own phrases | what is said | utterances | median | p99 | median of the slowest |");
    println!("|---|---|---|---|---|---|");
    let mut footer = String::new();
    let mut longest = String::new();
    for count in [0, 10_000] {
        let text = own(count);
        let before = resident();
        let begun = Instant::now();
        let rules = Rules::with_phrases(&config::Safety::default(), &text).expect("they are right");
        let built = begun.elapsed();
        let _ = writeln!(
            footer,
            "Building the rules with {count} phrases of the user's own: {:.0} ms, {:.1} MiB.",
            built.as_secs_f64() * 1e3,
            resident().saturating_sub(before) as f64 / 1024.0
        );
        for kind in kinds(count) {
            let mut times = Vec::new();
            let mut each: Vec<Vec<Duration>> = vec![Vec::new(); kind.said.len()];
            for round in 0..=ROUNDS {
                for (at, (words, spoken, input)) in kind.said.iter().enumerate() {
                    let situation = Situation {
                        sessions: sessions.clone(),
                        spoken: *spoken,
                        input: *input,
                        ..Situation::default()
                    };
                    let begun = Instant::now();
                    let found = rules.interpret(words, Confidence::new(0.9), &situation);
                    let took = begun.elapsed();
                    if kind.name == "one of the user's own" {
                        assert!(matches!(found.intent, Intent::Run { .. }), "{words}");
                    }
                    // The first round warms up.
                    if round > 0 {
                        times.push(took);
                        each[at].push(took);
                    }
                }
            }
            times.sort_unstable();
            // What takes longest whenever it is said, rather than when the machine did something else.
            each.iter_mut().for_each(|times| times.sort_unstable());
            let slowest = each.iter().enumerate().max_by_key(|(_, times)| times[times.len() / 2]);
            let (slowest, its) = slowest.expect("something is said");
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
            println!(
                "| {count} | {} | {} | {} | {} | {} |",
                kind.name,
                kind.said.len(),
                shown(at(0.5)),
                shown(at(0.99)),
                shown(its[its.len() / 2])
            );
            let _ = writeln!(longest, "{count}, {}: \"{}\"", kind.name, kind.said[slowest].0);
        }
    }
    println!("\n{footer}");
    eprintln!("The slowest:\n{longest}");
}

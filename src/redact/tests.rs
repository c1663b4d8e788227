use std::time::Instant;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Corpus {
    hides: Vec<Hides>,
    keeps: Vec<Keeps>,
}

#[derive(Deserialize)]
struct Hides {
    kind: String,
    text: String,
    secret: Vec<String>,
    #[serde(default)]
    keep: Vec<String>,
}

#[derive(Deserialize)]
struct Keeps {
    kind: String,
    text: String,
}

fn corpus() -> Corpus {
    toml::from_str(&include_str!("../../tests/data/secrets.toml").replace('¦', "")).unwrap()
}

#[test]
fn secrets_are_taken_out_and_the_rest_stays() {
    let Corpus { hides, keeps } = corpus();
    assert!(hides.len() + keeps.len() >= 120, "{} and {}", hides.len(), keeps.len());
    let mut wrong = Vec::new();
    for Hides { kind, text, secret, keep } in &hides {
        let clean = redacted(text);
        let is_right = is_redacted(&clean)
            && secret.iter().all(|secret| !clean.contains(secret))
            && keep.iter().all(|keep| clean.contains(keep));
        if !is_right {
            wrong.push(format!("{kind}: {text}\n  became {clean}"));
        }
        if redacted(&clean) != clean {
            wrong.push(format!("{kind}, once more: {clean}\n  became {}", redacted(&clean)));
        }
    }
    for Keeps { kind, text } in &keeps {
        let clean = redacted(text);
        if clean != *text {
            wrong.push(format!("{kind}: {text}\n  became {clean}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_was_named_once_is_known_where_it_is_not() {
    let redactor = Redactor::default();
    assert_eq!(redactor.text("the wind is k4-Vx9-pq2"), "the wind is k4-Vx9-pq2");
    assert_eq!(redactor.text("export API_TOKEN=k4-Vx9-pq2"), "export API_TOKEN=[redacted]");
    assert_eq!(redactor.text("the wind is k4-Vx9-pq2"), "the wind is [redacted]");
    // A word that could be any other is not remembered.
    redactor.text("PASSWORD=postgres");
    assert_eq!(redactor.text("postgres runs"), "postgres runs");
    let mut value =
        serde_json::json!({"output": "x9-yy-z1 it is", "command": {"text": "tool --token x9-yy-z1"}});
    redactor.json(&mut value);
    assert_eq!(
        value,
        serde_json::json!({"output": "[redacted] it is", "command": {"text": "tool --token [redacted]"}})
    );
    assert!(!format!("{redactor:?}").contains("pq2"));
}

/// Twice as much takes about twice as long, whatever it is.
#[test]
fn the_time_is_linear() {
    let pieces = [
        "password ",
        "a=",
        "://",
        "eyJ.",
        "-----BEGIN PRIVATE KEY-----",
        "x:y@",
        "\"",
        "Zq3vT8xL",
        "curl -u ",
        "my password for ",
        "&&",
    ];
    for piece in pieces {
        let time = |bytes: usize| {
            let text = piece.repeat(bytes / piece.len());
            // The quickest of some: others use the machine too.
            let times = (0..5).map(|_| {
                let began = Instant::now();
                assert!(redacted(&text).len() <= text.len() * 4);
                began.elapsed()
            });
            times.min().unwrap_or_default()
        };
        let (short, long) = (time(1 << 12), time(1 << 16));
        // Sixteen times as much; a square would be 256 times.
        assert!(long < short * 100 + std::time::Duration::from_millis(50), "{piece:?}: {short:?}, {long:?}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "\\PC*|[\\x00-\\x7f]{0,200}") {
        redacted(&text);
    }

    /// Texts out of what the rules look for, in any order.
    #[test]
    fn nothing_that_the_rules_look_for_trips_them(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "password", "token", "=", ":", " ", "\n", "\"", "'", "`", "\\", "\\\"", "://", "@", "?", "&", "#", "/", ";", "|",
                "-p", "-u", "curl", "mysql", "docker", "login", "--password", "-----BEGIN ", "-----END ", "PRIVATE KEY-----",
                "is", "my", "hunter2", "äöü", "日本", "eyJ", ".", "ghp_0123456789abcdef", "Bearer", "Cookie", "pass:", "<<<",
                "echo", "sudo -S", "sha256:", "[redacted]", "$x", "(", ")", "%", "hooks.slack.com/services/", "to", "set",
            ]),
            0..40,
        )
    ) {
        let text = pieces.concat();
        let clean = redacted(&text);
        // What stays is of the text, in order.
        let mut rest = text.as_str();
        for kept in clean.split(REDACTED) {
            let at = rest.find(kept);
            prop_assert!(at.is_some(), "{text:?} became {clean:?}");
            rest = &rest[at.unwrap_or_default() + kept.len()..];
        }
    }

    #[test]
    fn whatever_a_named_secret_is_made_of_it_goes(secret in "[A-Za-z0-9!#*+_][A-Za-z0-9!#*+.?@^_~-]{8,30}[a-z][0-9]") {
        for text in [
            format!("export API_TOKEN='{secret}'"),
            format!("{{\"password\": \"{secret}\"}}"),
            format!("tool --password '{secret}' x"),
            format!("curl -u 'me:{secret}' https://x.example"),
        ] {
            let clean = redacted(&text);
            prop_assert!(!clean.contains(&secret), "{clean}");
        }
    }
}

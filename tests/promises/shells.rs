//! What is promised of running a command line holds in every shell that can tell: bash, zsh and fish, as
//! plain as they come and as people dress them.

use std::time::Duration;

use voice_terminal::domain::{Action, Direction, FailureKind, Key, KeyPress, Outcome, Terminal};

use crate::support::shells::{Dress, dressed};
use crate::support::tmux::{Server, eventually};

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// In every shell, plain.
async fn in_each(mut promise: impl AsyncFnMut(&str, Server)) {
    for shell in SHELLS {
        promise(shell, dressed(shell, Dress::Plain)).await;
    }
}

#[tokio::test]
async fn status_and_output_are_exact() {
    in_each(async |shell, server| {
        let target = server.tmux.current().await.unwrap();
        for (line, status, output) in [
            ("true", 0, ""),
            ("false", 1, ""),
            ("echo hello", 0, "hello\n"),
            ("sh -c 'exit 130'", 130, ""),
            ("printf 'no newline'", 0, "no newline"),
            ("printf 'a\\nb\\n\\n c \\n'; false", 1, "a\nb\n\n c \n"),
            ("printf '\\e[31mred\\e[0m \\e]0;title\\aplain\\n'", 0, "red plain\n"),
            ("printf '10%%\\r50%%\\r100%%\\n'", 0, "100%\n"),
            ("printf 'naïve 日本 🎉\\n'", 0, "naïve 日本 🎉\n"),
            ("printf 'wide 日本語'", 0, "wide 日本語"),
            ("echo a b | tr a-z A-Z", 0, "A B\n"),
            ("printf '\\e]133;D;0\\a\\e]133;C\\a\\e]133;A\\a'; false", 1, ""),
            ("", 0, ""),
        ] {
            if line.is_empty() {
                continue;
            }
            let ran = server.run(&target, line).await;
            assert_eq!(
                (ran.status, ran.output.as_str(), ran.finished),
                (Some(status), output, true),
                "{shell}: {line}"
            );
        }
        let ran = server.run(&target, "no-such-command-at-all").await;
        assert_eq!(ran.status, Some(127), "{shell}");
        assert!(ran.output.contains("no-such-command-at-all"), "{shell}: {ran:?}");
    })
    .await;
}

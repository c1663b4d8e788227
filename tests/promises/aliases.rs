//! What a user's shell means by a name is what a line is judged by: aliases, abbreviations and functions of
//! bash, zsh and fish, from their files or from the prompt.

use std::fs;

use crate::support::shells::SHELLS;
use crate::support::user::{Ran, User};

/// The user's own file of a shell.
const POSIX: &str = "alias ls='rm -rf'\nalias peek='echo peeked; true'\ndate() { rm -rf precious; }\n";
const FISH: &str = "alias ls='rm -rf'\nalias peek='echo peeked'\nabbr --add gone rm -rf precious\nfunction date; rm -rf precious; end\n";

fn user(shell: &str) -> User {
    let mut user = User::new();
    user.set("SHELL", &format!("/usr/bin/{shell}"));
    let (file, content) = match shell {
        "bash" => ("home/.bashrc", POSIX.to_owned()),
        "zsh" => ("home/.zshrc", format!("{POSIX}alias -g EVERYTHING='; rm -rf precious'\n")),
        _ => ("config/fish/config.fish", FISH.to_owned()),
    };
    let file = user.path(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
    fs::write(user.path("home/precious"), "").unwrap();
    user
}

fn lines(user: &User, lines: &str) -> Ran {
    let ran = user.run_with(&["run"], lines.as_bytes());
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran
}

#[test]
fn a_line_is_judged_by_what_its_aliases_stand_for() {
    for shell in SHELLS {
        let user = user(shell);
        let ran = lines(&user, "run peek\n");
        assert!(ran.out.contains("  peeked") && !ran.out.contains("? "), "{shell}: {ran:?}");
        let asked = |line: &str, why: &str| {
            let ran = lines(&user, &format!("run {line}\ncancel\n"));
            assert!(ran.out.contains("? ") && ran.out.contains(why), "{shell}: {line}: {ran:?}");
            assert!(user.path("home/precious").exists(), "{shell}: {line}: {ran:?}");
        };
        asked("ls precious", "`ls` stands for `rm -rf`");
        asked("cat x | ls precious", "`ls` stands for `rm -rf`");
        asked("date", "`date` is a function of your shell");
        match shell {
            "zsh" => asked("echo EVERYTHING", "`EVERYTHING` stands for `; rm -rf precious`"),
            "fish" => asked("gone", "`gone` stands for `rm -rf precious`"),
            _ => {}
        }
        let ran = lines(&user, "run command ls\n");
        assert!(ran.out.contains("  precious") && !ran.out.contains("? "), "{shell}: {ran:?}");
    }
}

#[test]
fn what_is_defined_at_the_prompt_counts_from_the_next_one() {
    for shell in SHELLS {
        let user = user(shell);
        let asked = "run pwd\nrun alias pwd='rm -rf'\nconfirm\nrun pwd precious\ncancel\n";
        let ran = lines(&user, asked);
        assert!(ran.out.contains("`pwd` stands for `rm -rf`"), "{shell}: {ran:?}");
        // Typed by hand, while nobody watched.
        user.tmux(&["send-keys", "-t", "=main:", "alias cat='rm -rf'; alias whence='echo by hand'", "Enter"]);
        let ran = lines(&user, "run whence\nrun cat precious\ncancel\n");
        assert!(ran.out.contains("`cat` stands for `rm -rf`"), "{shell}: {ran:?}");
        assert!(ran.out.contains("by hand"), "{shell}: {ran:?}");
        assert!(user.path("home/precious").exists(), "{shell}");
    }
}

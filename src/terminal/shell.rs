//! The shell of new sessions, and how it is made to tell when a command ends.
//!
//! bash reads a file of ours that reads the user's `~/.bashrc` and then puts marks into the prompt. zsh is
//! sent to a directory of ours for its first file, `.zshenv`, which sends it back to the user's and adds
//! hooks at the first prompt. fish reads its files and then ours. The user's prompt and files stay as they
//! are.
//!
//! The command that starts it is the session's `default-command`, so that new windows and panes
//! have the marks too. The nonce goes in by the environment and is taken out of it before anything
//! else runs; tmux keeps it as a user option of the session, for a later run of this program.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// The session's user option that holds the nonce.
pub(super) const NONCE_OPTION: &str = "@voice-terminal-nonce";

/// Our files, below one directory.
const BASHRC: (&str, &str) = ("bashrc", include_str!("shell/bashrc"));
const ZSHENV: (&str, &str) = ("zsh/.zshenv", include_str!("shell/zshenv"));
const FISH: (&str, &str) = ("init.fish", include_str!("shell/init.fish"));

/// A program that reads command lines at a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bash,
    Zsh,
    Fish,
    /// One that can't be made to tell anything.
    Plain,
    /// Not a shell.
    None,
}

impl Kind {
    /// Of a program, by its name or its path.
    pub(super) fn of(program: &str) -> Self {
        let name = program.rsplit('/').next().unwrap_or_default();
        match name {
            "bash" => Self::Bash,
            "zsh" => Self::Zsh,
            "fish" => Self::Fish,
            "sh" | "dash" | "ash" | "busybox" | "ksh" | "ksh93" | "mksh" | "oksh" | "yash" | "csh"
            | "tcsh" | "elvish" | "nu" | "xonsh" | "pwsh" | "rbash" | "osh" => Self::Plain,
            _ => Self::None,
        }
    }

    /// Whether it makes marks when it is started as [`Shells`] does.
    pub(super) fn makes_marks(self) -> bool {
        matches!(self, Self::Bash | Self::Zsh | Self::Fish)
    }
}

/// The shell of one new session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shell {
    /// The command line that starts it, for `sh -c`.
    pub(super) command: String,
    /// The nonce of its marks; `None` if it makes none.
    pub(super) nonce: Option<String>,
}

/// Which shell new sessions get.
#[derive(Debug)]
pub(super) struct Shells {
    program: String,
    directory: PathBuf,
}

impl Shells {
    /// `program` as configured: empty takes `$SHELL`, else bash. One that can't be started would end
    /// each new session at once, so that bash is taken instead, or sh. Files of ours go below `state`.
    pub(super) fn new(program: &str, state: &Path) -> Self {
        let wish = match program {
            "" => std::env::var("SHELL").unwrap_or_default(),
            chosen => chosen.to_owned(),
        };
        let program = [wish.as_str(), "bash"].into_iter().find(|program| can_start(program)).unwrap_or("sh");
        if !wish.is_empty() && program != wish {
            tracing::warn!(wish, program, "this shell can't be started; another one is taken");
        }
        Self { program: program.to_owned(), directory: state.join("shell") }
    }

    /// For a new session. The error says why the shell had to be started without marks.
    pub(super) async fn start(&self) -> (Shell, Option<io::Error>) {
        let program = quoted(&self.program);
        let bare = || Shell { command: format!("exec {program}"), nonce: None };
        let kind = Kind::of(&self.program);
        let file = match kind {
            Kind::Bash => BASHRC,
            Kind::Zsh => ZSHENV,
            Kind::Fish => FISH,
            Kind::Plain | Kind::None => return (bare(), None),
        };
        let directory = self.directory.clone();
        let written = tokio::task::spawn_blocking(move || write(&directory, file)).await;
        let path = match written.map_err(io::Error::other).flatten() {
            Ok(path) => path,
            Err(error) => return (bare(), Some(error)),
        };
        let nonce = Uuid::now_v7().simple().to_string();
        let file = quoted(&path.to_string_lossy());
        let start = match kind {
            Kind::Zsh => {
                let directory = quoted(&path.parent().unwrap_or(&path).to_string_lossy());
                // Where the user's files are is known only there, and whoever reads this may not be a
                // POSIX shell.
                let script = "export VOICE_TERMINAL_ZDOTDIR=\"${ZDOTDIR-}\" ZDOTDIR=\"$1\"; exec \"$2\" -i";
                format!("sh -c '{script}' sh {directory} {program}")
            }
            Kind::Fish => format!("{program} -i -C {}", quoted(&format!("source {file}"))),
            _ => format!("{program} --rcfile {file} -i"),
        };
        let command = format!("exec env VOICE_TERMINAL_NONCE={nonce} {start}");
        (Shell { command, nonce: Some(nonce) }, None)
    }
}

/// Whether there is such a program, by its path or in the search path.
fn can_start(program: &str) -> bool {
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return is_program(Path::new(program));
    }
    let places = std::env::var_os("PATH").unwrap_or_default();
    !program.is_empty() && std::env::split_paths(&places).any(|place| is_program(&place.join(program)))
}

/// Writes a file of ours unless it is there already, in a directory of the owner's own.
fn write(directory: &Path, (name, content): (&str, &str)) -> io::Result<PathBuf> {
    let path = directory.join(name);
    if std::fs::read_to_string(&path).is_ok_and(|found| found == content) {
        return Ok(path);
    }
    let directory = path.parent().unwrap_or(directory);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // Renamed into place, so that a shell that starts just now never reads half of it.
    let half = directory.join(format!("half.{}", Uuid::now_v7().simple()));
    std::fs::write(&half, content)?;
    std::fs::rename(&half, &path)?;
    Ok(path)
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shells_that_can_get_marks_and_others_are_left_alone() {
        let state = tempfile::tempdir().unwrap();
        for (program, how, file) in [
            ("/bin/bash", "--rcfile", "shell/bashrc"),
            ("zsh", "ZDOTDIR", "shell/zsh/.zshenv"),
            ("fish", "-C", "shell/init.fish"),
        ] {
            let shells = Shells { program: program.into(), directory: state.path().join("shell") };
            let (shell, error) = shells.start().await;
            assert!(error.is_none());
            assert_eq!(shell.nonce.as_ref().map(String::len), Some(32));
            assert!(shell.command.contains(how), "{shell:?}");
            assert!(state.path().join(file).is_file());
        }
        let (shell, _) = Shells::new("dash", state.path()).start().await;
        assert_eq!(shell, Shell { command: "exec 'dash'".into(), nonce: None });
    }

    #[tokio::test]
    async fn a_shell_that_is_not_there_is_not_started() {
        for missing in ["/nonexistent/fish", "no-such-shell", "/etc/passwd", "/"] {
            let shells = Shells::new(missing, Path::new("/tmp"));
            assert!(matches!(shells.program.as_str(), "bash" | "sh"), "{missing}: {}", shells.program);
        }
    }

    #[tokio::test]
    async fn without_a_place_for_the_file_bash_is_started_bare() {
        let (shell, error) = Shells::new("bash", Path::new("/proc/nowhere")).start().await;
        assert!(error.is_some());
        assert_eq!(shell, Shell { command: "exec 'bash'".into(), nonce: None });
    }
}

//! Where things live: the XDG directories, with a way out when they are missing.

use std::path::{Path, PathBuf};

use super::Config;

const NAME: &str = "voice-terminal";

/// The directories of this user's voice-terminal. None of them is made by asking for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The user's configuration file.
    pub config_file: PathBuf,
    /// The journal and the log.
    pub state: PathBuf,
    /// Model weights.
    pub models: PathBuf,
    /// The control socket and the lock.
    pub runtime: PathBuf,
}

impl Paths {
    /// From the environment. Without `HOME` everything goes below the temporary directory, so that
    /// a bare environment is no reason not to start.
    pub fn from_environment() -> Self {
        Self::from_lookup(|name| std::env::var_os(name).map(PathBuf::from))
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<PathBuf>) -> Self {
        // The specification says that a relative path is to be ignored.
        let absolute = |name: &str| lookup(name).filter(|path| path.is_absolute());
        let private = || {
            let uid = rustix::process::getuid().as_raw();
            std::env::temp_dir().join(format!("{NAME}-{uid}"))
        };
        let home = absolute("HOME").unwrap_or_else(private);
        let base = |name: &str, below_home: &str| absolute(name).unwrap_or_else(|| home.join(below_home));
        let config_file = absolute("VOICE_TERMINAL_CONFIG")
            .unwrap_or_else(|| base("XDG_CONFIG_HOME", ".config").join(NAME).join("config.toml"));
        Self {
            config_file,
            state: base("XDG_STATE_HOME", ".local/state").join(NAME),
            models: base("XDG_DATA_HOME", ".local/share").join(NAME).join("models"),
            runtime: absolute("XDG_RUNTIME_DIR").map_or_else(private, |runtime| runtime.join(NAME)),
        }
    }

    /// The control socket.
    pub fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// The lock that the one listening process holds.
    pub fn lock(&self) -> PathBuf {
        self.runtime.join("lock")
    }

    /// The log of the present run.
    pub fn log(&self) -> PathBuf {
        self.state.join("voice-terminal.log")
    }

    /// What services elsewhere have cost this month.
    pub fn cloud(&self) -> PathBuf {
        self.state.join("cloud.json")
    }

    /// The secret that seals what is kept in a shared cache.
    pub fn cache_secret(&self) -> PathBuf {
        self.state.join("cache.key")
    }

    /// Where the keys of services are: beside the configuration.
    pub fn keys(&self) -> PathBuf {
        self.config_file.with_file_name("keys")
    }

    /// The lines for the arrow keys.
    pub fn console_history(&self) -> PathBuf {
        self.state.join("console-history")
    }

    /// Where sound is kept.
    pub fn sound(&self, config: &Config) -> PathBuf {
        config.store.sound.directory.clone().unwrap_or_else(|| self.state.join("sound"))
    }

    /// The journal's file.
    pub fn journal(&self, config: &Config) -> PathBuf {
        config.store.journal.path.clone().unwrap_or_else(|| self.state.join("journal.sqlite"))
    }

    /// The path with the user's home shortened to `~`, to show to the user.
    pub fn shown(path: &Path) -> String {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        match home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
            Some(rest) => format!("~/{}", rest.display()),
            None => path.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_xdg_and_ignores_relative_paths() {
        let paths = Paths::from_lookup(|name| match name {
            "HOME" => Some("/home/ann".into()),
            "XDG_STATE_HOME" => Some("/var/ann".into()),
            "XDG_DATA_HOME" => Some("not/absolute".into()),
            _ => None,
        });
        assert_eq!(paths.state, Path::new("/var/ann/voice-terminal"));
        assert_eq!(paths.models, Path::new("/home/ann/.local/share/voice-terminal/models"));
        assert_eq!(paths.config_file, Path::new("/home/ann/.config/voice-terminal/config.toml"));
    }

    #[test]
    fn an_empty_environment_has_places_too() {
        let paths = Paths::from_lookup(|_| None);
        assert!(paths.state.is_absolute() && paths.runtime.is_absolute());
    }
}

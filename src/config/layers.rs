//! Layers: built-in defaults → `default.toml` → profile → the user's file → environment → flags.
//!
//! Each layer is checked by itself, so that an error can name the place it stands in; then the
//! layers are laid over each other, key by key.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::suggestions::{Known, nearest};
use super::{BreakerOverride, Config, Paths, Phrases};

const DEFAULT: &str = include_str!("../../config/default.toml");
const PROFILES: [(&str, &str); 3] = [
    ("development", include_str!("../../config/development.toml")),
    ("staging", include_str!("../../config/staging.toml")),
    ("production", include_str!("../../config/production.toml")),
];

const PREFIX: &str = "VOICE_TERMINAL_";
/// Variables with the prefix that are not keys.
const NOT_KEYS: [&str; 3] = ["PROFILE", "CONFIG", "LOG"];

/// A longer file of phrases is something else.
const LONGEST_PHRASES: u64 = 16 << 20;

/// Where a layer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    BuiltIn(&'static str),
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// An argument on the command line.
    Argument,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(name) => write!(f, "built-in {name}"),
            Self::File(path) => f.write_str(&Paths::shown(path)),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Argument => f.write_str("command line"),
        }
    }
}

/// A configuration that can't be used. Says where, what, and what is probably meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Where it stands.
    pub origin: Option<Origin>,
    /// The line, from 1, in a file.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// The nearest right key or value.
    pub remedy: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.line) {
            (Some(origin), Some(line)) => write!(f, "{origin}, line {line}: {}", self.what),
            (Some(origin), None) => write!(f, "{origin}: {}", self.what),
            (None, _) => f.write_str(&self.what),
        }
    }
}

/// The world that configuration is read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The profile's name; `None` is production.
    pub profile: Option<String>,
    /// The user's file; it need not exist.
    pub file: Option<PathBuf>,
    /// Environment variables; those without our prefix are passed over.
    pub variables: Vec<(String, String)>,
    /// `KEY=VALUE` from the command line.
    pub flags: Vec<String>,
}

impl Sources {
    /// The process's environment, with flags of the command line.
    pub fn from_environment(paths: &Paths, profile: Option<String>, flags: Vec<String>) -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        let profile = profile.or_else(|| std::env::var("VOICE_TERMINAL_PROFILE").ok());
        Self { profile, file: Some(paths.config_file.clone()), variables, flags }
    }

    /// Reads and checks all layers.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let known = Known::keys();
        let mut merged = Table::new();
        for (origin, text) in self.texts()? {
            let table = parse(&origin, &text, &known)?;
            keeps_its_secrets(&origin, &table)?;
            overlay(&mut merged, table);
        }
        for (name, value) in &self.variables {
            let Some(key) = name.strip_prefix(PREFIX).filter(|key| !NOT_KEYS.contains(key)) else { continue };
            let path = key.to_lowercase().replace("__", ".");
            overlay(&mut merged, single(&Origin::Variable(name.clone()), &path, value, &known)?);
        }
        for flag in &self.flags {
            let (path, value) = split(flag, "--set audio.input=none")?;
            overlay(&mut merged, single(&Origin::Argument, path, value, &known)?);
        }
        let config = Config::deserialize(merged).map_err(|error| ConfigError {
            origin: None,
            line: None,
            what: error.message().to_owned(),
            remedy: "see `voice-terminal config show`".into(),
        })?;
        config.validate()?;
        Ok(Config { phrases: self.phrases()?, ..config })
    }

    /// The user's files, whether they exist or not: the configuration, and their own phrases beside it.
    pub(super) fn files(&self) -> Option<[PathBuf; 2]> {
        let file = self.file.clone()?;
        let phrases = file.with_file_name("phrases.toml");
        Some([file, phrases])
    }

    fn phrases(&self) -> Result<Phrases, ConfigError> {
        let Some([_, file]) = self.files() else { return Ok(Phrases::default()) };
        let bad = |what: String, remedy: &str| ConfigError {
            origin: Some(Origin::File(file.clone())),
            line: None,
            what,
            remedy: remedy.into(),
        };
        if std::fs::metadata(&file).is_ok_and(|file| file.len() > LONGEST_PHRASES) {
            return Err(bad("it is too long".into(), "keep it below 16 MiB"));
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(Phrases { file: Some(file), text }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Phrases::default()),
            Err(error) => Err(bad(
                format!("it can't be read: {error}"),
                "make it a text file (UTF-8) that you can read, or remove it",
            )),
        }
    }

    fn texts(&self) -> Result<Vec<(Origin, String)>, ConfigError> {
        let mut texts = vec![(Origin::BuiltIn("default.toml"), DEFAULT.to_owned())];
        let wanted = self.profile.as_deref().unwrap_or("production");
        let Some((name, profile)) = PROFILES.iter().find(|(name, _)| *name == wanted) else {
            return Err(ConfigError {
                origin: Some(Origin::Variable("VOICE_TERMINAL_PROFILE".into())),
                line: None,
                what: format!("there is no profile \"{wanted}\""),
                remedy: "use development, staging or production".into(),
            });
        };
        texts.push((Origin::BuiltIn(name), (*profile).to_owned()));
        if let Some(path) = &self.file {
            match std::fs::read_to_string(path) {
                Ok(text) => texts.push((Origin::File(path.clone()), text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(ConfigError {
                        origin: Some(Origin::File(path.clone())),
                        line: None,
                        what: format!("it can't be read: {error}"),
                        remedy: "make it a text file (UTF-8) that you can read, or remove it".into(),
                    });
                }
            }
        }
        Ok(texts)
    }
}

impl BreakerOverride {
    /// Settings of one breaker from `KEY=VALUE`s, as they are given on a command line.
    ///
    /// # Errors
    /// An unknown key or a value of the wrong type.
    pub fn from_pairs(breaker: &str, pairs: &[String]) -> Result<Self, ConfigError> {
        let known = Known::keys();
        let mut merged = Table::new();
        for pair in pairs {
            let (key, value) = split(pair, "timeout=5s")?;
            let path = format!("breakers.{breaker}.{key}");
            overlay(&mut merged, single(&Origin::Argument, &path, value, &known)?);
        }
        let config = Config::deserialize(merged).map_err(|error| ConfigError {
            origin: Some(Origin::Argument),
            line: None,
            what: error.message().to_owned(),
            remedy: "see `voice-terminal config show`".into(),
        })?;
        Ok(config.breakers.into_values().next().unwrap_or_default())
    }
}

/// A `KEY=VALUE`; the example is for whoever wrote something else.
fn split<'a>(pair: &'a str, example: &str) -> Result<(&'a str, &'a str), ConfigError> {
    match pair.split_once('=') {
        Some((key, value)) => Ok((key.trim(), value.trim())),
        None => Err(ConfigError {
            origin: Some(Origin::Argument),
            line: None,
            what: format!("\"{pair}\" is not KEY=VALUE"),
            remedy: format!("write it as in {example}"),
        }),
    }
}

/// A file with a password in it must be the user's only.
fn keeps_its_secrets(origin: &Origin, table: &Table) -> Result<(), ConfigError> {
    let Origin::File(path) = origin else { return Ok(()) };
    let holds = Config::deserialize(table.clone()).is_ok_and(|config| config.store.postgres.holds_password());
    let others = std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    if !(holds && others) {
        return Ok(());
    }
    Err(ConfigError {
        origin: Some(origin.clone()),
        line: None,
        what: "it holds a database's password, and others can read it".into(),
        remedy: "make it yours only (chmod 600), or put the password into store.postgres.password_file"
            .into(),
    })
}

/// A table whose keys are all known and whose values have the right types.
fn parse(origin: &Origin, text: &str, known: &Known) -> Result<Table, ConfigError> {
    let error =
        |line, what: String, remedy: String| ConfigError { origin: Some(origin.clone()), line, what, remedy };
    let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
    let of_toml = |bad: toml::de::Error, remedy: &str| {
        let line = bad.span().map(|span| line_of(span.start));
        // The key only: a value may be a secret.
        let key =
            line.and_then(|line| text.lines().nth(line - 1)?.split_once('=')).map(|(key, _)| key.trim());
        let what = bad.message().trim();
        error(line, key.map_or_else(|| what.to_owned(), |key| format!("{key}: {what}")), remedy.into())
    };
    let tree = DeTable::parse(text).map_err(|bad| of_toml(bad, "see the TOML syntax at toml.io"))?;
    if let Some((offset, path)) = unknown_key(tree.get_ref(), "", known) {
        let (what, remedy) = unknown(&path, known);
        return Err(error(Some(line_of(offset)), what, remedy));
    }
    toml::from_str::<Config>(text)
        .map_err(|bad| of_toml(bad, "durations are written as \"30s\"; see `voice-terminal config show`"))?;
    toml::from_str(text).map_err(|bad| of_toml(bad, "see the TOML syntax at toml.io"))
}

fn unknown_key(table: &DeTable<'_>, above: &str, known: &Known) -> Option<(usize, String)> {
    table.iter().find_map(|(key, value): (_, &Spanned<DeValue<'_>>)| {
        let path = join(above, key.get_ref());
        if !known.holds(&path) {
            return Some((key.span().start, path));
        }
        value.get_ref().as_table().and_then(|table| unknown_key(table, &path, known))
    })
}

/// One key from an environment variable or a flag. What may stand there is decided by the key's
/// type: text needs no quotes, a list may be given with commas.
fn single(origin: &Origin, path: &str, value: &str, known: &Known) -> Result<Table, ConfigError> {
    let path = known.spelled(path);
    if !known.is_leaf(&path) {
        let (what, remedy) = unknown(&path, known);
        return Err(ConfigError { origin: Some(origin.clone()), line: None, what, remedy });
    }
    let as_toml = || format!("v = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("v"));
    let value = match known.example(&path) {
        Some(Value::String(_)) | None => Value::String(value.to_owned()),
        Some(Value::Array(_)) => as_toml().filter(Value::is_array).unwrap_or_else(|| {
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }),
        Some(_) => as_toml().unwrap_or_else(|| Value::String(value.to_owned())),
    };
    let table = path.rsplit('.').fold(value, |value, key| {
        let mut table = Table::new();
        table.insert(key.to_owned(), value);
        Value::Table(table)
    });
    Config::deserialize(table.clone()).map_err(|bad| ConfigError {
        origin: Some(origin.clone()),
        line: None,
        what: format!("{path}: {}", bad.message().trim()),
        remedy: "durations are written as 30s; see `voice-terminal config show`".into(),
    })?;
    match table {
        Value::Table(table) => Ok(table),
        _ => Ok(Table::new()),
    }
}

fn unknown(path: &str, known: &Known) -> (String, String) {
    let remedy = match nearest(path, known.leaves()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "see `voice-terminal config show` for all keys".into(),
    };
    (format!("there is no setting \"{path}\""), remedy)
}

fn join(above: &str, key: &str) -> String {
    if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") }
}

/// Lays one table over another; tables are merged, everything else is replaced.
fn overlay(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => overlay(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::broadcast::Sender;

    use super::*;
    use crate::breaker::{Breaker, ManualClock};

    fn with_file(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        Sources { file: Some(path), ..Sources::default() }.load()
    }

    #[test]
    fn the_shipped_default_is_the_built_in_default() {
        let shipped: Config = toml::from_str(DEFAULT).unwrap();
        let breakers = shipped.breakers.clone();
        assert_eq!(shipped, Config { breakers, ..Config::default() });
        assert_eq!(Sources::default().load().unwrap().audio, Config::default().audio);
    }

    #[test]
    fn later_layers_win_key_by_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, "[terminal]\nsocket = \"mine\"\nrun_wait = \"5s\"\n").unwrap();
        let sources = Sources {
            file: Some(path),
            variables: vec![
                ("VOICE_TERMINAL_TERMINAL__RUN_WAIT".into(), "7s".into()),
                ("VOICE_TERMINAL_SAFETY__ALLOW".into(), "cargo test, make".into()),
                ("VOICE_TERMINAL_BREAKERS__VOICE_STT__TIMEOUT".into(), "1s".into()),
                ("VOICE_TERMINAL_PROFILE".into(), "staging".into()),
            ],
            flags: vec!["terminal.session=work".into()],
            ..Sources::default()
        };
        let config = sources.load().unwrap();
        assert_eq!(config.terminal.socket, "mine");
        assert_eq!(config.terminal.run_wait, Duration::from_secs(7));
        assert_eq!(config.terminal.session, "work");
        assert_eq!(config.safety.allow, ["cargo test", "make"]);
        assert_eq!(config.breaker("voice-stt", "local-whisper").timeout, Duration::from_secs(1));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_right_one() {
        let error = with_file("# hello\n[speech.stt]\nmodle = \"base\"\n").unwrap_err();
        assert_eq!(error.line, Some(3));
        assert!(error.what.contains("speech.stt.modle"), "{error}");
        assert!(error.remedy.contains("\"speech.stt.model\""), "{}", error.remedy);
    }

    #[test]
    fn a_key_in_the_wrong_section_is_found_where_it_belongs() {
        let error = with_file("[audio]\ntrailing_silence = \"1s\"\n").unwrap_err();
        assert!(error.remedy.contains("audio.endpoint.trailing_silence"), "{}", error.remedy);
    }

    #[test]
    fn wrong_types_and_broken_syntax_name_their_line() {
        assert_eq!(with_file("[audio]\n\nwatchdog = 2\n").unwrap_err().line, Some(3));
        assert_eq!(with_file("[audio]\nwatchdog = \"two weeks ago\"\n").unwrap_err().line, Some(2));
        assert_eq!(with_file("[audio]\n[oh no\n").unwrap_err().line, Some(2));
    }

    #[test]
    fn values_that_cannot_work_are_refused() {
        let error = with_file("[audio.endpoint]\nstop_probability = 0.9\n").unwrap_err();
        assert!(error.what.contains("stop_probability"), "{error}");
        let error = with_file("[breakers.voice-stt]\nfailure_threshold = 0\n").unwrap_err();
        assert!(error.what.contains("failure_threshold"), "{error}");
        let error = with_file("[breakers.voice-sst]\nfailure_threshold = 3\n").unwrap_err();
        assert!(error.remedy.contains("voice-stt"), "{}", error.remedy);
    }

    #[test]
    fn a_mistyped_variable_is_an_error_too() {
        let variables = vec![("VOICE_TERMINAL_TERMINAL__SOKET".into(), "x".into())];
        let error = Sources { variables, ..Sources::default() }.load().unwrap_err();
        assert!(error.remedy.contains("terminal.socket"), "{}", error.remedy);
    }

    #[test]
    fn a_password_in_a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, "[store.postgres]\nprimary = \"postgres://ann:s3cret@db/history\"\n").unwrap();
        let load = |mode| {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            Sources { file: Some(path.clone()), ..Sources::default() }.load()
        };
        let error = load(0o644).unwrap_err();
        assert!(error.what.contains("password") && !error.to_string().contains("s3cret"), "{error}");
        let config = load(0o600).unwrap();
        assert_eq!(config.store.postgres.primary.expose(), "postgres://ann:s3cret@db/history");
        assert!(!toml::to_string(&config).unwrap().contains("s3cret"));
    }

    #[test]
    fn the_primary_has_its_own_breaker_settings() {
        let config = Sources::default().load().unwrap();
        let primary = config.breaker("database", "postgresql-primary");
        let seconds = |duration: Duration| duration.as_secs();
        assert_eq!(primary.failure_threshold, 3);
        assert_eq!((seconds(primary.reset_timeout), seconds(primary.timeout)), (120, 10));
        assert_eq!(config.breaker("database", "postgresql-replica-2").failure_threshold, 5);
    }

    #[test]
    fn a_database_elsewhere_must_be_encrypted() {
        let with = |options: &str, more: &str| {
            with_file(&format!(
                "[store.postgres]\nprimary = \"postgres://ann@db.example/h{options}\"\n{more}\n"
            ))
        };
        for refused in ["?sslmode=disable", "?sslmode=prefer", "?sslmode=require"] {
            let error = with(refused, "").unwrap_err().to_string();
            assert!(error.contains("verify-full") && error.contains("store.postgres.unencrypted"), "{error}");
            with(refused, "unencrypted = true").unwrap();
        }
        assert!(with("", "").unwrap().store.postgres.is_elsewhere());
        with("?sslmode=verify-full&sslrootcert=/ca.crt", "").unwrap();
        assert!(with("", "replicas = [\"postgres://two.example/h?sslmode=allow\"]").is_err());
        with_file("[store.postgres]\nprimary = \"postgres://127.0.0.1/h?sslmode=disable\"\n").unwrap();
    }

    /// How long after the end of an outage of an hour it is asked again, at worst.
    fn asked_after(config: &Config, chain: &str, tier: &str) -> Duration {
        const LOOK: Duration = Duration::from_millis(500);
        let clock = Arc::new(ManualClock::default());
        clock.set_draw(1.0);
        let breaker = Breaker::with(tier, config.breaker(chain, tier), Arc::clone(&clock), Sender::new(1));
        let mut longest = Duration::ZERO;
        let mut since = clock.now();
        while clock.now() < Duration::from_secs(3600) {
            clock.advance(LOOK);
            if let Ok(permit) = breaker.try_acquire() {
                longest = longest.max(clock.now().saturating_sub(since));
                since = clock.now();
                permit.time_out();
            }
        }
        longest
    }

    #[test]
    fn after_an_hour_without_it_each_is_asked_as_soon_as_the_manual_says() {
        let config = Sources::default().load().unwrap();
        for (chain, tier, seconds) in [
            ("database", "journal", 5),
            ("database", "postgresql-primary", 120),
            ("cache", "cache-redis", 30),
            ("audio-input", "audio-input", 30),
            ("audio-output", "audio-output", 30),
            ("database", "postgresql-replica", 600),
            ("voice-stt", "local-whisper", 600),
            ("voice-tts", "local-neural", 600),
            ("voice-stt", "cloud-google-stt", 1200),
            ("ai-service", "ai-1", 1800),
        ] {
            let asked = asked_after(&config, chain, tier);
            assert!(asked <= Duration::from_secs(seconds + 1), "{tier}: {asked:?}");
        }
        // Whoever sets a longer time than the cap means it.
        let config = with_file("[breakers.journal]\nreset_timeout = \"1m\"\n").unwrap();
        assert_eq!(config.breaker("database", "journal").reset_cap, Duration::from_secs(60));
    }

    #[test]
    fn every_profile_loads() {
        for (name, _) in PROFILES {
            let sources = Sources { profile: Some(name.into()), ..Sources::default() };
            sources.load().unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let sources = Sources { profile: Some("prod".into()), ..Sources::default() };
        assert!(sources.load().unwrap_err().remedy.contains("production"));
    }
}

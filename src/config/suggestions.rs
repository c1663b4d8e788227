//! Which keys there are, and which one was probably meant.

use std::time::Duration;

use toml::{Table, Value};

use super::{BREAKER_NAMES, BreakerOverride, Config};

/// The table whose keys are the user's own words, and what stands for any of them.
const LEXICON: &str = "speech.tts.lexicon";
const ANY: &str = "word";

/// All keys, learnt from the default configuration itself.
pub(super) struct Known {
    tree: Table,
    leaves: Vec<String>,
}

impl Known {
    pub(super) fn keys() -> Self {
        let example = BreakerOverride {
            failure_threshold: Some(1),
            success_threshold: Some(1),
            timeout: Some(Duration::from_secs(1)),
            reset_timeout: Some(Duration::from_secs(1)),
            monitoring_window: Some(Duration::from_secs(1)),
            volume_threshold: Some(1),
            failure_rate_threshold: Some(0.5),
            reset_cap: Some(Duration::from_secs(1)),
            slow_call: Some(Duration::from_secs(1)),
            slow_rate_threshold: Some(0.5),
            half_open_permits: Some(1),
            probe_lease: Some(Duration::from_secs(1)),
        };
        let mut config = Config {
            breakers: BREAKER_NAMES.iter().map(|name| ((*name).to_owned(), example.clone())).collect(),
            ..Config::default()
        };
        config.store.journal.path = Some("x".into());
        config.store.postgres.password_file = Some("x".into());
        config.speech.tts.lexicon.insert(ANY.into(), "x".into());
        // A configuration is made of tables, text, numbers and lists; all of these are TOML.
        let tree = Table::try_from(config).unwrap_or_default();
        let mut leaves = Vec::new();
        collect(&tree, "", &mut leaves);
        Self { tree, leaves }
    }

    pub(super) fn leaves(&self) -> &[String] {
        &self.leaves
    }

    /// An example of the value at a key.
    pub(super) fn example(&self, path: &str) -> Option<&Value> {
        let own_word = path.strip_prefix(LEXICON).and_then(|rest| rest.strip_prefix('.'));
        let path =
            if own_word.is_some_and(|word| !word.is_empty()) { &*format!("{LEXICON}.{ANY}") } else { path };
        let mut keys = path.split('.');
        let first = self.tree.get(keys.next()?)?;
        keys.try_fold(first, |value, key| value.as_table()?.get(key))
    }

    pub(super) fn holds(&self, path: &str) -> bool {
        self.example(path).is_some()
    }

    pub(super) fn is_leaf(&self, path: &str) -> bool {
        self.example(path).is_some_and(|value| !value.is_table())
    }

    /// The key as it is really spelled: an environment variable has `VOICE_STT` for `voice-stt`.
    pub(super) fn spelled(&self, path: &str) -> String {
        let plain = |text: &str| text.replace('-', "_");
        let wanted = plain(path);
        self.leaves.iter().find(|leaf| plain(leaf) == wanted).cloned().unwrap_or_else(|| path.to_owned())
    }
}

fn collect(table: &Table, above: &str, leaves: &mut Vec<String>) {
    for (key, value) in table {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match value {
            Value::Table(table) => collect(table, &path, leaves),
            _ => leaves.push(path),
        }
    }
}

/// The candidate that is most like `path`, if any is. A key that stands in the wrong section is
/// found by its last part.
pub(super) fn nearest<'a>(path: &str, candidates: &'a [String]) -> Option<&'a str> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |candidate: &String| {
        let whole = strsim::jaro_winkler(path, candidate);
        let part = strsim::normalized_damerau_levenshtein(&last(path), &last(candidate));
        if part > 0.7 { part + whole } else { whole }
    };
    let best = candidates.iter().map(|candidate| (likeness(candidate), candidate));
    best.filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate.as_str())
}

//! What no type can say: bounds, and values that must fit each other.

use crate::breaker::Settings;

use super::{BreakerOverride, Config, ConfigError, ListeningMode};

/// The chains and tiers whose breakers can be set.
pub(super) const BREAKER_NAMES: &[&str] = &[
    "default",
    "voice-stt",
    "local-whisper",
    "voice-cloud",
    "cloud-google-stt",
    "cloud-azure-stt",
    "openai-stt",
    "voice-tts",
    "local-neural",
    "local-fast",
    "local-coqui",
    "cloud-google-tts",
    "cloud-azure-tts",
    "openai-tts",
    "cache",
    "cache-redis",
    "ai-service",
    "ai-1",
    "ai-2",
    "ai-3",
    "ai-4",
    "tmux-session",
    "tmux-control",
    "tmux-process",
    "audio-input",
    "audio-output",
    "database",
    "database-primary",
    "postgresql-primary",
    "postgresql-replica",
    "postgresql-replica-2",
    "postgresql-replica-3",
    "journal",
    "models",
    "model-hub",
    "model-packages",
];

impl Config {
    /// The settings of a tier's breaker: the built-in defaults, changed by `breakers.default`, by
    /// its chain's section, by `breakers.voice-cloud` if it is a cloud that hears or speaks, by that of the
    /// tiers that are like it, and by its own.
    pub fn breaker(&self, chain: &str, tier: &str) -> Settings {
        let mut settings = Settings::default();
        let kin = match tier {
            "postgresql-primary" => "database-primary",
            "postgresql-replica-2" | "postgresql-replica-3" => "postgresql-replica",
            _ if tier.ends_with("-stt") || tier.ends_with("-tts") => "voice-cloud",
            _ => tier,
        };
        let group = if kin == "voice-cloud" { kin } else { chain };
        for name in ["default", group, kin, tier] {
            if let Some(change) = self.breakers.get(name) {
                change.apply(&mut settings);
            }
        }
        settings
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let endpoint = &self.audio.endpoint;
        let probability = |value: f32| (0.0..=1.0).contains(&value);
        let rules: [(bool, &str, &str); _] = [
            (probability(endpoint.start_probability), "audio.endpoint.start_probability", "from 0.0 to 1.0"),
            (
                probability(endpoint.stop_probability)
                    && endpoint.stop_probability <= endpoint.start_probability,
                "audio.endpoint.stop_probability",
                "from 0.0 to audio.endpoint.start_probability",
            ),
            (
                endpoint.trailing_silence >= std::time::Duration::from_millis(64),
                "audio.endpoint.trailing_silence",
                "at least 64ms",
            ),
            (
                endpoint.pause >= std::time::Duration::from_millis(32)
                    && endpoint.pause <= endpoint.trailing_silence,
                "audio.endpoint.pause",
                "from 32ms to audio.endpoint.trailing_silence",
            ),
            (
                (endpoint.pause..=endpoint.trailing_silence).contains(&endpoint.short_silence),
                "audio.endpoint.short_silence",
                "from audio.endpoint.pause to audio.endpoint.trailing_silence",
            ),
            (
                endpoint.long_silence >= endpoint.trailing_silence,
                "audio.endpoint.long_silence",
                "at least audio.endpoint.trailing_silence",
            ),
            (
                (1..=28).contains(&endpoint.maximum_utterance.as_secs()),
                "audio.endpoint.maximum_utterance",
                "from 1s to 28s, because Whisper hears 30s at a time",
            ),
            (endpoint.pre_roll.as_secs() < 3, "audio.endpoint.pre_roll", "less than 3s"),
            (
                self.listening.mode != ListeningMode::WakePhrase
                    || self.listening.wake_phrases.iter().any(|it| it.chars().any(char::is_alphanumeric)),
                "listening.wake_phrases",
                "at least one phrase in this mode",
            ),
            ((1..=600).contains(&self.listening.window.as_secs()), "listening.window", "from 1s to 10m"),
            (self.audio.watchdog.as_millis() >= 500, "audio.watchdog", "at least 500ms"),
            (
                (64..=1500).contains(&self.speech.stt.minimum_audio_context),
                "speech.stt.minimum_audio_context",
                "from 64 to 1500",
            ),
            (probability(self.audio.volume), "audio.volume", "from 0.0 to 1.0"),
            ((0.5..=2.0).contains(&self.speech.tts.rate), "speech.tts.rate", "from 0.5 to 2.0"),
            (
                self.speech.tts.lexicon.iter().all(|(word, said)| is_sayable(word, said)),
                "each word of speech.tts.lexicon",
                "one word without spaces, with something to say for it, such as kubectl = \"cube control\"",
            ),
            (self.speech.stt.threads <= 64, "speech.stt.threads", "from 0 to 64"),
            (!self.terminal.socket.is_empty(), "terminal.socket", "a name"),
            (
                are_other_names(&self.terminal.servers, &self.terminal.socket),
                "terminal.servers",
                "names of other sockets than terminal.socket, each once, without a slash",
            ),
            (self.terminal.output_limit >= 1024, "terminal.output_limit", "at least 1024"),
            (probability(self.safety.minimum_confidence), "safety.minimum_confidence", "from 0.0 to 1.0"),
        ];
        if let Some((_, key, must_be)) =
            rules.into_iter().chain(self.history_rules()).chain(self.cloud_rules()).find(|(holds, ..)| !holds)
        {
            return Err(refused(format!("{key} must be {must_be}")));
        }
        for name in self.breakers.keys() {
            self.breaker(name, name)
                .validate()
                .map_err(|bad| refused(format!("breakers.{name}.{}: {bad}", bad.setting)))?;
        }
        Ok(())
    }

    fn history_rules(&self) -> [(bool, &'static str, &'static str); 8] {
        let postgres = &self.store.postgres;
        [
            (self.store.journal.limit >= 1 << 20, "store.journal.limit", "at least 1048576 (a mebibyte)"),
            (self.store.retention <= 36_500, "store.retention", "from 0 (never) to 36500 days"),
            (self.store.sound.limit >= 1 << 20, "store.sound.limit", "at least 1048576 (a mebibyte)"),
            ((1..=36_500).contains(&self.store.sound.days), "store.sound.days", "from 1 to 36500"),
            (
                postgres.servers().all(|url| !url.is_set() || url.is_postgres()),
                "store.postgres.primary and each of store.postgres.replicas",
                "as in postgres://USER@HOST/DATABASE",
            ),
            (
                postgres.unencrypted
                    || !postgres.servers().any(|url| url.is_elsewhere() && url.is_careless()),
                "sslmode of a database on another machine",
                "verify-full (as it is without it) or verify-ca, so that nobody else reads the history or the \
                 password; only where the network is safe by itself, such as in a tunnel, set \
                 store.postgres.unencrypted = true",
            ),
            (
                postgres.replicas.len() <= 3 && (postgres.replicas.is_empty() || postgres.primary.is_set()),
                "store.postgres.replicas",
                "three at most, and beside a store.postgres.primary",
            ),
            ((1..=32).contains(&postgres.connections), "store.postgres.connections", "from 1 to 32"),
        ]
    }

    fn cloud_rules(&self) -> [(bool, &'static str, &'static str); 3] {
        let cloud = &self.cloud;
        let prices = [
            self.ai.price,
            cloud.google.stt_price,
            cloud.google.tts_price,
            cloud.azure.stt_price,
            cloud.azure.tts_price,
            cloud.openai.stt_price,
            cloud.openai.tts_price,
        ];
        [
            ((1..=10_000).contains(&cloud.rate), "cloud.rate", "from 1 to 10000"),
            (cloud.monthly_cost >= 0.0, "cloud.monthly_cost", "0.0 or more"),
            (prices.into_iter().all(|price| price >= 0.0), "each price under cloud and ai", "0.0 or more"),
        ]
    }
}

/// Whether a text can contain this word, and this can be said for it.
fn is_sayable(word: &str, said: &str) -> bool {
    let is_word = word.chars().any(char::is_alphanumeric) && !word.contains(char::is_whitespace);
    is_word && said.chars().any(char::is_alphanumeric) && !said.chars().any(char::is_control)
}

/// Whether these can be names of sockets beside this one.
fn are_other_names(names: &[String], socket: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && !name.contains(['/', ':', ' ']) && name != socket;
    names.iter().enumerate().all(|(at, name)| is_name(name) && !names[..at].contains(name))
}

fn refused(what: String) -> ConfigError {
    ConfigError {
        origin: None,
        line: None,
        what,
        remedy: "change it in your configuration; `voice-terminal config show` shows what is in force".into(),
    }
}

impl BreakerOverride {
    /// Lays what is set here over the settings.
    pub fn apply(&self, settings: &mut Settings) {
        fn set<T: Copy>(setting: &mut T, wish: Option<T>) {
            if let Some(wish) = wish {
                *setting = wish;
            }
        }
        set(&mut settings.failure_threshold, self.failure_threshold);
        set(&mut settings.success_threshold, self.success_threshold);
        set(&mut settings.timeout, self.timeout);
        set(&mut settings.monitoring_window, self.monitoring_window);
        set(&mut settings.volume_threshold, self.volume_threshold);
        set(&mut settings.failure_rate_threshold, self.failure_rate_threshold);
        if let Some(reset) = self.reset_timeout {
            settings.reset_timeout = reset;
            settings.reset_cap = settings.reset_cap.max(reset.saturating_mul(10));
        }
        set(&mut settings.reset_cap, self.reset_cap);
        // One that is set to wait longer, in a later layer than the cap, waits so long.
        settings.reset_cap = settings.reset_cap.max(settings.reset_timeout);
        set(&mut settings.slow_rate_threshold, self.slow_rate_threshold);
        set(&mut settings.half_open_permits, self.half_open_permits);
        set(&mut settings.probe_lease, self.probe_lease);
        settings.slow_call = self.slow_call.or(settings.slow_call);
    }
}

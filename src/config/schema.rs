//! Every setting there is, with its default. `config/default.toml` shows the same to the user; a
//! test holds the two together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::{optional, required};
use serde::{Deserialize, Serialize};

use super::{Ai, Cache, Cloud, DatabaseUrl};

/// The whole configuration, after all layers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Microphone and endpointing.
    pub audio: Audio,
    /// Whom to listen to.
    pub listening: Listening,
    /// How words are taken.
    pub interpreter: Interpreter,
    /// The user's own phrases, which have a file of their own.
    #[serde(skip)]
    pub phrases: Phrases,
    /// Recognition.
    pub speech: Speech,
    /// tmux.
    pub terminal: Terminal,
    /// What may be done without asking.
    pub safety: Safety,
    /// The history.
    pub store: Store,
    /// Services elsewhere.
    pub cloud: Cloud,
    /// Who is asked what words mean, when the rules don't know.
    pub ai: Ai,
    /// What can be made again.
    pub cache: Cache,
    /// Overrides of breaker settings, by chain (`voice-stt`) or tier (`local-whisper`); the tier's
    /// win over its chain's.
    pub breakers: BTreeMap<String, BreakerOverride>,
}

/// Microphone and endpointing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audio {
    /// `auto`, `none` (never open a microphone), or part of a device's name.
    pub input: String,
    /// A stream that delivers no samples for this long is dead and is opened anew.
    #[serde(with = "required")]
    pub watchdog: Duration,
    /// Where replies are spoken: `auto`, `none`, or a part of a device's name.
    pub output: String,
    /// How loud, from 0.0 to 1.0.
    pub volume: f32,
    /// Whether somebody can speak over what it says.
    pub barge_in: BargeIn,
    /// When an utterance begins and ends.
    pub endpoint: Endpoint,
}

/// Whether somebody is heard while something is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BargeIn {
    /// As soon as the echo can be taken away, or there is none.
    Auto,
    /// Never.
    Off,
}

/// When an utterance begins and ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// Sound kept from before the first speech was noticed, so that first words aren't clipped.
    #[serde(with = "required")]
    pub pre_roll: Duration,
    /// Speech shorter than this is a click, not an utterance.
    #[serde(with = "required")]
    pub minimum_speech: Duration,
    /// Silence after which what was said is recognised, though it may go on.
    #[serde(with = "required")]
    pub pause: Duration,
    /// Silence that ends an utterance which is a whole command by the grammar.
    #[serde(with = "required")]
    pub short_silence: Duration,
    /// Silence that ends an utterance.
    #[serde(with = "required")]
    pub trailing_silence: Duration,
    /// Silence that ends an utterance to which something must be added, such as "run".
    #[serde(with = "required")]
    pub long_silence: Duration,
    /// How often what is being said is recognised before it has ended; never if zero.
    #[serde(with = "required")]
    pub partial_interval: Duration,
    /// An utterance is cut here, however long the person goes on; the rest is the next one.
    #[serde(with = "required")]
    pub maximum_utterance: Duration,
    /// Speech probability at which speech starts, 0.0 ‥ 1.0.
    pub start_probability: f32,
    /// Speech probability below which it is silence, 0.0 ‥ 1.0; lower than the start.
    pub stop_probability: f32,
}

/// Whom to listen to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listening {
    /// When what is said is meant for the program.
    pub mode: ListeningMode,
    /// What one says to be heard, any of these; and to wake it.
    pub wake_phrases: Vec<String>,
    /// For how long after the phrase it need not be said again.
    #[serde(with = "required")]
    pub window: Duration,
    /// Which signs there are of what it hears.
    pub cues: Cues,
}

/// When what is said is meant for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListeningMode {
    /// Always.
    Always,
    /// After the wake phrase.
    WakePhrase,
    /// While a key is held.
    PushToTalk,
    /// From one press of a key to the next.
    Toggle,
}

/// The user's own phrases, as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Phrases {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// What it holds.
    pub text: String,
}

/// How words are taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Interpreter {
    /// What they are taken as at the start.
    pub mode: InputMode,
}

/// What words are taken as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputMode {
    /// As commands.
    #[default]
    Command,
    /// As text for the pane.
    Dictation,
    /// As letters for the pane.
    Spelling,
}

/// Signs of what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cues {
    /// Shown, and played.
    Both,
    /// Shown.
    Visible,
    /// Played.
    Audible,
    /// None.
    None,
}

/// Recognition.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Speech {
    /// Speech to text.
    pub stt: Stt,
    /// Text to speech.
    pub tts: Tts,
}

/// Speech to text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stt {
    /// The tiers in order.
    pub chain: Vec<String>,
    /// A name from the manifest (`tiny.en`, `base`) or the path of any ggml Whisper model.
    pub model: String,
    /// The language spoken, or `auto` with a multilingual model.
    pub language: String,
    /// Threads for one recognition; 0 chooses.
    pub threads: u32,
    /// The least audio context given to the encoder, in its 20 ms frames (1500 is the full 30 s). Below about
    /// 512 Whisper begins to repeat itself on short clips.
    pub minimum_audio_context: u32,
    /// Whether it leans towards what can be said, and what has a name.
    pub bias: bool,
    /// From this no-speech probability on, an unsure text is taken for silence.
    pub no_speech_threshold: f32,
    /// Below this mean log-probability a text is taken for noise; below 2.5 times this where somebody
    /// surely speaks.
    pub log_probability_threshold: f32,
    /// After an abort was asked for, how long the worker has to obey before it is killed.
    #[serde(with = "required")]
    pub abort_grace: Duration,
}

/// Text to speech.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tts {
    /// The voices, in order: `local-neural`, `local-fast`, `local-coqui`, and the clouds'. Empty prints only.
    pub chain: Vec<String>,
    /// The neural voice: a model's name, or the path of a Piper voice.
    pub voice: String,
    /// How fast, from 0.5 to 2.0.
    pub rate: f32,
    /// Where a Coqui `tts-server` listens, on this machine.
    pub coqui: String,
    /// Words, and how to say them.
    pub lexicon: BTreeMap<String, String>,
}

/// tmux.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terminal {
    /// The name of the tmux server's socket, as in `tmux -L NAME`.
    pub socket: String,
    /// Other tmux servers, by the names of their sockets, whose sessions can be gone to as well.
    pub servers: Vec<String>,
    /// The shell of new sessions; empty takes `$SHELL`, else bash.
    pub shell: String,
    /// The session that is made when a command needs one and there is none.
    pub session: String,
    /// How long `run` waits for a command's end before it goes on in the background.
    #[serde(with = "required")]
    pub run_wait: Duration,
    /// How much of a command's output is kept, in bytes; the newest part wins.
    pub output_limit: usize,
}

/// What may be done without asking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Safety {
    /// Commands to run without asking, besides the read-only ones that are known. `cargo test`
    /// allows `cargo test --lib` too, but nothing joined to it by `;`, `|`, `&&`, `$()` and the like.
    pub allow: Vec<String>,
    /// A question expires after this.
    #[serde(with = "required")]
    pub confirmation_expires: Duration,
    /// Below this confidence, speech raises the verdict one step.
    pub minimum_confidence: f32,
    /// Whether what an AI made of words is always asked first, if it changes anything.
    pub confirm_ai: bool,
}

/// The history.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Days after which a turn is forgotten, here and in the database; 0 is never.
    pub retention: u32,
    /// The journal on disk.
    pub journal: Journal,
    /// The sound of what was said.
    pub sound: Sound,
    /// The database that the journal is carried over to.
    pub postgres: Postgres,
}

/// The journal on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// Its file; by default `journal.sqlite` in the state directory.
    pub path: Option<PathBuf>,
    /// How large it may become, in bytes. What the database has makes way first, then the oldest.
    pub limit: u64,
}

/// The sound of what was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sound {
    /// What of it is kept.
    pub keep: KeepSound,
    /// Where; by default `sound` in the state directory.
    pub directory: Option<PathBuf>,
    /// How much altogether, in bytes; the oldest goes first.
    pub limit: u64,
    /// For how many days.
    pub days: u32,
}

/// What is kept of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepSound {
    /// Nothing.
    Never,
    /// What could not be recognised yet.
    Failed,
    /// Everything that was said to the program.
    Always,
}

/// PostgreSQL. Without a primary the journal is all there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Postgres {
    /// The server that is written.
    pub primary: DatabaseUrl,
    /// Up to three that are read when the primary is down, in order.
    pub replicas: Vec<DatabaseUrl>,
    /// A file with the password for all of them, which only you can read; else it stands in the
    /// URLs, in `PGPASSWORD` or in `~/.pgpass`.
    pub password_file: Option<PathBuf>,
    /// Connections to each server, at most. They are opened when they are needed.
    pub connections: usize,
    /// Whether a server on another machine may be reached without an encryption that can be trusted.
    pub unencrypted: bool,
}

impl Postgres {
    /// The servers, the primary first.
    pub(super) fn servers(&self) -> impl Iterator<Item = &DatabaseUrl> {
        std::iter::once(&self.primary).chain(&self.replicas)
    }

    /// Whether the history goes to another machine.
    pub fn is_elsewhere(&self) -> bool {
        self.servers().any(DatabaseUrl::is_elsewhere)
    }

    /// Whether a password stands in one of the URLs.
    pub(super) fn holds_password(&self) -> bool {
        self.servers().any(DatabaseUrl::holds_password)
    }
}

/// What one breaker does differently from the default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerOverride {
    /// Failures that open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_threshold: Option<u32>,
    /// Successes that close it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_threshold: Option<u32>,
    /// How long one call may take.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long it stays open before a probe.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    pub reset_timeout: Option<Duration>,
    /// The sliding window in which failures are counted.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    pub monitoring_window: Option<Duration>,
    /// Calls in the window before its rate means anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_threshold: Option<u32>,
    /// The rate of failures in the window that opens it, 0.0 ‥ 1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_rate_threshold: Option<f64>,
    /// The longest that it stays open before a probe, however often it has opened again.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    pub reset_cap: Option<Duration>,
    /// A call that takes at least this long is slow. Without it slow calls don't matter.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    pub slow_call: Option<Duration>,
    /// The rate of slow calls that opens it, 0.0 ‥ 1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_rate_threshold: Option<f64>,
    /// Probes allowed at the same time while half-open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_open_permits: Option<u32>,
    /// A probe that hasn't reported after this is taken for hung.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    pub probe_lease: Option<Duration>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { path: None, limit: 1 << 30 }
    }
}

impl Default for Sound {
    fn default() -> Self {
        Self { keep: KeepSound::Never, directory: None, limit: 256 << 20, days: 7 }
    }
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            primary: DatabaseUrl::default(),
            replicas: Vec::new(),
            password_file: None,
            connections: 4,
            unencrypted: false,
        }
    }
}

impl Default for Audio {
    fn default() -> Self {
        Self {
            input: "auto".into(),
            output: "auto".into(),
            volume: 1.0,
            barge_in: BargeIn::Auto,
            watchdog: Duration::from_secs(2),
            endpoint: Endpoint::default(),
        }
    }
}

impl Default for Listening {
    fn default() -> Self {
        Self {
            mode: ListeningMode::Always,
            wake_phrases: vec!["hey terminal".into()],
            window: Duration::from_secs(8),
            cues: Cues::Both,
        }
    }
}

impl Cues {
    /// Whether they are shown.
    pub fn visible(self) -> bool {
        matches!(self, Self::Both | Self::Visible)
    }

    /// Whether they are played.
    pub fn audible(self) -> bool {
        matches!(self, Self::Both | Self::Audible)
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            pre_roll: Duration::from_millis(400),
            minimum_speech: Duration::from_millis(160),
            pause: Duration::from_millis(160),
            short_silence: Duration::from_millis(320),
            trailing_silence: Duration::from_millis(700),
            long_silence: Duration::from_millis(1200),
            partial_interval: Duration::from_secs(1),
            maximum_utterance: Duration::from_secs(25),
            start_probability: 0.5,
            stop_probability: 0.35,
        }
    }
}

impl Default for Stt {
    fn default() -> Self {
        Self {
            chain: ["local-whisper", "cloud-google-stt", "cloud-azure-stt", "openai-stt"]
                .map(String::from)
                .into(),
            model: "tiny.en".into(),
            language: "en".into(),
            threads: 0,
            minimum_audio_context: 512,
            bias: true,
            no_speech_threshold: 0.6,
            log_probability_threshold: -1.0,
            abort_grace: Duration::from_millis(500),
        }
    }
}

impl Default for Tts {
    fn default() -> Self {
        Self {
            chain: ["local-neural", "local-fast", "cloud-google-tts", "cloud-azure-tts", "openai-tts"]
                .map(String::from)
                .into(),
            voice: "joe".into(),
            rate: 1.0,
            coqui: "http://127.0.0.1:5002".into(),
            lexicon: BTreeMap::new(),
        }
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self {
            socket: "voice-terminal".into(),
            servers: Vec::new(),
            shell: String::new(),
            session: "main".into(),
            run_wait: Duration::from_secs(20),
            output_limit: 64 * 1024,
        }
    }
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            confirmation_expires: Duration::from_secs(30),
            minimum_confidence: 0.35,
            confirm_ai: true,
        }
    }
}

//! Composition: the one place where parts are built from configuration and joined.

mod attendants;
mod forgetting;
mod speaking;
mod surroundings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ai::{self, Assistants};
use crate::audio::{Mouth, Reference, VoiceDetector};
use crate::breaker::{Breaker, Registry, State};
use crate::cache::{self, Layers};
use crate::cloud::{Gate, is_local};
use crate::config::{self, Config, ConfigError, DatabaseUrl, Paths, Sources};
use crate::conversation::{Coordinator, Input, ListeningOptions, Memory, Options, Ports};
use crate::domain::{
    Assistant, Degradation, Event, InputMode, Listening, ListeningMode, Privacy, Progress, Reply, TEXT_INPUT,
    Utterance,
};
use crate::interpreter::{OWN, PhraseGroup, Rules};
use crate::memory;
use crate::reading::Reader;
use crate::redact::Redactor;
use crate::server::{ChainStanding, Control, Delivery};
use crate::shutdown::PATIENCE;
use crate::speech::models::{ModelBreakers, Models};
use crate::speech::synthesis::{self, Synthesisers};
use crate::speech::{self, Clouds, Recognisers};
use crate::store::{self, Backlog, Database, Place, Replaying, Store};
use crate::terminal::{Tmux, TmuxBreakers};

/// Inputs that may wait for the conversation; whoever sends one more waits.
const INBOX: usize = 64;
/// Events that a slow watcher may be behind before it misses the oldest.
const EVENTS: usize = 512;

/// The chains: their tiers in order, and what works when all of them are down.
const CHAINS: [(&str, &[&str], &str); 8] = [
    ("audio-input", &["audio-input"], TEXT_INPUT),
    ("voice-stt", &speech::TIERS, TEXT_INPUT),
    ("voice-tts", &synthesis::TIERS, "text-output-only"),
    ("audio-output", &["audio-output"], "text-output-only"),
    (ai::CHAIN, &ai::TIERS, "rules"),
    (cache::CHAIN, &cache::TIERS, "memory"),
    ("tmux-session", &["tmux-control", "tmux-process"], "commands held, user told"),
    ("database", &DATABASE, "memory of this run"),
];

/// The model that tells speech from noises.
const DETECTOR: &str = "silero-vad";

/// The tiers of the history: the servers, as many as are configured, and the journal.
const DATABASE: [&str; 5] =
    ["postgresql-primary", "postgresql-replica", "postgresql-replica-2", "postgresql-replica-3", "journal"];

/// What fetches models; done by hand, so no chain of the conversation.
const MODELS: (&str, &[&str]) = ("models", &["model-hub", "model-packages"]);

/// The configuration, the places, and the breakers: what every part is built from.
#[derive(Debug, Clone)]
pub struct World {
    /// What is configured.
    pub config: Config,
    /// Where things live.
    pub paths: Paths,
    /// All breakers.
    pub registry: Arc<Registry>,
    /// What everything that leaves the machine goes through.
    pub cloud: Arc<Gate>,
    /// What can be made again.
    pub cache: Arc<Layers>,
    /// Takes secrets out of all that is kept or sent: what one part was told, the others know.
    pub(crate) redactor: Arc<Redactor>,
    /// What the loudspeaker plays.
    reference: Reference,
    /// Where the configuration came from.
    sources: Sources,
}

impl World {
    /// From the process's environment.
    ///
    /// # Errors
    /// A configuration that can't be used.
    pub fn from_environment(profile: Option<String>, flags: Vec<String>) -> Result<Self, ConfigError> {
        let paths = Paths::from_environment();
        let sources = Sources::from_environment(&paths, profile, flags);
        let config = sources.load()?;
        let cloud = Arc::new(Gate::new(&config.cloud, paths.cloud()));
        let registry = Arc::<Registry>::default();
        let breaker = registry.get_or_create(cache::TIERS[0], config.breaker(cache::CHAIN, cache::TIERS[0]));
        let cache = Layers::new(&config.cache, breaker, &paths.cache_secret());
        let cache = Arc::new(cache.map_err(|what| ConfigError {
            origin: None,
            line: None,
            what,
            remedy: "see cache.redis in config/default.toml".into(),
        })?);
        let (reference, redactor) = (Reference::default(), Arc::default());
        let world = Self { config, paths, registry, cloud, cache, redactor, reference, sources };
        world.check()?;
        Ok(world)
    }

    /// What the configuration's own rules can't know.
    fn check(&self) -> Result<(), ConfigError> {
        let speech = &self.config.speech;
        let chains = [
            ("speech.stt.chain", &speech.stt.chain, "recogniser", &speech::TIERS[..]),
            ("speech.tts.chain", &speech.tts.chain, "voice", &synthesis::TIERS[..]),
        ];
        for (key, chain, what, tiers) in chains {
            if let Some(tier) = chain.iter().find(|tier| !tiers.contains(&tier.as_str())) {
                return Err(ConfigError {
                    origin: None,
                    line: None,
                    what: format!("{key} names \"{tier}\", which is no {what}"),
                    remedy: format!("use {}", tiers.join(", ")),
                });
            }
        }
        Ok(())
    }

    /// The breaker of a tier, with the settings that are configured for it. These have been
    /// validated with the configuration.
    fn breaker(&self, chain: &str, tier: &str) -> Arc<Breaker> {
        let settings = self.config.breaker(chain, tier);
        self.registry.get_or_create(tier, settings)
    }

    /// Gives every breaker that there is the settings that are configured for it.
    fn set_breakers(&self) {
        let chains = CHAINS.map(|(chain, tiers, _)| (chain, tiers));
        for (chain, tiers) in chains.into_iter().chain([MODELS]) {
            for tier in tiers {
                let Some(breaker) = self.registry.get(tier) else { continue };
                if let Err(error) = breaker.configure(self.config.breaker(chain, tier)) {
                    tracing::error!(%error, tier, "validated settings were refused");
                }
            }
        }
    }

    /// The models of this machine.
    pub fn models(&self) -> Models {
        let breakers = ModelBreakers {
            hub: self.breaker("models", "model-hub"),
            packages: self.breaker("models", "model-packages"),
        };
        Models::new(self.paths.models.clone(), breakers)
    }

    /// The rules that words are interpreted by.
    ///
    /// # Errors
    /// A phrase of the user's, or an entry of `safety.allow`, that can't be meant.
    pub fn rules(&self) -> Result<Rules, ConfigError> {
        let phrases = &self.config.phrases;
        Rules::with_phrases(&self.config.safety, &phrases.text).map_err(|error| {
            if error.file == OWN
                && let Some(file) = &phrases.file
            {
                return ConfigError {
                    origin: Some(config::Origin::File(file.clone())),
                    line: error.line,
                    what: error.what,
                    remedy: "docs/phrases.md tells what can stand there".into(),
                };
            }
            ConfigError {
                origin: None,
                line: None,
                what: error.to_string(),
                remedy: "change safety.allow in your configuration".into(),
            }
        })
    }

    /// The services elsewhere.
    fn clouds(&self) -> Clouds {
        let world = self.clone();
        Clouds {
            config: self.config.cloud.clone(),
            gate: Arc::clone(&self.cloud),
            keys: self.paths.keys(),
            breaker: Arc::new(move |tier| {
                let hears = tier.ends_with("-stt");
                world.breaker(if hears { speech::CHAIN } else { synthesis::CHAIN }, tier)
            }),
        }
    }

    /// Who is asked what the rules don't understand.
    ///
    /// # Errors
    /// An endpoint that can't be meant.
    pub(crate) fn assistant(&self) -> Result<Arc<dyn Assistant>, ConfigError> {
        let parts = ai::Parts {
            config: &self.config.ai,
            gate: Arc::clone(&self.cloud),
            keys: self.paths.keys(),
            fallbacks: self.registry.fallbacks(),
            cache: Arc::clone(&self.cache) as _,
            redactor: Arc::clone(&self.redactor),
            breaker: &|tier| self.breaker(ai::CHAIN, tier),
        };
        match Assistants::start(&parts) {
            Ok(assistants) => Ok(Arc::new(assistants)),
            Err(what) => Err(ConfigError {
                origin: None,
                line: None,
                what,
                remedy: "see ai.endpoints in config/default.toml".into(),
            }),
        }
    }

    /// The recognisers; `progress` is told when a model is being loaded.
    pub fn recognisers(
        &self,
        progress: impl Fn(Progress) + Send + Sync + 'static,
        cancel: CancellationToken,
    ) -> Recognisers {
        let parts = speech::Parts {
            config: self.config.speech.stt.clone(),
            models: self.models(),
            breaker: self.breaker(speech::CHAIN, "local-whisper"),
            fallbacks: self.registry.fallbacks(),
            executable: executable(),
            clouds: self.clouds(),
            progress: Box::new(progress),
        };
        Recognisers::start(parts, cancel)
    }

    /// The voices. Nothing is loaded before it is needed.
    pub fn synthesisers(&self) -> Arc<Synthesisers> {
        let (models, name) = (self.models(), self.config.speech.tts.voice.clone());
        let parts = synthesis::Parts {
            config: self.config.speech.tts.clone(),
            voice: Arc::new(move || models.resolve(&name).map_err(|error| (error.what, error.remedy))),
            fallbacks: self.registry.fallbacks(),
            clouds: self.clouds(),
            cache: Arc::clone(&self.cache) as _,
            redactor: Arc::clone(&self.redactor),
            breaker: &|tier| self.breaker(synthesis::CHAIN, tier),
        };
        Arc::new(Synthesisers::start(&parts))
    }

    /// The loudspeaker. It is not opened before something is to be heard.
    pub fn mouth(&self) -> Mouth {
        Mouth::start(&self.config.audio, self.breaker("audio-output", "audio-output"), &self.reference)
    }

    /// The terminal. Nothing is started before it is needed.
    pub fn terminal(&self, cancel: CancellationToken) -> Tmux {
        // Each server has its own: one that hangs is no reason to leave the others alone.
        let breakers = |server: Option<&str>| {
            let name = |tier: &str| server.map_or_else(|| tier.to_owned(), |it| format!("{tier}-{it}"));
            TmuxBreakers {
                control: self.breaker("tmux-session", &name("tmux-control")),
                process: self.breaker("tmux-session", &name("tmux-process")),
            }
        };
        Tmux::with_breakers(&self.config.terminal, breakers, &self.paths.state, cancel)
    }

    /// Whether a tier speaks OpenAI's language to somewhere else than this machine.
    fn is_remote_openai(&self, tier: &str) -> bool {
        tier.starts_with("openai-") && !is_local(&self.config.cloud.openai.address)
    }

    /// The history.
    pub async fn store(&self) -> Store {
        self.open_store().await.0
    }

    /// The history, and what is wrong with it.
    async fn open_store(&self) -> (Store, Option<Degradation>) {
        let parts = store::Parts {
            path: self.paths.journal(&self.config),
            limit: self.config.store.journal.limit,
            retention: self.retention(),
            sound: self.sound(),
            breaker: self.breaker("database", "journal"),
            database: self.database(),
            fallbacks: Some(self.registry.fallbacks()),
        };
        let (store, degradation) = Store::begin(parts).await;
        store.redact_with(Arc::clone(&self.redactor));
        (store, degradation)
    }

    /// How old a turn becomes, if it may not become any age.
    fn retention(&self) -> Option<Duration> {
        days(self.config.store.retention)
    }

    /// How the sound of what was said is kept, if it is.
    fn sound(&self) -> Option<store::SoundOptions> {
        let sound = &self.config.store.sound;
        let keep = match sound.keep {
            config::KeepSound::Never => return None,
            config::KeepSound::Failed => store::KeepSound::Failed,
            config::KeepSound::Always => store::KeepSound::Always,
        };
        let directory = self.paths.sound(&self.config);
        Some(store::SoundOptions { keep, directory, limit: sound.limit, age: days(sound.days)? })
    }

    /// The servers behind the journal, if any are configured.
    fn database(&self) -> Option<Database> {
        let postgres = &self.config.store.postgres;
        let place = |(url, tier): (&DatabaseUrl, &&str)| Place {
            url: url.expose().to_owned(),
            breaker: self.breaker("database", tier),
        };
        postgres.primary.is_set().then(|| Database {
            primary: place((&postgres.primary, &DATABASE[0])),
            replicas: postgres.replicas.iter().zip(&DATABASE[1..4]).map(place).collect(),
            password_file: postgres.password_file.clone(),
            connections: postgres.connections,
            unencrypted: postgres.unencrypted,
        })
    }

    /// Whether there is such a tier: of servers, only those that are configured.
    fn has_tier(&self, tier: &str) -> bool {
        let postgres = &self.config.store.postgres;
        let servers = if postgres.primary.is_set() { 1 + postgres.replicas.len() } else { 0 };
        !DATABASE[..4].contains(&tier) || DATABASE[..servers.min(4)].contains(&tier)
    }

    /// The best voice detector there is.
    pub fn detector(&self) -> VoiceDetector {
        let model = self.models().resolve(DETECTOR).ok();
        model.and_then(|path| VoiceDetector::silero(&path).ok()).unwrap_or_else(VoiceDetector::energy)
    }

    /// The chains, and the tier of each that is in use.
    pub fn chains(&self) -> Vec<ChainStanding> {
        let clouds = self.cloud.consents().is_ok();
        let usable = |tier: &&&str| {
            let state = self.registry.get(tier).map(|breaker| breaker.state());
            let is_open = matches!(state, Some(State::Open | State::Isolated));
            !is_open && (clouds || !(tier.starts_with("cloud-") || self.is_remote_openai(tier)))
        };
        let speech = &self.config.speech;
        let standing = |(chain, tiers, end): &(&str, &[&str], &str)| {
            let tiers: Vec<&str> = match *chain {
                speech::CHAIN => speech.stt.chain.iter().map(String::as_str).collect(),
                cache::CHAIN if self.config.cache.redis.url.is_empty() => Vec::new(),
                ai::CHAIN => ai::TIERS[..self.config.ai.endpoints.len().min(ai::TIERS.len())].to_vec(),
                synthesis::CHAIN => speech.tts.chain.iter().map(String::as_str).collect(),
                _ => tiers.iter().copied().filter(|tier| self.has_tier(tier)).collect(),
            };
            ChainStanding {
                chain: (*chain).to_owned(),
                in_use: tiers.iter().find(usable).unwrap_or(end).to_string(),
                tiers: tiers.into_iter().map(str::to_owned).collect(),
            }
        };
        CHAINS.iter().map(standing).collect()
    }

    /// Begins a conversation. It ends when its inbox is closed, or with the token.
    ///
    /// # Errors
    /// A configuration that can't be used.
    pub async fn converse(
        &self,
        voice: bool,
        cancel: CancellationToken,
    ) -> Result<Conversation, ConfigError> {
        let rules = self.rules()?;
        let (inbox, receiver) = mpsc::channel(INBOX);
        let events = broadcast::Sender::new(EVENTS);
        let recognisers = Arc::new(self.recognisers(progress(&events), cancel.child_token()));
        let (store, degradation) = self.open_store().await;
        if let Some(degradation) = degradation {
            // First of all, so that it is told however short the conversation, and though the next
            // write may mend it. The inbox is empty and its receiver is here.
            let _ = inbox.try_send(Input::Degraded(degradation));
        }
        let tmux = self.terminal(cancel.child_token());
        let notices = tmux.notices();
        let options = self.options(voice, &rules);
        let (names, known) = watch::channel(Arc::default());
        let ports = Ports {
            recogniser: Arc::clone(&recognisers) as _,
            interpreter: Arc::new(rules),
            terminal: Arc::new(tmux),
            reader: Arc::new(Reader::default()),
            assistant: self.assistant()?,
            privacy: Arc::clone(&self.cloud) as Arc<dyn Privacy>,
            journal: Arc::new(store.clone()),
            names: known,
            // A turn of its own has nothing to go on with.
            memory: voice.then(|| Memory {
                cache: Arc::clone(&self.cache) as _,
                name: self.config.terminal.socket.clone(),
                redactor: Arc::clone(&self.redactor),
            }),
        };
        let (terminal, journal) = (Arc::clone(&ports.terminal), Arc::clone(&ports.journal));
        let announced = inbox.downgrade();
        self.cloud.announce_to(move |announcement| attendants::announce(&announced, announcement));
        let watching = events.subscribe();
        let coordinator = Coordinator::new(ports, options, events.clone());
        let listening = coordinator.listening();
        let task = tokio::spawn(coordinator.run(receiver, cancel.clone()));
        let watchers = vec![
            tokio::spawn(attendants::report_store(store.clone(), inbox.downgrade())),
            tokio::spawn(attendants::report_terminal(notices, inbox.downgrade())),
            tokio::spawn(surroundings::survey(terminal, journal, events.subscribe(), names)),
        ];
        let world = watch::Sender::new(self.clone());
        let replaying = store.replay();
        Ok(Conversation {
            inbox,
            events,
            watching,
            listening,
            recognisers: Some(recognisers),
            store,
            replaying,
            task,
            watchers,
            cancel,
            world,
        })
    }

    fn options(&self, voice: bool, rules: &Rules) -> Options {
        Options {
            voice_wanted: voice && self.config.audio.input != "none",
            confirmation_expires: self.config.safety.confirmation_expires,
            help: help(&rules.phrases()),
            history_elsewhere: self.config.store.postgres.is_elsewhere(),
            listening: self.listening(),
            input: match self.config.interpreter.mode {
                config::InputMode::Command => InputMode::Command,
                config::InputMode::Dictation => InputMode::Dictation,
                config::InputMode::Spelling => InputMode::Spelling,
            },
        }
    }

    fn listening(&self) -> ListeningOptions {
        let config::Listening { mode, wake_phrases, window, cues } = &self.config.listening;
        ListeningOptions {
            mode: match mode {
                config::ListeningMode::Always => ListeningMode::Always,
                config::ListeningMode::WakePhrase => ListeningMode::WakePhrase,
                config::ListeningMode::PushToTalk => ListeningMode::PushToTalk,
                config::ListeningMode::Toggle => ListeningMode::Toggle,
            },
            wake_phrases: wake_phrases.clone(),
            window: *window,
            visible: cues.visible(),
        }
    }
}

/// This program. A binary that was replaced while it runs is found by the kernel all the same.
fn executable() -> PathBuf {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { own } else { std::env::current_exe().unwrap_or_else(|_| "voice-terminal".into()) }
}

/// A conversation under way.
pub struct Conversation {
    /// Into it.
    pub inbox: mpsc::Sender<Input>,
    /// Out of it.
    pub events: broadcast::Sender<Event>,
    /// Every event from the beginning, for the first watcher.
    pub watching: broadcast::Receiver<Event>,
    /// Whom it listens to.
    listening: watch::Receiver<Listening>,
    recognisers: Option<Arc<Recognisers>>,
    /// As it is configured now.
    world: watch::Sender<World>,
    store: Store,
    replaying: Option<Replaying>,
    task: JoinHandle<()>,
    watchers: Vec<JoinHandle<()>>,
    cancel: CancellationToken,
}

impl Conversation {
    /// Has an utterance answered. `None` when nothing was said; an error when the conversation is
    /// over before it is answered.
    ///
    /// # Errors
    /// [`Over`]
    pub async fn turn(&self, utterance: Utterance) -> Result<Option<Reply>, Over> {
        let (answer, answered) = oneshot::channel();
        let input = Input::Utterance { utterance, answer: Some(answer) };
        self.inbox.send(input).await.map_err(|_| Over)?;
        answered.await.map_err(|_| Over)
    }

    /// Keeps a recogniser with its model loaded, the microphone open, and the configuration followed;
    /// all behind whatever is typed meanwhile.
    pub fn attend(&mut self) -> Vec<JoinHandle<()>> {
        let (world, inbox) = (&self.world, self.inbox.downgrade());
        let mouth = watch::Sender::new(Arc::new(world.borrow().mouth()));
        let (heard, said) = (mouth.subscribe(), self.events.subscribe());
        let (speaks, spoken_over) = watch::channel(false);
        let mut tasks = vec![
            tokio::spawn(attendants::listen(
                world.subscribe(),
                heard,
                speaks,
                self.listening.clone(),
                inbox.clone(),
                self.cancel.clone(),
            )),
            tokio::spawn(attendants::follow(world.clone(), inbox.clone())),
            tokio::spawn(memory::give_back()),
            tokio::spawn(speaking::speak(
                world.subscribe(),
                said,
                progress(&self.events),
                mouth,
                spoken_over,
                inbox.clone(),
            )),
        ];
        if let Some(recognisers) = self.recognisers.take() {
            let (events, cancel) = (self.events.clone(), self.cancel.clone());
            tasks.push(tokio::spawn(attendants::recognise(
                recognisers,
                world.subscribe(),
                events,
                inbox,
                cancel,
            )));
        }
        tasks
    }

    /// What the control socket reaches.
    pub fn control(&self, world: &World) -> Control {
        let chains = world.clone();
        let backlog = self.store.backlog();
        Control {
            inbox: self.inbox.clone(),
            events: self.events.clone(),
            registry: Arc::clone(&world.registry),
            chains: Box::new(move || chains.chains()),
            redactor: Arc::clone(&world.redactor),
            forget: {
                let (world, store) = (world.clone(), self.store.clone());
                Box::new(move |selection| {
                    let (world, store) = (world.clone(), store.clone());
                    Box::pin(async move { world.forget(&store, &selection).await })
                })
            },
            unsaved: {
                let store = self.store.clone();
                Box::new(move |search, limit| {
                    let store = store.clone();
                    Box::pin(async move { store.unsaved(search.as_deref(), limit).await })
                })
            },
            delivery: Box::new(move || {
                let Backlog { waiting, refused } = *backlog.as_ref()?.borrow();
                Some(Delivery { waiting, refused })
            }),
        }
    }

    /// Lets it come to its end: everything that was said is answered first, unless it is cancelled.
    pub async fn finish(self) {
        let Self { inbox, store, replaying, task, watchers, cancel, .. } = self;
        drop(inbox);
        let patience = async {
            cancel.cancelled().await;
            tokio::time::sleep(PATIENCE).await;
        };
        tokio::select! {
            ended = task => if let Err(error) = ended {
                tracing::error!(%error, "the conversation ended badly");
            },
            () = patience => tracing::warn!("the conversation did not end in time"),
        }
        watchers.iter().for_each(JoinHandle::abort);
        if let Some(replaying) = replaying {
            replaying.finish().await;
        }
        store.close().await;
        cancel.cancel();
    }
}

/// So many days; `None` if there are none.
fn days(number: u32) -> Option<Duration> {
    (number > 0).then(|| Duration::from_secs(u64::from(number) * 86_400))
}

/// The conversation is over.
#[derive(Debug, thiserror::Error)]
#[error("the conversation is over")]
pub struct Over;

/// What can be said, as text.
fn help(groups: &[PhraseGroup]) -> String {
    let mut lines = Vec::new();
    for group in groups {
        lines.push(format!("{}:", group.title));
        lines.extend(group.phrases.iter().map(|phrase| format!("  {:<34} {}", phrase.say, phrase.does)));
    }
    lines.join("\n")
}

/// Tells progress as events.
fn progress(events: &broadcast::Sender<Event>) -> impl Fn(Progress) + Send + Sync + 'static {
    let events = events.clone();
    move |progress| {
        // Nobody watching is no error.
        let _ = events.send(Event::Progress(progress));
    }
}

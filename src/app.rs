//! Composition: the one place where parts are built from configuration and joined.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::audio::{Ear, Heard, VoiceDetector};
use crate::breaker::{Breaker, Registry, State};
use crate::config::{Config, ConfigError, Paths, Sources};
use crate::conversation::{Coordinator, Input, Options, Ports};
use crate::domain::{Event, Failure, Origin, Progress, Reply, Utterance};
use crate::interpreter::{PhraseGroup, Rules};
use crate::server::{ChainStanding, Control};
use crate::shutdown::PATIENCE;
use crate::speech::models::{ModelBreakers, Models};
use crate::speech::{self, Recognisers};
use crate::store::{Recovered, Store};
use crate::terminal::{Notice, Tmux, TmuxBreakers};

/// Inputs that may wait for the conversation; whoever sends one more waits.
const INBOX: usize = 64;
/// Events that a slow watcher may be behind before it misses the oldest.
const EVENTS: usize = 512;

/// The chains: their tiers in order, and what works when all of them are down.
const CHAINS: [(&str, &[&str], &str); 4] = [
    ("audio-input", &["audio-input"], "text-input-mode"),
    ("voice-stt", &speech::TIERS, "text-input-mode"),
    ("tmux-session", &["tmux-control", "tmux-process"], "commands held, user told"),
    ("database", &["journal"], "memory of this run"),
];

/// The configuration, the places, and the breakers: what every part is built from.
#[derive(Debug, Clone)]
pub struct World {
    /// What is configured.
    pub config: Config,
    /// Where things live.
    pub paths: Paths,
    /// All breakers.
    pub registry: Arc<Registry>,
}

impl World {
    /// From the process's environment.
    ///
    /// # Errors
    /// A configuration that can't be used.
    pub fn from_environment(profile: Option<String>, flags: Vec<String>) -> Result<Self, ConfigError> {
        let paths = Paths::from_environment();
        let config = Sources::from_environment(&paths, profile, flags).load()?;
        let unknown = config.speech.stt.chain.iter().find(|tier| !speech::TIERS.contains(&tier.as_str()));
        if let Some(tier) = unknown {
            return Err(ConfigError {
                origin: None,
                line: None,
                what: format!("speech.stt.chain names \"{tier}\", which is no recogniser"),
                remedy: format!("use {}", speech::TIERS.join(", ")),
            });
        }
        Ok(Self { config, paths, registry: Arc::default() })
    }

    /// The breaker of a tier, with the settings that are configured for it. These have been
    /// validated with the configuration.
    fn breaker(&self, chain: &str, tier: &str) -> Arc<Breaker> {
        let settings = self.config.breaker(chain, tier);
        self.registry.get_or_create(tier, settings)
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
    /// An entry of `safety.allow` that can't be meant.
    pub fn rules(&self) -> Result<Rules, ConfigError> {
        Rules::new(&self.config.safety).map_err(|error| ConfigError {
            origin: None,
            line: None,
            what: error.to_string(),
            remedy: "change safety.allow in your configuration".into(),
        })
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
            executable: executable(),
            progress: Box::new(progress),
        };
        Recognisers::start(parts, cancel)
    }

    /// The terminal. Nothing is started before it is needed.
    pub fn terminal(&self, cancel: CancellationToken) -> Tmux {
        let breakers = TmuxBreakers {
            control: self.breaker("tmux-session", "tmux-control"),
            process: self.breaker("tmux-session", "tmux-process"),
        };
        Tmux::new(&self.config.terminal, breakers, &self.paths.state, cancel)
    }

    /// The history.
    pub async fn store(&self) -> Store {
        let path = self.paths.journal(&self.config);
        Store::open(path, self.breaker("database", "journal")).await.0
    }

    /// The best voice detector there is.
    pub fn detector(&self) -> VoiceDetector {
        let model = self.models().resolve("silero-vad").ok();
        model.and_then(|path| VoiceDetector::silero(&path).ok()).unwrap_or_else(VoiceDetector::energy)
    }

    /// The chains, and the tier of each that is in use.
    pub fn chains(&self) -> Vec<ChainStanding> {
        let usable = |tier: &&&str| {
            let state = self.registry.get(tier).map(|breaker| breaker.state());
            !matches!(state, Some(State::Open | State::Isolated))
        };
        let standing = |(chain, tiers, end): &(&str, &[&str], &str)| ChainStanding {
            chain: (*chain).to_owned(),
            tiers: tiers.iter().map(|tier| (*tier).to_owned()).collect(),
            in_use: tiers.iter().find(usable).unwrap_or(end).to_string(),
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
        let told = events.clone();
        let progress = move |progress| {
            // Nobody watching is no error.
            let _ = told.send(Event::Progress(progress));
        };
        let recognisers = Arc::new(self.recognisers(progress, cancel.child_token()));
        let store = self.store().await;
        let tmux = self.terminal(cancel.child_token());
        let notices = tmux.notices();
        let options = Options {
            voice_wanted: voice,
            confirmation_expires: self.config.safety.confirmation_expires,
            help: help(&rules.phrases()),
        };
        let ports = Ports {
            recogniser: Arc::clone(&recognisers) as _,
            interpreter: Arc::new(rules),
            terminal: Arc::new(tmux),
            journal: Arc::new(store.clone()),
        };
        let watching = events.subscribe();
        let coordinator = Coordinator::new(ports, options, events.clone());
        let task = tokio::spawn(coordinator.run(receiver, cancel.clone()));
        let watchers = vec![
            tokio::spawn(report_store(store.clone(), inbox.downgrade())),
            tokio::spawn(report_terminal(notices, inbox.downgrade())),
        ];
        Ok(Conversation { inbox, events, watching, recognisers, store, task, watchers, cancel })
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
    recognisers: Arc<Recognisers>,
    store: Store,
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

    /// Loads the recogniser's model behind everything else, and tells how that went.
    pub fn warm(&self) -> JoinHandle<()> {
        let (recognisers, inbox) = (Arc::clone(&self.recognisers), self.inbox.downgrade());
        tokio::spawn(async move {
            let input = match recognisers.warm().await {
                Ok(()) => {
                    Input::Serving { chain: speech::CHAIN.into(), what: "I understand speech again.".into() }
                }
                Err(failure) => Input::Degraded(degradation(failure)),
            };
            send(&inbox, input).await;
        })
    }

    /// Listens to the microphone, and keeps it alive.
    pub fn listen(&self, world: &World) -> JoinHandle<()> {
        let model = world.models().resolve("silero-vad").ok();
        let breaker = world.breaker("audio-input", "audio-input");
        let heard = Ear::start(world.config.audio.clone(), model, breaker, self.cancel.child_token());
        tokio::spawn(forward(heard, self.inbox.downgrade()))
    }

    /// What the control socket reaches.
    pub fn control(&self, world: &World) -> Control {
        let chains = world.clone();
        Control {
            inbox: self.inbox.clone(),
            events: self.events.clone(),
            registry: Arc::clone(&world.registry),
            chains: Box::new(move || chains.chains()),
        }
    }

    /// Lets it come to its end: everything that was said is answered first, unless it is cancelled.
    pub async fn finish(self) {
        let Self { inbox, store, task, watchers, cancel, .. } = self;
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
        store.close().await;
        cancel.cancel();
    }
}

/// The conversation is over.
#[derive(Debug, thiserror::Error)]
#[error("the conversation is over")]
pub struct Over;

async fn send(inbox: &mpsc::WeakSender<Input>, input: Input) {
    if let Some(inbox) = inbox.upgrade() {
        // The conversation may be over.
        let _ = inbox.send(input).await;
    }
}

fn degradation(failure: Failure) -> crate::domain::Degradation {
    crate::domain::Degradation {
        chain: failure.dependency,
        now: "text-input-mode".into(),
        what: failure.what,
        remedy: failure.remedy,
    }
}

/// Marks what a crash left unfinished, and tells what the history's standing is, now and later.
async fn report_store(store: Store, inbox: mpsc::WeakSender<Input>) {
    match store.recover().await {
        Ok(Recovered { interrupted: 0, uncertain: 0 }) => {}
        Ok(Recovered { interrupted, uncertain }) => {
            let text = format!(
                "An earlier run was stopped in the middle: {interrupted} turns were not finished, and of {uncertain} \
                 commands nobody knows what came. Nothing was repeated; see `voice-terminal history`."
            );
            send(&inbox, Input::Notice(text)).await;
        }
        Err(failure) => tracing::warn!(%failure, "what an earlier run left could not be marked"),
    }
    let mut standing = store.standing();
    standing.mark_changed();
    while standing.changed().await.is_ok() {
        let input = match standing.borrow_and_update().clone() {
            Some(degradation) => Input::Degraded(degradation),
            None => Input::Serving {
                chain: "database".into(),
                what: "The history is written to disk again.".into(),
            },
        };
        send(&inbox, input).await;
    }
}

/// What the terminal tells beside its answers.
async fn report_terminal(mut notices: broadcast::Receiver<Notice>, inbox: mpsc::WeakSender<Input>) {
    loop {
        let notice = match notices.recv().await {
            Ok(notice) => notice,
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let input = match notice {
            Notice::Degraded(degradation) => Input::Degraded(degradation),
            Notice::Serving { chain, what } => Input::Serving { chain, what },
            Notice::Restarted(text) => Input::Notice(text),
            Notice::Ended(ran) => Input::BackgroundEnded(ran),
        };
        send(&inbox, input).await;
    }
}

/// What can be said, as text.
fn help(groups: &[PhraseGroup]) -> String {
    let mut lines = Vec::new();
    for group in groups {
        lines.push(format!("{}:", group.title));
        lines.extend(group.phrases.iter().map(|phrase| format!("  {:<34} {}", phrase.say, phrase.does)));
    }
    lines.join("\n")
}

/// What the ear hears goes into the conversation.
async fn forward(mut heard: mpsc::Receiver<Heard>, inbox: mpsc::WeakSender<Input>) {
    while let Some(heard) = heard.recv().await {
        let input = match heard {
            Heard::SpeechStarted => Input::SpeechStarted,
            Heard::Utterance(pcm) => {
                Input::Utterance { utterance: Utterance::spoken(Origin::Microphone, pcm), answer: None }
            }
            Heard::Lost { degradation } | Heard::Degraded(degradation) => Input::Degraded(degradation),
            Heard::Recovered { device } => Input::Serving {
                chain: "audio-input".into(),
                what: format!("I hear you again, through {device}."),
            },
            Heard::Notice(text) => Input::Notice(text),
        };
        send(&inbox, input).await;
    }
}

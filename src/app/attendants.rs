//! The tasks that stand between the parts and the conversation: each turns what one part tells into
//! [`Input`]s, and sees to it that the part is there as it is configured now.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{DETECTOR, World, progress};
use crate::audio::{self, Ear, Heard, Mouth};
use crate::breaker::State;
use crate::cloud::Announcement;
use crate::config::{Config, ConfigError, Difference, Watcher};
use crate::conversation::Input;
use crate::domain::{Assistant, Attention, Degradation, Event, Failure, Listening, TEXT_INPUT};
use crate::interpreter::Rules;
use crate::shutdown::PATIENCE;
use crate::speech::models::Models;
use crate::speech::{self, Recognisers};
use crate::store::{self, Recovered, Store};
use crate::terminal::Notice;

pub(super) async fn send(inbox: &mpsc::WeakSender<Input>, input: Input) {
    if let Some(inbox) = inbox.upgrade() {
        // The conversation may be over.
        let _ = inbox.send(input).await;
    }
}

pub(super) fn degradation(failure: Failure) -> Degradation {
    Degradation {
        chain: failure.dependency,
        now: TEXT_INPUT.into(),
        what: failure.what,
        remedy: failure.remedy,
    }
}

/// Tells that something is about to be sent away; whether the conversation took it. Whoever sends doesn't wait.
pub(super) fn announce(inbox: &mpsc::WeakSender<Input>, announcement: Announcement) -> bool {
    let input = match announcement {
        Announcement::Instead(degradation) => Input::Announced(degradation),
        Announcement::ByChoice(text) => Input::Notice(text),
    };
    let Some(inbox) = inbox.upgrade() else { return false };
    let sent = inbox.try_send(input);
    if let Err(error) = &sent {
        tracing::warn!(%error, "the use of a cloud could not be announced");
    }
    sent.is_ok()
}

/// What an earlier run left: so many turns, in so many of which a command had been sent.
fn left_behind(interrupted: u64, uncertain: u64) -> String {
    let turns = match interrupted {
        1 => "a turn was not finished".into(),
        many => format!("{many} turns were not finished"),
    };
    let commands = match uncertain {
        0 => String::new(),
        1 => ", and of a command nobody knows what came".into(),
        many => format!(", and of {many} commands nobody knows what came"),
    };
    format!(
        "An earlier run was stopped in the middle: {turns}{commands}. Nothing was repeated; see `voice-terminal \
         history`."
    )
}

/// Marks what a crash left unfinished, and tells what the history's standing is, now and later.
pub(super) async fn report_store(store: Store, inbox: mpsc::WeakSender<Input>) {
    match store.recover().await {
        Ok(Recovered { interrupted: 0, uncertain: 0 }) => {}
        Ok(Recovered { interrupted, uncertain }) => {
            send(&inbox, Input::Notice(left_behind(interrupted + uncertain, uncertain))).await;
        }
        Err(failure) => tracing::warn!(%failure, "what an earlier run left could not be marked"),
    }
    let mut standing = store.standing();
    standing.mark_changed();
    let mut before = None;
    while standing.changed().await.is_ok() {
        let now = standing.borrow_and_update().clone();
        let input = match (&now, &before) {
            (Some(degradation), _) => Input::Degraded(degradation.clone()),
            (None, before) => Input::Serving {
                chain: "database".into(),
                what: before.as_ref().map_or("The history is written.", store::recovered).into(),
            },
        };
        before = now;
        send(&inbox, input).await;
    }
}

/// What the terminal tells beside its answers.
pub(super) async fn report_terminal(
    mut notices: broadcast::Receiver<Notice>,
    inbox: mpsc::WeakSender<Input>,
) {
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
            Notice::Stopped(stop) => Input::Stopped(stop),
            Notice::Gone { session } => Input::Notice(format!("Session {session} has ended.")),
        };
        send(&inbox, input).await;
    }
}

/// How often a recogniser that doesn't work is looked after, and whether a model has come. While the recogniser's breaker
/// is open that costs nothing.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// Keeps the configured recogniser ready, and tells how that goes.
pub(super) async fn recognise(
    mut recognisers: Arc<Recognisers>,
    mut world: watch::Receiver<World>,
    events: broadcast::Sender<Event>,
    inbox: mpsc::WeakSender<Input>,
    cancel: CancellationToken,
) {
    loop {
        let config = world.borrow().config.clone();
        let watched = events.subscribe();
        let prepared = recognisers.prepare().await;
        let is_deaf = prepared.is_err();
        let input = match prepared {
            Ok(Some(degradation)) => Input::Degraded(degradation),
            Ok(None) => understands_again(),
            Err(failure) => Input::Degraded(degradation(failure)),
        };
        send(&inbox, input).await;
        let is_same = |new: &Config| (&new.speech, &new.cloud) == (&config.speech, &config.cloud);
        let changed = async { world.wait_for(|world| !is_same(&world.config)).await.is_ok() };
        tokio::select! {
            changed = changed => if !changed { return },
            () = look_after(&recognisers, watched, is_deaf, &inbox) => return,
        }
        let now = world.borrow().clone();
        // What failed may have been the settings.
        if let Some(breaker) = now.registry.get("local-whisper").filter(|it| it.state() == State::Open) {
            breaker.reset();
        }
        recognisers = Arc::new(now.recognisers(progress(&events), cancel.child_token()));
        send(&inbox, Input::Recogniser(Arc::clone(&recognisers) as _)).await;
    }
}

fn understands_again() -> Input {
    Input::Serving { chain: speech::CHAIN.into(), what: "I understand speech again.".into() }
}

/// Who was told to type speaks no more, so nobody else would find out that the recogniser works again.
async fn look_after(
    recognisers: &Recognisers,
    mut events: broadcast::Receiver<Event>,
    mut is_deaf: bool,
    inbox: &mpsc::WeakSender<Input>,
) {
    let mut every = interval(LOOK_AFTER);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    every.reset();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(Event::Degraded(news)) if news.chain == speech::CHAIN => {
                    is_deaf = news.now == TEXT_INPUT;
                    every.reset();
                }
                Ok(Event::Recovered { chain, .. }) if chain == speech::CHAIN => is_deaf = false,
                Ok(_) => {}
                // It may have been among what was missed.
                Err(broadcast::error::RecvError::Lagged(_)) => is_deaf = true,
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = every.tick(), if is_deaf => if recognisers.is_back().await {
                is_deaf = false;
                send(inbox, understands_again()).await;
            },
        }
    }
}

/// Listens to the configured microphone, and keeps it alive.
pub(super) async fn listen(
    mut world: watch::Receiver<World>,
    mouth: watch::Receiver<Arc<Mouth>>,
    somebody_speaks: watch::Sender<bool>,
    listening: watch::Receiver<Listening>,
    inbox: mpsc::WeakSender<Input>,
    cancel: CancellationToken,
) {
    loop {
        let now = world.borrow().clone();
        let audio = now.config.audio.clone();
        let model = DetectorModel::look(now.models()).await;
        let ear = cancel.child_token();
        let breaker = now.breaker("audio-input", "audio-input");
        let (told, reference) = (listening.clone(), now.reference.clone());
        let heard = Ear::start(audio.clone(), model.path.clone(), breaker, told, reference, ear.clone());
        let ways = (mouth.clone(), listening.clone());
        let mut hearing = pin!(forward(heard, ways, &somebody_speaks, inbox.clone()));
        let changed = async { world.wait_for(|world| world.config.audio != audio).await.is_ok() };
        tokio::select! {
            () = &mut hearing => return,
            changed = changed => if !changed { return },
            () = model.replaced(now.models()) => {}
        }
        ear.cancel();
        // What was heard until now is not lost.
        if tokio::time::timeout(PATIENCE, hearing).await.is_err() {
            tracing::warn!("the old microphone did not end in time");
        }
    }
}

/// The file that tells speech from noises, as it was when it was looked at.
#[derive(Default, PartialEq)]
struct DetectorModel {
    /// `None` if it isn't there.
    path: Option<PathBuf>,
    modified: Option<SystemTime>,
}

impl DetectorModel {
    async fn look(models: Models) -> Self {
        let look = move || {
            let path = models.resolve(DETECTOR).ok();
            let modified = path.as_ref().and_then(|path| path.metadata().ok()?.modified().ok());
            Self { path, modified }
        };
        // Without a thread to look on there is none for a model either.
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// Waits until one is there that wasn't: the one before was missing, or may have been damaged.
    async fn replaced(&self, models: Models) {
        loop {
            tokio::time::sleep(LOOK_AFTER).await;
            let now = Self::look(models.clone()).await;
            if now.path.is_some() && now != *self {
                return;
            }
        }
    }
}

/// Follows the configuration file: what can be changed under way is changed, the rest is named.
pub(super) async fn follow(world: watch::Sender<World>, inbox: mpsc::WeakSender<Input>) {
    let mut watcher = Watcher::new(world.borrow().sources.clone());
    loop {
        let changed = watcher.changed().await;
        let old = world.borrow().clone();
        let changed = match changed {
            Ok(config) => rebuilt(World { config, ..old.clone() }).await,
            Err(error) => Err(error),
        };
        let text = match changed {
            Ok((new, rules, assistant)) => {
                let difference = Difference::between(&old.config, &new.config);
                let Some(text) = told(&difference) else { continue };
                new.set_breakers();
                new.cloud.configure(&new.config.cloud);
                let options = new.options(true, &rules);
                send(&inbox, Input::Reconfigured { options, interpreter: Arc::new(rules), assistant }).await;
                world.send_replace(new);
                text
            }
            Err(error) => {
                format!(
                    "The changed configuration is not used: {error} ({}). The old one stays.",
                    error.remedy
                )
            }
        };
        send(&inbox, Input::Notice(text)).await;
    }
}

/// What is built from a changed configuration.
async fn rebuilt(new: World) -> Result<(World, Rules, Arc<dyn Assistant>), ConfigError> {
    new.check()?;
    let assistant = new.assistant()?;
    let world = new.clone();
    // Thousands of phrases take a while.
    let rules = tokio::task::spawn_blocking(move || world.rules()).await.map_err(|error| ConfigError {
        origin: None,
        line: None,
        what: format!("the rules could not be built: {error}"),
        remedy: "start voice-terminal again".into(),
    })??;
    Ok((new, rules, assistant))
}

/// What a changed configuration means; nothing if nothing has changed.
fn told(Difference { at_once, at_next_start }: &Difference) -> Option<String> {
    let mut parts = Vec::new();
    if !at_once.is_empty() {
        parts.push(format!("in force now: {}", at_once.join(", ")));
    }
    if !at_next_start.is_empty() {
        parts.push(format!("when voice-terminal is started again: {}", at_next_start.join(", ")));
    }
    (!parts.is_empty()).then(|| format!("The configuration has changed; {}.", parts.join("; ")))
}

/// What the ear hears goes into the conversation. Whoever begins to speak, and is listened to, cuts off what is
/// being said; at once, since the conversation may have something to finish first.
async fn forward(
    mut heard: mpsc::Receiver<Heard>,
    (mouth, listening): (watch::Receiver<Arc<Mouth>>, watch::Receiver<Listening>),
    somebody_speaks: &watch::Sender<bool>,
    inbox: mpsc::WeakSender<Input>,
) {
    while let Some(heard) = heard.recv().await {
        // Whatever ends speech, and a microphone that comes or goes.
        if matches!(
            heard,
            Heard::NothingSaid | Heard::Utterance { .. } | Heard::Lost { .. } | Heard::Recovered { .. }
        ) {
            somebody_speaks.send_replace(false);
        }
        let input = match heard {
            Heard::SpeechStarted => {
                somebody_speaks.send_replace(true);
                if listening.borrow().attention == Attention::Attentive {
                    mouth.borrow().stop();
                }
                Input::SpeechStarted
            }
            Heard::NothingSaid => Input::NothingSaid,
            Heard::Paused { pause, so_far, ending } => {
                Input::Speculate { pause: Some((pause, ending)), so_far }
            }
            Heard::Continues(so_far) => Input::Speculate { pause: None, so_far },
            Heard::Resumed => Input::Resumed,
            Heard::Utterance { pcm, pause, surely } => Input::Spoken { pcm, pause, surely },
            Heard::Lost { degradation } | Heard::Degraded(degradation) => Input::Degraded(degradation),
            Heard::Recovered { device } => Input::Serving {
                chain: "audio-input".into(),
                what: format!("I hear you again, through {device}."),
            },
            Heard::Discerned => Input::Serving {
                chain: audio::DETECTION.into(),
                what: "Speech is told from noises again.".into(),
            },
            Heard::Notice(text) => Input::Notice(text),
        };
        send(&inbox, input).await;
    }
    somebody_speaks.send_replace(false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_not_announced() {
        let announced =
            |inbox: &mpsc::WeakSender<Input>| announce(inbox, Announcement::ByChoice("Using Google.".into()));
        let (inbox, mut taken) = mpsc::channel(1);
        assert!(announced(&inbox.downgrade()));
        assert!(!announced(&inbox.downgrade()), "it is full");
        assert!(matches!(taken.try_recv(), Ok(Input::Notice(_))));
        assert!(announced(&inbox.downgrade()));
        let gone = inbox.downgrade();
        drop(inbox);
        assert!(!announced(&gone), "the conversation is over");
    }
}

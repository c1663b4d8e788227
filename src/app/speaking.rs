//! The task that speaks what is answered.
//!
//! A new answer takes the place of one that is still being spoken: whoever asked for more has heard
//! enough. What belongs to no turn waits for its end. Whoever types or speaks is not talked over, and cuts off
//! what is being said.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, watch};

use super::World;
use super::attendants::{degradation, send};
use crate::audio::Mouth;
use crate::conversation::Input;
use crate::domain::{BoxFuture, Cue, Degradation, Event, Failure, Origin, Progress};
use crate::speech::synthesis::{self, Synthesisers};

/// News that wait to be spoken; the oldest go unheard, since they have been printed.
const WAITING: usize = 4;
/// The first voice is back when it has said so many texts in a row: one that comes and goes is told of once.
const STEADY: u32 = 2;

/// Speaks the conversation's answers and news, as configured.
pub(super) async fn speak(
    mut world: watch::Receiver<World>,
    mut events: broadcast::Receiver<Event>,
    progress: impl Fn(Progress),
    mouth: watch::Sender<Arc<Mouth>>,
    mut somebody_speaks: watch::Receiver<bool>,
    inbox: mpsc::WeakSender<Input>,
) {
    let now = world.borrow_and_update().clone();
    let mut voice = Voice { synthesisers: now.synthesisers(), mouth: Arc::clone(&mouth.borrow()) };
    let mut through = voice.mouth.news();
    let mut config = now.config;
    // Behind whatever else there is to do, and in the way of nothing: whoever speaks first waits for what is left.
    let mut preparing = Some(Box::pin(voice.clone().prepare(&progress)));
    let mut speaking: Option<BoxFuture<'static, Result<Said, Failure>>> = None;
    let mut waiting: VecDeque<String> = VecDeque::new();
    let mut in_a_row = 0;
    loop {
        if speaking.is_none()
            && !*somebody_speaks.borrow_and_update()
            && let Some(text) = waiting.pop_front()
        {
            send(&inbox, Input::Speaking(text.clone())).await;
            speaking = Some(Box::pin(voice.clone().say(text)));
        }
        tokio::select! {
            said = async { match &mut speaking { Some(future) => future.await, None => std::future::pending().await } } => {
                speaking = None;
                send(&inbox, Input::Silent).await;
                for input in news(said, &mut in_a_row) {
                    send(&inbox, input).await;
                }
            }
            () = async { match &mut preparing { Some(future) => future.await, None => std::future::pending().await } } => {
                preparing = None;
            }
            event = events.recv() => match event {
                Ok(event) => {
                    if interrupts(&event) {
                        waiting.clear();
                        voice.mouth.stop();
                        if speaking.take().is_some() {
                            send(&inbox, Input::Silent).await;
                        }
                    }
                    if let Event::Cue { cue } = event
                        && config.listening.cues.audible()
                        && !*somebody_speaks.borrow()
                    {
                        voice.mouth.cue(cue);
                    }
                    if voice.mouth.is_wanted() && let Some(text) = spoken(event) {
                        waiting.push_back(text);
                        while waiting.len() > WAITING {
                            waiting.pop_front();
                        }
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            Ok(told) = through.recv() => send(&inbox, Input::Notice(told)).await,
            // It lives as long as the ear does; without an ear nobody is talked over.
            Ok(()) = somebody_speaks.changed() => {}
            changed = world.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = world.borrow_and_update().clone();
                let changed = now.config.audio != config.audio
                    || now.config.speech.tts != config.speech.tts
                    || now.config.cloud != config.cloud;
                if changed {
                    if speaking.take().is_some() {
                        send(&inbox, Input::Silent).await;
                    }
                    voice = Voice { synthesisers: now.synthesisers(), mouth: Arc::new(now.mouth()) };
                    through = voice.mouth.news();
                    mouth.send_replace(Arc::clone(&voice.mouth));
                    preparing = Some(Box::pin(voice.clone().prepare(&progress)));
                }
                config = now.config;
            }
        }
    }
}

#[derive(Clone)]
struct Voice {
    synthesisers: Arc<Synthesisers>,
    mouth: Arc<Mouth>,
}

impl Voice {
    /// Has the voice loaded, if it is to be heard.
    async fn prepare(self, progress: impl Fn(Progress)) {
        if self.mouth.is_wanted() {
            self.synthesisers.prepare(progress).await;
        }
    }

    /// Says a text to its end.
    async fn say(self, text: String) -> Result<Said, Failure> {
        let talk = self.mouth.talk();
        let mut clauses = self.synthesisers.say(&text);
        let mut said = Said::default();
        while let Some(clause) = clauses.recv().await {
            let mut clause = clause?;
            match clause.tier {
                Some(tier) if self.synthesisers.is_first(&tier) => said.by_the_first = true,
                Some(tier) => said.by_another = Some(tier),
                None => {}
            }
            while let Some(sound) = clause.parts.recv().await {
                said.heard = true;
                talk.play(sound).await?;
            }
        }
        said.heard &= talk.finished().await?;
        Ok(said)
    }
}

/// How a text was said.
#[derive(Debug, Default)]
struct Said {
    /// Whether the first voice said some of it anew.
    by_the_first: bool,
    /// Another voice that had to.
    by_another: Option<String>,
    /// Whether there was a sound, and it was heard to its end.
    heard: bool,
}

/// What the conversation is told of how speaking went; with how many texts the first voice has said in a row.
fn news(said: Result<Said, Failure>, in_a_row: &mut u32) -> Vec<Input> {
    let serving = |chain: &str, what: &str| Input::Serving { chain: chain.into(), what: what.into() };
    match &said {
        Ok(Said { by_another: None, by_the_first, .. }) => *in_a_row += u32::from(*by_the_first),
        _ => *in_a_row = 0,
    }
    match said {
        Ok(Said { by_another, heard, .. }) => {
            let voice = match by_another {
                Some(tier) => Some(Input::Degraded(Degradation {
                    chain: synthesis::CHAIN.into(),
                    now: tier,
                    what: "My usual voice doesn't work; a simpler one speaks instead".into(),
                    remedy: "`voice-terminal doctor` tells why".into(),
                })),
                None => (*in_a_row >= STEADY).then(|| serving(synthesis::CHAIN, "My usual voice is back.")),
            };
            voice.into_iter().chain(heard.then(|| serving("audio-output", "I can be heard again."))).collect()
        }
        Err(failure) => {
            vec![Input::Degraded(Degradation { now: "text-output-only".into(), ..degradation(failure) })]
        }
    }
}

/// Whether what is being spoken is to be cut off.
fn interrupts(event: &Event) -> bool {
    match event {
        Event::Replied { .. } | Event::SpeechStarted | Event::Interrupted { .. } | Event::Stopping => true,
        // Whoever presses the key wants to say something.
        Event::Cue { cue } => *cue == Cue::Listening,
        Event::Heard { origin, .. } => *origin != Origin::Recording,
        _ => false,
    }
}

/// What is to be spoken of an event. That a voice doesn't work can't be said by it.
fn spoken(event: Event) -> Option<String> {
    match event {
        Event::Replied { reply, .. } => Some(reply.speech),
        Event::Notice { speech, .. } => Some(speech),
        Event::Degraded(news) if !matches!(news.chain.as_str(), "voice-tts" | "audio-output") => {
            Some(news.what)
        }
        Event::Recovered { what, .. } => Some(what),
        _ => None,
    }
    .filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_that_comes_and_goes_is_not_back() {
        let said = |first: bool, another: Option<&str>| {
            Ok(Said { by_the_first: first, by_another: another.map(str::to_owned), heard: true })
        };
        let is_back = |inputs: Vec<Input>| {
            inputs
                .iter()
                .any(|input| matches!(input, Input::Serving { chain, .. } if chain == synthesis::CHAIN))
        };
        let mut in_a_row = 0;
        assert!(!is_back(news(said(true, Some("local-fast")), &mut in_a_row)));
        assert!(!is_back(news(said(true, None), &mut in_a_row)));
        assert!(!is_back(news(said(false, Some("local-fast")), &mut in_a_row)));
        assert!(!is_back(news(said(true, None), &mut in_a_row)));
        assert!(!is_back(news(said(false, None), &mut in_a_row)), "what was kept tells nothing");
        assert!(is_back(news(said(true, None), &mut in_a_row)));
    }
}

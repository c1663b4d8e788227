//! The listening thread: from an open microphone to events, until it dies or is told to stop.
//!
//! **Mechanics.** The thread sleeps until the callback wakes it, empties the ring, and runs voice
//! detection and endpointing. It is also the watchdog: some dead streams report nothing at all, so a
//! stream without samples for `audio.watchdog` is dead.
//!
//! **A full queue.** Capture goes on whatever happens. An utterance that finds the consumer's queue
//! full waits here, [`WAITING`] of them at most; beyond that a new one is dropped and the consumer is
//! told how many, as soon as there is room. Hints (somebody began to speak, paused, goes on) don't wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::cancel::{Canceller, Cleaned};
use super::endpoint::Event;
use super::gate::Gatekeeper;
use super::guarded::Heard;
use super::microphone::Microphone;
use super::patience::Patience;
use super::reference::{Continuity, Feed};
use super::segment::Listener;
use super::silence::Silence;
use super::trouble::Trouble;
use super::watch::Change;
use crate::domain::{Completeness, PauseId};

/// Events that wait beyond the consumer's queue.
const WAITING: usize = 16;
/// How often is looked for sound that came without a word: what is less than a chunk wakes nobody, and must not pass
/// for new when it is found at last.
const LOOK: Duration = Duration::from_millis(100);
/// How often a waiting event is offered again.
const RETRY: Duration = Duration::from_millis(50);

/// Why listening ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was told to.
    Stopped,
    /// Nobody receives the events any more.
    Unheard,
    /// The microphone is to be closed: it is muted.
    Muted,
    /// The microphone died.
    Died(Trouble),
}

/// Stops a listening thread.
#[derive(Debug, Default)]
pub(super) struct Stop {
    asked: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Stop {
    /// The thread ends within a chunk's work.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }
}

/// What the listening thread is lent.
pub(super) struct Senses {
    pub(super) listener: Listener,
    pub(super) outbox: Outbox,
    pub(super) gate: Gatekeeper<Cleaned>,
    /// What the loudspeaker plays.
    pub(super) feed: Feed,
    /// Whether its echo is to be taken away, so that somebody can be heard meanwhile.
    pub(super) cancels: bool,
}

/// Listens until the end. What was being said when it comes is an utterance too.
pub(super) fn listen(
    mut microphone: Microphone,
    senses: &mut Senses,
    stop: &Arc<Stop>,
    watchdog: Duration,
) -> Ended {
    let Senses { listener, outbox, gate, feed, cancels } = senses;
    let mut canceller = Canceller::new(*cancels);
    let (mut played, mut cleaned) = (Vec::new(), Vec::new());
    *stop.thread.lock() = Some(thread::current());
    microphone.wake_me();
    let mut samples = Vec::new();
    let mut patience = Patience::begin(Instant::now());
    let mut silence = Silence::default();
    outbox.forget();
    gate.begin();
    feed.begin();
    let ended = loop {
        if stop.asked.load(Ordering::Acquire) {
            break Ended::Stopped;
        }
        if gate.is_off() {
            listener.finish(drop);
            outbox.put(Heard::NothingSaid);
            return Ended::Muted;
        }
        samples.clear();
        // Before the samples, so that none of another microphone is taken for one of the last.
        let changes = microphone.changes();
        if changes.iter().any(|change| matches!(change, Change::Moved { .. })) {
            canceller.restart_elsewhere();
        }
        if microphone.take(&mut samples) {
            patience = Patience::begin(Instant::now());
            played.clear();
            match feed.take(&mut played) {
                Continuity::Continues => {}
                Continuity::Begins => canceller.restart(),
                Continuity::Elsewhere => canceller.restart_elsewhere(),
            }
            cleaned.clear();
            canceller.talks(feed.talks());
            canceller.clean(&played, &samples, &mut cleaned);
            let complete = gate.admit(&mut cleaned);
            // Nobody's voice is in the sound that ends an utterance.
            let surely = listener.is_surely_a_person();
            listener.hear(&cleaned, || canceller.is_echo(), |event| outbox.tell(event, surely));
            if complete {
                listener.finish(|event| outbox.tell(event, surely));
            }
            if let Some(completeness) = outbox.known() {
                let surely = listener.is_surely_a_person();
                listener.expect(completeness, |event| outbox.tell(event, surely));
            }
            if let Some(lost) = microphone.lost() {
                canceller.restart();
                tracing::warn!(?lost, "the machine was too busy to listen");
                outbox.put(Heard::Notice(format!(
                    "The machine was too busy to listen: {:.1} s of sound were lost.",
                    lost.as_secs_f64()
                )));
            }
        }
        silence.hear(&samples, changes, &microphone).into_iter().for_each(|told| outbox.put(told));
        // After the samples, so that those that came before the fault are heard.
        if let Some(fault) = microphone.fault() {
            break Ended::Died(fault);
        }
        let silent_for = patience.waited(Instant::now());
        if silent_for >= watchdog {
            break Ended::Died(Trouble::Silent);
        }
        if !outbox.flush() {
            break Ended::Unheard;
        }
        let wait = watchdog.saturating_sub(silent_for).min(LOOK);
        thread::park_timeout(if outbox.is_empty() { wait } else { wait.min(RETRY) });
    };
    let surely = listener.is_surely_a_person();
    listener.finish(|event| outbox.tell(event, surely));
    ended
}

/// Events on their way to the consumer.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Heard>,
    waiting: VecDeque<Heard>,
    dropped: u32,
    /// The pause that was told last, while nobody has gone on.
    pause: Option<Pause>,
}

#[derive(Debug)]
struct Pause {
    id: PauseId,
    ending: oneshot::Receiver<Completeness>,
}

impl Outbox {
    pub(super) fn new(queue: mpsc::Sender<Heard>) -> Self {
        Self { queue, waiting: VecDeque::new(), dropped: 0, pause: None }
    }

    /// Never waits. `surely` tells whether what is under way is surely a person's.
    fn tell(&mut self, event: Event, surely: bool) {
        match event {
            Event::SpeechStarted => {
                self.hint(Heard::SpeechStarted);
            }
            Event::Continues(segment) => {
                self.hint(Heard::Continues(segment.pcm));
            }
            Event::Paused(segment) => {
                let (ending, known) = oneshot::channel();
                let id = PauseId::next();
                if self.hint(Heard::Paused { pause: id, so_far: segment.pcm, ending }) {
                    self.pause = Some(Pause { id, ending: known });
                }
            }
            Event::Resumed => {
                if self.pause.take().is_some() {
                    self.hint(Heard::Resumed);
                }
            }
            Event::TooShort => self.put(Heard::NothingSaid),
            Event::Utterance { segment, since_pause } => {
                let pause = self.pause.take().filter(|_| since_pause).map(|pause| pause.id);
                self.put(Heard::Utterance { pcm: segment.pcm, pause, surely });
            }
        }
    }

    /// Tells what is worth nothing when it comes late: never waits, and overtakes nothing.
    fn hint(&self, heard: Heard) -> bool {
        self.is_empty() && self.queue.try_send(heard).is_ok()
    }

    /// What has become known of the words before the pause, once.
    fn known(&mut self) -> Option<Completeness> {
        self.pause.as_mut()?.ending.try_recv().ok()
    }

    /// Another microphone: what was said into the last one is over.
    fn forget(&mut self) {
        self.pause = None;
    }

    /// Never waits.
    pub(super) fn put(&mut self, heard: Heard) {
        self.flush();
        if self.waiting.len() < WAITING {
            self.waiting.push_back(heard);
            self.flush();
        } else if matches!(heard, Heard::Utterance { .. }) {
            self.dropped += 1;
        }
    }

    /// Sends what there is room for; `false` when nobody receives any more.
    fn flush(&mut self) -> bool {
        loop {
            let Some(next) = self.next() else { return !self.queue.is_closed() };
            match self.queue.try_send(next) {
                Ok(()) => {}
                Err(TrySendError::Full(next)) => {
                    self.waiting.push_front(next);
                    return true;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
    }

    /// What waits, and in the end the word that something was dropped.
    fn next(&mut self) -> Option<Heard> {
        self.waiting.pop_front().or_else(|| {
            let what = match std::mem::take(&mut self.dropped) {
                0 => return None,
                1 => "One utterance was".to_owned(),
                count => format!("{count} utterances were"),
            };
            Some(Heard::Notice(format!(
                "{what} dropped, because recognition did not keep up. Please say it again."
            )))
        })
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped == 0
    }

    /// Waits until everything has been received; `false` when nobody receives any more.
    pub(super) async fn send(&mut self, heard: Heard) -> bool {
        self.waiting.push_back(heard);
        self.drain().await
    }

    /// Waits until all that waits has been received; `false` when nobody receives any more.
    /// Cancel-safe: what was not sent goes on waiting.
    pub(super) async fn drain(&mut self) -> bool {
        while !self.is_empty() {
            match self.queue.clone().reserve_owned().await {
                Ok(place) => self.next().map(|next| place.send(next)),
                Err(_) => return false,
            };
        }
        !self.queue.is_closed()
    }

    /// Waits until nobody receives any more.
    pub(super) async fn unheard(&self) {
        self.queue.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use crate::audio::Segment;
    use crate::domain::Pcm;

    use super::*;

    fn utterance(i: usize) -> Event {
        let segment = Segment { start: Duration::ZERO, pcm: Pcm::new(vec![i as f32]) };
        Event::Utterance { segment, since_pause: false }
    }

    fn received(queue: &mut mpsc::Receiver<Heard>) -> Vec<Heard> {
        std::iter::from_fn(|| queue.try_recv().ok()).collect()
    }

    #[test]
    fn a_full_queue_keeps_utterances_in_order_and_tells_what_it_dropped() {
        let (sender, mut queue) = mpsc::channel(2);
        let mut outbox = Outbox::new(sender);
        for i in 0..2 + WAITING + 3 {
            outbox.tell(Event::SpeechStarted, false);
            outbox.tell(utterance(i), false);
        }
        let mut heard = Vec::new();
        loop {
            let some = received(&mut queue);
            if some.is_empty() {
                break;
            }
            heard.extend(some);
            assert!(outbox.flush());
        }
        let numbers: Vec<usize> = heard
            .iter()
            .filter_map(|heard| match heard {
                Heard::Utterance { pcm, .. } => Some(pcm.samples()[0] as usize),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>());
        let Some(Heard::Notice(notice)) = heard.last() else { panic!("{heard:?}") };
        let dropped = 2 + WAITING + 3 - numbers.len();
        assert!(dropped > 0 && notice.starts_with(&format!("{dropped} utterances were dropped")), "{notice}");
    }

    #[test]
    fn a_pause_is_answered_until_somebody_goes_on() {
        let (sender, mut queue) = mpsc::channel(8);
        let mut outbox = Outbox::new(sender);
        let segment = Segment { start: Duration::ZERO, pcm: Pcm::new(vec![0.0]) };
        let mut pause = |outbox: &mut Outbox| {
            outbox.tell(Event::Paused(segment.clone()), false);
            match received(&mut queue).pop() {
                Some(Heard::Paused { pause, ending, .. }) => (pause, ending),
                other => panic!("{other:?}"),
            }
        };
        let (_, ending) = pause(&mut outbox);
        ending.send(Completeness::Complete).unwrap();
        assert_eq!(outbox.known(), Some(Completeness::Complete));
        assert_eq!(outbox.known(), None, "it is taken once");

        let (first, ending) = pause(&mut outbox);
        outbox.tell(Event::Resumed, false);
        assert!(ending.send(Completeness::Complete).is_err(), "nobody wants to know any more");
        let (second, _ending) = pause(&mut outbox);
        assert_ne!(first, second);
        outbox.tell(Event::Utterance { segment: segment.clone(), since_pause: true }, false);
        let last = received(&mut queue).pop();
        assert!(matches!(last, Some(Heard::Utterance { pause: Some(id), .. }) if id == second), "{last:?}");
    }

    #[test]
    fn nobody_listening_is_noticed() {
        let (sender, queue) = mpsc::channel(2);
        let mut outbox = Outbox::new(sender);
        assert!(outbox.flush());
        drop(queue);
        assert!(!outbox.flush());
    }
}

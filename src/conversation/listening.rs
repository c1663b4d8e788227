//! Who is listened to: a pure state machine. Time is an argument.
//!
//! **Mechanics.** Whoever is listened to is decided, in this order, by: the mute, a key that is held, the
//! switch, sleep, and then the mode. In wake-phrase mode a *window* is open after the phrase, in which it
//! need not be said again. The window stays open while a turn is under way, an answer is being spoken, or a
//! question waits, and is renewed by what was understood; a second thing in a row that was not understood
//! doesn't renew it, since it was hardly meant for us.
//!
//! What was said is judged by what was so when it was said: recognising it takes a while.
//!
//! **Limits.** The phrase is spotted in the transcript, so everything that is said near the microphone is
//! recognised (on this machine), and then forgotten.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::wake::WakePhrases;
use crate::domain::{Attention, Cue, Listening, ListeningChange, ListeningMode, UtteranceId};

/// A key that nobody lets go has been forgotten, or its release got lost.
const LONGEST_PRESS: Duration = Duration::from_secs(60);
/// Things in a row that were not understood, and still keep the window open.
const MISSES: u32 = 1;

/// How to listen, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListeningOptions {
    /// When what is said is meant for the program.
    pub mode: ListeningMode,
    /// What one says to be heard; any of these. The first is the one that people are told.
    pub wake_phrases: Vec<String>,
    /// For how long after the phrase it need not be said again.
    pub window: Duration,
    /// Whether changes are shown.
    pub visible: bool,
}

/// The microphone is closed, and a key that is held doesn't open it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

/// What was said, when it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    attention: Attention,
    /// How long it was.
    pub(super) speech: Duration,
}

impl Arrival {
    /// Whether it is for us, whatever it is.
    pub(super) fn is_attended(&self) -> bool {
        matches!(self.attention, Attention::Attentive | Attention::Idle)
    }
}

/// What becomes of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heed {
    /// They are for us; these, without the phrase.
    Act(String),
    /// They are the phrase and no more.
    Called,
    /// They are not for us, for this reason, and are forgotten.
    Pass(&'static str),
}

/// The while after the phrase.
#[derive(Debug, Default)]
struct Window {
    /// When it closes, or did.
    until: Option<Instant>,
    /// It is kept open by a turn or an answer.
    held: bool,
    /// It is kept open by a question.
    question: bool,
    /// Things in a row that were not understood.
    misses: u32,
}

impl Window {
    fn is_open(&self, at: Instant) -> bool {
        self.held || self.question || self.until.is_some_and(|until| at < until)
    }
}

/// The state.
#[derive(Debug)]
pub(super) struct Vigil {
    options: ListeningOptions,
    phrases: WakePhrases,
    muted: bool,
    off: bool,
    asleep: bool,
    /// While a key is held: when it is taken for forgotten.
    pressed: Option<Instant>,
    window: Window,
    arrivals: HashMap<UtteranceId, Arrival>,
}

impl Vigil {
    pub(super) fn new(options: ListeningOptions) -> Self {
        Self {
            phrases: WakePhrases::new(&options.wake_phrases),
            muted: false,
            off: options.mode == ListeningMode::Toggle,
            asleep: false,
            pressed: None,
            window: Window::default(),
            arrivals: HashMap::new(),
            options,
        }
    }

    /// Other options; another mode begins as it does at the start, but stays muted or asleep.
    pub(super) fn reconfigure(&mut self, options: ListeningOptions) {
        if options.mode != self.options.mode {
            self.off = options.mode == ListeningMode::Toggle;
            self.pressed = None;
            self.close_window();
        }
        self.phrases = WakePhrases::new(&options.wake_phrases);
        self.options = options;
    }

    /// How it stands.
    pub(super) fn standing(&self, now: Instant) -> Listening {
        Listening {
            mode: self.options.mode,
            attention: self.attention(now, now),
            wake_phrase: self.options.wake_phrases.first().cloned(),
            visible: self.options.visible,
        }
    }

    /// When it will next stand otherwise, if nothing is done until then.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let Window { until, held, question, .. } = self.window;
        let window = until.filter(|_| self.options.mode == ListeningMode::WakePhrase && !held && !question);
        self.pressed.into_iter().chain(window).filter(|deadline| now < *deadline).min()
    }

    fn attention(&self, began: Instant, now: Instant) -> Attention {
        if self.muted {
            Attention::Muted
        } else if self.pressed.is_some_and(|until| now < until) {
            Attention::Attentive
        } else if self.off {
            Attention::Idle
        } else if self.asleep {
            Attention::Asleep
        } else {
            match self.options.mode {
                ListeningMode::Always | ListeningMode::Toggle => Attention::Attentive,
                ListeningMode::PushToTalk => Attention::Idle,
                ListeningMode::WakePhrase if self.window.is_open(began) => Attention::Attentive,
                ListeningMode::WakePhrase => Attention::Waiting,
            }
        }
    }

    fn open_window(&mut self, now: Instant) {
        self.window.misses = 0;
        self.window.until = Some(now + self.options.window);
    }

    /// A question goes on waiting for its answer.
    fn close_window(&mut self) {
        self.window = Window { question: self.window.question, ..Window::default() };
    }

    /// Whether a turn is under way or an answer is being spoken, and whether a question waits.
    pub(super) fn engage(&mut self, busy: bool, question: bool, now: Instant) {
        self.window.held = (busy || question) && self.window.is_open(now);
        self.window.question = question;
    }

    /// The conversation goes on: a window that is open stays open.
    pub(super) fn renew(&mut self, now: Instant) {
        if self.window.is_open(now) && self.window.misses <= MISSES {
            self.window.until = self.window.until.max(Some(now + self.options.window));
        }
    }

    /// A turn has ended; whether it was understood.
    pub(super) fn took_turn(&mut self, understood: bool, now: Instant) {
        self.window.misses = if understood { 0 } else { self.window.misses.saturating_add(1) };
        self.renew(now);
    }

    /// Does what is asked; tells the sign that is due.
    pub(super) fn change(&mut self, change: ListeningChange, now: Instant) -> Result<Option<Cue>, Refused> {
        let before = self.attention(now, now);
        let push_to_talk = self.options.mode == ListeningMode::PushToTalk;
        match change {
            ListeningChange::Toggle => {
                let on = matches!(before, Attention::Attentive | Attention::Waiting);
                return self.change(if on { ListeningChange::Off } else { ListeningChange::On }, now);
            }
            ListeningChange::On | ListeningChange::Wake => {
                self.muted &= change == ListeningChange::Wake;
                (self.off, self.asleep) = (false, false);
                self.open_window(now);
                if push_to_talk && !self.muted && change == ListeningChange::On {
                    self.pressed = Some(now + LONGEST_PRESS);
                }
            }
            ListeningChange::Off => {
                self.pressed = None;
                self.off = !push_to_talk;
            }
            ListeningChange::Press if self.muted => return Err(Refused),
            ListeningChange::Press => {
                self.asleep = false;
                self.pressed = Some(now + LONGEST_PRESS);
            }
            ListeningChange::Release => self.pressed = None,
            ListeningChange::Sleep => {
                self.asleep = true;
                self.pressed = None;
                self.close_window();
            }
            ListeningChange::Mute => {
                self.muted = true;
                self.pressed = None;
            }
            ListeningChange::Unmute => self.muted = false,
        }
        let hears = |attention| matches!(attention, Attention::Attentive | Attention::Waiting);
        let after = self.attention(now, now);
        Ok(match (hears(before), hears(after)) {
            (false, true) => Some(Cue::Listening),
            (true, true) if before == Attention::Waiting && after != before => Some(Cue::Listening),
            // Whoever lets the key go knows it.
            (true, false) if change != ListeningChange::Release => Some(Cue::Asleep),
            _ => None,
        })
    }

    /// Something was said into the microphone; it began at that moment.
    pub(super) fn arrived(&mut self, id: UtteranceId, speech: Duration, now: Instant) -> Arrival {
        let began = now.checked_sub(speech).unwrap_or(now);
        let arrival = Arrival { attention: self.attention(began, now), speech };
        self.arrivals.insert(id, arrival);
        arrival
    }

    /// The same, when its words are known, or never will be. `None` for what was not said into the
    /// microphone.
    pub(super) fn departs(&mut self, id: UtteranceId) -> Option<Arrival> {
        self.arrivals.remove(&id)
    }

    /// What becomes of spoken words; `wakes` tells whether words mean "wake up".
    pub(super) fn heed(
        &mut self,
        arrival: Option<Arrival>,
        text: &str,
        wakes: impl FnOnce(&str) -> bool,
        now: Instant,
    ) -> Heed {
        let attention = match arrival {
            None => Attention::Attentive,
            // It may have followed "go to sleep".
            Some(_) if self.attention(now, now) == Attention::Asleep => Attention::Asleep,
            Some(arrival) => arrival.attention,
        };
        let after = self.phrases.after(text);
        match (attention, after) {
            (Attention::Muted, _) => return Heed::Pass("the microphone was muted"),
            (Attention::Asleep, None) if wakes(text) => return Heed::Act(text.to_owned()),
            (Attention::Asleep, None) => return Heed::Pass("the program was asleep"),
            (Attention::Waiting, None) => return Heed::Pass("it did not begin with the wake phrase"),
            (Attention::Attentive | Attention::Idle, None) => return Heed::Act(text.to_owned()),
            (_, Some(_)) => {}
        }
        if arrival.is_some() {
            self.asleep = false;
            self.open_window(now);
        }
        match after {
            Some("") | None => Heed::Called,
            Some(rest) => Heed::Act(rest.to_owned()),
        }
    }

    /// The words without the phrase at their beginning.
    pub(super) fn without_phrase<'a>(&self, text: &'a str) -> &'a str {
        self.phrases.after(text).unwrap_or(text)
    }
}

#[cfg(test)]
mod tests;

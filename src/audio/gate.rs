//! What of an open microphone's sound is heard.
//!
//! **Why.** Opening a microphone takes a while, and whoever presses a key to talk doesn't wait. So while
//! nobody is listened to the stream runs on, and its sound is dropped but for the newest part: whoever
//! begins a little before the key is down is heard from the first word. When the gate shuts, a little more
//! is let through, since what was said is still on its way through the sound system, and people let go on
//! the last syllable; then what was said is complete at once.
//!
//! Only a closed microphone hears nothing at all; that is [`Gate::Off`].

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::{Gate, Listening, SAMPLE_RATE};

/// What is still let through once the gate is shut.
const TAIL: Duration = Duration::from_millis(160);

/// Lets sound through, or not.
#[derive(Debug)]
pub(super) struct Gatekeeper<T> {
    listening: watch::Receiver<Listening>,
    /// Samples that are kept while the gate is shut.
    keep: usize,
    kept: VecDeque<T>,
    /// Samples that are still let through; `None` while the gate is open.
    left: Option<usize>,
}

impl<T: Copy> Gatekeeper<T> {
    /// Keeps so much from before the gate opens.
    pub(super) fn new(listening: watch::Receiver<Listening>, pre_roll: Duration) -> Self {
        Self { listening, keep: samples(pre_roll), kept: VecDeque::new(), left: Some(0) }
    }

    /// Whether the microphone has to be closed.
    pub(super) fn is_off(&self) -> bool {
        self.gate() == Gate::Off
    }

    /// Waits until the microphone may be open; `false` when that will never be. Cancel-safe.
    pub(super) async fn may_open(&mut self) -> bool {
        self.listening.wait_for(|listening| listening.gate() != Gate::Off).await.is_ok()
    }

    /// Another stream begins: nothing was kept of it.
    pub(super) fn begin(&mut self) {
        self.kept.clear();
        self.left = Some(0);
    }

    /// Makes of new sound what is to be heard; whether what is being said is complete with it.
    pub(super) fn admit(&mut self, sound: &mut Vec<T>) -> bool {
        if self.gate() == Gate::Open {
            if self.left.take().is_some() {
                sound.splice(..0, self.kept.drain(..));
            }
            return false;
        }
        let left = self.left.unwrap_or(samples(TAIL));
        let through = left.min(sound.len());
        let was_shut = self.left == Some(0);
        self.left = Some(left - through);
        self.kept.extend(&sound[through..]);
        self.kept.drain(..self.kept.len().saturating_sub(self.keep));
        sound.truncate(through);
        !was_shut && left == through
    }

    fn gate(&self) -> Gate {
        self.listening.borrow().gate()
    }
}

fn samples(time: Duration) -> usize {
    (time.as_secs_f64() * f64::from(SAMPLE_RATE)).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Attention, ListeningMode};

    fn set_up() -> (watch::Sender<Listening>, Gatekeeper<f32>) {
        let listening = Listening {
            mode: ListeningMode::PushToTalk,
            attention: Attention::Idle,
            wake_phrase: None,
            visible: true,
        };
        let (sender, receiver) = watch::channel(listening);
        // Ten samples of pre-roll.
        (sender, Gatekeeper::new(receiver, Duration::from_micros(625)))
    }

    fn attend(sender: &watch::Sender<Listening>, attention: Attention) {
        sender.send_modify(|listening| listening.attention = attention);
    }

    fn sound(range: std::ops::Range<usize>) -> Vec<f32> {
        range.map(|i| i as f32).collect()
    }

    #[test]
    fn what_was_said_shortly_before_and_after_is_heard_and_nothing_else() {
        let tail = samples(TAIL);
        let (sender, mut gate) = set_up();
        let mut admit = |range| {
            let mut pushed = sound(range);
            let complete = gate.admit(&mut pushed);
            (pushed, complete)
        };
        assert_eq!(admit(0..7), (vec![], false));
        assert_eq!(admit(7..30), (vec![], false));
        attend(&sender, Attention::Attentive);
        assert_eq!(admit(30..50), (sound(20..50), false), "with the ten samples before");
        assert_eq!(admit(50..60), (sound(50..60), false));
        attend(&sender, Attention::Idle);
        assert_eq!(admit(60..70), (sound(60..70), false));
        assert_eq!(admit(70..5000), (sound(70..60 + tail), true), "complete after the tail, once");
        assert_eq!(admit(5000..5005), (vec![], false));
        attend(&sender, Attention::Attentive);
        assert_eq!(admit(5005..5006), (sound(4995..5006), false));
    }

    #[test]
    fn a_key_that_is_pressed_again_at_once_loses_nothing() {
        let (sender, mut gate) = set_up();
        attend(&sender, Attention::Attentive);
        let mut heard = Vec::new();
        for (i, attention) in [Attention::Attentive, Attention::Idle, Attention::Attentive].iter().enumerate()
        {
            attend(&sender, *attention);
            let mut pushed = sound(i * 100..(i + 1) * 100);
            assert!(!gate.admit(&mut pushed));
            heard.extend(pushed);
        }
        assert_eq!(heard, sound(0..300));
    }

    #[test]
    fn of_another_stream_nothing_is_kept() {
        let (sender, mut gate) = set_up();
        assert!(!gate.admit(&mut sound(0..100)));
        gate.begin();
        attend(&sender, Attention::Attentive);
        let mut pushed = sound(0..5);
        assert!(!gate.admit(&mut pushed));
        assert_eq!(pushed, sound(0..5));
        attend(&sender, Attention::Muted);
        assert!(gate.is_off());
    }
}

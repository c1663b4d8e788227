//! What is being said is cut off by whoever wants to say something.

use std::time::{Duration, Instant};

use super::Coordinator;
use crate::domain::{Event, Interruption};

/// For how long after an answer was cut off the next words are taken as said over it.
const OVER: Duration = Duration::from_secs(6);

impl Coordinator {
    /// Somebody begins to say something.
    pub(super) fn interrupted(&mut self, by: Interruption) {
        if self.speaking && self.cut_off.is_none() {
            self.cut_off = Some(Instant::now());
            self.tell(Event::Interrupted { by });
        }
    }

    /// Whether the words that have just come in were said over an answer. Asked once for each.
    pub(super) fn was_over_an_answer(&mut self) -> bool {
        self.cut_off.take().is_some_and(|at| at.elapsed() < OVER)
    }

    /// Whether words that would cancel something, said over an answer, only ask for silence: "stop" always does,
    /// the others do where there is nothing to cancel.
    pub(super) fn means_quiet(&self, words: &str) -> bool {
        let stops = words.split_whitespace().next().is_some_and(|word| {
            word.trim_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case("stop")
        });
        stops || self.turn.is_none() && self.question.is_none() && self.waiting.is_empty()
    }
}

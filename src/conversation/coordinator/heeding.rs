//! Whom the conversation listens to: what the loop does with its [`Vigil`](super::Vigil).

use tokio::time::Instant;

use super::{Answer, Arrival, Coordinator, Heed, Words};
use crate::domain::{
    Attention, Confidence, Cue, Event, Intent, Interpretation, Interruption, Listening, ListeningChange,
    Situation, Stage, UtteranceId,
};

/// What somebody said, in words.
pub(super) struct Spoken {
    pub(super) id: UtteranceId,
    pub(super) text: String,
    pub(super) confidence: Confidence,
    /// Through a tier that is not the first.
    pub(super) degraded: bool,
    /// See [`Words::is_agreed`].
    pub(super) is_agreed: bool,
    pub(super) answer: Answer,
}

impl Coordinator {
    /// Tells how listening stands, when that has changed.
    pub(super) fn keep_vigil(&mut self) {
        let now = Instant::now();
        self.vigil.engage(self.is_busy() || self.speaking, self.question.is_some(), now);
        let standing = self.vigil.standing(now);
        if *self.listening.borrow() != standing {
            self.listening.send_replace(standing.clone());
            self.tell(Event::ListeningChanged(standing));
        }
    }

    /// Listens otherwise, at once. `None` if that can't be.
    pub(super) fn listen(&mut self, change: ListeningChange) -> Option<Listening> {
        if change == ListeningChange::Press {
            self.interrupted(Interruption::Key);
        }
        let cue = self.vigil.change(change, Instant::now()).ok()?;
        self.keep_vigil();
        if let Some(cue) = cue {
            self.tell(Event::Cue { cue });
        }
        Some(self.listening.borrow().clone())
    }

    /// Whether whatever is said now is for us.
    pub(super) fn is_attentive(&self) -> bool {
        self.listening.borrow().attention == Attention::Attentive
    }

    /// What becomes of spoken words.
    pub(super) fn heed(&mut self, arrival: Option<Arrival>, text: &str) -> Heed {
        let Self { vigil, ports, .. } = self;
        let wakes = |text: &str| {
            let situation = Situation { spoken: true, ..Situation::default() };
            let intent = ports.interpreter.interpret(text, Confidence::CERTAIN, &situation).intent;
            matches!(intent, Intent::Listen { change: ListeningChange::Wake | ListeningChange::On })
        };
        vigil.heed(arrival, text, wakes, Instant::now())
    }

    /// Does it.
    pub(super) async fn take(&mut self, heed: Heed, spoken: Spoken) {
        let Spoken { id, confidence, degraded, is_agreed, answer, .. } = spoken;
        match heed {
            Heed::Act(text) => {
                let input = self.input;
                let words = Words { id, text, confidence, degraded, spoken: true, is_agreed, input };
                self.enqueue(words, answer).await;
            }
            Heed::Called => {
                self.note(id, Stage::Abandoned { reason: "it was the wake phrase alone".into() }).await;
                self.keep_vigil();
                self.tell(Event::Cue { cue: Cue::Listening });
                if let Some(answer) = answer {
                    // Whoever asked may have gone.
                    let _ = answer.send(None);
                }
            }
            Heed::Pass(_) => {}
        }
    }

    pub(super) fn meaning(&self, words: &Words) -> Interpretation {
        let question_open = self.question.is_some();
        let Words { spoken, input, .. } = *words;
        let situation = Situation { question_open, spoken, input, ..Situation::default() };
        self.ports.interpreter.interpret(&words.text, words.confidence, &situation)
    }
}

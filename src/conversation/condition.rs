//! What is degraded at the moment, told once.

use std::collections::BTreeMap;

use crate::domain::{Degradation, Event, Mode, TEXT_INPUT};

/// The chains without which nobody is heard.
const VOICE: [&str; 2] = ["audio-input", "voice-stt"];

/// The standing of each chain, and the mode that follows from it.
#[derive(Debug)]
pub(super) struct Condition {
    voice_wanted: bool,
    chains: BTreeMap<String, Option<Standing>>,
    mode: Mode,
}

/// How a chain is degraded.
#[derive(Debug)]
struct Standing {
    news: Degradation,
    /// Whether it was told before something was sent away, by the only one who knows to whom.
    announced: bool,
}

impl Condition {
    /// Nothing is known yet. Without a wish for voice the mode is text from the start.
    pub(super) fn new(voice_wanted: bool) -> Self {
        let mode = if voice_wanted { Mode::Starting } else { Mode::Text };
        Self { voice_wanted, chains: BTreeMap::new(), mode }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn degradations(&self) -> Vec<Degradation> {
        self.chains.values().flatten().map(|standing| standing.news.clone()).collect()
    }

    /// Notes that a chain left its first tier. The same news twice is no news.
    pub(super) fn degraded(&mut self, news: Degradation) -> Vec<Event> {
        self.note(Standing { news, announced: false })
    }

    /// Notes to whom something is about to be sent instead. That it is somebody else now is news.
    pub(super) fn announced(&mut self, news: Degradation) -> Vec<Event> {
        self.note(Standing { news, announced: true })
    }

    fn note(&mut self, new: Standing) -> Vec<Event> {
        if let Some(Some(known)) = self.chains.get_mut(&new.news.chain)
            && known.news.now == new.news.now
            && (known.news.what == new.news.what || !new.announced)
        {
            // The cause may be another. But who only tells which tier served doesn't tell who got what was sent.
            if !known.announced {
                *known = new;
            }
            return Vec::new();
        }
        let news = new.news.clone();
        self.chains.insert(news.chain.clone(), Some(new));
        self.with_mode(vec![Event::Degraded(news)])
    }

    /// Notes that a chain is served by its first tier.
    pub(super) fn serving(&mut self, chain: &str, what: &str) -> Vec<Event> {
        let was_degraded = matches!(self.chains.insert(chain.to_owned(), None), Some(Some(_)));
        let recovered = Event::Recovered { chain: chain.to_owned(), what: what.to_owned() };
        self.with_mode(if was_degraded { vec![recovered] } else { Vec::new() })
    }

    /// The wish for voice has changed.
    pub(super) fn voice_wanted(&mut self, wanted: bool) -> Vec<Event> {
        self.voice_wanted = wanted;
        self.with_mode(Vec::new())
    }

    fn with_mode(&mut self, mut events: Vec<Event>) -> Vec<Event> {
        let hears = |it: &Option<Standing>| it.as_ref().is_none_or(|it| it.news.now != TEXT_INPUT);
        let standing = VOICE.map(|chain| self.chains.get(chain).map(hears));
        let mode = if !self.voice_wanted || standing.contains(&Some(false)) {
            Mode::Text
        } else if standing.contains(&None) {
            Mode::Starting
        } else {
            Mode::Voice
        };
        if mode != self.mode {
            self.mode = mode;
            events.push(Event::ModeChanged { mode });
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(chain: &str) -> Degradation {
        Degradation {
            chain: chain.into(),
            now: "text-input-mode".into(),
            what: "It is gone.".into(),
            remedy: "Type.".into(),
        }
    }

    #[test]
    fn voice_needs_both_a_microphone_and_a_recogniser() {
        let mut condition = Condition::new(true);
        assert_eq!(condition.mode(), Mode::Starting);
        assert!(condition.serving("audio-input", "heard").is_empty());
        let events = condition.serving("voice-stt", "ready");
        assert_eq!(events, [Event::ModeChanged { mode: Mode::Voice }]);
        condition.degraded(lost("voice-stt"));
        assert_eq!(condition.mode(), Mode::Text);
    }

    #[test]
    fn whoever_recognises_instead_keeps_the_voice() {
        let mut condition = Condition::new(true);
        condition.serving("audio-input", "heard");
        let instead = Degradation { now: "cloud-google-stt".into(), ..lost("voice-stt") };
        assert_eq!(condition.degraded(instead).len(), 2);
        assert_eq!(condition.mode(), Mode::Voice);
        condition.degraded(lost("voice-stt"));
        assert_eq!(condition.mode(), Mode::Text);
        assert_eq!(condition.serving("voice-stt", "It is back.").len(), 2);
    }

    #[test]
    fn is_told_once_and_its_return_too() {
        let mut condition = Condition::new(true);
        assert_eq!(condition.degraded(lost("audio-input")).len(), 2);
        assert!(condition.degraded(lost("audio-input")).is_empty());
        let back = condition.serving("audio-input", "It is back.");
        assert!(matches!(&back[0], Event::Recovered { chain, .. } if chain == "audio-input"));
        assert_eq!(condition.mode(), Mode::Starting);
        assert!(condition.degradations().is_empty());
    }

    fn by(tier: &str, what: &str) -> Degradation {
        Degradation { now: tier.into(), what: what.into(), ..lost("voice-stt") }
    }

    #[test]
    fn somebody_else_who_gets_what_is_said_is_told_again() {
        let mut condition = Condition::new(true);
        let own = by("openai-stt", "Local Whisper is down; using your own speech server, on this machine");
        let other = by("openai-stt", "Local Whisper is down; using OpenAI, which sends your audio away");
        for (news, many) in [(&own, 1), (&own, 0), (&other, 1), (&other, 0), (&own, 1)] {
            let told = condition.announced(news.clone());
            let told = told.iter().filter(|it| matches!(it, Event::Degraded(it) if it == news)).count();
            assert_eq!((told, condition.degradations()), (many, vec![news.clone()]));
        }
    }

    #[test]
    fn what_sends_something_away_stays_told_as_such() {
        let mut condition = Condition::new(true);
        let announced =
            by("cloud-google-stt", "Local Whisper is down; using Google, which sends your audio away");
        let served =
            by("cloud-google-stt", "The recogniser of your choice is down; cloud-google-stt is used instead");
        condition.announced(announced.clone());
        assert!(condition.degraded(served.clone()).is_empty());
        assert_eq!(condition.degradations(), std::slice::from_ref(&announced));
        // It may have been late.
        condition.serving("voice-stt", "It is back.");
        condition.degraded(served);
        assert_eq!(condition.announced(announced.clone()), [Event::Degraded(announced.clone())]);
        assert_eq!(condition.degradations(), [announced]);
        // Of what nobody is told beforehand, the newest cause is kept.
        condition.degraded(by("text-input-mode", "It crashed."));
        assert!(condition.degraded(by("text-input-mode", "It hangs.")).is_empty());
        assert_eq!(condition.degradations()[0].what, "It hangs.");
    }

    #[test]
    fn without_a_wish_for_voice_it_stays_text() {
        let mut condition = Condition::new(false);
        condition.serving("audio-input", "");
        condition.serving("voice-stt", "");
        assert_eq!(condition.mode(), Mode::Text);
    }
}

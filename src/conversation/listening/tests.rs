use proptest::prelude::*;

use super::*;
use crate::domain::Gate;

const WINDOW: Duration = Duration::from_secs(8);

fn options(mode: ListeningMode) -> ListeningOptions {
    ListeningOptions { mode, wake_phrases: vec!["hey terminal".into()], window: WINDOW, visible: true }
}

struct Case {
    vigil: Vigil,
    now: Instant,
}

impl Case {
    fn new(mode: ListeningMode) -> Self {
        Self { vigil: Vigil::new(options(mode)), now: Instant::now() }
    }

    fn later(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    fn change(&mut self, change: ListeningChange) -> Attention {
        self.vigil.change(change, self.now).unwrap();
        self.attention()
    }

    fn attention(&self) -> Attention {
        self.vigil.standing(self.now).attention
    }

    fn gate(&self) -> Gate {
        self.vigil.standing(self.now).gate()
    }

    /// Says this in one second, which ends now.
    fn say(&mut self, text: &str) -> Heed {
        let id = UtteranceId::generate();
        self.vigil.arrived(id, Duration::from_secs(1), self.now);
        self.recognise(id, text)
    }

    fn recognise(&mut self, id: UtteranceId, text: &str) -> Heed {
        let arrival = self.vigil.departs(id);
        assert!(arrival.is_some() && self.vigil.departs(id).is_none());
        self.vigil.heed(arrival, text, |text| text == "Wake up.", self.now)
    }

    /// Says this, and has it answered.
    fn turn(&mut self, text: &str, understood: bool) {
        assert!(matches!(self.say(text), Heed::Act(_)), "{text}");
        self.vigil.engage(true, false, self.now);
        self.later(20);
        self.vigil.took_turn(understood, self.now);
        self.vigil.engage(false, false, self.now);
    }
}

fn act(text: &str) -> Heed {
    Heed::Act(text.into())
}

#[test]
fn always_is_always() {
    let mut case = Case::new(ListeningMode::Always);
    assert_eq!(case.say("Split right."), act("Split right."));
    assert_eq!(case.say("Hey terminal, split right."), act("split right."));
    assert_eq!(case.say("Hey, terminal."), Heed::Called);
    assert_eq!(case.later(1000).attention(), Attention::Attentive);
    assert_eq!(case.vigil.deadline(case.now), None);
}

#[test]
fn without_the_wake_phrase_nothing_is_heeded() {
    let mut case = Case::new(ListeningMode::WakePhrase);
    assert_eq!((case.attention(), case.gate()), (Attention::Waiting, Gate::Open));
    assert!(matches!(case.say("Split right."), Heed::Pass(_)));
    assert!(matches!(case.say("Wake up."), Heed::Pass(_)), "it isn't asleep");
    assert_eq!(case.say("Hey, Terminal. Split right."), act("Split right."));
    assert_eq!(case.attention(), Attention::Attentive);
    assert_eq!(case.later(8).attention(), Attention::Waiting);
}

#[test]
fn the_phrase_alone_opens_a_window_for_what_follows() {
    let mut case = Case::new(ListeningMode::WakePhrase);
    assert_eq!(case.say("Hey terminal."), Heed::Called);
    assert_eq!(case.vigil.deadline(case.now), Some(case.now + WINDOW));
    case.later(7);
    assert_eq!(case.say("Split right."), act("Split right."));
    // It began within the window, which has closed meanwhile.
    case.later(1);
    let id = UtteranceId::generate();
    assert!(case.vigil.arrived(id, Duration::from_secs(1), case.now).is_attended());
    case.later(5);
    assert_eq!(case.recognise(id, "Split down."), act("Split down."));
    assert!(matches!(case.say("Split right."), Heed::Pass(_)));
}

#[test]
fn the_window_stays_open_while_the_conversation_goes_on() {
    let mut case = Case::new(ListeningMode::WakePhrase);
    case.turn("Hey terminal, run tests.", true);
    assert_eq!(case.later(7).attention(), Attention::Attentive, "for a while after the answer");
    case.turn("Read that.", true);
    // The answer is spoken, and then the while begins.
    case.vigil.engage(true, false, case.now);
    assert_eq!(case.later(60).attention(), Attention::Attentive);
    assert_eq!(case.vigil.deadline(case.now), None);
    case.vigil.renew(case.now);
    case.vigil.engage(false, false, case.now);
    assert_eq!(case.later(7).attention(), Attention::Attentive);
    assert_eq!(case.later(1).attention(), Attention::Waiting);
    // What is typed while nobody is listened to opens nothing.
    case.vigil.engage(true, false, case.now);
    case.vigil.took_turn(true, case.now);
    assert_eq!(case.attention(), Attention::Waiting);
}

#[test]
fn talk_that_is_not_understood_does_not_keep_it_open() {
    let mut case = Case::new(ListeningMode::WakePhrase);
    case.turn("Hey terminal, split ride.", false);
    assert_eq!(case.later(1).attention(), Attention::Attentive, "one can say it again");
    case.turn("And then she said.", false);
    assert_eq!(case.later(1).attention(), Attention::Waiting, "but that was meant for somebody else");
}

#[test]
fn a_question_can_be_answered_without_the_phrase() {
    let mut case = Case::new(ListeningMode::WakePhrase);
    // It was typed.
    case.vigil.engage(false, true, case.now);
    assert_eq!(case.later(25).attention(), Attention::Attentive);
    assert_eq!(case.say("Yes."), act("Yes."));
    case.vigil.engage(false, false, case.now);
    assert_eq!(case.attention(), Attention::Waiting);
}

#[test]
fn asleep_it_hears_nothing_but_its_call() {
    for mode in [ListeningMode::Always, ListeningMode::WakePhrase, ListeningMode::Toggle] {
        let mut case = Case::new(mode);
        case.change(ListeningChange::On);
        assert_eq!(case.vigil.change(ListeningChange::Sleep, case.now), Ok(Some(Cue::Asleep)));
        assert_eq!((case.attention(), case.gate()), (Attention::Asleep, Gate::Open));
        case.vigil.engage(true, true, case.now);
        assert!(matches!(case.say("Yes."), Heed::Pass(_)), "not even an answer");
        assert!(matches!(case.say("Split right."), Heed::Pass(_)));
        assert_eq!(case.say("Wake up."), act("Wake up."));
        assert_eq!(case.attention(), Attention::Asleep, "until it is done");
        assert_eq!(case.vigil.change(ListeningChange::Wake, case.now), Ok(Some(Cue::Listening)));
        assert_eq!(case.attention(), Attention::Attentive, "{mode:?}");
        case.change(ListeningChange::Sleep);
        assert_eq!(case.say("Hey terminal, split right."), act("split right."));
        assert_eq!(case.attention(), Attention::Attentive);
    }
}

#[test]
fn what_was_said_before_it_fell_asleep_and_is_recognised_after_is_forgotten() {
    let mut case = Case::new(ListeningMode::Always);
    let id = UtteranceId::generate();
    case.vigil.arrived(id, Duration::from_secs(1), case.now);
    case.change(ListeningChange::Sleep);
    assert!(matches!(case.recognise(id, "Split right."), Heed::Pass(_)));
}

#[test]
fn a_key_that_is_held_is_listened_to() {
    let mut case = Case::new(ListeningMode::PushToTalk);
    assert_eq!((case.attention(), case.gate()), (Attention::Idle, Gate::Shut));
    assert_eq!(case.vigil.change(ListeningChange::Press, case.now), Ok(Some(Cue::Listening)));
    assert_eq!((case.attention(), case.gate()), (Attention::Attentive, Gate::Open));
    assert_eq!(case.vigil.change(ListeningChange::Release, case.now), Ok(None));
    assert_eq!((case.attention(), case.gate()), (Attention::Idle, Gate::Shut));
    // What was said comes out when the key is let go.
    assert_eq!(case.say("Split right."), act("Split right."));
    // One key does for both.
    assert_eq!(case.change(ListeningChange::Toggle), Attention::Attentive);
    assert_eq!(case.change(ListeningChange::Toggle), Attention::Idle);
    // A key that nobody lets go.
    assert_eq!(case.change(ListeningChange::Press), Attention::Attentive);
    assert_eq!(case.vigil.deadline(case.now), Some(case.now + LONGEST_PRESS));
    assert_eq!(case.later(60).attention(), Attention::Idle);
    assert_eq!(case.vigil.deadline(case.now), None);
}

#[test]
fn asleep_in_push_to_talk_the_key_wakes_it() {
    let mut case = Case::new(ListeningMode::PushToTalk);
    assert_eq!(case.change(ListeningChange::Sleep), Attention::Asleep);
    assert_eq!(case.gate(), Gate::Shut);
    assert_eq!(case.change(ListeningChange::Press), Attention::Attentive);
    assert_eq!(case.change(ListeningChange::Release), Attention::Idle);
}

#[test]
fn a_switch_stays_where_it_is() {
    let mut case = Case::new(ListeningMode::Toggle);
    assert_eq!((case.attention(), case.gate()), (Attention::Idle, Gate::Shut));
    assert_eq!(case.change(ListeningChange::Toggle), Attention::Attentive);
    assert_eq!(case.later(1000).attention(), Attention::Attentive);
    assert_eq!(case.change(ListeningChange::Toggle), Attention::Idle);
    for mode in [ListeningMode::Always, ListeningMode::WakePhrase] {
        let mut case = Case::new(mode);
        assert_eq!(case.change(ListeningChange::Off), Attention::Idle);
        assert_eq!(case.gate(), Gate::Shut);
        assert_eq!(case.change(ListeningChange::Toggle), Attention::Attentive);
    }
}

#[test]
fn muted_it_hears_nobody_until_it_is_told_so_by_hand() {
    for mode in
        [ListeningMode::Always, ListeningMode::WakePhrase, ListeningMode::PushToTalk, ListeningMode::Toggle]
    {
        let mut case = Case::new(mode);
        let before = case.attention();
        assert_eq!(case.change(ListeningChange::Mute), Attention::Muted);
        assert_eq!(case.gate(), Gate::Off);
        case.vigil.engage(true, true, case.now);
        assert!(matches!(case.say("Hey terminal, split right."), Heed::Pass(_)), "what was on its way");
        assert_eq!(case.vigil.change(ListeningChange::Press, case.now), Err(Refused));
        assert_eq!(case.change(ListeningChange::Wake), Attention::Muted);
        case.vigil.engage(false, false, case.now);
        if mode == ListeningMode::Always || mode == ListeningMode::PushToTalk {
            assert_eq!(case.change(ListeningChange::Unmute), before, "{mode:?}");
        }
        case.change(ListeningChange::Mute);
        assert_eq!(case.change(ListeningChange::On), Attention::Attentive, "{mode:?}");
    }
}

#[test]
fn another_mode_begins_anew_and_stays_muted() {
    let mut case = Case::new(ListeningMode::Always);
    case.vigil.reconfigure(options(ListeningMode::Toggle));
    assert_eq!(case.attention(), Attention::Idle);
    case.change(ListeningChange::On);
    case.vigil.reconfigure(ListeningOptions { window: WINDOW * 2, ..options(ListeningMode::Toggle) });
    assert_eq!(case.attention(), Attention::Attentive, "it is the same mode");
    case.change(ListeningChange::Mute);
    case.vigil.reconfigure(options(ListeningMode::Always));
    assert_eq!(case.attention(), Attention::Muted);
}

#[test]
fn what_was_not_said_into_the_microphone_is_always_heeded() {
    let mut case = Case::new(ListeningMode::WakePhrase);
    case.change(ListeningChange::Mute);
    assert_eq!(case.vigil.heed(None, "Split right.", |_| false, case.now), act("Split right."));
    assert_eq!(case.vigil.heed(None, "Hey terminal, split.", |_| false, case.now), act("split."));
    assert_eq!(case.attention(), Attention::Muted);
}

#[derive(Debug, Clone)]
enum Happens {
    Change(ListeningChange),
    Later(u64),
    Engage(bool, bool),
    Turn(bool),
    Said(bool),
    Mode(ListeningMode),
}

fn modes() -> impl Strategy<Value = ListeningMode> {
    prop::sample::select(vec![
        ListeningMode::Always,
        ListeningMode::WakePhrase,
        ListeningMode::PushToTalk,
        ListeningMode::Toggle,
    ])
}

fn happens() -> impl Strategy<Value = Happens> {
    use ListeningChange::{Mute, Off, On, Press, Release, Sleep, Toggle, Unmute, Wake};
    let changes = prop::sample::select(vec![On, Off, Toggle, Press, Release, Sleep, Wake, Mute, Unmute]);
    prop_oneof![
        changes.prop_map(Happens::Change),
        (0_u64..20).prop_map(Happens::Later),
        any::<(bool, bool)>().prop_map(|(busy, question)| Happens::Engage(busy, question)),
        any::<bool>().prop_map(Happens::Turn),
        any::<bool>().prop_map(Happens::Said),
        modes().prop_map(Happens::Mode),
    ]
}

proptest! {
    #[test]
    fn whatever_happens(mode in modes(), course in prop::collection::vec(happens(), 1..40)) {
        let mut case = Case::new(mode);
        for what in course {
            let before = case.attention();
            let mut unmutes = false;
            match what {
                Happens::Change(change) => {
                    let refused = case.vigil.change(change, case.now).is_err();
                    prop_assert_eq!(refused, change == ListeningChange::Press && before == Attention::Muted);
                    unmutes = matches!(change, ListeningChange::On | ListeningChange::Toggle | ListeningChange::Unmute);
                    // Whoever asks for it gets it.
                    let after = case.attention();
                    match change {
                        ListeningChange::On => prop_assert_eq!(after, Attention::Attentive),
                        ListeningChange::Mute => prop_assert_eq!(after, Attention::Muted),
                        ListeningChange::Press if !refused => prop_assert_eq!(after, Attention::Attentive),
                        _ => {}
                    }
                }
                Happens::Later(seconds) => {
                    // Nothing changes before the deadline.
                    let until = case.now + Duration::from_secs(seconds);
                    let deadline = case.vigil.deadline(case.now);
                    prop_assert!(deadline.is_none_or(|deadline| deadline > case.now));
                    if deadline.is_none_or(|deadline| deadline > until) {
                        prop_assert_eq!(case.vigil.standing(until).attention, before);
                    }
                    case.now = until;
                }
                Happens::Engage(busy, question) => case.vigil.engage(busy, question, case.now),
                Happens::Turn(understood) => case.vigil.took_turn(understood, case.now),
                Happens::Said(with_phrase) => {
                    let heed = case.say(if with_phrase { "Hey terminal, help." } else { "Help." });
                    let expected = match before {
                        Attention::Muted => false,
                        Attention::Waiting | Attention::Asleep => with_phrase,
                        Attention::Attentive | Attention::Idle => true,
                    };
                    // The window was open when it began.
                    let late = before == Attention::Waiting && !with_phrase;
                    prop_assert!(late || matches!(heed, Heed::Act(_)) == expected, "{:?} {:?}", before, heed);
                    prop_assert!(case.vigil.arrivals.is_empty());
                }
                Happens::Mode(mode) => case.vigil.reconfigure(options(mode)),
            }
            if before == Attention::Muted && !unmutes {
                prop_assert_eq!(case.gate(), Gate::Off);
            }
        }
    }
}

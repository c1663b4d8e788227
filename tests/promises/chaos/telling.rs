//! What was told of what is degraded: in time, and once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use voice_terminal::domain::{Degradation, Event, Mode, Origin};

use super::daemon::Seen;
use super::fault::{Fault, Manner, Part};

/// A machine that has much else to do is so late, and no later.
pub(super) const MARGIN: Duration = Duration::from_secs(1);
/// One on which several things are wrong is so late.
pub(super) const LATE: Duration = Duration::from_secs(10);
/// What began before a fault has ended by then, and may not have felt it.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// When it was first told that a chain is degraded.
pub(super) fn told(seen: &[Seen], chain: &str, since: Instant) -> Option<Instant> {
    let is_it = |event: &Event| matches!(event, Event::Degraded(news) if news.chain == chain);
    seen.iter().find(|it| it.at >= since && is_it(&it.event)).map(|it| it.at)
}

/// When a call first needed what was hurt; from then on there was something to tell. `asked` is when the AI was first
/// asked for, and `failed` when a call was seen to fail.
pub(super) fn needed(
    fault: Fault,
    began: Instant,
    seen: &[Seen],
    (asked, failed): (Option<Instant>, Option<Instant>),
) -> Option<Instant> {
    let since: Vec<&Seen> = seen.iter().filter(|it| it.at >= began).collect();
    let heard = |from: Origin| {
        let is_it = |event: &Event| matches!(event, Event::Heard { origin, .. } if *origin == from);
        since.iter().find(|it| is_it(&it.event)).map(|it| it.at)
    };
    match fault.part {
        // It is listened to all the time.
        Part::Sound => Some(began),
        // Every line goes through tmux, and to the server.
        Part::Tmux | Part::ControlClient | Part::Primary => heard(Origin::Control),
        Part::Worker => heard(Origin::Microphone),
        Part::Espeak => {
            let limit = fault.must_tell()? + MARGIN;
            let chain = fault.chain()?;
            first_to_be_spoken(&since, limit, told(seen, chain, began))
        }
        Part::Ai => asked,
        // What still had room was written.
        Part::Disk => failed,
        Part::Replica | Part::Redis | Part::CloudHearing | Part::CloudVoice | Part::Daemon => None,
    }
}

/// The first answer in words that are not kept as sound, and that nobody cut off before it had to be told that it can't be
/// spoken.
fn first_to_be_spoken(seen: &[&Seen], limit: Duration, told: Option<Instant>) -> Option<Instant> {
    let cuts_off = |event: &Event| {
        matches!(
            event,
            Event::Replied { .. } | Event::SpeechStarted | Event::Interrupted { .. } | Event::Heard { .. }
        )
    };
    let is_new =
        |event: &Event| matches!(event, Event::Replied { reply, .. } if reply.text.contains("`echo number "));
    let (number, _) = seen.iter().enumerate().filter(|(_, it)| is_new(&it.event)).find(|(number, it)| {
        let until = it.at + limit;
        let is_cut = seen[number + 1..].iter().any(|later| cuts_off(&later.event) && later.at < until);
        !is_cut || told.is_some_and(|told| told >= it.at && told < until)
    })?;
    Some(seen[number].at)
}

/// When at the latest a fault that isn't alone must be told, with the time for all of them, and late. `None` where it was
/// not needed, or others may hide it.
pub(super) fn deadline(case: &[Fault], fault: Fault, began: Instant, seen: &[Seen]) -> Option<Instant> {
    fault.must_tell()?;
    let hides = |other: &Fault| {
        let is_of_it = other.chain() == fault.chain() && other.must_tell().is_some();
        // One that is started anew is given a minute to load where nobody else can be asked.
        let is_last = fault.manner == Manner::Freeze && other.part == Part::CloudHearing;
        is_of_it || reaches_all(*other) || fault.part == Part::Worker && is_last
    };
    if case.iter().filter(|other| **other != fault).any(hides) {
        return None;
    }
    let need = match fault.part {
        // What is spoken is cut off before all of that time is over.
        Part::Espeak => None,
        // It isn't asked while a question is open, as there are when somebody else hears.
        Part::Ai => replied(seen, "The AI could not be asked").map(|it| it.at).find(|at| *at >= began),
        _ => needed(fault, began + UNDER_WAY, seen, (None, None)),
    };
    let all: Duration = case.iter().filter_map(|fault| fault.must_tell()).sum();
    need.map(|need| need + all + MARGIN + LATE)
}

/// What was answered in these words.
fn replied<'a>(seen: &'a [Seen], words: &'a str) -> impl Iterator<Item = &'a Seen> {
    seen.iter()
        .filter(move |it| matches!(&it.event, Event::Replied { reply, .. } if reply.text.contains(words)))
}

/// How often a chain was told to have gone down.
pub(super) fn steps_down(seen: &[Seen], chain: &str) -> usize {
    seen.iter().filter(|it| matches!(&it.event, Event::Degraded(news) if news.chain == chain)).count()
}

/// Whether voice was told to be impossible.
pub(super) fn is_text_mode(seen: &[Seen]) -> bool {
    seen.iter().any(|it| matches!(it.event, Event::ModeChanged { mode: Mode::Text }))
}

/// Whether nobody can recognise anything while all of a case is wrong.
pub(super) fn is_deaf(case: &[Fault]) -> bool {
    let has = |part: Part, manners: &[Manner]| {
        case.iter().any(|fault| fault.part == part && manners.contains(&fault.manner))
    };
    has(Part::Worker, &[Manner::KillAgain, Manner::Freeze])
        && has(Part::CloudHearing, &[Manner::Kill, Manner::Freeze, Manner::Reset])
}

/// Whether somebody who was deaf from `began` to `healed` told so in an answer, and not by text mode.
pub(super) fn is_still_voice(seen: &[Seen], began: Instant, healed: Instant) -> bool {
    let is_meanwhile = |it: &Seen| it.at >= began + UNDER_WAY && it.at < healed;
    replied(seen, "could not turn it into words").any(is_meanwhile) && !is_text_mode(seen)
}

/// Down and up, and down once more: so often a chain may go down when something dies once.
const DOWN: usize = 2;

/// What was told more often than it may be, in words. Where one fault alone hurts a chain for as long as it lasts, each step
/// down and its end come once; twice, if it is killed whenever it comes back. Where what hangs is replaced, a step may be
/// told once more on the way up. What dies once, and is back by itself, may be missed twice. What is merely slow, or others
/// hurt as well, goes down and up as they do; the same step is not told twice in a row all the same.
pub(super) fn repeated(case: &[Fault], seen: &[Seen]) -> Vec<String> {
    // That something is sent away is told in words of its own, and to somebody else anew.
    let step = |news: &Degradation| {
        if news.what.contains(" is down; using ") { news.what.clone() } else { news.now.clone() }
    };
    let mut told: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
    for Seen { event, .. } in seen {
        match event {
            Event::Degraded(news) => told.entry(&news.chain).or_default().push(Some(step(news))),
            Event::Recovered { chain, .. } => told.entry(chain).or_default().push(None),
            _ => {}
        }
    }
    let mut wrong = Vec::new();
    for (chain, steps) in told {
        let is_settled = is_settled(case, chain);
        // It is there for a moment each time, in which it may serve.
        let comes_and_goes = is_settled && case.iter().any(|fault| fault.manner == Manner::KillAgain);
        // What hangs is replaced, step by step: one that was below it may have had to serve meanwhile.
        let is_replaced = case.iter().any(|fault| {
            fault.chain() == Some(chain)
                && fault.manner == Manner::Freeze
                && matches!(fault.part, Part::Espeak | Part::Worker)
        });
        for (number, step) in steps.iter().enumerate() {
            let before = if is_settled { &steps[..number] } else { &steps[number.saturating_sub(1)..number] };
            let times = before.iter().filter(|it| *it == step).count();
            let is_going_up = is_replaced && step.is_some() && !steps[..number].contains(&None);
            if steps[..number].last() == Some(step) || times > usize::from(comes_and_goes || is_going_up) {
                let what = step.as_ref().map_or("its end".into(), |now| format!("that it is {now} now"));
                wrong.push(format!("of {chain}, {what} was told again: {steps:?}"));
                break;
            }
        }
        let dies_once = |fault: &Fault| fault.manner == Manner::Kill && fault.chain() == Some(chain);
        let down = steps.iter().flatten().count();
        if matches!(case, [fault] if dies_once(fault)) && down > DOWN {
            wrong.push(format!("{chain} went down {down} times: {steps:?}"));
        }
    }
    wrong
}

/// Whether only one thing is wrong with a chain, all the time.
fn is_settled(case: &[Fault], chain: &str) -> bool {
    let mut of_it = case.iter().filter(|fault| fault.chain() == Some(chain));
    let one = of_it.next().is_some_and(|fault| fault.must_tell().is_some());
    one && of_it.next().is_none() && (case.len() == 1 || !case.iter().any(|fault| reaches_all(*fault)))
}

/// Whether it is felt on every chain.
fn reaches_all(fault: Fault) -> bool {
    matches!(fault.part, Part::Daemon | Part::Disk)
}

mod tests {
    use voice_terminal::domain::{Reply, Tone, UtteranceId};

    use super::*;

    fn at(begin: Instant, seconds: u64, event: Event) -> Seen {
        Seen { at: begin + Duration::from_secs(seconds), event }
    }

    fn degraded(now: &str) -> Event {
        let (chain, now) = ("voice-tts".into(), now.into());
        Event::Degraded(Degradation { chain, now, what: String::new(), remedy: String::new() })
    }

    fn recovered() -> Event {
        Event::Recovered { chain: "voice-tts".into(), what: String::new() }
    }

    fn answered(text: &str) -> Event {
        let reply = Reply { tone: Tone::Answer, text: text.into(), speech: text.into() };
        Event::Replied { id: UtteranceId::generate(), reply }
    }

    #[test]
    fn an_answer_that_is_cut_off_needs_no_voice() {
        let begin = Instant::now();
        let fault: Fault = "espeak:freeze".parse().unwrap();
        let first = |seen: &[Seen]| {
            needed(fault, begin, seen, (None, None)).map(|it| it.duration_since(begin).as_secs())
        };
        let answer = || answered("`echo number 7` in red: done in 1 s");
        let cut = vec![at(begin, 1, answer()), at(begin, 2, answered("Done.")), at(begin, 3, answer())];
        assert_eq!(first(&cut), Some(3));
        // It was told before.
        let told = [&cut[..1], &[at(begin, 2, degraded("x"))], &cut[1..]].concat();
        assert_eq!(first(&told), Some(1));
        assert_eq!(first(&[at(begin, 1, answered("Done."))]), None, "that is kept");
    }

    #[test]
    fn what_is_told_twice_is_seen() {
        let begin = Instant::now();
        let wrong = |case: &str, steps: &[Event]| {
            let seen: Vec<Seen> = steps.iter().map(|event| at(begin, 0, event.clone())).collect();
            repeated(&parsed(case), &seen).len()
        };
        let again = [degraded("x"), recovered(), degraded("x"), recovered()];
        let down = [degraded("x"), degraded("y"), recovered()];
        for case in ["espeak:freeze", "espeak:freeze+redis:kill"] {
            assert_eq!((wrong(case, &down), wrong(case, &again)), (0, 1), "{case}");
        }
        let back = [degraded("x"), degraded("y"), degraded("x"), recovered()];
        assert_eq!((wrong("espeak:kill-again", &back), wrong("espeak:freeze", &back)), (0, 0));
        assert_eq!(wrong("espeak:freeze", &[&back[..], &back[2..]].concat()), 1);
        assert_eq!(wrong("espeak:kill-again", &[&back[..3], &back[1..]].concat()), 1);
        let both = "espeak:kill-again+cloud-voice:reset";
        assert_eq!((wrong(both, &down), wrong(both, &again)), (0, 0));
        assert_eq!(wrong(both, &[degraded("x"), degraded("x"), recovered()]), 1);
        assert_eq!(wrong("espeak:freeze+daemon:slow", &again), 0);
    }

    fn parsed(case: &str) -> Vec<Fault> {
        case.split('+').map(|fault| fault.parse().unwrap()).collect()
    }

    #[test]
    fn what_dies_once_goes_down_twice_at_most() {
        let begin = Instant::now();
        let wrong = |case: &str, times: usize| {
            let steps = [degraded("x"), recovered()];
            let seen: Vec<Seen> =
                steps.iter().cycle().take(2 * times).map(|event| at(begin, 0, event.clone())).collect();
            repeated(&parsed(case), &seen).len()
        };
        assert_eq!((wrong("espeak:kill", 2), wrong("espeak:kill", 3)), (0, 1));
        assert_eq!(wrong("espeak:slow", 3), 0);
        assert_eq!(wrong("recogniser:kill", 3), 0, "another chain");
    }

    #[test]
    fn what_is_sent_to_somebody_else_is_told_anew() {
        let told = |what: &str| {
            let Event::Degraded(news) = degraded("cloud-google-tts") else { unreachable!() };
            at(Instant::now(), 0, Event::Degraded(Degradation { what: what.into(), ..news }))
        };
        let (one, other) = ("Espeak is down; using one", "Espeak is down; using another");
        let wrong = |steps: &[&str]| {
            let seen: Vec<Seen> = steps.iter().map(|what| told(what)).collect();
            repeated(&parsed("espeak:kill-again+cloud-voice:reset"), &seen).len()
        };
        assert_eq!((wrong(&[one, other]), wrong(&[one, one])), (0, 1));
    }

    #[test]
    fn in_pairs_it_must_be_told_what_was_needed_and_nobody_hides() {
        let begin = Instant::now();
        let spoken =
            || Event::Heard { id: UtteranceId::generate(), origin: Origin::Microphone, speech: None };
        let seen = [at(begin, 1, spoken()), at(begin, 4, spoken())];
        let until = |case: &str, seen: &[Seen]| {
            let case = parsed(case);
            deadline(&case, case[0], begin, seen).map(|it| it.duration_since(begin).as_secs())
        };
        // From the first that surely felt it: three seconds, the limit of the other, and eleven.
        assert_eq!(until("recogniser:kill-again+primary:kill", &seen), Some(4 + 3 + 2 + 11));
        assert_eq!(until("recogniser:kill-again+cloud-hearing:kill", &seen), Some(4 + 3 + 11));
        assert_eq!(until("recogniser:kill-again+primary:kill", &seen[..1]), None, "not needed");
        for hidden in
            ["recogniser:kill+ai:kill", "recogniser:freeze+cloud-hearing:kill", "espeak:freeze+ai:kill"]
        {
            assert_eq!(until(hidden, &seen), None, "{hidden}");
        }
        assert_eq!(until("recogniser:kill-again+daemon:slow", &seen), None);
        let asked =
            [at(begin, 1, answered("I don't know that. (The AI could not be asked; only the rules tried.)"))];
        assert_eq!(until("ai:freeze+redis:kill", &asked), Some(1 + 3 + 11));
        assert_eq!(until("ai:freeze+redis:kill", &seen), None);
    }

    #[test]
    fn who_can_not_be_understood_is_told_to_type() {
        let begin = Instant::now();
        assert!(is_deaf(&parsed("recogniser:freeze+cloud-hearing:reset")));
        assert!(!is_deaf(&parsed("recogniser:freeze+cloud-hearing:slow")));
        assert!(!is_deaf(&parsed("recogniser:kill-again")));
        let text = at(begin, 3, Event::ModeChanged { mode: Mode::Text });
        let words = "I heard you, but could not turn it into words: it is down.";
        let unheard = at(begin, 3, answered(words));
        let wrong = |seen: &[Seen]| is_still_voice(seen, begin, begin + Duration::from_secs(9));
        assert!(wrong(std::slice::from_ref(&unheard)));
        assert!(!wrong(&[text, unheard]));
        assert!(!wrong(&[]), "nobody spoke");
        assert!(!wrong(&[at(begin, 1, answered(words))]), "it began before");
    }
}

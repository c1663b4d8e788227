//! What was told of what is degraded: in time, and once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use voice_terminal::domain::{Event, Origin};

use super::daemon::Seen;
use super::fault::{Fault, Part};

/// A machine that has much else to do is so late, and no later.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

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

/// What was told more often than once, in words. Where one fault alone hurts a chain, each step down and its end come once.
/// Where several do, it may go down and up as they do; the same step is not told twice in a row all the same.
pub(super) fn repeated(case: &[Fault], seen: &[Seen]) -> Vec<String> {
    let mut told: BTreeMap<&str, Vec<Option<&str>>> = BTreeMap::new();
    for Seen { event, .. } in seen {
        match event {
            Event::Degraded(news) => told.entry(&news.chain).or_default().push(Some(&news.now)),
            Event::Recovered { chain, .. } => told.entry(chain).or_default().push(None),
            _ => {}
        }
    }
    let mut wrong = Vec::new();
    for (chain, steps) in told {
        let is_settled = is_settled(case, chain);
        for (number, step) in steps.iter().enumerate() {
            let before = if is_settled { &steps[..number] } else { &steps[number.saturating_sub(1)..number] };
            if before.contains(step) {
                let what = step.map_or("its end".to_owned(), |now| format!("that it is {now} now"));
                wrong.push(format!("of {chain}, {what} was told again: {steps:?}"));
                break;
            }
        }
    }
    wrong
}

/// Whether only one thing is wrong with a chain, all the time.
fn is_settled(case: &[Fault], chain: &str) -> bool {
    let mut of_it = case.iter().filter(|fault| fault.chain() == Some(chain));
    let one = of_it.next().is_some_and(|fault| fault.must_tell().is_some());
    // These reach every chain.
    let reaches_all = |fault: &Fault| matches!(fault.part, Part::Daemon | Part::Disk);
    one && of_it.next().is_none() && (case.len() == 1 || !case.iter().any(reaches_all))
}

mod tests {
    use voice_terminal::domain::{Degradation, Reply, Tone, UtteranceId};

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

    fn replied(text: &str) -> Event {
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
        let answer = || replied("`echo number 7` in red: done in 1 s");
        let cut = vec![at(begin, 1, answer()), at(begin, 2, replied("Done.")), at(begin, 3, answer())];
        assert_eq!(first(&cut), Some(3));
        // It was told before.
        let told = [&cut[..1], &[at(begin, 2, degraded("x"))], &cut[1..]].concat();
        assert_eq!(first(&told), Some(1));
        assert_eq!(first(&[at(begin, 1, replied("Done."))]), None, "that is kept");
    }

    #[test]
    fn what_is_told_twice_is_seen() {
        let begin = Instant::now();
        let wrong = |case: &str, steps: &[Event]| {
            let case: Vec<Fault> = case.split('+').map(|fault| fault.parse().unwrap()).collect();
            let seen: Vec<Seen> = steps.iter().map(|event| at(begin, 0, event.clone())).collect();
            repeated(&case, &seen).len()
        };
        let again = [degraded("x"), recovered(), degraded("x"), recovered()];
        let down = [degraded("x"), degraded("y"), recovered()];
        for case in ["espeak:freeze", "espeak:freeze+redis:kill"] {
            assert_eq!((wrong(case, &down), wrong(case, &again)), (0, 1), "{case}");
        }
        let both = "espeak:kill-again+cloud-voice:reset";
        assert_eq!((wrong(both, &down), wrong(both, &again)), (0, 0));
        assert_eq!(wrong(both, &[degraded("x"), degraded("x"), recovered()]), 1);
        assert_eq!(wrong("espeak:freeze+daemon:slow", &again), 0);
    }
}

//! Telling our own voice from a person's.
//!
//! Where a loudspeaker and a microphone share a room, what is spoken comes back. The ear is deaf while
//! something plays, but sound systems are late by more than one can know; so what is heard around the
//! time of an answer, and says what the answer said, is taken for its echo. So is a single word that
//! means nothing: it is what cancelling leaves of an echo, and Whisper may be sure of it. One that means
//! something never is: "Say confirm, or cancel" must not swallow the "confirm" that follows.

use std::time::{Duration, Instant};

/// How late an echo may come.
const LATE: Duration = Duration::from_secs(3);
/// How long a text is remembered after its end: speech that is longer has begun after it.
const KEPT: Duration = Duration::from_secs(60);
/// The share of an utterance's words that must stand in the answer, in order. Whisper mishears some ...
const SHARE: f64 = 0.7;
/// The same where it means nothing: then little is lost.
const SHARE_OF_NOTHING: f64 = 0.5;
/// ... and others in part: so alike are "cart" and "cargo".
const ALIKE: f64 = 0.6;

/// What was spoken last, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Echo(Vec<Text>);

#[derive(Debug)]
struct Text {
    words: Vec<String>,
    /// When it ended; `None` while it is being spoken.
    ended: Option<Instant>,
}

impl Echo {
    /// A text is being spoken.
    pub(super) fn begin(&mut self, text: &str, now: Instant) {
        self.0.retain(|text| text.may_return(now.checked_sub(KEPT).unwrap_or(now)));
        self.0.push(Text { words: words(text), ended: None });
    }

    /// It has ended, or was cut off.
    pub(super) fn end(&mut self, now: Instant) {
        for text in &mut self.0 {
            text.ended.get_or_insert(now);
        }
    }

    /// What may have come back in speech that began at this moment and has ended; `None` if nothing can.
    pub(super) fn around(&self, began: Instant) -> Option<OwnVoice> {
        let around = self.0.iter().filter(|text| text.may_return(began));
        let words: Vec<String> = around.flat_map(|text| text.words.iter().cloned()).collect();
        (!words.is_empty()).then_some(OwnVoice(words))
    }
}

impl Text {
    /// Whether speech that began at this moment could be an echo of it.
    fn may_return(&self, began: Instant) -> bool {
        self.ended.is_none_or(|ended| began < ended + LATE)
    }
}

/// The words that were spoken around the time of an utterance.
#[derive(Debug)]
pub(super) struct OwnVoice(Vec<String>);

impl OwnVoice {
    /// Whether what was heard says what was spoken.
    pub(super) fn returns_in(&self, heard: &str, means_something: bool) -> bool {
        let heard = words(heard);
        let share = if means_something { SHARE } else { SHARE_OF_NOTHING };
        match heard.len() {
            0 => false,
            1 => !means_something,
            many => in_order(&heard, &self.0) as f64 >= share * many as f64,
        }
    }
}

/// Lower-case words, numbers as digits or not: those stay unequal, and count as misheard.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// How many words of one are found in the other in the same order: the longest common subsequence.
fn in_order(one: &[String], other: &[String]) -> usize {
    let mut row = vec![0; other.len() + 1];
    for word in one {
        let mut diagonal = 0;
        for (at, candidate) in other.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if is_alike(word, candidate) { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row[other.len()]
}

fn is_alike(one: &str, other: &str) -> bool {
    one == other || strsim::normalized_levenshtein(one, other) >= ALIKE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_known_by_its_words_and_its_time() {
        let now = Instant::now();
        let after = |seconds: u64| now + Duration::from_secs(seconds);
        let mut echo = Echo::default();
        let is = |echo: &Echo, heard: &str, began: Instant| {
            echo.around(began).is_some_and(|spoken| spoken.returns_in(heard, true))
        };
        assert!(!is(&echo, "new session build", now));
        echo.begin("New session build. There was a session of that name already.", now);
        assert!(is(&echo, "New Session Build", now));
        assert!(is(&echo, "There was a section of that name already.", now), "one word misheard");
        assert!(is(&echo, "New section bild", now), "all misheard in part");
        assert!(!is(&echo, "split right", now) && !is(&echo, "no session right", now));
        assert!(!is(&echo, "right", now), "a word of which nothing was said");
        echo.end(now);
        assert!(is(&echo, "new session build", after(2)));
        assert!(!is(&echo, "new session build", after(4)));
        echo.begin("Split right.", after(1));
        let at = after(2);
        assert!(
            is(&echo, "new session build", at) && is(&echo, "split right", at),
            "the one before may still come"
        );
        echo.end(after(2));
        echo.begin("Zoomed in.", after(9));
        assert!(!is(&echo, "split right", after(9)));
    }

    #[test]
    fn what_is_spoken_later_makes_nothing_of_before_an_echo() {
        let now = Instant::now();
        let after = |seconds: u64| now + Duration::from_secs(seconds);
        let mut echo = Echo::default();
        echo.begin("You can say: list sessions, split right, or help.", now);
        echo.end(after(2));
        // One on the heels of the other.
        for second in 2..60 {
            echo.begin("I can be heard again.", after(second));
            echo.end(after(second + 1));
        }
        let (last, first) = (echo.around(after(58)).unwrap(), echo.around(after(3)).unwrap());
        assert!(!last.returns_in("list sessions", true));
        assert!(last.returns_in("I can be heard", true));
        assert!(first.returns_in("list sessions", true), "it was said until then");
    }

    #[test]
    fn an_answer_to_a_question_is_no_echo() {
        let now = Instant::now();
        let mut echo = Echo::default();
        echo.begin("Shall I kill session build? Say confirm, or cancel.", now);
        let spoken = echo.around(now).unwrap();
        assert!(!spoken.returns_in("Confirm", true));
        assert!(!spoken.returns_in("Yes, do it.", true));
        assert!(spoken.returns_in("Play session build now", false));
        assert!(!spoken.returns_in("Play session build now", true));
        echo.begin("You can say: split right, run cargo test, or cancel.", now);
        let spoken = echo.around(now).unwrap();
        assert!(spoken.returns_in("Run cart.", true));
        assert!(!spoken.returns_in("Split left", true) && !spoken.returns_in("Run make", true));
        assert!(spoken.returns_in("Kills.", false) && spoken.returns_in("Hills.", false), "it means nothing");
    }
}

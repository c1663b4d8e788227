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
/// The share of an utterance's words that must stand in the answer, in order. Whisper mishears some ...
const SHARE: f64 = 0.7;
/// The same where it means nothing: then little is lost.
const SHARE_OF_NOTHING: f64 = 0.5;
/// ... and others in part: so alike are "cart" and "cargo".
const ALIKE: f64 = 0.6;

/// What was spoken last.
#[derive(Debug, Default)]
pub(super) struct Echo {
    words: Vec<String>,
    /// When it ended; `None` while it is being spoken.
    ended: Option<Instant>,
}

impl Echo {
    /// A text is being spoken.
    pub(super) fn begin(&mut self, text: &str, now: Instant) {
        // What has just ended may come back as well.
        if self.ended.is_some_and(|ended| now > ended + LATE) {
            self.words.clear();
        }
        self.words.extend(words(text));
        self.ended = None;
    }

    /// It has ended, or was cut off.
    pub(super) fn end(&mut self, now: Instant) {
        self.ended.get_or_insert(now);
    }

    /// Whether speech that began at this moment could be an echo.
    pub(super) fn may_return(&self, began: Instant) -> bool {
        !self.words.is_empty() && self.ended.is_none_or(|ended| began < ended + LATE)
    }

    /// Whether what was heard says what was spoken.
    pub(super) fn is(&self, heard: &str, means_something: bool) -> bool {
        let heard = words(heard);
        let share = if means_something { SHARE } else { SHARE_OF_NOTHING };
        match heard.len() {
            0 => false,
            1 => !means_something,
            many => in_order(&heard, &self.words) as f64 >= share * many as f64,
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
        let mut echo = Echo::default();
        let is = |echo: &Echo, heard: &str| echo.is(heard, true);
        assert!(!echo.may_return(now));
        echo.begin("New session build. There was a session of that name already.", now);
        assert!(echo.may_return(now));
        assert!(is(&echo, "New Session Build"));
        assert!(is(&echo, "There was a section of that name already."), "one word misheard");
        assert!(is(&echo, "New section bild"), "all misheard in part");
        assert!(!is(&echo, "split right") && !is(&echo, "no session right"));
        assert!(!is(&echo, "right"), "a word of which nothing was said");
        echo.end(now);
        assert!(echo.may_return(now + Duration::from_secs(2)));
        assert!(!echo.may_return(now + Duration::from_secs(4)));
        echo.begin("Split right.", now + Duration::from_secs(1));
        assert!(is(&echo, "new session build") && is(&echo, "split right"), "the one before may still come");
        echo.end(now + Duration::from_secs(2));
        echo.begin("Zoomed in.", now + Duration::from_secs(9));
        assert!(!is(&echo, "split right"));
    }

    #[test]
    fn an_answer_to_a_question_is_no_echo() {
        let mut echo = Echo::default();
        echo.begin("Shall I kill session build? Say confirm, or cancel.", Instant::now());
        assert!(!echo.is("Confirm", true));
        assert!(!echo.is("Yes, do it.", true));
        assert!(echo.is("Play session build now", false) && !echo.is("Play session build now", true));
        echo.begin("You can say: split right, run cargo test, or cancel.", Instant::now());
        assert!(echo.is("Run cart.", true) && !echo.is("Split left", true) && !echo.is("Run make", true));
        assert!(echo.is("Kills.", false) && echo.is("Hills.", false), "it means nothing");
    }
}

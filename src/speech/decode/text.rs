//! What Whisper writes, as words: without stage directions, and looked through for loops.

use std::collections::HashMap;

/// The words without stage directions such as `[BLANK_AUDIO]` and `(music)`.
pub(super) fn clean(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(['[', '(']) {
        let close = if rest[start..].starts_with('[') { ']' } else { ')' };
        // One that is never closed is no direction.
        let Some(length) = rest[start..].find(close) else { break };
        words += &rest[..start];
        rest = &rest[start + length + 1..];
    }
    words += rest;
    words.retain(|character| !matches!(character, '♪' | '♫'));
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Lower-case words without punctuation.
pub(super) fn bare(text: &str) -> String {
    let keep = |character: &char| character.is_alphanumeric() || matches!(character, ' ' | '\'');
    let bare: String = text.to_lowercase().replace('-', " ").chars().filter(keep).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the same run of words comes again and again, as when Whisper loops.
pub(super) fn repeats(text: &str) -> bool {
    let words = bare(text);
    let words: Vec<&str> = words.split(' ').collect();
    let in_a_row = |length: usize, times: usize| {
        words.len() >= length * times
            && words
                .windows(length * times)
                .any(|window| window.chunks(length).all(|run| run == &window[..length]))
    };
    // People say "no no no", and spell "seven seven seven seven".
    if in_a_row(1, 6) || in_a_row(2, 4) || (3..=10).any(|length| in_a_row(length, 3)) {
        return true;
    }
    // A loop that varies a little: most words belong to the same few runs of three.
    let mut runs: HashMap<&[&str], usize> = HashMap::new();
    for run in words.windows(3) {
        *runs.entry(run).or_default() += 1;
    }
    words.len() >= 15 && runs.values().any(|times| times * 3 * 2 > words.len())
}

/// Whether all of it is there twice: a loop of one round, which short clips get from a reduced context,
/// or somebody who says so.
pub(super) fn doubled(text: &str) -> bool {
    let words = bare(text);
    let words: Vec<&str> = words.split_whitespace().collect();
    let (first, second) = words.split_at(words.len() / 2);
    !first.is_empty() && first == second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_noticed_and_speech_is_not() {
        assert!(repeats("10 of clubs, 10 of clubs, 10 of clubs"));
        assert!(repeats("go go go go go go"));
        assert!(!repeats("no no no"));
        assert!(!repeats("four of clubs, ace of spades, two of hearts, ten of clubs"));
        assert!(!repeats("number seven seven seven seven"));
        assert!(!repeats(""));
    }

    #[test]
    fn what_is_there_twice_is_noticed() {
        assert!(doubled("Status Status"));
        assert!(doubled("Yes. Yes."));
        assert!(doubled("Go back. Go back."));
        assert!(!doubled("no no no"));
        assert!(!doubled("yes"));
        assert!(!doubled(""));
    }

    #[test]
    fn stage_directions_are_dropped() {
        assert_eq!(clean(" [BLANK_AUDIO]"), "");
        assert_eq!(clean("♪ (upbeat music) Split right."), "Split right.");
        assert_eq!(clean(" List   sessions. "), "List sessions.");
        assert_eq!(clean("(coughs) open [inaudible] the (door"), "open the (door");
    }
}

//! Text as words for the ear: without drawings, and without secrets.

use crate::redact::redacted;

/// Nobody listens to more of one sentence.
const LONGEST: usize = 200;

/// The text on one line, without boxes, bars, rules and pictures, without what looks like a secret, cut where
/// it becomes long.
pub(super) fn sayable(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in redacted(text).split_whitespace() {
        let word: String = word.chars().filter(|character| !is_drawing(*character)).collect();
        // A rule across the page.
        let is_rule = word.len() >= 2 && word.chars().all(|c| c.is_ascii_punctuation()) && is_one(&word);
        if !word.is_empty() && !is_rule {
            words.push(word);
        }
    }
    let mut said = String::new();
    for word in words {
        if said.len() + word.len() > LONGEST {
            let room = LONGEST.saturating_sub(said.len());
            if said.is_empty() {
                said.extend(word.chars().take(room));
            }
            said.push('…');
            break;
        }
        if !said.is_empty() {
            said.push(' ');
        }
        said.push_str(&word);
    }
    said
}

fn is_one(word: &str) -> bool {
    let first = word.chars().next();
    word.chars().all(|character| Some(character) == first)
}

/// What is there for the eye: lines and blocks, dots, arrows, ticks, pictures, private signs.
fn is_drawing(character: char) -> bool {
    matches!(character,
        '\u{2190}'..='\u{23ff}' | '\u{2500}'..='\u{2bff}' | '\u{e000}'..='\u{f8ff}'
        | '\u{1f000}'..='\u{1faff}' | '\u{fffd}' | '\u{2022}' | '\u{2027}' | '\u{b7}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_and_rules_are_not_said() {
        assert_eq!(sayable("┌──── box ────┐  ✔ done  ====="), "box done");
        assert_eq!(sayable("━━━━━━ 42 %  ⠋ loading 🎉"), "42 % loading");
        assert_eq!(sayable("a -- b && c -v"), "a b c -v");
    }

    #[test]
    fn secrets_are_not_said_and_long_words_are_cut() {
        assert_eq!(sayable("export API_TOKEN=abc123"), "export API_TOKEN=[redacted]");
        assert!(sayable(&"x".repeat(10_000)).len() < 250);
        assert!(sayable(&"word ".repeat(10_000)).len() < 250);
    }
}

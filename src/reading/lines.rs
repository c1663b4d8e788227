//! Text as lines that show what a person would see.

use crate::domain::is_invisible;

/// Of a text, so many bytes are looked at: its newest.
const MOST: usize = 512 * 1024;
/// Of a text, so many lines are looked at: its newest.
const MOST_LINES: usize = 20_000;
/// Of a line, so many characters are looked at: its first.
const LONGEST: usize = 400;
/// So many lines that are nearly the same, one after the other, are shown as one.
const ALIKE: usize = 4;

/// The lines of a text, without empty ones at its end. The terminal has taken escapes out; should anything be
/// left that doesn't show, it goes here.
pub(super) fn lines(text: &str) -> Vec<String> {
    let mut from = text.len().saturating_sub(MOST);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let text = &text[from..];
    let mut lines: Vec<String> = text.split('\n').rev().take(MOST_LINES).map(shown).collect();
    lines.reverse();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// One line as it shows: what was overwritten is gone, and it isn't endless.
pub(super) fn shown(line: &str) -> String {
    let line = line.trim_end_matches(['\r', '\n']);
    let line = line.rsplit('\r').find(|state| !state.trim().is_empty()).unwrap_or(line);
    let is_seen =
        |character: &char| *character == '\t' || !(character.is_control() || is_invisible(*character));
    let mut shown: String = line.chars().filter(is_seen).take(LONGEST + 1).collect();
    if let Some((end, _)) = shown.char_indices().nth(LONGEST) {
        shown.truncate(end);
        shown.push('…');
    }
    shown.truncate(shown.trim_end().len());
    shown
}

/// Without repetition: of lines in a row that are nearly the same, the last, and how many there were.
pub(super) fn collapsed(lines: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    let mut from = 0;
    while from < lines.len() {
        let mask = mask(&lines[from]);
        let mut until = from + 1;
        while until < lines.len() && self::mask(&lines[until]) == mask {
            until += 1;
        }
        let run = &lines[from..until];
        if run.len() < ALIKE || mask.is_empty() {
            // Of empty lines, one.
            let shown = if mask.is_empty() { 1 } else { run.len() };
            out.extend(run[..shown].iter().cloned());
        } else {
            out.push(format!("{}  (and {} more like it)", run[run.len() - 1], run.len() - 1));
        }
        from = until;
    }
    out
}

/// What is the same in lines that are nearly the same: all but numbers, and how far a bar has come.
fn mask(line: &str) -> String {
    let mut mask = String::with_capacity(line.len());
    for character in line.trim().chars() {
        let character = match character {
            '0'..='9' => '0',
            '#'
            | '='
            | '>'
            | '-'
            | '.'
            | '*'
            | ' '
            | '\t'
            | '|'
            | '/'
            | '\\'
            | '\u{2500}'..='\u{259f}'
            | '\u{2800}'..='\u{28ff}' => ' ',
            other => other,
        };
        if !(mask.ends_with(character) && matches!(character, '0' | ' ')) {
            mask.push(character);
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_a_progress_bar_its_last_state_is_left() {
        assert_eq!(lines("10%\r50%\r100%\r\ndone\n\n"), ["100%", "done"]);
        let bar: String = (0..50)
            .flat_map(|n| ["[".into(), "=".repeat(n), " ".repeat(50 - n), format!("] {n}/50\n")])
            .collect();
        let bar = collapsed(&lines(&bar));
        assert_eq!(bar.len(), 1, "{bar:?}");
        assert!(bar[0].ends_with("49/50  (and 49 more like it)"), "{bar:?}");
    }

    #[test]
    fn repetition_is_counted_and_what_differs_is_kept() {
        let text = "retry in 1 s\nretry in 2 s\nretry in 4 s\nretry in 8 s\nok\na\nb\nc\nd\n";
        assert_eq!(collapsed(&lines(text)), ["retry in 8 s  (and 3 more like it)", "ok", "a", "b", "c", "d"]);
        assert_eq!(collapsed(&lines("one\n\n\n\ntwo")), ["one", "", "two"]);
    }

    #[test]
    fn much_is_looked_at_by_its_newest_part() {
        let text = "x".repeat(10 << 20);
        let long = lines(&text);
        assert_eq!((long.len(), long[0].chars().count()), (1, LONGEST + 1));
        let many = lines(&"line\n".repeat(1_000_000));
        assert_eq!(many.len(), MOST_LINES - 1);
    }

    proptest! {
        #[test]
        fn nothing_that_does_not_show_is_left(text in any::<String>(), noise in "[\u{202e}\u{200b}\u{1b}\\[\r\n\ta\u{9b}]{0,40}") {
            for line in lines(&format!("{text}{noise}")) {
                prop_assert!(line.chars().all(|c| c == '\t' || !(c.is_control() || is_invisible(c))), "{:?}", line);
                prop_assert!(line.chars().count() <= LONGEST + 1);
            }
        }
    }
}

//! Text as it is read aloud: paths, flags, names of variables, units and symbols in words.
//!
//! A voice reads "src/main.rs --all" as it would read a novel, and swallows half of it. Here every word
//! that is no plain word is written out, so that it is understood by ear; punctuation stays, since it
//! makes the melody. The user's lexicon goes first.

use std::collections::BTreeMap;

/// Reads text out.
#[derive(Debug, Clone)]
pub(super) struct Pronouncer {
    /// Lower-case words, and how to say them.
    lexicon: BTreeMap<String, String>,
}

/// Words that voices get wrong, as a developer says them.
const LEXICON: [(&str, &str); 29] = [
    ("src", "source"),
    ("tmux", "tee mux"),
    ("sudo", "soo doo"),
    ("mkdir", "make dir"),
    ("rmdir", "remove dir"),
    ("chmod", "ch mod"),
    ("chown", "ch own"),
    ("kubectl", "cube control"),
    ("nginx", "engine x"),
    ("sqlite", "S Q lite"),
    ("postgresql", "post gres Q L"),
    ("redis", "red iss"),
    ("stdin", "standard in"),
    ("stdout", "standard out"),
    ("stderr", "standard error"),
    ("stty", "S T T Y"),
    ("ls", "L S"),
    ("cd", "C D"),
    ("rm", "R M"),
    ("mv", "M V"),
    ("cp", "C P"),
    ("ssh", "S S H"),
    ("json", "jason"),
    ("toml", "tom L"),
    ("yaml", "yam L"),
    ("async", "a sink"),
    ("config", "con fig"),
    ("vim", "vim"),
    ("regex", "redge ex"),
];

const UNITS: [(&str, &str); 20] = [
    ("ns", "nanosecond"),
    ("µs", "microsecond"),
    ("us", "microsecond"),
    ("ms", "millisecond"),
    ("s", "second"),
    ("min", "minute"),
    ("h", "hour"),
    ("b", "byte"),
    ("kb", "kilobyte"),
    ("kib", "kibibyte"),
    ("mb", "megabyte"),
    ("mib", "mebibyte"),
    ("gb", "gigabyte"),
    ("gib", "gibibyte"),
    ("tb", "terabyte"),
    ("k", "thousand"),
    ("hz", "hertz"),
    ("khz", "kilohertz"),
    ("%", "percent"),
    ("x", "times"),
];
/// Units that have no plural.
const INVARIABLE: [&str; 5] = ["thousand", "hertz", "kilohertz", "percent", "times"];

fn symbol(character: char) -> Option<&'static str> {
    Some(match character {
        '/' => "slash",
        '\\' => "backslash",
        '|' => "pipe",
        '&' => "and",
        '=' => "equals",
        '+' => "plus",
        '*' => "star",
        '#' => "hash",
        '$' => "dollar",
        '@' => "at",
        '~' => "tilde",
        '^' => "caret",
        '%' => "percent",
        '<' => "less than",
        '>' => "greater than",
        '→' => "to",
        '≤' => "at most",
        '≥' => "at least",
        _ => return None,
    })
}

impl Pronouncer {
    /// With words of the user's own, which win.
    pub(super) fn new(own: &BTreeMap<String, String>) -> Self {
        let mut lexicon: BTreeMap<String, String> =
            LEXICON.iter().map(|(word, said)| ((*word).to_owned(), (*said).to_owned())).collect();
        lexicon.extend(own.iter().map(|(word, said)| (word.to_lowercase(), said.clone())));
        Self { lexicon }
    }

    /// A clause as it is said: words and punctuation only.
    pub(super) fn say(&self, clause: &str) -> String {
        let mut said = String::new();
        let mut number = None;
        for word in clause.split_whitespace() {
            let core =
                word.trim_matches(['"', '\'', '`', '(', ')', '[', ']', '{', '}', '“', '”', '‘', '’', '…']);
            let bare = core.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '`', '"', '\'']);
            let tail: String = core[bare.len()..]
                .chars()
                .filter(|c| matches!(c, '.' | ',' | ';' | ':' | '!' | '?'))
                .collect();
            // "12 ms" is a measure as "12ms" is.
            let words = number.and_then(|number| unit(bare, number)).unwrap_or_else(|| self.word(bare));
            number = bare.replace(',', "").parse::<f64>().ok();
            if !words.is_empty() {
                if !said.is_empty() {
                    said.push(' ');
                }
                said += &words;
            }
            said += &tail;
        }
        said
    }

    fn word(&self, word: &str) -> String {
        if let Some(said) = self.lexicon.get(&word.to_lowercase()) {
            return said.clone();
        }
        if let Some(said) = measure(word) {
            return said;
        }
        if let Some(flag) = word.strip_prefix("--").filter(|flag| flag.starts_with(char::is_alphanumeric)) {
            return format!("dash dash {}", self.compound(flag));
        }
        if let Some(flag) = word.strip_prefix('-').filter(|flag| flag.starts_with(char::is_alphanumeric)) {
            // Short flags are letters, one by one.
            let letters = flag.len() <= 3 && flag.chars().all(char::is_alphabetic);
            return format!("dash {}", if letters { spelled(flag) } else { self.compound(flag) });
        }
        if is_hash(word) {
            // Nobody listens to forty digits.
            return spelled(&word[..7.min(word.len())]);
        }
        self.compound(word)
    }

    /// A word of several parts: a path, a file, a name in snake, kebab or camel case.
    fn compound(&self, word: &str) -> String {
        let mut said: Vec<String> = Vec::new();
        let mut part = String::new();
        let characters: Vec<char> = word.chars().collect();
        for (at, &character) in characters.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| characters[before]);
            let after = characters.get(at + 1);
            let hump = character.is_uppercase() && before.is_some_and(char::is_lowercase);
            if hump {
                self.close(&mut part, &mut said);
            }
            match character {
                // A decimal point, or an apostrophe within a word.
                '.' if before.is_some_and(|c| c.is_ascii_digit())
                    && after.is_some_and(char::is_ascii_digit) =>
                {
                    part.push('.');
                }
                '\'' | '’' => part.push('\''),
                '.' if after.is_some() => {
                    self.close(&mut part, &mut said);
                    said.push("dot".into());
                }
                ':' if before.is_some_and(|c| c.is_ascii_digit()) => self.close(&mut part, &mut said),
                _ if character.is_alphanumeric() => part.push(character),
                _ => {
                    self.close(&mut part, &mut said);
                    said.extend(symbol(character).map(str::to_owned));
                }
            }
        }
        self.close(&mut part, &mut said);
        said.join(" ")
    }

    fn close(&self, part: &mut String, said: &mut Vec<String>) {
        let part = std::mem::take(part);
        if part.is_empty() {
            return;
        }
        let after_dot = said.last().is_some_and(|word| word == "dot");
        let vowels =
            part.chars().any(|c| matches!(c.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u' | 'y'));
        let letters = part.chars().all(|c| c.is_ascii_alphabetic());
        let word = match self.lexicon.get(&part.to_lowercase()) {
            Some(said) => said.clone(),
            // The ending of a file, or what can't be said as a word: "rs", "cfg".
            None if letters && part.len() <= 4 && (!vowels || after_dot && part.len() <= 2) => spelled(&part),
            // 1.2.3 is no number.
            None if part.matches('.').count() > 1 => part.replace('.', " point "),
            None => part,
        };
        said.push(word);
    }
}

/// A number with a unit: "12ms", "3.5 %".
fn measure(word: &str) -> Option<String> {
    let digits = word.trim_start_matches(['+', '-', '≤', '≥', '~', '<', '>']);
    let sign = match &word[..word.len() - digits.len()] {
        "" | "+" => "",
        "-" => "minus ",
        "≤" => "at most ",
        "≥" => "at least ",
        "~" => "about ",
        "<" => "less than ",
        ">" => "more than ",
        _ => return None,
    };
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(digits.len());
    let (number, unit) = digits.split_at(end);
    let number = number.replace(',', "");
    let value: f64 = number.parse().ok()?;
    if unit.is_empty() {
        return Some(format!("{sign}{number}"));
    }
    Some(format!("{sign}{number} {}", self::unit(unit, value)?))
}

/// A unit's name, for so many of it.
fn unit(short: &str, value: f64) -> Option<String> {
    let (_, name) = UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(short))?;
    let plural = if (value - 1.0).abs() < f64::EPSILON || INVARIABLE.contains(name) { "" } else { "s" };
    Some(format!("{name}{plural}"))
}

/// Whether it looks like the name of a commit or the like.
fn is_hash(word: &str) -> bool {
    word.len() >= 7
        && word.chars().all(|c| c.is_ascii_hexdigit())
        && word.chars().any(|c| c.is_ascii_digit())
        && word.chars().any(|c| c.is_ascii_alphabetic())
}

/// Letter by letter.
fn spelled(word: &str) -> String {
    word.chars().map(|c| c.to_uppercase().to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_said_as_people_say_it() {
        let pronouncer = Pronouncer::new(&BTreeMap::new());
        for (written, said) in [
            ("New session build.", "New session build."),
            ("src/main.rs:12", "source slash main dot R S 12"),
            ("~/notes", "tilde slash notes"),
            ("cargo test --all-targets -v", "cargo test dash dash all targets dash V"),
            ("`cargo test` in build: done in 12 ms.", "cargo test in build: done in 12 milliseconds."),
            ("12ms", "12 milliseconds"),
            ("1ms", "1 millisecond"),
            ("3.5 GB, 40%", "3.5 gigabytes, 40 percent"),
            ("1,234 files", "1234 files"),
            ("max_retry_count", "max retry count"),
            ("parseJsonFile", "parse jason File"),
            ("a|b", "a pipe B"),
            ("version 1.2.3!", "version 1 point 2 point 3!"),
            ("commit 3f2a9bc14d", "commit 3 F 2 A 9 B C"),
            ("can't", "can't"),
            ("\"confirm\"", "confirm"),
            ("—", ""),
        ] {
            assert_eq!(pronouncer.say(written), said, "{written}");
        }
    }

    #[test]
    fn the_users_own_words_win() {
        let own = BTreeMap::from([("TMUX".to_owned(), "tea mucks".to_owned())]);
        assert_eq!(Pronouncer::new(&own).say("tmux, sudo"), "tea mucks, soo doo");
    }

    #[test]
    fn no_text_whatever_breaks_it() {
        let pronouncer = Pronouncer::new(&BTreeMap::new());
        for odd in [
            "",
            "-",
            "--",
            "---",
            "/",
            ".",
            "…",
            "\u{202e}abc",
            "1..2",
            "ß—ü",
            "💥",
            ":::",
            "'",
            "-1.5",
            "1.2.3.4",
        ] {
            let said = pronouncer.say(odd);
            assert!(!said.contains("  "), "{odd:?}: {said:?}");
        }
    }
}

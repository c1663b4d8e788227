//! How alike two words sound.

/// Words that sound the same are that alike at least.
const SAME_SOUND: f64 = 0.6;

/// How alike two words are to a recogniser, 0 ‥ 1: they sound the same, or are one letter apart.
pub(super) fn likeness(one: &str, other: &str) -> f64 {
    if one == other {
        return 1.0;
    }
    let written = strsim::normalized_damerau_levenshtein(one, other);
    let sound = key(one);
    if !sound.is_empty() && sound == key(other) {
        return SAME_SOUND + (1.0 - SAME_SOUND) * written;
    }
    let shorter = one.chars().count().min(other.chars().count());
    let is_near = shorter >= 4 && strsim::osa_distance(one, other) == 1;
    if is_near { 0.9 * written } else { 0.0 }
}

/// What a word sounds like: its consonants as they are pronounced in English, after Philips' Metaphone ("Hanging
/// on the Metaphone", 1990), with those as one that differ in the voice only. Empty for what is no English word.
pub(super) fn key(word: &str) -> String {
    if word.is_empty() || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return String::new();
    }
    let letters = word.as_bytes();
    let begins = |at: usize, with: &str| word[at..].starts_with(with);
    let skipped = ["kn", "gn", "pn", "wr", "ps"].iter().any(|start| begins(0, start));
    let mut key = String::new();
    let mut at = usize::from(skipped);
    let first = at;
    while at < letters.len() {
        let next = letters.get(at + 1).copied().unwrap_or(0);
        let soft = matches!(next, b'e' | b'i' | b'y');
        let vowel_follows = matches!(next, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
        let (sound, taken) = match letters[at] {
            b'a' | b'e' | b'i' | b'o' | b'u' => (if at == first { "A" } else { "" }, 1),
            b'b' if next == 0 && at > 0 && letters[at - 1] == b'm' => ("", 1),
            b'b' | b'p' if begins(at, "ph") => ("F", 2),
            b'b' | b'p' => ("P", 1),
            b'c' if begins(at, "ch") => ("X", 2),
            b'c' if begins(at, "ck") => ("K", 2),
            b'c' if soft => ("S", 1),
            b'd' if begins(at, "dge") => ("J", 3),
            b't' if begins(at, "tch") => ("X", 3),
            b't' if begins(at, "th") => ("0", 2),
            b't' if begins(at, "tio") || begins(at, "tia") => ("X", 1),
            b'd' | b't' => ("T", 1),
            b'f' | b'v' => ("F", 1),
            b'g' if begins(at, "gh") && at > first => ("", 2),
            b'g' if begins(at, "gn") => ("", 1),
            b'c' | b'g' | b'k' | b'q' => ("K", 1),
            b'h' if at == first && vowel_follows => ("H", 1),
            b'w' if begins(at, "wh") => ("W", 2),
            b'w' | b'y' if at == first => (if letters[at] == b'w' { "W" } else { "Y" }, 1),
            b'h' | b'w' | b'y' => ("", 1),
            b'j' => ("J", 1),
            b'l' => ("L", 1),
            b'm' | b'n' => ("N", 1),
            b'r' => ("R", 1),
            b's' if begins(at, "sh") => ("X", 2),
            b's' if ["sio", "sia", "ssio", "ssia"].iter().any(|it| begins(at, it)) => {
                ("X", if begins(at, "ss") { 2 } else { 1 })
            }
            b'x' if at == first => ("S", 1),
            b'x' => ("KS", 1),
            _ => ("S", 1),
        };
        if !(sound.len() == 1 && key.ends_with(sound)) {
            key.push_str(sound);
        }
        at += taken;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_alike_has_the_same_key() {
        for (one, other) in [
            ("ride", "right"),
            ("write", "right"),
            ("bild", "build"),
            ("payne", "pane"),
            ("knew", "new"),
            ("grip", "grib"),
            ("phone", "fone"),
            ("sesion", "session"),
            ("skrole", "scroll"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        for (one, other) in [("left", "right"), ("split", "spit"), ("window", "widow"), ("zoom", "room")] {
            assert_ne!(key(one), key(other), "{one} {other}");
        }
        assert_eq!(key("web-2"), "");
    }

    #[test]
    fn likeness_is_what_a_recogniser_would_mistake() {
        assert!(likeness("bild", "build") > 0.9);
        assert!(likeness("windoe", "window") > 0.7);
        assert!(likeness("ride", "right") > 0.7 && likeness("ride", "right") < 0.9);
        assert!(likeness("left", "right") < 0.1);
        assert!(likeness("top", "tab") < likeness("zoomm", "zoom"));
    }
}

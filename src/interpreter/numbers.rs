//! Numbers as people say them: "10", "forty two", "five one" (51), "third".

/// A number that begins at some word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// Its value.
    pub(super) value: u32,
    /// How many words it takes.
    pub(super) words: usize,
}

/// The word for a small number.
pub(super) fn in_a_word(number: u32) -> Option<&'static str> {
    const WORDS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    WORDS.get(number as usize).copied()
}

/// The numbers that the words may begin with, the longest first.
pub(super) fn readings(words: &[impl AsRef<str>]) -> Vec<Reading> {
    let mut found = Vec::new();
    if let Some((digits, used)) = digits(words)
        && let Ok(value) = digits.parse()
    {
        found.push(Reading { value, words: used });
    }
    if let Some(reading) = spoken(words) {
        found.push(reading);
    }
    if let Some(value) = words.first().and_then(|word| sounds_like(word.as_ref())) {
        found.push(Reading { value, words: 1 });
    }
    found.sort_by_key(|reading| std::cmp::Reverse(reading.words));
    found.dedup();
    found
}

/// Digits said one by one, "oh five" too, or written; with the number of words that they take.
pub(super) fn digits(words: &[impl AsRef<str>]) -> Option<(String, usize)> {
    const MOST: usize = 9;
    let mut digits = String::new();
    let mut used = 0;
    for word in words {
        let word = word.as_ref();
        let digit = match word {
            "oh" | "o" if used + 1 < words.len() || used > 0 => "0",
            "zero" => "0",
            _ => match unit(word).filter(|_| word.chars().all(char::is_alphabetic)) {
                Some(value) => &"123456789"[value as usize - 1..value as usize],
                None if word.len() == 1 && word.bytes().all(|b| b.is_ascii_digit()) => word,
                None => break,
            },
        };
        if digits.len() == MOST {
            break;
        }
        digits.push_str(digit);
        used += 1;
    }
    // A lone "oh" is no number.
    let said = words.iter().take(used).any(|word| !matches!(word.as_ref(), "oh" | "o"));
    (used > 0 && said).then_some((digits, used))
}

/// All of the words as one number in digits: "forty two" is 42, "five one" 51, "oh five" 05.
pub(super) fn written(words: &[impl AsRef<str>]) -> Option<String> {
    if let Some((digits, _)) = digits(words).filter(|(_, used)| *used == words.len()) {
        return Some(digits);
    }
    spoken(words).filter(|reading| reading.words == words.len()).map(|reading| reading.value.to_string())
}

/// The longest number that the words begin with, as [`written`], and how many of them it takes.
pub(super) fn longest(words: &[impl AsRef<str>]) -> Option<(String, usize)> {
    (1..=words.len()).rev().find_map(|taken| Some((written(&words[..taken])?, taken)))
}

/// A number written in digits or said in words.
fn spoken(words: &[impl AsRef<str>]) -> Option<Reading> {
    let first = words.first()?.as_ref();
    if let Some(value) = in_digits(first) {
        return Some(Reading { value, words: 1 });
    }
    let (mut total, mut group, mut used) = (0_u32, None::<u32>, 0);
    let mut after_and = false;
    while let Some(word) = words.get(used).map(AsRef::as_ref) {
        let (cardinal, ordinal) = match ordinal(word) {
            Some(cardinal) => (cardinal, true),
            None => (word, false),
        };
        let next = match (cardinal, group) {
            ("a", None) if words.get(used + 1).is_some_and(|word| word.as_ref() == "hundred") => 1,
            ("hundred", Some(value @ 1..=99)) => value * 100,
            ("thousand", Some(value @ 1..=999)) if total == 0 => {
                total = value * 1000;
                0
            }
            ("and", Some(value)) if !after_and && (value >= 100 || total > 0) => {
                after_and = true;
                used += 1;
                continue;
            }
            ("zero", None) => 0,
            _ => match (unit(cardinal), teen(cardinal), ten(cardinal), group) {
                (Some(value), _, _, None) | (_, Some(value), _, None) | (_, _, Some(value), None) => value,
                (Some(unit), _, _, Some(value)) if value % 10 == 0 && (value % 100 != 10) => value + unit,
                (_, Some(teen), _, Some(value)) if value % 100 == 0 => value + teen,
                (_, _, Some(ten), Some(value)) if value % 100 == 0 => value + ten,
                _ => break,
            },
        };
        // After a bare nothing only a new group can follow.
        if group == Some(0) && total == 0 {
            break;
        }
        group = Some(next);
        after_and = false;
        used += 1;
        if ordinal {
            break;
        }
    }
    let used = used - usize::from(after_and);
    group.map(|value| Reading { value: total + value, words: used })
}

fn in_digits(word: &str) -> Option<u32> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|it| word.strip_suffix(it)).unwrap_or(word);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    digits.replace(',', "").parse().ok()
}

fn unit(word: &str) -> Option<u32> {
    const UNITS: [&str; 9] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    UNITS.iter().position(|&it| it == word).map(|at| at as u32 + 1)
}

fn teen(word: &str) -> Option<u32> {
    const TEENS: [&str; 10] = [
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    TEENS.iter().position(|&it| it == word).map(|at| at as u32 + 10)
}

fn ten(word: &str) -> Option<u32> {
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    if word == "fourty" {
        return Some(40);
    }
    TENS.iter().position(|&it| it == word).map(|at| (at as u32 + 2) * 10)
}

/// The cardinal of an ordinal: "third" → "three", "twentieth" → "twenty".
fn ordinal(word: &str) -> Option<&'static str> {
    const ORDINALS: [(&str, &str); 29] = [
        ("first", "one"),
        ("second", "two"),
        ("third", "three"),
        ("fourth", "four"),
        ("fifth", "five"),
        ("sixth", "six"),
        ("seventh", "seven"),
        ("eighth", "eight"),
        ("ninth", "nine"),
        ("tenth", "ten"),
        ("eleventh", "eleven"),
        ("twelfth", "twelve"),
        ("thirteenth", "thirteen"),
        ("fourteenth", "fourteen"),
        ("fifteenth", "fifteen"),
        ("sixteenth", "sixteen"),
        ("seventeenth", "seventeen"),
        ("eighteenth", "eighteen"),
        ("nineteenth", "nineteen"),
        ("twentieth", "twenty"),
        ("thirtieth", "thirty"),
        ("fortieth", "forty"),
        ("fiftieth", "fifty"),
        ("sixtieth", "sixty"),
        ("seventieth", "seventy"),
        ("eightieth", "eighty"),
        ("ninetieth", "ninety"),
        ("hundredth", "hundred"),
        ("thousandth", "thousand"),
    ];
    ORDINALS.iter().find(|(ordinal, _)| *ordinal == word).map(|(_, cardinal)| *cardinal)
}

/// Words that recognisers write for small numbers where a number must stand.
fn sounds_like(word: &str) -> Option<u32> {
    Some(match word {
        "won" => 1,
        "to" | "too" => 2,
        "tree" | "free" => 3,
        "for" | "fore" => 4,
        "sex" => 6,
        "ate" => 8,
        "tin" => 10,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_say_them() {
        for (text, value, words) in [
            ("10", 10, 1),
            ("1,000", 1000, 1),
            ("3rd", 3, 1),
            ("ten", 10, 1),
            ("forty two", 42, 2),
            ("five one", 51, 2),
            ("oh five", 5, 2),
            ("zero", 0, 1),
            ("one hundred and five", 105, 4),
            ("a hundred", 100, 2),
            ("two thousand three hundred twelve", 2312, 5),
            ("third", 3, 1),
            ("twenty first window", 21, 2),
            ("hundred", 0, 0),
            ("ten four", 10, 1),
            ("one hundred and", 100, 2),
            ("1 0", 10, 2),
            ("to", 2, 1),
            ("oh", 0, 0),
            ("window", 0, 0),
            ("9999999999999", 0, 0),
            ("nine nine nine nine nine nine nine nine nine nine nine", 999_999_999, 9),
        ] {
            let list: Vec<&str> = text.split(' ').collect();
            let expected = (words > 0).then_some(Reading { value, words });
            assert_eq!(readings(&list).first().copied(), expected, "{text}");
        }
    }
}

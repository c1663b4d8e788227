//! Numbers and what hangs on them: units, times, dates, versions, addresses, ranges.

use super::spelled;
use super::words::{INVARIABLE, UNITS};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Signs that may stand before a number.
const SIGNS: [char; 11] = ['+', '-', '−', '≤', '≥', '~', '≈', '<', '>', '=', '±'];

/// How much a word is, if it is a bare number: the next may be its unit.
pub(super) fn amount(word: &str) -> Option<f64> {
    word.trim_start_matches(SIGNS).replace(',', "").parse().ok()
}

/// A word that is a number of some kind, as it is said.
pub(super) fn number(word: &str) -> Option<String> {
    let kinds = [moment, address, version, fraction, lasting, range, money, hexadecimal, code, measure];
    kinds.iter().find_map(|kind| kind(word))
}

/// A unit's name, for so many of it; of two, one for each of the other.
pub(super) fn unit(short: &str, value: f64) -> Option<String> {
    if let Some((unit, each)) = short.split_once('/') {
        let each = self::unit(each, 1.0)?;
        return Some(format!("{} per {each}", self::unit(unit, value)?));
    }
    let exact = UNITS.iter().find(|(unit, _)| *unit == short);
    let (_, name) = exact.or_else(|| UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(short)))?;
    let one = (value - 1.0).abs() < f64::EPSILON || INVARIABLE.contains(name);
    Some(match name.split_once(' ') {
        Some((first, rest)) if !one => format!("{first}s {rest}"),
        _ => format!("{name}{}", if one { "" } else { "s" }),
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A date, a time, or both: "2026-11-25", "14:30", "2026-11-25T14:30:05Z".
fn moment(word: &str) -> Option<String> {
    if let Some((day, rest)) = word.split_once('T').filter(|_| word.len() > 12) {
        let zone = rest.find(['Z', '+', '.']).unwrap_or(rest.len());
        return Some(format!("{}, {}", date(day)?, time(&rest[..zone])?));
    }
    date(word).or_else(|| time(word))
}

fn date(word: &str) -> Option<String> {
    let [year, month, day] = parts(word, '-')?;
    let month: usize = Some(month).filter(|month| month.len() == 2)?.parse().ok()?;
    let month = MONTHS.get(month.checked_sub(1)?)?;
    let fits = year.len() == 4 && is_number(year) && day.len() == 2 && is_number(day) && day <= "31";
    fits.then(|| format!("{month} {}, {year}", day.trim_start_matches('0')))
}

fn time(word: &str) -> Option<String> {
    let (hour, rest) = word.split_once(':')?;
    let (minute, second) =
        rest.split_once(':').map_or((rest, None), |(minute, second)| (minute, Some(second)));
    let below = |part: &str, limit: u8| {
        let value = part.parse::<u8>().ok().filter(|_| is_number(part) && part.len() <= 2);
        value.filter(|value| *value < limit)
    };
    let (hour, minute) = (below(hour, 24)?, below(minute, 60).filter(|_| minute.len() == 2)?);
    if let Some(second) = second {
        return Some(format!("{hour} {} and {} seconds", minutes(minute), below(second, 60)?));
    }
    Some(if minute == 0 { format!("{hour} o'clock") } else { format!("{hour} {}", minutes(minute)) })
}

fn minutes(minute: u8) -> String {
    match minute {
        0 => "oh oh".into(),
        1..10 => format!("oh {minute}"),
        _ => minute.to_string(),
    }
}

/// Just so many parts.
fn parts<const N: usize>(word: &str, between: char) -> Option<[&str; N]> {
    let parts: Vec<&str> = word.split(between).collect();
    parts.try_into().ok()
}

/// "127.0.0.1", with or without a port.
fn address(word: &str) -> Option<String> {
    let (host, port) = word.split_once(':').map_or((word, None), |(host, port)| (host, Some(port)));
    let bytes: [&str; 4] = parts(host, '.')?;
    if !bytes.iter().all(|byte| byte.parse::<u8>().is_ok()) || !port.is_none_or(is_number) {
        return None;
    }
    let port = port.map(|port| format!(" port {port}")).unwrap_or_default();
    Some(bytes.join(" dot ") + &port)
}

/// "v1.2", "1.2.3", "2.0.0-rc.1".
fn version(word: &str) -> Option<String> {
    let bare = word.strip_prefix(['v', 'V']).unwrap_or(word);
    let end = bare.find(['-', '+']).unwrap_or(bare.len());
    let (numbers, suffix) = bare.split_at(end);
    let numbers: Vec<&str> = numbers.split('.').collect();
    let is_version = bare.len() < word.len() || numbers.len() > 2;
    if !is_version || !numbers.iter().all(|part| is_number(part)) {
        return None;
    }
    let mut said = vec![numbers.join(" point ")];
    for part in suffix.split(['-', '+', '.']).filter(|part| !part.is_empty()) {
        let letters = part.len() <= 2 && part.chars().all(char::is_alphabetic);
        said.push(if letters { spelled(part) } else { part.to_owned() });
    }
    let version = if bare.len() < word.len() { "version " } else { "" };
    Some(format!("{version}{}", said.join(" ")))
}

/// "12/200".
fn fraction(word: &str) -> Option<String> {
    let [part, whole] = parts(word, '/')?;
    (is_number(part) && is_number(whole)).then(|| format!("{part} of {whole}"))
}

/// "1m23s", "2h30m".
fn lasting(word: &str) -> Option<String> {
    let mut said = Vec::new();
    let mut rest = word;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (short, after) = after.split_at(end);
        let known = matches!(short, "d" | "h" | "m" | "s" | "ms");
        said.push(format!("{number} {}", unit(short, number.parse().ok()?).filter(|_| known)?));
        rest = after;
    }
    (said.len() > 1).then(|| said.join(" "))
}

/// "3-5", "10–20%".
fn range(word: &str) -> Option<String> {
    let (from, to) = word.split_once(['-', '–'])?;
    // A telephone number, or the like, has more.
    let fits = is_number(from) && to.starts_with(|c: char| c.is_ascii_digit()) && !to.contains(['-', '–']);
    let to = measure(to).filter(|_| fits)?;
    Some(format!("{from} to {to}"))
}

/// "$4.99"; "$1" is more often a variable.
fn money(word: &str) -> Option<String> {
    let currency = word.chars().next()?;
    let amount = &word[currency.len_utf8()..];
    let name = match currency {
        '$' if amount.len() > 1 => "dollars",
        '€' => "euros",
        '£' => "pounds",
        _ => return None,
    };
    let value: f64 = amount.replace(',', "").parse().ok().filter(|value: &f64| value.is_finite())?;
    let name = if (value - 1.0).abs() < f64::EPSILON { &name[..name.len() - 1] } else { name };
    Some(format!("{} {name}", amount.replace(',', "")))
}

/// "0x1F".
fn hexadecimal(word: &str) -> Option<String> {
    let digits = word.strip_prefix("0x").filter(|digits| !digits.is_empty())?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| format!("hex {}", spelled(digits)))
}

/// What is no amount is said digit by digit: "007", "E0308".
pub(super) fn code(word: &str) -> Option<String> {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = &word[..word.len() - digits.len()];
    let fits = is_number(digits) && digits.len() > 1 && digits.starts_with('0') && letters.len() <= 3;
    fits.then(|| spelled(word))
}

/// A number with a sign before it or a unit behind: "+12ms", "3.5", "40%".
fn measure(word: &str) -> Option<String> {
    let digits = word.trim_start_matches(SIGNS);
    let sign = match &word[..word.len() - digits.len()] {
        "" => "",
        "+" => "plus ",
        "-" | "−" => "minus ",
        "≤" | "<=" => "at most ",
        "≥" | ">=" => "at least ",
        "~" | "≈" => "about ",
        "<" => "less than ",
        ">" => "more than ",
        "±" => "plus or minus ",
        _ => return None,
    };
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(digits.len());
    let (number, short) = digits.split_at(end);
    let number = number.replace(',', "");
    let value: f64 = number.parse().ok()?;
    if short.is_empty() {
        return Some(format!("{sign}{number}"));
    }
    if is_number(&number) && matches!(short, "st" | "nd" | "rd" | "th") {
        return Some(format!("{sign}{number}{short}"));
    }
    Some(format!("{sign}{number} {}", unit(short, value)?))
}

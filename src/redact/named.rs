//! What follows a name of secrets: `password=…`, `"token": "…"`, `--api-key …`, `Authorization: Bearer …`.

use std::ops::Range;

use super::names::{self, Name};
use super::said;
use super::value::{closing, is_no_secret, looks_secret, value_at};

/// How far a name may stand in front of its sign, and how long it may be.
const LONGEST: usize = 80;

/// Ways to show who one is, of which the first word is no secret.
const SCHEMES: [&str; 9] =
    ["basic", "bearer", "token", "digest", "negotiate", "apikey", "bot", "ntlm", "aws4-hmac-sha256"];

/// Finds what is given to names of secrets.
pub(super) fn find(line: &str, found: &mut Vec<Range<usize>>) {
    let bytes = line.as_bytes();
    let mut done = 0;
    for at in 0..bytes.len() {
        if at < done || !matches!(bytes[at], b'=' | b':') {
            continue;
        }
        // `://` is for addresses, and `::` no sign at all.
        if line[at..].starts_with("://") || line[at..].starts_with("::") || line[..at].ends_with(':') {
            continue;
        }
        let Some(place) = name_before(line, at).filter(|place| !line[..place.start].ends_with("://")) else {
            continue;
        };
        let name = &line[place.clone()];
        let value = past_sign(line, at);
        if names::is_header(name) {
            let secret = header(line, place.start, value);
            done = secret.end;
            if !is_no_secret(&line[secret.clone()]) {
                found.push(secret);
            }
        } else if let Some(secret) = given(line, place, at, value) {
            done = secret.end;
            found.push(secret);
        }
    }
    schemes(line, found);
}

/// The name that a sign at this place belongs to.
fn name_before(line: &str, sign: usize) -> Option<Range<usize>> {
    let from = line.floor_char_boundary(sign.saturating_sub(LONGEST));
    let before = line[from..sign].trim_end_matches([' ', '\t', '?', '!', '+', ':']);
    let before = before.strip_suffix(']').unwrap_or(before).trim_end_matches(['"', '\'', '`', '\\']);
    let is_of_name = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let length: usize = before.chars().rev().take_while(|c| is_of_name(*c)).map(char::len_utf8).sum();
    (length > 0).then(|| from + before.len() - length..from + before.len())
}

/// Where the value begins: behind `=`, `:`, `:=`, `==`, `=>` and blanks.
fn past_sign(line: &str, sign: usize) -> usize {
    let rest = &line[sign..];
    line.len() - rest.trim_start_matches(['=', ':', '>', '~']).trim_start_matches([' ', '\t']).len()
}

/// What is given to a name, if it is one of secrets and that can be one.
fn given(line: &str, name: Range<usize>, sign: usize, from: usize) -> Option<Range<usize>> {
    let strength = names::name(&line[name.clone()])?;
    let mut secret = value_at(line, from);
    let text = &line[secret.clone()];
    if is_no_secret(text) {
        return None;
    }
    let is_quoted = secret.start > from;
    let is_prose = line[sign..].starts_with(": ") && !is_quoted;
    if is_prose && said::goes_on_otherwise(text) {
        return None;
    }
    let is_tight = from == sign + 1;
    // `{"token": …}` and `API_TOKEN=…` mean what they say; `token: …` is mostly what a parser met.
    let says_so = line[..name.start].ends_with(['"', '\'', '-'])
        || is_tight
            && line[sign..].starts_with('=')
            && line[name.clone()].contains(['_', '-', '.', 'A', 'E', 'S', 'T'])
        || line[..name.start].trim_end().ends_with(['?', '&', ';']);
    let is_number = text.len() < 4 && text.bytes().all(|b| b.is_ascii_digit());
    if strength == Name::Weak && !(says_so && !is_number || looks_secret(text)) {
        return None;
    }
    // Whoever answers a prompt has the rest of the line for it.
    let begins_line = line[..name.start].trim_matches([' ', '\t', '-', '"', '\'']).is_empty();
    if is_prose && begins_line && strength == Name::Strong && !line[secret.end..].starts_with([',', ';']) {
        secret.end = line.trim_end().len().max(secret.end);
    }
    Some(secret)
}

/// The value of a header: to the quote that it stands in, or to the end of the line. A scheme stays.
fn header(line: &str, name: usize, from: usize) -> Range<usize> {
    let value = value_at(line, from);
    let around = line[..name].chars().next_back().filter(|c| matches!(c, '"' | '\'' | '`'));
    let (begin, end) = match around {
        _ if value.start > from => (value.start, value.end),
        Some(quote) => (from, from + closing(&line[from..], quote)),
        None => (from, line.trim_end().len().max(from)),
    };
    let text = &line[begin..end];
    let first = text.split(char::is_whitespace).next().unwrap_or_default();
    if SCHEMES.contains(&first.to_lowercase().as_str()) {
        let rest = text[first.len()..].trim_start();
        return end - rest.len()..end;
    }
    begin..end
}

/// `Bearer …` and `Basic …` that stand alone.
fn schemes(line: &str, found: &mut Vec<Range<usize>>) {
    let mut words = super::words(line).into_iter().peekable();
    while let Some(word) = words.next() {
        let bare = line[word].trim_matches(|c: char| !c.is_alphanumeric());
        if !bare.eq_ignore_ascii_case("bearer") && !bare.eq_ignore_ascii_case("basic") {
            continue;
        }
        let Some(next) = words.peek() else { return };
        let value = value_at(line, next.start);
        let text = &line[value.clone()];
        let is_token = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=_-.~".contains(&b));
        let is_odd = text.bytes().any(|b| b.is_ascii_digit())
            && text.bytes().any(|b| b.is_ascii_alphabetic())
            || text.ends_with('=')
            || text.matches('.').count() == 2 && text.len() > 10
            || text.bytes().skip(1).any(|b| b.is_ascii_uppercase());
        if is_token && text.len() >= 8 && is_odd && !is_no_secret(text) {
            found.push(value);
        }
    }
}

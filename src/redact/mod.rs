//! Secrets taken out of text, before it goes where it can't be taken back from.
//!
//! **Mechanics.** Line by line, in one pass a rule: blocks of private keys (`block`); what follows a name of
//! secrets, as in `password=`, `--token`, `"apiKey":`, `Authorization:` (`named`); the options of well-known programs,
//! as in `mysql -p…` and `curl -u` (`programs`); passwords in addresses (`address`); words that have the shape of a
//! known kind of key, or of chance (`shape`); and what people say, as in "my password is …" (`said`). No rule looks back
//! further than a fixed number of characters, so the time is linear in the text.
//!
//! A [`Redactor`] remembers what it took out, so that a program that prints a secret which was named before prints it in
//! vain. What is only referred to (`$TOKEN`) is no secret, and stays.
//!
//! **Limits.** A secret that looks like any other word, and that nobody ever called one, is not known.

mod address;
mod block;
mod named;
mod names;
mod programs;
mod redactor;
mod said;
mod shape;
mod value;

use std::ops::Range;

pub(crate) use redactor::Redactor;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// The text without what looks like a secret.
pub(crate) fn redacted(text: &str) -> String {
    without(text, &secrets(text))
}

/// Whether something was taken out of this text, so that it is not what it was.
pub(crate) fn is_redacted(text: &str) -> bool {
    text.contains(REDACTED)
}

/// Where the secrets of a text are, in order; none touches another.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut blocks = block::Blocks::default();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        if !blocks.takes(bare, begin, &mut found) {
            in_line(bare, begin, &mut found);
        }
        begin += line.len();
    }
    merged(found)
}

/// The secrets of one line that is part of no block.
fn in_line(line: &str, begin: usize, found: &mut Vec<Range<usize>>) {
    if line.len() < 4 {
        return;
    }
    let words = words(line);
    let mut here = Vec::new();
    named::find(line, &mut here);
    programs::find(line, &words, &mut here);
    address::find(line, &words, &mut here);
    shape::find(line, &words, &mut here);
    said::find(line, &words, &mut here);
    // What was taken out before is no secret.
    let is_one = |range: &Range<usize>| !range.is_empty() && !line[range.start..].starts_with(REDACTED);
    found.extend(here.into_iter().filter(is_one).map(|range| begin + range.start..begin + range.end));
}

/// Words between white space.
fn words(line: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut begin = None;
    for (at, c) in line.char_indices() {
        match (c.is_whitespace(), begin) {
            (false, None) => begin = Some(at),
            (true, Some(from)) => {
                words.push(from..at);
                begin = None;
            }
            _ => {}
        }
    }
    words.extend(begin.map(|from| from..line.len()));
    words
}

fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

fn without(text: &str, secrets: &[Range<usize>]) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    for secret in secrets {
        clean.push_str(&text[at..secret.start]);
        clean.push_str(REDACTED);
        at = secret.end;
    }
    clean.push_str(&text[at..]);
    clean
}

#[cfg(test)]
mod tests;

//! Secrets as people say them: "my password is …", "type the passphrase …", "set the password to …".
//!
//! What a recogniser writes has no signs in it, and a secret may be several words. So all goes, to the end of the
//! sentence.

use std::ops::Range;

use super::value::{is_no_secret, value_at};

/// What a secret is called when it is spoken of.
const CALLED: [&str; 17] = [
    "password",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "contraseña",
    "senha",
    "wachtwoord",
    "pass phrase",
    "pass word",
    "pass code",
    "api key",
    "secret key",
    "access key",
    "access token",
    "auth token",
    "recovery code",
];
/// The same, of what may be something else unless it is somebody's own.
const OWN: [&str; 6] = ["token", "secret", "pin", "pin code", "security code", "verification code"];
/// What joins it to its name.
const JOINS: [&str; 10] = ["is", "equals", "ist", "lautet", "est", "es", "è", "=", "are", "it's"];
/// What one does with it.
const VERBS: [&str; 16] = [
    "type", "enter", "insert", "paste", "write", "say", "send", "submit", "use", "using", "with", "give",
    "my", "dash", "input", "supply",
];
/// What one does to it.
const CHANGES: [&str; 8] = ["set", "change", "reset", "update", "switch", "make", "rename", "put"];
/// What goes on when nobody tells a secret.
const OTHERWISE: [&str; 142] = [
    "a",
    "an",
    "the",
    "that",
    "this",
    "it",
    "my",
    "your",
    "his",
    "her",
    "our",
    "their",
    "its",
    "wrong",
    "incorrect",
    "invalid",
    "required",
    "not",
    "too",
    "empty",
    "missing",
    "expired",
    "needed",
    "correct",
    "right",
    "set",
    "being",
    "stored",
    "hashed",
    "in",
    "on",
    "at",
    "of",
    "to",
    "for",
    "from",
    "by",
    "with",
    "what",
    "ok",
    "okay",
    "weak",
    "strong",
    "visible",
    "hidden",
    "read",
    "used",
    "optional",
    "ignored",
    "now",
    "still",
    "already",
    "unknown",
    "was",
    "were",
    "is",
    "are",
    "has",
    "have",
    "had",
    "will",
    "can",
    "could",
    "must",
    "should",
    "cannot",
    "can't",
    "again",
    "and",
    "or",
    "but",
    "please",
    "manager",
    "managers",
    "authentication",
    "auth",
    "prompt",
    "field",
    "fields",
    "protected",
    "protection",
    "reset",
    "hash",
    "hashing",
    "hashes",
    "file",
    "files",
    "store",
    "policy",
    "length",
    "change",
    "changed",
    "changes",
    "login",
    "generator",
    "input",
    "box",
    "based",
    "less",
    "option",
    "flag",
    "argument",
    "if",
    "when",
    "then",
    "there",
    "here",
    "so",
    "as",
    "do",
    "does",
    "only",
    "just",
    "never",
    "always",
    "safe",
    "secure",
    "accepted",
    "rejected",
    "denied",
    "failed",
    "mismatch",
    "incorrectly",
    "you",
    "i",
    "we",
    "entered",
    "given",
    "into",
    "yet",
    "before",
    "after",
    "until",
    "while",
    "using",
    "without",
    "via",
    "manually",
    "instead",
    "beside",
    "below",
    "above",
];

/// Whether a text goes on with a word of which no secret is made.
pub(super) fn goes_on_otherwise(text: &str) -> bool {
    let word = plain(text.split(char::is_whitespace).next().unwrap_or_default());
    word.is_empty() || OTHERWISE.contains(&word.as_str())
}

/// Finds what is said.
pub(super) fn find(line: &str, words: &[Range<usize>], found: &mut Vec<Range<usize>>) {
    // Nearly every line has no such word, and needs no more.
    let lower = line.to_lowercase();
    if !CALLED.iter().chain(&OWN).any(|known| lower.contains(known)) {
        return;
    }
    let spoken: Vec<String> = words.iter().map(|word| plain(&line[word.clone()])).collect();
    let mut at = 0;
    while at < words.len() {
        let Some((length, is_own)) = called(&spoken, at) else {
            at += 1;
            continue;
        };
        let name = at;
        at += length;
        if is_own && (name == 0 || spoken[name - 1] != "my") {
            continue;
        }
        // The name ends a sentence, or a sign follows, which others look after.
        if line[words[at - 1].clone()].ends_with(['.', ',', ':', ';', '?', '!', '=']) {
            continue;
        }
        if let Some(first) = told(&spoken, name, at)
            && let Some(word) = words.get(first)
            && !goes_on_otherwise(&line[word.start..])
            && !is_no_secret(&line[value_at(line, word.start)])
            && !line[word.clone()].starts_with(['$', '-', '|', '<', '>', '=', ':'])
        {
            let end = sentence_end(line, word.start);
            found.push(word.start..end);
            at = words.partition_point(|word| word.start < end).max(at);
        }
    }
}

/// Whether a secret is named here: how many words that takes, and whether it must be somebody's own.
fn called(spoken: &[String], at: usize) -> Option<(usize, bool)> {
    let pair = spoken.get(at + 1).map(|next| format!("{} {next}", spoken[at]));
    let pair = pair.as_deref().unwrap_or_default();
    let one = spoken[at].as_str();
    if CALLED.contains(&pair) || OWN.contains(&pair) {
        return Some((2, OWN.contains(&pair)));
    }
    (CALLED.contains(&one) || OWN.contains(&one)).then(|| (1, OWN.contains(&one)))
}

/// Which word a secret begins with, if one is told of the name that ends before `after`.
fn told(spoken: &[String], name: usize, after: usize) -> Option<usize> {
    /// "The password for the database on the old server is …"
    const FARTHEST: usize = 8;
    let word = |at: usize| spoken.get(at).map_or("", String::as_str);
    if JOINS.contains(&word(after)) {
        return Some(after + 1);
    }
    let before = |known: &[&str]| (1..=3).any(|back| name >= back && known.contains(&word(name - back)));
    if word(after) == "to" && before(&CHANGES) {
        return Some(after + 1);
    }
    if matches!(word(after), "for" | "of" | "on" | "to" | "für" | "von" | "de") {
        return (after + 1..after + FARTHEST).find(|at| JOINS.contains(&word(*at))).map(|at| at + 1);
    }
    (before(&VERBS) || before(&CHANGES)).then_some(after)
}

/// Where a sentence that goes on here ends: at its sign, at a quote that closes, or where something else is begun.
fn sentence_end(line: &str, from: usize) -> usize {
    let rest = &line[from..];
    let mut end = rest.trim_end().len();
    for (at, c) in rest.char_indices() {
        let next = rest[at + c.len_utf8()..].chars().next();
        let ends = match c {
            '.' | '!' | '?' => next.is_none_or(char::is_whitespace),
            ';' => true,
            '"' | '`' => next.is_none_or(|next| !next.is_alphanumeric()),
            ' ' => [" and then ", " then ", " && ", " | ", " > "].iter().any(|it| rest[at..].starts_with(it)),
            _ => false,
        };
        if ends && at > 0 {
            end = end.min(at);
            break;
        }
    }
    from + end
}

/// A word in small letters, without the signs around it.
fn plain(word: &str) -> String {
    if word == "=" {
        return word.to_owned();
    }
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

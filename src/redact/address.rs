//! Passwords in addresses, and secrets in their queries.

use std::ops::Range;

use super::names::is_parameter;
use super::shape;
use super::value::{bare, is_no_secret, looks_secret};

/// Places whose path is the secret, and how many of its segments are not.
const HOOKS: [(&str, usize); 5] = [
    ("hooks.slack.com/services/", 0),
    ("hooks.slack.com/workflows/", 0),
    ("discord.com/api/webhooks/", 1),
    ("discordapp.com/api/webhooks/", 1),
    ("webhook.office.com/webhookb2/", 0),
];

/// Finds them.
pub(super) fn find(line: &str, words: &[Range<usize>], found: &mut Vec<Range<usize>>) {
    for word in words {
        let text = &line[word.clone()];
        let mut from = 0;
        while let Some(at) = text[from..].find("://").map(|at| from + at) {
            from = at + 3;
            let rest = &text[from..];
            let length = rest.find("://").map_or(rest.len(), |next| rest[..next].rfind(',').unwrap_or(next));
            one(rest, length, word.start + from, found);
        }
        if from == 0 {
            without_scheme(text, word.start, found);
        }
        parameters(text, word.start, found);
    }
}

/// An address behind its scheme.
fn one(rest: &str, length: usize, begin: usize, found: &mut Vec<Range<usize>>) {
    let rest = &rest[..length];
    let path = rest.find(['/', '?', '#', '"', '\'', '`', '<', '>']).unwrap_or(rest.len());
    // A password may hold a slash that should have been written otherwise.
    let reach = rest.find(['?', '#', '"', '\'', '`', '<', '>']).unwrap_or(rest.len());
    let at =
        rest[..path].rfind('@').or_else(|| rest[..reach].rfind('@').filter(|at| rest[..*at].contains(':')));
    if let Some(at) = at {
        match rest[..at].find(':') {
            Some(colon) if !is_no_secret(&rest[colon + 1..at]) => found.push(begin + colon + 1..begin + at),
            None if shape::is_key(&rest[..at]) || shape::is_random(&rest[..at]) => {
                found.push(begin..begin + at);
            }
            _ => {}
        }
    }
    for (hook, kept) in HOOKS {
        if let Some(segments) = rest.strip_prefix(hook) {
            let skipped: usize = segments.split_inclusive('/').take(kept).map(str::len).sum();
            let end = hook.len() + bare(segments);
            if hook.len() + skipped < end {
                found.push(begin + hook.len() + skipped..begin + end);
            }
        }
    }
}

/// `name:password@host`, as some programs take it.
fn without_scheme(text: &str, begin: usize, found: &mut Vec<Range<usize>>) {
    const NO_USERS: [&str; 7] = ["mailto", "to", "from", "cc", "sip", "xmpp", "acct"];
    let Some(at) = text.rfind('@') else { return };
    let host = text[at + 1..].bytes().take_while(|b| b.is_ascii_alphanumeric() || b".-".contains(b)).count();
    let Some(colon) = text[..at].find(':') else { return };
    let user = text[..colon].trim_start_matches(['"', '\'', '`', '(']);
    let password = &text[colon + 1..at];
    let is_user = !user.is_empty() && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
    if host > 0
        && is_user
        && !NO_USERS.contains(&user.to_lowercase().as_str())
        && looks_secret(password)
        && !password.contains(['/', '@'])
    {
        found.push(begin + colon + 1..begin + at);
    }
}

/// `?api_key=…&sig=…`, `#access_token=…`
fn parameters(text: &str, begin: usize, found: &mut Vec<Range<usize>>) {
    let Some(query) = text.find(['?', '#']).filter(|_| text.contains("://") || text.contains('?')) else {
        return;
    };
    let mut from = query + 1;
    for piece in text[from..].split_inclusive(['&', '#']) {
        if let Some(sign) = piece.find('=')
            && is_parameter(&piece[..sign])
        {
            let value = &piece[sign + 1..];
            let length = value.find(['&', '#', '"', '\'', '`', '<', '>']).unwrap_or(value.len());
            let value = &value[..length];
            let value = value.trim_end_matches([',', '.', ';', ')', ']', '}']);
            if !is_no_secret(value) {
                found.push(begin + from + sign + 1..begin + from + sign + 1 + value.len());
            }
        }
        from += piece.len();
    }
}

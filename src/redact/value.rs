//! What stands behind a name: where it ends, and whether it can be a secret at all.

use std::ops::Range;

use super::REDACTED;

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// The value that begins here: to its closing quote, or to the end of the word.
pub(super) fn value_at(line: &str, from: usize) -> Range<usize> {
    let rest = &line[from..];
    // As in JSON that stands in JSON.
    if let Some(inner) = rest.strip_prefix("\\\"") {
        return from + 2..from + 2 + inner.find("\\\"").unwrap_or(inner.len());
    }
    match rest.chars().next().filter(|c| QUOTES.contains(c)) {
        Some(quote) => from + 1..from + 1 + closing(&rest[1..], quote),
        None => from..from + bare_end(rest),
    }
}

/// Where a quoted text ends: at the quote, or with the line if there is none.
pub(super) fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// Where a value without quotes ends.
fn bare_end(text: &str) -> usize {
    if text.starts_with(REDACTED) {
        return REDACTED.len();
    }
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        let next = &text[at + c.len_utf8()..];
        let ends = match c {
            ';' => true,
            '"' | '\'' | '`' => {
                next.is_empty() || next.starts_with([',', ':', '}', ']', ')', ' ', '\t', ';', '|'])
            }
            ',' | '&' => begins_another(next),
            c => c.is_whitespace(),
        };
        if ends {
            end = at;
            break;
        }
    }
    text[..end].trim_end_matches([',', ')', '}', ']', '"', '\'', '`']).len()
}

/// How long a value is without what closes around it.
pub(super) fn bare(text: &str) -> usize {
    bare_end(text)
}

/// Whether another name with a value, or a quoted one, begins here.
fn begins_another(text: &str) -> bool {
    const LONGEST_NAME: usize = 40;
    if text.starts_with(QUOTES) {
        return true;
    }
    let name =
        text.bytes().take(LONGEST_NAME).take_while(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b));
    let length = name.count();
    length > 0 && text[length..].starts_with(['=', ':'])
}

/// Whether this can't be a secret: nothing, a word of a configuration, a reference to what stands elsewhere, or a
/// piece of a program.
pub(super) fn is_no_secret(value: &str) -> bool {
    const WORDS: [&str; 34] = [
        "true",
        "false",
        "null",
        "none",
        "nil",
        "undefined",
        "yes",
        "no",
        "on",
        "off",
        "n/a",
        "unset",
        "empty",
        "string",
        "str",
        "&str",
        "bool",
        "int",
        "any",
        "bytes",
        "number",
        "text",
        "required",
        "optional",
        "default",
        "option",
        "self",
        "new",
        "len",
        "prompt",
        "ask",
        "stdin",
        "-",
        "…",
    ];
    let bare = value.trim_matches(['"', '\'', '`', ',', '.', ';', ':', ')', '(', '?', '!']);
    let lower = bare.to_lowercase();
    bare.is_empty()
        || WORDS.contains(&lower.as_str())
        || value.starts_with(REDACTED)
        || bare.starts_with(['$', '<', '{'])
        || bare.starts_with("%(")
        || bare.len() > 2 && bare.starts_with('%') && bare.ends_with('%')
        || bare.chars().all(|c| "*.•xX_-".contains(c))
        || is_path(bare)
        || is_code(value)
}

/// `/run/secrets/token`, `~/.ssh/id`, `./key`.
fn is_path(value: &str) -> bool {
    let Some(rest) = ["/", "./", "../", "~/"].iter().find_map(|root| value.strip_prefix(root)) else {
        return false;
    };
    let first = rest.split('/').next().unwrap_or_default();
    rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b))
        && !first.is_empty()
        && first.len() <= 20
        && first.bytes().all(|b| b.is_ascii_lowercase() || b"._-".contains(&b))
}

/// `read_password()`, `Secret::new(`, `Option<String>`, `self.token`.
fn is_code(value: &str) -> bool {
    let name = value.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"_.:".contains(b)).count();
    let starts_as_name = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = &value[name..];
    starts_as_name
        && (rest.starts_with('(') && (rest.len() == 1 || rest.ends_with(')'))
            || rest.starts_with('<') && (rest.len() == 1 || rest.ends_with('>'))
            || value.contains("::") && rest.is_empty()
            || value.starts_with("self."))
}

/// Whether this looks like something that nobody would write as a word: with a digit in it, or in no known order.
pub(super) fn looks_secret(value: &str) -> bool {
    let letters = value.chars().any(char::is_alphabetic);
    let digits = value.chars().filter(char::is_ascii_digit).count();
    value.len() >= 6 && (letters && digits > 0 || digits == value.len()) || super::shape::is_random(value)
}

//! Secrets taken out of text, before it goes where it can't be taken back from.
//!
//! **Mechanics.** Word by word: what follows a name of secrets (`password=`, `--token`, `Authorization: Bearer`),
//! what has the shape of a known kind of key, passwords in addresses, private keys in PEM blocks, and long
//! random words. **Limits.** A secret that looks like any other word, and isn't called one, is not known.

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// Names of secrets, as they end.
const NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "access-key",
    "private_key",
    "secret_key",
    "credentials",
];
/// How keys of well-known services begin, followed by 12 characters at least.
const PREFIXES: [&str; 20] = [
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "hf_",
    "npm_",
];

/// The text without what looks like a secret.
pub(crate) fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_key, mut next, mut named) = (false, false, false);
    for line in text.split_inclusive('\n') {
        let begins = line.contains("-----BEGIN ") && line.contains("PRIVATE KEY");
        if begins || in_key {
            if begins {
                out.push_str(REDACTED);
                out.push('\n');
            }
            in_key = !line.contains("-----END ");
            continue;
        }
        for word in line.split_inclusive(char::is_whitespace) {
            let bare = word.trim_end();
            let (clean, names_one) = one(bare, next);
            match bare {
                "" => {}
                // On its own, it makes what is before it a name, and what is after it a secret.
                "=" | ":" => next = next || named,
                _ => (next, named) = (names_one, is_name(bare)),
            }
            out.push_str(&clean);
            out.push_str(&word[bare.len()..]);
        }
        // A secret stands on the line of its name.
        (next, named) = (false, false);
    }
    out
}

/// A word without its secret, and whether it is a name whose secret follows.
fn one(word: &str, is_secret: bool) -> (String, bool) {
    let keep = |text: &str| text.to_owned();
    if word.is_empty() || matches!(word, "=" | ":") {
        return (keep(word), false);
    }
    let lower = word.to_lowercase();
    let bare = lower.trim_matches(|c: char| !c.is_alphanumeric());
    if matches!(bare, "bearer" | "basic") {
        return (keep(word), true);
    }
    if is_secret {
        return (keep(REDACTED), false);
    }
    if let Some((scheme, rest)) = word.split_once("://") {
        return (format!("{scheme}://{}", address(rest)), false);
    }
    if let Some(at) = word.find(['=', ':'])
        && is_name(&word[..at])
    {
        let (name, value) = word.split_at(at + 1);
        if value.trim_matches(['"', '\'']).is_empty() {
            return (keep(word), true);
        }
        return (format!("{name}{REDACTED}"), false);
    }
    let says_so = word.starts_with("--") && is_name(word);
    let quoted = word.trim_matches(|c: char| !c.is_alphanumeric());
    let value = quoted.rsplit(['=', '"', '\'']).next().unwrap_or_default();
    if is_token(quoted) || is_token(value) {
        return (word.replacen(if is_token(quoted) { quoted } else { value }, REDACTED, 1), false);
    }
    (keep(word), says_so)
}

/// An address behind its scheme, without its password and the secrets in its query.
fn address(rest: &str) -> String {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = host.rsplit_once('@').and_then(|(user, _)| Some((user, user.split_once(':')?.0)));
    let (mut out, rest) = match user {
        Some((user, name)) => (format!("{name}:{REDACTED}"), &rest[user.len()..]),
        None => (String::new(), rest),
    };
    for piece in rest.split_inclusive(['?', '&']) {
        match piece.split_once('=') {
            Some((name, value)) if is_name(name) => {
                let end = value.trim_end_matches(|c: char| !c.is_alphanumeric()).len();
                out.push_str(name);
                out.push('=');
                out.push_str(REDACTED);
                out.push_str(&value[end..]);
            }
            _ => out.push_str(piece),
        }
    }
    out
}

fn is_name(word: &str) -> bool {
    let word = word.to_lowercase();
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    NAMES.iter().any(|name| word.ends_with(name))
}

/// Whether a word has the shape of a key.
fn is_token(word: &str) -> bool {
    let known = PREFIXES.iter().any(|prefix| word.starts_with(prefix) && word.len() >= prefix.len() + 12);
    let signed = word.starts_with("eyJ") && word.matches('.').count() == 2;
    let characters = word.chars().all(|c| c.is_ascii_alphanumeric() || "+_-.~".contains(c));
    let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
    let random = word.len() >= 32
        && !word.contains('.')
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_uppercase)
        && word.chars().filter(char::is_ascii_digit).count() >= 2;
    characters && (known || signed || random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out() {
        for (text, clean) in [
            ("export API_TOKEN=abc123", "export API_TOKEN=[redacted]"),
            ("mysql --password hunter2 -u me", "mysql --password [redacted] -u me"),
            ("psql postgres://me:hunter2@db.example/x", "psql postgres://me:[redacted]@db.example/x"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
            ("{\"password\": \"hunter2\", \"a\": 1}", "{\"password\": [redacted] \"a\": 1}"),
            ("secret = hunter2", "secret = [redacted]"),
            ("key sk-abcdefghijklmnop123", "key [redacted]"),
            ("AWS AKIAIOSFODNN7EXAMPLE.", "AWS [redacted]."),
            (
                "curl 'https://x.example/?api_key=abc&b=2&token=d'",
                "curl 'https://x.example/?api_key=[redacted]&b=2&token=[redacted]'",
            ),
            ("n: wJalrXUtnFEMIK7MDENGbPxRfiCYEX1MPLEKEY", "n: [redacted]"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\nabc\n-----END OPENSSH PRIVATE KEY-----\nok",
                "[redacted]\nok",
            ),
        ] {
            assert_eq!(redacted(text), clean);
        }
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in [
            "$ git log -1\ncommit e660452aa0f1b2c3d4e5f60718293a4b5c6d7e8f\n",
            "warning: unused variable: `x`\n  --> src/main.rs:3:9\n",
            "https://example.com/a?b=c and /home/ann/Projects/voice-terminal2/src/main.rs",
            "  two  blanks\t and a tab\n\n",
            "test result: ok. 12 passed; 0 failed",
            "the password was not accepted",
        ] {
            assert_eq!(redacted(text), text);
        }
    }
}

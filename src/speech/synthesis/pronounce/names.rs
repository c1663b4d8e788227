//! Names of things: paths, files, variables, types, addresses; in words, part by part.

use super::words::{ACRONYMS, SHORT_WORDS, symbol};
use super::{Pronouncer, spelled};

impl Pronouncer {
    /// A word of several parts: a path, a file, a name in snake, kebab or camel case.
    pub(super) fn compound(&self, word: &str) -> String {
        let mut said: Vec<String> = Vec::new();
        let mut part = String::new();
        let characters: Vec<char> = word.chars().collect();
        for (at, &character) in characters.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| characters[before]);
            let after = characters.get(at + 1).copied();
            if is_hump(before, character, after) {
                self.close(&mut part, &mut said);
            }
            match character {
                // A decimal point, or an apostrophe within a word.
                '.' if before.is_some_and(|c| c.is_ascii_digit())
                    && after.is_some_and(|c| c.is_ascii_digit()) =>
                {
                    part.push('.');
                }
                '\'' | '’' => part.push('\''),
                '.' if after.is_some() => {
                    self.close(&mut part, &mut said);
                    said.push("dot".into());
                }
                // "Vec<String>", "main.rs:12:5".
                '<' if before.is_some_and(char::is_alphabetic)
                    && after.is_some_and(char::is_alphanumeric) =>
                {
                    self.close(&mut part, &mut said);
                    said.push("of".into());
                }
                '>' if word.contains('<') => self.close(&mut part, &mut said),
                ':' if after.is_some_and(|c| c.is_ascii_digit()) => {
                    self.close(&mut part, &mut said);
                    if before.is_some_and(char::is_alphanumeric) {
                        let place = if said.contains(&"line".to_owned()) { "column" } else { "line" };
                        said.push(place.into());
                    }
                }
                _ if character.is_alphanumeric() => part.push(character),
                _ => {
                    self.close(&mut part, &mut said);
                    said.extend(symbol(character).map(str::to_owned));
                }
            }
        }
        self.close(&mut part, &mut said);
        if said.len() > 1 {
            // A letter among others is no article.
            for letter in said.iter_mut().filter(|part| part.len() == 1) {
                letter.make_ascii_uppercase();
            }
        }
        said.join(" ")
    }

    /// An address on a network: `https://example.com/docs?page=2`, `me@example.com`, `localhost:8080`.
    pub(super) fn address(&self, word: &str) -> Option<String> {
        let (host, path) = match word.split_once("://") {
            Some((scheme, rest)) if scheme.chars().all(char::is_alphabetic) => {
                // Nobody listens to what stands behind these.
                let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
                let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest).trim_end_matches('/');
                let end = rest.find('/').unwrap_or(rest.len());
                rest.split_at(end)
            }
            None if word.starts_with("localhost:") => (word, ""),
            Some(_) | None => return None,
        };
        let (host, port) = host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
        let is_number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        if host.is_empty() || !port.is_none_or(is_number) {
            return None;
        }
        let host = host.trim_start_matches("www.");
        let host = super::numbers::number(host).unwrap_or_else(|| self.compound(host));
        let port = port.map(|port| format!(" port {port}")).unwrap_or_default();
        let path = if path.is_empty() { String::new() } else { format!(" {}", self.compound(path)) };
        Some(format!("{host}{port}{path}"))
    }

    fn close(&self, part: &mut String, said: &mut Vec<String>) {
        let part = std::mem::take(part);
        if !part.is_empty() {
            let is_ending = said.last().is_some_and(|word| word == "dot");
            said.push(self.part(&part, is_ending));
        }
    }

    /// One part of a name; an ending is what stands behind a dot.
    fn part(&self, part: &str, is_ending: bool) -> String {
        let lower = part.to_lowercase();
        if let Some(said) = self.lexicon.get(&lower) {
            return said.clone();
        }
        if is_hash(part) {
            return super::short_hash(part);
        }
        // 1.2.3 is no number.
        if part.matches('.').count() > 1 {
            return part.replace('.', " point ");
        }
        if !part.chars().all(|c| c.is_ascii_alphabetic()) {
            let number = super::numbers::code(part).or_else(|| lettered_number(part));
            return number.unwrap_or_else(|| part.to_owned());
        }
        let is_capital = part.len() > 1 && part.chars().all(char::is_uppercase);
        let vowels = lower.chars().any(|c| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y'));
        // "URLs", "cpus".
        if let Some(one) = part.strip_suffix('s').filter(|one| one.len() > 1) {
            let is_acronym = one.len() <= 4 && one.chars().all(char::is_uppercase)
                || ACRONYMS.contains(&one.to_lowercase().as_str());
            if is_acronym {
                return format!("{}s", spelled(one));
            }
        }
        let is_letters = ACRONYMS.contains(&lower.as_str())
            || is_capital && part.len() <= 3 && !SHORT_WORDS.contains(&lower.as_str())
            || part.len() <= 5 && !vowels
            || is_ending && part.len() <= 2;
        if is_letters {
            spelled(part)
        } else if is_capital {
            // Read as a word, and not as letters.
            lower
        } else {
            part.to_owned()
        }
    }
}

/// Whether a new word begins here within one: "maxRetries", "HTTPServer".
fn is_hump(before: Option<char>, character: char, after: Option<char>) -> bool {
    character.is_uppercase()
        && before.is_some_and(|before| {
            before.is_lowercase()
                // Not the plural of an acronym.
                || before.is_uppercase() && after.is_some_and(|after| after.is_lowercase() && after != 's')
        })
}

/// Letters and then a number, or the other way round: "utf8", "python3", "2fa".
fn lettered_number(part: &str) -> Option<String> {
    let at = part.find(|c: char| c.is_ascii_digit() != part.starts_with(|c: char| c.is_ascii_digit()))?;
    let (one, two) = part.split_at(at);
    let letters = if one.starts_with(|c: char| c.is_ascii_digit()) { two } else { one };
    let plain = letters.chars().all(char::is_alphabetic);
    let said = |it: &str| {
        let vowels = it.chars().any(|c| matches!(c.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u' | 'y'));
        let short =
            it.chars().all(char::is_alphabetic) && it.len() <= 4 && (!vowels || it.len() == 1 || it == "utf");
        if short { spelled(it) } else { it.to_owned() }
    };
    plain.then(|| format!("{} {}", said(one), said(two)))
}

/// Whether it looks like the name of a commit or the like.
pub(super) fn is_hash(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let hexadecimal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_uuid = word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let fits = word.len() >= 7 && hexadecimal(word) || is_uuid && word.split('-').all(hexadecimal);
    fits && digits > 0 && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

//! Secrets among the arguments of programs that take them there.

use std::ops::Range;

use super::names::{self, Name};
use super::said;
use super::value::{is_no_secret, looks_secret, value_at};

/// How an option of a program takes a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// The next word, or the rest of this one: `-p secret`, `-psecret`.
    Word,
    /// The rest of this word only: `-psecret`. Alone it asks.
    Joined,
    /// `user:secret`, in the next word or the rest of this one.
    Pair(char),
}

/// Names, a word that must be there, options.
type Program = (&'static [&'static str], &'static str, &'static [(&'static str, Takes)]);

/// Programs, a word that must be among their arguments, and their options.
const PROGRAMS: &[Program] = &[
    (
        &["mysql", "mysqldump", "mysqladmin", "mysqlimport", "mariadb", "mariadb-dump", "mycli"],
        "",
        &[("-p", Takes::Joined)],
    ),
    (&["sshpass", "mongo", "mongosh", "mongodump", "mongorestore", "twine"], "", &[("-p", Takes::Word)]),
    (
        &[
            "docker", "podman", "buildah", "nerdctl", "helm", "oras", "crane", "az", "cf", "oc", "skopeo",
            "ibmcloud",
        ],
        "login",
        &[("-p", Takes::Word)],
    ),
    (&["redis-cli"], "", &[("-a", Takes::Word)]),
    (&["skopeo", "oras", "podman"], "", &[("--creds", Takes::Pair(':'))]),
    (
        &["curl"],
        "",
        &[
            ("-u", Takes::Pair(':')),
            ("--user", Takes::Pair(':')),
            ("-U", Takes::Pair(':')),
            ("--proxy-user", Takes::Pair(':')),
            ("-b", Takes::Pair('=')),
            ("--cookie", Takes::Pair('=')),
            ("--oauth2-bearer", Takes::Word),
        ],
    ),
    (&["http", "https", "xh", "xhs"], "", &[("-a", Takes::Pair(':')), ("--auth", Takes::Pair(':'))]),
    (&["lftp"], "", &[("-u", Takes::Pair(','))]),
    (
        &["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami", "ldappasswd"],
        "",
        &[("-w", Takes::Word)],
    ),
    (&["smbclient", "rpcclient", "net", "winexe", "smbget"], "", &[("-U", Takes::Pair('%'))]),
    (&["7z", "7za", "7zr", "7zz", "rar", "unrar"], "", &[("-p", Takes::Joined)]),
    (&["zip", "unzip", "sqlcmd", "bcp"], "", &[("-P", Takes::Word)]),
    (&["openssl"], "", &[("-k", Takes::Word), ("-K", Takes::Word)]),
    (&["xfreerdp", "wlfreerdp"], "", &[("/p:", Takes::Joined)]),
    (&["kubectl", "oc"], "secret", &[("--from-literal", Takes::Pair('='))]),
];

/// Programs whose last argument is a secret, and a word that must be among the others.
const LAST: [(&str, &str); 4] =
    [("htpasswd", "-b"), ("wpa_passphrase", ""), ("vault", "login"), ("chpasswd", "")];

/// Finds them.
pub(super) fn find(line: &str, words: &[Range<usize>], found: &mut Vec<Range<usize>>) {
    let mut begin = 0;
    for at in 0..=words.len() {
        let ends = at == words.len() || matches!(&line[words[at].clone()], "|" | "||" | "&&" | "&" | ";");
        if ends {
            command(line, &words[begin..at], found);
            begin = at + 1;
        } else if line[words[at].clone()].ends_with(';') {
            command(line, &words[begin..=at], found);
            begin = at + 1;
        }
    }
    options(line, words, found);
    fed(line, words, found);
}

/// One command of the line.
fn command(line: &str, words: &[Range<usize>], found: &mut Vec<Range<usize>>) {
    let is_known = |word: &Range<usize>| {
        let name = program(&line[word.clone()]);
        PROGRAMS.iter().any(|(programs, ..)| programs.contains(&name))
            || LAST.iter().any(|(known, _)| *known == name)
    };
    let known: Vec<usize> = (0..words.len()).filter(|at| is_known(&words[*at])).collect();
    for (at, next) in known.iter().zip(known.iter().skip(1).chain([&words.len()])) {
        let name = program(&line[words[*at].clone()]);
        let arguments = &words[at + 1..*next];
        let has =
            |wanted: &str| wanted.is_empty() || arguments.iter().any(|word| &line[word.clone()] == wanted);
        for (programs, wanted, options) in PROGRAMS {
            if programs.contains(&name) && has(wanted) {
                for option in *options {
                    option_of(line, arguments, *option, found);
                }
            }
        }
        if LAST.iter().any(|(known, wanted)| *known == name && has(wanted))
            && let [_, .., last] = arguments
        {
            let value = value_at(line, last.start);
            if !line[last.clone()].starts_with('-') && !is_no_secret(&line[value.clone()]) {
                found.push(value);
            }
        }
    }
}

/// The name of a program that is called so, or by its path, or in quotes.
fn program(word: &str) -> &str {
    let word = word.trim_start_matches(['`', '"', '\'', '(', '$']).trim_end_matches(['`', '"', '\'', ')']);
    word.rsplit('/').next().unwrap_or_default()
}

/// What an option of a program is given.
fn option_of(
    line: &str,
    words: &[Range<usize>],
    (option, takes): (&str, Takes),
    found: &mut Vec<Range<usize>>,
) {
    for (at, word) in words.iter().enumerate() {
        let text = &line[word.clone()];
        let next = words.get(at + 1).map(|next| next.start).filter(|_| takes != Takes::Joined);
        let from = if text == option || is_last_of_several(text, option) {
            next
        } else {
            let rest = text.strip_prefix(option).filter(|_| option.len() == 2 || option.ends_with(':'));
            let rest = rest.or_else(|| text.strip_prefix(option).and_then(|rest| rest.strip_prefix('=')));
            rest.filter(|rest| !rest.is_empty()).map(|rest| word.end - rest.len())
        };
        let Some(from) = from else { continue };
        let mut value = value_at(line, from);
        if value.start == from && line[value.clone()].starts_with('-') {
            continue;
        }
        if let Takes::Pair(sign) = takes {
            match line[value.clone()].find(sign) {
                Some(sign) => value.start += sign + 1,
                // A name alone asks for the rest.
                None => continue,
            }
        }
        if !is_no_secret(&line[value.clone()]) {
            found.push(value);
        }
    }
}

/// `-sSu` ends with the option `-u`.
fn is_last_of_several(word: &str, option: &str) -> bool {
    option == "-u"
        && word.len() > 2
        && word.ends_with('u')
        && word.starts_with('-')
        && word[1..].bytes().all(|b| b.is_ascii_alphabetic())
}

/// Options of any program that are called so: `--password …`, `-storepass …`, `set aws_secret_access_key …`.
fn options(line: &str, words: &[Range<usize>], found: &mut Vec<Range<usize>>) {
    for pair in words.windows(2) {
        let text = line[pair[0].clone()].trim_matches(['"', '\'', '`']);
        if text.contains(['=', ':']) && !text.contains(":_") {
            continue;
        }
        let Some(strength) = names::name(text) else { continue };
        let value = value_at(line, pair[1].start);
        let secret = &line[value.clone()];
        let is_option = text.starts_with('-');
        let is_setting = strength == Name::Strong && text.contains('_');
        let is_sign = value.start == pair[1].start && secret.starts_with(['-', '=', ':', '|', '>']);
        let can_be = !is_no_secret(secret) && !is_sign;
        if can_be && (is_option && !said::goes_on_otherwise(secret) || is_setting && looks_secret(secret)) {
            found.push(value);
        }
    }
    for word in words {
        let text = line[word.clone()].trim_start_matches(['"', '\'', '`']);
        // `-passin pass:…`
        if let Some(secret) = text.strip_prefix("pass:").filter(|secret| !is_no_secret(secret))
            && line[..word.start]
                .trim_end()
                .rsplit(char::is_whitespace)
                .next()
                .is_some_and(|it| it.starts_with("-pass"))
        {
            let from = word.end - secret.len();
            found.push(value_at(line, from));
        }
        // A line of a .pgpass.
        let fields: Vec<&str> = text.splitn(5, ':').collect();
        if let [host, port, database, user, secret] = fields.as_slice()
            && words.len() == 1
            && (*port == "*" || port.len() >= 2 && port.bytes().all(|b| b.is_ascii_digit()))
            && [host, database, user].iter().all(|field| !field.is_empty())
            && !is_no_secret(secret)
        {
            found.push(word.end - secret.len()..word.end);
        }
    }
    // A line of a .netrc.
    let word = |at: usize| words.get(at).map_or("", |word| &line[word.clone()]);
    if (0..words.len()).any(|at| matches!(word(at), "machine" | "login")) {
        for at in 0..words.len() {
            if word(at) == "password"
                && let Some(next) = words.get(at + 1)
            {
                found.push(value_at(line, next.start));
            }
        }
    }
}

/// What is fed to a program that reads a secret: `echo … | sudo -S`, `login --password-stdin <<< …`.
fn fed(line: &str, words: &[Range<usize>], found: &mut Vec<Range<usize>>) {
    const READERS: [&str; 10] = [
        "sudo -S",
        "--password-stdin",
        "chpasswd",
        "passwd --stdin",
        "--passphrase-fd 0",
        "--with-token",
        "smbpasswd -s",
        "cryptsetup",
        "--stdin-password",
        "su -c",
    ];
    if !READERS.iter().any(|reader| line.contains(reader)) {
        return;
    }
    for (at, word) in words.iter().enumerate() {
        let text = &line[word.clone()];
        let Some(next) = words.get(at + 1) else { break };
        let mut from = next.start;
        if matches!(program(text), "echo" | "printf") {
            let skipped = words[at + 1..].iter().take_while(|word| {
                let word = &line[(*word).clone()];
                word.starts_with('-') || word.trim_matches(['"', '\'']).starts_with('%')
            });
            let Some(first) = words.get(at + 1 + skipped.count()) else { continue };
            from = first.start;
        } else if text != "<<<" {
            continue;
        }
        let value = value_at(line, from);
        if !is_no_secret(&line[value.clone()]) && line[value.clone()] != *"|" {
            found.push(value);
        }
    }
}

//! What secrets are called.

/// How much a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// Whatever it is given is a secret.
    Strong,
    /// It may be something else, as a token is to a parser.
    Weak,
}

/// How names end that mean nothing else, without what stands between their words.
const STRONG: [&str; 50] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "motdepasse",
    "contraseña",
    "contrasena",
    "senha",
    "wachtwoord",
    "hasło",
    "пароль",
    "密码",
    "パスワード",
    "storepass",
    "keypass",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "keydata",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "accountkey",
    "sharedkey",
    "authkey",
    "deploykey",
    "recoverykey",
    "clientsecret",
    "appsecret",
    "webhooksecret",
    "signingsecret",
    "jwtsecret",
    "accesstoken",
    "authtoken",
    "apitoken",
    "refreshtoken",
    "idtoken",
    "sessiontoken",
    "bearertoken",
    "bottoken",
    "privatetoken",
    "deploytoken",
    "securitytoken",
    "signature",
    "sessionkey",
    "dbpass",
    "userpass",
];

/// How names end that mean other things too.
const WEAK: [&str; 7] = ["token", "secret", "secrets", "credential", "credentials", "pass", "pwd"];

/// Names of headers whose whole value is a secret.
const HEADERS: [&str; 5] =
    ["authorization", "proxyauthorization", "cookie", "setcookie", "xamzsecuritytoken"];

/// What a name says, if it is one of a secret. Of `DB_PASSWORD`, `spring.datasource.password`, `clientSecret` and
/// `--api-key` only the end matters.
pub(super) fn name(word: &str) -> Option<Name> {
    const LONGEST: usize = 80;
    if word.len() > LONGEST {
        return None;
    }
    let plain = plain(word);
    let ends = |known: &[&str]| known.iter().any(|known| plain.ends_with(known));
    if ends(&STRONG) {
        // A signature of a program's function is no secret, one in an address is.
        return (!plain.ends_with("signature") || plain.starts_with("xamz")).then_some(Name::Strong);
    }
    // `_auth` is the whole name, in a file of npm's.
    if word.trim_start_matches(['/', ':']).ends_with(":_auth") || word == "_auth" {
        return Some(Name::Strong);
    }
    // That would be where the shell is, or was.
    let is_place = matches!(plain.as_str(), "pwd" | "oldpwd") && !word.starts_with(char::is_uppercase);
    let is_compass =
        ["compass", "bypass", "trespass", "surpass", "encompass"].iter().any(|it| plain.ends_with(it));
    (ends(&WEAK) && !is_place && !is_compass && word != "PWD" && word != "OLDPWD").then_some(Name::Weak)
}

/// Whether it is the name of a header whose whole value is a secret.
pub(super) fn is_header(word: &str) -> bool {
    word.len() < 30 && HEADERS.contains(&plain(word).as_str())
}

/// In small letters, and without what stands between words.
fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether this names a secret in the query of an address.
pub(super) fn is_parameter(word: &str) -> bool {
    const MORE: [&str; 8] =
        ["sig", "key", "code", "auth", "signature", "xamzsignature", "xgoogsignature", "sas"];
    name(word).is_some() || MORE.contains(&plain(word).as_str())
}

//! A database's URL, which may hold a password and is therefore never shown whole.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// What is shown in a password's place.
const HIDDEN: &str = "•••";

/// Where a database is: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS`, or empty for none.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// All of it, to connect with.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether a password stands in it.
    pub fn holds_password(&self) -> bool {
        self.shown() != self.0
    }

    /// Whether it is a URL of PostgreSQL.
    pub(super) fn is_postgres(&self) -> bool {
        ["postgres://", "postgresql://"].iter().any(|scheme| self.0.starts_with(scheme))
    }

    /// Without its password.
    fn shown(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            // Whatever this is, it may be a secret.
            return if self.0.is_empty() { String::new() } else { HIDDEN.into() };
        };
        let (address, query) =
            rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
        // The last @ before the path: a password may hold one itself.
        let address = match address.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((name, _)) => format!("{name}:{HIDDEN}@{host}"),
                None => address.to_owned(),
            },
            None => address.to_owned(),
        };
        let hide = |pair: &str| match pair.split_once('=') {
            Some((key, _)) if key.eq_ignore_ascii_case("password") => format!("{key}={HIDDEN}"),
            _ => pair.to_owned(),
        };
        let query: Option<Vec<String>> = query.map(|query| query.split('&').map(hide).collect());
        let query = query.map_or(String::new(), |pairs| format!("?{}", pairs.join("&")));
        format!("{scheme}://{address}{query}")
    }
}

impl From<&str> for DatabaseUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("", ""),
            ("postgres://ann@db/history", "postgres://ann@db/history"),
            ("postgres://ann:s3cret@db/history", "postgres://ann:•••@db/history"),
            ("postgres://ann:s3c@ret@db/history", "postgres://ann:•••@db/history"),
            ("postgres://db/history?user=ann&password=s3cret", "postgres://db/history?user=ann&password=•••"),
            ("s3cret", "•••"),
        ] {
            let url = DatabaseUrl::from(url);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(serde_json::to_value(&url).unwrap(), shown);
            assert_eq!(url.holds_password(), shown.contains('•'));
        }
    }
}

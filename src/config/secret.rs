//! A database's URL, which may hold a password and is therefore never shown whole.

use std::fmt;
use std::net::IpAddr;

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

    /// Whether it is on another machine. Without a host it is PostgreSQL's own variable that says so.
    pub fn is_elsewhere(&self) -> bool {
        if !self.is_set() {
            return false;
        }
        let host = self.host();
        let host =
            if host.is_empty() { std::env::var("PGHOST").unwrap_or_default() } else { host.to_owned() };
        let is_socket =
            host.starts_with('/') || host.get(..3).is_some_and(|it| it.eq_ignore_ascii_case("%2f"));
        let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        !(host.is_empty() || is_socket || is_loopback || host == "localhost")
    }

    /// Whether it asks for a connection that may be unencrypted, or encrypted for anybody.
    pub(super) fn is_careless(&self) -> bool {
        let careless =
            |mode: &str| !["verify-ca", "verify-full"].contains(&mode.to_ascii_lowercase().as_str());
        ["sslmode", "ssl-mode"].iter().any(|option| self.option(option).is_some_and(careless))
    }

    /// The last value of an option.
    fn option(&self, name: &str) -> Option<&str> {
        let (_, query) = self.0.split_once('?')?;
        let mut pairs = query.rsplit('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn host(&self) -> &str {
        if let Some(host) = self.option("hostaddr").or_else(|| self.option("host")) {
            return host;
        }
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        let address = rest.split(['/', '?']).next().unwrap_or_default();
        let host = address.rsplit_once('@').map_or(address, |(_, host)| host);
        match host.strip_prefix('[') {
            Some(host) => host.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        }
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
    fn it_is_known_what_leaves_the_machine() {
        for (url, elsewhere) in [
            ("", false),
            ("postgres:///history", false),
            ("postgres://ann@localhost/history", false),
            ("postgres://ann:s3c@ret@127.0.0.1:5433/history?sslmode=disable", false),
            ("postgres://ann@[::1]:5433/history", false),
            ("postgres://%2Frun%2Fpostgresql/history", false),
            ("postgres://db.example/history?host=/run/postgresql", false),
            ("postgres://ann@db.example/history", true),
            ("postgres://ann:127.0.0.1@10.0.0.7:5432/history", true),
            ("postgres://localhost/history?host=db.example", true),
            ("postgres://localhost/history?hostaddr=10.0.0.7", true),
            ("postgres://localhost.example", true),
        ] {
            assert_eq!(DatabaseUrl::from(url).is_elsewhere(), elsewhere, "{url}");
        }
        for (mode, careless) in [
            ("", false),
            ("?sslmode=verify-full", false),
            ("?sslrootcert=/ca&sslmode=verify-ca", false),
            ("?sslmode=require", true),
            ("?sslmode=Disable", true),
            ("?ssl-mode=prefer", true),
        ] {
            let url = DatabaseUrl(format!("postgres://db.example/history{mode}"));
            assert_eq!(url.is_careless(), careless, "{mode}");
        }
    }

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

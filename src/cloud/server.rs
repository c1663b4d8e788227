//! One service: its address, its key, and one way of asking it.

use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;

use super::{CloudError, Key};
use crate::breaker::Unready;
use crate::domain::is_this_machine;
use crate::http;

const CONNECT: Duration = Duration::from_secs(3);
/// Of an answer that tells why not, more is not read, in bytes.
const REFUSAL: usize = 8 * 1024;
/// Where those are who have a name, and how their hosts end.
const HOMES: [(&str, &str); 4] = [
    ("Google", ".googleapis.com"),
    ("Azure", ".microsoft.com"),
    ("OpenAI", "api.openai.com"),
    ("Anthropic", "api.anthropic.com"),
];

/// How a service wants to be shown its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorisation {
    /// `Authorization: Bearer KEY`
    Bearer,
    /// In a header of its own.
    Header(&'static str),
}

/// One service.
pub struct Server {
    who: &'static str,
    client: Client,
    base: Url,
    local: bool,
    key: Option<(HeaderValue, Authorisation)>,
    /// Where its key is looked for, to tell.
    key_place: String,
}

/// What is asked.
pub struct Request {
    /// Below the service's address.
    pub path: &'static str,
    /// What the path's query holds; never a secret.
    pub query: Vec<(&'static str, String)>,
    /// Headers of this request, beside the key.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The longest answer that makes sense, in bytes.
    pub longest: usize,
}

impl Server {
    /// The service at an address: by TLS, or on this machine. Its key is that of the environment variable
    /// or of the key directory.
    ///
    /// # Errors
    /// What is wrong with the address, in the user's words; `setting` is where it was given.
    pub fn new(
        who: &'static str,
        setting: &str,
        address: &str,
        key: Option<Key>,
        (key_place, authorisation): (String, Authorisation),
    ) -> Result<Self, Unready> {
        let no = |what: String| Unready(format!("{setting} {what}"));
        let mut base = Url::parse(address.trim()).map_err(|error| no(format!("is no address: {error}")))?;
        let local = stays_here(&base);
        if base.scheme() != "https" && !(base.scheme() == "http" && local) {
            return Err(no("must begin with https://, unless it is on this machine".into()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(no("must hold no password".into()));
        }
        // Else what is joined to it takes the place of its last part.
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        // Whoever redirects would get what was meant for another.
        let mut builder = http::client().connect_timeout(CONNECT).redirect(Policy::none());
        if local {
            // A proxy would carry it away.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| no(format!("can't be used: {error}")))?;
        let key = key.and_then(|key| {
            let shown = match authorisation {
                Authorisation::Bearer => format!("Bearer {}", key.reveal()),
                Authorisation::Header(_) => key.reveal().to_owned(),
            };
            let mut value = HeaderValue::from_str(&shown).ok()?;
            value.set_sensitive(true);
            Some((value, authorisation))
        });
        Ok(Self { who, client, base, local, key, key_place })
    }

    /// Whether it is on this machine.
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// The service, as people call it.
    pub fn who(&self) -> &'static str {
        self.who
    }

    /// Its host, which has to be told where its name doesn't say who gets what is sent.
    pub fn host(&self) -> Option<&str> {
        let host = self.base.host_str().filter(|_| !self.local)?;
        let is_home = HOMES.iter().any(|(who, home)| *who == self.who && host.ends_with(home));
        (!is_home).then_some(host)
    }

    /// Whether it has what it needs to be asked.
    ///
    /// # Errors
    /// There is no key.
    pub fn ready(&self) -> Result<(), Unready> {
        if self.key.is_some() {
            return Ok(());
        }
        Err(Unready(format!("there is no key for {}: put one into {}", self.who, self.key_place)))
    }

    /// Asks. Dropping the future ends the request. Nothing of it is ever logged but how it failed.
    ///
    /// # Errors
    /// [`CloudError`]
    pub async fn ask(&self, request: Request) -> Result<Vec<u8>, CloudError> {
        let Request { path, query, headers, body, longest } = request;
        let who = self.who;
        let mut url = self.base.join(path).map_err(|_| CloudError::Unreachable { who })?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut asking = self.client.post(url).body(body);
        for (name, value) in headers {
            asking = asking.header(name, value);
        }
        if let Some((value, authorisation)) = &self.key {
            let name = match authorisation {
                Authorisation::Bearer => "authorization",
                Authorisation::Header(name) => name,
            };
            asking = asking.header(name, value.clone());
        }
        let response = asking.send().await.map_err(|error| {
            tracing::warn!(who, error = %chain(&error.without_url()), "a service can't be reached");
            CloudError::Unreachable { who }
        })?;
        let response = self.accepted(response).await?;
        self.read(response, longest).await
    }

    /// The body, if it is no longer than that.
    async fn read(&self, response: Response, longest: usize) -> Result<Vec<u8>, CloudError> {
        let who = self.who;
        let (mut bytes, mut stream) = (Vec::new(), response.bytes_stream());
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| {
                tracing::warn!(who, error = %chain(&error.without_url()), "an answer broke off");
                CloudError::BrokeOff { who }
            })?;
            if bytes.len() + piece.len() > longest {
                return Err(CloudError::TooMuch { who });
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// The response, if its status is a success.
    async fn accepted(&self, response: Response) -> Result<Response, CloudError> {
        let (who, status) = (self.who, response.status());
        if status.is_success() {
            return Ok(response);
        }
        tracing::warn!(who, status = status.as_u16(), "a service refuses");
        let retry_after = retry_after(response.headers());
        let is_wrong_key = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => true,
            StatusCode::BAD_REQUEST => {
                self.read(response, REFUSAL).await.is_ok_and(|body| tells_wrong_key(&body))
            }
            _ => false,
        };
        Err(match status {
            _ if is_wrong_key => CloudError::Refused { who, key: self.key_place.clone() },
            StatusCode::TOO_MANY_REQUESTS => CloudError::Busy { who, retry_after },
            StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => CloudError::Busy { who, retry_after },
            _ => CloudError::Status { who, status: status.as_u16() },
        })
    }
}

/// Whether an error is Google's way of saying that the key is none: a 400 with a reason among its details.
fn tells_wrong_key(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let details = body["error"]["details"].as_array();
    details.is_some_and(|details| details.iter().any(|detail| detail["reason"] == "API_KEY_INVALID"))
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(value).ok()?.timestamp();
    Duration::try_from(at.duration_since(Timestamp::now())).ok()
}

/// An error with its causes: reqwest's own words leave out what matters.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Whether an address is on this machine.
pub fn is_local(address: &str) -> bool {
    Url::parse(address).is_ok_and(|address| stays_here(&address))
}

fn stays_here(address: &Url) -> bool {
    let host = address.host_str().unwrap_or_default().trim_matches(['[', ']']);
    is_this_machine(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str) -> Result<Server, Unready> {
        Server::new("Somebody", "cloud.x", address, None, ("X_KEY".into(), Authorisation::Bearer))
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted() {
        for (address, local) in [
            ("https://api.example", false),
            ("https://127.0.0.1.example", false),
            ("http://127.0.0.1:8000", true),
            ("http://[::1]:8000/deep", true),
            ("http://localhost", true),
        ] {
            assert_eq!(server(address).map(|it| it.is_local()), Ok(local), "{address}");
        }
        for address in ["http://api.example", "ftp://localhost", "", "https://me:secret@api.example"] {
            let Err(refused) = server(address) else { panic!("{address}") };
            assert!(refused.0.starts_with("cloud.x ") && !refused.0.contains("secret"), "{refused}");
        }
        assert!(server("https://api.example").unwrap().ready().unwrap_err().0.contains("X_KEY"));
    }

    #[test]
    fn its_host_is_told_unless_its_name_tells_enough() {
        for (who, address, host) in [
            ("Google", "https://speech.googleapis.com", None),
            ("Azure", "https://westeurope.tts.speech.microsoft.com", None),
            ("OpenAI", "https://api.openai.com", None),
            ("Google", "https://proxy.example/google", Some("proxy.example")),
            ("the speech service", "https://api.openai.com.example", Some("api.openai.com.example")),
            ("the AI service", "https://llm.example:8443/v1", Some("llm.example")),
            ("your own AI", "http://127.0.0.1:11434", None),
        ] {
            let server = Server::new(who, "x", address, None, ("X_KEY".into(), Authorisation::Bearer));
            assert_eq!(server.unwrap().host(), host, "{who} {address}");
        }
    }

    #[test]
    fn a_wrong_key_is_known_by_its_reason_only() {
        let told = |reason: &str| {
            format!(r#"{{ "error": {{ "code": 400, "details": [{{}}, {{ "reason": "{reason}" }}] }} }}"#)
        };
        assert!(tells_wrong_key(told("API_KEY_INVALID").as_bytes()));
        for other in [&told("BAD_LANGUAGE"), "{}", "[]", "API_KEY_INVALID", "{\"error\":{\"details\":7}}"] {
            assert!(!tells_wrong_key(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("soon"), None);
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        let later = of("Sat, 06 Nov 2094 08:49:37 GMT").unwrap();
        assert!(later > Duration::from_hours(24 * 365));
    }
}

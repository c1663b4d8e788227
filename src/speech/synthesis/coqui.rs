//! A Coqui `tts-server` on this machine, by its HTTP interface: `GET /api/tts?text=…` answers with a wav
//! file. What else it wants to be told (`speaker_id`, `language_id`) stands in its address.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Client, Url};

use super::error::SynthesisError;
use super::wav;
use crate::domain::{Sound, is_this_machine};
use crate::http;

/// More than a clause ever is: half a minute at 48 kHz.
const LONGEST: usize = 6 << 20;
const CONNECT: Duration = Duration::from_millis(500);

/// A server.
pub(super) struct Coqui {
    client: Client,
    address: Url,
}

impl Coqui {
    /// The server at an address, which must be on this machine: what is said is private.
    pub(super) fn new(address: &str) -> Result<Self, String> {
        let address =
            Url::parse(address).map_err(|error| format!("speech.tts.coqui is no address: {error}"))?;
        if !is_local(&address) {
            return Err("speech.tts.coqui must be an http address on this machine".into());
        }
        // A proxy would carry it away.
        let client = http::client().no_proxy().connect_timeout(CONNECT).build();
        let client = client.map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Self { client, address })
    }

    /// Where the sound of a clause is.
    fn url(&self, clause: &str) -> Url {
        let mut url = self.address.clone();
        url.set_path(&format!("{}/api/tts", self.address.path().trim_end_matches('/')));
        url.query_pairs_mut().append_pair("text", clause);
        url
    }

    /// The sound of a clause. Dropping the future ends the request.
    pub(super) async fn speak(&self, clause: &str) -> Result<Sound, SynthesisError> {
        let url = self.url(clause);
        let unreachable = |error: reqwest::Error| {
            tracing::warn!(error = %error.without_url(), "the speech server can't be reached");
            SynthesisError::Unreachable
        };
        let response = self.client.get(url).send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(SynthesisError::Status(response.status().as_u16()));
        }
        let (mut bytes, mut stream) = (Vec::new(), response.bytes_stream());
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece.map_err(unreachable)?);
            if bytes.len() > LONGEST {
                return Err(SynthesisError::NoSound);
            }
        }
        wav::decode(bytes).ok_or(SynthesisError::NoSound)
    }
}

fn is_local(address: &Url) -> bool {
    let host = address.host_str().unwrap_or_default().trim_matches(['[', ']']);
    address.scheme() == "http" && is_this_machine(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_address_may_say_more() {
        let url = |address: &str| Coqui::new(address).unwrap().url("a b").to_string();
        assert_eq!(url("http://127.0.0.1:5002"), "http://127.0.0.1:5002/api/tts?text=a+b");
        let more = "http://127.0.0.1:5002/voices/?speaker_id=p225";
        assert_eq!(url(more), "http://127.0.0.1:5002/voices/api/tts?speaker_id=p225&text=a+b");
    }

    #[test]
    fn nothing_leaves_the_machine() {
        for local in ["http://127.0.0.1:5002", "http://localhost:5002/", "http://[::1]:80"] {
            assert!(Coqui::new(local).is_ok(), "{local}");
        }
        for elsewhere in [
            "http://tts.example",
            "https://127.0.0.1",
            "http://127.0.0.1.example/",
            "file:///etc",
            "127.0.0.1",
            "",
        ] {
            assert!(Coqui::new(elsewhere).is_err(), "{elsewhere}");
        }
    }
}

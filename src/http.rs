//! The HTTP client of everything in here that talks to a server.

use reqwest::{Client, ClientBuilder};

/// A client to be configured further.
pub(crate) fn client() -> ClientBuilder {
    // Another part of the program may have installed it already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().user_agent(concat!("voice-terminal/", env!("CARGO_PKG_VERSION")))
}

//! A model from its hub: one file over HTTPS, resumed where it broke off.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::RANGE;
use reqwest::{Client, StatusCode};
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;

use super::ModelError;
use super::error::ModelErrorKind;

const CONNECT: Duration = Duration::from_secs(5);
/// A download that gives nothing for this long is broken off; what came is kept for the next try.
const STALL: Duration = Duration::from_secs(30);

/// Downloads `url` to `part`, from where an earlier try ended.
pub(super) async fn download(
    url: &str,
    part: &Path,
    size: u64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), ModelError> {
    let have = tokio::fs::metadata(part).await.map_or(0, |metadata| metadata.len());
    // A part as long as the whole is either whole or wrong; the checksum will tell.
    if have >= size {
        return Ok(());
    }
    let client = client().map_err(|error| unreachable(&error))?;
    let mut request = client.get(url);
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
    }
    let response = request.send().await.map_err(|error| unreachable(&error))?;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        return Err(wrong_size(part).await);
    }
    let response = response.error_for_status().map_err(|error| unreachable(&error))?;
    let resumed = response.status() == StatusCode::PARTIAL_CONTENT;
    let disk = |error: std::io::Error| ModelError::disk(&error, part);
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .append(resumed)
        .truncate(!resumed)
        .open(part)
        .await
        .map_err(disk)?;
    let mut done = if resumed { have } else { 0 };
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| unreachable(&error))?;
        done += chunk.len() as u64;
        if done > size {
            return Err(wrong_size(part).await);
        }
        file.write_all(&chunk).await.map_err(disk)?;
        progress(done);
    }
    file.flush().await.map_err(disk)?;
    if done < size {
        return Err(ModelError::new(
            ModelErrorKind::Unreachable,
            "the download broke off",
            "try again; it goes on where it stopped",
        ));
    }
    Ok(())
}

/// The hub's file is longer or shorter than the model: what came of it is no start for the next try.
async fn wrong_size(part: &Path) -> ModelError {
    // If it can't be removed, its checksum gives it away.
    let _ = tokio::fs::remove_file(part).await;
    ModelError::corrupt("the model hub's file has the wrong size")
}

fn client() -> reqwest::Result<Client> {
    // Another part of the program may have installed it already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(STALL)
        .user_agent(concat!("voice-terminal/", env!("CARGO_PKG_VERSION")))
        .build()
}

fn unreachable(error: &reqwest::Error) -> ModelError {
    tracing::debug!(%error, "the model hub can't be used");
    let what = match error.status() {
        Some(status) => format!("the model hub answers {}", status.as_u16()),
        None => "the model hub can't be reached".into(),
    };
    ModelError::new(ModelErrorKind::Unreachable, what, "check the network connection, and try again")
}

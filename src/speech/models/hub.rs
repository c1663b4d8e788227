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
use crate::http;

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
    let mut broken = None;
    while let Some(chunk) = body.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                broken = Some(unreachable(&error));
                break;
            }
        };
        done += chunk.len() as u64;
        if done > size {
            return Err(wrong_size(part).await);
        }
        file.write_all(&chunk).await.map_err(disk)?;
        progress(done);
    }
    // What came is on its way to the disk only; the next try goes on from what is there.
    file.flush().await.map_err(disk)?;
    if let Some(error) = broken {
        return Err(error);
    }
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
    http::client().connect_timeout(CONNECT).read_timeout(STALL).build()
}

fn unreachable(error: &reqwest::Error) -> ModelError {
    tracing::debug!(%error, "the model hub can't be used");
    let what = match error.status() {
        Some(status) => format!("the model hub answers {}", status.as_u16()),
        None => "the model hub can't be reached".into(),
    };
    ModelError::new(ModelErrorKind::Unreachable, what, "check the network connection, and try again")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    const MODEL: &[u8] = b"forty-two bytes of something like a model.";

    /// A hub that gives one answer; the task gives the header `range` of what it was asked.
    async fn hub(answer: Vec<u8>) -> (String, JoinHandle<Option<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/model.bin", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            let mut range = None;
            while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
                range = range.or_else(|| line.strip_prefix("range: ").map(str::to_owned));
            }
            write.write_all(&answer).await.unwrap();
            range
        });
        (url, asked)
    }

    fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        [head.as_bytes(), body].concat()
    }

    async fn get(url: &str, part: &Path) -> Result<(), ModelError> {
        download(url, part, MODEL.len() as u64, &|_| {}).await
    }

    fn place() -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let part = directory.path().join("model.part");
        (directory, part)
    }

    #[tokio::test]
    async fn what_broke_off_goes_on_where_it_stopped() {
        let (_directory, part) = place();
        let (url, _) = hub(answer("200 OK", MODEL.len(), &MODEL[..17])).await;
        assert_eq!(get(&url, &part).await.unwrap_err().kind, ModelErrorKind::Unreachable);
        assert_eq!(std::fs::read(&part).unwrap(), &MODEL[..17]);

        let rest = &MODEL[17..];
        let (url, asked) = hub(answer("206 Partial Content", rest.len(), rest)).await;
        get(&url, &part).await.unwrap();
        assert_eq!(std::fs::read(&part).unwrap(), MODEL);
        assert_eq!(asked.await.unwrap().as_deref(), Some("bytes=17-"));
    }

    #[tokio::test]
    async fn a_hub_that_can_not_resume_gives_the_whole_anew() {
        let (_directory, part) = place();
        std::fs::write(&part, b"something else").unwrap();
        let (url, _) = hub(answer("200 OK", MODEL.len(), MODEL)).await;
        get(&url, &part).await.unwrap();
        assert_eq!(std::fs::read(&part).unwrap(), MODEL);
    }

    #[tokio::test]
    async fn a_file_of_the_wrong_size_is_not_kept() {
        let (_directory, part) = place();
        let longer = [MODEL, MODEL].concat();
        for wrong in [answer("200 OK", longer.len(), &longer), answer("416 Range Not Satisfiable", 0, b"")] {
            std::fs::write(&part, &MODEL[..5]).unwrap();
            let (url, _) = hub(wrong).await;
            assert_eq!(get(&url, &part).await.unwrap_err().kind, ModelErrorKind::Corrupt);
            assert!(!part.exists());
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_and_loses_nothing() {
        let (_directory, part) = place();
        std::fs::write(&part, &MODEL[..5]).unwrap();
        let (url, _) = hub(answer("404 Not Found", 0, b"")).await;
        let error = get(&url, &part).await.unwrap_err();
        assert_eq!((error.kind, error.what.contains("404")), (ModelErrorKind::Unreachable, true));

        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = get(&format!("http://{nobody}/model.bin"), &part).await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Unreachable);
        assert!(!error.what.contains("127.0.0.1"), "{error}");
        assert_eq!(std::fs::read(&part).unwrap(), &MODEL[..5]);
    }
}

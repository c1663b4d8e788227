//! Composition: the one place where parts are built from configuration and joined.

use std::sync::Arc;

use crate::breaker::{Breaker, Registry};
use crate::config::{Config, ConfigError, Paths, Sources};
use crate::speech::models::{ModelBreakers, Models};

/// The configuration, the places, and the breakers: what every part is built from.
#[derive(Debug, Clone)]
pub struct World {
    /// What is configured.
    pub config: Config,
    /// Where things live.
    pub paths: Paths,
    /// All breakers.
    pub registry: Arc<Registry>,
}

impl World {
    /// From the process's environment.
    ///
    /// # Errors
    /// A configuration that can't be used.
    pub fn from_environment(profile: Option<String>, flags: Vec<String>) -> Result<Self, ConfigError> {
        let paths = Paths::from_environment();
        let config = Sources::from_environment(&paths, profile, flags).load()?;
        Ok(Self { config, paths, registry: Arc::default() })
    }

    /// The breaker of a tier, with the settings that are configured for it.
    fn breaker(&self, chain: &str, tier: &str) -> Result<Arc<Breaker>, ConfigError> {
        self.registry.get_or_create(tier, self.config.breaker(chain, tier)).map_err(|bad| ConfigError {
            origin: None,
            line: None,
            what: format!("breakers.{tier}: {bad}"),
            remedy: "change it in your configuration".into(),
        })
    }

    /// The models of this machine.
    ///
    /// # Errors
    /// Breaker settings that can't be used.
    pub fn models(&self) -> Result<Models, ConfigError> {
        let breakers = ModelBreakers {
            hub: self.breaker("models", "model-hub")?,
            packages: self.breaker("models", "model-packages")?,
        };
        Ok(Models::new(self.paths.models.clone(), breakers))
    }
}

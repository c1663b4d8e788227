//! `voice-terminal config [show|check]`

use std::process::ExitCode;

use clap::Subcommand;

use super::report::{self, Outcome, Problem};
use crate::app::World;
use crate::config::Paths;
use crate::redact::redacted;

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum Action {
    /// Show what is in force, after all layers
    Show,
    /// Check the configuration and say where it is read from
    Check,
}

pub(super) fn run(world: &World, action: Option<Action>, json: bool) -> Outcome {
    match action.unwrap_or(Action::Show) {
        Action::Show if json => {
            let mut config = world.config.clone();
            config.cache.redis.url = redacted(&config.cache.redis.url);
            report::json(&config);
        }
        Action::Show => {
            let text = toml::to_string(&world.config)
                .map_err(|error| Problem::new(format!("the configuration can't be shown: {error}"), ""))?;
            // An address may hold a password.
            report::line(redacted(text.trim_end()));
        }
        // Without the phrases it would not have come here if it weren't right.
        Action::Check => {
            world.rules()?;
            let file = &world.paths.config_file;
            let there = if file.exists() { "read" } else { "not there, which is fine" };
            report::line(format!("The configuration is right. {}: {there}.", Paths::shown(file)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

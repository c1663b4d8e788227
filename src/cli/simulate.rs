//! `voice-terminal simulate [SCENARIO]`: breakers under scripted weather.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::report::{self, Outcome, Problem};
use crate::simulation::{self, SHIPPED, Scenario};

#[derive(Serialize)]
struct Played<'a> {
    scenario: &'a str,
    seed: u64,
    with_breakers: simulation::Outcome,
    without: simulation::Outcome,
}

pub(super) fn run(name: Option<&str>, seed: Option<u64>, svg: Option<&PathBuf>, json: bool) -> Outcome {
    let Some(name) = name else {
        for (name, text) in SHIPPED {
            let about = Scenario::parse(text).map(|scenario| scenario.about).unwrap_or_default();
            report::line(format!("{name:<18}  {about}"));
        }
        return Ok(ExitCode::SUCCESS);
    };
    let mut scenario = Scenario::parse(&read(name)?)
        .map_err(|error| Problem::usage(format!("{name}: {error}"), "see config/scenarios for examples"))?;
    scenario.seed = seed.unwrap_or(scenario.seed);
    let title = Path::new(name).file_stem().map_or(name.into(), |stem| stem.to_string_lossy());
    let (with, without) = (simulation::run(&scenario, true), simulation::run(&scenario, false));
    if let Some(path) = svg {
        std::fs::write(path, simulation::svg(&title, &scenario, &with))
            .map_err(|error| Problem::new(format!("{}: {error}", path.display()), "choose another --svg"))?;
    }
    if json {
        report::json(&Played { scenario: name, seed: scenario.seed, with_breakers: with, without });
    } else {
        report::line(simulation::table(&title, &scenario, &with, &without).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// A scenario that comes with the program, or a file.
fn read(name: &str) -> Result<String, Problem> {
    if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Ok((*text).to_owned());
    }
    std::fs::read_to_string(name).map_err(|error| {
        let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
        Problem::usage(format!("{name}: {error}"), format!("name a file, or one of {}", names.join(", ")))
    })
}

//! `voice-terminal models [list|fetch|verify]`

use std::process::ExitCode;

use clap::Subcommand;

use super::report::{self, Outcome, Problem, Progressing};
use crate::app::World;
use crate::speech::models::{Models, manifest};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Show every model, and whether it is here
    List,
    /// Fetch models, with progress and checksums [default: those that are configured]
    Fetch {
        /// Names of models
        names: Vec<String>,
    },
    /// Check models that are here against their checksums [default: all that are here]
    Verify {
        /// Names of models
        names: Vec<String>,
    },
}

pub(super) async fn run(world: &World, action: Option<Action>, json: bool) -> Outcome {
    let models = world.models();
    match action.unwrap_or(Action::List) {
        Action::List => {
            list(&models, json);
            Ok(ExitCode::SUCCESS)
        }
        Action::Fetch { names } => fetch(world, &models, names).await,
        Action::Verify { names } => verify(&models, names),
    }
}

fn list(models: &Models, json: bool) {
    for listed in models.list() {
        if json {
            report::json(&listed);
            continue;
        }
        let here = if listed.path.is_some() { "here" } else { "not here" };
        let model = &listed.model;
        let size = model.sources.first().map_or(0, |source| source.size / (1 << 20));
        report::line(format!(
            "{:<12} {here:<9} {size:>4} MiB  {:<4} {}",
            model.name, model.licence, model.note
        ));
    }
    if !json {
        report::line(format!("They are kept in {}.", models.shown_directory()));
    }
}

async fn fetch(world: &World, models: &Models, names: Vec<String>) -> Outcome {
    let names = if names.is_empty() { wanted(world) } else { names };
    let progressing = Progressing::default();
    let show = move |progress| progressing.show(&progress);
    let mut code = ExitCode::SUCCESS;
    for name in names {
        let path = tokio::select! {
            path = models.fetch(&name, &show) => match path {
                Ok(path) => path,
                // The others may be had.
                Err(error) => {
                    code = Problem::from(error).report();
                    continue;
                }
            },
            _ = tokio::signal::ctrl_c() => {
                return Err(Problem::new(format!("fetching {name} was stopped"), "what came is kept; run it again to go on"));
            }
        };
        report::line(format!("{name}: {}", crate::config::Paths::shown(&path)));
    }
    Ok(code)
}

/// What the configuration needs and the manifest has.
fn wanted(world: &World) -> Vec<String> {
    let stt = &world.config.speech.stt.model;
    let vad = manifest::all().iter().filter(|model| model.kind == manifest::Kind::Vad);
    let tts = &world.config.speech.tts;
    let spoken = world.config.audio.output != "none" && tts.chain.iter().any(|tier| tier == "local-neural");
    let voice = spoken.then(|| manifest::find(&tts.voice)).flatten();
    let models = manifest::find(stt).into_iter().chain(vad).chain(voice);
    models.map(|model| model.name.clone()).collect()
}

fn verify(models: &Models, names: Vec<String>) -> Outcome {
    let here = models.list().into_iter().filter(|listed| listed.path.is_some());
    let names = if names.is_empty() { here.map(|listed| listed.model.name).collect() } else { names };
    if names.is_empty() {
        return Err(Problem::new("no model is on this machine", "fetch them: voice-terminal models fetch"));
    }
    let mut code = ExitCode::SUCCESS;
    for name in names {
        match models.verify(&name) {
            Ok(_) => report::line(format!("{name}: whole")),
            Err(error) => {
                report::warn(&error.what, &error.remedy);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

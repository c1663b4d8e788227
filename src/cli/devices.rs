//! `voice-terminal devices`

use std::process::ExitCode;

use serde::Serialize;

use super::report::{self, Outcome};
use crate::app::World;
use crate::audio::{Direction, ListedDevice, devices};

/// What was found out about the devices of a direction: what there is, or what is wrong and the remedy.
pub(super) type Found = Result<Vec<ListedDevice>, (String, &'static str)>;

/// Lists them. A sound system that hangs is left behind after some seconds.
pub(super) async fn find(world: &World, direction: Direction) -> Found {
    let setting = match direction {
        Direction::Input => world.config.audio.input.clone(),
        Direction::Output => world.config.audio.output.clone(),
    };
    let found = tokio::task::spawn_blocking(move || devices(direction, &setting)).await;
    found.unwrap_or_else(|_| Err(("the sound system can't be asked".into(), "see the log")))
}

pub(super) async fn run(world: &World, json: bool) -> Outcome {
    let mut code = ExitCode::SUCCESS;
    for direction in [Direction::Input, Direction::Output] {
        let kind = direction.device();
        let found = find(world, direction).await;
        if let Err((what, remedy)) = &found {
            report::warn(what, remedy);
            code = ExitCode::FAILURE;
        }
        let listed = found.unwrap_or_default();
        if json {
            for device in listed {
                report::json(&Line { kind, device });
            }
            continue;
        }
        report::line(format!("{kind}s{}", if listed.is_empty() { ": none" } else { "" }));
        for device in listed {
            report::line(shown(&device));
        }
    }
    Ok(code)
}

#[derive(Serialize)]
struct Line {
    kind: &'static str,
    #[serde(flatten)]
    device: ListedDevice,
}

fn shown(device: &ListedDevice) -> String {
    let ListedDevice { name, id, host, default, in_use, problem } = device;
    let mark = if *in_use { "→" } else { " " };
    let default = if *default { ", default" } else { "" };
    let problem = problem.as_ref().map(|problem| format!("; {problem}")).unwrap_or_default();
    format!("{mark} {name}  ({id}, {host}{default}{problem})")
}

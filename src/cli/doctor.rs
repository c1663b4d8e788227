//! `voice-terminal doctor`: what works on this machine, what doesn't, and the remedy.

use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::devices;
use super::report::{self, Outcome};
use crate::app::World;
use crate::audio::{Direction, ListedDevice};
use crate::config::Paths;
use crate::domain::Sound;
use crate::domain::Terminal;
use crate::server::{Client, Request, Response};
use crate::speech::synthesis::Spoken;

/// What was found out about one part.
#[derive(Serialize)]
struct Finding {
    part: &'static str,
    works: bool,
    what: String,
    remedy: String,
}

fn works(part: &'static str, what: impl Into<String>) -> Finding {
    Finding { part, works: true, what: what.into(), remedy: String::new() }
}

fn fails(part: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { part, works: false, what: what.into(), remedy: remedy.into() }
}

pub(super) async fn run(world: &World, json: bool) -> Outcome {
    let cancel = CancellationToken::new();
    let (microphone, recogniser, (voice, loudspeaker), tmux, history, running) = tokio::join!(
        microphone(world),
        recogniser(world, cancel.child_token()),
        voice(world),
        tmux(world, cancel.child_token()),
        history(world),
        running(world),
    );
    let findings = [
        configuration(world),
        microphone,
        voice_detection(world),
        recogniser,
        clouds(world, cancel.child_token()),
        voice,
        loudspeaker,
        tmux,
        history,
        running,
    ];
    cancel.cancel();
    let mut code = ExitCode::SUCCESS;
    for finding in &findings {
        if !finding.works {
            code = ExitCode::FAILURE;
        }
        if json {
            report::json(finding);
            continue;
        }
        report::line(format!(
            "{} {:<16} {}",
            if finding.works { "✓" } else { "✗" },
            finding.part,
            finding.what
        ));
        if !finding.remedy.is_empty() {
            report::line(format!("  {:<16} → {}", "", finding.remedy));
        }
    }
    if !json && code == ExitCode::FAILURE {
        report::line("What doesn't work is done without: typing and printed answers always work.");
    }
    Ok(code)
}

fn configuration(world: &World) -> Finding {
    let file = &world.paths.config_file;
    let from = if file.exists() { Paths::shown(file) } else { "built-in defaults".into() };
    works("configuration", from)
}

async fn microphone(world: &World) -> Finding {
    let part = "microphone";
    if world.config.audio.input == "none" {
        return works(part, "switched off by configuration");
    }
    match devices::find(world, Direction::Input).await {
        Err((what, remedy)) => fails(part, what, remedy),
        Ok(listed) => match listed.iter().find(|device| device.in_use) {
            Some(ListedDevice { problem: Some(problem), name, .. }) => {
                fails(part, format!("{name}: {problem}"), "voice-terminal devices")
            }
            Some(device) => works(part, in_use(device, &listed)),
            None => {
                let problem = |it: &ListedDevice| Some(format!("{}: {}", it.name, it.problem.as_ref()?));
                let problems: Vec<String> = listed.iter().filter_map(problem).collect();
                let what = if problems.is_empty() { "none was found".into() } else { problems.join("; ") };
                fails(part, what, "plug one in, or start your sound server (PulseAudio or PipeWire)")
            }
        },
    }
}

/// The device that is used, and the others that could be.
fn in_use(used: &ListedDevice, all: &[ListedDevice]) -> String {
    let mark = |device: &ListedDevice| if device.default { " (default)" } else { "" };
    let others: Vec<String> = all
        .iter()
        .filter(|device| !device.in_use && device.problem.is_none())
        .map(|device| format!("{}{}", device.name, mark(device)))
        .collect();
    let others = if others.is_empty() { String::new() } else { format!("; also: {}", others.join(", ")) };
    format!("{}{}, through {}{others}", used.name, mark(used), used.host)
}

fn voice_detection(world: &World) -> Finding {
    match world.models().resolve("silero-vad") {
        Ok(_) => works("voice detection", "silero"),
        Err(error) => fails("voice detection", format!("by loudness only: {error}"), error.remedy),
    }
}

async fn recogniser(world: &World, cancel: CancellationToken) -> Finding {
    let recognisers = world.recognisers(|_| {}, cancel);
    let began = Instant::now();
    match recognisers.prepare().await {
        Ok(Some(degradation)) => fails("recogniser", degradation.what, degradation.remedy),
        Ok(None) if !world.config.speech.stt.chain.iter().any(|tier| tier == "local-whisper") => {
            works("recogniser", world.config.speech.stt.chain.join(", "))
        }
        Ok(None) => {
            let model = &world.config.speech.stt.model;
            works("recogniser", format!("{model}, loaded in {:.1} s", began.elapsed().as_secs_f64()))
        }
        Err(failure) => fails("recogniser", failure.what, failure.remedy),
    }
}

/// Not to use clouds is nothing wrong, so this tells and never fails.
fn clouds(world: &World, cancel: CancellationToken) -> Finding {
    let part = "clouds";
    if let Err(no) = world.cloud.consents() {
        return works(part, no.to_string());
    }
    let told = |(tier, may): (String, Result<(), _>)| match may {
        Ok(()) => format!("{tier} is ready"),
        Err(no) => format!("{tier}: {no}"),
    };
    let tiers: Vec<String> = world.recognisers(|_| {}, cancel).clouds().into_iter().map(told).collect();
    works(part, if tiers.is_empty() { "none is in speech.stt.chain".into() } else { tiers.join("; ") })
}

/// The voice, and the loudspeaker by playing a moment of silence.
async fn voice(world: &World) -> (Finding, Finding) {
    let (voice, speaker) = ("voice", "loudspeaker");
    let mouth = world.mouth();
    if world.config.speech.tts.chain.is_empty() || !mouth.is_wanted() {
        let off = "switched off by configuration: replies are printed";
        return (works(voice, off), works(speaker, off));
    }
    let synthesisers = world.synthesisers();
    let began = Instant::now();
    // Never said before, so that no sound was kept of it.
    let voice = match synthesisers.say(&format!("Hello {}.", std::process::id())).recv().await {
        Some(Ok(Spoken { tier: Some(tier), .. })) if synthesisers.is_first(&tier) => {
            works(voice, format!("{tier}, first word after {:.2} s", began.elapsed().as_secs_f64()))
        }
        Some(Ok(said)) => fails(
            voice,
            format!("{} only: the usual one doesn't work", said.tier.as_deref().unwrap_or("cache")),
            "voice-terminal models fetch; apt install espeak-ng",
        ),
        Some(Err(failure)) => fails(voice, failure.what, failure.remedy),
        None => fails(voice, "nothing was said", "see the log"),
    };
    let silence = Sound::new(vec![0.0; 2205], 22_050);
    let loudspeaker = match mouth.talk().play(silence).await {
        Ok(()) => {
            let listed = devices::find(world, Direction::Output).await.unwrap_or_default();
            let used = listed.iter().find(|device| device.in_use);
            works(speaker, used.map_or_else(|| "opens and plays".into(), |used| in_use(used, &listed)))
        }
        Err(failure) => fails(speaker, failure.what, failure.remedy),
    };
    (voice, loudspeaker)
}

async fn tmux(world: &World, cancel: CancellationToken) -> Finding {
    let tmux = world.terminal(cancel);
    match tmux.version().await {
        Err(failure) => fails("tmux", failure.what, failure.remedy),
        Ok(version) => match tmux.sessions().await {
            Ok(sessions) => works("tmux", format!("{version}, {} sessions", sessions.len())),
            Err(failure) => fails("tmux", failure.what, failure.remedy),
        },
    }
}

async fn history(world: &World) -> Finding {
    let store = world.store().await;
    let standing = store.standing().borrow().clone();
    if let Some(degradation) = standing {
        return fails("history", degradation.what, degradation.remedy);
    }
    let journal = Paths::shown(&world.paths.journal(&world.config));
    if !world.config.store.postgres.primary.is_set() {
        return works("history", journal);
    }
    match store.look(None, 1).await {
        Ok(found) => match found.degradation {
            None => works("history", format!("{}, and {journal}", found.tier)),
            Some(degradation) => fails("history", degradation.what, degradation.remedy),
        },
        Err(failure) => fails("history", failure.what, failure.remedy),
    }
}

async fn running(world: &World) -> Finding {
    let part = "running";
    match Client::connect(&world.paths.control_socket()).await {
        Err(error) => works(part, format!("{error}, which is fine")),
        Ok(mut client) => match client.ask(&Request::Status).await {
            Ok(Response::Status(status)) => {
                works(part, format!("process {}, mode: {}", status.pid, status.standing.mode))
            }
            _ => fails(part, "it doesn't answer", "stop it, and start it again"),
        },
    }
}

//! `voice-terminal doctor`: what works on this machine, what doesn't, and the remedy.

use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::report::{self, Outcome};
use crate::app::World;
use crate::audio::devices;
use crate::config::Paths;
use crate::domain::Sound;
use crate::domain::Terminal;
use crate::server::{Client, Request, Response};

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
        microphone(),
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

async fn microphone() -> Finding {
    let Ok(devices) = tokio::task::spawn_blocking(devices).await else {
        return fails("microphone", "the sound system can't be asked", "see the log");
    };
    let usable: Vec<String> = devices
        .iter()
        .filter(|device| device.problem.is_none())
        .map(|device| format!("{}{} ({})", device.name, if device.default { "*" } else { "" }, device.host))
        .collect();
    if !usable.is_empty() {
        return works("microphone", usable.join(", "));
    }
    let problems: Vec<String> = devices
        .iter()
        .filter_map(|device| device.problem.as_ref().map(|problem| format!("{}: {problem}", device.name)))
        .collect();
    let what = if problems.is_empty() { "none was found".into() } else { problems.join("; ") };
    fails("microphone", what, "plug one in, or start your sound server (PulseAudio or PipeWire)")
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
    let voice = match synthesisers.say("Hello.").recv().await {
        Some(Ok(said)) if synthesisers.is_first(&said.tier) => {
            works(voice, format!("{}, first word after {:.2} s", said.tier, began.elapsed().as_secs_f64()))
        }
        Some(Ok(said)) => fails(
            voice,
            format!("{} only: the usual one doesn't work", said.tier),
            "voice-terminal models fetch; apt install espeak-ng",
        ),
        Some(Err(failure)) => fails(voice, failure.what, failure.remedy),
        None => fails(voice, "nothing was said", "see the log"),
    };
    let silence = Sound::new(vec![0.0; 2205], 22_050);
    let loudspeaker = match mouth.talk().play(silence).await {
        Ok(()) => works(speaker, "opens and plays"),
        Err(failure) => fails(speaker, failure.what, "connect one, or set audio.output = \"none\""),
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

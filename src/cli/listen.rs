//! `voice-terminal listen`

use std::process::ExitCode;

use clap::ValueEnum;

use super::report::{self, Outcome, Problem};
use crate::app::World;
use crate::domain::{Attention, Listening, ListeningChange};
use crate::server::{Client, ClientError, Request, Response};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Change {
    /// Tell how listening stands, and change nothing
    Status,
    /// Listen, whatever kept it from that
    On,
    /// Don't listen, until it is switched on
    Off,
    /// The other of the two
    Toggle,
    /// A key is held: listen
    Press,
    /// It is let go: what was said is complete
    Release,
    /// Go to sleep: only "wake up" and the wake phrase are heard
    Sleep,
    /// Wake up
    Wake,
    /// Close the microphone
    Mute,
    /// Open it again
    Unmute,
}

impl Change {
    fn asked(self) -> Option<ListeningChange> {
        Some(match self {
            Self::Status => return None,
            Self::On => ListeningChange::On,
            Self::Off => ListeningChange::Off,
            Self::Toggle => ListeningChange::Toggle,
            Self::Press => ListeningChange::Press,
            Self::Release => ListeningChange::Release,
            Self::Sleep => ListeningChange::Sleep,
            Self::Wake => ListeningChange::Wake,
            Self::Mute => ListeningChange::Mute,
            Self::Unmute => ListeningChange::Unmute,
        })
    }
}

pub(super) async fn run(world: &World, change: Change, json: bool) -> Outcome {
    let mut client = Client::connect(&world.paths.control_socket()).await?;
    match client.ask(&Request::Listen { change: change.asked() }).await? {
        Response::Listening(listening) if json => report::json(&listening),
        Response::Listening(listening) => report::line(shown(&listening)),
        Response::Error { what } => return Err(Problem::new(what, "voice-terminal listen unmute")),
        _ => return Err(ClientError::Foreign.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// How listening stands, in a line.
pub(super) fn shown(listening: &Listening) -> String {
    let phrase = listening.wake_phrase.as_deref().unwrap_or("the wake phrase");
    let now = match listening.attention {
        Attention::Attentive => "listening".into(),
        Attention::Waiting => format!("waiting for \"{phrase}\""),
        Attention::Idle => "not listening".into(),
        Attention::Asleep => "asleep".into(),
        Attention::Muted => "muted".to_owned(),
    };
    format!("{now} (mode: {})", listening.mode.name())
}

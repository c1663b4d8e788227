//! `voice-terminal do TEXT`: one typed turn, in the running voice-terminal if there is one.

use tokio_util::sync::CancellationToken;

use super::report::{self, Outcome, Problem};
use super::run::leave;
use crate::app::World;
use crate::console;
use crate::domain::{Reply, Tone, Utterance};
use crate::server::{Client, ClientError, Request, Response};
use crate::shutdown;

pub(super) async fn run(world: &World, text: String, yes: bool, spoken: bool, json: bool) -> Outcome {
    if text.trim().is_empty() {
        return Err(Problem::usage(
            "nothing is to be done",
            "say what, as in: voice-terminal do \"list sessions\"",
        ));
    }
    let reply = match Client::connect(&world.paths.control_socket()).await {
        Ok(mut client) => match client.ask(&Request::Do { text, yes, spoken }).await? {
            Response::Answer { reply } => reply,
            Response::Error { what } => return Err(Problem::new(what, "try again")),
            _ => return Err(ClientError::Foreign.into()),
        },
        Err(ClientError::NotRunning) => alone(world, Utterance::sent(text, spoken, yes)).await?,
        Err(error) => return Err(error.into()),
    };
    if json {
        report::json(&reply);
    } else if let Some(reply) = &reply {
        report::line(&reply.text);
    }
    Ok(report::code_of(reply.as_ref()))
}

/// In this process. A question that is left open can't be answered later, so what it had inserted is
/// taken back on the way out.
async fn alone(world: &World, utterance: Utterance) -> Result<Option<Reply>, Problem> {
    let cancel: CancellationToken = shutdown::on_signals(console::restore)?;
    let conversation = world.converse(false, cancel.clone()).await?;
    // Nobody watches its events.
    report::announcements(world);
    let over = |_| Problem::new("it was stopped", "");
    let mut reply = conversation.turn(utterance).await.map_err(over)?;
    if let Some(reply) = reply.as_mut().filter(|reply| reply.asks()) {
        reply.text += "\nNothing was done: voice-terminal is not running to wait for an answer. ";
        reply.text += match reply.tone {
            Tone::Proposal => "--yes does not agree to what an AI made; say it yourself, as \"run …\".",
            _ => "Use --yes to do it.",
        };
    }
    cancel.cancel();
    leave(conversation, Vec::new(), None).await;
    Ok(reply)
}

//! `voice-terminal [run]` and `voice-terminal daemon`

use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::report::{self, Outcome};
use crate::app::{Conversation, World};
use crate::console::{self, Line, Lines, Screen, View};
use crate::conversation::Input;
use crate::domain::{Event, ListeningChange, Origin, Utterance};
use crate::redact::Redactor;
use crate::server::{Lock, LockError};
use crate::shutdown;

/// In the foreground, with the console.
pub(super) async fn run(world: &World) -> Outcome {
    let lock = lock(world)?;
    let cancel = shutdown::on_signals(console::restore)?;
    let history = lock.is_some().then(|| world.paths.console_history());
    let Lines { mut lines, screen, interactive } = Lines::read(history);
    let mut conversation = world.converse(interactive, cancel.clone()).await?;
    let mut view = View::new(screen);
    if interactive {
        view.say(
            "voice-terminal: say or type what you want; \"help\" tells what I know, control-t switches listening, \
             control-d leaves.",
        );
    }
    let watcher = watch(&mut conversation, view);
    let mut tasks = Vec::new();
    if interactive {
        tasks.extend(conversation.attend());
    }
    tasks.extend(lock.is_some().then(|| serve(world, &conversation, cancel.clone())));
    loop {
        let line = tokio::select! {
            () = cancel.cancelled() => break,
            line = lines.recv() => line,
        };
        match line {
            Some(Line::Text(text)) if text.trim().is_empty() => {}
            Some(Line::Text(text)) => {
                let utterance = Utterance::typed(Origin::Typed, text);
                if interactive {
                    // The conversation is over only when we are, too.
                    let _ = conversation.inbox.send(Input::Utterance { utterance, answer: None }).await;
                } else if conversation.turn(utterance).await.is_err() {
                    break;
                }
            }
            Some(Line::TooLong) => {
                report::warn("a line was too long, so nothing of it was done", "keep it below a mebibyte");
            }
            Some(Line::Toggle) => {
                let toggle = Input::Listen { change: Some(ListeningChange::Toggle), answer: None };
                // The conversation is over only when we are, too.
                let _ = conversation.inbox.send(toggle).await;
            }
            Some(Line::Key) => {
                let _ = conversation.inbox.send(Input::Typing).await;
            }
            Some(Line::Leave) => cancel.cancel(),
            None if interactive => cancel.cancel(),
            None => break,
        }
    }
    leave(conversation, tasks, Some(watcher)).await;
    console::restore();
    Ok(ExitCode::SUCCESS)
}

/// Headless; steered over the control socket. What happens is shown in lines, or in JSON for whoever starts it.
pub(super) async fn daemon(world: &World, json: bool) -> Outcome {
    let _lock = Lock::take(&world.paths.lock())?;
    let cancel = shutdown::on_signals(|| {})?;
    let mut conversation = world.converse(true, cancel.clone()).await?;
    let redactor = Arc::clone(&world.redactor);
    let watcher = if json {
        tell(&mut conversation, redactor)
    } else {
        watch(&mut conversation, View::new(Clean(redactor)))
    };
    let mut tasks = conversation.attend();
    tasks.push(serve(world, &conversation, cancel.clone()));
    cancel.cancelled().await;
    leave(conversation, tasks, Some(watcher)).await;
    Ok(ExitCode::SUCCESS)
}

/// Two that listen would both act on what they hear, so one that runs already is an error; a place
/// that can't be written only costs the control socket.
fn lock(world: &World) -> Result<Option<Lock>, LockError> {
    match Lock::take(&world.paths.lock()) {
        Ok(lock) => Ok(Some(lock)),
        Err(held @ LockError::Held { .. }) => Err(held),
        Err(error) => {
            report::warn(
                &format!("{error}; other commands can't reach this one"),
                "set XDG_RUNTIME_DIR to a directory of your own",
            );
            Ok(None)
        }
    }
}

fn serve(world: &World, conversation: &Conversation, cancel: CancellationToken) -> JoinHandle<()> {
    let (control, path) = (conversation.control(world), world.paths.control_socket());
    tokio::spawn(async move {
        if let Err(error) = control.serve(&path, cancel).await {
            tracing::error!(%error, "no control socket");
        }
    })
}

/// Shows every event until the conversation stops.
pub(super) fn watch<S: Screen + 'static>(
    conversation: &mut Conversation,
    mut view: View<S>,
) -> JoinHandle<()> {
    let mut events = std::mem::replace(&mut conversation.watching, conversation.events.subscribe());
    tokio::spawn(async move {
        loop {
            match events.recv().await {
                Ok(Event::Stopping) | Err(broadcast::error::RecvError::Closed) => return,
                Ok(event) => view.show(&event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    view.say(&format!("({missed} messages were too quick to show; the history has them)"));
                }
            }
        }
    })
}

/// Standard output that nobody sits at: it ends in a log, and so is written without secrets.
struct Clean(Arc<Redactor>);

impl Screen for Clean {
    fn show(&mut self, text: &str) {
        std::io::stdout().show(&self.0.text(text));
    }
}

/// Prints every event, without secrets, one a line, until the conversation stops. One that was missed is left out.
fn tell(conversation: &mut Conversation, redactor: Arc<Redactor>) -> JoinHandle<()> {
    let mut events = std::mem::replace(&mut conversation.watching, conversation.events.subscribe());
    tokio::spawn(async move {
        loop {
            match events.recv().await {
                Err(broadcast::error::RecvError::Closed) => return,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Ok(event) => {
                    if let Some(clean) = redactor.all_of(&event) {
                        report::json(&clean);
                    }
                    if event == Event::Stopping {
                        return;
                    }
                }
            }
        }
    })
}

/// Ends the conversation, and then everything that served it.
pub(super) async fn leave(
    conversation: Conversation,
    tasks: Vec<JoinHandle<()>>,
    watcher: Option<JoinHandle<()>>,
) {
    // The control socket holds the inbox open.
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        // It was aborted, or had ended.
        let _ = task.await;
    }
    conversation.finish().await;
    if let Some(watcher) = watcher {
        // It ends by itself with the last event.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), watcher).await;
    }
}

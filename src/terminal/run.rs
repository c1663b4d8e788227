//! Enter, and the wait for the end of what it began.
//!
//! Where the shell makes marks, its end, exit status and output are known exactly. Elsewhere the
//! program in the pane tells when the shell is back, and nobody tells the status. What takes longer
//! than the limit goes on in the background; with marks, its end is told when it comes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::domain::{Failure, Outcome, Ran, Target};

use super::client::{Client, Farewell};
use super::completion::{Ended, Moment, Phase, Since};
use super::error::{Refusal, Trouble, request_failure};
use super::guarded::Notice;
use super::layout;
use super::link::Link;
use super::paste::Pasting;
use super::place::Place;
use super::request::Request;
use super::strip::clean;

/// How often a pane without marks is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a program may take to be seen in a pane without marks; what ends sooner was quick.
const START_DUE: Duration = Duration::from_millis(400);

/// What bounds a run.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// How long its end is waited for.
    pub(super) wait: Duration,
    /// How much of its output is kept, in bytes.
    pub(super) output: usize,
    /// Ends the watch in the background.
    pub(super) cancel: CancellationToken,
}

/// Enters a line that the pane must still hold, once, and waits.
pub(super) async fn submit(
    link: &Arc<Link>,
    pasting: &Pasting,
    mut place: Place,
    target: &Target,
    text: &str,
    limits: &Limits,
) -> Result<Outcome, Failure> {
    let failed = |trouble: Trouble| trouble.failure("press Enter");
    let text = clean(text);
    place.must_live()?;
    if place.synchronized {
        return Err(request_failure(
            format!("In {}, keys go to all panes at once, so I don't press Enter there", target.session_name),
            "Turn synchronize-panes off, and say it again",
        ));
    }
    place.leave_mode(link).await.map_err(failed)?;
    pasting.held(link, target, &text).await?;
    let client = link.watch(&target.session).await;
    let marks = client.filter(|client| client.panes().phase(&target.pane.0) == Phase::Input);
    let then = marks.as_ref().map(|client| client.panes().moment(&target.pane.0));
    pasting.forget();
    let begun = Instant::now();
    let enter = Request::once(["send-keys", "-t", &target.pane.0, "Enter"]).about(&target.session);
    link.ask(enter).await.map_err(failed)?;
    let run = Run { text, target: target.clone(), begun, program: place.program, limits: limits.clone() };
    match marks.zip(then) {
        Some((client, then)) => run.by_marks(link, client, then).await,
        None => run.by_program(link).await,
    }
}

/// A line that was entered.
#[derive(Clone)]
struct Run {
    text: String,
    target: Target,
    begun: Instant,
    /// What ran in the pane before.
    program: String,
    limits: Limits,
}

/// How waiting for a mark ended.
enum Told {
    Ended(Ended),
    Unfinished,
    Gone(Farewell),
}

impl Run {
    fn ran(&self, status: Option<i32>, finished: bool, output: String) -> Ran {
        Ran {
            command: self.text.clone(),
            session: self.target.session_name.clone(),
            status,
            finished,
            output,
            took: self.begun.elapsed(),
        }
    }

    async fn by_marks(self, link: &Arc<Link>, client: Arc<Client>, then: Moment) -> Result<Outcome, Failure> {
        let pane = &self.target.pane.0;
        match timeout_at(self.begun + self.limits.wait, told(&client, pane, then)).await {
            Ok(Told::Ended(Ended { status, output })) => {
                Ok(Outcome::Ran(self.ran(Some(status), true, output)))
            }
            Ok(Told::Unfinished) => Err(request_failure(
                format!("The shell in {} waits for the rest of that line", self.target.session_name),
                "Say \"press control c\" to drop it; a quote or a bracket is open",
            )),
            Ok(Told::Gone(Farewell::SessionOver)) => {
                let output = client.panes().output(pane).unwrap_or_default();
                Ok(Outcome::Ran(self.ran(None, true, output)))
            }
            // The connection died, not the command: the pane itself still tells when the shell is back.
            Ok(Told::Gone(Farewell::Lost)) => self.by_program(link).await,
            Err(_) => {
                let output = client.panes().output(pane).unwrap_or_default();
                let outcome = Outcome::Ran(self.ran(None, false, output));
                self.watch_on(link, client, then);
                Ok(outcome)
            }
        }
    }

    /// Tells the end of a run that goes on in the background.
    fn watch_on(self, link: &Arc<Link>, client: Arc<Client>, then: Moment) {
        let link = Arc::downgrade(link);
        tokio::spawn(async move {
            let told = told(&client, &self.target.pane.0, then);
            let told = self.limits.cancel.run_until_cancelled(told).await;
            if let (Some(Told::Ended(Ended { status, output })), Some(link)) = (told, link.upgrade()) {
                link.tell(Notice::BackgroundEnded(self.ran(Some(status), true, output)));
            }
        });
    }

    /// Watches which program the pane shows, until it is the one from before.
    async fn by_program(self, link: &Arc<Link>) -> Result<Outcome, Failure> {
        let mut started = false;
        loop {
            tokio::time::sleep(LOOK).await;
            match Place::look(link, &self.target.session, &self.target.pane.0).await {
                Ok(place) if place.program != self.program && !place.dead => started = true,
                Ok(_) if started || self.begun.elapsed() >= START_DUE => break,
                Ok(_) => {}
                // It ended its pane, its session or the server; that is an end, too.
                Err(Trouble::Refused(Refusal::NoTarget | Refusal::NoServer)) => {
                    return Ok(Outcome::Ran(self.ran(None, true, String::new())));
                }
                Err(Trouble::Uncertain | Trouble::Unavailable | Trouble::HeldBack(_)) => {}
                Err(trouble) => return Err(trouble.failure("see how it ended")),
            }
            if self.begun.elapsed() >= self.limits.wait {
                return Ok(Outcome::Ran(self.ran(None, false, String::new())));
            }
        }
        let screen = layout::screen(link, &self.target, self.limits.output).await?;
        Ok(Outcome::Ran(self.ran(None, true, below(&screen, &self.text))))
    }
}

/// What stands on the screen between the line that was entered and the prompt.
fn below(screen: &str, text: &str) -> String {
    let lines: Vec<&str> = screen.trim_end().lines().collect();
    let entered = lines.iter().rposition(|line| line.trim_end().ends_with(text.trim_end()));
    match entered {
        Some(row) if row + 1 < lines.len() => lines[row + 1..lines.len() - 1].join("\n"),
        _ => String::new(),
    }
}

/// Waits for something decisive about a command.
async fn told(client: &Client, pane: &str, then: Moment) -> Told {
    let mut news = client.news();
    loop {
        let since = client.panes().since(pane, then);
        match since {
            Since::Ended(ended) => return Told::Ended(ended),
            Since::Unfinished => return Told::Unfinished,
            Since::Nothing | Since::Started => {}
        }
        if let Some(farewell) = client.farewell() {
            return Told::Gone(farewell);
        }
        if news.changed().await.is_err() {
            return Told::Gone(Farewell::Lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_what_stands_between_line_and_prompt() {
        assert_eq!(below("$ ls\na\nb\n$ \n", "ls"), "a\nb");
        assert_eq!(below("$ true\n$ ", "true"), "");
        assert_eq!(below("something else", "ls"), "");
    }
}

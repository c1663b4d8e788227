//! A certain pane, looked at just before something is done to it.

use std::path::PathBuf;

use crate::domain::{Failure, PaneId, SessionId, Target};

use super::error::{Refusal, Trouble, request_failure};
use super::link::Link;
use super::request::Request;

/// A run of the tmux server. Identifiers of sessions and panes mean something in one run only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run(String);

/// How a pane stands.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own that tmux tells")]
pub(super) struct Place {
    pub(super) run: Run,
    pub(super) session: SessionId,
    pub(super) session_name: String,
    pub(super) pane: PaneId,
    pub(super) window: String,
    /// It shows its history, where text would be lost.
    pub(super) in_mode: bool,
    /// Its program has ended and it only shows what was left.
    pub(super) dead: bool,
    /// Keys go to all panes of the window.
    pub(super) synchronized: bool,
    pub(super) cursor: (usize, usize),
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) zoomed: bool,
    /// A program has the alternate screen.
    pub(super) alternate: bool,
    /// The process that was started in it.
    pub(super) pid: Option<u32>,
    pub(super) tty: PathBuf,
    pub(super) program: String,
}

/// Names hold no colon; the program, which may, comes last.
const FORMAT: &str = "#{pid}.#{start_time}:#{session_id}:#{pane_id}:#{window_id}:#{pane_in_mode}:#{pane_dead}:\
    #{?pane_synchronized,1,0}:#{cursor_x}:#{cursor_y}:#{pane_width}:#{pane_height}:#{window_zoomed_flag}:#{alternate_on}:\
    #{pane_pid}:#{pane_tty}:#{session_name}:#{pane_current_command}";

impl Place {
    /// Looks at a pane of a session.
    pub(super) async fn look(tmux: &Link, session: &SessionId, pane: &PaneId) -> Result<Self, Trouble> {
        Self::ask(tmux, Self::request(&pane.0).about(session)).await
    }

    /// Looks at the current pane of a session.
    pub(super) async fn current(tmux: &Link, session: &SessionId) -> Result<Self, Trouble> {
        Self::ask(tmux, Self::request(&format!("{}:", session.0)).about(session)).await
    }

    /// Looks at the current pane of the session with exactly this name.
    pub(super) async fn named(tmux: &Link, name: &str) -> Result<Self, Trouble> {
        Self::ask(tmux, Self::request(&format!("={name}:"))).await
    }

    fn request(target: &str) -> Request {
        Request::idempotent(["display-message", "-p", "-t", target, FORMAT])
    }

    async fn ask(tmux: &Link, request: Request) -> Result<Self, Trouble> {
        let line = tmux.ask(request).await?;
        Self::parse(&line).ok_or_else(|| {
            // With nothing to show, tmux answers with an empty line rather than an error.
            tracing::debug!(line, "a pane could not be looked at");
            Trouble::Refused(Refusal::NoTarget)
        })
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(17, ':');
        let mut next = || fields.next();
        let flag = |field: &str| !matches!(field, "" | "0");
        let place = Self {
            run: Run(next()?.to_owned()),
            session: SessionId(next()?.to_owned()),
            pane: PaneId(next()?.to_owned()),
            window: next()?.to_owned(),
            in_mode: flag(next()?),
            dead: flag(next()?),
            synchronized: flag(next()?),
            cursor: (next()?.parse().ok()?, next()?.parse().ok()?),
            columns: next()?.parse().ok()?,
            rows: next()?.parse().ok()?,
            zoomed: flag(next()?),
            alternate: flag(next()?),
            pid: next()?.parse().ok(),
            tty: next()?.into(),
            session_name: next()?.to_owned(),
            program: next()?.to_owned(),
        };
        (place.pane.0.starts_with('%') && place.session.0.starts_with('$')).then_some(place)
    }

    /// As a target for commands to come.
    pub(super) fn target(&self) -> Target {
        Target {
            session: self.session.clone(),
            session_name: self.session_name.clone(),
            pane: self.pane.clone(),
        }
    }

    /// Goes back from its history to its program, if need be.
    pub(super) async fn leave_mode(&mut self, tmux: &Link) -> Result<(), Trouble> {
        if self.in_mode {
            let words = ["copy-mode", "-q", "-t", &self.pane.0];
            tmux.ask(Request::idempotent(words).about(&self.session)).await?;
            self.in_mode = false;
        }
        Ok(())
    }

    /// That something in it still takes input.
    pub(super) fn must_live(&self) -> Result<(), Failure> {
        if self.dead {
            return Err(request_failure(
                format!("The program in {} has ended; nothing takes input there", self.session_name),
                "Say \"close pane\", or go to another one",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_an_empty_one_is_not() {
        let place =
            Place::parse("12.99:$1:%2:@3:0:0:1:5:6:200:50:0:1:77:/dev/pts/3:build:tmux: server").unwrap();
        assert_eq!((place.cursor, place.columns, place.program.as_str()), ((5, 6), 200, "tmux: server"));
        assert!(place.synchronized && !place.in_mode && place.session_name == "build");
        assert_eq!((place.alternate, place.pid, place.tty), (true, Some(77), "/dev/pts/3".into()));
        assert!(Place::parse(".:::::0:::0:0::::::").is_none());
        assert!(Place::parse("").is_none());
    }
}

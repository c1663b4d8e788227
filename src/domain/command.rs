//! What is asked of the terminal, and what came of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Direction, KeyPress, Pane, Scroll, Window};

/// A session by the identifier that the terminal gave it (tmux: `$3`); never reused while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub String);

/// A pane by the identifier that the terminal gave it (tmux: `%5`); never reused while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaneId(pub String);

/// One certain place: a confirmation is bound to it, so that a "yes" can't land elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The session.
    pub session: SessionId,
    /// Its name, to tell the user.
    pub session_name: String,
    /// The pane.
    pub pane: PaneId,
}

/// An action bound to the place where it is to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Where. `None` only for actions that need no place: making, switching, listing sessions.
    pub target: Option<Target>,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

/// What the terminal can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Make a session and make it current. → [`Outcome::Session`]
    NewSession {
        /// The wished name, as spoken.
        name: Option<String>,
    },
    /// Make an existing session current, and show it on attached clients. → [`Outcome::Session`]
    SwitchSession {
        /// As spoken; matched exactly, then loosely.
        name: String,
    },
    /// → [`Outcome::Sessions`]
    ListSessions,
    /// Kill the target session. → [`Outcome::Done`]
    KillSession,
    /// → [`Outcome::Described`]
    DescribeSession,
    /// → [`Outcome::Done`]
    NewWindow {
        /// A name for it.
        name: Option<String>,
    },
    /// → [`Outcome::Done`]
    SelectWindow {
        /// Which.
        window: Window,
    },
    /// → [`Outcome::Done`]
    RenameWindow {
        /// The new name.
        name: String,
    },
    /// → [`Outcome::Done`]
    CloseWindow,
    /// → [`Outcome::Done`]
    SplitPane {
        /// Where the new pane goes.
        direction: Direction,
    },
    /// → [`Outcome::Done`]
    SelectPane {
        /// Which.
        pane: Pane,
    },
    /// → [`Outcome::Done`]
    ZoomPane,
    /// → [`Outcome::Done`]
    ClosePane,
    /// → [`Outcome::Done`]
    Scroll {
        /// Where to.
        scroll: Scroll,
    },
    /// The last command's output, or what is on the screen. → [`Outcome::Text`]
    ReadOutput,
    /// Paste one line at a shell's prompt, without running it: what [`Action::Submit`] is to enter. A program
    /// that is in front there, and would take it for something else, doesn't get it. → [`Outcome::Done`]
    Prepare {
        /// One line without control characters.
        text: String,
    },
    /// Paste one line without running it, for whoever is in front. → [`Outcome::Done`]
    Insert {
        /// One line without control characters.
        text: String,
    },
    /// Take back exactly what [`Action::Insert`] or [`Action::Prepare`] put there. → [`Outcome::Done`]
    Erase {
        /// The same text.
        text: String,
    },
    /// Press Enter on a line that was inserted, and wait for its end. → [`Outcome::Ran`]
    ///
    /// Never sent twice: if it is unknown whether Enter arrived, the failure says so.
    Submit {
        /// The line that was inserted; checked against what the pane shows.
        text: String,
    },
    /// → [`Outcome::Done`]
    Press {
        /// Which key and how often.
        press: KeyPress,
    },
}

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It is done; the line says what, as the terminal did it ("Split right in build").
    Done {
        /// One line.
        what: String,
    },
    /// A session was made or switched to.
    Session {
        /// Where commands go from now on.
        target: Target,
        /// Made just now, rather than found.
        created: bool,
        /// What to tell beside it, such as a name that had to be changed or a server that was restarted.
        remark: Option<String>,
    },
    /// The sessions that there are.
    Sessions {
        /// In the terminal's order.
        sessions: Vec<SessionInfo>,
    },
    /// What goes on in a session.
    Described {
        /// Its name.
        session: String,
        /// The program in its current pane, such as `bash` or `vim`.
        program: String,
        /// The last lines on its screen, escapes stripped.
        screen: String,
    },
    /// Text to read back, escapes stripped.
    Text {
        /// The text.
        text: String,
    },
    /// A command line was run.
    Ran(Ran),
}

/// A command line that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// The line.
    pub command: String,
    /// The name of the session it ran in.
    pub session: String,
    /// Its exit status; `None` when it goes on in the background or the shell does not tell.
    pub status: Option<i32>,
    /// Whether it ended within the limit.
    pub finished: bool,
    /// What it printed, escapes stripped, the newest part if it was much.
    pub output: String,
    /// From Enter to its end, or to the limit.
    pub took: Duration,
}

/// A line of the session list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The identifier.
    pub id: SessionId,
    /// The name.
    pub name: String,
    /// How many windows.
    pub windows: u32,
    /// The program in its current pane.
    pub program: String,
    /// Whether commands go here.
    pub current: bool,
}

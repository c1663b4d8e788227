//! What was meant, independent of the words that said it.

use serde::{Deserialize, Serialize};

use super::{InputMode, ListeningChange};

/// A meaning. Serialised with its name in `intent`, which is the name that grammar data uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "intent", rename_all = "snake_case")]
pub enum Intent {
    /// Make a session; without a name, one is chosen.
    NewSession {
        /// As spoken; the terminal decides what tmux can bear.
        name: Option<String>,
    },
    /// Make a session the one that commands go to, and show it.
    SwitchSession {
        /// As spoken.
        name: String,
    },
    /// Name the sessions.
    ListSessions,
    /// End a session and everything in it; without a name, the current one.
    KillSession {
        /// As spoken.
        name: Option<String>,
    },
    /// Tell what runs in a session and the last of its output.
    DescribeSession {
        /// As spoken; without a name, the current one.
        name: Option<String>,
    },
    /// Make a window in the current session.
    NewWindow {
        /// A name for it.
        name: Option<String>,
    },
    /// Go to a window of the current session.
    SelectWindow {
        /// Which.
        window: Window,
    },
    /// Name the current window.
    RenameWindow {
        /// As spoken.
        name: String,
    },
    /// End the current window and everything in it.
    CloseWindow,
    /// Split the current pane; the new one lies in this direction.
    SplitPane {
        /// Where the new pane goes.
        direction: Direction,
    },
    /// Go to another pane of the current window.
    SelectPane {
        /// Which.
        pane: Pane,
    },
    /// Let the current pane fill the window, or undo that.
    ZoomPane,
    /// End the current pane and what runs in it.
    ClosePane,
    /// Move the view of the current pane.
    Scroll {
        /// Where to.
        scroll: Scroll,
    },
    /// Read back what matters in what the last command printed.
    ReadOutput,
    /// Read all of it.
    ReadAll,
    /// Tell what went wrong in it.
    ShowErrors,
    /// Tell the next thing that went wrong.
    NextError,
    /// Tell which sessions want attention.
    WhoNeedsMe,
    /// Tell when what runs in a session ends, or asks something.
    Watch {
        /// As spoken; without a name, the current one.
        name: Option<String>,
    },
    /// Don't, any more.
    Unwatch {
        /// As spoken; without a name, all of them.
        name: Option<String>,
    },
    /// Run a command line in the current pane and report its end.
    Run {
        /// The shell command line, without a newline.
        command: String,
    },
    /// Put text into the current pane without running it.
    Type {
        /// The text, without control characters.
        text: String,
    },
    /// Press keys in the current pane.
    Press {
        /// Which key and how often.
        press: KeyPress,
    },
    /// Yes to what was asked.
    Confirm,
    /// No to what was asked.
    Deny,
    /// Drop what is pending or under way.
    Cancel,
    /// Say the last reply again.
    Repeat,
    /// Tell what can be said.
    Help,
    /// Tell the mode and what is degraded.
    Status,
    /// Listen, or don't.
    Listen {
        /// How from now on.
        change: ListeningChange,
    },
    /// Take what is said as commands, as text, or as letters, from now on.
    Mode {
        /// As which.
        mode: InputMode,
    },
    /// Take back the text that was put in last.
    Scratch,
    /// Take back what was done last, where that is possible.
    Undo,
    /// Do what was done last again.
    Again {
        /// How often, 1 or more.
        times: u8,
    },
    /// Several things, one after the other, up to the first that fails.
    Sequence {
        /// Two or more, each of which [`is_step`](Intent::is_step).
        steps: Vec<Intent>,
    },
    /// Send nothing away any more.
    StayLocal,
    /// Nothing that is known.
    Unknown {
        /// What was heard.
        heard: String,
        /// The nearest phrases that would be understood, best first.
        nearest: Vec<String>,
    },
    /// Nothing at all was said.
    Nothing,
}

impl Intent {
    /// So many steps a sequence has at most.
    pub const MOST_STEPS: usize = 12;

    /// Whether it is one thing that the terminal is asked to do, so that something else can be done after it.
    pub fn is_step(&self) -> bool {
        matches!(
            self,
            Self::NewSession { .. }
                | Self::SwitchSession { .. }
                | Self::ListSessions
                | Self::KillSession { .. }
                | Self::DescribeSession { .. }
                | Self::NewWindow { .. }
                | Self::SelectWindow { .. }
                | Self::RenameWindow { .. }
                | Self::CloseWindow
                | Self::SplitPane { .. }
                | Self::SelectPane { .. }
                | Self::ZoomPane
                | Self::ClosePane
                | Self::Scroll { .. }
                | Self::ReadOutput
                | Self::ReadAll
                | Self::ShowErrors
                | Self::NextError
                | Self::WhoNeedsMe
                | Self::Watch { .. }
                | Self::Unwatch { .. }
                | Self::Run { .. }
                | Self::Type { .. }
                | Self::Press { .. }
        )
    }

    /// The steps in order: of a sequence its own, else the one.
    pub fn steps(&self) -> &[Self] {
        match self {
            Self::Sequence { steps } => steps,
            one => std::slice::from_ref(one),
        }
    }

    /// Whether it, or a step of it, presses a key.
    pub fn presses(&self) -> bool {
        self.steps().iter().any(|step| matches!(step, Self::Press { .. }))
    }

    /// Several things in order; `None` if there is nothing to do, too much, or something that is no step.
    pub fn sequence(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut steps = Vec::new();
        for part in parts {
            match part {
                Self::Sequence { steps: more } => steps.extend(more),
                one => steps.push(one),
            }
        }
        if steps.len() == 1 {
            return steps.pop();
        }
        let is_one = (2..=Self::MOST_STEPS).contains(&steps.len()) && steps.iter().all(Self::is_step);
        is_one.then_some(Self::Sequence { steps })
    }

    /// The same so many times; `None` if that is no step, or too much. Keys and scrolling count for themselves.
    pub fn repeated(self, times: u8) -> Option<Self> {
        if times == 0 {
            return None;
        }
        match self {
            Self::Press { mut press } => {
                press.times = press.times.checked_mul(times).filter(|times| *times <= KeyPress::MOST)?;
                Some(Self::Press { press })
            }
            Self::Scroll { scroll } => Some(Self::Scroll { scroll: scroll.times(times.into())? }),
            one if times == 1 => (one.is_step() || matches!(one, Self::Sequence { .. })).then_some(one),
            many => {
                let all = usize::from(times) * many.steps().len();
                (all <= Self::MOST_STEPS).then(|| Self::sequence(vec![many; times.into()]))?
            }
        }
    }
}

/// Which window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The one after the current.
    Next,
    /// The one before the current.
    Previous,
    /// By its tmux index.
    Index(u16),
}

/// Which pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pane {
    /// The one after the current.
    Next,
    /// The one before the current.
    Previous,
    /// The neighbour in a direction.
    Toward(Direction),
}

/// A direction on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards the left edge.
    Left,
    /// Towards the right edge.
    Right,
    /// Towards the top.
    Up,
    /// Towards the bottom.
    Down,
}

/// How to move a pane's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scroll {
    /// Back by lines.
    LinesUp(u16),
    /// Forward by lines.
    LinesDown(u16),
    /// Back by pages.
    PagesUp(u16),
    /// Forward by pages.
    PagesDown(u16),
    /// To the oldest line.
    Top,
    /// To the newest line, which leaves the scroll-back view.
    Bottom,
}

impl Scroll {
    fn times(self, times: u16) -> Option<Self> {
        Some(match self {
            Self::LinesUp(lines) => Self::LinesUp(lines.checked_mul(times)?),
            Self::LinesDown(lines) => Self::LinesDown(lines.checked_mul(times)?),
            Self::PagesUp(pages) => Self::PagesUp(pages.checked_mul(times)?),
            Self::PagesDown(pages) => Self::PagesDown(pages.checked_mul(times)?),
            end @ (Self::Top | Self::Bottom) => end,
        })
    }
}

impl KeyPress {
    /// So often a key is pressed at once, at most.
    pub const MOST: u8 = 100;

    /// Whether it enters a line, whatever is held beside it: control with M, J and O are Enter to a shell.
    pub fn enters(&self) -> bool {
        self.key == Key::Enter
            || self.control && matches!(self.key, Key::Char('m' | 'j' | 'o' | 'M' | 'J' | 'O'))
    }

    /// Whether it is control C.
    pub fn is_interrupt(&self) -> bool {
        self.control && !self.alt && matches!(self.key, Key::Char('c' | 'C'))
    }
}

/// A key, with `control` and `alt` held or not, pressed a number of times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPress {
    /// The key itself.
    pub key: Key,
    /// With control held.
    pub control: bool,
    /// With alt (meta) held.
    pub alt: bool,
    /// How many times, 1 ‥ 100.
    pub times: u8,
}

/// A key that can be pressed by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// A printable ASCII character.
    Char(char),
    /// Enter.
    Enter,
    /// Tab.
    Tab,
    /// Escape.
    Escape,
    /// Space.
    Space,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// F1 ‥ F12.
    Function(u8),
}

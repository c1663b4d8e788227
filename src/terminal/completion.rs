//! The end of a command, found in what its pane prints.
//!
//! Our shells (see [`super::shell`]) mark their prompts and commands with OSC 133: `A` a prompt begins,
//! `B` it ends and input begins, `C` a command begins, `E` its output is over, `D;status` it has ended,
//! `P` the prompt for more of an unfinished line, `L` the line that is typed, `N` what names mean. Each mark ends with the
//! session's nonce; a mark without it was printed by somebody else and counts for nothing.

mod story;
mod told;
mod typed;

use std::collections::HashMap;
use std::time::Instant;

use super::strip::{Scanner, Screenless, Sink};
use crate::domain::Aliases;

use told::Told;

pub(super) use story::Story;
pub(super) use typed::Typed;

/// Panes that are followed at the same time; of more, the one that was quiet for longest is forgotten.
const MOST_PANES: usize = 64;

/// What a pane's shell is doing, as far as its marks tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// No mark was seen yet.
    #[default]
    Unknown,
    /// It is about to show its prompt.
    Prompting,
    /// It waits for input.
    Input,
    /// It waits for the rest of an unfinished line.
    Continuation,
    /// It runs a command.
    Running,
}

/// A command that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) status: i32,
    pub(super) output: String,
}

/// How much a pane had told at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    ends: u64,
    continuations: u64,
    starts: u64,
    /// A command was running already, whose beginning was not seen: the next end is its end.
    midway: bool,
}

/// What a pane has told since a [`Moment`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Nothing.
    Nothing,
    /// A command began and goes on.
    Started,
    /// A command ended.
    Ended(Ended),
    /// A prompt came without a command before it: a line that was not run, such as one with a
    /// syntax error; or the prompt belongs to something earlier, and the command is about to begin.
    NothingRan(Ended),
    /// The shell wants the rest of the line.
    Unfinished,
}

/// All panes of one session.
#[derive(Debug)]
pub(super) struct Panes {
    nonce: Option<String>,
    output_limit: usize,
    by_id: HashMap<String, Pane>,
}

#[derive(Debug)]
struct Pane {
    scanner: Scanner,
    track: Track,
}

#[derive(Debug)]
struct Track {
    /// A copy for the marks that are met while the pane is borrowed.
    nonce: Option<String>,
    lines: Screenless,
    phase: Phase,
    prompt: Option<String>,
    /// How often it has waited for input.
    prompts: u64,
    ends: u64,
    starts: u64,
    /// The start whose end was seen last.
    completed: u64,
    continuations: u64,
    status: i32,
    /// The last command's output, with the number of its end.
    last: Option<(u64, Ended)>,
    printed_at: Instant,
    /// The line that was run last, as it was shown or as its shell told.
    command: Option<String>,
    /// When the last command began, and when it ended.
    times: (Option<Instant>, Option<Instant>),
    /// The end that somebody has been told of.
    told: u64,
    /// When it was made, if it has shown no prompt since.
    made_at: Option<Instant>,
    has_printed: bool,
    /// Output without what the shell prints between it and the prompt.
    output: Option<String>,
    typed: Option<Typed>,
    times_typed: u64,
    /// Whether it didn't answer when it was asked last.
    is_mute: bool,
    names: Told,
    /// How often something of what it printed was lost.
    gaps: u64,
}

/// How a pane stands that was made just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newborn {
    pub(super) made_at: Instant,
    /// When it last printed something, if it has.
    pub(super) printed_at: Option<Instant>,
}

impl Panes {
    pub(super) fn new(output_limit: usize) -> Self {
        Self { nonce: None, output_limit, by_id: HashMap::new() }
    }

    /// From now on, marks with this nonce count.
    pub(super) fn trust(&mut self, nonce: &str) {
        if !nonce.is_empty() {
            self.nonce = Some(nonce.to_owned());
        }
    }

    /// Whether shells of this session make marks.
    pub(super) fn are_marked(&self) -> bool {
        self.nonce.is_some()
    }

    /// Takes what a pane printed.
    pub(super) fn printed(&mut self, id: &str, bytes: &[u8]) {
        let pane = self.pane(id);
        pane.track.printed_at = Instant::now();
        pane.track.has_printed = true;
        pane.scanner.push(bytes, &mut pane.track);
    }

    /// Something of what a pane printed was lost, which may have held any mark.
    pub(super) fn skipped(&mut self, id: &str) {
        let Pane { scanner, track } = self.pane(id);
        *scanner = Scanner::default();
        track.lines.skip();
        track.phase = Phase::Unknown;
        track.typed = None;
        track.names = Told::default();
        track.gaps += 1;
    }

    /// How often something was lost.
    pub(super) fn gaps(&self, id: &str) -> u64 {
        self.by_id.get(id).map_or(0, |pane| pane.track.gaps)
    }

    /// Now, where something was lost while a command ran: the next end is its end.
    pub(super) fn moment_after_gap(&mut self, id: &str) -> Moment {
        let track = &self.pane(id).track;
        Moment { ends: track.ends, continuations: track.continuations, starts: track.starts, midway: true }
    }

    /// A pane was made just now: its shell has yet to show its first prompt.
    pub(super) fn made(&mut self, id: &str) {
        let track = &mut self.pane(id).track;
        if track.phase == Phase::Unknown {
            track.made_at = Some(Instant::now());
        }
    }

    /// How the pane stands, if it was made just now and has shown no prompt yet.
    pub(super) fn newborn(&self, id: &str) -> Option<Newborn> {
        let track = &self.by_id.get(id)?.track;
        let printed_at = track.has_printed.then_some(track.printed_at);
        Some(Newborn { made_at: track.made_at?, printed_at })
    }

    /// What was made has been waited for.
    pub(super) fn grown(&mut self, id: &str) {
        self.pane(id).track.made_at = None;
    }

    fn pane(&mut self, id: &str) -> &mut Pane {
        if !self.by_id.contains_key(id) && self.by_id.len() >= MOST_PANES {
            let quietest = self.by_id.iter().min_by_key(|(_, pane)| pane.track.printed_at);
            if let Some(quietest) = quietest.map(|(id, _)| id.clone()) {
                self.by_id.remove(&quietest);
            }
        }
        let limit = self.output_limit;
        let pane = self.by_id.entry(id.to_owned()).or_insert_with(|| Pane {
            scanner: Scanner::default(),
            track: Track {
                nonce: None,
                lines: Screenless::new(limit),
                phase: Phase::Unknown,
                prompt: None,
                prompts: 0,
                ends: 0,
                starts: 0,
                completed: 0,
                continuations: 0,
                status: 0,
                last: None,
                printed_at: Instant::now(),
                command: None,
                times: (None, None),
                told: 0,
                made_at: None,
                has_printed: false,
                output: None,
                typed: None,
                times_typed: 0,
                is_mute: false,
                names: Told::default(),
                gaps: 0,
            },
        });
        if pane.track.nonce != self.nonce {
            pane.track.nonce.clone_from(&self.nonce);
        }
        pane
    }

    pub(super) fn phase(&self, id: &str) -> Phase {
        self.by_id.get(id).map_or(Phase::Unknown, |pane| pane.track.phase)
    }

    /// The line that the prompt ends in, if the pane waits for input.
    pub(super) fn prompt(&self, id: &str) -> Option<&str> {
        let track = &self.by_id.get(id)?.track;
        if track.phase == Phase::Input { track.prompt.as_deref() } else { None }
    }

    /// How often the pane's shell has come to wait for input.
    pub(super) fn prompts(&self, id: &str) -> u64 {
        self.by_id.get(id).map_or(0, |pane| pane.track.prompts)
    }

    /// The line that is typed, if the pane waits for input and its shell has told.
    pub(super) fn typed(&self, id: &str) -> Option<Typed> {
        let track = &self.by_id.get(id)?.track;
        track.typed.clone().filter(|_| track.phase == Phase::Input)
    }

    /// How often it was told.
    pub(super) fn times_typed(&self, id: &str) -> u64 {
        self.by_id.get(id).map_or(0, |pane| pane.track.times_typed)
    }

    /// The pane's shell was asked for the line that is typed, and didn't answer.
    pub(super) fn unanswered(&mut self, id: &str) {
        self.pane(id).track.is_mute = true;
    }

    /// Whether the pane's shell didn't answer when it was asked last.
    pub(super) fn is_mute(&self, id: &str) -> bool {
        self.by_id.get(id).is_some_and(|pane| pane.track.is_mute)
    }

    /// What names mean to the pane's shell, if it has told.
    pub(super) fn names(&self, id: &str) -> Option<&Aliases> {
        self.by_id.get(id)?.track.names.all()
    }

    /// Now. What was printed before no longer counts as output, unless a command runs.
    /// `midway`: these panes have been watched only since a command began. The first end that they have
    /// told, or will tell, is that command's, and what they printed is its output.
    pub(super) fn moment(&mut self, id: &str, midway: bool) -> Moment {
        if midway {
            return Moment { ends: 0, continuations: 0, starts: 0, midway };
        }
        let track = &mut self.pane(id).track;
        if track.phase != Phase::Running {
            track.lines.clear();
        }
        Moment { ends: track.ends, continuations: track.continuations, starts: track.starts, midway }
    }

    /// What was printed before no longer counts as output, whatever runs.
    pub(super) fn clear(&mut self, id: &str) {
        self.pane(id).track.lines.clear();
    }

    /// What was told since then.
    pub(super) fn since(&self, id: &str, then: Moment) -> Since {
        let Some(Pane { track, .. }) = self.by_id.get(id) else { return Since::Nothing };
        let ended = || {
            let output = match &track.last {
                Some((number, ended)) if *number == track.ends => ended.output.clone(),
                _ => String::new(),
            };
            Ended { status: track.status, output }
        };
        if track.completed > then.starts || (then.midway && track.ends > then.ends) {
            Since::Ended(ended())
        } else if track.continuations > then.continuations {
            Since::Unfinished
        } else if track.starts > then.starts {
            Since::Started
        } else if track.ends > then.ends {
            Since::NothingRan(ended())
        } else {
            Since::Nothing
        }
    }

    /// When the pane last printed something.
    pub(super) fn printed_at(&self, id: &str) -> Option<Instant> {
        self.by_id.get(id).map(|pane| pane.track.printed_at)
    }

    /// All that was printed since the last [`Moment`] was taken.
    pub(super) fn unmarked_output(&self, id: &str) -> Option<String> {
        self.by_id.get(id).map(|pane| pane.track.lines.text())
    }

    /// What is known of the output of the command that runs, or of the last that ended.
    pub(super) fn output(&self, id: &str) -> Option<String> {
        let track = &self.by_id.get(id)?.track;
        match track.phase {
            Phase::Running => Some(track.lines.text()),
            _ => track.last.as_ref().map(|(_, ended)| ended.output.clone()),
        }
    }
}

impl Track {
    fn mark(&mut self, kind: &str, arguments: &str) {
        match kind {
            "A" => {
                self.phase = Phase::Prompting;
                self.typed = None;
                self.lines.keep_current_line();
            }
            "B" => {
                self.phase = Phase::Input;
                self.made_at = None;
                self.prompts += 1;
                self.prompt = Some(self.lines.current_line());
                self.lines.clear();
            }
            "C" => {
                self.phase = Phase::Running;
                self.starts += 1;
                let typed = self.typed.take().filter(|typed| !typed.is_empty());
                self.command = line_in(&typed.map_or_else(|| self.lines.text(), Typed::into_text));
                self.times = (Some(Instant::now()), None);
                self.output = None;
                self.lines.clear();
            }
            "P" => {
                self.phase = Phase::Continuation;
                self.continuations += 1;
            }
            "E" => self.output = Some(self.lines.text()),
            "L" => {
                self.typed = Typed::parse(arguments);
                self.times_typed += 1;
                self.is_mute = false;
                if matches!(self.phase, Phase::Unknown | Phase::Prompting) {
                    self.phase = Phase::Input;
                    self.made_at = None;
                }
            }
            "N" => self.names.take(arguments),
            "D" => self.ended(arguments.parse().unwrap_or(-1)),
            _ => {}
        }
    }

    fn ended(&mut self, status: i32) {
        self.ends += 1;
        self.status = status;
        self.times.1 = Some(Instant::now());
        if self.phase == Phase::Running {
            self.completed = self.starts;
        }
        let text = self.output.take().unwrap_or_else(|| self.lines.text());
        let output = match self.phase {
            Phase::Running | Phase::Unknown => Some(text),
            // The line was not run, such as one with a syntax error: what it says about that comes
            // after the echo of the line.
            _ => text.split_once('\n').map(|(_, said)| said.to_owned()).filter(|said| !said.is_empty()),
        };
        if let Some(output) = output {
            self.last = Some((self.ends, Ended { status, output }));
        }
        self.phase = Phase::Prompting;
        // Output without a newline at its end stays before the prompt.
        self.lines.keep_current_line();
    }
}

/// The line that was entered, in the echo of it.
fn line_in(echo: &str) -> Option<String> {
    const LONGEST: usize = 200;
    let line = echo.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(LONGEST).collect())
}

impl Sink for Track {
    fn print(&mut self, character: char) {
        self.lines.print(character);
    }

    fn control(&mut self, control: char) {
        self.lines.control(control);
    }

    fn sequence(&mut self, parameters: &str, last: char) {
        self.lines.sequence(parameters, last);
    }

    fn command(&mut self, payload: &str) {
        let Some(nonce) = &self.nonce else { return };
        let Some(mark) = payload.strip_prefix("133;") else { return };
        let Some(mark) = mark.strip_suffix(nonce.as_str()).and_then(|mark| mark.strip_suffix(';')) else {
            return;
        };
        let (kind, arguments) = mark.split_once(';').unwrap_or((mark, ""));
        self.mark(kind, arguments);
    }
}

#[cfg(test)]
mod tests;

//! Lines from a person or a pipe, read on a thread of their own.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::io::{BufRead, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use rustix::termios::{QueueSelector, tcflush};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::{FileHistory, History};
use rustyline::validate::Validator;
use rustyline::{
    Cmd, ConditionalEventHandler, Config, Context, Editor, EventContext, EventHandler, ExternalPrinter,
    KeyEvent, RepeatCount,
};
use tokio::sync::mpsc;

use super::prompt::{PROMPT, Prompt};
use super::terminal;
use super::view::{Marks, Screen};
use crate::redact::redacted;

/// Lines that were read and not yet taken; the reader waits when it is full.
const AHEAD: usize = 4;

/// The longest line of a pipe, in bytes. Of a longer one nothing is done: its end could mean something
/// that the whole does not.
const LONGEST_LINE: u64 = 1 << 20;

/// Told when what comes in is not what the terminal should send.
const NOT_UTF_8: &str =
    "(something that is not UTF-8 was left out, and what came with it; set the terminal to UTF-8)";

/// Something from the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line of text, without its end.
    Text(String),
    /// A line that was too long to be taken, and was skipped.
    TooLong,
    /// The person wants to be listened to, or not any more: control-t.
    Toggle,
    /// The person has begun to type, or goes on.
    Key,
    /// The person wants to leave: control-c or control-d.
    Leave,
}

/// Lines, as they come. Closed at the end of the input.
pub struct Lines {
    /// The lines.
    pub lines: mpsc::Receiver<Line>,
    /// Where to show things without disturbing a half-typed line.
    pub screen: Box<dyn Screen>,
    /// Whether a person sits there, rather than a pipe.
    pub interactive: bool,
}

impl Screen for Box<dyn Screen> {
    fn show(&mut self, text: &str) {
        self.as_mut().show(text);
    }

    fn mark(&mut self, marks: Marks) {
        self.as_mut().mark(marks);
    }
}

/// What prints above the line that is being edited, and what its prompt is.
struct Printer<P>(P, Prompt);

/// Control-t is pressed.
struct Toggle(mpsc::Sender<Line>);

impl ConditionalEventHandler for Toggle {
    fn handle(&self, _: &rustyline::Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        // Whoever presses it faster than it can be taken has pressed it often enough.
        let _ = self.0.try_send(Line::Toggle);
        Some(Cmd::Noop)
    }
}

/// Any other key is pressed.
struct Key(mpsc::Sender<Line>);

impl ConditionalEventHandler for Key {
    fn handle(&self, _: &rustyline::Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        // It is known already that somebody types.
        let _ = self.0.try_send(Line::Key);
        None
    }
}

/// Shows the prompt, and knows the line that is being edited: the editor drops it when it can't read on.
#[derive(Default)]
struct Typing {
    prompt: Prompt,
    /// Before and behind the cursor.
    line: RefCell<(String, String)>,
}

impl Typing {
    fn note(&self, line: &str, cursor: usize) {
        let (before, behind) = line.split_at(cursor);
        *self.line.borrow_mut() = (before.to_owned(), behind.to_owned());
    }
}

impl Hinter for Typing {
    type Hint = String;

    /// Asked after every change.
    fn hint(&self, line: &str, cursor: usize, _: &Context<'_>) -> Option<String> {
        self.note(line, cursor);
        None
    }
}

impl Highlighter for Typing {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        self.prompt.highlight_prompt(prompt, default)
    }

    /// Asked when the cursor moves, too, but only where there are colours.
    fn highlight_char(&self, line: &str, cursor: usize, _: CmdKind) -> bool {
        self.note(line, cursor);
        false
    }
}

impl Completer for Typing {
    type Candidate = String;
}

impl Validator for Typing {}

impl rustyline::Helper for Typing {}

impl<P: ExternalPrinter + Send> Screen for Printer<P> {
    fn show(&mut self, text: &str) {
        // The editor may have ended already; then the text goes where it always can.
        if self.0.print(format!("{text}\n")).is_err() {
            std::io::stdout().show(text);
        }
    }

    fn mark(&mut self, marks: Marks) {
        /// A line up and a line down: the editor draws its prompt anew, and nothing else happens.
        const NOTHING: &str = "\u{1b}[A\n";

        if self.1.change(marks) {
            // The next prompt has it.
            let _ = self.0.print(NOTHING.to_owned());
        }
    }
}

impl Lines {
    /// Starts reading standard input: with a line editor and a history file if a person sits there.
    ///
    /// The thread belongs to the process: a blocking read can't be ended from outside, so it is left
    /// behind on the way out, and [`restore`](super::restore) sets the terminal right.
    pub fn read(history: Option<PathBuf>) -> Self {
        let (send, lines) = mpsc::channel(AHEAD);
        let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if interactive {
            terminal::remember();
            if let Some((editor, screen)) = editor(history.as_ref(), &send) {
                spawn(move || edit(editor, history.as_ref(), &send));
                return Self { lines, screen, interactive };
            }
        }
        spawn(move || pipe(&send));
        Self { lines, screen: Box::new(std::io::stdout()), interactive }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    // Without a thread for it there is no input, and whoever reads the lines takes that for its end.
    if let Err(error) = std::thread::Builder::new().name("input".into()).spawn(work) {
        unreadable(&error);
    }
}

/// Tells why nothing is read any more. The program leaves then, which nobody has asked for.
fn unreadable(error: &dyn Display) {
    tracing::error!(%error, "the input can't be read");
    // Whoever would see it may have gone.
    let _ = writeln!(std::io::stderr(), "! The input can't be read: {error}.");
}

type LineEditor = Editor<Typing, FileHistory>;

fn editor(history: Option<&PathBuf>, send: &mpsc::Sender<Line>) -> Option<(LineEditor, Box<dyn Screen>)> {
    let config = Config::builder().auto_add_history(false).build();
    let mut editor = LineEditor::with_config(config)
        .inspect_err(|error| tracing::warn!(%error, "no line editor: plain lines are read"))
        .ok()?;
    if let Some(history) = history {
        // There is none at the first start.
        let _ = editor.load_history(history);
    }
    let toggle = EventHandler::Conditional(Box::new(Toggle(send.clone())));
    editor.bind_sequence(KeyEvent::ctrl('T'), toggle);
    editor.bind_sequence(rustyline::Event::Any, EventHandler::Conditional(Box::new(Key(send.clone()))));
    let prompt = Prompt::default();
    editor.set_helper(Some(Typing { prompt: prompt.clone(), ..Typing::default() }));
    let printer = editor.create_external_printer().ok()?;
    Some((editor, Box::new(Printer(printer, prompt))))
}

fn edit(mut editor: LineEditor, history: Option<&PathBuf>, send: &mpsc::Sender<Line>) {
    let mut begun = (String::new(), String::new());
    loop {
        let (before, behind) = std::mem::take(&mut begun);
        let line = match editor.readline_with_initial(PROMPT, (&before, &behind)) {
            Ok(line) => Line::Text(line),
            Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                begun = editor.helper().map(|typing| typing.line.take()).unwrap_or_default();
                // Nor is the rest of what was pasted taken: with a hole in it, it could mean something else.
                let _ = tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
                std::io::stdout().show(NOT_UTF_8);
                continue;
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Line::Leave,
            Err(error) => {
                unreadable(&error);
                Line::Leave
            }
        };
        if let Line::Text(text) = &line {
            // The journal is the history that counts; this one is for the arrow keys.
            let _ = editor.add_history_entry(text.as_str());
            if let Some(history) = history.filter(|_| redacted(text) == *text) {
                remember(text, history);
            }
        }
        let leaving = line == Line::Leave;
        if send.blocking_send(line).is_err() || leaving {
            return;
        }
    }
}

/// Forgets these lines, or all, for the arrow keys.
///
/// # Errors
/// When the file is there and can't be written.
pub fn forget(file: &Path, lines: Option<&[String]>) -> std::io::Result<()> {
    let Some(lines) = lines else {
        return match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    let kept = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        kept => kept?,
    };
    let stays = |line: &&str| !lines.iter().any(|forgotten| forgotten == line.trim_end_matches('\n'));
    let new: String = kept.split_inclusive('\n').filter(stays).collect();
    if new.len() < kept.len() {
        // In place, so that whoever appends to it does so to the same file.
        std::fs::write(file, new)?;
    }
    Ok(())
}

/// Adds a line to the file. One with a secret is only known to this run.
fn remember(line: &str, file: &Path) {
    let mut lines = FileHistory::new();
    let added = lines.add(line).and_then(|_| lines.append(file));
    if let Err(error) = added {
        tracing::debug!(%error, "a line is not kept for the arrow keys");
    }
}

fn pipe(send: &mpsc::Sender<Line>) {
    let mut input = std::io::stdin().lock();
    loop {
        let mut bytes = Vec::new();
        match input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let cut = bytes.len() as u64 == LONGEST_LINE && bytes.last() != Some(&b'\n');
        let line = if cut {
            // What follows is read, or fails, all the same.
            let _ = input.skip_until(b'\n');
            Line::TooLong
        } else {
            Line::Text(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned())
        };
        let empty = matches!(&line, Line::Text(text) if text.trim().is_empty());
        if !empty && send.blocking_send(line).is_err() {
            return;
        }
    }
}

//! tmux: where commands go, and where their output comes from.
//!
//! **Why our own client.** One command by control mode costs a tenth of a millisecond, a spawned
//! `tmux` two or three; and only control mode tells what a pane prints as it prints it, which is how
//! the end of a command is known.
//!
//! **Mechanics.** Everything that is asked of tmux is a `request::Request`, the words of one tmux
//! command. A chain named `tmux-session` serves it: `client` speaks control mode to a `tmux -C`
//! child that is attached to the session, and `process` spawns one `tmux` per command when that is
//! down or there is no session to attach to yet. A request whose effect may have happened is never
//! sent by the other tier. On top of that link, each file does one kind of thing: `sessions`,
//! `layout` (windows, panes, views), `paste` (text that goes in without running), `run`
//! (Enter, and the wait for the end), `keys`, `activity` (what goes on in a pane), `watch` (panes that somebody wants
//! to hear of).
//!
//! **The end of a command.** `shell` starts bash, zsh or fish with marks around its prompts and commands
//! (OSC 133, with a nonce so that no output can forge them); `completion` finds them in what the pane
//! prints. zsh and fish also tell the line that is typed (`typed`). Other shells work too, but don't tell
//! the exit status.
//!
//! **Who is in front.** `front` tells a shell at its prompt from programs, which don't get command lines,
//! and from those that ask for a secret, which get nothing.
//!
//! **What comes from a pane is data.** `strip` takes every escape sequence out before anything
//! leaves this module. **What goes into a pane never runs by itself**: no control character, no
//! newline, and Enter only after the prompt was seen to hold the very text.
//!
//! **Limits.** A program that redraws the screen upwards (progress bars of several lines) leaves its
//! older states in the output. bash doesn't tell the line that is typed: what covers it on the screen may
//! keep it from being recognised; it is then not entered.
//!
//! **Architecture invariant:** nothing outside of `guarded` leaves this module, and no tmux server
//! but the configured ones is ever spoken to.

mod activity;
mod aliases;
mod client;
mod completion;
mod control;
mod error;
mod foreground;
mod front;
mod guarded;
mod host;
mod keys;
mod layout;
mod link;
mod names;
mod paste;
mod place;
mod process;
mod prompt;
mod request;
mod run;
mod screen;
mod sessions;
mod shell;
mod shown;
mod strip;
mod tty;
mod typed;
mod watch;

#[cfg(test)]
mod tests;

pub use guarded::{Notice, Tmux, TmuxBreakers};

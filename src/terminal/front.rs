//! Who takes what is typed into a pane.
//!
//! A shell of ours tells by its marks that it waits for a command line. Otherwise the program in front, its
//! screen and how it has set its terminal tell enough: whoever has the alternate screen takes keys, whoever
//! doesn't let lines be shown asks for a secret.

use crate::domain::{Failure, Front, LineTaker, Target};

use super::client::Client;
use super::completion::Phase;
use super::error::request_failure;
use super::place::Place;
use super::shell::Kind;
use super::strip::strip;
use super::{foreground, tty};

/// Programs that pass lines on to a shell that may be at their other end.
const PASSING_ON: &[&str] = &[
    "ssh",
    "mosh-client",
    "telnet",
    "docker",
    "podman",
    "kubectl",
    "lxc",
    "incus",
    "machinectl",
    "nsenter",
    "chroot",
    "su",
    "sudo",
    "doas",
    "adb",
    "distrobox",
    "toolbox",
    "nix-shell",
    "script",
];

/// The longest name of a program that is told.
const LONGEST_NAME: usize = 60;

/// Who takes what is typed there. `client` is that of the pane's session, if there is one.
pub(super) fn of(place: &Place, client: Option<&Client>) -> Front {
    let phase = client.map_or(Phase::Unknown, |client| client.panes().phase(&place.pane.0));
    let name = strip(place.program.as_bytes(), LONGEST_NAME);
    let is_shell = Kind::of(&place.program) != Kind::None;
    if matches!(phase, Phase::Prompting | Phase::Input | Phase::Continuation) && is_shell {
        return Front::Shell { name };
    }
    let led_by_none = if is_shell { None } else { place.pid.and_then(foreground::led_by_none) };
    let name = led_by_none.map_or(name, |name| strip(name.as_bytes(), LONGEST_NAME));
    let modes = tty::modes(&place.tty);
    if modes.is_some_and(|modes| modes.canonical && !modes.echo) {
        return Front::Secret { name };
    }
    let edits_lines = modes.is_none_or(|modes| !modes.canonical);
    if is_shell {
        // One that doesn't edit a line runs something, such as a script; but what the pane was started
        // with may be one that never does, and tells nothing.
        let may_not_tell =
            phase == Phase::Unknown && place.pid.and_then(foreground::is_itself_in_front) != Some(false);
        let waits = edits_lines || may_not_tell;
        return if waits { Front::Shell { name } } else { Front::Program { name, edits_lines: false } };
    }
    if place.alternate {
        return Front::FullScreen { name };
    }
    Front::Program { name, edits_lines }
}

/// Who gets a line that is entered there.
pub(super) fn taker(front: &Front) -> LineTaker {
    match front {
        Front::Shell { .. } => LineTaker::Shell,
        Front::Program { name, .. } if PASSING_ON.contains(&name.as_str()) => LineTaker::Shell,
        Front::Program { edits_lines: true, .. } | Front::FullScreen { .. } => LineTaker::Keys,
        Front::Program { .. } | Front::Secret { .. } => LineTaker::Program,
    }
}

/// That a command line for a shell is not given to something else.
pub(super) fn must_be_shell(front: &Front, target: &Target) -> Result<(), Failure> {
    let session = &target.session_name;
    match front {
        Front::Shell { .. } => Ok(()),
        Front::Program { name, edits_lines: true } if PASSING_ON.contains(&name.as_str()) => Ok(()),
        Front::FullScreen { name } => Err(request_failure(
            format!("{name} is in front in {session}, so I ran nothing"),
            "Say \"press escape\" or \"type\" and what it is to get; or leave it, or say \"new window\"",
        )),
        Front::Program { name, edits_lines } => Err(request_failure(
            format!("{name} is still running in {session}, so I ran nothing"),
            if *edits_lines {
                "Say \"type\" and a line for it, then \"press enter\"; or end it, or say \"new window\""
            } else {
                "Wait for its end, say \"press control c\", or \"type\" an answer and \"press enter\""
            },
        )),
        Front::Secret { .. } => must_not_be_secret(front, target),
    }
}

/// That no secret is asked for, which must not come from somewhere that keeps it.
pub(super) fn must_not_be_secret(front: &Front, target: &Target) -> Result<(), Failure> {
    let Front::Secret { name } = front else { return Ok(()) };
    Err(request_failure(
        format!("{name} asks for a secret in {}, so I typed nothing", target.session_name),
        "What is said to me is kept in the history: type it there yourself, or say \"press control c\"",
    ))
}

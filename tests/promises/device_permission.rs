//! Who may not use a device is told so, with the remedy, and need not restart once they may.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::pulse::Pulse;
use crate::support::spoken::say;
use crate::support::user::{User, until};

/// Only root can take somebody else's part.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_sound_server_that_refuses_is_named_and_asked_again() {
    if !is_root() {
        return;
    }
    let mut user = User::new();
    user.without_voice();
    let pulse = Pulse::start(&mut user);
    let own = user.path("home/cookie");
    user.set("PULSE_COOKIE", own.to_str().unwrap());
    user.become_nobody(&[]);
    let mut daemon = user.daemon();
    daemon.until("The sound server refuses this user: permission is denied; type instead.");
    assert!(daemon.said().contains("without sudo"), "{}", daemon.said());
    for command in [&["devices"][..], &["doctor"], &["--set", "audio.output=auto", "say", "hello"]] {
        let told = user.run(command);
        assert_eq!(told.code(), 1, "{told:?}");
        assert!(format!("{}{}", told.out, told.err).contains("refuses this user"), "{told:?}");
    }

    fs::copy(pulse.cookie(), &own).unwrap();
    fs::set_permissions(&own, PermissionsExt::from_mode(0o644)).unwrap();
    daemon.until("I hear you again");
    pulse.play(&say(&user.path("home"), "list sessions"));
    until("the voice is heard", || {
        let said = daemon.said();
        said.lines().any(|line| line.starts_with("you: ") && line.contains("sessions"))
    });
    assert_eq!(daemon.said().matches("refuses this user").count(), 1, "told once: {}", daemon.said());
}

#[test]
fn sound_cards_that_may_not_be_opened_are_told_from_none() {
    let can_part = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|done| done.success());
    if !is_root() || !can_part {
        return;
    }
    // A /dev of our own, with a card in it that belongs to root.
    let script = "mount --make-rprivate / && mount -t tmpfs none /dev && mkdir /dev/snd /dev/pts && \
                  mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/zero c 1 5 && \
                  mknod -m 666 /dev/random c 1 8 && mknod -m 666 /dev/urandom c 1 9 && \
                  mknod -m 660 /dev/snd/controlC0 c 116 0 && mknod -m 660 /dev/snd/pcmC0D0c c 116 24 && \
                  mknod -m 660 /dev/snd/pcmC0D0p c 116 16 && exec \"$@\"";
    let mut user = User::new();
    user.become_nobody(&["unshare", "-m", "sh", "-c", script, "sh"]);
    let mut daemon = user.daemon();
    daemon.until("The microphone may not be used: permission is denied; type instead.");
    assert!(daemon.said().contains("usermod -aG audio"), "{}", daemon.said());
    let told = user.run(&["devices"]);
    assert_eq!(told.code(), 1, "{told:?}");
    assert!(told.err.contains("the loudspeaker may not be used: permission is denied"), "{told:?}");
}

#[test]
fn without_a_cookie_the_server_is_reached_all_the_same() {
    let mut user = User::new();
    let _pulse = Pulse::without_microphone(&mut user);
    // ALSA would take the monitor for a microphone.
    user.unset("PULSE_COOKIE");
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    let mut daemon = user.daemon();
    daemon.until("No microphone was found; type instead.");
    let devices = user.run(&["devices"]);
    assert!(
        devices.out.contains("→ ") && devices.out.contains("(speaker, PulseAudio, default)"),
        "{devices:?}"
    );
    assert!(user.path("home/.config/pulse/cookie").exists());
}

//! Sound is not kept, unless that is wanted; then what could not be recognised can be later.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::support::pulse::Pulse;
use super::support::spoken::say;
use super::support::user::{User, until};

fn files(user: &User) -> Vec<PathBuf> {
    let entries = fs::read_dir(user.path("state/voice-terminal/sound")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_could_not_be_recognised_can_be_later_and_no_more_is_kept() {
    let mut user = User::new();
    let broken = user.path("home/model.bin");
    fs::write(&broken, "no model").unwrap();
    let mut pulse = Pulse::start(&mut user);
    let speech = say(&user.path("home"), "new session build");
    for keep in ["never", "failed"] {
        user.configure(&format!(
            "[audio]\noutput = \"none\"\n[speech.stt]\nmodel = \"{}\"\n[store.sound]\nkeep = \"{keep}\"\n",
            broken.display()
        ));
        let mut daemon = user.daemon();
        daemon.until("Text mode");
        until("it hears", || pulse.listeners() > 0);
        let before = user.history().len();
        pulse.play(&speech);
        until("it was heard", || user.history().len() > before && !user.history()[0]["reply"].is_null());
        daemon.signal("TERM");
        assert!(daemon.ended().success(), "{}", daemon.said());
        assert_eq!(files(&user).len(), usize::from(keep == "failed"), "{keep}");
    }
    pulse.kill();
    let kept = files(&user);
    assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
    user.configure("[audio]\noutput = \"none\"\n[store.sound]\nkeep = \"failed\"\n");
    let ran = user.run(&["transcribe", "--kept"]);
    assert!(ran.code() == 0 && ran.out.to_lowercase().contains("new session build"), "{ran:?}");
    assert_eq!(files(&user).len(), 0, "it is not needed any more");
    assert!(user.run(&["history", "--search", "build"]).out.to_lowercase().contains("new session build"));
    assert_eq!(user.tmux(&["list-sessions"]), "", "and nothing is done of it");
    let ran = user.run(&["transcribe", "--kept"]);
    assert!(ran.code() == 0 && ran.out.contains("no kept sound"), "{ran:?}");
}

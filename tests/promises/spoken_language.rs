//! Several things said in a row, text that is dictated and taken back, and the modes, all against a real tmux.

use std::fs;

use crate::support::user::{Ran, User, until};

fn lines(user: &User, lines: &str) -> Ran {
    let ran = user.run_with(&["run"], lines.as_bytes());
    assert_eq!(ran.code(), 0, "{ran:?}");
    ran
}

fn panes(user: &User) -> usize {
    user.tmux(&["list-panes", "-t", "=main:", "-F", "x"]).lines().count()
}

/// The last line of the pane that has something on it.
fn prompt(user: &User) -> String {
    let pane = user.tmux(&["capture-pane", "-p", "-t", "=main:"]);
    pane.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}

#[test]
fn several_things_are_done_in_order() {
    let user = User::new();
    let ran = lines(&user, "split right and split down and run echo one two\nnext pane three times\n");
    assert_eq!(panes(&user), 3, "{ran:?}");
    assert!(ran.out.contains("one two"), "{ran:?}");
    assert_eq!(ran.out.matches("  Pane ").count(), 3, "each time to the next: {ran:?}");
    let records = user.history();
    assert_eq!(records.len(), 2, "one utterance is one record");
}

#[test]
fn the_worst_part_binds_all_of_it() {
    let user = User::new();
    let ran = lines(&user, "split right and run touch made\nno\n");
    assert!(ran.out.contains("Shall I split the pane, then run `touch made`, beginning in main?"), "{ran:?}");
    assert_eq!(panes(&user), 1, "nothing of it before the answer: {ran:?}");
    assert!(!user.path("home/made").exists());
    let ran = lines(&user, "split right and run touch made\nconfirm\nconfirm\n");
    assert_eq!(panes(&user), 2, "once: {ran:?}");
    assert!(user.path("home/made").exists(), "{ran:?}");
    let ran = lines(&user, "split right and run rm -rf ~\nconfirm\n");
    assert_eq!(panes(&user), 2, "{ran:?}");
    assert!(user.path("home").exists());
    let ran = lines(&user, "zoom and run touch later\nnew window\nconfirm\n");
    assert!(!user.path("home/later").exists(), "another thing was said in between: {ran:?}");
}

#[test]
fn it_stops_at_the_first_that_fails_and_says_so() {
    let user = User::new();
    let ran = user.run(&["do", "--spoken", "Split right, and run false, and then split right."]);
    assert_eq!(panes(&user), 2, "{ran:?}");
    assert!(ran.out.contains("failed with exit status 1"), "{ran:?}");
    assert!(ran.out.contains("I stopped there; not done: split the pane."), "{ran:?}");
    let ran = lines(&user, "zoom and switch to nowhere and split down\n");
    assert_eq!(panes(&user), 2, "{ran:?}");
    assert!(ran.out.contains("not done: switch to nowhere, then split the pane"), "{ran:?}");
}

#[test]
fn what_was_put_in_last_is_taken_back_and_nothing_else() {
    let user = User::new();
    lines(&user, "type one two\ntype three\nscratch that\n");
    assert!(prompt(&user).ends_with("one two"), "{}", prompt(&user));
    let ran = lines(&user, "scratch that\n");
    assert!(ran.out.contains("nothing of mine to take back"), "another run's text is not ours: {ran:?}");
    assert!(prompt(&user).ends_with("one two"));
    lines(&user, "type one two\nundo\n");
    assert!(
        prompt(&user).ends_with("one two") && !prompt(&user).ends_with("twoone two"),
        "{}",
        prompt(&user)
    );
    let ran = lines(&user, "scratch that\nundo\nagain\n");
    assert!(ran.out.contains("There is nothing to undo."), "{ran:?}");
}

#[test]
fn a_users_own_phrases_are_judged_as_what_they_stand_for() {
    let user = User::new();
    let phrases = user.path("config/voice-terminal/phrases.toml");
    fs::write(
        &phrases,
        "[aliases]\n\"full view\" = \"zoom\"\n\
         [lists.target]\nstaging = \"stage-1\"\n\
         [[phrase]]\nsay = \"deploy to {target}\"\ndo = [\"split right\", \"run echo to {target}\"]\n\
         [[phrase]]\nsay = \"clean up\"\ndo = \"run rm -rf target\"\n\
         [[phrase]]\nsay = \"burn it\"\ndo = \"run rm -rf ~\"\n",
    )
    .unwrap();
    let ran = lines(&user, "deploy to staging\nclean up\nno\nburn it\nfull view\nhelp\n");
    assert!(ran.out.contains("to stage-1"), "{ran:?}");
    assert_eq!(panes(&user), 2, "{ran:?}");
    assert!(ran.out.contains("I typed `rm -rf target` in main, without Enter."), "{ran:?}");
    assert!(user.path("home").exists());
    assert!(ran.out.contains("Zoomed") && ran.out.contains("Yours:"), "{ran:?}");
    assert_eq!(user.run(&["config", "check"]).code(), 0);
    // A changed file is followed; a bad one is refused, and the old one stays.
    let mut daemon = user.daemon();
    fs::write(&phrases, "[aliases]\n\"wide view\" = \"list sessions\"\n").unwrap();
    daemon.until("in force now: phrases");
    assert!(user.run(&["do", "wide view"]).out.contains("main"), "{}", daemon.said());
    fs::write(&phrases, "[aliases]\n\"far view\" = \"zoom\"\n\"zoom\" = \"split right\"\n").unwrap();
    daemon.until("phrases.toml, line 3: in the phrase \"zoom\": \"zoom\" already means \"zoom\"");
    assert!(user.run(&["do", "wide view"]).out.contains("main"));
    daemon.signal("TERM");
    daemon.ended();
    let refused = user.run(&["config", "check"]);
    assert_eq!(refused.code(), 2, "{refused:?}");
    assert!(refused.err.contains("phrases.toml, line 3"), "{refused:?}");
}

#[test]
fn what_is_there_is_known_by_name_and_by_what_it_sounds_like() {
    let user = User::new();
    fs::create_dir_all(user.path("home/.git/refs/heads/feature")).unwrap();
    fs::write(user.path("home/.git/refs/heads/feature/login"), "0\n").unwrap();
    fs::create_dir(user.path("home/web app")).unwrap();
    let mut daemon = user.daemon();
    let say = |words: &str| user.run(&["do", "--spoken", words]);
    for line in ["new session build", "new window logs", "new window editor"] {
        assert_eq!(user.run(&["do", line]).code(), 0);
    }
    // What has just been made is looked at beside the conversation.
    until("the window is known", || say("Go to window logs.").status.success());
    assert_eq!(user.tmux(&["display-message", "-p", "-t", "=build:", "#{window_name}"]), "logs");
    let known = say("Check out feature login.");
    assert!(known.out.contains("git switch feature/login"), "{known:?}");
    let known = say("Go to the directory web app.");
    assert!(known.out.contains("cd 'web app'"), "{known:?}");
    let corrected = say("Switch to bild.");
    assert!(corrected.out.contains("Switched to build."), "{corrected:?}");
    assert!(corrected.out.contains("(I took \"bild\" for build.)"), "{corrected:?}");
    daemon.signal("TERM");
    daemon.ended();
}

#[test]
fn dictation_goes_into_the_pane_until_it_is_ended() {
    let user = User::new();
    let ran = lines(
        &user,
        "dictation mode\nsplit right\nthen run touch made\nhow are you\nstatus\nescape command mode\nscratch that\n\
         scratch that\ncommand mode\nstatus\n",
    );
    assert_eq!(panes(&user), 1, "{ran:?}");
    assert!(!user.path("home/made").exists());
    assert!(prompt(&user).ends_with("split right then run touch made"), "{}\n{ran:?}", prompt(&user));
    assert!(ran.out.contains("¶ Dictation"), "{ran:?}");
    assert!(ran.out.contains("» Commands."), "{ran:?}");
    assert_eq!(ran.out.matches("Commands go to session main.").count(), 2, "{ran:?}");
    assert!(ran.out.contains("The mode is dictation; say \"command mode\" to end it."), "{ran:?}");
}

#[test]
fn a_mode_that_is_configured_is_shown_from_the_start() {
    let user = User::new();
    user.configure("[interpreter]\nmode = \"spelling\"\n");
    let ran = lines(&user, "spell air bat\ncommand mode\n");
    assert!(ran.out.contains("α Spelling"), "{ran:?}");
    let mut daemon = user.daemon();
    let status = user.run(&["status"]);
    assert!(status.out.contains("words are taken as: spelling"), "{status:?}");
    let changed = user.run(&["do", "command mode"]);
    assert!(changed.out.contains("Command mode."), "{changed:?}");
    assert_eq!(user.run(&["status", "--json"]).json()[0]["standing"]["input"], "command");
    daemon.signal("TERM");
    daemon.ended();
    fs::remove_file(user.configuration()).unwrap();
}

//! Whoever wants to say something is not talked over: by voice, by key or by line they cut off what is being
//! said, and are heard from the first word; and its own voice is never taken for theirs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::meter::Meter;
use crate::support::models;
use crate::support::pulse::Pulse;
use crate::support::spoken::say;
use crate::support::user::{Running, User, until};

/// A user whose microphone, loudspeaker and voice share a room.
async fn user() -> (User, Pulse) {
    models::model("joe").await;
    let mut user = User::new();
    user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
    // How sure the recogniser is of a synthetic voice is not what this is about.
    user.configure("[listening]\ncues = \"visible\"\n[safety]\nminimum_confidence = 0.0\n");
    let pulse = Pulse::start(&mut user);
    pulse.share_a_room();
    (user, pulse)
}

/// A daemon that tells events.
fn daemon(user: &User) -> Running {
    let mut daemon = user.start(&["--json", "daemon"]);
    until("it can be reached", || user.run(&["status"]).code() == 0);
    daemon.until("\"mode\":\"voice\"");
    daemon.until("loading tiny.en");
    daemon
}

fn interruptions(daemon: &Running, by: &str) -> usize {
    daemon.said().matches(&format!("\"event\":\"interrupted\",\"by\":\"{by}\"")).count()
}

/// Waits until something has been said for so long.
fn speaks(meter: &Meter, since: Instant, length: Duration) {
    until("it speaks", || meter.first_after(since).is_some_and(|first| first.elapsed() >= length));
}

/// Waits until nothing has been said for a while: longer than a voice on a busy machine needs for a clause.
fn is_silent(meter: &Meter) {
    until("it is silent", || meter.last().is_none_or(|last| last.elapsed() > Duration::from_secs(3)));
}

/// Has it say something long.
fn ask_for_help(user: &User, meter: &Meter) -> Instant {
    is_silent(meter);
    let asked = Instant::now();
    assert_eq!(user.run(&["do", "help"]).code(), 0);
    asked
}

/// Until which sound it went on, once it fell silent for a second.
fn fell_silent(meter: &Meter) -> Instant {
    until("it falls silent", || meter.last().is_some_and(|last| last.elapsed() > Duration::from_secs(1)));
    meter.last().unwrap()
}

#[tokio::test]
async fn in_one_room_its_own_voice_is_nobody_and_a_person_over_it_is_heard_from_the_first_word() {
    let (user, pulse) = user().await;
    let daemon = daemon(&user);
    let (speaker, person) = (pulse.meter("speaker"), pulse.meter("person"));
    // It gets to know the room, and hears nobody.
    for _ in 0..3 {
        let asked = ask_for_help(&user, &speaker);
        speaks(&speaker, asked, Duration::from_secs(4));
    }
    is_silent(&speaker);
    assert!(user.spoken().is_empty(), "{:#?}\n{}", user.spoken(), daemon.said());
    assert_eq!(interruptions(&daemon, "voice"), 0, "{}", daemon.said());

    // A phrase that the answer has in it, too. On a busy machine a small recogniser mishears now and then, and
    // the sound system stumbles; whoever isn't understood says it again.
    let words = say(&user.path("home"), "new session build");
    let mut cut_off = Vec::new();
    for _ in 0..5 {
        let asked = ask_for_help(&user, &speaker);
        speaks(&speaker, asked, Duration::from_millis(1500));
        let (before, begun) = (interruptions(&daemon, "voice"), Instant::now());
        assert!(pulse.person_says(&words).wait().unwrap().success());
        let silent = fell_silent(&speaker);
        let spoke = person.first_after(begun).unwrap();
        if interruptions(&daemon, "voice") > before {
            cut_off.push(silent.saturating_duration_since(spoke));
        }
        let is_there = || user.tmux(&["list-sessions"]).contains("build");
        let patience = Instant::now() + Duration::from_secs(8);
        while !is_there() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(50));
        }
        if is_there() && cut_off.len() > 1 {
            break;
        }
    }
    println!("from their first sound to its last: {cut_off:?}");
    let heard: Vec<_> = user.spoken().iter().map(|record| record["text"].clone()).collect();
    assert!(user.tmux(&["list-sessions"]).contains("build"), "{heard:?}\n{}", daemon.said());
    // The answer would have gone on for seconds.
    assert!(cut_off.iter().any(|time| *time < Duration::from_millis(1500)), "{cut_off:?}\n{}", daemon.said());
}

#[tokio::test]
async fn from_another_loudspeaker_in_mid_answer_its_own_voice_is_nobody_either() {
    let (user, pulse) = user().await;
    // Across the room, and loud.
    pulse.connect_another("far", "Far-Away");
    pulse.lets_hear("far", 230, "-3dB");
    let daemon = daemon(&user);
    let (near, far) = (pulse.meter("speaker"), pulse.meter("far"));
    // It gets to know the room.
    let asked = ask_for_help(&user, &near);
    speaks(&near, asked, Duration::from_secs(4));
    for (round, ([from, to], default)) in
        [([&near, &far], "far"), ([&far, &near], "speaker"), ([&near, &far], "far")].into_iter().enumerate()
    {
        let asked = ask_for_help(&user, from);
        speaks(from, asked, Duration::from_millis(2500));
        let moved = Instant::now();
        pulse.control(&["set-default-sink", default]);
        speaks(to, moved, Duration::from_secs(1));
        let told = daemon.said().matches("\"text\":\"The loudspeaker has changed").count();
        assert_eq!(told, round + 1, "{}", daemon.said());
        is_silent(to);
    }
    assert!(user.spoken().is_empty(), "{:#?}\n{}", user.spoken(), daemon.said());
    assert_eq!(interruptions(&daemon, "voice"), 0, "{}", daemon.said());
}

#[tokio::test]
async fn a_line_and_the_key_to_talk_cut_it_off_and_stop_means_only_that() {
    let (user, pulse) = user().await;
    let daemon = daemon(&user);
    let speaker = pulse.meter("speaker");
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    let before = user.tmux(&["capture-pane", "-p", "-t", "=build:"]);
    let mut took = Vec::new();
    for (arguments, by) in
        [(&["do", "stop"][..], "line"), (&["listen", "press"], "key"), (&["do", "cancel"], "line")]
    {
        let asked = ask_for_help(&user, &speaker);
        speaks(&speaker, asked, Duration::from_millis(1500));
        let (interrupted, ordered) = (interruptions(&daemon, by), Instant::now());
        let ran = user.run(arguments);
        let answered = Instant::now();
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(arguments[0] == "listen" || ran.out.contains("Quiet."), "{ran:?}");
        let last = fell_silent(&speaker);
        took.push((last.saturating_duration_since(answered), last.saturating_duration_since(ordered)));
        assert!(last < ordered + Duration::from_secs(2), "{took:?}");
        assert_eq!(interruptions(&daemon, by), interrupted + 1, "{}", daemon.said());
        assert_eq!(user.run(&["listen", "release"]).code(), 0);
    }
    println!("to its last sound, from the answer to the order and from its beginning: {took:?}");
    assert_eq!(user.tmux(&["capture-pane", "-p", "-t", "=build:"]), before, "nothing was pressed");
    // Said into silence, it is what it always was.
    is_silent(&speaker);
    let ran = user.run(&["do", "stop"]);
    assert!(ran.out.contains("Nothing is waiting"), "{ran:?}");
}

#[tokio::test]
async fn the_first_key_of_a_line_cuts_it_off() {
    let (user, pulse) = user().await;
    let speaker = pulse.meter("speaker");
    let mut console = user.console();
    console.until("Listening.");
    let asked = Instant::now();
    console.enter("help\r");
    speaks(&speaker, asked, Duration::from_millis(1500));
    let pressed = Instant::now();
    console.enter("s");
    let last = fell_silent(&speaker);
    println!("from the key to its last sound: {:?}", last.saturating_duration_since(pressed));
    assert!(last < pressed + Duration::from_millis(1500), "{:?}\n{}", last - pressed, console.said());
    console.enter("top\r");
    console.until("Quiet.");
}

#[tokio::test]
async fn where_it_is_switched_off_nobody_is_heard_while_it_speaks() {
    let (user, pulse) = user().await;
    user.configure("[audio]\nbarge_in = \"off\"\n[listening]\ncues = \"visible\"\n");
    let daemon = daemon(&user);
    let speaker = pulse.meter("speaker");
    let words: PathBuf = say(&user.path("home"), "new session build");
    for _ in 0..2 {
        let asked = ask_for_help(&user, &speaker);
        speaks(&speaker, asked, Duration::from_secs(1));
        assert!(pulse.person_says(&words).wait().unwrap().success());
        let said = Instant::now();
        until("it goes on", || speaker.first_after(said).is_some());
    }
    is_silent(&speaker);
    assert!(user.spoken().is_empty(), "{:#?}", user.spoken());
    assert_eq!(interruptions(&daemon, "voice"), 0, "{}", daemon.said());
}

//! A setting that is mistyped is named with its place and the nearest right one, and never silently
//! ignored; a change is taken up while the program runs.

use std::fs;

use crate::support::user::User;

#[test]
fn what_is_wrong_is_named_with_file_line_and_remedy() {
    let user = User::new();
    for (toml, line, what, remedy) in [
        ("[speech.stt]\nmodle = \"base\"\n", 2, "speech.stt.modle", "speech.stt.model"),
        ("[spech.stt]\nmodel = \"base\"\n", 1, "spech", "speech"),
        ("[audio]\ninput = 7\n", 2, "7", "config show"),
        ("[audio]\nwatchdog = \"two weeks ago\"\n", 2, "watchdog", "30s"),
        ("[audio\n", 1, "", "TOML"),
        ("[breakers.voice-sst]\ntimeout = \"1s\"\n", 1, "voice-sst", "voice-stt"),
    ] {
        fs::write(user.configuration(), toml).unwrap();
        for command in [&["config", "check"][..], &["do", "list sessions"], &["run"]] {
            let ran = user.run(command);
            assert_eq!(ran.code(), 2, "{toml:?}: {ran:?}");
            assert!(ran.err.contains(&format!("config.toml, line {line}")), "{toml:?}: {ran:?}");
            assert!(ran.err.contains(what) && ran.err.contains(remedy), "{toml:?}: {ran:?}");
        }
    }
    assert_eq!(user.tmux(&["list-sessions"]), "", "nothing was started");
}

#[test]
fn values_that_cannot_work_are_refused() {
    let user = User::new();
    for (key, value) in [
        ("audio.endpoint.stop_probability", "0.9"),
        ("audio.endpoint.maximum_utterance", "10m"),
        ("breakers.voice-stt.failure_threshold", "0"),
        ("speech.stt.chain", "telepathy"),
        ("safety.minimum_confidence", "2"),
        ("terminal.socket", ""),
    ] {
        let ran = user.run(&["--set", &format!("{key}={value}"), "config", "check"]);
        assert_eq!(ran.code(), 2, "{key}: {ran:?}");
        assert!(ran.err.contains(key.rsplit('.').next().unwrap()), "{key}: {ran:?}");
    }
    let ran = user.run(&["--set", "speech.stt.language=klingon", "transcribe", "/dev/null"]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(ran.err.contains("klingon"), "{ran:?}");
}

#[test]
fn variables_and_profiles_are_checked_too() {
    let mut user = User::new();
    user.set("VOICE_TERMINAL_TERMINAL__SOKET", "x");
    let ran = user.run(&["config", "check"]);
    assert_eq!(ran.code(), 2);
    assert!(
        ran.err.contains("VOICE_TERMINAL_TERMINAL__SOKET") && ran.err.contains("terminal.socket"),
        "{ran:?}"
    );
    user.unset("VOICE_TERMINAL_TERMINAL__SOKET");
    user.set("VOICE_TERMINAL_PROFILE", "prod");
    let ran = user.run(&["config", "check"]);
    assert_eq!(ran.code(), 2);
    assert!(ran.err.contains("production"), "{ran:?}");
}

#[test]
fn each_layer_wins_over_those_below_it() {
    let mut user = User::new();
    let shown = |user: &User, flags: &[&str]| {
        let ran = user.run(&[flags, &["config", "show", "--json"]].concat());
        assert_eq!(ran.code(), 0, "{ran:?}");
        ran.json()[0]["terminal"]["session"].as_str().unwrap().to_owned()
    };
    assert_eq!(shown(&user, &[]), "main");
    user.configure("[terminal]\nsession = \"from-file\"\n");
    assert_eq!(shown(&user, &[]), "from-file");
    user.set("VOICE_TERMINAL_TERMINAL__SESSION", "from-variable");
    assert_eq!(shown(&user, &[]), "from-variable");
    assert_eq!(shown(&user, &["--set", "terminal.session=from-flag"]), "from-flag");
}

#[test]
fn a_file_that_cannot_be_read_is_no_reason_to_guess() {
    let user = User::new();
    fs::remove_file(user.configuration()).unwrap();
    fs::create_dir(user.configuration()).unwrap();
    let ran = user.run(&["config", "check"]);
    assert_eq!(ran.code(), 2, "{ran:?}");
    assert!(ran.err.contains("can't be read"), "{ran:?}");
    fs::remove_dir(user.configuration()).unwrap();
    fs::write(user.configuration(), [0xff, 0xfe, 0x00]).unwrap();
    let ran = user.run(&["config", "check"]);
    assert_eq!(ran.code(), 2, "{ran:?}");
}

#[test]
fn a_change_is_taken_up_while_it_runs_and_a_bad_one_refused() {
    let user = User::new();
    let mut daemon = user.daemon();
    daemon.until("loading tiny.en: done");
    user.configure("[breakers.voice-stt]\nfailure_threshold = 9\n[safety]\nallow = [\"mkdir\"]\n");
    daemon.until("The configuration has changed; in force now: safety, breakers.");
    let done = user.run(&["do", "run mkdir made"]);
    assert_eq!(done.code(), 0, "{done:?}");
    assert!(done.out.contains("done"), "it is allowed now: {done:?}");

    fs::write(user.configuration(), "[safety]\nalow = []\n").unwrap();
    daemon.until("is not used");
    let said = daemon.said();
    assert!(
        said.contains("line 2") && said.contains("safety.allow") && said.contains("The old one stays"),
        "{said}"
    );
    // Whoever asks reads the file too, and would refuse it.
    let asked =
        user.command(&["do", "run mkdir again"]).env("VOICE_TERMINAL_CONFIG", "/nonexistent").output();
    assert!(asked.unwrap().status.success() && user.path("home/again").exists(), "the old one stays");

    user.configure("[speech.stt]\nmodel = \"nonsense\"\n[terminal]\nsession = \"other\"\n");
    daemon.until("when voice-terminal is started again: terminal");
    daemon.until("There is no model \"nonsense\"");
    user.configure("");
    daemon.until("I understand speech again.");
}

//! Whatever is missing, the program starts, says in a line what that costs, and goes on by typing.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::recordings::{path, wavs};
use crate::support::user::{User, signal, until};

#[test]
fn without_tmux_commands_are_held_and_the_rest_goes_on() {
    let mut user = User::new();
    let bin = user.path("bin");
    fs::create_dir(&bin).unwrap();
    for program in ["bash", "sh", "env"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
        symlink(String::from_utf8(found.stdout).unwrap().trim(), bin.join(program)).unwrap();
    }
    user.set("PATH", bin.to_str().unwrap());
    let ran = user.run_with(&["run"], b"list sessions\nhelp\nstatus\n");
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.out.contains("tmux") && ran.out.contains("install"), "{ran:?}");
    assert!(ran.out.contains("split right"), "help is there: {ran:?}");
    assert_eq!(user.history().len(), 3);
    let doctor = user.run(&["doctor"]);
    assert!(doctor.out.contains("✗ tmux"), "{doctor:?}");
}

#[test]
fn a_tmux_that_stands_still_is_waited_for_once_a_turn() {
    let user = User::new();
    user.configure("[breakers.tmux-session]\ntimeout = \"1s\"\n");
    let mut daemon = user.daemon();
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    let server = user.tmux(&["display-message", "-p", "#{pid}"]).parse().unwrap();
    signal(server, "STOP");
    let ran = user.run(&["do", "run echo hello"]);
    let status = user.run(&["--json", "status"]).json().remove(0);
    signal(server, "CONT");
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(format!("{}{}", ran.out, ran.err).contains("nothing was sent"), "{ran:?}");
    let breakers = status["breakers"].as_array().unwrap();
    let process = breakers.iter().find(|breaker| breaker["name"] == "tmux-process").unwrap();
    assert_eq!(process["timeouts"], 1, "{process}");
    until("it works again", || user.run(&["do", "run echo hello"]).code() == 0);
    daemon.until("mux works again");
}

#[test]
fn without_a_place_for_the_history_it_is_kept_in_memory_and_said() {
    // Nobody can write there, not even root; and where it should be, there is a file.
    for place in [None, Some("occupied")] {
        let mut user = User::new();
        if let Some(place) = place {
            fs::write(user.path(place), "").unwrap();
        }
        let state = place.map_or_else(|| "/proc/voice-terminal".into(), |place| user.path(place));
        user.set("XDG_STATE_HOME", state.to_str().unwrap());
        let ran = user.run_with(&["run"], b"new session build\nlist sessions\n");
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(ran.out.contains("* build"), "{ran:?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert_eq!(said.matches("istory").count(), 1, "told once: {said}");
        assert!(!said.contains("panicked") && !said.contains("sqlite"), "{said}");
    }
}

#[test]
fn a_damaged_history_is_put_aside_and_said() {
    let user = User::new();
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    let journal = user.path("state/voice-terminal/journal.sqlite");
    assert!(journal.exists());
    for file in ["journal.sqlite-wal", "journal.sqlite-shm"] {
        // They may have been folded in.
        let _ = fs::remove_file(user.path("state/voice-terminal").join(file));
    }
    fs::write(&journal, vec![0x5a; 100_000]).unwrap();
    let ran = user.run_with(&["run"], b"list sessions\n");
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.out.contains("  build  1 window"), "{ran:?}");
    assert!(format!("{}{}", ran.out, ran.err).contains("set aside"), "{ran:?}");
    let kept = fs::read_dir(user.path("state/voice-terminal"))
        .unwrap()
        .any(|entry| fs::read(entry.unwrap().path()).is_ok_and(|bytes| bytes.len() == 100_000));
    assert!(kept, "nothing is thrown away");
}

#[test]
fn without_models_and_network_one_types() {
    let mut user = User::without_models();
    for proxy in ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"] {
        user.set(proxy, "http://127.0.0.1:9");
    }
    user.set("PIP_RETRIES", "0");
    user.set("PIP_CONFIG_FILE", "/dev/null");
    let mut daemon = user.daemon();
    daemon.until("models fetch");
    daemon.until("Text mode");
    assert_eq!(user.run(&["do", "new session build"]).code(), 0);
    drop(daemon);
    let fetch = user.run(&["models", "fetch", "tiny.en"]);
    assert_eq!(fetch.code(), 1, "{fetch:?}");
    assert!(fetch.err.contains("  → "), "{fetch:?}");
    let models = fs::read_dir(user.path("data/voice-terminal/models")).into_iter().flatten();
    let left: Vec<_> = models.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{left:?}");
    let heard = user.run(&["hear", path(&wavs()[0])]);
    assert_eq!(heard.code(), 1, "{heard:?}");
    assert!(format!("{}{}", heard.out, heard.err).contains("models fetch"), "{heard:?}");
}

#[test]
fn a_model_of_random_bytes_costs_speech_and_nothing_else() {
    let user = User::new();
    let model = user.path("home/model.bin");
    for bytes in [
        vec![],
        b"lmgg".to_vec(),
        (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect(),
    ] {
        fs::write(&model, bytes).unwrap();
        user.configure(&format!("[speech.stt]\nmodel = \"{}\"\n", model.display()));
        let mut daemon = user.daemon();
        daemon.until("Text mode");
        let said = daemon.said();
        assert!(said.contains("model.bin") || said.contains("model"), "{said}");
        assert_eq!(user.run(&["do", "list sessions"]).code(), 0);
        daemon.signal("TERM");
        assert!(daemon.ended().success());
        let heard = user.run(&["transcribe", path(&wavs()[0])]);
        assert_eq!(heard.code(), 1, "{heard:?}");
        assert!(heard.err.contains("model") && heard.err.contains("  → "), "{heard:?}");
    }
    assert_eq!(user.processes().iter().filter(|(_, line)| line.contains("voice-terminal")).count(), 0);
}

#[test]
fn at_a_terminal_without_microphone_and_models_one_types() {
    let user = User::without_models();
    let mut console = user.console();
    console.until("control-d leaves");
    console.until("Text mode");
    console.until("No microphone was found; type instead.");
    console.enter("new session build\r");
    console.until("New session build.");
    let said = console.said();
    for told in ["No microphone was found", "The model tiny.en is not on this machine", "Text mode"] {
        assert_eq!(said.matches(told).count(), 1, "told once: {said}");
    }
    console.enter("\u{4}");
    assert!(console.ended().success(), "{}", console.said());
    assert_eq!(user.history()[0]["origin"], "typed");
    until("nothing is left running", || {
        let program = env!("CARGO_BIN_EXE_voice-terminal");
        user.processes()
            .iter()
            .all(|(_, line)| !line.starts_with(program) && !line.starts_with("/proc/self/exe"))
    });
}

#[test]
fn an_empty_environment_will_do() {
    let user = User::new();
    let mut command = user.command(&["interpret", "list sessions"]);
    let ran = command.env_clear().output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
}

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::breaker::{Breaker, Settings, State};
use crate::config;
use crate::domain::{FailureKind, Terminal};

use super::{Tmux, TmuxBreakers};

fn without(program: &str) -> (Tmux, TmuxBreakers, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let breakers = TmuxBreakers {
        control: Arc::new(Breaker::new("tmux-control", Settings::default())),
        process: Arc::new(Breaker::new("tmux-process", Settings::default())),
    };
    let config = config::Terminal { socket: "vt-test-no-such-program".into(), ..config::Terminal::default() };
    let of_all = breakers.clone();
    let cancel = CancellationToken::new();
    let tmux = Tmux::with_program(program, &config, |_| of_all.clone(), state.path(), cancel);
    (tmux, breakers, state)
}

#[tokio::test]
async fn without_tmux_the_remedy_is_to_install_it_however_often_one_asks() {
    for program in ["no-such-tmux", "/no/such/tmux"] {
        let (tmux, breakers, _state) = without(program);
        for _ in 0..20 {
            for failure in [
                tmux.current().await.unwrap_err(),
                tmux.find("main").await.unwrap_err(),
                tmux.sessions().await.unwrap_err(),
                tmux.version().await.unwrap_err(),
            ] {
                assert_eq!(failure.kind, FailureKind::Unavailable);
                assert!(failure.what.contains("tmux is not installed"), "{failure:?}");
                assert!(failure.remedy.contains("apt install tmux"), "{failure:?}");
            }
        }
        // Once it is installed, it is used at once.
        assert_eq!(breakers.process.state(), State::Closed);
    }
}

#[tokio::test]
async fn a_tmux_that_does_not_work_is_left_alone_after_a_while() {
    // It starts, and fails in a way that tmux itself never does: it is killed.
    let (tmux, breakers, state) = without("placeholder");
    drop(tmux);
    let program = state.path().join("tmux");
    std::fs::write(&program, "#!/bin/sh\nkill -9 $$\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let config = config::Terminal::default();
    let program = program.to_string_lossy().into_owned();
    let cancel = CancellationToken::new();
    let of_all = breakers.clone();
    let tmux = Tmux::with_program(&program, &config, |_| of_all.clone(), state.path(), cancel);
    for _ in 0..5 {
        assert_eq!(tmux.sessions().await.unwrap_err().kind, FailureKind::Unavailable);
    }
    assert_eq!(breakers.process.state(), State::Open);
    let failure = tmux.sessions().await.unwrap_err();
    assert!(failure.what.contains("nothing was sent"), "{failure:?}");
}

//! Whatever happens to the recogniser's process costs the call that it was serving, and no more.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use voice_terminal::breaker::{Settings, State};
use voice_terminal::config::{Cloud, OpenAi, Stt};
use voice_terminal::domain::{Expectation, Failure, FailureKind, Pcm, Recogniser, Transcript};

use super::support::clouds::Fake;
use super::support::models;
use super::support::recogniser::{
    Running, alive, patient, start, start_beside, start_on, start_program, start_with, until,
};
use super::support::recordings::{CARDS, FORWARD, NOVEL, Nobody, Recording};

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

async fn warm(running: &Running) -> u32 {
    running.recognisers.warm().await.unwrap();
    running.recognisers.worker_pid().unwrap()
}

/// Without expecting anything.
async fn recognise(running: &Running, pcm: &Pcm) -> Result<Transcript, Failure> {
    running.recognisers.recognise(pcm, &Expectation::default()).await
}

async fn works(running: &Running) {
    let heard = recognise(running, &FORWARD.pcm()).await.unwrap();
    assert!(heard.text.to_lowercase().contains("forward"), "{heard:?}");
}

/// Something that takes the recogniser about a second and more, even on an idle machine.
fn long() -> Pcm {
    let sentence = NOVEL.iter().map(Recording::pcm).collect::<Vec<_>>();
    Pcm::new(sentence.iter().flat_map(|pcm| pcm.samples().to_vec()).collect::<Vec<f32>>())
}

/// Waits until the process has begun to work hard.
async fn at_work(pid: u32) {
    let spent = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields.get(11).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or_default()
    };
    let before = spent();
    until("the recogniser works", || spent() >= before + 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_work_it_costs_that_call_only() {
    let running = start().await;
    let pid = warm(&running).await;
    let long = long();
    let (heard, ()) = tokio::join!(recognise(&running, &long), async {
        at_work(pid).await;
        signal(pid, Signal::KILL);
    });
    let failure = heard.unwrap_err();
    assert_eq!((failure.kind, failure.dependency.as_str()), (FailureKind::Unavailable, "voice-stt"));
    assert!(running.recognisers.worker_pid().is_none());
    works(&running).await;
    let snapshot = running.breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.failed), (State::Closed, 1));
}

/// A program that does this before it is the recogniser.
fn started_again(place: &Path, does: &str) -> PathBuf {
    let program = place.join("program");
    let real = env!("CARGO_BIN_EXE_voice-terminal");
    std::fs::write(&program, format!("#!/bin/sh\n{does}\nexec {real} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dies_as_it_is_started_again_is_not_blamed_on_the_model() {
    models::model("tiny.en").await;
    let place = tempfile::tempdir().unwrap();
    let started = place.path().join("started");
    let program = started_again(place.path(), &format!("[ -e {0} ] && exit 7\ntouch {0}", started.display()));
    let running = start_program(Stt::default(), patient(), program);
    let pid = warm(&running).await;
    signal(pid, Signal::KILL);
    until("it is gone", || !alive(pid)).await;
    let failure = running.recognisers.recognise(&FORWARD.pcm(), &Expectation::default()).await.unwrap_err();
    assert_eq!(failure.what, "the recogniser crashed", "{failure:?}");
    std::fs::remove_file(started).unwrap();
    works(&running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_idle_it_costs_nobody_anything() {
    let running = start().await;
    for _ in 0..3 {
        let pid = warm(&running).await;
        signal(pid, Signal::KILL);
        until("it is gone", || !alive(pid)).await;
        works(&running).await;
    }
    assert_eq!(running.breaker.snapshot().failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_is_replaced() {
    models::model("tiny.en").await;
    let running = start_with(
        Stt { abort_grace: Duration::from_millis(100), ..Stt::default() },
        Settings { timeout: Duration::from_millis(300), ..patient() },
    );
    let pid = warm(&running).await;
    signal(pid, Signal::STOP);
    let short = Pcm::new(CARDS[0].pcm().samples()[..8000].to_vec());
    let asked = Instant::now();
    let failure = recognise(&running, &short).await.unwrap_err();
    let took = asked.elapsed();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    // Its limit is the breaker's and the length of the clip.
    assert!(took >= Duration::from_millis(800) && took < Duration::from_millis(2500), "{took:?}");
    until("it is killed", || !alive(pid)).await;
    assert_eq!(running.breaker.snapshot().timeouts, 1);
    // The next worker has all the time that loading takes.
    let heard = tokio::time::timeout(Duration::from_secs(60), async {
        while running.recognisers.warm().await.is_err() {}
    });
    heard.await.unwrap();
    assert_ne!(running.recognisers.worker_pid(), Some(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stands_still_as_it_is_started_again_is_waited_for_once() {
    models::model("tiny.en").await;
    let place = tempfile::tempdir().unwrap();
    let starts = place.path().join("starts");
    let does = format!("[ -e {0} ] && {{ echo >>{0}; exec sleep 1000; }}\ntouch {0}", starts.display());
    let program = started_again(place.path(), &does);
    let fake = Fake::start("list sessions");
    let own = OpenAi { address: fake.address().into(), ..OpenAi::default() };
    let chain = vec!["local-whisper".into(), "openai-stt".into()];
    let stt = Stt { chain, ..Stt::default() };
    let running = start_beside(Cloud { openai: own, ..Cloud::default() }, stt, patient(), program);
    let pid = warm(&running).await;
    signal(pid, Signal::KILL);
    until("it is gone", || !alive(pid)).await;
    let (pcm, nothing) = (FORWARD.pcm(), Expectation::default());
    assert_eq!(running.recognisers.speculate(&pcm, &nothing).await, None);
    let heard = recognise(&running, &pcm).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.tier.as_str()), ("list sessions", "openai-stt"));
    assert_eq!(std::fs::read_to_string(&starts).unwrap().lines().count(), 1, "it was waited for twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_any_more_is_stopped() {
    models::model("tiny.en").await;
    // It must obey by itself: there is no kill within this test's time.
    let running = start_with(Stt { abort_grace: Duration::from_secs(60), ..Stt::default() }, patient());
    let pid = warm(&running).await;
    // Two of Whisper's windows.
    let long = Pcm::new([long().samples(), long().samples()].concat());
    let began = Instant::now();
    recognise(&running, &long).await.unwrap();
    let whole = began.elapsed();

    let began = Instant::now();
    tokio::select! {
        heard = recognise(&running, &long) => panic!("too quick to be stopped: {heard:?}"),
        () = at_work(pid) => {}
    }
    let until_stopped = began.elapsed();
    // The next one waits for the abort only, and the same process serves it.
    let began = Instant::now();
    works(&running).await;
    let next = began.elapsed();
    println!("whole {whole:?}; dropped after {until_stopped:?}; the next took {next:?}");
    // Had it not obeyed, the next would have waited for the rest of the whole, and taken its own time.
    assert!(until_stopped + next < whole, "{until_stopped:?} + {next:?} of {whole:?}");
    assert_eq!(running.recognisers.worker_pid(), Some(pid));
    assert_eq!(running.breaker.snapshot().cancelled, 1);
    assert_eq!(running.breaker.snapshot().failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_obey_in_time_is_killed() {
    models::model("tiny.en").await;
    let running = start_with(Stt { abort_grace: Duration::ZERO, ..Stt::default() }, patient());
    let pid = warm(&running).await;
    let long = long();
    tokio::select! {
        heard = recognise(&running, &long) => panic!("too quick to be stopped: {heard:?}"),
        () = at_work(pid) => {}
    }
    until("it is killed", || !alive(pid)).await;
    works(&running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_request_that_is_dropped_is_never_served() {
    let running = start().await;
    let pid = warm(&running).await;
    let (long, short) = (long(), CARDS[0].pcm());
    let first = recognise(&running, &long);
    let waiting = async {
        at_work(pid).await;
        tokio::select! {
            biased;
            heard = recognise(&running, &short) => panic!("it overtook: {heard:?}"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    };
    let (first, ()) = tokio::join!(first, waiting);
    first.unwrap();
    works(&running).await;
    assert_eq!(running.breaker.snapshot().cancelled, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind() {
    let running = start().await;
    let idle = warm(&running).await;
    drop(running);
    until("the idle one is gone", || !alive(idle)).await;

    let running = start().await;
    let busy = warm(&running).await;
    let long = long();
    tokio::select! {
        heard = recognise(&running, &long) => panic!("{heard:?}"),
        () = at_work(busy) => {}
    }
    drop(running);
    until("the busy one is gone", || !alive(busy)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loading_is_told() {
    let running = start().await;
    assert!(running.progress.lock().unwrap().is_empty());
    warm(&running).await;
    warm(&running).await;
    let told: Vec<_> =
        running.progress.lock().unwrap().iter().map(|told| (told.what.clone(), told.finished)).collect();
    assert_eq!(told, [("loading tiny.en".to_owned(), false), ("loading tiny.en".to_owned(), true)]);
}

fn damaged(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

/// A model that can't be used is said to be so, soon, and again and again without a tight loop.
async fn is_refused(bytes: &[u8]) -> Failure {
    let (_directory, path) = damaged("model.bin", bytes);
    let settings = Settings { failure_threshold: 1000, volume_threshold: 1000, ..patient() };
    let running = start_on(&path, settings);
    let failure = running.recognisers.warm().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.remedy.contains("models verify"), "{failure:?}");
    // It names no place of this machine.
    assert!(!failure.what.contains('/') && !failure.remedy.contains("/tmp"), "{failure:?}");
    assert!(running.recognisers.worker_pid().is_none());

    // Fifty more calls come back with the same words, and start a handful of processes at most.
    let sound = CARDS[0].pcm();
    let calls = async {
        for _ in 0..50 {
            assert_eq!(recognise(&running, &sound).await.unwrap_err(), failure);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), calls).await.expect("a quick answer");
    let starts = running.progress.lock().unwrap().len();
    assert!(starts < 20, "{starts} starts");
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_random_bytes_is_refused() {
    let noise = Nobody::White.pcm(20.0, 0.5);
    let random: Vec<u8> = noise.samples().iter().flat_map(|sample| sample.to_le_bytes()).collect();
    is_refused(&random).await;
    is_refused(b"").await;
    is_refused(b"RIFF, this is no model").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_model_is_refused() {
    let whole = std::fs::read(models::model("tiny.en").await).unwrap();
    is_refused(&whole[..whole.len() / 2]).await;
    is_refused(&whole[..1000]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_makes_whisper_abort_is_refused() {
    let mut wild = std::fs::read(models::model("tiny.en").await).unwrap();
    // Its number of audio layers: enough to read far beyond the tensors that there are.
    wild[20..24].copy_from_slice(&0x7fff_ffff_i32.to_le_bytes());
    is_refused(&wild).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_ggml_model_can_be_named_by_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let mine = directory.path().join("my own model.bin");
    std::os::unix::fs::symlink(models::model("tiny.en").await, &mine).unwrap();
    works(&start_on(&mine, patient())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_model_is_named_with_its_remedy() {
    let running = start_with(Stt { model: "no-such-model".into(), ..Stt::default() }, patient());
    let failure = running.recognisers.warm().await.unwrap_err();
    assert!(failure.what.contains("no-such-model") && failure.remedy.contains("tiny.en"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_language_that_the_model_does_not_know_is_told() {
    let running = start_with(Stt { language: "de".into(), ..Stt::default() }, patient());
    for failure in [
        running.recognisers.warm().await.unwrap_err(),
        recognise(&running, &CARDS[0].pcm()).await.unwrap_err(),
    ] {
        assert!(failure.what.contains("English only"), "{failure:?}");
        assert!(failure.remedy.contains("speech.stt.language"), "{failure:?}");
    }
    assert_eq!(running.breaker.snapshot().total, 0);
}

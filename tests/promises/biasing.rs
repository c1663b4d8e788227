//! The recogniser leans towards what can be said, and is led by it to nothing that wasn't.

use std::path::Path;
use std::sync::Arc;

use voice_terminal::config::{Safety, Stt};
use voice_terminal::domain::{
    Confidence, Expectation, Intent, Interpreter, LiveNames, Pcm, Recogniser, Situation, Transcript,
};
use voice_terminal::interpreter::Rules;

use super::support::recogniser::{Running, patient, start, start_with};
use super::support::recordings::{CARDS, NOVEL, Nobody, path, sox};
use super::support::spoken::say;

fn rules() -> Rules {
    Rules::new(&Safety::default()).unwrap()
}

/// Where sessions have names that nobody would guess.
fn situation() -> Situation {
    let sessions = ["kubernetes-api", "frontend", "build"].map(String::from).to_vec();
    Situation {
        spoken: true,
        names: Arc::new(LiveNames { sessions, ..LiveNames::default() }),
        ..Situation::default()
    }
}

async fn hear(running: &Running, pcm: &Pcm, expectation: &Expectation) -> Transcript {
    running.recognisers.recognise(pcm, expectation).await.unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// A voice that says this.
fn spoken(place: &Path, words: &str) -> Pcm {
    let raw = place.join("spoken.raw");
    let form = ["-t", "raw", "-r", "16000", "-c", "1", "-b", "16", "-e", "signed"];
    sox(&[&[path(&say(place, words))], &form[..], &[path(&raw), "pad", "0.3", "0.5"]].concat());
    let bytes = std::fs::read(raw).unwrap();
    let samples =
        bytes.as_chunks::<2>().0.iter().map(|sample| f32::from(i16::from_le_bytes(*sample)) / 32768.0);
    Pcm::new(samples.collect::<Vec<f32>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_heard_as_commands() {
    let running = start().await;
    let (rules, situation, place) = (rules(), situation(), tempfile::tempdir().unwrap());
    let expectation = rules.expectation(&situation);
    for (words, means) in [
        ("run git status", serde_json::json!({ "intent": "run", "command": "git status" })),
        ("press enter", serde_json::json!({ "intent": "press" })),
        ("zoom", serde_json::json!({ "intent": "zoom_pane" })),
        ("page down", serde_json::json!({ "intent": "scroll" })),
        ("split right", serde_json::json!({ "intent": "split_pane", "direction": "right" })),
        ("switch to kubernetes api", serde_json::json!({ "intent": "switch_session" })),
    ] {
        let heard = hear(&running, &spoken(place.path(), words), &expectation).await;
        let intent = rules.interpret(&heard.text, Confidence::CERTAIN, &situation).intent;
        let intent = serde_json::to_value(intent).unwrap();
        let fields = means.as_object().unwrap();
        assert!(
            fields.iter().all(|(field, value)| intent[field] == *value),
            "{words}: {heard:?} is {intent}"
        );
    }
    // A name is found that no recogniser would write so.
    let heard = hear(&running, &spoken(place.path(), "switch to kubernetes api"), &expectation).await;
    assert_eq!(heard.text.trim_end_matches('.').to_lowercase(), "switch to kubernetes api");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_speaks_nothing_is_heard_of_what_is_expected() {
    let running = start().await;
    let rules = rules();
    let mut invented = Vec::new();
    for question_open in [false, true] {
        let expectation = rules.expectation(&Situation { question_open, ..situation() });
        for nobody in [Nobody::Silence, Nobody::White, Nobody::Pink, Nobody::Hum, Nobody::Beeps] {
            for (seconds, level) in [(0.4, 0.02), (1.5, 0.003), (3.0, 0.3)] {
                let heard = hear(&running, &nobody.pcm(seconds, level), &expectation).await;
                if !heard.is_silence() {
                    invented.push(format!("{nobody:?} {seconds} s at {level}: {heard:?}"));
                }
            }
        }
    }
    assert!(invented.is_empty(), "{invented:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_read_out_is_no_command() {
    let running = start().await;
    let (rules, situation) = (rules(), Situation { question_open: true, ..situation() });
    let expectation = rules.expectation(&situation);
    for recording in CARDS.iter().chain(&NOVEL) {
        let heard = hear(&running, &recording.pcm(), &expectation).await;
        let intent = rules.interpret(&heard.text, heard.confidence, &situation).intent;
        assert!(
            matches!(intent, Intent::Unknown { .. } | Intent::Nothing),
            "{}: {heard:?} is {intent:?}",
            recording.file
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_told_not_to_lean() {
    start().await;
    let leaning = rules().expectation(&situation());
    let unmoved = start_with(Stt { bias: false, ..Stt::default() }, patient());
    let pcm = NOVEL[1].pcm();
    let (one, other) =
        (hear(&unmoved, &pcm, &leaning).await, hear(&unmoved, &pcm, &Expectation::default()).await);
    assert_eq!((one.text, one.confidence), (other.text, other.confidence));
}

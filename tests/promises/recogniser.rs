//! A person's words come out as text; where nobody speaks, no words do.

use voice_terminal::config::Stt;
use voice_terminal::domain::{Expectation, FailureKind, Pcm, Recogniser, SAMPLE_RATE, Transcript};

use super::support::models;
use super::support::recogniser::{Running, patient, start, start_with};
use super::support::recordings::{CARDS, FORWARD, NOVEL, Nobody, Recording};

/// Lower-case words without punctuation, with the numbers and titles of the recordings as they are
/// spoken.
fn words(text: &str) -> Vec<String> {
    let mut plain = text.to_lowercase().replace('-', " ");
    plain.retain(|character| character.is_alphanumeric() || character == ' ');
    let spoken = |word: &str| match word {
        "2" => "two".into(),
        "4" => "four".into(),
        "5" => "five".into(),
        "7" => "seven".into(),
        "8" => "eight".into(),
        "10" => "ten".into(),
        "55" => "five five".into(),
        "mr" => "mister".into(),
        "metres" => "meters".into(),
        other => other.to_owned(),
    };
    plain
        .split_whitespace()
        .map(spoken)
        .flat_map(|word: String| word.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Words that must be put in, left out or replaced to make one of the other (Levenshtein).
fn errors(heard: &[String], said: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=said.len()).collect();
    for (i, word) in heard.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in said.iter().enumerate() {
            let best = (row[j] + 1).min(row[j + 1] + 1).min(diagonal + usize::from(word != other));
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[said.len()]
}

async fn hear(running: &Running, pcm: &Pcm) -> Transcript {
    running
        .recognisers
        .recognise(pcm, &Expectation::default())
        .await
        .unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// The word error rate over several recordings; prints what was heard.
async fn error_rate(running: &Running, recordings: &[&Recording]) -> f64 {
    let (mut wrong, mut all) = (0, 0);
    for recording in recordings {
        let heard = hear(running, &recording.pcm()).await;
        println!("{}: {:?} {:.2}", recording.file, heard.text, heard.confidence.get());
        let said = words(recording.words);
        let errors = errors(&words(&heard.text), &said);
        assert!(errors <= said.len(), "{}: {:?} is a loop or a tale", recording.file, heard.text);
        assert!(heard.confidence.get() > 0.3, "{}: {heard:?}", recording.file);
        assert_eq!(heard.tier, "local-whisper");
        wrong += errors;
        all += said.len();
    }
    f64::from(wrong as u32) / f64::from(all as u32)
}

#[tokio::test(flavor = "multi_thread")]
async fn short_commands_are_understood() {
    let running = start().await;
    let forward = words(&hear(&running, &FORWARD.pcm()).await.text);
    assert!(errors(&forward, &words(FORWARD.words)) <= 1, "{forward:?}");
    let cards: Vec<&Recording> = CARDS.iter().collect();
    let rate = error_rate(&running, &cards).await;
    assert!(rate <= 0.25, "{rate}");
    // Less context makes it quick; it must not make it worse by more than a word.
    let full = start_with(Stt { minimum_audio_context: 1500, ..Stt::default() }, patient());
    let best = error_rate(&full, &cards).await;
    assert!(rate <= best + 0.05, "{rate} instead of {best}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sentences_are_understood() {
    let running = start().await;
    let rate = error_rate(&running, &NOVEL.iter().collect::<Vec<_>>()).await;
    assert!(rate <= 0.1, "{rate}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_multilingual_model_understands_too() {
    models::model("base").await;
    let running = start_with(Stt { model: "base".into(), ..Stt::default() }, patient());
    let rate = error_rate(&running, &[&NOVEL[1], &NOVEL[4], &FORWARD, &CARDS[4]]).await;
    assert!(rate <= 0.15, "{rate}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_speaks_no_words_come() {
    let running = start().await;
    let mut invented = Vec::new();
    for nobody in [Nobody::Silence, Nobody::White, Nobody::Pink, Nobody::Hum, Nobody::Beeps] {
        for (seconds, level) in [(0.4, 0.02), (1.5, 0.003), (3.0, 0.3), (6.0, 0.15)] {
            let heard = hear(&running, &nobody.pcm(seconds, level)).await;
            if !heard.is_silence() {
                invented.push(format!("{nobody:?} {seconds} s at {level}: {heard:?}"));
            }
        }
    }
    assert!(invented.is_empty(), "{invented:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_sound_does_no_harm() {
    let running = start().await;
    assert!(hear(&running, &Pcm::new([])).await.is_silence());
    assert!(hear(&running, &Pcm::new([0.5])).await.is_silence());
    let numbers = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0, f32::MIN_POSITIVE];
    let odd: Vec<f32> = numbers.into_iter().cycle().take(SAMPLE_RATE as usize * 2).collect();
    hear(&running, &Pcm::new(odd)).await;
    // Half a minute and more goes through; what is no utterance any more is refused, and that is
    // nobody's failure.
    let pid = running.recognisers.worker_pid();
    hear(&running, &Nobody::Pink.pcm(31.0, 0.01)).await;
    let failure = running
        .recognisers
        .recognise(&Nobody::Silence.pcm(61.0, 0.0), &Expectation::default())
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Request);
    assert!(!failure.remedy.is_empty());
    // It lived through all of this.
    assert!(words(&hear(&running, &FORWARD.pcm()).await.text).contains(&"forward".into()));
    assert_eq!(running.recognisers.worker_pid(), pid);
    assert_eq!(running.breaker.snapshot().failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_after_the_other_when_several_ask() {
    let running = start().await;
    let (first, second, novel) = (CARDS[0].pcm(), CARDS[2].pcm(), NOVEL[1].pcm());
    let (first, second, novel) =
        tokio::join!(hear(&running, &first), hear(&running, &second), hear(&running, &novel));
    assert_ne!(first.text, second.text);
    assert_eq!(words(&novel.text)[..3], ["he", "was", "not"]);
}

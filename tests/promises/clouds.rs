//! Services elsewhere hear and speak only with consent, within the budget, announced, and never print a key.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::support::clouds::{Fake, Manner};
use super::support::models;
use super::support::pulse::Pulse;
use super::support::recordings::path;
use super::support::user::{Ran, User};

/// Somebody says so.
const SPOKEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/list-sessions.wav");
const KEY: &str = "SECRET-KEY";
const GOOGLE: &str = "/v1/speech:recognize";
const AZURE: &str = "/speech/recognition";
const OPENAI: &str = "/v1/audio/transcriptions";

/// A user with keys for every service, whose services are this one, and whose local recogniser is down.
async fn user(fake: &Fake, more: &str) -> User {
    models::model("silero-vad").await;
    let mut user = User::new();
    for variable in ["GOOGLE_SPEECH_KEY", "AZURE_SPEECH_KEY", "OPENAI_API_KEY"] {
        user.set(variable, KEY);
    }
    configure(&user, fake, more);
    user
}

fn configure(user: &User, fake: &Fake, more: &str) {
    let at = fake.address();
    user.configure(&format!(
        "[speech.stt]\nmodel = \"/nonexistent/model.bin\"\n\
         [cloud.google]\nstt = \"{at}\"\ntts = \"{at}\"\n[cloud.azure]\nstt = \"{at}\"\ntts = \"{at}\"\n\
         [cloud]\n{more}\n"
    ));
}

/// Transcribes a recording with these recognisers.
fn transcribe(user: &User, chain: &str, more: &[&str]) -> Ran {
    let chain = format!("speech.stt.chain={chain}");
    let mut arguments = vec!["--set", &chain];
    arguments.extend(more);
    arguments.extend(["transcribe", SPOKEN]);
    let ran = user.run(&arguments);
    // Whatever happens.
    let log = fs::read_to_string(user.path("state/voice-terminal/voice-terminal.log")).unwrap_or_default();
    for text in [&ran.out, &ran.err, &log] {
        assert!(!text.contains(KEY), "{text}");
    }
    ran
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_asked_in_its_documented_way() {
    let fake = Fake::start("list sessions");
    let mut user = user(&fake, "consent = true").await;
    user.set("OPENAI_LOCAL_KEY", &format!("{KEY}-local"));
    let openai = format!("cloud.openai.address={}", fake.address());
    for (tier, place, header, value) in [
        ("cloud-google-stt", GOOGLE, "x-goog-api-key", KEY.to_owned()),
        ("cloud-azure-stt", AZURE, "ocp-apim-subscription-key", KEY.to_owned()),
        ("openai-stt", OPENAI, "authorization", format!("Bearer {KEY}-local")),
    ] {
        let ran = transcribe(&user, tier, &["--set", &openai]);
        assert_eq!((ran.code(), ran.out.trim()), (0, "list sessions"), "{tier}: {ran:?}");
        let asked = fake.asked(place);
        assert_eq!(asked.len(), 1, "{tier}");
        assert_eq!(asked[0].headers.get(header), Some(&value), "{tier}");
        assert!(!asked[0].path.contains(KEY));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_consent_nothing_is_sent() {
    let fake = Fake::start("list sessions");
    let user = user(&fake, "").await;
    let all = "local-whisper,cloud-google-stt,cloud-azure-stt";
    let ran = transcribe(&user, all, &[]);
    assert_eq!(ran.code(), 1, "{ran:?}");
    // What is told is what is wrong with the one that should work.
    assert!(ran.err.contains("model"), "{ran:?}");
    let ran = transcribe(&user, "cloud-google-stt", &[]);
    assert!(ran.code() == 1 && ran.err.contains("cloud.consent = true"), "{ran:?}");
    assert!(fake.asked("").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_steps_in_for_the_local_one_and_is_announced() {
    let fake = Fake::start("list sessions");
    let user = user(&fake, "consent = true").await;
    let ran = user.run(&["hear", SPOKEN]);
    let announcement = "Local Whisper is down; using Google, which sends your audio away. \
                        Say \"stay local\" to type instead.";
    assert_eq!(ran.out.matches(announcement).count(), 1, "{ran:?}");
    assert!(ran.out.contains("you: list sessions"), "{ran:?}");
    // It was told before anything was sent.
    assert!(ran.out.find(announcement) < ran.out.find("you: "), "{ran:?}");
    let record = &user.history()[0];
    assert_eq!(record["transcript"]["tier"], "cloud-google-stt", "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_next_one_serves_and_the_cause_is_told() {
    let fake = Fake::start("list sessions");
    let user = user(&fake, "consent = true").await;
    let lie = |text: &str| Manner::Lies(text.to_owned());
    for (manner, told, remedy) in [
        (Manner::Status(401, ""), "does not accept the key", "GOOGLE_SPEECH_KEY"),
        (Manner::Status(403, ""), "does not accept the key", "switched on"),
        (Manner::Status(429, "retry-after: 7\r\n"), "asked less often", "in 7 s"),
        (Manner::Status(503, ""), "status 503", "by itself"),
        (Manner::Status(302, "location: https://elsewhere.example/\r\n"), "status 302", ""),
        (Manner::Status(400, ""), "status 400", "language"),
        (Manner::Reset, "can't be reached", "network"),
        (Manner::Half, "broke off", "by itself"),
        (Manner::Endless, "more than it should", "address"),
        (lie("<html>log in</html>"), "something else", "address"),
        (lie(r#"{"results":[{"alternatives":[{"transcript":7}]}]}"#), "something else", ""),
        (Manner::Slow(Duration::from_secs(60)), "", ""),
    ] {
        fake.answers(GOOGLE, manner.clone());
        let soon = ["--set", "breakers.cloud-google-stt.timeout=1s"];
        let began = Instant::now();
        let ran = transcribe(&user, "cloud-google-stt,cloud-azure-stt", &soon);
        assert_eq!((ran.code(), ran.out.trim()), (0, "list sessions"), "{manner:?}: {ran:?}");
        assert!(ran.err.contains("Google is down; using Azure"), "{manner:?}: {ran:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{manner:?}");

        let ran = transcribe(&user, "cloud-google-stt", &soon);
        assert_eq!(ran.code(), 1, "{manner:?}: {ran:?}");
        assert!(ran.err.contains(told) && ran.err.contains(remedy), "{manner:?}: {ran:?}");
        assert!(!ran.err.contains("127.0.0.1"), "{manner:?}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_wants_rest_gets_it() {
    let fake = Fake::start("list sessions");
    let user = user(&fake, "consent = true").await;
    fake.answers(GOOGLE, Manner::Status(429, "retry-after: 3600\r\n"));
    let ran = user.run(&[
        "--set",
        "speech.stt.chain=cloud-google-stt,cloud-azure-stt",
        "transcribe",
        SPOKEN,
        SPOKEN,
        SPOKEN,
    ]);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_eq!((fake.asked(GOOGLE).len(), fake.asked(AZURE).len() >= 3), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_month_s_budget_survives_a_restart() {
    let fake = Fake::start("list sessions");
    let user = user(&fake, "consent = true\nmonthly_sound = \"5s\"").await;
    let mut served = 0;
    let refused = loop {
        let ran = transcribe(&user, "cloud-google-stt", &[]);
        if ran.code() != 0 {
            break ran;
        }
        served += 1;
        assert!(served < 5, "the budget is never used up");
    };
    assert!(refused.err.contains("cloud.monthly_sound"), "{refused:?}");
    assert_eq!((served >= 1, fake.asked(GOOGLE).len()), (true, served));
    configure(&user, &fake, "consent = true\nmonthly_cost = 0.0001");
    let ran = transcribe(&user, "cloud-google-stt", &[]);
    assert!(ran.err.contains("cloud.monthly_cost"), "{ran:?}");
    assert_eq!(fake.asked(GOOGLE).len(), served);
    let ledger = user.path("state/voice-terminal/cloud.json");
    assert_eq!(fs::metadata(ledger).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_ones_own_needs_neither_consent_nor_key() {
    let fake = Fake::start("list sessions");
    let user = user(&fake, "").await;
    let own = format!("cloud.openai.address={}", fake.address());
    let ran = transcribe(&user, "local-whisper,openai-stt", &["--set", &own]);
    assert_eq!((ran.code(), ran.out.trim()), (0, "list sessions"), "{ran:?}");
    assert!(ran.err.contains("your own speech server, on this machine"), "{ran:?}");
    // The key of the cloud is not for whoever listens here.
    assert!(!fake.asked(OPENAI)[0].headers.contains_key("authorization"));
    assert!(!user.path("state/voice-terminal/cloud.json").exists());
    // Somewhere else, without encryption, it is not used at all.
    let ran = transcribe(&user, "openai-stt", &["--set", "cloud.openai.address=http://stt.example"]);
    assert!(ran.code() == 1 && ran.err.contains("https://"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_is_for_its_owner_only() {
    let fake = Fake::start("list sessions");
    let mut user = user(&fake, "consent = true").await;
    user.unset("GOOGLE_SPEECH_KEY");
    let ran = transcribe(&user, "cloud-google-stt", &[]);
    assert!(ran.code() == 1 && ran.err.contains("keys/google"), "{ran:?}");
    let file = user.path("config/voice-terminal/keys/google");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("{KEY}\n")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let ran = transcribe(&user, "cloud-google-stt", &[]);
    assert!(ran.code() == 1 && ran.err.contains("chmod 600"), "{ran:?}");
    assert!(fake.asked("").is_empty());
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let ran = transcribe(&user, "cloud-google-stt", &[]);
    assert_eq!((ran.code(), ran.out.trim()), (0, "list sessions"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stay_local_keeps_it_here_for_the_run() {
    let fake = Fake::start("list sessions");
    let mut user = user(&fake, "consent = true").await;
    let pulse = Pulse::start(&mut user);
    let mut daemon = user.daemon();
    daemon.until("Listening.");
    pulse.play(Path::new(SPOKEN));
    daemon.until("you: list sessions");
    assert!(daemon.said().contains("using Google, which sends your audio away"), "{}", daemon.said());
    let sent = fake.asked("").len();
    let ran = user.run(&["do", "stay local"]);
    assert!(ran.out.contains("Nothing leaves this machine any more"), "{ran:?}");
    pulse.play(Path::new(SPOKEN));
    daemon.until("Text mode");
    assert_eq!(fake.asked("").len(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_voice_is_asked_in_its_documented_way_and_told_no_secret() {
    let fake = Fake::start("");
    let user = user(&fake, "consent = true").await;
    let openai = format!("cloud.openai.address={}", fake.address());
    let out = user.path("home/said.wav");
    for (tier, place, who) in [
        ("cloud-google-tts", "/v1/text:synthesize", "Google"),
        ("cloud-azure-tts", "/cognitiveservices/v1", "Azure"),
        ("openai-tts", "/v1/audio/speech", "your own speech server"),
    ] {
        let chain = format!("speech.tts.chain=local-neural,{tier}");
        let said = "It ran with sk-abcdefghijklmnop123 & ended";
        let voice = "speech.tts.voice=/nonexistent/voice.onnx";
        let ran =
            user.run(&["--set", &chain, "--set", &openai, "--set", voice, "say", said, "--out", path(&out)]);
        assert_eq!(ran.code(), 0, "{tier}: {ran:?}");
        assert!(ran.err.contains(&format!("My usual voice is down; using {who}")), "{tier}: {ran:?}");
        let asked = fake.asked(place);
        assert_eq!(asked.len(), 1, "{tier}");
        let body = String::from_utf8(asked[0].body.clone()).unwrap();
        assert!(!body.contains("abcdefghijkl") && !asked[0].path.contains(KEY), "{body}");
        assert_eq!(fs::metadata(&out).unwrap().len(), 24_044, "{tier}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_lies_or_breaks_off_is_replaced() {
    let fake = Fake::start("");
    let user = user(&fake, "consent = true").await;
    let out = user.path("home/said.wav");
    for manner in [
        Manner::Status(401, ""),
        Manner::Status(500, ""),
        Manner::Reset,
        Manner::Half,
        Manner::Endless,
        Manner::Lies("{\"audioContent\":\"bm8gc291bmQ=\"}".into()),
    ] {
        fake.answers("/v1/text:synthesize", manner.clone());
        let chain = "speech.tts.chain=cloud-google-tts,cloud-azure-tts";
        let ran = user.run(&["--set", chain, "say", "Hello there.", "--out", path(&out)]);
        assert_eq!(ran.code(), 0, "{manner:?}: {ran:?}");
        assert!(!ran.err.contains(KEY) && !ran.err.contains("127.0.0.1"), "{ran:?}");
        assert_eq!(fs::metadata(&out).unwrap().len(), 24_044, "{manner:?}");
    }
    let ran = user.run(&["--set", "speech.tts.chain=cloud-google-tts", "say", "Hello.", "--out", path(&out)]);
    assert!(ran.code() == 1 && ran.err.contains("something else"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_which_clouds_are_ready_and_asks_none() {
    let fake = Fake::start("");
    let mut user = user(&fake, "consent = true").await;
    user.unset("AZURE_SPEECH_KEY");
    let told = user.run(&["doctor"]).out;
    assert!(told.contains("cloud-google-stt is ready; cloud-azure-stt: there is no key for Azure"), "{told}");
    configure(&user, &fake, "");
    let told = user.run(&["doctor"]).out;
    assert!(told.contains("clouds are not used without cloud.consent = true"), "{told}");
    assert!(fake.asked("").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_put_first_falls_back_to_the_local_one_and_says_so() {
    models::model("tiny.en").await;
    let fake = Fake::start("list sessions");
    let user = user(&fake, "consent = true").await;
    let (chain, model) = ("speech.stt.chain=cloud-google-stt,local-whisper", "speech.stt.model=tiny.en");
    let hear = || user.run(&["--set", chain, "--set", model, "hear", SPOKEN, SPOKEN]);
    let ran = hear();
    assert_eq!(
        ran.out.matches("Using Google, as configured, which sends your audio away").count(),
        1,
        "{ran:?}"
    );
    assert!(!ran.out.contains("is down"), "{ran:?}");
    fake.answers(GOOGLE, Manner::Status(500, ""));
    let ran = hear();
    assert_eq!(ran.out.matches("is down; local-whisper is used instead").count(), 1, "{ran:?}");
    assert!(ran.out.to_lowercase().matches("you: list sessions").count() == 2, "{ran:?}");
}

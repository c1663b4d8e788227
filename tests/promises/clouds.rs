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

/// What may be wrong with any service; what is told of it, and what to do.
fn troubles() -> Vec<(Manner, &'static str, &'static str)> {
    let lie = |text: &str| Manner::Lies(text.to_owned());
    vec![
        (Manner::Status(401, ""), "does not accept the key", "beside your configuration"),
        (Manner::Status(403, ""), "does not accept the key", "switched on"),
        (Manner::Status(429, "retry-after: 7\r\n"), "asked less often", "in 7 s"),
        (Manner::Status(500, ""), "status 500", "by itself"),
        (Manner::Status(503, ""), "status 503", "by itself"),
        (Manner::Status(503, "retry-after: 7\r\n"), "asked less often", "in 7 s"),
        (Manner::Status(302, "location: https://elsewhere.example/\r\n"), "status 302", ""),
        (Manner::Status(400, ""), "status 400", "language"),
        (Manner::Reset, "can't be reached", "network"),
        (Manner::Half, "broke off", "by itself"),
        (Manner::Endless, "more than it should", "address"),
        (lie("<html>log in</html>"), "something else", "address"),
        (lie("\"list sessions\""), "something else", ""),
        (Manner::Slow(Duration::from_secs(60)), "", ""),
    ]
}

/// A service, what it is sent to, where its key is, and who serves in its place.
struct Service {
    tier: &'static str,
    path: &'static str,
    key: &'static str,
    next: &'static str,
}

/// Plays all that may be wrong with a service: the next one serves each time, and without one the cause is told, with
/// what to do about it. `ask` has these asked, with a time-out as the last word, and gives whether one served, and what
/// was told.
fn suffers(
    fake: &Fake,
    service: &Service,
    own: Vec<(Manner, &'static str, &'static str)>,
    ask: impl Fn(&[&str]) -> (bool, String),
) {
    let Service { tier, path, key, next } = *service;
    let timeout = format!("breakers.{tier}.timeout=1s");
    let both = || ask(&[tier, next, &timeout]);
    let alone = || ask(&[tier, &timeout]);
    let fails = |what: &str, told: &str, remedy: &str| {
        let (served, text) = alone();
        assert!(!served && text.contains(told) && text.contains(remedy), "{tier}, {what}: {text}");
        assert!(!text.contains("127.0.0.1") && !text.contains(KEY), "{tier}, {what}: {text}");
        let began = Instant::now();
        let (served, text) = both();
        assert!(served, "{tier}, {what}: {text}");
        assert!(began.elapsed() < Duration::from_secs(20), "{tier}, {what}");
    };
    fake.demands(path, "ANOTHER-KEY");
    fails("another key", "does not accept the key", key);
    fake.demands(path, KEY);
    let before = fake.asked(path).len();
    assert_eq!((alone().0, fake.asked(path).len()), (true, before + 1), "{tier}");
    for (manner, told, remedy) in troubles().into_iter().chain(own) {
        fake.answers(path, manner.clone());
        fails(&format!("{manner:?}"), told, remedy);
    }
    fake.answers(path, Manner::Well);
}

/// Runs the program with these tiers of a chain, the last word being a time-out.
fn with_chain(user: &User, chain: &str, asked: &[&str], arguments: &[&str]) -> Ran {
    let (timeout, tiers) = asked.split_last().unwrap();
    let tiers = format!("{chain}={}", tiers.join(","));
    user.run(&[&["--set", &tiers, "--set", timeout], arguments].concat())
}

/// A user with a key for a server of their own, too, and a purse that all of this doesn't empty.
async fn rich_user(fake: &Fake) -> User {
    let mut user =
        user(fake, "consent = true\nrate = 6000\nmonthly_sound = \"10h\"\nmonthly_cost = 100.0").await;
    user.set("OPENAI_LOCAL_KEY", KEY);
    user.set("VOICE_TERMINAL_CLOUD__OPENAI__ADDRESS", fake.address());
    user
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_next_one_hears_and_the_cause_is_told() {
    let fake = Fake::start("list sessions");
    let user = rich_user(&fake).await;
    let wrong_key = r#"{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT", "details": [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID", "domain": "googleapis.com" }]}}"#;
    let lie = r#"{"results":[{"alternatives":[{"transcript":7}]}]}"#;
    let failed = r#"{"RecognitionStatus":"Error","Offset":0,"Duration":0}"#;
    for (tier, path, key, next, own) in [
        (
            "cloud-google-stt",
            GOOGLE,
            "GOOGLE_SPEECH_KEY",
            "cloud-azure-stt",
            vec![
                (Manner::Refuses(400, wrong_key), "does not accept the key", "GOOGLE_SPEECH_KEY"),
                (Manner::Lies(lie.into()), "something else", ""),
            ],
        ),
        (
            "cloud-azure-stt",
            AZURE,
            "AZURE_SPEECH_KEY",
            "openai-stt",
            vec![(Manner::Lies(failed.into()), "says that it failed", "by itself")],
        ),
        ("openai-stt", OPENAI, "OPENAI_LOCAL_KEY", "cloud-google-stt", Vec::new()),
    ] {
        suffers(&fake, &Service { tier, path, key, next }, own, |asked| {
            let ran = with_chain(&user, "speech.stt.chain", asked, &["transcribe", SPOKEN]);
            let served = ran.code() == 0 && ran.out.trim() == "list sessions";
            assert_eq!(
                ran.err.contains(" is down; using "),
                served && asked.len() == 3,
                "{asked:?}: {ran:?}"
            );
            (served, format!("{}{}", ran.out, ran.err))
        });
    }
    let log = fs::read_to_string(user.path("state/voice-terminal/voice-terminal.log")).unwrap();
    assert!(!log.contains(KEY), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_next_one_speaks_and_the_cause_is_told() {
    let fake = Fake::start("");
    let user = rich_user(&fake).await;
    let out = user.path("home/said.wav");
    for (tier, path, key, next) in [
        ("cloud-google-tts", "/v1/text:synthesize", "GOOGLE_SPEECH_KEY", "cloud-azure-tts"),
        ("cloud-azure-tts", "/cognitiveservices/v1", "AZURE_SPEECH_KEY", "openai-tts"),
        ("openai-tts", "/v1/audio/speech", "OPENAI_LOCAL_KEY", "cloud-google-tts"),
    ] {
        let no_sound = Manner::Lies("{\"audioContent\":\"bm8gc291bmQ=\"}".into());
        let own = vec![(no_sound, "something else", ""), (Manner::Cut, "something else", "")];
        suffers(&fake, &Service { tier, path, key, next }, own, |asked| {
            // It may not be there.
            let _ = fs::remove_file(&out);
            let say = ["say", "Hello there.", "--out", self::path(&out)];
            let ran = with_chain(&user, "speech.tts.chain", asked, &say);
            let served = ran.code() == 0 && fs::metadata(&out).is_ok_and(|it| it.len() == 24_044);
            (served, format!("{}{}", ran.out, ran.err))
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_next_one_thinks_and_the_cause_is_told() {
    let fake = Fake::start(r#"{"intent":"run","command":"echo hello-world"}"#);
    let mut user = User::without_models();
    for variable in ["FIRST_API_KEY", "SECOND_API_KEY"] {
        user.set(variable, KEY);
    }
    let at = fake.address();
    for (first, second, path) in
        [("openai", "anthropic", "/v1/chat/completions"), ("anthropic", "openai", "/v1/messages")]
    {
        let service = Service { tier: "ai-1", path, key: "FIRST_API_KEY", next: "ai-2" };
        let cut = match first {
            "openai" => r#"{"choices":[{"finish_reason":"length","message":{"content":"{}"}}]}"#,
            _ => r#"{"stop_reason":"max_tokens","content":[]}"#,
        };
        let own = vec![(Manner::Lies(cut.into()), "something else", "address")];
        suffers(&fake, &service, own, |asked| {
            let mut endpoints = vec![format!("\"{first} {at} some-model first\"")];
            if asked.len() == 3 {
                endpoints.push(format!("\"{second} {at} some-model second\""));
            }
            user.configure(&format!("[ai]\nendpoints = [{}]\n", endpoints.join(", ")));
            let set = ["--set", asked.last().unwrap()];
            let ran = user.run_with(&[&set[..], &["run"]].concat(), b"would be lovely to greet the world\n");
            let served = ran.out.contains("An AI made this");
            assert_ne!(served, ran.out.contains("Only the rules understand you now"), "{asked:?}: {ran:?}");
            (served, format!("{}{}", ran.out, ran.err))
        });
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
    let mut user = user(&fake, "consent = true").await;
    user.set("OPENAI_LOCAL_KEY", &format!("{KEY}-local"));
    let openai = format!("cloud.openai.address={}", fake.address());
    let out = user.path("home/said.wav");
    let bearer = format!("Bearer {KEY}-local");
    for (tier, place, who, header, value) in [
        ("cloud-google-tts", "/v1/text:synthesize", "Google", "x-goog-api-key", KEY),
        ("cloud-azure-tts", "/cognitiveservices/v1", "Azure", "ocp-apim-subscription-key", KEY),
        ("openai-tts", "/v1/audio/speech", "your own speech server", "authorization", &bearer),
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
        assert_eq!(asked[0].headers.get(header).map(String::as_str), Some(value), "{tier}");
        let body = String::from_utf8(asked[0].body.clone()).unwrap();
        assert!(!body.contains("abcdefghijkl") && !asked[0].path.contains(KEY), "{body}");
        assert_eq!(fs::metadata(&out).unwrap().len(), 24_044, "{tier}");
    }
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

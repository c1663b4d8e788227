use std::os::unix::fs::PermissionsExt;

use super::*;

fn config() -> config::Cloud {
    config::Cloud::default()
}

fn said(service: &impl Service<Pcm, Said>, answer: &str) -> Option<(String, f32)> {
    service.answer(answer.as_bytes().to_vec()).map(|said| (said.text, said.confidence.get()))
}

#[test]
fn answers_of_google_mean_words() {
    let google = google::Recogniser::new(&config());
    let whole = r#"{"results":[{"alternatives":[{"transcript":"list","confidence":0.9}]},
        {"alternatives":[{"transcript":" sessions","confidence":0.8}],"resultEndTime":"1.2s"}],
        "totalBilledTime":"15s","requestId":"1"}"#;
    assert_eq!(said(&google, whole), Some(("list sessions".into(), 0.8)));
    assert_eq!(said(&google, r#"{"totalBilledTime":"15s"}"#), Some((String::new(), UNTOLD)));
    let unsure = r#"{"results":[{"alternatives":[{"transcript":"list","confidence":0.0}]}]}"#;
    assert_eq!(said(&google, unsure), Some(("list".into(), UNTOLD)));
    assert_eq!(said(&google, r#"{"results":"lies"}"#), None);
    assert_eq!(said(&google, "<html>"), None);
}

#[test]
fn answers_of_azure_mean_words() {
    let azure = azure::Recogniser::new(&config());
    let whole = r#"{"RecognitionStatus":"Success","Offset":100,"Duration":900,"DisplayText":"List sessions.",
        "NBest":[{"Confidence":0.97,"Lexical":"list sessions","ITN":"list sessions",
        "MaskedITN":"list sessions","Display":"List sessions."}]}"#;
    assert_eq!(said(&azure, whole), Some(("List sessions.".into(), 0.97)));
    for nothing in ["NoMatch", "InitialSilenceTimeout", "BabbleTimeout"] {
        let answer = format!("{{\"RecognitionStatus\":\"{nothing}\",\"Offset\":0,\"Duration\":0}}");
        assert_eq!(said(&azure, &answer), Some((String::new(), UNTOLD)));
    }
    let failed = r#"{"RecognitionStatus":"Error","Offset":0,"Duration":0}"#;
    assert_eq!((said(&azure, failed), azure.tells_failure(failed.as_bytes())), (None, true));
    for other in [whole, "{}", "<html>"] {
        assert!(!azure.tells_failure(other.as_bytes()), "{other}");
    }
    assert_eq!(said(&azure, r#"{"RecognitionStatus":"Success","NBest":[]}"#), None);
    assert_eq!(said(&azure, "{}"), None);
}

#[test]
fn answers_of_openai_mean_words() {
    let openai = openai::Recogniser::new(&config());
    assert_eq!(said(&openai, r#"{"text":" List sessions. "}"#), Some(("List sessions.".into(), UNTOLD)));
    let sure = r#"{"text":"List","segments":[{"avg_logprob":-0.1,"no_speech_prob":0.9}]}"#;
    let (text, confidence) = said(&openai, sure).unwrap();
    assert!(text == "List" && (confidence - 0.905).abs() < 0.001, "{confidence}");
    let silence = r#"{"text":"Thank you.","segments":[{"avg_logprob":-1.3,"no_speech_prob":0.8}]}"#;
    assert_eq!(said(&openai, silence), Some((String::new(), UNTOLD)));
    let endless = format!("{{\"text\":\"{}\"}}", "word ".repeat(1000));
    assert_eq!(said(&openai, &endless), None);
}

#[test]
fn a_confidence_that_is_none_is_held_within_bounds() {
    for wild in ["1e9", "-3"] {
        let answer =
            format!(r#"{{"results":[{{"alternatives":[{{"transcript":"x","confidence":{wild}}}]}}]}}"#);
        let (_, confidence) = said(&google::Recogniser::new(&config()), &answer).unwrap();
        assert!((0.0..=1.0).contains(&confidence));
    }
}

#[test]
fn the_sound_is_a_wav_file() {
    let file = wav_file(&Pcm::new(vec![0.0, 1.0, -1.0, 2.0]));
    assert_eq!((&file[..4], &file[8..16], file.len()), (&b"RIFF"[..], &b"WAVEfmt "[..], 52));
    assert_eq!(file[44..], [0, 0, 0xff, 0x7f, 0x01, 0x80, 0xff, 0x7f]);
}

#[test]
fn a_region_of_azure_is_a_word() {
    assert_eq!(
        azure::address("westeurope", "stt", "").unwrap(),
        "https://westeurope.stt.speech.microsoft.com"
    );
    assert_eq!(azure::address("", "stt", "https://mine.example").unwrap(), "https://mine.example");
    for wrong in ["", "evil.example/", "a b", "a@b"] {
        azure::address(wrong, "stt", "").unwrap_err();
    }
}

#[test]
fn only_the_company_gets_its_key_and_its_name() {
    for company in ["https://api.openai.com", "https://api.openai.com/", "https://API.OpenAI.com:443/"] {
        assert_eq!(openai_at(company), ("OpenAI", "OPENAI_API_KEY", "openai"), "{company}");
    }
    for other in ["https://api.openai.com.example", "https://stt.example", "http://api.openai.com", "?"] {
        assert_eq!(openai_at(other), ("the speech service", "OPENAI_OTHER_KEY", "openai-other"), "{other}");
    }
    let directory = tempfile::tempdir().unwrap();
    let with_key = |name: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, "a-key").unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    let openai = config::OpenAi { address: "https://stt.example/openai".into(), ..Default::default() };
    let config = config::Cloud { openai, ..config() };
    let clouds = Clouds {
        gate: Arc::new(Gate::new(&config, directory.path().join("cloud.json"))),
        config,
        keys: directory.path().to_owned(),
        breaker: Arc::new(|_: &str| -> Arc<Breaker> { unreachable!("nobody is asked") }),
    };
    with_key("openai");
    for tier in ["openai-stt", "openai-tts"] {
        let server = clouds.server(tier).unwrap();
        assert_eq!((server.who(), server.host()), ("the speech service", Some("stt.example")));
        let unready = server.ready().unwrap_err().to_string();
        assert!(unready.contains("OPENAI_OTHER_KEY or the file keys/openai-other"), "{unready}");
    }
    with_key("openai-other");
    clouds.server("openai-stt").unwrap().ready().unwrap();
}

#[test]
fn what_is_spoken_can_not_become_markup() {
    let config =
        config::Cloud { azure: config::Azure { voice: "x'y".into(), ..Default::default() }, ..config() };
    let request =
        azure::Voice::new(&config, 1.25).request("</prosody><audio src='http://x'/> a & b \u{1b}[0m");
    let body = String::from_utf8(request.body).unwrap();
    assert!(!body.contains("<audio") && !body.contains('\u{1b}') && body.contains("a &amp; b"), "{body}");
    assert!(body.contains("rate='+25%'") && body.contains("name='x&apos;y'"), "{body}");
}

#[test]
fn markup_is_paid_for_and_left_out_where_it_says_nothing() {
    let body = |rate: f32| {
        let request = azure::Voice::new(&config(), rate).request("a & b");
        String::from_utf8(request.body).unwrap()
    };
    for (rate, billed) in [
        (1.0, "a &amp; b"),
        (1.001, "a &amp; b"),
        (0.8, "<prosody rate='-20%'>a &amp; b</prosody>"),
        (1.25, "<prosody rate='+25%'>a &amp; b</prosody>"),
    ] {
        assert_eq!(azure::billed("a & b", rate), billed);
        assert!(body(rate).contains(&format!("'>{billed}</voice></speak>")), "{}", body(rate));
    }
}

#[test]
fn sound_that_is_none_is_refused() {
    let config = config();
    let voices: [Box<dyn Service<str, Sound>>; 3] = [
        Box::new(google::Voice::new(&config, 1.0)),
        Box::new(azure::Voice::new(&config, 1.0)),
        Box::new(openai::Voice::new(&config, 1.0)),
    ];
    for voice in voices {
        for lie in ["", "RIFF", "{\"audioContent\":\"!\"}", "{\"audioContent\":\"UklGRg==\"}", "<html>"] {
            assert!(voice.answer(lie.as_bytes().to_vec()).is_none());
        }
    }
}

//! Services elsewhere, played by a server on this machine that speaks their documented formats, and can be
//! told to misbehave.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// How the server answers.
#[derive(Debug, Clone)]
pub enum Manner {
    /// As documented.
    Well,
    /// With this status and these headers.
    Status(u16, &'static str),
    /// With this status and this body.
    Refuses(u16, &'static str),
    /// Half of the body, and the end.
    Half,
    /// Half of the body, which ends where the connection does: only what was promised in it tells.
    Cut,
    /// Not at all: the connection is reset.
    Reset,
    /// Not for so long.
    Slow(Duration),
    /// With a success, and this body.
    Lies(String),
    /// Without end.
    Endless,
}

/// What it was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The path with its query.
    pub path: String,
    /// By name in small letters.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

struct Inside {
    manners: HashMap<&'static str, Manner>,
    /// By path, the keys that are known; else any will do.
    keys: HashMap<&'static str, String>,
    asked: Vec<Asked>,
    words: String,
}

/// The server. Its threads end with the test program.
#[derive(Clone)]
pub struct Fake {
    address: String,
    inside: Arc<Mutex<Inside>>,
}

impl Fake {
    /// One that hears these words whatever is said.
    pub fn start(words: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let inside =
            Inside { manners: HashMap::new(), keys: HashMap::new(), asked: Vec::new(), words: words.into() };
        let fake = Self { address, inside: Arc::new(Mutex::new(inside)) };
        let server = fake.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = server.clone();
                std::thread::spawn(move || server.serve(&stream));
            }
        });
        fake
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// From now on, this is what it hears or means.
    pub fn says(&self, words: &str) {
        self.inside.lock().unwrap().words = words.into();
    }

    /// From now on, requests whose path holds this are answered so.
    pub fn answers(&self, path: &'static str, manner: Manner) {
        self.inside.lock().unwrap().manners.insert(path, manner);
    }

    /// From now on, requests whose path holds this need this key, in the header that is documented for it.
    pub fn demands(&self, path: &'static str, key: &str) {
        self.inside.lock().unwrap().keys.insert(path, key.into());
    }

    /// What it was asked whose path holds this.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let inside = self.inside.lock().unwrap();
        inside.asked.iter().filter(|asked| asked.path.contains(path)).cloned().collect()
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(asked) = read(&mut reader) {
            let (manner, is_admitted, words) = {
                let mut inside = self.inside.lock().unwrap();
                inside.asked.push(asked.clone());
                let manner = inside.manners.iter().find(|(path, _)| asked.path.contains(**path));
                let manner = manner.map_or(Manner::Well, |(_, manner)| manner.clone());
                let key = inside.keys.iter().find(|(path, _)| asked.path.contains(**path));
                (manner, shows_key(&asked, key.map(|(_, key)| key.as_str())), inside.words.clone())
            };
            let manner = match manner {
                Manner::Well | Manner::Half | Manner::Cut if !is_admitted => Manner::Status(401, ""),
                manner => manner,
            };
            if answer(stream, &asked, &manner, &words).is_none() {
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { path, headers, body })
}

/// Answers; `None` if the connection is at its end.
fn answer(mut stream: &TcpStream, asked: &Asked, manner: &Manner, words: &str) -> Option<()> {
    let mut send = |status: u16, headers: &str, length: usize, body: &[u8]| {
        let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).ok()
    };
    match manner {
        Manner::Status(status, headers) => {
            let body = br#"{"error":{"message":"no, and you sent the key SECRET-KEY"}}"#;
            return send(*status, headers, body.len(), body);
        }
        Manner::Refuses(status, body) => return send(*status, "", body.len(), body.as_bytes()),
        Manner::Lies(body) => return send(200, "", body.len(), body.as_bytes()),
        Manner::Reset => {
            reset_when_closed(stream);
            return None;
        }
        Manner::Slow(time) => std::thread::sleep(*time),
        Manner::Endless => {
            stream.write_all(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n{\"text\":\"").ok()?;
            let piece = vec![b'a'; 1 << 16];
            while stream.write_all(&piece).is_ok() {}
            return None;
        }
        Manner::Well | Manner::Half | Manner::Cut => {}
    }
    let (status, mut body) = right(asked, words);
    let half = body.len() / 2;
    match manner {
        Manner::Half => {
            send(status, "", body.len(), &body[..half])?;
            None
        }
        Manner::Cut => {
            promise_all(&mut body);
            stream.write_all(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n").ok()?;
            stream.write_all(&body[..half]).ok()?;
            None
        }
        _ => send(status, "", body.len(), &body),
    }
}

/// Has a tone say how long it is.
fn promise_all(body: &mut [u8]) {
    if body.starts_with(b"RIFF") {
        let length = body.len() as u32;
        body[4..8].copy_from_slice(&(length - 8).to_le_bytes());
        body[40..44].copy_from_slice(&(length - 44).to_le_bytes());
    }
}

/// Whether a request shows its key as it is documented: this one; where none is known, any, which servers of one's own
/// do without.
fn shows_key(asked: &Asked, key: Option<&str>) -> bool {
    let header = |name: &str| asked.headers.get(name).map(String::as_str);
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let (shown, is_needed) = match asked.path.split('?').next().unwrap_or_default() {
        "/v1/speech:recognize" | "/v1/text:synthesize" => (header("x-goog-api-key").or(bearer), true),
        "/speech/recognition/conversation/cognitiveservices/v1" | "/cognitiveservices/v1" => {
            (header("ocp-apim-subscription-key"), true)
        }
        "/v1/messages" => (header("x-api-key"), false),
        _ => (bearer, false),
    };
    match key {
        Some(key) => shown == Some(key),
        None => !is_needed || shown.is_some_and(|shown| !shown.is_empty()),
    }
}

/// Has the connection end with a reset instead of in good order.
fn reset_when_closed(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the descriptor is open while it is borrowed, and the value lives through the call.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size,
        );
    }
}

/// The answer as it is documented, or 400 for what isn't asked so.
fn right(asked: &Asked, words: &str) -> (u16, Vec<u8>) {
    let path = asked.path.split('?').next().unwrap_or_default();
    let bad = bad();
    match path {
        "/v1/speech:recognize" => {
            let Ok(body) = serde_json::from_slice::<Value>(&asked.body) else { return bad };
            let config = &body["config"];
            let sound = STANDARD.decode(body["audio"]["content"].as_str().unwrap_or_default());
            let fits = config["encoding"] == "LINEAR16"
                && config["sampleRateHertz"] == 16_000
                && config["languageCode"] == "en-US"
                && sound.is_ok_and(|sound| sound.len() > 8_000 && sound.len().is_multiple_of(2));
            if !fits {
                return bad;
            }
            ok(&json!({
                "results": [{ "alternatives": [{ "transcript": words, "confidence": 0.93 }], "resultEndTime": "1.5s" }],
                "totalBilledTime": "15s",
                "requestId": "1"
            }))
        }
        "/speech/recognition/conversation/cognitiveservices/v1" => {
            let fits = asked.path.contains("language=en-US")
                && asked.path.contains("format=detailed")
                && asked.headers["content-type"].starts_with("audio/wav")
                && is_wav(&asked.body);
            if !fits {
                return bad;
            }
            ok(&json!({
                "RecognitionStatus": "Success", "Offset": 0, "Duration": 100, "DisplayText": words,
                "NBest": [{ "Confidence": 0.91, "Lexical": words, "ITN": words, "MaskedITN": words, "Display": words }]
            }))
        }
        "/v1/audio/transcriptions" => {
            let kind = &asked.headers["content-type"];
            let Some(boundary) = kind.strip_prefix("multipart/form-data; boundary=") else { return bad };
            let parts = parts(&asked.body, boundary);
            let fits = parts.get("model").is_some_and(|model| model == b"whisper-1")
                && parts.get("language").is_some_and(|language| language == b"en")
                && parts.get("file").is_some_and(|file| is_wav(file));
            if !fits {
                return bad;
            }
            ok(
                &json!({ "task": "transcribe", "text": words, "segments": [{ "avg_logprob": -0.1, "no_speech_prob": 0.01 }] }),
            )
        }
        "/v1/chat/completions" | "/v1/messages" => model(path, asked, words),
        _ => voice(path, asked),
    }
}

fn ok(value: &Value) -> (u16, Vec<u8>) {
    (200, value.to_string().into_bytes())
}

fn bad() -> (u16, Vec<u8>) {
    (400, br#"{"error":{"code":400}}"#.to_vec())
}

/// A language model that answers with these words.
fn model(path: &str, asked: &Asked, words: &str) -> (u16, Vec<u8>) {
    let bad = bad();
    if path == "/v1/chat/completions" {
        let Ok(body) = serde_json::from_slice::<Value>(&asked.body) else { return bad };
        let fits = body["messages"][0]["role"] == "system"
            && body["messages"][1]["role"] == "user"
            && body["model"].is_string()
            && body["response_format"]["json_schema"]["schema"]["additionalProperties"] == false;
        if !fits {
            return bad;
        }
        ok(
            &json!({ "id": "1", "object": "chat.completion", "choices": [{ "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": words, "refusal": null } }] }),
        )
    } else {
        let Ok(body) = serde_json::from_slice::<Value>(&asked.body) else { return bad };
        let fits = asked.headers.get("anthropic-version").is_some_and(|version| version == "2023-06-01")
            && body["max_tokens"].is_u64()
            && body["messages"][0]["role"] == "user"
            && body["tool_choice"]["name"] == body["tools"][0]["name"]
            && body["tools"][0]["input_schema"]["type"] == "object";
        if !fits {
            return bad;
        }
        let input: Value = serde_json::from_str(words).unwrap_or_default();
        ok(&json!({ "id": "1", "type": "message", "role": "assistant", "stop_reason": "tool_use",
            "content": [{ "type": "tool_use", "id": "2", "name": "intent", "input": input }] }))
    }
}

/// A voice that says everything in one tone.
fn voice(path: &str, asked: &Asked) -> (u16, Vec<u8>) {
    let bad = bad();
    match path {
        "/v1/text:synthesize" => {
            let Ok(body) = serde_json::from_slice::<Value>(&asked.body) else { return bad };
            let fits = body["input"]["text"].is_string()
                && body["voice"]["languageCode"] == "en-US"
                && body["audioConfig"]["audioEncoding"] == "LINEAR16";
            if !fits {
                return bad;
            }
            ok(&json!({ "audioContent": STANDARD.encode(tone()) }))
        }
        "/cognitiveservices/v1" => {
            let body = String::from_utf8_lossy(&asked.body).into_owned();
            let fits = asked.headers["content-type"] == "application/ssml+xml"
                && asked.headers["x-microsoft-outputformat"] == "riff-24khz-16bit-mono-pcm"
                && asked.headers.contains_key("user-agent")
                && body.starts_with("<speak version='1.0'")
                && body.ends_with("</voice></speak>");
            if fits { (200, tone()) } else { bad }
        }
        "/v1/audio/speech" => {
            let Ok(body) = serde_json::from_slice::<Value>(&asked.body) else { return bad };
            let fits =
                body["input"].is_string() && body["response_format"] == "wav" && body["voice"] == "onyx";
            if fits { (200, tone()) } else { bad }
        }
        _ => (404, Vec::new()),
    }
}

/// Half a second of a tone at 24 kHz; its length isn't known, as from a server that streams.
pub fn tone() -> Vec<u8> {
    let level = |n: i32| ((f64::from(n) * 0.1).sin() * 8_000.0) as i16;
    let mut file = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    file.extend_from_slice(&24_000_u32.to_le_bytes());
    file.extend_from_slice(&48_000_u32.to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data\xff\xff\xff\xff");
    file.extend((0..12_000).flat_map(|n| level(n).to_le_bytes()));
    file
}

/// The parts of a form by name.
fn parts(body: &[u8], boundary: &str) -> HashMap<String, Vec<u8>> {
    let delimiter = format!("--{boundary}");
    let find = |from: usize, what: &[u8]| {
        body[from..].windows(what.len()).position(|window| window == what).map(|at| from + at)
    };
    let mut parts = HashMap::new();
    let mut at = 0;
    while let Some(begins) = find(at, delimiter.as_bytes()).map(|begins| begins + delimiter.len()) {
        let (Some(head_ends), Some(ends)) =
            (find(begins, b"\r\n\r\n"), find(begins, format!("\r\n{delimiter}").as_bytes()))
        else {
            break;
        };
        let head = String::from_utf8_lossy(&body[begins..head_ends]).into_owned();
        if let Some(name) = head.split("name=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            parts.insert(name.to_owned(), body[head_ends + 4..ends].to_vec());
        }
        at = ends;
    }
    parts
}

/// Mono, 16 kHz, 16 bit, and as long as it says.
fn is_wav(file: &[u8]) -> bool {
    file.len() > 8_044
        && file.starts_with(b"RIFF")
        && file[20..24] == [1, 0, 1, 0]
        && file[24..28] == 16_000_u32.to_le_bytes()
        && file[34..36] == [16, 0]
        && file[40..44] == (file.len() as u32 - 44).to_le_bytes()
}

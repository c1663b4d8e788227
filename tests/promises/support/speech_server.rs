//! A Coqui `tts-server`, played: it speaks the documented format, and fails when it is told to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// What it does with a request.
pub enum Answer {
    /// A wav file.
    Sound(Vec<u8>),
    /// A status and nothing else.
    Status(&'static str),
    /// Something that is no sound.
    Rubbish,
    /// Half a wav file, and an end.
    Half(Vec<u8>),
    /// Nothing, for a long time.
    Silence,
}

/// Its address, and the first line of each request that it got.
pub struct SpeechServer {
    pub address: String,
    pub asked: mpsc::Receiver<String>,
}

impl SpeechServer {
    /// Starts it; it is told the number of a request, from 0, and what is to be said.
    pub fn start(answer: impl Fn(usize, &str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (sender, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let line = request.lines().next().unwrap_or_default().to_owned();
                let answer = answer(number, &line);
                // Whoever started it may have seen enough.
                let _ = sender.send(line);
                std::thread::spawn(move || serve(stream, answer));
            }
        });
        Self { address, asked }
    }
}

fn serve(mut stream: TcpStream, answer: Answer) {
    let head = |status: &str, length: usize| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: audio/wav\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    // A peer that has gone is part of the play.
    let _ = match answer {
        Answer::Sound(wav) => stream.write_all(&[head("200 OK", wav.len()).as_bytes(), &wav].concat()),
        Answer::Status(status) => stream.write_all(head(status, 0).as_bytes()),
        Answer::Rubbish => stream.write_all(&[head("200 OK", 9).as_bytes(), b"not sound"].concat()),
        Answer::Half(wav) => {
            stream.write_all(&[head("200 OK", wav.len()).as_bytes(), &wav[..wav.len() / 2]].concat())
        }
        Answer::Silence => {
            std::thread::sleep(Duration::from_secs(30));
            Ok(())
        }
    };
}

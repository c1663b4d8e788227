//! The messages between the daemon and the recogniser's process, and their form on the pipe.
//!
//! A frame is its length (u32, little endian), its kind (one byte), and its content: samples as
//! 32-bit floats, everything else as JSON. What can be said is sent once, and with each utterance only what is
//! expected at the moment. Lengths are bounded, so that a broken peer costs an error and no memory.

use std::io::{self, Read, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::domain::{Expectation, Named, Phrases, SAMPLE_RATE};

/// The longest utterance that can be asked for. Endpointing cuts them far below this.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// The longest that can be said of what is expected.
const MOST_EXPECTED: usize = 1 << 16;
/// The largest frame: an utterance or the phrases.
pub(super) const LARGEST: usize = 32 << 20;
const _: () =
    assert!(LONGEST.as_secs() as usize * SAMPLE_RATE as usize * size_of::<f32>() + MOST_EXPECTED < LARGEST);

const RECOGNISE: u8 = 1;
const ABORT: u8 = 2;
const ANSWER: u8 = 3;
const PHRASES: u8 = 4;

/// What is expected of an utterance; see [`Expectation`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Leaning {
    /// Things to say, the likeliest first.
    pub(super) likely: Vec<String>,
    /// What has a name now, in words.
    pub(super) names: Vec<(Named, Vec<String>)>,
    /// Whether a question waits for an answer.
    pub(super) question_open: bool,
    /// Whether it is probably one of the phrases.
    pub(super) phrases: bool,
}

impl From<&Expectation> for Leaning {
    fn from(expectation: &Expectation) -> Self {
        let Expectation { likely, phrases, names, question_open } = expectation;
        Self {
            likely: likely.clone(),
            names: names.clone(),
            question_open: *question_open,
            phrases: phrases.is_some(),
        }
    }
}

/// What the daemon asks.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Request {
    /// Learn all that can be said. It isn't answered.
    Learn(Phrases),
    /// Recognise these samples: mono, 16 kHz.
    Recognise {
        /// Names the request in its answer.
        id: u32,
        /// What is expected.
        leaning: Leaning,
        /// The samples.
        samples: Vec<f32>,
    },
    /// Stop working on a request. It is answered all the same.
    Abort {
        /// The request.
        id: u32,
    },
}

/// What the worker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    /// The model is loaded and warm.
    Ready,
    /// The model can't be used; the worker ends.
    Unusable {
        /// Why, for the log.
        why: String,
    },
    /// A request is done.
    Recognised {
        /// The request.
        id: u32,
        /// The words; empty for silence.
        text: String,
        /// The mean probability of the words' tokens.
        confidence: f32,
    },
    /// A request was aborted.
    Aborted {
        /// The request.
        id: u32,
    },
    /// A request failed; the worker goes on.
    Failed {
        /// The request.
        id: u32,
        /// Why, for the log.
        why: String,
    },
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(content.len() + 5);
    // Content is bounded by what an utterance can be.
    frame.extend(u32::try_from(content.len() + 1).unwrap_or(u32::MAX).to_le_bytes());
    frame.push(kind);
    frame.extend(content);
    frame
}

fn length(bytes: [u8; 4]) -> io::Result<usize> {
    match u32::from_le_bytes(bytes) as usize {
        length @ 1..=LARGEST => Ok(length),
        _ => Err(broken("a frame has an impossible length")),
    }
}

fn id(bytes: &[u8]) -> io::Result<u32> {
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).ok_or_else(|| broken("a frame is too short"))
}

impl Request {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            // Plain data is always JSON.
            Self::Learn(phrases) => frame(PHRASES, &serde_json::to_vec(phrases).unwrap_or_default()),
            Self::Recognise { id, leaning, samples } => {
                let mut expected = serde_json::to_vec(leaning).unwrap_or_default();
                if expected.len() > MOST_EXPECTED {
                    expected = b"{}".to_vec();
                }
                let mut content = Vec::with_capacity(8 + expected.len() + samples.len() * 4);
                content.extend(id.to_le_bytes());
                content.extend((expected.len() as u32).to_le_bytes());
                content.extend(expected);
                content.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
                frame(RECOGNISE, &content)
            }
            Self::Abort { id } => frame(ABORT, &id.to_le_bytes()),
        }
    }

    /// The next request; `None` when the daemon has gone.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 4];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        let mut content = vec![0; length(head)?];
        from.read_exact(&mut content)?;
        match content[0] {
            PHRASES => Ok(Some(Self::Learn(serde_json::from_slice(&content[1..])?))),
            RECOGNISE => {
                let length = id(content.get(5..).unwrap_or_default())? as usize;
                let expected = content.get(9..9 + length).ok_or_else(|| broken("a frame is too short"))?;
                let (chunks, rest) = content[9 + length..].as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(broken("half a sample"));
                }
                let samples = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                Ok(Some(Self::Recognise {
                    id: id(&content[1..])?,
                    leaning: serde_json::from_slice(expected)?,
                    samples,
                }))
            }
            ABORT => Ok(Some(Self::Abort { id: id(&content[1..])? })),
            _ => Err(broken("an unknown kind of frame")),
        }
    }
}

impl Answer {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&frame(ANSWER, &serde_json::to_vec(self)?))?;
        to.flush()
    }

    /// The next answer; `None` when the worker has gone. Not cancel-safe.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut head = [0; 4];
        match from.read_exact(&mut head).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        };
        let mut content = vec![0; length(head)?];
        from.read_exact(&mut content).await?;
        if content[0] != ANSWER {
            return Err(broken("an unknown kind of frame"));
        }
        Ok(Some(serde_json::from_slice(&content[1..])?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{End, Fork};

    proptest! {
        #[test]
        fn requests_come_through(
            id in any::<u32>(),
            samples in proptest::collection::vec(-1.0_f32..1.0, 0..50),
            likely in proptest::collection::vec(".{0,20}", 0..4),
            question_open in any::<bool>(),
        ) {
            let names = vec![(Named::Session, likely.clone())];
            let leaning = Leaning { likely, names, question_open, phrases: true };
            let fork = Fork { words: vec![("split".into(), 1)], names: vec![(Named::Line, 1)], ..Fork::default() };
            let end = Fork { end: Some(End::Asked), ..Fork::default() };
            let phrases = Phrases { forks: vec![fork, end], ..Phrases::default() };
            for request in [
                Request::Learn(phrases),
                Request::Recognise { id, leaning, samples: samples.clone() },
                Request::Abort { id },
            ] {
                let bytes = request.encode();
                prop_assert_eq!(Request::read(&mut bytes.as_slice()).unwrap(), Some(request));
            }
        }

        #[test]
        fn garbage_is_an_error_and_no_more(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Request::read(&mut bytes.as_slice());
        }
    }

    #[tokio::test]
    async fn answers_come_through() {
        let answer = Answer::Recognised { id: 7, text: "ls".into(), confidence: 0.5 };
        let mut bytes = Vec::new();
        answer.write(&mut bytes).unwrap();
        assert_eq!(Answer::read(&mut bytes.as_slice()).await.unwrap(), Some(answer));
        assert_eq!(Answer::read(&mut [].as_slice()).await.unwrap(), None);
        assert!(Answer::read(&mut [255; 8].as_slice()).await.is_err());
    }
}

//! Recordings: wav (8, 16, 24, 32 bit, float, A-law, µ-law, extensible; any rate and number of
//! channels) and flac, streamed as 16 kHz mono.
//!
//! **Mechanics.** symphonia decodes packet by packet (about a thousand frames), which are mixed
//! down, resampled and handed out at once, so an hour takes no more memory than a second. A file
//! that ends early, or has damaged places, gives what can be had, and [`Recording::remark`] says
//! what is missing. A panic of a decoder on hostile input is an error of that file.
//!
//! **Limits.** Other formats are named, not decoded; the remedy says how to convert them. Raw
//! samples without a header aren't guessed at.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use crate::domain::{Failure, FailureKind};

use super::resample::{BadRate, Resampler, downmix};

/// Bytes of sound that a header can't promise in good faith: writers that don't know the length (a
/// pipe) put something near 2³¹ or 2³² there.
const UNKNOWN_LENGTH: u64 = 0x7FFF_0000;

/// A recording that is being read.
pub struct Recording {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    rate: u32,
    resampler: Resampler,
    promised: Option<u64>,
    decoded: u64,
    damage: Damage,
    ended: bool,
    /// Sound that opening has already decoded.
    first: Vec<f32>,
    interleaved: Vec<f32>,
    mono: Vec<f32>,
}

#[derive(Debug, Default)]
struct Damage {
    places: u64,
    /// Whether nothing was decoded after the last of them.
    at_end: bool,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("rate", &self.rate)
            .field("decoded", &self.decoded)
            .finish_non_exhaustive()
    }
}

/// Why a recording can't be heard.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// There is no such file.
    #[error("{file}: there is no such file")]
    Missing {
        /// As the user named it.
        file: String,
    },
    /// It is a directory.
    #[error("{file} is a directory")]
    Directory {
        /// As the user named it.
        file: String,
    },
    /// It may not or cannot be read.
    #[error("{file} can't be read")]
    Unreadable {
        /// As the user named it.
        file: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// It has no bytes at all.
    #[error("{file} is empty")]
    Empty {
        /// As the user named it.
        file: String,
    },
    /// It is a recording in which nothing was recorded.
    #[error("{file} is a recording without any sound in it")]
    NoSamples {
        /// As the user named it.
        file: String,
    },
    /// It ends within its header, or nothing in it can be decoded.
    #[error("{file} is damaged: no sound can be had from it")]
    Damaged {
        /// As the user named it.
        file: String,
    },
    /// It is sound, in a form that isn't read here.
    #[error("{file} holds {what}, which is not supported")]
    Unsupported {
        /// As the user named it.
        file: String,
        /// What it holds.
        what: String,
    },
    /// It is named like raw samples, which don't say their rate and form.
    #[error("{file} seems to be raw sound without a header")]
    Headerless {
        /// As the user named it.
        file: String,
    },
    /// It is something else.
    #[error("{file} is not a recording")]
    NotAudio {
        /// As the user named it.
        file: String,
    },
}

impl RecordingError {
    /// What the user can do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Missing { .. } => "check the name; it is looked up in the current directory".into(),
            Self::Directory { .. } => "name the recordings in it, such as DIRECTORY/*.wav".into(),
            Self::Unreadable { cause, .. } if cause.kind() == ErrorKind::PermissionDenied => {
                "give yourself the right to read it: chmod u+r FILE".into()
            }
            Self::Unreadable { .. } => "check the disk, or copy the file and try the copy".into(),
            Self::Empty { .. } | Self::NoSamples { .. } => "record it again".into(),
            Self::Damaged { .. } => {
                "fetch or record it again; `ffmpeg -i FILE out.wav` may save something".into()
            }
            Self::Unsupported { .. } => "convert it: ffmpeg -i FILE -ar 16000 -ac 1 out.wav".into(),
            Self::Headerless { .. } => {
                "convert it, saying what is in it: sox -t raw -r 16000 -e signed -b 16 -c 1 FILE out.wav"
                    .into()
            }
            Self::NotAudio { .. } => "give a wav or flac file; `file FILE` says what this is".into(),
        }
    }
}

impl From<&RecordingError> for Failure {
    fn from(error: &RecordingError) -> Self {
        Self::new(FailureKind::Request, "audio-input", error.to_string(), error.remedy())
    }
}

/// What there is to say about a recording that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// It ends before its header says.
    #[error("the recording ends early: {found:.1?} of {promised:.1?} are there")]
    Truncated {
        /// What was there.
        found: Duration,
        /// What the header promised.
        promised: Duration,
    },
    /// Some places could not be decoded and were left out.
    #[error("{places} damaged places in the recording were left out")]
    Damaged {
        /// How many.
        places: u64,
    },
}

impl Recording {
    /// Opens a recording and reads its header. Blocks on the disk.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let name = path.display().to_string();
        let opened = (|| {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        })();
        let (mut file, metadata) = match opened {
            Ok(opened) => opened,
            Err(cause) => return Err(cannot_read(name, cause)),
        };
        if metadata.is_dir() {
            return Err(RecordingError::Directory { file: name });
        }
        let mut head = Vec::new();
        if metadata.is_file() {
            if metadata.len() == 0 {
                return Err(RecordingError::Empty { file: name });
            }
            let read =
                (&mut file).take(16).read_to_end(&mut head).and_then(|_| file.seek(SeekFrom::Start(0)));
            if let Err(cause) = read {
                return Err(cannot_read(name, cause));
            }
        }
        if let Some(what) = foreign(&head) {
            return Err(RecordingError::Unsupported { file: name, what: what.into() });
        }
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        match catch_unwind(AssertUnwindSafe(|| probe(stream))) {
            Ok(Ok(recording)) => Ok(recording),
            Ok(Err(trouble)) => Err(explain(name, path, &head, trouble)),
            Err(_) => Err(RecordingError::Damaged { file: name }),
        }
    }

    /// Appends the next piece of sound, mono at 16 kHz, to `out`; `false` at the end. A piece may be
    /// empty before the end. Blocks on the disk.
    pub fn read(&mut self, out: &mut Vec<f32>) -> bool {
        if !self.first.is_empty() {
            out.append(&mut self.first);
            return true;
        }
        if self.ended {
            return false;
        }
        match catch_unwind(AssertUnwindSafe(|| self.decode())) {
            Ok(Next::Sound { channels }) => {
                self.mono.clear();
                downmix(&self.interleaved, channels, &mut self.mono);
                self.decoded += self.mono.len() as u64;
                self.damage.at_end = false;
                self.resampler.push(&self.mono, out);
            }
            Ok(Next::Nothing) => {}
            Ok(Next::Damaged) => self.damage = Damage { places: self.damage.places + 1, at_end: true },
            Ok(Next::End) => self.end(out),
            Err(_) => {
                self.damage = Damage { places: self.damage.places + 1, at_end: true };
                self.end(out);
            }
        }
        true
    }

    fn end(&mut self, out: &mut Vec<f32>) {
        self.resampler.finish(out);
        self.ended = true;
    }

    /// What was missing, once it has been read to its end.
    pub fn remark(&self) -> Option<Remark> {
        let time = |frames: u64| Duration::from_secs_f64(frames as f64 / f64::from(self.rate));
        let Damage { places, at_end } = self.damage;
        let promised = self.promised.filter(|&promised| self.ended && self.decoded < promised);
        match promised {
            Some(promised) if places == 0 || places == 1 && at_end => {
                Some(Remark::Truncated { found: time(self.decoded), promised: time(promised) })
            }
            _ => (places > 0).then_some(Remark::Damaged { places }),
        }
    }

    fn decode(&mut self) -> Next {
        // A file that ends early ends with an error; the frames that are missing tell.
        let Ok(Some(packet)) = self.format.next_packet() else { return Next::End };
        if packet.track_id != self.track {
            return Next::Nothing;
        }
        match self.decoder.decode(&packet) {
            Ok(sound) => {
                let channels = sound.spec().channels().count();
                self.interleaved.clear();
                sound.copy_to_vec_interleaved(&mut self.interleaved);
                Next::Sound { channels }
            }
            Err(Symphonia::DecodeError(_) | Symphonia::IoError(_)) => Next::Damaged,
            Err(_) => Next::End,
        }
    }
}

enum Next {
    /// Frames are in `interleaved`.
    Sound {
        channels: usize,
    },
    Nothing,
    Damaged,
    End,
}

/// Why a file can't be opened as sound.
enum Trouble {
    Symphonia(Symphonia),
    NoTrack,
    Rate(BadRate),
    NoSamples,
    Damaged,
}

impl From<Symphonia> for Trouble {
    fn from(error: Symphonia) -> Self {
        Self::Symphonia(error)
    }
}

fn probe(stream: MediaSourceStream<'static>) -> Result<Recording, Trouble> {
    let format = symphonia::default::get_probe().probe(
        &Hint::new(),
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    )?;
    let track = format.default_track(TrackType::Audio).ok_or(Trouble::NoTrack)?;
    let Some(CodecParameters::Audio(codec)) = &track.codec_params else { return Err(Trouble::NoTrack) };
    let decoder =
        symphonia::default::get_codecs().make_audio_decoder(codec, &AudioDecoderOptions::default())?;
    let rate = codec.sample_rate.ok_or(Trouble::NoTrack)?;
    let frame_bytes = u64::from(codec.bits_per_sample.unwrap_or(16)).div_ceil(8)
        * codec.channels.as_ref().map_or(1, |channels| channels.count() as u64);
    let promised =
        track.num_frames.filter(|&frames| frames > 0 && frames.saturating_mul(frame_bytes) < UNKNOWN_LENGTH);
    let resampler = Resampler::new(rate).map_err(Trouble::Rate)?;
    let mut recording = Recording {
        track: track.id,
        format,
        decoder,
        rate,
        resampler,
        promised,
        decoded: 0,
        damage: Damage::default(),
        ended: false,
        first: Vec::new(),
        interleaved: Vec::new(),
        mono: Vec::new(),
    };
    // Whether there is any sound at all shows only when some is decoded.
    let mut first = Vec::new();
    while recording.decoded == 0 && recording.read(&mut first) {}
    recording.first = first;
    match recording {
        Recording { decoded: 0, promised: None, damage: Damage { places: 0, .. }, .. } => {
            Err(Trouble::NoSamples)
        }
        Recording { decoded: 0, .. } => Err(Trouble::Damaged),
        recording => Ok(recording),
    }
}

fn cannot_read(file: String, cause: io::Error) -> RecordingError {
    match cause.kind() {
        ErrorKind::NotFound => RecordingError::Missing { file },
        ErrorKind::IsADirectory => RecordingError::Directory { file },
        _ => RecordingError::Unreadable { file, cause },
    }
}

fn explain(file: String, path: &Path, head: &[u8], trouble: Trouble) -> RecordingError {
    let ours = head.starts_with(b"fLaC") || head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WAVE");
    match trouble {
        Trouble::NoSamples => RecordingError::NoSamples { file },
        Trouble::Rate(rate) => RecordingError::Unsupported { file, what: format!("sound with {rate}") },
        Trouble::Symphonia(Symphonia::Unsupported(_)) if ours => {
            RecordingError::Unsupported { file, what: "a rare coding of sound".into() }
        }
        Trouble::Symphonia(Symphonia::IoError(cause)) if cause.kind() != ErrorKind::UnexpectedEof => {
            RecordingError::Unreadable { file, cause }
        }
        _ if ours || head.starts_with(b"RIFF") => RecordingError::Damaged { file },
        Trouble::Damaged => RecordingError::Damaged { file },
        Trouble::NoTrack | Trouble::Symphonia(_) => {
            let raw = path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
                RAW_EXTENSIONS.iter().any(|raw| extension.eq_ignore_ascii_case(raw))
            });
            if raw { RecordingError::Headerless { file } } else { RecordingError::NotAudio { file } }
        }
    }
}

/// How files of raw samples are usually named.
const RAW_EXTENSIONS: [&str; 8] = ["raw", "pcm", "s16", "s16le", "sw", "ul", "al", "f32"];

/// Names the formats of sound and film that are not read here, by their first bytes.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let at = |place: usize, bytes: &[u8]| head.get(place..).is_some_and(|rest| rest.starts_with(bytes));
    match () {
        () if at(0, b"OggS") => Some("Ogg sound (Vorbis or Opus)"),
        () if at(0, b"ID3") || at(0, &[0xFF, 0xFB]) || at(0, &[0xFF, 0xF3]) || at(0, &[0xFF, 0xF2]) => {
            Some("MP3 sound")
        }
        () if at(4, b"ftyp") => Some("MP4 sound or film (m4a, mp4, mov)"),
        () if at(0, &[0x1A, 0x45, 0xDF, 0xA3]) => Some("WebM or Matroska sound or film"),
        () if at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) => Some("AIFF sound"),
        () if at(0, b"caff") => Some("CAF sound"),
        () if at(0, b".snd") => Some("AU sound"),
        () if at(0, b"#!AMR") => Some("AMR sound"),
        () if at(0, &[0xFF, 0xF1]) || at(0, &[0xFF, 0xF9]) => Some("AAC sound"),
        () if at(0, &[0x30, 0x26, 0xB2, 0x75]) => Some("Windows Media sound"),
        () if at(0, b"NIST_1A") => Some("NIST SPHERE sound"),
        () if at(0, b"RF64") || at(0, b"BW64") || at(0, b"riff") => Some("a wav file for more than 4 GB"),
        () => None,
    }
}

//! Recordings of people, from the Debian package `pocketsphinx-testdata`, and sound without anybody.

use std::path::{Path, PathBuf};
use std::process::Command;

use voice_terminal::audio::VoiceDetector;
use voice_terminal::domain::{Pcm, SAMPLE_RATE};

use super::models;

const PLACE: &str = "/usr/share/pocketsphinx/test/data";

/// A recording, and what is said in it.
pub struct Recording {
    /// Its path below the package's data.
    pub file: &'static str,
    /// The words, lower case, without punctuation.
    pub words: &'static str,
}

/// Playing cards, read out.
pub const CARDS: [Recording; 5] = [
    Recording { file: "cards/001.wav", words: "ten of clubs" },
    Recording { file: "cards/002.wav", words: "four queen of clubs" },
    Recording { file: "cards/003.wav", words: "seven of clubs" },
    Recording { file: "cards/004.wav", words: "five five" },
    Recording { file: "cards/005.wav", words: "eight of spades four of clubs seven of hearts" },
];

/// A command.
pub const FORWARD: Recording = Recording { file: "goforward.raw", words: "go forward ten meters" };

/// Jane Austen, read by a volunteer.
pub const NOVEL: [Recording; 5] = [
    Recording {
        file: "librivox/sense_and_sensibility_01_austen_64kb-0870.wav",
        words: "and mister john dashwood had then leisure to consider how much there might be prudently in his \
                power to do for them",
    },
    Recording {
        file: "librivox/sense_and_sensibility_01_austen_64kb-0880.wav",
        words: "he was not an ill disposed young man",
    },
    Recording {
        file: "librivox/sense_and_sensibility_01_austen_64kb-0890.wav",
        words: "unless to be rather cold hearted and rather selfish is to be ill disposed",
    },
    Recording {
        file: "librivox/sense_and_sensibility_01_austen_64kb-0920.wav",
        words: "had he married a more amiable woman he might have been made still more respectable than he was",
    },
    Recording {
        file: "librivox/sense_and_sensibility_01_austen_64kb-0930.wav",
        words: "he might even have been made amiable himself",
    },
];

impl Recording {
    /// Its sound. The recordings are 16 kHz, mono, 16 bit, which is read here and not by the program,
    /// so that these tests are about nothing but recognition.
    pub fn pcm(&self) -> Pcm {
        let path = Path::new(PLACE).join(self.file);
        let bytes = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; install pocketsphinx-testdata", path.display()));
        let wav = path.extension().is_some_and(|extension| extension == "wav");
        let sound = if wav { data(&bytes) } else { &bytes };
        let (samples, _) = sound.as_chunks::<2>();
        let samples: Vec<f32> =
            samples.iter().map(|sample| f32::from(i16::from_le_bytes(*sample)) / 32768.0).collect();
        Pcm::new(samples)
    }
}

/// The package's wav files of people reading cards and a novel.
pub fn wavs() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["cards", "librivox"]
        .iter()
        .flat_map(|dir| {
            std::fs::read_dir(Path::new(PLACE).join(dir)).expect("pocketsphinx-testdata is installed")
        })
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wav"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 10);
    files
}

/// "Go forward ten meters", "numbers", "something": raw 16 kHz samples, here as wav files in `dir`.
pub fn commands(dir: &Path) -> Vec<PathBuf> {
    ["goforward", "numbers", "something"]
        .iter()
        .map(|name| {
            let wav = dir.join(format!("{name}.wav"));
            let raw = format!("{PLACE}/{name}.raw");
            sox(&["-t", "raw", "-r", "16000", "-e", "signed", "-b", "16", "-c", "1", &raw, path(&wav)]);
            wav
        })
        .collect()
}

/// Runs sox, without dither so that its output is reproducible.
pub fn sox(arguments: &[&str]) {
    let done = Command::new("sox").args(["-R", "-D"]).args(arguments).output().expect("sox is installed");
    assert!(done.status.success(), "sox {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The neural voice detector, with the pinned model.
pub fn silero() -> VoiceDetector {
    let model = models::directory().join("silero_vad_16k_sequence.onnx");
    VoiceDetector::silero(&model).expect("scripts/test has fetched the model")
}

/// A path as text.
pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The chunk `data` of a wav file.
fn data(wav: &[u8]) -> &[u8] {
    let mut rest = &wav[12..];
    loop {
        let (head, body) = rest.split_at(8);
        let length = u32::from_le_bytes(head[4..].try_into().unwrap()) as usize;
        if &head[..4] == b"data" {
            return &body[..length.min(body.len())];
        }
        rest = &body[length + length % 2..];
    }
}

/// Sounds in which nobody speaks.
#[derive(Debug, Clone, Copy)]
pub enum Nobody {
    /// Digital silence.
    Silence,
    /// Equal power at all frequencies: hiss.
    White,
    /// Less power at high frequencies: wind, a fan.
    Pink,
    /// Mains hum and its harmonics.
    Hum,
    /// A beep each second.
    Beeps,
}

impl Nobody {
    /// That sound, at a root mean square of about `level` (beeps: while they last).
    pub fn pcm(self, seconds: f32, level: f32) -> Pcm {
        let rate = SAMPLE_RATE as f32;
        let count = (seconds * rate) as usize;
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let mut poles = [0.0_f32; 3];
        let samples: Vec<f32> = (0..count)
            .map(|n| {
                let time = n as f32 / rate;
                let tone = |hertz: f32| (std::f32::consts::TAU * hertz * time).sin();
                let unit = match self {
                    Self::White => random.next() * 1.73,
                    // Paul Kellet's economy filter.
                    Self::Pink => {
                        let white = random.next();
                        poles[0] = 0.99765 * poles[0] + white * 0.099_046;
                        poles[1] = 0.963 * poles[1] + white * 0.296_516_4;
                        poles[2] = 0.57 * poles[2] + white * 1.052_691_3;
                        (poles.iter().sum::<f32>() + white * 0.1848) * 0.6
                    }
                    Self::Hum => tone(50.0) + 0.5 * tone(100.0) + 0.25 * tone(150.0),
                    Self::Beeps if time.fract() < 0.2 => 1.41 * tone(1000.0),
                    Self::Silence | Self::Beeps => 0.0,
                };
                (unit * level).clamp(-1.0, 1.0)
            })
            .collect();
        Pcm::new(samples)
    }
}

/// Xorshift: the same numbers each time.
struct Random(u64);

impl Random {
    /// −1.0 ‥ 1.0
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}

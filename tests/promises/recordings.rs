//! A recording of any usual kind is heard as its speaker would be; one that can't be is explained in
//! a line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use voice_terminal::audio::{
    Endpointer, Event, Recording, RecordingError, Remark, Segment, Segments, VoiceDetector,
};
use voice_terminal::config::Endpoint;
use voice_terminal::domain::{Failure, FailureKind};

use crate::support::models;
use crate::support::recordings::{Nobody, commands, path, silero, sox, wavs};

fn samples(file: &Path) -> (Vec<f32>, Option<Remark>) {
    let mut recording = Recording::open(file).unwrap();
    let mut samples = Vec::new();
    while recording.read(&mut samples) {}
    (samples, recording.remark())
}

fn segments_by(file: &Path, detector: VoiceDetector) -> Vec<Segment> {
    let mut segments = Segments::new(Recording::open(file).unwrap(), detector, &Endpoint::default());
    let found = segments.by_ref().collect();
    assert_eq!(segments.remark(), None, "{}", file.display());
    found
}

fn segments(file: &Path) -> Vec<Segment> {
    segments_by(file, silero())
}

fn refusal(file: &Path) -> RecordingError {
    let error = Recording::open(file).map(|_| ()).expect_err(path(file));
    let failure = Failure::from(&error);
    assert_eq!(failure.kind, FailureKind::Request);
    assert!(failure.what.starts_with(path(file)), "names the file: {failure}");
    assert!(!failure.what.contains('\n') && !failure.remedy.is_empty());
    error
}

fn millis(time: Duration) -> i64 {
    time.as_millis() as i64
}

/// Stretches of 20 ms within 22 dB of the loudest one: surely voice, since the noise is softer.
fn voiced(samples: &[f32]) -> Vec<Duration> {
    let powers: Vec<f32> = samples
        .chunks(320)
        .map(|piece| piece.iter().map(|s| s * s).sum::<f32>() / piece.len() as f32)
        .collect();
    let loudest = powers.iter().copied().fold(0.0, f32::max);
    (0_u32..)
        .zip(&powers)
        .filter(|&(_, &power)| power > loudest / 160.0)
        .map(|(i, _)| Duration::from_millis(20) * i)
        .collect()
}

#[test]
fn no_word_of_a_human_recording_is_clipped() {
    let dir = tempfile::tempdir().unwrap();
    for file in wavs().into_iter().chain(commands(dir.path())) {
        let (sound, _) = samples(&file);
        let found = segments(&file);
        assert!(!found.is_empty(), "{}", file.display());
        let inside = |at: &Duration| found.iter().any(|segment| segment.start <= *at && *at < segment.end());
        let voiced = voiced(&sound);
        let outside: Vec<_> = voiced.iter().filter(|at| !inside(at)).collect();
        // The breath and the click of a tongue between sentences count as voice here, not there.
        assert!(outside.len() * 200 <= voiced.len(), "{}: {outside:?}", file.display());
        // A pre-roll stands before the first word, unless the recording itself begins with it.
        let lead = voiced[0].saturating_sub(found[0].start);
        assert!(lead >= Duration::from_millis(100).min(voiced[0]), "{}: {lead:?}", file.display());
        let end = Duration::from_secs_f64(sound.len() as f64 / 16_000.0);
        let tail = found.last().unwrap().end().saturating_sub(*voiced.last().unwrap());
        let left = end.saturating_sub(*voiced.last().unwrap());
        assert!(tail >= Duration::from_millis(300).min(left), "{}: {tail:?}", file.display());
    }
}

#[test]
fn what_is_cut_out_is_what_was_recorded() {
    let dir = tempfile::tempdir().unwrap();
    for file in commands(dir.path()) {
        let (sound, _) = samples(&file);
        for segment in segments(&file) {
            let from = (segment.start.as_nanos() / 62_500) as usize;
            let heard = segment.pcm.samples();
            // The last chunk may be filled up with silence.
            let to = sound.len().min(from + heard.len());
            assert_eq!(heard[..to - from], sound[from..to]);
            assert!(heard[to - from..].len() < 512 && heard[to - from..].iter().all(|&s| s == 0.0));
        }
    }
}

#[test]
fn any_rate_width_and_number_of_channels_gives_the_same_utterances() {
    let dir = tempfile::tempdir().unwrap();
    let variants: [(&str, &[&str]); 11] = [
        ("96000-stereo.wav", &["-r", "96000", "-c", "2", "-b", "24"]),
        ("8-bit.wav", &["-b", "8", "-e", "unsigned"]),
        ("48000.wav", &["-r", "48000"]),
        ("44100-stereo.wav", &["-r", "44100", "-c", "2"]),
        ("32-bit.wav", &["-b", "32", "-e", "signed"]),
        ("float.wav", &["-b", "32", "-e", "floating-point"]),
        ("6-channels.wav", &["-c", "6", "-r", "22050"]),
        ("a-law.wav", &["-e", "a-law", "-b", "8"]),
        ("mu-law.wav", &["-e", "mu-law", "-b", "8"]),
        ("16000.flac", &["-b", "16"]),
        ("96000.flac", &["-r", "96000", "-b", "24", "-c", "2"]),
    ];
    let mut sources = commands(dir.path());
    sources.extend(wavs().into_iter().step_by(4));
    for source in sources {
        let wanted = segments(&source);
        for (name, form) in variants {
            let file = dir.path().join(name);
            // A little softer, so that resampling does not clip.
            let arguments = [&["-v", "0.8", path(&source)], form, &[path(&file)]].concat();
            sox(&arguments);
            let found = segments(&file);
            let places = |segments: &[Segment]| -> Vec<(i64, i64)> {
                segments.iter().map(|segment| (millis(segment.start), millis(segment.end()))).collect()
            };
            let (found, wanted) = (places(&found), places(&wanted));
            assert_eq!(found.len(), wanted.len(), "{name} of {}: {found:?} {wanted:?}", source.display());
            for (found, wanted) in found.iter().zip(&wanted) {
                let near = |a: i64, b: i64| (a - b).abs() <= 50;
                assert!(
                    near(found.0, wanted.0) && near(found.1, wanted.1),
                    "{name} of {}: {found:?} {wanted:?}",
                    source.display()
                );
            }
        }
    }
}

#[test]
fn silence_noise_and_beeps_are_no_utterance() {
    let dir = tempfile::tempdir().unwrap();
    let sounds: [(&str, &[&str]); 6] = [
        ("silence", &["synth", "20", "sine", "0", "vol", "0"]),
        ("white", &["synth", "20", "whitenoise", "vol", "0.1"]),
        ("brown", &["synth", "20", "brownnoise", "vol", "0.3"]),
        ("hum", &["synth", "20", "sine", "50", "sine", "150", "remix", "-", "vol", "0.3"]),
        ("beep", &["synth", "0.3", "sine", "1000", "pad", "0", "0.7", "vol", "0.5", "repeat", "15"]),
        ("clicks", &["synth", "0.005", "whitenoise", "pad", "0", "0.4", "vol", "0.8", "repeat", "40"]),
    ];
    for (name, effects) in sounds {
        let file = dir.path().join(format!("{name}.wav"));
        sox(&[&["-n", "-r", "16000", "-c", "1", "-b", "16", path(&file)], effects].concat());
        assert!(segments(&file).is_empty(), "{name}");
    }
}

/// The utterances of 16 kHz samples.
fn found(samples: &[f32], mut detector: VoiceDetector) -> Vec<(Duration, Duration)> {
    let mut endpointer = Endpointer::new(&Endpoint::default());
    let mut found = Vec::new();
    let events =
        samples.as_chunks().0.iter().map(|chunk| endpointer.push(chunk, detector.probability(chunk)));
    for event in events {
        if let Some(Event::Utterance { segment, .. }) = event {
            found.push((segment.start, segment.end()));
        }
    }
    found
}

#[test]
fn a_detector_that_rests_while_a_room_is_still_hears_every_first_word() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = commands(dir.path()).into_iter().chain(wavs()).collect();
    for (n, file) in files.iter().enumerate() {
        let (sound, _) = samples(file);
        let level = (sound.iter().map(|s| s * s).sum::<f32>() / sound.len() as f32).sqrt();
        let room = [Nobody::White, Nobody::Pink, Nobody::Hum][n % 3];
        // Decibels between the voice and the room.
        for distance in [40, 25, 12] {
            let noise =
                room.pcm(6.0 + sound.len() as f32 / 16_000.0, level / 10_f32.powf(distance as f32 / 20.0));
            let mut samples = noise.samples().to_vec();
            samples[4 * 16_000..].iter_mut().zip(&sound).for_each(|(sample, said)| *sample += said);
            let (rested, unrested) = (found(&samples, silero()), found(&samples, silero().always()));
            let name = format!("{} in {room:?} at {distance} dB: {rested:?}, {unrested:?}", file.display());
            assert_eq!(rested.len(), unrested.len(), "{name}");
            for (one, other) in rested.iter().zip(&unrested) {
                let apart = |one: Duration, other: Duration| one.abs_diff(other);
                assert!(apart(one.0, other.0) <= Duration::from_millis(64), "{name}");
                assert!(apart(one.1, other.1) <= Duration::from_millis(200), "{name}");
            }
        }
    }
}

#[test]
fn without_a_model_loudness_finds_the_words_too() {
    let dir = tempfile::tempdir().unwrap();
    for file in commands(dir.path()) {
        let by_silero = segments(&file);
        let by_energy = segments_by(&file, VoiceDetector::energy());
        // Between them nobody falls silent for long, so each finds one utterance or more; together
        // those of loudness must cover the speech that Silero knows of.
        for segment in by_silero {
            let inner = segment.start + Duration::from_millis(400)
                ..segment.end().saturating_sub(Duration::from_millis(700));
            let from = by_energy.iter().map(|s| s.start).min().expect("something was heard");
            let to = by_energy.iter().map(Segment::end).max().unwrap();
            assert!(
                from <= inner.start + Duration::from_millis(100)
                    && to + Duration::from_millis(100) >= inner.end,
                "{}: {from:?} ‥ {to:?} for {inner:?}",
                file.display()
            );
        }
    }
}

#[tokio::test]
async fn half_an_hour_is_heard_in_the_memory_of_a_minute() {
    models::model("tiny.en").await;
    let dir = tempfile::tempdir().unwrap();
    let (once, long) = (dir.path().join("once.wav"), dir.path().join("long.wav"));
    sox(&[path(&wavs()[0]), path(&once), "pad", "0", "180"]);
    let length = samples(&once).0.len() as f64 / 16_000.0;
    let rounds = (1_800.0 / length).ceil() as usize;
    sox(&[path(&once), path(&long), "repeat", &(rounds - 1).to_string()]);
    assert!(fs::metadata(&long).unwrap().len() > 57_000_000);

    let data = dir.path().join("voice-terminal");
    fs::create_dir(&data).unwrap();
    std::os::unix::fs::symlink(models::directory(), data.join("models")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_voice-terminal"))
        .args(["transcribe", "--json", path(&long)])
        .env("XDG_DATA_HOME", dir.path())
        .env("XDG_STATE_HOME", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0_u64;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        most = most.max(now.unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let done = child.wait_with_output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["utterances"].as_array().unwrap().len(), rounds, "{told}");
    // The samples alone would be 115 MB.
    assert!((1..90_000).contains(&most), "{most} KiB");
}

#[test]
fn what_cannot_be_heard_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| -> PathBuf {
        let file = dir.path().join(name);
        fs::write(&file, content).unwrap();
        file
    };
    let missing = dir.path().join("missing.wav");
    assert!(matches!(refusal(&missing), RecordingError::Missing { .. }));
    assert!(matches!(refusal(dir.path()), RecordingError::Directory { .. }));
    assert!(matches!(refusal(&file("empty.wav", b"")), RecordingError::Empty { .. }));
    assert!(matches!(refusal(&file("notes.wav", b"Buy milk.\n")), RecordingError::NotAudio { .. }));
    let random: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert!(matches!(refusal(&file("random.wav", &random)), RecordingError::NotAudio { .. }));
    assert!(matches!(refusal(&file("samples.raw", &random)), RecordingError::Headerless { .. }));
    assert!(refusal(&file("samples.raw", &random)).remedy().contains("sox -t raw"));
    assert!(matches!(refusal(&file("song.mp3", b"ID3\x04etc")), RecordingError::Unsupported { .. }));
    assert!(refusal(&file("song.ogg", b"OggSetc")).remedy().contains("ffmpeg"));
    // An error even for root.
    let circle = dir.path().join("circle.wav");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    assert!(matches!(refusal(&circle), RecordingError::Unreadable { .. }));

    let zero = dir.path().join("zero.wav");
    sox(&["-n", "-r", "16000", "-c", "1", "-b", "16", path(&zero), "trim", "0", "0"]);
    assert!(matches!(refusal(&zero), RecordingError::NoSamples { .. }));
    let zero = dir.path().join("zero.flac");
    sox(&["-n", "-r", "16000", "-c", "1", "-b", "16", path(&zero), "trim", "0", "0"]);
    // Nothing in such a file tells it from one that was cut after its header.
    assert!(matches!(refusal(&zero), RecordingError::NoSamples { .. } | RecordingError::Damaged { .. }));

    let adpcm = dir.path().join("adpcm.wav");
    sox(&[path(&wavs()[0]), "-e", "ms-adpcm", path(&adpcm)]);
    assert!(matches!(refusal(&adpcm), RecordingError::Unsupported { .. }));
    let header = fs::read(&wavs()[0]).unwrap();
    for length in [12, 20, 40, 44] {
        let cut = file("header.wav", &header[..length]);
        assert!(matches!(refusal(&cut), RecordingError::Damaged { .. }), "{length}: {:?}", refusal(&cut));
    }
    let mut absurd = header.clone();
    absurd[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(refusal(&file("absurd.wav", &absurd)), RecordingError::Unsupported { .. }));
}

#[test]
fn a_truncated_recording_gives_what_is_there_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let whole = &wavs()[5];
    let flac = dir.path().join("whole.flac");
    sox(&[path(whole), path(&flac)]);
    let (sound, remark) = samples(whole);
    assert_eq!(remark, None);
    assert_eq!(samples(&flac), (sound.clone(), None));
    for (source, name, slack) in [(whole, "cut.wav", 1), (&flac, "cut.flac", 4096)] {
        let bytes = fs::read(source).unwrap();
        let cut = dir.path().join(name);
        // In the middle of a sample.
        fs::write(&cut, &bytes[..=bytes.len() / 2]).unwrap();
        let (found, remark) = samples(&cut);
        assert!(matches!(remark, Some(Remark::Truncated { .. })), "{name}: {remark:?}");
        assert_eq!(found[..], sound[..found.len()], "{name}");
        if name == "cut.wav" {
            let there = (bytes.len() / 2 + 1 - 44) / 2;
            assert!(there - found.len() <= slack, "{name}: {} of {there}", found.len());
        } else {
            assert!(found.len() > sound.len() / 4, "{name}: {}", found.len());
        }
    }
}

#[test]
fn a_damaged_place_costs_only_that_place() {
    let dir = tempfile::tempdir().unwrap();
    let flac = dir.path().join("damaged.flac");
    sox(&[path(&wavs()[5]), path(&flac)]);
    let (sound, _) = samples(&flac);
    let mut bytes = fs::read(&flac).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 50].fill(0x55);
    fs::write(&flac, bytes).unwrap();
    let (found, remark) = samples(&flac);
    assert!(remark.is_some());
    assert!(found.len() > sound.len() * 8 / 10, "{} of {}", found.len(), sound.len());
}

#[test]
fn a_pipe_of_unknown_length_is_heard_without_complaint() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("piped.wav");
    let mut bytes = fs::read(&wavs()[0]).unwrap();
    let data = bytes.windows(4).position(|window| window == b"data").unwrap();
    // What programs write when they can't go back to fill in the lengths.
    bytes[data + 4..data + 8].copy_from_slice(&0x7FFF_FFFF_u32.to_le_bytes());
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    let (sound, remark) = samples(&file);
    assert_eq!(remark, None);
    assert_eq!(sound, samples(&wavs()[0]).0);
}

/// The first second of a wav and of a flac file.
fn seeds() -> &'static [Vec<u8>; 2] {
    static SEEDS: std::sync::OnceLock<[Vec<u8>; 2]> = std::sync::OnceLock::new();
    SEEDS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        ["seed.wav", "seed.flac"].map(|name| {
            let file = dir.path().join(name);
            sox(&[path(&wavs()[0]), path(&file), "trim", "0", "1"]);
            fs::read(&file).unwrap()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_to_a_header_brings_the_program_down(
        which in 0_usize..2,
        changes in prop::collection::vec((0_usize..120, any::<u8>()), 1..12),
        keep in 1_usize..20_000,
    ) {
        let mut bytes = seeds()[which].clone();
        for (place, value) in changes {
            bytes[place] = value;
        }
        bytes.truncate(keep.max(64));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fuzzed");
        fs::write(&file, bytes).unwrap();
        if let Ok(mut recording) = Recording::open(&file) {
            let mut samples = Vec::new();
            let mut longest = 0;
            while recording.read(&mut samples) && longest < 50_000_000 {
                longest += samples.len();
                prop_assert!(samples.iter().all(|sample| sample.is_finite()));
                samples.clear();
            }
        }
    }
}

//! Sound that programs and servers hand over as wav files.
//!
//! They are not trusted: what is no wav file, breaks off, or is longer than any clause is no sound.

use std::io::Cursor;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::default::formats::WavReader;

use crate::domain::Sound;

/// No clause takes as long, in seconds: a hundred digits, said slowly.
const LONGEST: usize = 120;
/// Who writes to a pipe can't know how many bytes will come, and promises so many or more: espeak-ng two gigabytes,
/// others four.
const UNKNOWN: u32 = 0x7fff_0000;

/// Decodes a whole file. `None` if it is no sound.
pub(in crate::speech) fn decode(bytes: Vec<u8>) -> Option<Sound> {
    if breaks_off(&bytes) {
        return None;
    }
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    // It takes nothing else, so nothing unpacks to more than it was.
    let mut format = WavReader::try_new(stream, FormatOptions::default()).ok()?;
    let track = format.default_track(TrackType::Audio)?;
    let id = track.id;
    let Some(CodecParameters::Audio(codec)) = &track.codec_params else { return None };
    let rate = codec.sample_rate.filter(|rate| (4_000..=192_000).contains(rate))?;
    let mut decoder =
        symphonia::default::get_codecs().make_audio_decoder(codec, &AudioDecoderOptions::default()).ok()?;
    let (mut samples, mut interleaved) = (Vec::new(), Vec::<f32>::new());
    // Where the length is not known, the end is where it ends.
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != id {
            continue;
        }
        let Ok(sound) = decoder.decode(&packet) else { break };
        let channels = sound.spec().channels().count().max(1);
        interleaved.clear();
        sound.copy_to_vec_interleaved(&mut interleaved);
        samples.extend(interleaved.chunks(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32));
        if samples.len() > LONGEST * rate as usize {
            return None;
        }
    }
    (!samples.is_empty()).then(|| Sound::new(samples, rate))
}

/// Whether fewer bytes came than the header promises.
fn breaks_off(bytes: &[u8]) -> bool {
    // Behind "RIFF", a length and "WAVE" come chunks: a name, a length, and so many bytes, padded to an even number.
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((name, length, content)) = chunk(rest) {
        if name == b"data" {
            return length < UNKNOWN && length as usize > content.len();
        }
        rest = content.get((length as usize).next_multiple_of(2)..).unwrap_or_default();
    }
    false
}

/// The name of the first chunk, its length, and all that comes behind that.
fn chunk(bytes: &[u8]) -> Option<(&[u8], u32, &[u8])> {
    let (name, rest) = bytes.split_at_checked(4)?;
    let (length, content) = rest.split_first_chunk()?;
    Some((name, u32::from_le_bytes(*length), content))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    /// A file of so many samples whose header promises so many bytes.
    fn file(samples: usize, promised: u32) -> Vec<u8> {
        let mut file = b"RIFF".to_vec();
        file.extend_from_slice(&promised.saturating_add(36 + 12).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        file.extend_from_slice(&RATE.to_le_bytes());
        file.extend_from_slice(&(RATE * 2).to_le_bytes());
        // A chunk that nobody knows, of an odd length.
        file.extend_from_slice(b"\x02\0\x10\0odd \x03\0\0\0abc\0data");
        file.extend_from_slice(&promised.to_le_bytes());
        file.extend(std::iter::repeat_n([0, 64], samples).flatten());
        file
    }

    fn heard(file: Vec<u8>) -> Option<usize> {
        decode(file).map(|sound| sound.samples().len())
    }

    #[test]
    fn a_file_that_breaks_off_is_no_sound() {
        assert_eq!(heard(file(3_000, 6_000)), Some(3_000));
        // What comes behind the data is none of it.
        assert_eq!(heard(file(3_000, 5_000)), Some(2_500));
        for (came, promised) in [(2_999, 6_000), (1_500, 6_000), (0, 6_000), (3_000, UNKNOWN - 1)] {
            assert_eq!(heard(file(came, promised)), None, "{came} of {promised}");
        }
        // The length is not known: as with espeak-ng, with ffmpeg.
        for promised in [0x7fff_f000, u32::MAX] {
            assert_eq!(heard(file(3_000, promised)), Some(3_000), "{promised:x}");
        }
        for length in 0..60 {
            assert_eq!(heard(file(3_000, 6_000)[..length].to_vec()), None);
        }
    }

    #[test]
    fn a_file_without_end_is_no_sound() {
        let most = LONGEST * RATE as usize;
        assert_eq!(heard(file(most, u32::MAX)), Some(most));
        assert_eq!(heard(file(most + 1, u32::MAX)), None);
    }

    #[test]
    fn only_a_wav_file_is_a_sound() {
        let whole = file(3_000, 6_000);
        for (from, what) in [(0, b"fLaC"), (0, b"RIFX"), (8, b"AVI "), (0, b"\0\0\0\0")] {
            let mut other = whole.clone();
            other[from..from + 4].copy_from_slice(what);
            assert_eq!(heard(other), None, "{what:?}");
        }
        // A file in front of it, which might be looked for.
        assert_eq!(heard([b"ID3\x04\0\0\0\0\0\0".to_vec(), whole].concat()), None);
    }
}

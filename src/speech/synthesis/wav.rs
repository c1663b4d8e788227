//! Sound that programs and servers hand over as wav files.

use std::io::Cursor;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use crate::domain::Sound;

/// Decodes a whole file. `None` if it is no sound.
pub(in crate::speech) fn decode(bytes: Vec<u8>) -> Option<Sound> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    let probe = symphonia::default::get_probe();
    let mut format =
        probe.probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default()).ok()?;
    let track = format.default_track(TrackType::Audio)?;
    let id = track.id;
    let Some(CodecParameters::Audio(codec)) = &track.codec_params else { return None };
    let rate = codec.sample_rate.filter(|rate| (4_000..=192_000).contains(rate))?;
    let mut decoder =
        symphonia::default::get_codecs().make_audio_decoder(codec, &AudioDecoderOptions::default()).ok()?;
    let (mut samples, mut interleaved) = (Vec::new(), Vec::<f32>::new());
    // Programs that write to a pipe can't know the length: the end is where it ends.
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != id {
            continue;
        }
        let Ok(sound) = decoder.decode(&packet) else { break };
        let channels = sound.spec().channels().count().max(1);
        interleaved.clear();
        sound.copy_to_vec_interleaved(&mut interleaved);
        samples.extend(interleaved.chunks(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32));
    }
    (!samples.is_empty()).then(|| Sound::new(samples, rate))
}

//! Recording from the sound server, on a thread of its own.
//!
//! **Mechanics.** The server sends what it records over the connection, resampled to 16 kHz by itself, and on the
//! same connection what happens to its devices; a [`Watch`] follows that. Nothing is polled, and nothing waits but
//! for the server.
//!
//! A server leads the streams of a microphone that is unplugged to whatever source is left, which may be the
//! monitor of the loudspeaker; then every film that is played could give commands. It says so first, and what comes
//! from then on is dropped until the stream is in its place. If there is none, recording ends.

use std::convert::Infallible;

use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{
    ChannelMap, Command, CreateRecordStreamReply, RecordStreamParams, SampleFormat, SampleSpec,
};

use super::device::{Found, Wish};
use super::pulse::{Connection, Event, Message, Reading};
use super::trouble::{Direction, Trouble};
use super::watch::{Change, Watch};
use crate::domain::SAMPLE_RATE;

/// Samples asked for at a time: twice the detector's chunk, since every delivery costs far more than the
/// samples in it.
const PERIOD: u32 = 1024;

/// What a recording tells.
#[derive(Debug)]
pub(super) enum News<'a> {
    /// Mono sound at 16 kHz, as little-endian 16-bit samples.
    Sound(&'a [u8]),
    /// It goes on, but not as before.
    Changed(Change),
    /// It is over.
    Failed(Trouble),
}

/// Begins to record from a device that was chosen because of this wish, until what is returned is dropped.
/// `tell` is called on the recording's thread and must not block.
pub(super) fn record(
    mut connection: Connection,
    device: &Found,
    wish: Wish,
    mut tell: impl FnMut(News<'_>) + Send + 'static,
) -> Result<Reading, Trouble> {
    connection.subscribe(Direction::Input)?;
    let wanted = RecordStreamParams {
        sample_spec: SampleSpec { format: SampleFormat::S16Le, channels: 1, sample_rate: SAMPLE_RATE },
        channel_map: ChannelMap::mono(),
        source_index: Some(device.index),
        // What is not fetched in time is kept, for as long as the server keeps anything.
        buffer_attr: BufferAttr { fragment_size: PERIOD * 2, ..BufferAttr::default() },
        // The whole way takes no longer than a fragment, where the device can do that.
        flags: StreamFlags { adjust_latency: true, ..StreamFlags::default() },
        ..RecordStreamParams::default()
    };
    let begun: CreateRecordStreamReply =
        connection.ask(&Command::CreateRecordStream(wanted), &mut |sound| tell(News::Sound(sound)))?;
    let mut recording = Recording {
        watch: Watch::new(Direction::Input, wish, device),
        stream: begun.stream_index,
        at: device.id.clone(),
        astray: false,
    };
    Reading::start(connection, "audio-in", move |connection| {
        let Err(trouble) = recording.follow(connection, &mut tell);
        tell(News::Failed(trouble));
    })
}

struct Recording {
    watch: Watch,
    /// The server's number for the stream.
    stream: u32,
    /// The id of where it is.
    at: String,
    /// Whether it may be somewhere that must not be heard.
    astray: bool,
}

impl Recording {
    /// Never ends well.
    fn follow(
        &mut self,
        connection: &mut Connection,
        tell: &mut dyn FnMut(News<'_>),
    ) -> Result<Infallible, Trouble> {
        // The device may have changed since it was chosen.
        let mut look = true;
        loop {
            if std::mem::take(&mut look) {
                self.look(connection, tell)?;
            }
            match connection.message()? {
                Message::Sound(sound) => {
                    if !self.astray {
                        tell(News::Sound(sound));
                    }
                }
                Message::News(Event::Changed) => look = true,
                Message::News(Event::Moved(at)) => {
                    // Else it tells that it has been moved as was asked for.
                    if at != self.at {
                        (self.at, self.astray) = (at, true);
                        look = true;
                    }
                }
                Message::News(Event::Killed) => return Err(Trouble::Gone),
            }
        }
    }

    fn look(&mut self, connection: &mut Connection, tell: &mut dyn FnMut(News<'_>)) -> Result<(), Trouble> {
        let Self { watch, stream, at, astray } = self;
        let mut hear = |sound: &[u8]| {
            if !*astray {
                tell(News::Sound(sound));
            }
        };
        let changes = match watch.look(connection, *stream, at, &mut hear) {
            Ok((now, changes)) => {
                (*at, *astray) = (now, false);
                changes
            }
            // Where it was to be moved has gone in the meantime. If that was the last, recording ends now.
            Err(Trouble::NotFound) if connection.has_news() => return Ok(()),
            Err(trouble) => return Err(trouble),
        };
        for change in changes {
            tell(News::Changed(change));
        }
        Ok(())
    }
}

//! Which microphones there are, and which one to take.
//!
//! **Mechanics.** A sound server (PulseAudio, or PipeWire in its guise) is asked when one answers;
//! else ALSA. Not both: where a server runs, ALSA's default device leads back to it, and where the
//! server has no microphone, that would be the loudspeaker's own sound. For the same reason a source
//! named `….monitor` is never a microphone, though the server makes it the default one when there is
//! nothing else.
//!
//! The connection to a server is kept while it works, since its library gives up a connection only
//! when the server speaks next: asking anew each time would use up the server's connections.
//!
//! A server moves streams without a word: when their source is unplugged, or another one becomes the
//! default. Where that leads may be a monitor, so [`SoundSystem::holds`] tells when to choose anew.
//!
//! **Limits.** A source that is unplugged and back between two looks isn't missed; the server then
//! moves the stream back itself. A server is talked to with the user's cookie (`~/.config/pulse/cookie`, or `PULSE_COOKIE`).
//! One that is there while its cookie isn't, as in some containers, is reached through ALSA, where a
//! monitor can't be told from a microphone.
//!
//! Everything here blocks, possibly for ever (a stopped server doesn't answer), and libraries panic
//! on some broken configurations: call it from a thread that can be left behind.

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{Device, ErrorKind, Host, HostId};

use super::microphone::MicrophoneError;

/// An input device, to show to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputDevice {
    /// The name as people know it.
    pub name: String,
    /// The name as the sound system knows it; `audio.input` may be a part of either.
    pub id: String,
    /// Through what it is reached: `PulseAudio` or `ALSA`.
    pub host: String,
    /// Whether it is what `audio.input = "auto"` takes.
    pub default: bool,
    /// Why it can't be used, if it can't.
    pub problem: Option<String>,
}

/// What `audio.input` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Whatever the sound system takes by default.
    Auto,
    /// A part of a name, in lower case.
    Named(String),
}

impl Wish {
    /// `None` when no microphone is wanted.
    pub(super) fn parse(input: &str) -> Option<Self> {
        match input.trim().to_lowercase().as_str() {
            "none" => None,
            "" | "auto" => Some(Self::Auto),
            name => Some(Self::Named(name.to_owned())),
        }
    }
}

/// A device that was chosen.
pub(super) struct Chosen {
    pub(super) device: Device,
    pub(super) name: String,
    /// Whether it is not the one that was asked for by name.
    pub(super) instead: bool,
    /// Where a server puts it; `None` where nobody could move it.
    pub(super) place: Option<Place>,
}

/// What a server's choice of a source for a stream rested on.
#[derive(Clone)]
pub(super) struct Place {
    device: Device,
    default: Option<Device>,
}

/// The sound system of this machine.
#[derive(Default)]
pub(super) struct SoundSystem {
    server: Option<Host>,
}

impl SoundSystem {
    /// Drops the connection to the server, to make a new one next time.
    pub(super) fn forget(&mut self) {
        self.server = None;
    }

    /// The device to listen to.
    pub(super) fn choose(&mut self, wish: &Wish) -> Result<Chosen, MicrophoneError> {
        silence_alsa();
        match self.sources()? {
            Some(Sources { devices, default }) => {
                let microphones = devices.into_iter().filter(|device| !is_monitor(device));
                let usual = default.clone().filter(|device| !is_monitor(device));
                let mut chosen = pick(microphones, usual, wish).ok_or(MicrophoneError::NotFound)?;
                chosen.place = Some(Place { device: chosen.device.clone(), default });
                Ok(chosen)
            }
            None => choose_from_alsa(wish),
        }
    }

    /// Whether a stream is surely still where it was put: its source is there, and the default source
    /// is the same. `None` when the server doesn't say.
    pub(super) fn holds(&self, place: &Place) -> Option<bool> {
        let Sources { devices, default } = Sources::of(self.server.as_ref()?).ok()?;
        Some(devices.contains(&place.device) && default == place.default)
    }

    /// All input devices, whether they can be used or not.
    pub(super) fn list(&mut self) -> Result<Vec<InputDevice>, MicrophoneError> {
        silence_alsa();
        let Some(Sources { devices, default }) = self.sources()? else { return list_alsa() };
        Ok(devices
            .into_iter()
            .map(|device| {
                let monitor = is_monitor(&device);
                let problem = monitor.then(|| "it carries what the loudspeaker plays, not a voice".into());
                let is_default = !monitor && default.as_ref() == Some(&device);
                describe(&device, is_default, problem)
            })
            .collect())
    }

    /// What the server offers; `None` when no server answers.
    fn sources(&mut self) -> Result<Option<Sources>, MicrophoneError> {
        if let Some(host) = &self.server {
            match Sources::of(host) {
                Ok(sources) => return Ok(Some(sources)),
                // The server has gone, perhaps to come back as another process.
                Err(error) => tracing::debug!(%error, "the sound server's connection is dead"),
            }
            self.server = None;
        }
        let host = match cpal::host_from_id(HostId::PulseAudio) {
            Ok(host) => host,
            Err(error) => {
                tracing::debug!(%error, "no sound server answers");
                return Ok(None);
            }
        };
        let sources = Sources::of(&host)?;
        self.server = Some(host);
        Ok(Some(sources))
    }
}

/// The sources of a sound server.
struct Sources {
    devices: Vec<Device>,
    default: Option<Device>,
}

impl Sources {
    fn of(host: &Host) -> Result<Self, cpal::Error> {
        let devices = host.devices()?.filter(DeviceTrait::supports_input).collect();
        Ok(Self { devices, default: host.default_input_device() })
    }
}

fn choose_from_alsa(wish: &Wish) -> Result<Chosen, MicrophoneError> {
    let host = cpal::host_from_id(HostId::Alsa)?;
    // ALSA always names a default device; only asking how it records tells whether there is one.
    let default = host.default_input_device().filter(|device| device.default_input_config().is_ok());
    let devices = match wish {
        Wish::Auto => Vec::new(),
        Wish::Named(_) => host.devices()?.filter(DeviceTrait::supports_input).collect(),
    };
    pick(devices.into_iter(), default, wish).ok_or(MicrophoneError::NotFound)
}

/// Devices that ALSA would play on, convert or route through are left out: opening all of them would
/// start programs and print their complaints.
fn list_alsa() -> Result<Vec<InputDevice>, MicrophoneError> {
    let host = cpal::host_from_id(HostId::Alsa)?;
    let hardware =
        host.devices()?.filter(|device| id(device).starts_with("plughw:") && device.supports_input());
    let default = host.default_input_device();
    Ok(default
        .into_iter()
        .map(|device| (device, true))
        .chain(hardware.map(|device| (device, false)))
        .map(|(device, is_default)| {
            let problem =
                device.default_input_config().err().map(|error| MicrophoneError::from(error).to_string());
            describe(&device, is_default, problem)
        })
        .collect())
}

fn pick(devices: impl Iterator<Item = Device>, default: Option<Device>, wish: &Wish) -> Option<Chosen> {
    let mut devices: Vec<Device> = devices.collect();
    let named = match wish {
        Wish::Auto => None,
        Wish::Named(part) => devices.iter().position(|device| is_called(device, part)),
    };
    let device = match named {
        Some(place) => devices.swap_remove(place),
        None => default.or_else(|| devices.into_iter().next())?,
    };
    let instead = named.is_none() && *wish != Wish::Auto;
    Some(Chosen { name: name(&device), device, instead, place: None })
}

fn describe(device: &Device, default: bool, problem: Option<String>) -> InputDevice {
    let host = match device.id().map(|id| id.host()) {
        Ok(HostId::PulseAudio) => "PulseAudio",
        _ => "ALSA",
    };
    InputDevice { name: name(device), id: id(device), host: host.into(), default, problem }
}

fn name(device: &Device) -> String {
    device.description().map_or_else(|_| id(device), |description| description.name().to_owned())
}

fn id(device: &Device) -> String {
    device.id().map(|id| id.id().to_owned()).unwrap_or_default()
}

/// Whether a part of its name, as people or as the sound system knows it, is this (in lower case).
pub(super) fn is_called(device: &Device, part: &str) -> bool {
    name(device).to_lowercase().contains(part) || id(device).to_lowercase().contains(part)
}

fn is_monitor(device: &Device) -> bool {
    id(device).ends_with(".monitor")
}

impl From<cpal::Error> for MicrophoneError {
    fn from(error: cpal::Error) -> Self {
        tracing::debug!(%error, kind = ?error.kind(), "the sound system reports an error");
        match error.kind() {
            ErrorKind::DeviceBusy => Self::Busy,
            ErrorKind::PermissionDenied => Self::Forbidden,
            ErrorKind::DeviceNotAvailable => Self::NotFound,
            ErrorKind::UnsupportedConfig | ErrorKind::UnsupportedOperation => Self::Unsupported,
            ErrorKind::HostUnavailable | ErrorKind::StreamInvalidated => Self::ServerGone,
            _ => Self::Broken,
        }
    }
}

/// ALSA's library writes its complaints to standard error, across the prompt. They come back as
/// error codes as well.
pub(super) fn silence_alsa() {
    #[cfg(target_os = "linux")]
    {
        use std::ffi::{c_char, c_int};
        use std::sync::Once;

        type Handler = unsafe extern "C" fn(*const c_char, c_int, *const c_char, c_int, *const c_char);
        unsafe extern "C" {
            // The handler is variadic in C. What it has beyond its fixed arguments is never looked
            // at, and on Linux the fixed ones are passed alike either way.
            fn snd_lib_error_set_handler(handler: Option<Handler>) -> c_int;
        }
        unsafe extern "C" fn say_nothing(
            _: *const c_char,
            _: c_int,
            _: *const c_char,
            _: c_int,
            _: *const c_char,
        ) {
        }
        static ONCE: Once = Once::new();
        // SAFETY: libasound is linked by cpal; the handler is a function that lives for ever and
        // touches nothing; `Once` keeps two threads from setting it at the same time.
        ONCE.call_once(|| unsafe {
            snd_lib_error_set_handler(Some(say_nothing));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_auto_none_or_a_name() {
        assert_eq!(Wish::parse("none"), None);
        assert_eq!(Wish::parse(" Auto "), Some(Wish::Auto));
        assert_eq!(Wish::parse(""), Some(Wish::Auto));
        assert_eq!(Wish::parse("Blue Yeti"), Some(Wish::Named("blue yeti".into())));
    }
}

//! Which microphones and loudspeakers there are, and which one to take.
//!
//! **Mechanics.** A sound server (PulseAudio, or PipeWire in its guise) is asked when one is there; else ALSA.
//! Not both: where a server runs, ALSA's default device leads back to it, and where the server has no
//! microphone, that would be the loudspeaker's own sound. For the same reason a source that is a sink's monitor
//! is never a microphone, though the server makes it the default one when there is nothing else.
//!
//! A device that was chosen by name and isn't there is told with those that are nearest in name, and the default
//! device is taken until it is there. ALSA tells nobody of a device that comes; so whoever waits for one looks at
//! the nodes of the sound cards.
//!
//! Everything here blocks, ALSA possibly for ever, and libraries panic on some broken configurations: call it
//! from a thread that can be left behind.

use std::ffi::OsString;
use std::path::Path;

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{Device, HostId};
use rustix::fs::{Access, access};
use serde::Serialize;

use super::pulse::{Connection, Offer, ignore};
use super::trouble::{Direction, Trouble};

/// Where Linux has the nodes of sound cards.
const NODES: &str = "/dev/snd";
/// How many near names are told.
const NEAREST: usize = 3;

/// A device, to show to the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedDevice {
    /// The name as people know it.
    pub name: String,
    /// The name as the sound system knows it; `audio.input` or `audio.output` may be a part of either.
    pub id: String,
    /// Through what it is reached: `PulseAudio` or `ALSA`.
    pub host: String,
    /// Whether it is what "auto" takes.
    pub default: bool,
    /// Whether it is what the configuration takes now.
    pub in_use: bool,
    /// Why it can't be used, if it can't.
    pub problem: Option<String>,
}

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Whatever the sound system takes by default.
    Auto,
    /// A name, or a part of one.
    Named(String),
}

impl Wish {
    /// `None` when no device is wanted.
    pub(super) fn parse(setting: &str) -> Option<Self> {
        let setting = setting.trim();
        match setting.to_lowercase().as_str() {
            "none" => None,
            "" | "auto" => Some(Self::Auto),
            _ => Some(Self::Named(setting.to_owned())),
        }
    }
}

/// A device that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The server's number for it.
    pub(super) index: u32,
    pub(super) id: String,
    pub(super) name: String,
    /// Whether it carries what a loudspeaker plays.
    pub(super) monitor: bool,
    /// Whether the server silences it.
    pub(super) muted: bool,
}

impl Found {
    /// Whether this is a part of its name or its id.
    fn is_called(&self, wish: &str) -> bool {
        let wish = wish.to_lowercase();
        [&self.id, &self.name].iter().any(|name| name.to_lowercase().contains(&wish))
    }
}

/// A device that was chosen.
pub(super) struct Chosen {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) missing: Option<Missing>,
}

/// Where it is.
pub(super) enum Place {
    /// At the server.
    Server { connection: Connection, device: Found },
    /// A device of ALSA's.
    Alsa(Box<Device>),
}

/// That the device that was asked for by name is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    wish: String,
    nearest: Vec<String>,
}

impl Missing {
    /// A sentence for the user, with what serves in its place.
    pub(super) fn told(&self, direction: Direction, doing: &str) -> String {
        let Self { wish, nearest } = self;
        let near = match nearest.as_slice() {
            [] => String::new(),
            names => format!(" (the nearest: “{}”)", names.join("”, “")),
        };
        format!(
            "No {} is called “{wish}”{near}; {doing} until it is there. `voice-terminal devices` lists them.",
            direction.device()
        )
    }
}

/// Chooses a device. Blocks.
pub(super) fn choose(direction: Direction, wish: &Wish) -> Result<Chosen, Trouble> {
    silence_alsa();
    match Connection::open() {
        Ok(mut connection) => {
            let offer = connection.offer(direction, &mut ignore)?;
            let pick = pick(&offer, wish).ok_or(Trouble::NotFound)?;
            let device = pick.device.clone();
            let (name, missing) = (device.name.clone(), pick.missing);
            Ok(Chosen { place: Place::Server { connection, device }, name, missing })
        }
        Err(Trouble::NotFound) => choose_from_alsa(direction, wish),
        Err(trouble) => Err(trouble),
    }
}

/// What was picked out of an offer.
pub(super) struct Pick<'a> {
    pub(super) device: &'a Found,
    pub(super) missing: Option<Missing>,
}

/// Picks a device out of what there is: the one whose name or id it is, else one of which it is a part,
/// else the default one, else any.
pub(super) fn pick<'a>(offer: &'a Offer, wish: &Wish) -> Option<Pick<'a>> {
    let usable: Vec<&Found> = offer.devices.iter().filter(|device| !device.monitor).collect();
    let missing = match wish {
        Wish::Auto => None,
        Wish::Named(wish) => {
            let lower = wish.to_lowercase();
            let is_whole =
                |device: &&&Found| [&device.id, &device.name].iter().any(|it| it.to_lowercase() == lower);
            let part = || usable.iter().find(|device| device.is_called(wish));
            if let Some(device) = usable.iter().find(is_whole).or_else(part) {
                return Some(Pick { device, missing: None });
            }
            Some(Missing { wish: wish.clone(), nearest: nearest(&lower, &usable) })
        }
    };
    let default = usable.iter().find(|device| offer.default.as_ref() == Some(&device.id));
    Some(Pick { device: default.or(usable.first())?, missing })
}

/// The names that are most like a wish, best first.
fn nearest(wish: &str, devices: &[&Found]) -> Vec<String> {
    // Of a long name, the part that is most like it counts.
    let likeness = |name: &str| {
        let name = name.to_lowercase();
        let words = name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        let whole = strsim::jaro_winkler(wish, &name);
        words.map(|word| strsim::jaro_winkler(wish, word)).fold(whole, f64::max)
    };
    let mut near: Vec<(f64, &str)> = devices
        .iter()
        .map(|device| (likeness(&device.name).max(likeness(&device.id)), device.name.as_str()))
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    near.into_iter().take(NEAREST).map(|(_, name)| name.to_owned()).collect()
}

/// All devices of a direction, whether they can be used or not; `setting` tells which is in use. Blocks.
pub(super) fn list(direction: Direction, setting: &str) -> Result<Vec<ListedDevice>, Trouble> {
    silence_alsa();
    let wish = Wish::parse(setting);
    let mut connection = match Connection::open() {
        Ok(connection) => connection,
        Err(Trouble::NotFound) => return list_alsa(direction, wish.as_ref()),
        Err(trouble) => return Err(trouble),
    };
    let offer = connection.offer(direction, &mut ignore)?;
    let used = wish.and_then(|wish| Some(pick(&offer, &wish)?.device.id.clone()));
    let listed = offer.devices.iter().map(|device| ListedDevice {
        name: device.name.clone(),
        id: device.id.clone(),
        host: "PulseAudio".into(),
        default: !device.monitor && offer.default.as_ref() == Some(&device.id),
        in_use: used.as_ref() == Some(&device.id),
        problem: if device.monitor {
            Some("it carries what the loudspeaker plays, not a voice".into())
        } else {
            device.muted.then(|| format!("it is muted; unmute it: {}", unmute(direction, &device.id)))
        },
    });
    Ok(listed.collect())
}

/// The command that unmutes a device at the server.
pub(super) fn unmute(direction: Direction, id: &str) -> String {
    let kind = match direction {
        Direction::Input => "source",
        Direction::Output => "sink",
    };
    format!("pactl set-{kind}-mute {id} 0")
}

fn choose_from_alsa(direction: Direction, wish: &Wish) -> Result<Chosen, Trouble> {
    let host = cpal::host_from_id(HostId::Alsa)?;
    // ALSA always names a default device; only asking what it can do tells whether there is one.
    let (mut devices, mut trouble) = (Vec::new(), Trouble::NotFound);
    if let Some(device) = default_of(&host, direction) {
        match works(&device, direction) {
            Ok(()) => devices.push(device),
            // Of a card that is there. The rest means that there is none, in many words.
            Err(error @ (Trouble::Busy | Trouble::Forbidden)) => trouble = error,
            Err(_) => {}
        }
    }
    let default = devices.first().map(id);
    if let Wish::Named(wish) = wish {
        // Asking a device what it can do opens it; opening all of them would start programs and print their complaints.
        let is_meant = |device: &Device| is_hardware(device) || found((0, device)).is_called(wish);
        devices.extend(host.devices()?.filter(|device| is_meant(device) && is_for(device, direction)));
    }
    let offer = Offer { devices: devices.iter().enumerate().map(found).collect(), default };
    let Some(pick) = pick(&offer, wish) else {
        let is_forbidden = forbidden(direction, Path::new(NODES));
        return Err(if is_forbidden { Trouble::Forbidden } else { trouble });
    };
    let (at, name, missing) = (pick.device.index as usize, pick.device.name.clone(), pick.missing);
    Ok(Chosen { place: Place::Alsa(Box::new(devices.swap_remove(at))), name, missing })
}

/// The default device and the hardware; see [`choose_from_alsa`] for why not all.
fn list_alsa(direction: Direction, wish: Option<&Wish>) -> Result<Vec<ListedDevice>, Trouble> {
    let host = cpal::host_from_id(HostId::Alsa)?;
    let hardware = host.devices()?.filter(|device| is_hardware(device) && is_for(device, direction));
    let devices: Vec<Device> = default_of(&host, direction).into_iter().chain(hardware).collect();
    let offer =
        Offer { devices: devices.iter().enumerate().map(found).collect(), default: devices.first().map(id) };
    let used = wish.and_then(|wish| Some(pick(&offer, wish)?.device.index));
    if forbidden(direction, Path::new(NODES)) {
        return Err(Trouble::Forbidden);
    }
    let listed = devices.iter().zip(&offer.devices).map(|(device, found)| {
        let problem = works(device, direction).err().map(|error| error.what(direction));
        ListedDevice {
            name: found.name.clone(),
            id: found.id.clone(),
            host: "ALSA".into(),
            default: found.index == 0,
            in_use: problem.is_none() && used == Some(found.index),
            problem,
        }
    });
    Ok(listed.collect())
}

/// Whether there are sound cards whose nodes this user may not open.
fn forbidden(direction: Direction, nodes: &Path) -> bool {
    let end = match direction {
        Direction::Input => 'c',
        Direction::Output => 'p',
    };
    let is_node = |name: &str| name.starts_with("pcm") && name.ends_with(end);
    let nodes = std::fs::read_dir(nodes).into_iter().flatten().flatten();
    let mut nodes = nodes.filter(|node| node.file_name().to_str().is_some_and(is_node)).peekable();
    nodes.peek().is_some()
        && nodes.all(|node| access(node.path(), Access::READ_OK | Access::WRITE_OK).is_err())
}

/// The nodes of the sound cards that there are now. A device that is missing would be among them.
pub(super) fn nodes() -> Vec<OsString> {
    let nodes = std::fs::read_dir(NODES).into_iter().flatten().flatten();
    let mut nodes: Vec<OsString> = nodes.map(|node| node.file_name()).collect();
    nodes.sort();
    nodes
}

fn is_hardware(device: &Device) -> bool {
    id(device).starts_with("plughw:")
}

fn default_of(host: &cpal::Host, direction: Direction) -> Option<Device> {
    match direction {
        Direction::Input => host.default_input_device(),
        Direction::Output => host.default_output_device(),
    }
}

fn works(device: &Device, direction: Direction) -> Result<(), Trouble> {
    let config = match direction {
        Direction::Input => device.default_input_config(),
        Direction::Output => device.default_output_config(),
    };
    config.map(drop).map_err(Trouble::from)
}

fn is_for(device: &Device, direction: Direction) -> bool {
    match direction {
        Direction::Input => device.supports_input(),
        Direction::Output => device.supports_output(),
    }
}

fn found((at, device): (usize, &Device)) -> Found {
    let id = id(device);
    let name = device.description().map_or_else(|_| id.clone(), |described| described.name().to_owned());
    Found { index: u32::try_from(at).unwrap_or(u32::MAX), id, name, monitor: false, muted: false }
}

/// The name as the sound system knows it.
pub(super) fn id(device: &Device) -> String {
    device.id().map(|id| id.id().to_owned()).unwrap_or_default()
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn device(id: &str, name: &str) -> Found {
        let monitor = id.ends_with(".monitor");
        Found { index: 0, id: id.into(), name: name.into(), monitor, muted: false }
    }

    fn offer() -> Offer {
        let devices = vec![
            device("speaker.monitor", "Monitor of Speaker"),
            device("alsa_input.pci.analog", "Built-in Audio Analog Stereo"),
            device("alsa_input.usb-Blue", "Yeti Stereo Microphone"),
            device("alsa_input.usb-Blue.2", "Yeti"),
        ];
        Offer { devices, default: Some("alsa_input.pci.analog".into()) }
    }

    fn picked(wish: &str) -> (String, Option<Vec<String>>) {
        let offer = offer();
        let pick = pick(&offer, &Wish::parse(wish).unwrap()).unwrap();
        (pick.device.id.clone(), pick.missing.map(|missing| missing.nearest))
    }

    #[test]
    fn a_wish_is_auto_none_or_a_name() {
        assert_eq!(Wish::parse("none"), None);
        assert_eq!(Wish::parse(" Auto "), Some(Wish::Auto));
        assert_eq!(Wish::parse(""), Some(Wish::Auto));
        assert_eq!(Wish::parse(" Blue Yeti"), Some(Wish::Named("Blue Yeti".into())));
    }

    #[test]
    fn a_whole_name_goes_before_a_part_of_one() {
        assert_eq!(picked("yeti"), ("alsa_input.usb-Blue.2".into(), None));
        assert_eq!(picked("yeti stereo"), ("alsa_input.usb-Blue".into(), None));
        assert_eq!(picked("usb-blue"), ("alsa_input.usb-Blue".into(), None));
        assert_eq!(picked("auto"), ("alsa_input.pci.analog".into(), None));
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is_near() {
        let (id, nearest) = picked("jeti");
        assert_eq!(id, "alsa_input.pci.analog", "the default one serves");
        let nearest = nearest.unwrap();
        assert!(nearest[0].starts_with("Yeti"), "{nearest:?}");
        assert!(!nearest.iter().any(|name| name.contains("Monitor")), "{nearest:?}");
        let told = Missing { wish: "jeti".into(), nearest }.told(Direction::Input, "listening to X");
        assert!(told.starts_with("No microphone is called “jeti” (the nearest: “Yeti"), "{told}");
    }

    #[test]
    fn a_monitor_is_never_picked() {
        let offer = Offer {
            devices: vec![device("speaker.monitor", "Monitor")],
            default: Some("speaker.monitor".into()),
        };
        assert!(pick(&offer, &Wish::Auto).is_none());
        assert!(pick(&offer, &Wish::Named("monitor".into())).is_none());
    }

    #[test]
    fn nodes_that_cannot_be_opened_are_forbidden() {
        let nodes = tempfile::tempdir().unwrap();
        assert!(!forbidden(Direction::Input, nodes.path()), "there are none");
        for name in ["controlC0", "pcmC0D0c", "pcmC0D0p"] {
            std::fs::write(nodes.path().join(name), "").unwrap();
        }
        assert!(!forbidden(Direction::Input, nodes.path()));
        let node = nodes.path().join("pcmC0D0c");
        std::fs::set_permissions(&node, PermissionsExt::from_mode(0o000)).unwrap();
        // Root may open anything.
        let is_root = rustix::process::geteuid().is_root();
        assert_eq!(forbidden(Direction::Input, nodes.path()), !is_root);
        assert!(!forbidden(Direction::Output, nodes.path()));
    }
}

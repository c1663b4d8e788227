//! Why a device can't be used, in the words of both directions.

use crate::breaker::{Class, Classify};

/// Which way sound goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a microphone.
    Input,
    /// To a loudspeaker.
    Output,
}

impl Direction {
    /// What such a device is called.
    pub fn device(self) -> &'static str {
        match self {
            Self::Input => "microphone",
            Self::Output => "loudspeaker",
        }
    }
}

/// Why a device can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error("no device was found")]
    NotFound,
    #[error("the device is used by another program")]
    Busy,
    #[error("the device may not be used")]
    Forbidden,
    #[error("the sound server refuses this user")]
    Refused,
    #[error("the device has no kind of sound that is understood")]
    Unsupported,
    #[error("the sound server has gone")]
    ServerGone,
    #[error("the device went away")]
    Gone,
    #[error("the device delivers nothing")]
    Silent,
    #[error("the sound system does not answer")]
    Stuck,
    #[error("the sound system does not work")]
    Broken,
}

impl Trouble {
    /// What is wrong, to tell the user.
    pub(super) fn what(self, direction: Direction) -> String {
        let device = direction.device();
        match self {
            Self::NotFound => format!("no {device} was found"),
            Self::Busy => format!("the {device} is used by another program"),
            Self::Forbidden => format!("the {device} may not be used: permission is denied"),
            Self::Refused => "the sound server refuses this user: permission is denied".into(),
            Self::Unsupported => format!("the {device} has no kind of sound that is understood"),
            Self::Gone => format!("the {device} went away"),
            Self::Silent => format!("the {device} delivers nothing"),
            Self::ServerGone | Self::Stuck | Self::Broken => self.to_string(),
        }
    }

    /// What the user can do about it.
    pub(super) fn remedy(self, direction: Direction) -> &'static str {
        match (self, direction) {
            (Self::NotFound, Direction::Input) => {
                "plug one in, and it is taken up; `voice-terminal devices` lists what there is"
            }
            (Self::NotFound, Direction::Output) => {
                "connect one, and it is used; `voice-terminal devices` lists what there is"
            }
            (Self::Busy, _) => {
                "close the program that uses it, or choose another one: `voice-terminal devices`"
            }
            (Self::Forbidden, _) => {
                "add yourself to the group that owns it, and log in again: sudo usermod -aG audio $USER"
            }
            (Self::Refused, _) => {
                "run voice-terminal as the user who is logged in, without sudo, or give it that user's cookie \
                 with PULSE_COOKIE"
            }
            (Self::Unsupported, _) => "choose another one: `voice-terminal devices` lists them",
            (Self::ServerGone, _) => {
                "it is taken up again when the server is back: systemctl --user restart pipewire-pulse (or pulseaudio)"
            }
            (Self::Gone, _) => "it is used again when it is back",
            (Self::Silent, _) => "unplug it and plug it in again, or restart the sound server",
            (Self::Stuck | Self::Broken, _) => "restart the sound server; the log has the details",
        }
    }
}

impl Classify for Trouble {
    /// A machine without a device has a sound system that works: that it has none, or not for this user, is an
    /// answer, and must not delay taking one up that is plugged in or allowed.
    fn class(&self) -> Class {
        match self {
            Self::NotFound | Self::Forbidden | Self::Refused => Class::Caller,
            _ => Class::Failure,
        }
    }
}

impl From<cpal::Error> for Trouble {
    fn from(error: cpal::Error) -> Self {
        use cpal::ErrorKind;

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

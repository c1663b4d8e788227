//! Keeps a stream at the sound server where it belongs.
//!
//! **Why.** A server moves streams by its own rules: away from a device that is unplugged, to another default
//! device, or not. The user chose a device, or the default one, and is to be told once where sound goes.
//!
//! **Mechanics.** After each of the server's news the devices are asked for anew. If another one is right now (the
//! default one has changed, the chosen one is there again, or is gone) and the stream isn't there, it is moved
//! there: nothing of what is being said is lost.
//!
//! A stream that the user moves by hand stays there: it was asked for. Only a microphone's stream is never left at
//! a monitor of a loudspeaker, where servers lead it when its microphone is unplugged.

use pulseaudio::protocol::{Command, MoveStreamParams};

use super::device::{self, Found, Missing, Wish};
use super::pulse::Connection;
use super::trouble::{Direction, Trouble};

/// What has changed about a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It is at another device now.
    Moved {
        /// The device's name, as people know it and as the server does.
        name: String,
        id: String,
        /// That it is not the one that was asked for by name.
        missing: Option<Missing>,
    },
    /// The server silences the device, which this command would end; or doesn't any more.
    Muted(Option<String>),
}

/// Watches over one stream.
#[derive(Debug)]
pub(super) struct Watch {
    direction: Direction,
    wish: Wish,
    /// The id of what was picked.
    picked: String,
    /// Where it was when that was told last.
    told: String,
    muted: bool,
}

impl Watch {
    /// Over a stream that was put on this device, because of this wish.
    pub(super) fn new(direction: Direction, wish: Wish, device: &Found) -> Self {
        Self { direction, wish, picked: device.id.clone(), told: device.id.clone(), muted: false }
    }

    /// Looks where stream number `stream` is to be, that is at the device `at` now; moves it if need be. Gives where it
    /// is then, and what the user is to be told.
    ///
    /// # Errors
    /// [`Trouble::NotFound`] if there is no device any more.
    pub(super) fn look(
        &mut self,
        connection: &mut Connection,
        stream: u32,
        at: &str,
        meanwhile: &mut dyn FnMut(&[u8]),
    ) -> Result<(String, Vec<Change>), Trouble> {
        let offer = connection.offer(self.direction, meanwhile)?;
        let pick = device::pick(&offer, &self.wish).ok_or(Trouble::NotFound)?;
        let is_new = pick.device.id != self.picked;
        let here = offer.devices.iter().find(|device| device.id == at && !device.monitor);
        let here = if let Some(here) = here.filter(|here| !is_new || here.id == pick.device.id) {
            here
        } else {
            self.move_to(connection, stream, pick.device, meanwhile)?;
            pick.device
        };
        self.picked.clone_from(&pick.device.id);
        let mut changes = Vec::new();
        if here.id != self.told {
            self.told.clone_from(&here.id);
            let missing = pick.missing.filter(|_| here.id == pick.device.id);
            changes.push(Change::Moved { name: here.name.clone(), id: here.id.clone(), missing });
        }
        if here.muted != self.muted {
            self.muted = here.muted;
            changes.push(Change::Muted(here.muted.then(|| device::unmute(self.direction, &here.id))));
        }
        Ok((here.id.clone(), changes))
    }

    fn move_to(
        &self,
        connection: &mut Connection,
        stream: u32,
        device: &Found,
        meanwhile: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Trouble> {
        tracing::info!("moving the stream to {}", device.name);
        let there =
            MoveStreamParams { index: Some(stream), device_index: Some(device.index), device_name: None };
        let order = match self.direction {
            Direction::Input => Command::MoveSourceOutput(there),
            Direction::Output => Command::MoveSinkInput(there),
        };
        connection.tell(&order, meanwhile)
    }
}

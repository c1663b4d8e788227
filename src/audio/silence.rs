//! Notices that a microphone is silenced, and that it no longer is.
//!
//! **Mechanics.** What the sound server mutes, it says. What is silenced elsewhere (a switch on the device, a
//! missing permission) delivers zeros: an open microphone always hisses. But some devices gate their noise, and are
//! exactly silent whenever nobody speaks; so that is told once, and that sound has come, once.

use super::guarded::{Heard, changed, muted};
use super::microphone::Microphone;
use super::watch::Change;
use crate::domain::SAMPLE_RATE;

/// Exact silence for this long comes from no open microphone.
const AFTER: usize = 10 * SAMPLE_RATE as usize;

/// Follows one stream.
#[derive(Debug, Default)]
pub(super) struct Silence {
    zeros: usize,
    told: Told,
    muted: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    Silent,
    Back,
}

impl Silence {
    /// Takes what was heard since the last call, which may be nothing, and what has changed before; gives what is to
    /// be told.
    pub(super) fn hear(
        &mut self,
        samples: &[f32],
        changes: Vec<Change>,
        microphone: &Microphone,
    ) -> Vec<Heard> {
        let name = &microphone.name;
        let mut told: Vec<Heard> = changes.into_iter().map(|change| self.change(change, name)).collect();
        let now = (!self.muted).then(|| self.notices(samples)).flatten();
        told.extend(now.map(|now| {
            Heard::Notice(match now {
                Told::Silent => format!(
                    "Nothing but exact silence comes from {name}: it may be muted, or a permission is missing. {}",
                    microphone.unmuting()
                ),
                _ => format!("Sound comes from {name} again."),
            })
        }));
        told
    }

    fn change(&mut self, change: Change, name: &str) -> Heard {
        match change {
            Change::Moved { name, missing, .. } => Heard::Notice(changed(&name, missing.as_ref())),
            Change::Muted(Some(unmute)) => {
                self.muted = true;
                Heard::Lost { degradation: muted(name, &unmute) }
            }
            Change::Muted(None) => {
                self.muted = false;
                self.zeros = 0;
                Heard::Recovered { device: name.to_owned() }
            }
        }
    }

    fn notices(&mut self, samples: &[f32]) -> Option<Told> {
        // Plus or minus zero: everything but the sign bit is clear.
        let trailing = samples.iter().rev().take_while(|sample| sample.to_bits() << 1 == 0).count();
        let is_silent = trailing == samples.len();
        self.zeros = if is_silent { self.zeros + trailing } else { trailing };
        let now = match self.told {
            Told::Nothing if self.zeros >= AFTER => Told::Silent,
            Told::Silent if !is_silent => Told::Back,
            _ => return None,
        };
        self.told = now;
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_silence_and_its_end_are_told_once_and_hiss_never() {
        let mut silence = Silence::default();
        let (zeros, mut hiss) = ([0.0; 1000], [-0.0; 1000]);
        hiss[500] = 1.0 / 32_768.0;
        let mut told = Vec::new();
        for _ in 0..3 {
            for _ in 0..1000 {
                told.extend(silence.notices(&zeros));
            }
            told.extend(silence.notices(&[]));
            told.extend(silence.notices(&hiss));
        }
        assert_eq!(told, [Told::Silent, Told::Back]);
        let mut hissing = Silence::default();
        assert!((0..1000).all(|_| hissing.notices(&hiss).is_none()));
    }
}

//! How much of a clause is made before it begins to sound: as little as can be, but so much that what is made later
//! is there in time.
//!
//! **Mechanics.** What has been made tells how long a frame takes on this machine now. If, at that speed, each coming
//! window would be there before those ahead of it have been heard, the clause begins; else the next window is made
//! first. (The first window takes longer a frame than the others, the more so the busier the machine is, which is
//! margin enough.) With cores to spare that is so with the first window. On a very busy machine the voice comes a
//! little later, instead of stopping in the middle of a word.
//!
//! **Limits.** Waiting has an end: from a machine that can't keep up at all it is heard with gaps. What sounds ahead
//! of a clause is not known here: it may be held back where it need not be, which lengthens a pause at most.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::error::SynthesisError;
use super::piper::Windows;
use crate::domain::Sound;

/// A clause is held back for so long at most.
const MOST: Duration = Duration::from_secs(1);

/// A window that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effort {
    /// Frames that must be worked at.
    pub(super) made: usize,
    /// Frames of these that are heard.
    pub(super) heard: usize,
}

/// The windows of a clause, from when they can be heard without a gap.
pub(super) struct Lead<'a> {
    windows: Windows<'a>,
    began: Instant,
    has_begun: bool,
    held: VecDeque<Result<Sound, SynthesisError>>,
}

impl<'a> Lead<'a> {
    /// Of windows of which none has been made. The clock runs from now on.
    pub(super) fn of(windows: Windows<'a>) -> Self {
        Self { windows, began: Instant::now(), has_begun: false, held: VecDeque::new() }
    }

    /// Whether all that is to come will be there in time, or has been waited for long enough.
    fn may_begin(&self) -> bool {
        let took = self.began.elapsed();
        let Effort { made, heard } = self.windows.so_far();
        let ahead: Duration = self.held.iter().flatten().map(Sound::duration).sum();
        let per_frame = |time: Duration, frames: usize| time.as_secs_f64() / frames.max(1) as f64;
        let speed = Speed { make: per_frame(took, made), hear: per_frame(ahead, heard) };
        took >= MOST || speed.is_in_time(heard, self.windows.to_come())
    }
}

/// Blocks, at first for as long as it takes to be ahead, then for a window.
impl Iterator for Lead<'_> {
    type Item = Result<Sound, SynthesisError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.has_begun {
            let window = self.windows.next();
            let is_sound = matches!(window, Some(Ok(_)));
            self.held.extend(window);
            self.has_begun = !is_sound || self.may_begin();
        }
        self.held.pop_front().or_else(|| self.windows.next())
    }
}

/// Seconds that a frame takes.
struct Speed {
    make: f64,
    hear: f64,
}

impl Speed {
    /// Whether each window is made before what is ahead of it has been heard, with so many frames ahead of the first.
    fn is_in_time(&self, ahead: usize, mut windows: impl Iterator<Item = Effort>) -> bool {
        let (mut made, mut heard) = (0, ahead);
        windows.all(|window| {
            made += window.made;
            let is_in_time = made as f64 * self.make <= heard as f64 * self.hear;
            heard += window.heard;
            is_in_time
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_when_nothing_will_be_late() {
        let windows = [(43, 21), (71, 49), (136, 114)].map(|(made, heard)| Effort { made, heard });
        let is_in_time =
            |make: f64, ahead| Speed { make, hear: 1.0 }.is_in_time(ahead, windows.iter().copied());
        assert!(is_in_time(0.3, 16));
        // The second window would be there in time, and the third would not.
        assert!(!is_in_time(0.34, 16));
        assert!(!is_in_time(0.5, 16));
        assert!(is_in_time(0.5, 60));
        assert!(Speed { make: 9.0, hear: 1.0 }.is_in_time(16, std::iter::empty()));
    }
}

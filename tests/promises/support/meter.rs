//! When something sounds, by the clock of the test.

use std::io::Read;
use std::process::{Child, ChildStdout};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::user::until;

/// Louder than this is sound: a fiftieth of full scale.
const SOUND: u16 = 650;
/// Samples in a block of 10 ms.
const BLOCK: usize = 160;

/// Listens to a device.
pub struct Meter {
    child: Child,
    loud: Arc<Mutex<Vec<Instant>>>,
}

impl Meter {
    /// Reads 16 kHz mono, 16 bit, from a recorder that goes on until it is killed.
    pub fn new(mut recorder: Child) -> Self {
        let loud = Arc::<Mutex<Vec<Instant>>>::default();
        let (stdout, heard) = (recorder.stdout.take().unwrap(), Arc::clone(&loud));
        std::thread::spawn(move || note(stdout, &heard));
        Self { child: recorder, loud }
    }

    /// The first sound after that moment.
    pub fn first_after(&self, begin: Instant) -> Option<Instant> {
        self.loud.lock().unwrap().iter().copied().find(|at| *at > begin)
    }

    /// Waits until something was said after that moment, and then nothing for a while.
    pub fn has_spoken_since(&self, begin: Instant) {
        until("it has spoken", || {
            let last = self.last().filter(|last| *last > begin);
            last.is_some_and(|last| last.elapsed() > Duration::from_secs(2))
        });
    }

    /// The last sound.
    pub fn last(&self) -> Option<Instant> {
        self.loud.lock().unwrap().last().copied()
    }
}

fn note(mut stdout: ChildStdout, loud: &Mutex<Vec<Instant>>) {
    let mut block = [0; 2 * BLOCK];
    while stdout.read_exact(&mut block).is_ok() {
        let sounds = block.as_chunks().0.iter().any(|pair| i16::from_le_bytes(*pair).unsigned_abs() > SOUND);
        if sounds {
            loud.lock().unwrap().push(Instant::now());
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

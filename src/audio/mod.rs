//! From sound to utterances: microphone and recordings, through the same voice detection and
//! endpointing.
//!
//! **Why.** Whoever speaks doesn't press a button. The sound itself must tell where an utterance
//! begins and ends, first and last words must be whole, and a microphone that dies must be noticed,
//! told and opened anew, while everything else goes on.
//!
//! **Mechanics.** Whatever comes in becomes mono at 16 kHz ([`resample`]) and is cut into chunks of
//! 512 samples (32 ms). A [`vad::VoiceDetector`] gives each chunk its probability of speech, and the
//! [`endpoint::Endpointer`], a pure state machine that counts time in samples, makes utterances of
//! them. [`recording`] and [`segment`] do that for files; [`microphone`] captures, and [`guarded`]
//! keeps it alive behind the breaker `audio-input`. What is spoken goes the other way: [`mouth`] takes
//! it, [`sink`] keeps the device behind the breaker `audio-output`, and a [`deck`] is what the device plays. A [`gate`]
//! drops what is said while nobody is listened to. Which device it is, [`device`] chooses; where a sound server runs,
//! [`pulse`] talks to it, [`capture`] records there, and [`watch`] keeps the streams where they belong.
//!
//! What is played comes back through the microphone. [`mod@reference`] knows every sample of it, [`align`] finds out
//! how late it comes, [`cancel`] takes it away, and [`barge_in`] decides whether what is left is a person.
//!
//! ```text
//! loudspeaker ◀─ tap ◀─ mixer     recording ── decoder ───────────────────────────┐
//!                 └──▶ ring ─▶ ┐                                                   ▼
//!                              ├─▶ mono, 16 kHz ─▶ cancelling ─▶ gate ─▶ chunks ─▶ voice detection
//! microphone ─ callback ─▶ ring ─▶ ┘                                               │
//!                                      utterances ◀─ endpointing ◀─ barge-in ◀──────┘
//! ```
//!
//! **Limits.** One microphone at a time. Only the echo of what this program plays is taken away.
//!
//! **Architecture invariant:** `audio` knows `domain`, `breaker` and `config`, nobody else. The
//! libraries of the sound system don't leave this module.

mod align;
mod barge_in;
mod cancel;
mod capture;
mod cue;
mod deck;
mod device;
mod endpoint;
mod energy;
mod filter;
mod gate;
mod guarded;
mod listen;
mod microphone;
mod mouth;
mod past;
mod patience;
mod pulse;
mod recording;
mod reference;
mod resample;
mod segment;
mod silence;
mod silero;
mod sink;
mod still;
mod trouble;
mod vad;
mod watch;

pub use device::ListedDevice;
pub use endpoint::{Endpointer, Event, Segment};
pub use guarded::{DETECTION, Ear, Heard, devices};
pub use mouth::{Mouth, Talk};
pub use recording::{Recording, RecordingError, Remark};
pub use reference::Reference;
pub use segment::Segments;
pub use trouble::Direction;
pub use vad::{CHUNK, VadError, VoiceDetector};

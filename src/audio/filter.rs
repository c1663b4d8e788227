//! WebRTC's third echo canceller (crate `aec3`), frame by frame, and how well it does.

use aec3::api::config::EchoCanceller3Config;
use aec3::api::control::EchoControl;
use aec3::audio_processing::aec3::echo_canceller3::EchoCanceller3;
use aec3::audio_processing::audio_buffer::AudioBuffer;
use aec3::audio_processing::stream_config::StreamConfig;

use crate::domain::SAMPLE_RATE;

/// 10 ms, as the canceller wants it.
pub(super) const FRAME: usize = 160;
/// So late is what it gives.
pub(super) const DELAY: u64 = 64;
/// Mean power from which on a frame counts as sound: −55 dB.
pub(super) const AUDIBLE: f32 = 3.2e-6;
/// Frames of echo after which it has proved itself, or not.
const PROOF: u32 = 15;
/// What may be left then, as a share of the power: −6 dB.
const LEFT: f32 = 0.25;
/// Subtracting an echo makes nothing louder: 3 dB may be by chance.
const LOUDER: f32 = 2.0;

/// The canceller proper, and how it does.
pub(super) struct Filter {
    canceller: EchoCanceller3,
    format: StreamConfig,
    far: AudioBuffer,
    near: AudioBuffer,
    residue: AudioBuffer,
    /// What was given last: with the echo subtracted, and with the rest suppressed.
    pub(super) linear: [f32; FRAME],
    pub(super) suppressed: [f32; FRAME],
    /// Smoothed powers while the echo sounds, and for how many frames it did.
    heard: f32,
    left: f32,
    frames: u32,
}

impl Filter {
    pub(super) fn new() -> Self {
        let rate = SAMPLE_RATE as usize;
        let buffer = || AudioBuffer::from_sample_rates(rate, 1, rate, 1, rate);
        let mut canceller = EchoCanceller3::new(tuning(), SAMPLE_RATE.cast_signed(), 1, 1);
        canceller.set_audio_buffer_delay(0);
        Self {
            canceller,
            format: StreamConfig::new(rate, 1, false),
            far: buffer(),
            near: buffer(),
            residue: buffer(),
            linear: [0.0; FRAME],
            suppressed: [0.0; FRAME],
            heard: 0.0,
            left: 0.0,
            frames: 0,
        }
    }

    /// It has to prove itself anew.
    pub(super) fn begin(&mut self) {
        (self.heard, self.left, self.frames) = (0.0, 0.0, 0);
    }

    /// Takes a frame that is played, and the frame of what is heard in which its echo begins. It is another one's,
    /// and panics where what it believes in isn't so.
    pub(super) fn process(&mut self, caused: &[f32], heard: &[f32]) {
        let Self { canceller, format, far, near, residue, linear, suppressed, .. } = self;
        far.copy_from(&[caused], format);
        canceller.analyze_render(far);
        near.copy_from(&[heard], format);
        canceller.analyze_capture(near);
        canceller.process_capture_with_linear_output(near, residue, false);
        near.copy_to_stream(format, &mut [suppressed]);
        residue.copy_to_stream(format, &mut [linear]);
        if power(caused.iter().copied()) > AUDIBLE {
            const KEPT: f32 = 0.97;
            self.heard = KEPT * self.heard + power(heard.iter().copied());
            self.left = KEPT * self.left + power(self.linear.iter().copied());
            self.frames += 1;
        }
        // What believes in an echo that isn't there puts one in.
        let (before, after) = (power(heard.iter().copied()), power(self.linear.iter().copied()));
        if after > LOUDER * before {
            self.linear.copy_from_slice(heard);
        }
    }

    /// Whether most of the echo is taken away.
    pub(super) fn proved(&self) -> bool {
        self.frames >= PROOF && self.left < LEFT * self.heard
    }
}

/// The defaults are for talks among people, in which nobody wants to hear an echo. Here a machine listens,
/// which must not lose a person's first syllable: the filter is longer, so that more of the echo is subtracted
/// and less has to be suppressed; it is trusted more; and whoever speaks is noticed sooner.
fn tuning() -> EchoCanceller3Config {
    let mut tuning = EchoCanceller3Config::default();
    // In blocks of 4 ms.
    tuning.filter.main.length_blocks = 30;
    tuning.filter.shadow.length_blocks = 30;
    tuning.filter.export_linear_aec_output = true;
    tuning.delay.use_external_delay_estimator = true;
    tuning.erle.max_l = 16.0;
    tuning.erle.max_h = 8.0;
    let suppressor = &mut tuning.suppressor;
    suppressor.normal_tuning = suppressor.nearend_tuning.clone();
    suppressor.dominant_nearend_detection.trigger_threshold = 3;
    suppressor.dominant_nearend_detection.snr_threshold = 5.0;
    tuning
}

/// The mean power.
pub(super) fn power(samples: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = samples.len().max(1) as f32;
    samples.map(|sample| sample * sample).sum::<f32>() / count
}

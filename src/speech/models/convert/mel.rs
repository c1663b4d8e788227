//! The mel filter bank that Whisper was trained with: 80 triangles over 0–8000 Hz on Slaney's mel
//! scale, each normalised to the same area. (M. Slaney, Auditory Toolbox, 1998; librosa's default.)

pub(super) const MELS: usize = 80;
pub(super) const BINS: usize = 201;
const SAMPLE_RATE: f64 = 16_000.0;
const FFT: f64 = 400.0;

/// Row by row, [`MELS`] × [`BINS`].
pub(super) fn filters() -> Vec<f32> {
    let top = hertz_to_mel(SAMPLE_RATE / 2.0);
    let edge = |n: usize| mel_to_hertz(top * n as f64 / (MELS + 1) as f64);
    let mut filters = Vec::with_capacity(MELS * BINS);
    for mel in 0..MELS {
        let (low, middle, high) = (edge(mel), edge(mel + 1), edge(mel + 2));
        let area = 2.0 / (high - low);
        for bin in 0..BINS {
            let frequency = bin as f64 * SAMPLE_RATE / FFT;
            let rising = (frequency - low) / (middle - low);
            let falling = (high - frequency) / (high - middle);
            filters.push((rising.min(falling).max(0.0) * area) as f32);
        }
    }
    filters
}

const LINEAR_UNTIL: f64 = 1000.0;
const HERTZ_PER_MEL: f64 = 200.0 / 3.0;

fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn hertz_to_mel(hertz: f64) -> f64 {
    if hertz < LINEAR_UNTIL {
        hertz / HERTZ_PER_MEL
    } else {
        LINEAR_UNTIL / HERTZ_PER_MEL + (hertz / LINEAR_UNTIL).ln() / log_step()
    }
}

fn mel_to_hertz(mel: f64) -> f64 {
    let knee = LINEAR_UNTIL / HERTZ_PER_MEL;
    if mel < knee { mel * HERTZ_PER_MEL } else { LINEAR_UNTIL * (log_step() * (mel - knee)).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_filters() {
        let filters = filters();
        // From the filter bank that is distributed with Whisper.
        assert!((filters[1] - 0.024_862_6).abs() < 1e-6, "{}", filters[1]);
        assert!(filters.iter().all(|weight| *weight >= 0.0));
        for row in filters.chunks(BINS) {
            assert!(row.iter().any(|weight| *weight > 0.0));
        }
    }
}

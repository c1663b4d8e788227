//! The newest of a stream of samples.

/// The newest samples of a stream, by their places in it. What isn't kept, or hasn't come, is silence.
pub(super) struct Past {
    kept: u64,
    samples: Vec<f32>,
    /// Behind the last.
    pub(super) end: u64,
}

impl Past {
    pub(super) fn new(kept: u64) -> Self {
        Self { kept, samples: Vec::new(), end: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.end = 0;
    }

    pub(super) fn extend(&mut self, samples: impl ExactSizeIterator<Item = f32>) {
        // Seldom, so that moving them costs nothing to speak of.
        let excess = (self.samples.len() + samples.len()).saturating_sub(2 * self.kept as usize);
        if excess > 0 {
            let surplus = self.samples.len().saturating_sub(self.kept as usize);
            self.samples.drain(..surplus);
        }
        self.end += samples.len() as u64;
        self.samples.extend(samples);
    }

    /// So many samples that end before this place.
    pub(super) fn before(&self, place: u64, count: usize) -> Vec<f32> {
        let begin = self.end - self.samples.len() as u64;
        let sample = |at: u64| {
            let at = at.checked_sub(begin + count as u64)?;
            self.samples.get(usize::try_from(at).ok()?).copied()
        };
        (place..place + count as u64).map(|at| sample(at).unwrap_or(0.0)).collect()
    }
}

//! Short phrases that were said before, and will be again.

use std::collections::VecDeque;

use crate::domain::Sound;

/// Longer texts don't come twice.
const LONGEST: usize = 60;
/// Samples kept altogether: eight megabytes.
const MOST: usize = 2 << 20;

/// The phrases, the last used at the end.
#[derive(Debug, Default)]
pub(super) struct Cache {
    phrases: VecDeque<(String, Sound)>,
    samples: usize,
}

impl Cache {
    pub(super) fn get(&mut self, text: &str) -> Option<Sound> {
        let place = self.phrases.iter().position(|(phrase, _)| phrase == text)?;
        let found = self.phrases.remove(place)?;
        let sound = found.1.clone();
        self.phrases.push_back(found);
        Some(sound)
    }

    pub(super) fn put(&mut self, text: &str, sound: &Sound) {
        if text.len() > LONGEST || self.get(text).is_some() {
            return;
        }
        self.samples += sound.samples().len();
        self.phrases.push_back((text.to_owned(), sound.clone()));
        while self.samples > MOST {
            let Some((_, oldest)) = self.phrases.pop_front() else { break };
            self.samples -= oldest.samples().len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_goes_first_and_it_never_grows_beyond_its_size() {
        let mut cache = Cache::default();
        let sound = Sound::new(vec![0.0; MOST / 4], 22_050);
        for phrase in ["one", "two", "three", "four"] {
            cache.put(phrase, &sound);
        }
        assert!(cache.get("one").is_some());
        cache.put("five", &sound);
        assert!(cache.get("two").is_none() && cache.get("one").is_some() && cache.get("five").is_some());
        assert!(cache.samples <= MOST);
        cache.put(&"long".repeat(50), &sound);
        assert_eq!(cache.phrases.len(), 4);
    }
}

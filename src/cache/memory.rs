//! The layer in this process.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes that are kept altogether.
const MOST: usize = 8 << 20;

/// What is kept, the last used at the end.
#[derive(Default)]
pub(super) struct Memory {
    kept: VecDeque<Kept>,
    bytes: usize,
}

struct Kept {
    name: String,
    until: Instant,
    content: Vec<u8>,
}

impl Memory {
    pub(super) fn get(&mut self, name: &str) -> Option<Vec<u8>> {
        let kept = self.take(name)?;
        if kept.until <= Instant::now() {
            return None;
        }
        let content = kept.content.clone();
        self.bytes += content.len();
        self.kept.push_back(kept);
        Some(content)
    }

    pub(super) fn put(&mut self, name: String, keep: Duration, content: Vec<u8>) {
        self.take(&name);
        if content.len() > MOST {
            return;
        }
        self.bytes += content.len();
        self.kept.push_back(Kept { name, until: Instant::now() + keep, content });
        while self.bytes > MOST {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.content.len();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn take(&mut self, name: &str) -> Option<Kept> {
        let place = self.kept.iter().position(|kept| kept.name == name)?;
        let kept = self.kept.remove(place)?;
        self.bytes -= kept.content.len();
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn the_least_used_goes_first_and_it_never_grows_beyond_its_size() {
        let mut memory = Memory::default();
        for name in ["one", "two", "three", "four"] {
            memory.put(name.into(), HOUR, vec![0; MOST / 4]);
        }
        assert!(memory.get("one").is_some());
        memory.put("five".into(), HOUR, vec![0; MOST / 4]);
        assert!(memory.get("two").is_none() && memory.get("one").is_some() && memory.get("five").is_some());
        memory.put("huge".into(), HOUR, vec![0; MOST + 1]);
        assert!(memory.get("huge").is_none());
        for _ in 0..10 {
            memory.put("one".into(), HOUR, vec![0; 10]);
        }
        assert_eq!(memory.bytes, memory.kept.iter().map(|kept| kept.content.len()).sum::<usize>());
        assert!(memory.bytes <= MOST);
    }

    #[test]
    fn what_is_over_is_gone() {
        let mut memory = Memory::default();
        memory.put("one".into(), Duration::ZERO, vec![1]);
        assert!(memory.get("one").is_none());
        assert_eq!(memory.bytes, 0);
    }
}

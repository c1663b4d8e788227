//! What is wrong with the history at the moment: the worst of what its parts say.

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::domain::Degradation;

/// Who says so; the first is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The disk doesn't take it.
    Disk,
    /// The journal has no room.
    Room,
    /// The PostgreSQL server doesn't take it.
    Server,
}

/// The standing of each part, and what is told of all.
#[derive(Debug)]
pub(super) struct Standing {
    parts: Mutex<[Option<Degradation>; 3]>,
    told: watch::Sender<Option<Degradation>>,
}

impl Standing {
    /// Nothing is wrong.
    pub(super) fn new() -> Self {
        Self { parts: Mutex::default(), told: watch::Sender::new(None) }
    }

    /// Notes how a part stands; whether that was news: another way of serving than before.
    pub(super) fn set(&self, part: Part, now: Option<Degradation>) -> bool {
        let mut parts = self.parts.lock();
        let known = &mut parts[part as usize];
        let tier = |degradation: &Option<Degradation>| degradation.as_ref().map(|it| it.now.clone());
        let is_news = tier(known) != tier(&now);
        *known = now;
        let worst = parts.iter().flatten().next().cloned();
        // Under the lock, so that what is told last is what is.
        self.told.send_if_modified(|told| {
            let modified = *told != worst;
            *told = worst;
            modified
        });
        is_news
    }

    /// Whether this part has something to say.
    pub(super) fn is_set(&self, part: Part) -> bool {
        self.parts.lock()[part as usize].is_some()
    }

    /// What is told now.
    pub(super) fn now(&self) -> Option<Degradation> {
        self.told.borrow().clone()
    }

    /// What is told from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Degradation>> {
        self.told.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn degradation(now: &str) -> Degradation {
        Degradation { chain: "database".into(), now: now.into(), what: String::new(), remedy: String::new() }
    }

    #[test]
    fn the_worst_is_told_and_what_lay_behind_it_shows_when_it_is_over() {
        let standing = Standing::new();
        assert!(standing.set(Part::Server, Some(degradation("journal"))));
        assert!(!standing.set(Part::Server, Some(degradation("journal"))));
        assert!(standing.set(Part::Disk, Some(degradation("memory"))));
        assert_eq!(standing.now().unwrap().now, "memory");
        assert!(standing.set(Part::Disk, None));
        assert_eq!(standing.now().unwrap().now, "journal");
        assert!(standing.set(Part::Server, None));
        assert_eq!(standing.now(), None);
    }
}

//! A clause that is being said: its first sound is there, more may come.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::SynthesisError;
use crate::domain::Sound;

/// A sound, or why there is no more of it.
type Part = Result<Sound, SynthesisError>;

/// Parts that wait to be taken.
const WAITING: usize = 2;
/// How late a part may be.
const PATIENCE: Duration = Duration::from_secs(3);

/// A clause that is being said.
#[derive(Debug)]
pub(super) struct Voiced {
    first: Option<Sound>,
    /// Where the others come from, if there are any.
    work: Option<Work>,
}

#[derive(Debug)]
struct Work {
    parts: mpsc::Receiver<Part>,
    task: JoinHandle<()>,
}

impl Voiced {
    /// One that is there as a whole.
    pub(super) fn whole(sound: Sound) -> Self {
        Self { first: Some(sound), work: None }
    }

    /// One that `work` makes on a thread that may block, part by part, for as long as it is told that somebody wants
    /// more. Returns when the first part is there. Dropping this, or what it returns, ends the work after the part that it is at.
    pub(super) async fn made_by(
        work: impl FnOnce(&dyn Fn(Part) -> bool) + Send + 'static,
    ) -> Result<Self, SynthesisError> {
        let (sender, parts) = mpsc::channel(WAITING);
        let task = tokio::task::spawn_blocking(move || work(&|part| sender.blocking_send(part).is_ok()));
        let mut voiced = Self { first: None, work: Some(Work { parts, task }) };
        // How long the first may take is the chain's affair.
        voiced.first = Some(voiced.more().await.unwrap_or(Err(SynthesisError::NoSound))?);
        Ok(voiced)
    }

    /// The next part; `None` after the last, or after an error. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Part> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let part = tokio::time::timeout(PATIENCE, self.more()).await;
        let part = part.unwrap_or(Some(Err(SynthesisError::Broken("it stopped in the middle"))));
        if !matches!(part, Some(Ok(_))) {
            self.work = None;
        }
        part
    }

    async fn more(&mut self) -> Option<Part> {
        let work = self.work.as_mut()?;
        match work.parts.recv().await {
            Some(part) => Some(part),
            // It has come to its end, or to a bad one.
            None => (&mut work.task).await.err().map(|_| Err(SynthesisError::Broken("the voice panicked"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn sound() -> Sound {
        Sound::new([0.5], 22_050)
    }

    #[tokio::test]
    async fn parts_come_as_they_are_made_and_end() {
        let mut voiced = Voiced::whole(sound());
        assert_eq!(voiced.next().await, Some(Ok(sound())));
        assert_eq!(voiced.next().await, None);
        let mut voiced = Voiced::made_by(|give| while !give(Ok(sound())) {}).await.unwrap();
        assert_eq!(voiced.next().await, Some(Ok(sound())));
        assert_eq!(voiced.next().await, None);
        assert_eq!(voiced.next().await, None);
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told_whenever_it_does() {
        let broken = SynthesisError::Broken("at once");
        let failed = broken.clone();
        assert_eq!(Voiced::made_by(move |give| assert!(give(Err(failed)))).await.unwrap_err(), broken);
        assert_eq!(Voiced::made_by(|_| {}).await.unwrap_err(), SynthesisError::NoSound);
        let mut voiced = Voiced::made_by(|give| {
            assert!(give(Ok(sound())));
            panic!("in the middle");
        })
        .await
        .unwrap();
        assert_eq!(voiced.next().await, Some(Ok(sound())));
        assert!(matches!(voiced.next().await, Some(Err(SynthesisError::Broken(_)))));
        assert_eq!(voiced.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stops_in_the_middle_is_not_waited_for_for_ever() {
        let (sender, parts) = mpsc::channel(1);
        let mut voiced = Voiced { first: None, work: Some(Work { parts, task: tokio::spawn(async {}) }) };
        assert!(matches!(voiced.next().await, Some(Err(SynthesisError::Broken(_)))));
        drop(sender);
    }

    #[tokio::test]
    async fn nothing_more_is_made_when_nobody_wants_it() {
        let made = Arc::new(AtomicUsize::new(0));
        let (count, (ended, end)) = (Arc::clone(&made), tokio::sync::oneshot::channel());
        let voiced = Voiced::made_by(move |give| {
            while give(Ok(sound())) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            let _ = ended.send(());
        })
        .await
        .unwrap();
        drop(voiced);
        end.await.unwrap();
        // The first, those that waited, and the one that was at hand.
        assert!(made.load(Ordering::Relaxed) <= WAITING + 2, "{made:?}");
    }
}

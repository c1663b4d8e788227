//! Bounded concurrency: so many calls at a time, so many waiting, and no more.
//!
//! **Why.** A dependency that is slow rather than down fills its callers' memory with waiting calls.
//! A bulkhead keeps them in their compartment: when its queue is full, the next caller is told so at
//! once, and what a person waits for goes before what can be done later.
//!
//! **Mechanics.** Slots and the two queues lie under one small lock, held for a few instructions. A
//! slot that becomes free is handed to the one who waits first, interactive before background, and
//! is never up for grabs in between; so nobody overtakes, and a caller that gave up meanwhile passes
//! it on. [`Slot`] gives itself back when it is dropped, by whatever way.
//!
//! Take the slot first and call the breaker then: a call that waits for a slot holds no permit, its
//! timeout isn't running yet, and a full queue is no failure of the dependency.
//!
//! **Limits.** Background calls can starve while interactive ones keep coming: that is what was
//! asked for, and the bounded queue tells them.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A person waits for it.
    Interactive,
    /// It can be done later.
    Background,
}

/// Both the slots and the queue are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{running} calls are under way and {waiting} wait already")]
pub struct Full {
    /// Calls under way.
    pub running: usize,
    /// Calls that wait.
    pub waiting: usize,
}

/// So many calls at a time. Share it as `Arc<Bulkhead>`; slots borrow it.
#[derive(Debug)]
pub struct Bulkhead {
    slots: usize,
    places: usize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    running: usize,
    interactive: VecDeque<Waiting>,
    background: VecDeque<Waiting>,
    tickets: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    called: oneshot::Sender<()>,
}

/// One of the slots, until it is dropped.
#[derive(Debug)]
#[must_use = "a slot that is dropped is free again"]
pub struct Slot<'a>(&'a Bulkhead);

/// A place in the queue. Dropped without having become a slot, it leaves the queue, and passes on a
/// slot that it was given too late.
struct Place<'a> {
    bulkhead: &'a Bulkhead,
    priority: Priority,
    ticket: u64,
    calls: oneshot::Receiver<()>,
    done: bool,
}

impl Bulkhead {
    /// With so many slots (one, if 0 is asked for), and so many places in the queue.
    pub fn new(slots: usize, places: usize) -> Self {
        Self { slots: slots.max(1), places, line: Mutex::default() }
    }

    /// A slot, now or never.
    pub fn try_enter(&self) -> Result<Slot<'_>, Full> {
        let mut line = self.line.lock();
        if line.running < self.slots {
            line.running += 1;
            return Ok(Slot(self));
        }
        Err(line.full())
    }

    /// A slot, after waiting for it if need be; an error at once if the queue is full. Cancel-safe:
    /// whoever stops waiting leaves the queue.
    pub async fn enter(&self, priority: Priority) -> Result<Slot<'_>, Full> {
        let mut place = {
            let mut line = self.line.lock();
            // While somebody waits there is no free slot: it would have been handed over.
            if line.running < self.slots {
                line.running += 1;
                return Ok(Slot(self));
            }
            if line.waiting() >= self.places {
                return Err(line.full());
            }
            let (called, calls) = oneshot::channel();
            line.tickets += 1;
            let ticket = line.tickets;
            line.queue(priority).push_back(Waiting { ticket, called });
            Place { bulkhead: self, priority, ticket, calls, done: false }
        };
        // The sender is in the queue until it is used, so it can't be gone.
        let _ = (&mut place.calls).await;
        place.done = true;
        Ok(Slot(self))
    }

    /// How many calls are under way, and how many wait.
    pub fn load(&self) -> (usize, usize) {
        let line = self.line.lock();
        (line.running, line.waiting())
    }

    /// A slot is free: it goes to the first who still waits.
    fn leave(&self) {
        let mut line = self.line.lock();
        while let Some(next) = line.next() {
            if next.called.send(()).is_ok() {
                return;
            }
        }
        line.running -= 1;
    }
}

impl Line {
    fn waiting(&self) -> usize {
        self.interactive.len() + self.background.len()
    }

    fn full(&self) -> Full {
        Full { running: self.running, waiting: self.waiting() }
    }

    fn queue(&mut self, priority: Priority) -> &mut VecDeque<Waiting> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Background => &mut self.background,
        }
    }

    fn next(&mut self) -> Option<Waiting> {
        self.interactive.pop_front().or_else(|| self.background.pop_front())
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        self.bulkhead.line.lock().queue(self.priority).retain(|waiting| waiting.ticket != self.ticket);
        // After the lock: whoever called did so under it.
        if self.calls.try_recv().is_ok() {
            self.bulkhead.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{FutureExt, poll};

    use super::*;

    #[tokio::test]
    async fn a_full_queue_says_so_at_once() {
        let bulkhead = Bulkhead::new(1, 1);
        let slot = bulkhead.enter(Priority::Interactive).await.unwrap();
        let mut waits = Box::pin(bulkhead.enter(Priority::Interactive));
        assert!(poll!(waits.as_mut()).is_pending());
        let full = bulkhead.enter(Priority::Interactive).now_or_never().unwrap().unwrap_err();
        assert_eq!(full, Full { running: 1, waiting: 1 });
        assert_eq!(bulkhead.try_enter().unwrap_err(), full);
        drop(slot);
        drop(waits.await.unwrap());
        assert_eq!(bulkhead.load(), (0, 0));
    }

    #[tokio::test]
    async fn interactive_calls_go_before_background_ones_and_nobody_overtakes() {
        let bulkhead = Bulkhead::new(1, 10);
        let slot = bulkhead.try_enter().unwrap();
        let order =
            [Priority::Background, Priority::Interactive, Priority::Background, Priority::Interactive];
        let mut waiting: Vec<_> = order.map(|priority| Box::pin(bulkhead.enter(priority))).into();
        for place in &mut waiting {
            assert!(poll!(place.as_mut()).is_pending());
        }
        drop(slot);
        for expected in [1, 3, 0, 2] {
            assert!(bulkhead.try_enter().is_err(), "the slot is handed over, not offered");
            let mut entered = Vec::new();
            for (number, place) in waiting.iter_mut().enumerate() {
                if number == expected {
                    entered.push(place.as_mut().now_or_never().unwrap().unwrap());
                }
            }
            drop(entered);
        }
        assert_eq!(bulkhead.load(), (0, 0));
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_the_queue_and_passes_the_slot_on() {
        let bulkhead = Bulkhead::new(1, 2);
        let slot = bulkhead.try_enter().unwrap();
        let mut impatient = Box::pin(bulkhead.enter(Priority::Interactive));
        let mut patient = Box::pin(bulkhead.enter(Priority::Interactive));
        assert!(poll!(impatient.as_mut()).is_pending());
        assert!(poll!(patient.as_mut()).is_pending());
        drop(slot);
        assert_eq!(bulkhead.load(), (1, 1), "the slot is the impatient one's");
        drop(impatient);
        let slot = patient.now_or_never().unwrap().unwrap();
        let mut waits = Box::pin(bulkhead.enter(Priority::Background));
        assert!(poll!(waits.as_mut()).is_pending());
        drop(waits);
        assert_eq!(bulkhead.load(), (1, 0));
        drop(slot);
    }

    #[test]
    fn under_a_crowd_the_bound_holds_and_no_slot_is_lost() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
        runtime.block_on(async {
            let bulkhead = Arc::new(Bulkhead::new(3, 20));
            let inside = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..40)
                .map(|task: usize| {
                    let (bulkhead, inside) = (Arc::clone(&bulkhead), Arc::clone(&inside));
                    tokio::spawn(async move {
                        for round in 0..500 {
                            let priority = if task.is_multiple_of(2) {
                                Priority::Interactive
                            } else {
                                Priority::Background
                            };
                            let entering = bulkhead.enter(priority);
                            // Some lose patience.
                            let entered = if (task + round).is_multiple_of(5) {
                                entering.now_or_never()
                            } else {
                                Some(entering.await)
                            };
                            if let Some(Ok(_slot)) = entered {
                                assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                                tokio::task::yield_now().await;
                                inside.fetch_sub(1, Ordering::SeqCst);
                            }
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(bulkhead.load(), (0, 0));
        });
    }
}

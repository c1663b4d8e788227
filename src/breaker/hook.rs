//! Being called back when a breaker changes its state, or a chain had to fall back.
//!
//! Breakers and chains never call anybody: they send what happened to a bounded channel, without
//! waiting (a breaker does so under the lock that keeps its transitions in order). A hook is run by
//! a thread of its own at the other end. So it may block, which makes it miss events, and it is told
//! how many; and it may panic, which is logged and forgotten. Neither is ever felt by a caller.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::oneshot;

/// What a hook is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice<T> {
    /// It happened.
    Event(T),
    /// The hook was too slow, and this many events are lost to it.
    Missed(u64),
}

/// A hook at work. Dropped, it is called no more; a call that is under way is not waited for.
#[derive(Debug)]
#[must_use = "the hook is called for as long as this is kept"]
pub struct Hook {
    _stop: oneshot::Sender<()>,
}

impl Hook {
    /// Calls `hook` with all that comes from now on, on a thread of its own.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start<T: Clone + Send + 'static>(
        events: Receiver<T>,
        hook: impl FnMut(Notice<T>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        std::thread::Builder::new()
            .name("breaker-hook".into())
            .spawn(move || runtime.block_on(run(events, hook, stopped)))?;
        Ok(Self { _stop: stop })
    }
}

async fn run<T: Clone>(
    mut events: Receiver<T>,
    mut hook: impl FnMut(Notice<T>),
    mut stopped: oneshot::Receiver<()>,
) {
    loop {
        let notice = tokio::select! {
            biased;
            _ = &mut stopped => return,
            event = events.recv() => match event {
                Ok(event) => Notice::Event(event),
                Err(RecvError::Lagged(missed)) => Notice::Missed(missed),
                Err(RecvError::Closed) => return,
            },
        };
        // It may be left in a state that it didn't foresee; that is its own affair.
        if catch_unwind(AssertUnwindSafe(|| hook(notice))).is_err() {
            tracing::error!("a hook on a breaker's events panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::breaker::{Registry, Settings, State};

    #[test]
    fn a_hook_that_blocks_or_panics_is_not_felt_by_a_caller() {
        let registry = Registry::default();
        let (tell, told) = mpsc::channel();
        let (release, blocked) = mpsc::channel::<()>();
        let hook = registry
            .on_state_change(move |notice| {
                let Notice::Event(transition) = notice else { return tell.send(None).unwrap() };
                if transition.to == State::Isolated {
                    let _ = blocked.recv();
                    std::panic::resume_unwind(Box::new(()));
                }
                tell.send(Some(transition.to)).unwrap();
            })
            .unwrap();
        let breaker = registry.get_or_create("it", Settings::default());
        breaker.isolate();
        for _ in 0..1000 {
            breaker.disable();
            breaker.reset();
        }
        drop(release);
        let wait = Duration::from_secs(10);
        assert_eq!(told.recv_timeout(wait).unwrap(), None, "it missed some, and lives");
        // It may miss more while the calls still go on.
        while told.recv_timeout(wait).unwrap().is_none() {}
        drop(hook);
        while told.recv_timeout(wait).is_ok() {}
    }
}

//! All breakers by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::broadcast;

use super::{Breaker, Clock, Fallback, Hook, Notice, Settings, Snapshot, State, Transition};

/// Transitions that a slow watcher may be behind before it misses the oldest.
const EVENT_BACKLOG: usize = 256;

/// All breakers of a process, by name. Cold path only: a dependency keeps the `Arc` it got.
#[derive(Debug)]
pub struct Registry {
    clock: Clock,
    events: broadcast::Sender<Transition>,
    fallbacks: broadcast::Sender<Fallback>,
    breakers: RwLock<BTreeMap<String, Arc<Breaker>>>,
}

/// Whether a dependency can be used, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Calls get through.
    Up,
    /// Probes get through.
    Recovering,
    /// Calls are rejected.
    Down,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new(Clock::default())
    }
}

impl Registry {
    /// An empty registry; its breakers will run on this clock.
    pub fn new(clock: impl Into<Clock>) -> Self {
        Self {
            clock: clock.into(),
            events: broadcast::Sender::new(EVENT_BACKLOG),
            fallbacks: broadcast::Sender::new(EVENT_BACKLOG),
            breakers: RwLock::default(),
        }
    }

    /// The breaker with this name, made with these settings if there is none yet. Settings are
    /// expected to be [valid](Settings::validate).
    pub fn get_or_create(&self, name: &str, settings: Settings) -> Arc<Breaker> {
        if let Some(breaker) = self.get(name) {
            return breaker;
        }
        let mut breakers = self.breakers.write();
        let breaker = breakers.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Breaker::with(name, settings, self.clock.clone(), self.events.clone()))
        });
        Arc::clone(breaker)
    }

    /// The breaker with this name.
    pub fn get(&self, name: &str) -> Option<Arc<Breaker>> {
        self.breakers.read().get(name).cloned()
    }

    /// Every breaker's health, by name.
    pub fn health(&self) -> BTreeMap<String, Health> {
        let health = |state| match state {
            State::Closed | State::Disabled => Health::Up,
            State::HalfOpen => Health::Recovering,
            State::Open | State::Isolated => Health::Down,
        };
        self.breakers.read().iter().map(|(name, breaker)| (name.clone(), health(breaker.state()))).collect()
    }

    /// A snapshot of every breaker, by name.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.breakers.read().values().map(|breaker| breaker.snapshot()).collect()
    }

    /// Transitions from now on. A watcher that falls 256 behind misses the oldest and is told so.
    pub fn subscribe(&self) -> broadcast::Receiver<Transition> {
        self.events.subscribe()
    }

    /// Calls `hook` at every transition, on a thread of its own, for as long as the [`Hook`] is kept.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn on_state_change(
        &self,
        hook: impl FnMut(Notice<Transition>) + Send + 'static,
    ) -> std::io::Result<Hook> {
        Hook::start(self.subscribe(), hook)
    }

    /// Where chains tell that they fell back; give it to [`Chain::telling`](super::Chain::telling).
    pub fn fallbacks(&self) -> broadcast::Sender<Fallback> {
        self.fallbacks.clone()
    }

    /// Calls `hook` whenever a chain fell back, as [`Registry::on_state_change`] does at transitions.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn on_fallback(&self, hook: impl FnMut(Notice<Fallback>) + Send + 'static) -> std::io::Result<Hook> {
        Hook::start(self.fallbacks.subscribe(), hook)
    }
}

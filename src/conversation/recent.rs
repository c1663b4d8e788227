//! What a conversation that was interrupted goes on with: the session that commands went to, what was done last, what was
//! answered last, and what words were taken as.
//!
//! It is kept in the cache for half an hour, without secrets and sealed as everything there, by a task of its own, so that
//! no turn waits for it. What comes back is checked again: a session must be there as it was called, what was done must be
//! something that can be done, and "again" is judged anew. What was inserted, and questions, are not kept: what they were
//! about may have moved.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::domain::{Cache, CacheKey, InputMode, Intent, Reply, SessionId, Terminal};
use crate::redact::Redactor;

/// For how long one goes on rather than begins.
const KEEP: Duration = Duration::from_secs(30 * 60);
/// More of it is not worth keeping, in bytes.
const LONGEST: usize = 16 * 1024;
/// How long the last of it may take on the way out.
const LAST: Duration = Duration::from_millis(300);

/// Where it is kept.
#[derive(Clone)]
pub struct Memory {
    /// The cache.
    pub cache: Arc<dyn Cache>,
    /// Tells this conversation from others, such as one with another tmux server.
    pub name: String,
    /// Takes secrets out of what is kept. The history's, for that has seen the whole of what an answer shows a part of.
    pub(crate) redactor: Arc<Redactor>,
}

/// What is kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recent {
    /// The session that commands went to, and its name.
    pub(super) session: Option<(SessionId, String)>,
    pub(super) last: Option<Intent>,
    pub(super) reply: Option<Reply>,
    pub(super) input: InputMode,
}

impl Memory {
    fn key(&self) -> CacheKey {
        CacheKey { kind: "context", id: self.name.clone(), keep: KEEP }
    }

    /// What was kept, as far as it still makes sense; commands go where they went. Never fails.
    pub(super) async fn recall(self, terminal: Arc<dyn Terminal>) -> Option<Recent> {
        let kept = self.cache.get(&self.key()).await.filter(|kept| kept.len() <= LONGEST)?;
        let mut recent: Recent = serde_json::from_slice(&kept).ok()?;
        let can_be_done = |last: &Intent| {
            last.steps().len() <= Intent::MOST_STEPS && last.steps().iter().all(Intent::is_step)
        };
        recent.last = recent.last.filter(can_be_done);
        if let Some((session, name)) = &recent.session
            && !terminal.resume(session, name).await.unwrap_or(false)
        {
            // Where it was done is not here any more.
            (recent.session, recent.last) = (None, None);
        }
        Some(recent)
    }

    async fn keep(&self, terminal: &dyn Terminal, mut recent: Recent) {
        let sessions = terminal.sessions().await.unwrap_or_default();
        let current = sessions.into_iter().find(|session| session.current);
        recent.session = current.map(|session| (session.id, session.name));
        let Some(clean) = self.redactor.all_of(&recent) else { return };
        let Ok(mut content) = serde_json::to_vec(&clean) else { return };
        if content.len() > LONGEST {
            let Ok(shorter) = serde_json::to_vec(&Recent { reply: None, ..clean }) else { return };
            content = shorter;
        }
        if content.len() <= LONGEST {
            self.cache.put(&self.key(), content).await;
        }
    }
}

/// The task that keeps it.
pub(super) struct Keeping {
    newest: watch::Sender<Recent>,
    task: JoinHandle<()>,
}

impl Keeping {
    pub(super) fn start(memory: Memory, terminal: Arc<dyn Terminal>) -> Self {
        let (newest, mut changed) = watch::channel(Recent::default());
        let task = tokio::spawn(async move {
            while changed.changed().await.is_ok() {
                let recent = changed.borrow_and_update().clone();
                memory.keep(terminal.as_ref(), recent).await;
            }
        });
        Self { newest, task }
    }

    /// This is so now. Returns at once; of several, the last is kept.
    pub(super) fn note(&self, recent: Recent) {
        self.newest.send_replace(recent);
    }

    /// Keeps the last of it, and ends.
    pub(super) async fn finish(self) {
        let Self { newest, mut task } = self;
        drop(newest);
        if tokio::time::timeout(LAST, &mut task).await.is_err() {
            task.abort();
        }
    }
}

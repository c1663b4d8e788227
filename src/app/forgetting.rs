//! Forgetting turns of the history, wherever something of them is kept.

use super::World;
use crate::console;
use crate::domain::{Failure, Forgotten, Selection};
use crate::store::Store;

impl World {
    /// Forgets what a selection means: in the journal and the database, what was made of it and may be made again, the
    /// lines for the arrow keys, and kept sound.
    ///
    /// # Errors
    /// When the journal can't be written; then nothing was forgotten.
    pub(crate) async fn forget(&self, store: &Store, selection: &Selection) -> Result<Forgotten, Failure> {
        let (forgotten, typed) = store.forget(selection).await?;
        // What is kept there has no names by which it could be told apart, and is soon made again.
        let cache = self.cache.clear().await;
        if cache == Some(false) {
            tracing::warn!("Redis could not be made to forget; what is there ends by itself");
        }
        let lines = (!selection.is_everything()).then_some(typed.as_slice());
        if let Err(error) = console::forget(&self.paths.console_history(), lines) {
            tracing::warn!(%error, "lines that were typed could not be forgotten");
        }
        Ok(Forgotten { cache, ..forgotten })
    }
}

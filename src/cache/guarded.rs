//! The cache as it gets out: memory, then Redis behind its breaker.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::CacheError;
use super::memory::Memory;
use super::redis::Redis;
use super::seal::Seal;
use crate::breaker::Breaker;
use crate::config;
use crate::domain::{BoxFuture, Cache, CacheKey};

/// The name of the chain.
pub const CHAIN: &str = "cache";
/// Its tiers but for memory, which can't fail.
pub const TIERS: [&str; 1] = ["cache-redis"];

/// Nothing longer is kept, in bytes: ten seconds of sound.
const LONGEST: usize = 1 << 20;

/// How long clearing may take.
const CLEARING: Duration = Duration::from_secs(10);

/// The layers, in order.
pub struct Layers {
    memory: Mutex<Memory>,
    redis: Option<Redis>,
    breaker: Arc<Breaker>,
    seal: Seal,
}

impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layers").field("redis", &self.redis.is_some()).finish_non_exhaustive()
    }
}

impl Layers {
    /// As configured; nothing is opened before it is needed. `secret` is the file of the user's secret, which is
    /// made if there is a Redis.
    ///
    /// # Errors
    /// An address that can't be used, in the user's words.
    pub fn new(config: &config::Cache, breaker: Arc<Breaker>, secret: &Path) -> Result<Self, String> {
        let url = config.redis.url.trim();
        let redis = if url.is_empty() { None } else { Some(Redis::new(url)?) };
        // What stays in this process needs no secret that lasts.
        let seal = if redis.is_some() { Seal::load(secret) } else { Seal::random() };
        Ok(Self { memory: Mutex::default(), redis, breaker, seal })
    }

    /// Forgets all that is kept, here and in Redis; what others keep there stays. Tells whether Redis has forgotten all of
    /// it; `None` if there is none.
    pub async fn clear(&self) -> Option<bool> {
        self.memory.lock().clear();
        let redis = self.redis.as_ref()?;
        let clearing = async {
            let mut from = 0;
            loop {
                let (next, names) = redis.names(Seal::BEGIN, from).await?;
                for name in names {
                    let sealed = redis.get(&name, LONGEST * 2).await?;
                    if self.seal.is_ours(&name, &sealed) {
                        redis.delete(&name).await?;
                    }
                }
                from = next;
                if from == 0 {
                    return Ok::<_, CacheError>(());
                }
            }
        };
        Some(self.breaker.call_within(CLEARING, clearing).await.is_ok())
    }

    /// What is there, and for how long it is good.
    async fn ask_redis(&self, name: &str) -> Option<(Vec<u8>, Duration)> {
        let redis = self.redis.as_ref()?;
        let sealed = self.breaker.call(redis.get(name, LONGEST * 2)).await.ok()?;
        if sealed.is_empty() {
            return None;
        }
        let opened = self.seal.open(name, &sealed);
        if opened.is_none() {
            tracing::warn!("something in Redis was not put there by us, or is too old; it is ignored");
        }
        opened
    }
}

impl Cache for Layers {
    fn get<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let name = self.seal.name(key);
            if let Some(content) = self.memory.lock().get(&name) {
                return Some(content);
            }
            let (content, left) = self.ask_redis(&name).await?;
            // Copied, it lives no longer than where it is from.
            self.memory.lock().put(name, left.min(key.keep), content.clone());
            Some(content)
        })
    }

    fn put<'a>(&'a self, key: &'a CacheKey, content: Vec<u8>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if content.len() > LONGEST {
                return;
            }
            let name = self.seal.name(key);
            if let Some(redis) = &self.redis {
                let sealed = self.seal.close(&name, key.keep, &content);
                // That it isn't kept there is no loss.
                let _ = self.breaker.call(redis.put(&name, key.keep, &sealed)).await;
            }
            self.memory.lock().put(name, key.keep, content);
        })
    }
}

//! The layer in Redis: the raw client, private to this module.

use std::time::Duration;

use deadpool_redis::redis::{Client, ConnectionAddr, RedisError, RedisResult, cmd};
use deadpool_redis::{Config, Pool, PoolConfig, PoolError, Runtime, Timeouts};

use super::CacheError;
use crate::domain::is_this_machine;

/// Connections at most. Calls are short, and few at a time.
const CONNECTIONS: usize = 4;
/// The breaker's timeout ends a call first; these are for what it leaves behind.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Redis {
    pool: Pool,
}

impl Redis {
    /// The server at this address, which must be on this machine. Nothing is opened before it is needed.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let client = Client::open(url).map_err(|_| "cache.redis.url is no address of a Redis".to_owned())?;
        let is_here = match client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, _) => is_this_machine(host),
            ConnectionAddr::Unix(_) => true,
            _ => false,
        };
        if !is_here {
            return Err("cache.redis.url must be on this machine: what is kept there is not encrypted".into());
        }
        let mut config = Config::from_url(url);
        let timeouts = Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) };
        config.pool = Some(PoolConfig { max_size: CONNECTIONS, timeouts, ..PoolConfig::default() });
        let pool = config.create_pool(Some(Runtime::Tokio1));
        let pool = pool.map_err(|_| "cache.redis.url can't be used".to_owned())?;
        Ok(Self { pool })
    }

    /// At most so many bytes of a value, plus one if it is longer; empty if there is none, or something of another type,
    /// which is not ours. Cancel-safe.
    pub(super) async fn get(&self, name: &str, most: usize) -> Result<Vec<u8>, CacheError> {
        let mut connection = self.pool.get().await.map_err(|error| unreachable(&error))?;
        // Not GET: whoever else writes there could have put in anything, of any size.
        let value: RedisResult<_> =
            cmd("GETRANGE").arg(name).arg(0).arg(most).query_async(&mut connection).await;
        match value {
            Err(error) if error.code() == Some("WRONGTYPE") => Ok(Vec::new()),
            value => value.map_err(|error| refused(&error)),
        }
    }

    /// Names that begin so, some at a time: from where the last ones ended, 0 at first and when there are no more. One
    /// that is no text is nothing of ours, and is left out.
    pub(super) async fn names(&self, begin: &str, from: u64) -> Result<(u64, Vec<String>), CacheError> {
        let mut connection = self.pool.get().await.map_err(|error| unreachable(&error))?;
        let mut scan = cmd("SCAN");
        scan.arg(from).arg("MATCH").arg(format!("{begin}*")).arg("COUNT").arg(500);
        let names: RedisResult<(u64, Vec<Vec<u8>>)> = scan.query_async(&mut connection).await;
        let (next, names) = names.map_err(|error| refused(&error))?;
        Ok((next, names.into_iter().filter_map(|name| String::from_utf8(name).ok()).collect()))
    }

    /// Deletes a value.
    pub(super) async fn delete(&self, name: &str) -> Result<(), CacheError> {
        let mut connection = self.pool.get().await.map_err(|error| unreachable(&error))?;
        cmd("DEL").arg(name).query_async(&mut connection).await.map_err(|error| refused(&error))
    }

    /// Keeps a value for so long. Cancel-safe: it is kept or not.
    pub(super) async fn put(&self, name: &str, keep: Duration, value: &[u8]) -> Result<(), CacheError> {
        let mut connection = self.pool.get().await.map_err(|error| unreachable(&error))?;
        let seconds = keep.as_secs().max(1);
        let done = cmd("SET").arg(name).arg(value).arg("EX").arg(seconds).query_async(&mut connection).await;
        done.map_err(|error| refused(&error))
    }
}

fn unreachable(error: &PoolError) -> CacheError {
    tracing::warn!(%error, "Redis can't be reached");
    CacheError::Unreachable
}

fn refused(error: &RedisError) -> CacheError {
    tracing::warn!(%error, "Redis does not do what it is asked");
    if error.is_io_error() || error.is_connection_dropped() {
        CacheError::Unreachable
    } else {
        CacheError::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_on_this_machine() {
        for here in
            ["redis://127.0.0.1:6379", "redis://:pw@localhost/1", "redis://[::1]:1", "unix:/run/r.sock"]
        {
            Redis::new(here).map(|_| ()).unwrap();
        }
        for elsewhere in
            ["redis://:pw@cache.example", "rediss://127.0.0.1", "http://x", "", "redis://10.0.0.1"]
        {
            let told = Redis::new(elsewhere).map(|_| ()).unwrap_err();
            assert!(told.starts_with("cache.redis.url") && !told.contains("pw"), "{told}");
        }
    }
}

//! Memory that was freed goes back to the system.
//!
//! glibc gives threads arenas of their own, up to eight a core, and what is freed in one is of no use to the others. Nor
//! does it give back what is free below something that is in use. Speaking an answer takes tens of megabytes for a
//! moment, so after half an hour there was as much free memory in the arenas as was in use, and ever more.

use std::time::Duration;

/// How often memory is given back. What is taken again at once costs its pages' clearing, a few milliseconds.
const EVERY: Duration = Duration::from_secs(60);

/// Has all threads share two arenas. To be called before there are any others.
pub fn share_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a number of glibc's, and no other thread is there yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Gives back what is free, every minute, for ever. Cancel-safe.
pub async fn give_back() {
    loop {
        tokio::time::sleep(EVERY).await;
        // It takes milliseconds, in which threads that want memory may have to wait.
        if tokio::task::spawn_blocking(trim).await.is_err() {
            return;
        }
    }
}

fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: glibc locks each arena while it looks through it.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_is_free_below_something_in_use_is_given_back() {
        let resident = || -> usize {
            let status = std::fs::read_to_string("/proc/self/statm").unwrap();
            status.split(' ').nth(1).unwrap().parse().unwrap()
        };
        // Blocks that are too small to be mapped each by itself, of which a few stay.
        let mut blocks: Vec<Vec<u8>> = (0..2_000).map(|_| vec![1; 32 << 10]).collect();
        let mut number = 0;
        blocks.retain(|_| {
            number += 1;
            number % 100 == 0
        });
        let before = resident();
        super::trim();
        let given = before.saturating_sub(resident());
        // 62 MiB are free; other tests run beside this one.
        assert!(given > 20 << 20 >> 12, "{given} pages of {before}");
        drop(blocks);
    }
}

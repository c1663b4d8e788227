//! Of the configuration, what the terminal reads.

use std::time::Duration;

/// tmux.
#[derive(Debug, Clone)]
pub struct Terminal {
    pub socket: String,
    pub servers: Vec<String>,
    pub shell: String,
    pub session: String,
    pub run_wait: Duration,
    pub output_limit: usize,
}

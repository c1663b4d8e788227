//! A Redis of the test's own, on a socket in its directory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::user::{signal, until};

/// It, gone with the test.
pub struct Redis {
    server: Child,
    socket: PathBuf,
}

impl Redis {
    /// Starts one with its socket in this directory.
    pub fn start(directory: &Path) -> Self {
        let socket = directory.join("redis.sock");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let redis = Self { server, socket };
        until("Redis answers", || redis.cli(&["ping"]) == "PONG");
        redis
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// Asks it, as anybody could.
    pub fn cli(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli").arg("-s").arg(&self.socket).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// What is in it.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.cli(&["keys", "*"]).lines().map(str::to_owned).collect();
        keys.retain(|key| !key.is_empty());
        keys.sort();
        keys
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        signal(self.server.id(), name);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

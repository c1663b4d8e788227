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
        let redis = Self { server: serve(&socket), socket };
        redis.answers();
        redis
    }

    /// Starts it again, after it was killed; it has forgotten everything.
    pub fn go_on(&mut self) {
        // What is left of the one that was killed.
        let _ = self.server.wait();
        self.server = serve(&self.socket);
        self.answers();
    }

    fn answers(&self) {
        until("Redis answers", || self.cli(&["ping"]) == "PONG");
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

fn serve(socket: &Path) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(socket)
        .current_dir(socket.parent().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

//! A file system of its own, whose size can be changed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// It, mounted; unmounted at the end.
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts one that is readable by whom this mode says; `None` where that isn't allowed.
    pub fn mount(place: &Path, mode: &str) -> Option<Self> {
        let options = format!("size=2g,mode={mode}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place).output();
        done.is_ok_and(|done| done.status.success()).then(|| Self(place.to_owned()))
    }

    /// No space is left.
    pub fn fill(&self) {
        let used = rustix::fs::statvfs(&self.0).unwrap();
        self.resize((used.f_blocks - used.f_bfree) * used.f_frsize / 1024);
    }

    /// There is space again.
    pub fn empty(&self) {
        self.resize(2 << 20);
    }

    fn resize(&self, kilobytes: u64) {
        let size = format!("remount,size={kilobytes}k");
        let done = Command::new("mount").args(["-o", &size]).arg(&self.0).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

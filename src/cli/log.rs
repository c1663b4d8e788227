//! The log: what the user is not told, for whoever looks into it. A file in the state directory;
//! without one there is no log, which is no reason not to start. Whatever is written there is written without secrets.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use crate::redact::{Redactor, redacted};

/// A log that has grown to this size is kept as `….log.1`, and a new one begun.
const LARGEST: u64 = 5 << 20;

/// Begins logging to the file; `VOICE_TERMINAL_LOG` sets the level, as `debug` or
/// `voice_terminal::breaker=trace`.
pub(super) fn begin(path: &Path) {
    let wish = std::env::var("VOICE_TERMINAL_LOG").unwrap_or_else(|_| "info".into());
    let filter = EnvFilter::try_new(wish).unwrap_or_else(|_| EnvFilter::new("info"));
    if let Some(directory) = path.parent() {
        // If it can't be made, neither can the file.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    }
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > LARGEST) {
        // If it can't be moved, the old one is added to.
        let _ = std::fs::rename(path, path.with_extension("log.1"));
    }
    let Ok(file) = OpenOptions::new().create(true).append(true).mode(0o600).open(path) else { return };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Mutex::new(Clean { file, redactor: Redactor::default() }))
        .finish();
    // A second one would mean that a test began one already.
    let _ = tracing::subscriber::set_global_default(subscriber);
    std::panic::set_hook(Box::new(report_panic));
}

/// Takes an entry at a time, as it is written, and passes it on without secrets.
struct Clean {
    file: File,
    redactor: Redactor,
}

impl Write for Clean {
    fn write(&mut self, entry: &[u8]) -> std::io::Result<usize> {
        let clean = self.redactor.text(&String::from_utf8_lossy(entry));
        self.file.write_all(clean.as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// A panic tells what it stumbled over, which may hold a secret.
fn report_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let what = redacted(&panic.to_string());
    tracing::error!(what, backtrace = %Backtrace::capture(), "panicked");
    let mut err = std::io::stderr().lock();
    // There is nobody left to tell that nobody can be told.
    let _ = writeln!(err, "voice-terminal: {what}");
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        let _ = writeln!(err, "{trace}");
    }
}

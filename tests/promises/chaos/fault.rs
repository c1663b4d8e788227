//! What can go wrong, and what must come of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part {
    Primary,
    Replica,
    Redis,
    Tmux,
    ControlClient,
    Sound,
    Worker,
    Espeak,
    CloudHearing,
    CloudVoice,
    Ai,
    Disk,
    Daemon,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Manner {
    /// kill -9; a server is started again later, a child is the program's own affair.
    Kill,
    /// A child is killed as often as it comes back.
    KillAgain,
    /// SIGSTOP, later SIGCONT; of what is elsewhere, the network stalls.
    Freeze,
    /// The network is late, or the process has a tenth of its time.
    Slow,
    /// Connections are reset, or the device is unplugged.
    Reset,
    /// Answers break off, or are something else.
    Garble,
    /// No space is left.
    Full,
}

/// Both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Fault {
    pub(super) part: Part,
    pub(super) manner: Manner,
}

const PARTS: [(Part, &str, &[Manner]); 13] = {
    use Manner::{Freeze, Full, Garble, Kill, KillAgain, Reset, Slow};
    const SERVER: &[Manner] = &[Kill, Freeze, Slow, Reset, Garble];
    const CHILD: &[Manner] = &[Kill, KillAgain, Freeze, Slow];
    [
        (Part::Primary, "primary", SERVER),
        (Part::Replica, "replica", SERVER),
        (Part::Redis, "redis", SERVER),
        (Part::Tmux, "tmux", &[Kill, Freeze, Slow]),
        (Part::ControlClient, "tmux-client", CHILD),
        (Part::Sound, "sound", &[Kill, Freeze, Reset]),
        (Part::Worker, "recogniser", CHILD),
        (Part::Espeak, "espeak", CHILD),
        (Part::CloudHearing, "cloud-hearing", SERVER),
        (Part::CloudVoice, "cloud-voice", SERVER),
        (Part::Ai, "ai", SERVER),
        (Part::Disk, "disk", &[Full]),
        (Part::Daemon, "daemon", &[Kill, Freeze, Slow]),
    ]
};

const MANNERS: [(Manner, &str); 7] = [
    (Manner::Kill, "kill"),
    (Manner::KillAgain, "kill-again"),
    (Manner::Freeze, "freeze"),
    (Manner::Slow, "slow"),
    (Manner::Reset, "reset"),
    (Manner::Garble, "garble"),
    (Manner::Full, "full"),
];

impl Fault {
    /// Every fault that there is, but for the disk's where no file system can be mounted.
    pub(super) fn all(disk: bool) -> Vec<Self> {
        let of = |&(part, _, manners): &(Part, &str, &'static [Manner])| {
            manners.iter().map(move |&manner| Self { part, manner })
        };
        PARTS.iter().flat_map(of).filter(|fault| disk || fault.part != Part::Disk).collect()
    }

    /// Who is asked only when another part is down: that part's fault.
    pub(super) fn needs(self) -> Option<Self> {
        let part = match self.part {
            Part::CloudHearing => Part::Worker,
            Part::CloudVoice => Part::Espeak,
            _ => return None,
        };
        Some(Self { part, manner: Manner::KillAgain })
    }

    /// The chain that is degraded by it, if any is that tells so.
    pub(super) fn chain(self) -> Option<&'static str> {
        Some(match self.part {
            Part::Primary | Part::Disk => "database",
            Part::Tmux | Part::ControlClient => "tmux-session",
            Part::Sound => "audio-input",
            Part::Worker | Part::CloudHearing => "voice-stt",
            Part::Espeak | Part::CloudVoice => "voice-tts",
            Part::Ai => "ai-service",
            Part::Replica | Part::Redis | Part::Daemon => return None,
        })
    }

    /// Within what time from the first use on this must be told, if it is the only thing wrong. What comes back by
    /// itself in a moment, is merely slow, or has something behind it that nobody notices, need not be told; nor that a
    /// tmux client stands still, in whose place the server reads and writes.
    pub(super) fn must_tell(self) -> Option<Duration> {
        use Manner::{Freeze, Full, Garble, Kill, KillAgain, Reset};
        let seconds = Duration::from_secs;
        Some(match (self.part, self.manner) {
            (Part::Primary, Kill | Reset | Garble | Freeze) => DATABASE,
            (Part::Disk, Full) => seconds(1),
            (Part::Tmux, Freeze) => TMUX * 2,
            (Part::Sound, Kill | Freeze) => WATCHDOG,
            (Part::Worker, Freeze) => HEARING + SAID,
            (Part::Worker, KillAgain) => seconds(3),
            (Part::Espeak, KillAgain | Freeze) => VOICE * 2,
            (Part::Ai, Kill | Freeze | Reset | Garble) => AI,
            _ => return None,
        })
    }

    /// The tiers that feel it.
    pub(super) fn tiers(self) -> &'static [&'static str] {
        match self.part {
            Part::Primary => &["postgresql-primary"],
            Part::Replica => &["postgresql-replica"],
            Part::Redis => &["cache-redis"],
            Part::Tmux | Part::ControlClient => &["tmux-control", "tmux-process"],
            Part::Sound => &["audio-input", "audio-output"],
            Part::Worker => &["local-whisper"],
            Part::Espeak => &["local-neural", "local-fast"],
            Part::CloudHearing => &["cloud-google-stt"],
            Part::CloudVoice => &["cloud-google-tts"],
            Part::Ai => &["ai-1"],
            Part::Disk => &["journal"],
            Part::Daemon => &[],
        }
    }

    /// How long it lasts at least.
    pub(super) fn lasts(self) -> Duration {
        Duration::from_millis(match self.manner {
            Manner::Kill => 1500,
            Manner::KillAgain | Manner::Reset | Manner::Garble | Manner::Full => 2500,
            Manner::Freeze | Manner::Slow => 4000,
        })
    }
}

/// What the program is configured with here, so that a minute holds several faults.
pub(super) const DATABASE: Duration = Duration::from_secs(2);
pub(super) const TMUX: Duration = Duration::from_secs(2);
pub(super) const WATCHDOG: Duration = Duration::from_secs(2);
pub(super) const HEARING: Duration = Duration::from_secs(5);
/// What is said is no longer; the recogniser is given as much more.
const SAID: Duration = Duration::from_secs(2);
pub(super) const VOICE: Duration = Duration::from_secs(3);
pub(super) const AI: Duration = Duration::from_secs(3);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = PARTS.iter().find(|(part, ..)| *part == self.part).map(|(_, name, _)| *name);
        let manner = MANNERS.iter().find(|(manner, _)| *manner == self.manner).map(|(_, name)| *name);
        write!(f, "{}:{}", part.unwrap_or_default(), manner.unwrap_or_default())
    }
}

impl FromStr for Fault {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::all(true)
            .into_iter()
            .find(|fault| fault.to_string() == text)
            .ok_or_else(|| format!("\"{text}\" is no fault"))
    }
}

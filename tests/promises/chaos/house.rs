//! Everything real that the program has around it, and how it is hurt and healed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use voice_terminal::domain::Event;

use super::daemon::{Control, Daemon, Events};
use super::fault::{Fault, Manner, Part};
use super::schedule::Chance;
use crate::support::clouds::Fake;
use crate::support::disk::Disk;
use crate::support::models;
use crate::support::postgres::Servers;
use crate::support::proxy::{Proxy, Weather};
use crate::support::pulse::Pulse;
use crate::support::redis::Redis;
use crate::support::user::User;

/// How late a slow network is.
const LATE: Duration = Duration::from_millis(400);

/// What is in the command lines of the program's own children.
pub(super) const RECOGNISER: &str = "worker";
pub(super) const ESPEAK: &str = "espeak-ng";

/// Where the log is kept, for whoever looks into a failure.
const KEEP: &str = "VT_CHAOS_KEEP";

pub(super) struct House {
    pub(super) daemon: Daemon,
    /// Its process, for whoever hurts its children.
    pid: Arc<AtomicU32>,
    pub(super) events: Events,
    pub(super) control: Control,
    pub(super) servers: Servers,
    redis: Redis,
    pub(super) pulse: Arc<Mutex<Pulse>>,
    pub(super) hears: Fake,
    pub(super) knows: Fake,
    _speaks: Fake,
    networks: Networks,
    /// The servers' processes that are hurt, and by whom.
    harassments: Vec<(Fault, Harassment)>,
    tmux: u32,
    disk: Option<Disk>,
    pub(super) user: Arc<User>,
    runtime: Arc<Runtime>,
}

struct Networks {
    primary: Proxy,
    replica: Proxy,
    redis: Proxy,
    hearing: Proxy,
    voice: Proxy,
    ai: Proxy,
}

impl House {
    /// Starts everything, and waits until the program listens.
    pub(super) fn start(runtime: &Arc<Runtime>) -> Self {
        for model in ["tiny.en", "silero-vad", "joe"] {
            runtime.block_on(models::model(model));
        }
        let mut user = User::new();
        user.unset("VOICE_TERMINAL_AUDIO__OUTPUT");
        user.set("GOOGLE_SPEECH_KEY", "KEY");
        if std::env::var_os(KEEP).is_some() {
            user.set("VOICE_TERMINAL_LOG", "debug");
        }
        leave_marks(&mut user);
        let pulse = Pulse::start(&mut user);
        let servers = runtime.block_on(Servers::start());
        let redis = Redis::start(&user.path("home"));
        let [hears, speaks, knows] = [(); 3].map(|()| Fake::start(""));
        let _inside = runtime.enter();
        let place = |name: &str| {
            let place = user.path(name);
            std::fs::create_dir(&place).unwrap();
            place
        };
        let (primary, replica) = (place("primary"), place("replica"));
        let of = |fake: &Fake| {
            let address = fake.address().strip_prefix("http://").unwrap().parse().unwrap();
            runtime.block_on(Proxy::tcp(address))
        };
        let networks = Networks {
            primary: Proxy::unix(&primary.join(".s.PGSQL.5432"), &servers.primary.socket()),
            replica: Proxy::unix(&replica.join(".s.PGSQL.5432"), &servers.replica.socket()),
            redis: Proxy::unix(
                &user.path("redis.sock"),
                Path::new(redis.url().strip_prefix("unix:").unwrap()),
            ),
            hearing: of(&hears),
            voice: of(&speaks),
            ai: of(&knows),
        };
        configure(&user, &networks, &primary, &replica);
        let disk = Disk::mount(&user.path("state"), "0700");
        let events = Events::default();
        let daemon = Daemon::start(user.command(&["--json", "daemon"]), &events);
        let house = Self {
            pid: Arc::new(AtomicU32::new(daemon.pid())),
            daemon,
            events,
            control: Control(user.path("run/voice-terminal/control.sock")),
            servers,
            redis,
            pulse: Arc::new(Mutex::new(pulse)),
            hears,
            knows,
            _speaks: speaks,
            networks,
            harassments: Vec::new(),
            tmux: 0,
            disk,
            user: Arc::new(user),
            runtime: Arc::clone(runtime),
        };
        house.answers();
        house
    }

    /// Whether the disk can be made full here.
    pub(super) fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Waits until the program can be asked.
    fn answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.control.status(Duration::from_secs(1)).is_none() {
            assert!(Instant::now() < deadline, "it doesn't answer: {}", self.daemon.complaints());
            sleep(Duration::from_millis(20));
        }
    }

    /// What the tmux server's process is; asked while all is well.
    pub(super) fn look_at_tmux(&mut self) {
        self.tmux = self.user.tmux(&["display-message", "-p", "#{pid}"]).parse().unwrap_or(0);
    }

    fn network(&self, part: Part) -> Option<&Proxy> {
        Some(match part {
            Part::Primary => &self.networks.primary,
            Part::Replica => &self.networks.replica,
            Part::Redis => &self.networks.redis,
            Part::CloudHearing => &self.networks.hearing,
            Part::CloudVoice => &self.networks.voice,
            Part::Ai => &self.networks.ai,
            _ => return None,
        })
    }

    /// Hurts it, from now on; when that was.
    pub(super) fn inflict(&mut self, fault: Fault, chance: &mut Chance) -> Instant {
        let Fault { part, manner } = fault;
        if fault == (Fault { part: Part::Worker, manner: Manner::Kill }) {
            self.until_somebody_speaks();
            sleep(Duration::from_millis(300 + chance.next() % 1200));
        }
        let now = Instant::now();
        match (part, manner) {
            (Part::Primary, Manner::Kill) => self.servers.primary.kill(),
            (Part::Primary, Manner::Freeze) => self.servers.primary.freeze(),
            (Part::Replica, Manner::Kill) => self.servers.replica.kill(),
            (Part::Replica, Manner::Freeze) => self.servers.replica.freeze(),
            (Part::Redis, Manner::Kill) => self.redis.signal("KILL"),
            (Part::Redis, Manner::Freeze) => self.redis.signal("STOP"),
            (Part::Sound, Manner::Kill) => self.pulse.lock().unwrap().kill(),
            (Part::Sound, Manner::Freeze) => self.pulse.lock().unwrap().freeze(),
            (Part::Sound, _) => self.pulse.lock().unwrap().unplug(),
            (Part::Tmux, Manner::Kill) => signal(self.tmux, libc::SIGKILL),
            (Part::Daemon, Manner::Kill) => self.daemon.kill(),
            (Part::Disk, _) => self.disk.as_ref().unwrap().fill(),
            _ => match self.network(part) {
                Some(network) => network.set(weather(manner, chance)),
                None => self.harass(fault),
            },
        }
        now
    }

    /// Lets it be; what was killed is started again.
    pub(super) fn heal(&mut self, fault: Fault) {
        let Fault { part, manner } = fault;
        self.harassments.retain(|(of, _)| *of != fault);
        if let Some(network) = self.network(part) {
            network.set(Weather::Clear);
        }
        match (part, manner) {
            (Part::Primary, Manner::Kill) => self.runtime.block_on(self.servers.primary.go_on()),
            (Part::Primary, Manner::Freeze) => self.servers.primary.resume(),
            (Part::Replica, Manner::Kill) => self.runtime.block_on(self.servers.replica.go_on()),
            (Part::Replica, Manner::Freeze) => self.servers.replica.resume(),
            (Part::Redis, Manner::Kill) => self.redis.go_on(),
            (Part::Redis, Manner::Freeze) => self.redis.signal("CONT"),
            (Part::Sound, Manner::Kill) => self.pulse.lock().unwrap().begin(),
            (Part::Sound, Manner::Freeze) => self.pulse.lock().unwrap().thaw(),
            (Part::Sound, _) => self.pulse.lock().unwrap().plug_in(),
            (Part::Daemon, Manner::Kill) => {
                self.daemon = Daemon::start(self.user.command(&["--json", "daemon"]), &self.events);
                self.pid.store(self.daemon.pid(), Ordering::SeqCst);
                self.answers();
            }
            (Part::Disk, _) => self.disk.as_ref().unwrap().empty(),
            _ => {}
        }
    }

    fn harass(&mut self, fault: Fault) {
        let (pid, tmux) = (Arc::clone(&self.pid), self.tmux);
        let victims: Box<dyn Fn() -> Vec<u32> + Send> = match fault.part {
            Part::Daemon => Box::new(move || vec![pid.load(Ordering::SeqCst)]),
            Part::Tmux => Box::new(move || vec![tmux]),
            Part::ControlClient => {
                Box::new(those_that_stay(move || children(pid.load(Ordering::SeqCst), "tmux")))
            }
            Part::Worker => Box::new(move || children(pid.load(Ordering::SeqCst), RECOGNISER)),
            _ => Box::new(move || children(pid.load(Ordering::SeqCst), ESPEAK)),
        };
        if fault.manner == Manner::Kill {
            for victim in victims() {
                signal(victim, libc::SIGKILL);
            }
        } else {
            self.harassments.push((fault, Harassment::begin(victims, fault.manner)));
        }
    }

    fn until_somebody_speaks(&self) {
        let mark = self.events.now();
        let patience = Instant::now() + Duration::from_secs(8);
        let speaks =
            || self.events.find(mark, |seen| matches!(seen.event, Event::SpeechStarted).then_some(()));
        while speaks().is_none() && Instant::now() < patience {
            sleep(Duration::from_millis(5));
        }
    }

    /// What the log says of panics, which nobody should cause.
    pub(super) fn panics(&self) -> Option<String> {
        let complaints = self.daemon.complaints();
        complaints.contains("panicked").then_some(complaints)
    }

    /// The journal's file.
    pub(super) fn journal(&self) -> PathBuf {
        self.user.path("state/voice-terminal/journal.sqlite")
    }

    /// What lines leave their marks in.
    pub(super) fn marks(&self) -> PathBuf {
        self.user.path("home/marks")
    }

    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(place) = std::env::var_os(KEEP) {
            let log = self.user.path("state/voice-terminal/voice-terminal.log");
            // It helps whoever looks into a failure, and is no failure itself.
            let _ = std::fs::copy(log, Path::new(&place).join("voice-terminal.log"));
        }
    }
}

/// Lines of the user's leave a mark: what it is called, where its shell runs.
fn leave_marks(user: &mut User) {
    use std::os::unix::fs::PermissionsExt;
    let bin = user.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let mark = bin.join("mark");
    let script = format!(
        "#!/bin/sh\nprintf '%s %s %s\\n' \"$1\" \"$TMUX\" \"$TMUX_PANE\" >>{}\n",
        user.path("home/marks").display()
    );
    std::fs::write(&mark, script).unwrap();
    std::fs::set_permissions(&mark, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    user.set("PATH", &format!("{}:{path}", bin.display()));
}

fn configure(user: &User, networks: &Networks, primary: &Path, replica: &Path) {
    use super::fault::{AI, DATABASE, HEARING, TMUX, VOICE, WATCHDOG};
    let url = |place: &Path| format!("postgres:///postgres?host={}&port=5432&user=vt", place.display());
    let Networks { redis, hearing, voice, ai, .. } = networks;
    user.configure(&format!(
        r#"
[audio]
watchdog = "{watchdog}s"
[speech.stt]
chain = ["local-whisper", "cloud-google-stt"]
[speech.tts]
chain = ["local-neural", "local-fast", "cloud-google-tts"]
[cloud]
consent = true
rate = 6000
monthly_sound = "100h"
monthly_cost = 100000.0
[cloud.google]
stt = "{hearing}"
tts = "{voice}"
[ai]
endpoints = ["openai {ai} some-model"]
[cache.redis]
url = "{redis}"
[store.postgres]
primary = "{primary}"
replicas = ["{replica}"]
[safety]
allow = ["mark"]
[terminal]
run_wait = "5s"
[breakers.default]
success_threshold = 1
reset_timeout = "1s"
reset_cap = "2s"
[breakers.cache-redis]
success_threshold = 1
reset_timeout = "1s"
reset_cap = "2s"
[breakers.audio-input]
reset_timeout = "1s"
[breakers.voice-stt]
timeout = "{hears}s"
[breakers.voice-tts]
timeout = "{speaks}s"
[breakers.voice-cloud]
timeout = "3s"
reset_timeout = "1s"
[breakers.ai-service]
timeout = "{knows}s"
reset_timeout = "1s"
[breakers.database-primary]
timeout = "{database}s"
reset_timeout = "1s"
[breakers.postgresql-replica]
timeout = "{database}s"
[breakers.tmux-session]
timeout = "{tmux}s"
"#,
        watchdog = WATCHDOG.as_secs(),
        hearing = hearing.address(),
        voice = voice.address(),
        ai = ai.address(),
        redis = redis.address(),
        primary = url(primary),
        replica = url(replica),
        hears = HEARING.as_secs(),
        speaks = VOICE.as_secs(),
        knows = AI.as_secs(),
        database = DATABASE.as_secs(),
        tmux = TMUX.as_secs(),
    ));
    let phrases = format!("[[phrase]]\nsay = \"{}\"\ndo = \"run mark spoken\"\n", super::person::SAID);
    std::fs::write(user.path("config/voice-terminal/phrases.toml"), phrases).unwrap();
}

fn weather(manner: Manner, chance: &mut Chance) -> Weather {
    let one_of = |of: &[Weather], chance: &mut Chance| of[chance.below(of.len())];
    match manner {
        Manner::Kill | Manner::KillAgain | Manner::Full => Weather::Refuse,
        Manner::Freeze => Weather::Stall,
        Manner::Slow => one_of(&[Weather::Latency(LATE), Weather::Bandwidth(2000)], chance),
        Manner::Reset => Weather::Reset,
        Manner::Garble => one_of(&[Weather::Garbage, Weather::Cut(10), Weather::HalfClose], chance),
    }
}

/// Somebody who stops, starts or kills processes until they are told to leave it.
struct Harassment {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Harassment {
    fn begin(victims: Box<dyn Fn() -> Vec<u32> + Send>, manner: Manner) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let all = |what| victims().into_iter().for_each(|victim| signal(victim, what));
            while !ends.load(Ordering::SeqCst) {
                match manner {
                    Manner::KillAgain => all(libc::SIGKILL),
                    Manner::Slow => {
                        all(libc::SIGSTOP);
                        sleep(Duration::from_millis(45));
                        all(libc::SIGCONT);
                        sleep(Duration::from_millis(5));
                        continue;
                    }
                    _ => all(libc::SIGSTOP),
                }
                sleep(Duration::from_millis(30));
            }
            all(libc::SIGCONT);
        });
        Self { end, thread: Some(thread) }
    }
}

impl Drop for Harassment {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
        let _ = self.thread.take().unwrap().join();
    }
}

/// It may have gone.
fn signal(pid: u32, what: i32) {
    if pid > 1 {
        // SAFETY: no memory is touched.
        unsafe { libc::kill(pid.cast_signed(), what) };
    }
}

/// The children of a process whose command line holds this.
pub(super) fn children(of: u32, what: &str) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task"));
    let list = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).ok();
    let lists = tasks.into_iter().flatten().flatten().filter_map(list);
    let pids: Vec<u32> = lists
        .flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    let is_it = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(what)
    };
    pids.into_iter().filter(is_it).collect()
}

/// Of processes, those that are there for a while: a `tmux` a command is not a client that stays.
fn those_that_stay(all: impl Fn() -> Vec<u32>) -> impl Fn() -> Vec<u32> {
    const WHILE: Duration = Duration::from_millis(500);
    let known: std::cell::RefCell<BTreeMap<u32, Instant>> = std::cell::RefCell::default();
    // Who is there at the beginning stays.
    let longer_ago = Instant::now().checked_sub(WHILE).unwrap_or_else(Instant::now);
    known.borrow_mut().extend(all().into_iter().map(|pid| (pid, longer_ago)));
    move || {
        let now = all();
        let mut known = known.borrow_mut();
        known.retain(|pid, _| now.contains(pid));
        now.into_iter()
            .filter(|pid| known.entry(*pid).or_insert_with(Instant::now).elapsed() >= WHILE)
            .collect()
    }
}

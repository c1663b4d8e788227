//! A PulseAudio of a test's own, with a virtual microphone to speak into.
//!
//! Two null sinks stand for the devices; what is played to `mic` is what the microphone hears.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::meter::Meter;
use super::user::{User, signal, until};

/// A sound server, killed with the test.
pub struct Pulse {
    dir: PathBuf,
    server: Option<Child>,
    /// Without somebody who always plays, a null sink works in blocks of two seconds.
    feeder: Option<Child>,
}

impl Pulse {
    /// Starts one for a user, with a microphone.
    pub fn start(user: &mut User) -> Self {
        Self::with(user, "vmic")
    }

    /// Starts one that has a speaker, and no microphone.
    pub fn without_microphone(user: &mut User) -> Self {
        Self::with(user, "speaker.monitor")
    }

    fn with(user: &mut User, source: &str) -> Self {
        let dir = user.path("pulse");
        for place in [dir.clone(), dir.join("state")] {
            fs::create_dir(&place).unwrap();
            fs::set_permissions(&place, PermissionsExt::from_mode(0o700)).unwrap();
        }
        let socket = dir.join("native");
        let mut script = format!(
            "load-module module-native-protocol-unix socket={}\n\
             load-module module-null-sink sink_name=speaker rate=48000 channels=2\n",
            socket.display()
        );
        if source == "vmic" {
            script += "load-module module-null-sink sink_name=mic rate=48000 channels=1\n\
                       load-module module-remap-source master=mic.monitor source_name=vmic\n";
        }
        let defaults = format!("set-default-sink speaker\nset-default-source {source}\n");
        fs::write(dir.join("script.pa"), script + &defaults).unwrap();
        fs::write(
            dir.join("asound.conf"),
            "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n",
        )
        .unwrap();
        user.set("PULSE_SERVER", &format!("unix:{}", socket.display()));
        // The server makes it in its home, which on a desktop is the user's.
        user.set("PULSE_COOKIE", dir.join(".config/pulse/cookie").to_str().unwrap());
        user.set("ALSA_CONFIG_PATH", dir.join("asound.conf").to_str().unwrap());
        let mut pulse = Self { dir, server: None, feeder: None };
        pulse.begin();
        pulse
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let runtime = self.dir.to_str().unwrap();
        command
            .env("HOME", runtime)
            .env("XDG_RUNTIME_DIR", runtime)
            .env("PULSE_RUNTIME_PATH", runtime)
            .env("PULSE_STATE_PATH", self.dir.join("state"))
            .env("PULSE_SERVER", format!("unix:{runtime}/native"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Starts the server (again), and waits until it serves.
    pub fn begin(&mut self) {
        let options = "-n --exit-idle-time=-1 --daemonize=no --use-pid-file=no --disallow-exit --realtime=no \
                       --high-priority=no -F";
        let mut server = self.client("pulseaudio");
        server.env_remove("PULSE_SERVER").args(options.split_whitespace()).arg(self.dir.join("script.pa"));
        self.server = Some(server.spawn().unwrap());
        until("PulseAudio serves", || self.client("pactl").arg("info").status().unwrap().success());
        let sinks =
            self.client("pactl").args(["list", "short", "sinks"]).stdout(Stdio::piped()).output().unwrap();
        if String::from_utf8_lossy(&sinks.stdout).contains("\tmic\t") {
            let mut feeder = self.client("pacat");
            feeder.args(
                "--playback --raw --rate=48000 --format=s16le --channels=1 --latency-msec=20".split(' '),
            );
            self.feeder = Some(feeder.args(["--device=mic", "/dev/zero"]).spawn().unwrap());
        }
    }

    /// kill -9
    pub fn kill(&mut self) {
        for child in [self.feeder.take(), self.server.take()].into_iter().flatten() {
            signal(child.id(), "KILL");
            // It is gone; this takes its remains away.
            let _ = { child }.wait();
        }
        // A socket that nobody listens at.
        let _ = fs::remove_file(self.dir.join("native"));
    }

    /// Stops it, as a debugger would: connections stay, and nothing comes.
    pub fn freeze(&self) {
        signal(self.server.as_ref().unwrap().id(), "STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signal(self.server.as_ref().unwrap().id(), "CONT");
    }

    /// Records what the loudspeaker plays, until the recording is ended.
    pub fn record(&self, wav: &Path) -> Recording {
        self.record_from("speaker", wav)
    }

    /// Records what another loudspeaker plays.
    pub fn record_from(&self, sink: &str, wav: &Path) -> Recording {
        let mut parec = self.client("parec");
        parec.args([
            &*format!("--device={sink}.monitor"),
            "--rate=16000",
            "--channels=1",
            "--format=s16le",
            "--file-format=wav",
        ]);
        let child = parec.arg("--latency-msec=20").arg(wav).spawn().unwrap();
        until("it records", || wav.exists());
        Recording(child)
    }

    /// Has the server do something, as `pactl` does.
    pub fn control(&self, words: &[&str]) {
        assert!(self.client("pactl").args(words).status().unwrap().success(), "pactl {words:?}");
    }

    /// Plugs in another microphone. It hears the same.
    pub fn plug_in_another(&self, id: &str, name: &str) {
        let (id, name) =
            (format!("source_name={id}"), format!("source_properties=device.description={name}"));
        self.control(&["load-module", "module-remap-source", "master=mic.monitor", &id, &name]);
    }

    /// Connects another loudspeaker.
    pub fn connect_another(&self, id: &str, name: &str) {
        let (id, name) = (format!("sink_name={id}"), format!("sink_properties=device.description={name}"));
        self.control(&["load-module", "module-null-sink", "rate=48000", "channels=2", &id, &name]);
    }

    /// The cookie that it lets in.
    pub fn cookie(&self) -> PathBuf {
        self.dir.join(".config/pulse/cookie")
    }

    /// Lets the microphone hear the loudspeaker, as in a room.
    pub fn join(&self) {
        let loopback =
            ["load-module", "module-loopback", "source=speaker.monitor", "sink=mic", "latency_msec=30"];
        self.control(&loopback);
    }

    /// Puts microphone, loudspeaker and a person into one room: the loudspeaker is heard a little later and half as
    /// loud, and so is whatever is played to `person`.
    pub fn share_a_room(&self) {
        let person = ["load-module", "module-null-sink", "sink_name=person", "rate=48000", "channels=1"];
        assert!(self.client("pactl").args(person).status().unwrap().success());
        self.lets_hear("speaker", 60, "-6dB");
        self.lets_hear("person", 20, "0dB");
    }

    /// Lets the microphone hear what a device plays, so many milliseconds later and so loud.
    pub fn lets_hear(&self, sink: &str, later: u32, volume: &str) {
        let source = format!("source={sink}.monitor");
        let latency = format!("latency_msec={later}");
        let mut load = self.client("pactl");
        // A room doesn't change its speed.
        load.args(["load-module", "module-loopback", &source, "sink=mic", &latency, "adjust_time=0"]);
        let loaded = load.stdout(Stdio::piped()).output().unwrap();
        let owner = format!("Owner Module: {}\n", String::from_utf8_lossy(&loaded.stdout).trim());
        let mut list = self.client("pactl");
        let listed = list.args(["list", "sink-inputs"]).stdout(Stdio::piped()).output().unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let input = listed.split("Sink Input #").find(|input| input.contains(&owner)).unwrap();
        let number = input.lines().next().unwrap().trim();
        self.control(&["set-sink-input-volume", number, volume]);
    }

    /// Has the person say something, and goes on.
    pub fn person_says(&self, wav: &Path) -> Child {
        self.playing_to("person", wav)
    }

    /// Listens to what a device plays.
    pub fn meter(&self, sink: &str) -> Meter {
        let mut parec = self.client("parec");
        let device = format!("--device={sink}.monitor");
        parec.args(["--raw", "--rate=16000", "--channels=1", "--format=s16le", "--latency-msec=10", &device]);
        Meter::new(parec.stdout(Stdio::piped()).spawn().unwrap())
    }

    /// How many programs have a microphone open.
    pub fn listeners(&self) -> usize {
        let mut list = self.client("pactl");
        let listed = list.args(["list", "short", "source-outputs"]).stdout(Stdio::piped()).output().unwrap();
        // The virtual microphone itself listens to what is played to it.
        String::from_utf8_lossy(&listed.stdout).lines().filter(|line| line.contains("native")).count()
    }

    /// How many programs play something through a loudspeaker, but for the feeder.
    pub fn players(&self) -> usize {
        let mut list = self.client("pactl");
        let listed = list.args(["list", "short", "sink-inputs"]).stdout(Stdio::piped()).output().unwrap();
        String::from_utf8_lossy(&listed.stdout).lines().count() - usize::from(self.feeder.is_some())
    }

    /// Takes the microphone away, as somebody does who pulls its plug.
    pub fn unplug(&self) {
        self.control(&["unload-module", "module-remap-source"]);
    }

    /// Puts it back.
    pub fn plug_in(&self) {
        self.control(&["load-module", "module-remap-source", "master=mic.monitor", "source_name=vmic"]);
    }

    /// Plays a file into the microphone, in real time, and returns at its end.
    pub fn play(&self, wav: &Path) {
        let done = self.playing(wav).wait().unwrap();
        assert!(done.success(), "paplay {}", wav.display());
    }

    /// Plays a file into the microphone, and goes on.
    pub fn playing(&self, wav: &Path) -> Child {
        self.playing_to("mic", wav)
    }

    /// Plays a file through the loudspeaker, and goes on.
    pub fn playing_aloud(&self, wav: &Path) -> Child {
        self.playing_to("speaker", wav)
    }

    fn playing_to(&self, sink: &str, wav: &Path) -> Child {
        let device = format!("--device={sink}");
        self.client("paplay").args(["--latency-msec=20", &device]).arg(wav).spawn().unwrap()
    }
}

/// A recording under way.
pub struct Recording(Child);

impl Recording {
    /// Ends it; the file is whole then.
    pub fn end(mut self) {
        signal(self.0.id(), "INT");
        let _ = self.0.wait();
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        for mut child in [self.feeder.take(), self.server.take()].into_iter().flatten() {
            // They may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

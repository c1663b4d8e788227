"""A PulseAudio of our own, with a virtual microphone to speak into and a virtual loudspeaker to listen to."""

import array
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

SCRIPT = """\
load-module module-native-protocol-unix socket={socket}
load-module module-null-sink sink_name=speaker rate=48000 channels=2
load-module module-null-sink sink_name=mic rate=48000 channels=1
load-module module-remap-source master=mic.monitor source_name=vmic
set-default-sink speaker
set-default-source vmic
"""
SERVER = "pulseaudio -n --exit-idle-time=-1 --daemonize=no --use-pid-file=no --disallow-exit --realtime=no \
--high-priority=no -F"
PIECE = 0.01
# Of the noise of the room, 66 dB below full scale. No microphone gives exact silence, and one that does is told of.
NOISE = 16


class Meter:
    """Listens to a monitor, and remembers when it was how loud."""

    def __init__(self, room, source):
        command = f"parec --raw --rate=16000 --channels=1 --format=s16le --latency-msec=10 --device={source}"
        self.child = subprocess.Popen(command.split(), env=room.environment, stdout=subprocess.PIPE)
        self.heard = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        size = int(16_000 * PIECE) * 2
        while piece := self.child.stdout.read(size):
            samples = array.array("h", piece[: len(piece) // 2 * 2])
            self.heard.append((time.time(), max(max(samples), -min(samples))))

    def loud(self, since, until=float("inf"), threshold=300):
        """When there was sound in between."""
        return [at for at, peak in list(self.heard) if since <= at <= until and peak > threshold]

    def forget(self):
        self.heard = self.heard[-10:]


class Room:
    def __init__(self):
        self.place = Path(tempfile.mkdtemp(prefix="vt-room-"))
        (self.place / "state").mkdir(mode=0o700)
        socket = self.place / "native"
        (self.place / "script.pa").write_text(SCRIPT.format(socket=socket))
        (self.place / "asound.conf").write_text(
            "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n"
        )
        own = {"HOME": self.place, "XDG_RUNTIME_DIR": self.place, "PULSE_RUNTIME_PATH": self.place}
        own |= {"PULSE_STATE_PATH": self.place / "state", "PATH": os.environ["PATH"]}
        self.environment = {name: str(value) for name, value in own.items()} | {"PULSE_SERVER": f"unix:{socket}"}
        # What a program needs that is to hear and speak in here.
        self.for_program = {
            "PULSE_SERVER": f"unix:{socket}",
            "PULSE_COOKIE": str(self.place / ".config/pulse/cookie"),
            "ALSA_CONFIG_PATH": str(self.place / "asound.conf"),
        }
        self.children = []
        server = {name: value for name, value in self.environment.items() if name != "PULSE_SERVER"}
        self.start([*SERVER.split(), str(self.place / "script.pa")], server)
        for _ in range(200):
            if subprocess.run(["pactl", "info"], env=self.environment, capture_output=True).returncode == 0:
                break
            time.sleep(0.05)
        else:
            self.close()
            raise SystemExit("PulseAudio does not start")
        # Without somebody who always plays, a null sink works in blocks of two seconds.
        feeder = "pacat --playback --raw --rate=48000 --format=s16le --channels=1 --latency-msec=20 --device=mic"
        self.start(feeder.split(), self.environment, stdin=subprocess.PIPE)
        threading.Thread(target=self.murmur, args=(self.children[-1].stdin,), daemon=True).start()
        time.sleep(2)
        self.mic, self.speaker = Meter(self, "mic.monitor"), Meter(self, "speaker.monitor")
        self.children += [self.mic.child, self.speaker.child]

    def start(self, command, environment, stdin=subprocess.DEVNULL):
        quiet = subprocess.DEVNULL
        self.children.append(subprocess.Popen(command, env=environment, stdin=stdin, stdout=quiet, stderr=quiet))

    def murmur(self, feeder):
        """The noise of the room, ten seconds of it again and again."""
        chance = random.Random("room")
        noise = array.array("h", (int(chance.gauss(0, NOISE)) for _ in range(480_000))).tobytes()
        try:
            while True:
                feeder.write(noise)
        except (BrokenPipeError, ValueError):
            pass

    def say(self, wav):
        """Plays a file into the microphone, to its end."""
        command = ["paplay", "--latency-msec=20", "--device=mic", str(wav)]
        subprocess.run(command, env=self.environment, check=True)

    def close(self):
        for child in reversed(self.children):
            child.kill()
            child.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

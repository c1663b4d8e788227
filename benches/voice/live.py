"""The daemon at work in a room of its own: what it takes from somebody's last sound to its first."""

import json
import subprocess
import threading
import time
from pathlib import Path

import procs

# What can be said again and again, changes nothing for good, and is answered in a few words.
SAID = ["list sessions", "next window", "scroll up", "go left", "zoom", "run git status", "run ls", "status"]
VOICES = ["slt", "rms", "kal", "piper"]
# It is to listen again after it has spoken.
PAUSE = 1.0
PATIENCE = 15.0


def end_tmux(run):
    """Ends the tmux server of a command line that has `terminal.socket=vt-bench`."""
    environment = dict(word.split("=", 1) for word in run[2 : run.index("--set") - 1])
    subprocess.run(["tmux", "-L", "vt-bench", "kill-server"], env=environment, capture_output=True)


def quiet(run):
    """What has it give no tones, where it has any: one would be taken for the first sound of its answer."""
    shown = subprocess.run([*run, "--json", "config", "show"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return ["--set", "listening.cues=visible"] if '"cues"' in shown.stdout else []


class Daemon:
    """A daemon that listens. `run` is its command line, with `terminal.socket=vt-bench`."""

    def __init__(self, run, room):
        command = [*run, "--json", *quiet(run), "daemon"]
        self.run = run
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.events = []
        threading.Thread(target=self.read, daemon=True).start()
        self.room = room
        began = time.time()
        if not self.until(began, lambda event: event["event"] == "mode_changed" and event["mode"] == "voice", 60):
            raise SystemExit("the daemon does not listen")
        # Something to talk about; its answer is spoken.
        subprocess.run([*run, "do", "new session build"], stdin=subprocess.DEVNULL, capture_output=True)
        time.sleep(2)
        self.silence()

    def read(self):
        for line in self.process.stdout:
            self.events.append((time.time(), json.loads(line)))

    def until(self, since, is_it, patience=PATIENCE):
        """The first such event from then on, and when it came; None if none comes."""
        deadline = time.time() + patience
        while time.time() < deadline:
            for at, event in list(self.events):
                if at >= since and is_it(event):
                    return at, event
            time.sleep(0.005)
        return None

    @property
    def pid(self):
        return self.process.pid

    def silence(self):
        """Waits until it has not spoken for a while."""
        deadline = time.time() + 30
        while time.time() < deadline and self.room.speaker.loud(time.time() - PAUSE):
            time.sleep(0.05)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        end_tmux(self.run)


def turn(daemon, recording):
    """One command, from its last sound on; None if nothing was heard."""
    room = daemon.room
    room.mic.forget()
    room.speaker.forget()
    began = time.time()
    room.say(recording)
    heard = daemon.until(began, lambda event: event["event"] == "heard" and event["origin"] == "microphone")
    if heard is None:
        return None
    id = heard[1]["id"]
    mine = lambda kind: lambda event: event["event"] == kind and event.get("id") == id
    text, replied = daemon.until(began, mine("transcribed")), daemon.until(began, mine("replied"), 40)
    if text is None or replied is None:
        return None
    deadline = time.time() + 5
    while not room.speaker.loud(replied[0]) and time.time() < deadline:
        time.sleep(0.01)
    spoken = room.speaker.loud(replied[0])
    silent = room.mic.loud(began, heard[0])
    daemon.silence()
    if not silent or not spoken:
        return None
    ended = silent[-1]
    return {
        "text": text[1]["transcript"]["text"],
        "reply": replied[1]["reply"]["text"],
        "endpoint": heard[0] - ended,
        "endpoint_to_text": text[0] - heard[0],
        "speech_to_text": text[0] - ended,
        "text_to_reply": replied[0] - text[0],
        "reply_to_sound": spoken[0] - replied[0],
        "speech_to_sound": spoken[0] - ended,
    }


def listen(make_run, room, clean, count, idle):
    """`count` commands, and some seconds of silence."""
    sources = {}
    for one in clean:
        if one["voice"] in VOICES and one["words"] in SAID:
            path = Path(one["file"])
            sources[one["voice"], one["words"]] = path.parent.parent.parent / "source" / one["voice"] / path.name
    daemon = Daemon(make_run(["terminal.socket=vt-bench"], room.for_program), room)
    try:
        with procs.Peak(daemon.pid) as peak:
            turns, missed = [], 0
            for at in range(count):
                words = SAID[at % len(SAID)]
                done = turn(daemon, sources[VOICES[at // len(SAID) % len(VOICES)], words])
                turns, missed = (turns + [done | {"words": words}], missed) if done else (turns, missed + 1)
        # The loudspeaker is closed when it has been idle for a while.
        time.sleep(12)
        began = time.time()
        before = procs.use(procs.tree(daemon.pid))
        time.sleep(idle)
        after = procs.use(procs.tree(daemon.pid))
        if news := [event for at, event in daemon.events if at >= began]:
            raise SystemExit(f"something happened while nobody spoke: {news[0]}")
        return {
            "turns": turns,
            "missed": missed,
            "memory": peak.most,
            "memory_after": after["memory"],
            "idle_cpu": (after["time"] - before["time"]) / idle,
            "idle_seconds": idle,
        }
    finally:
        daemon.close()

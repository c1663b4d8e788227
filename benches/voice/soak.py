"""An hour of simulated listening, and some minutes of real listening: what is used must stay what it was.

    soak.py --binary PATH [--minutes 10] [--hours 1]

A room with its noise, in which somebody says a command every twenty seconds, is heard by `voice-terminal hear` as fast
as it can: the same detector, endpointing, recogniser, grammar and tmux as with a microphone. Then the daemon listens to
a virtual microphone and answers aloud. Memory, threads, file descriptors and processor time of all processes are
printed as they go. Growth from the second quarter to the last is a failure.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

import procs
from accuracy import CACHE, program
from live import SAID, VOICES, Daemon, end_tmux, turn
from recordings import LOUDNESS, RATE, chance, make, read, write
from room import Room

# What an allocator may still settle by, and what a turn that is under way holds.
SLACK = {"memory": 8 * 2**20, "threads": 2, "descriptors": 3}
EVERY = 20.0


def sources(everything):
    return [one for one in everything if one["condition"] == "clean" and one["words"] in SAID and one["voice"] in VOICES]


def an_hour(everything, hours):
    """A recording of a room: soft noise all the time, and a command every twenty seconds."""
    path = CACHE / "bench" / f"room-{hours:g}h.wav"
    if not path.exists():
        random = chance("room")
        said = [read(Path(one["file"])) for one in sources(everything)]
        # 40 dB below speech, and slowly changing.
        minute = random.standard_normal(60 * RATE).astype(np.float32)
        minute *= LOUDNESS / 100 * (1 + 0.5 * np.sin(np.arange(len(minute)) / RATE / 7)).astype(np.float32)
        room = np.tile(minute, int(hours * 60))
        for begin in range(5 * RATE, len(room) - 10 * RATE, int(EVERY * RATE)):
            words = said[int(random.integers(len(said)))]
            room[begin : begin + len(words)] += words
        write(path, room)
    return path


class Watch:
    """Samples what a tree of processes uses."""

    def __init__(self, pid, what):
        self.pid, self.what, self.samples, self.began = pid, what, [], time.time()

    def look(self, note=""):
        used = procs.use(procs.tree(self.pid)) | {"at": time.time() - self.began}
        share = 0.0
        if self.samples and used["at"] > self.samples[-1]["at"]:
            last = self.samples[-1]
            # What a process used that has ended since is no longer told.
            share = max(used["time"] - last["time"], 0) / (used["at"] - last["at"])
        self.samples.append(used)
        print(
            f"{self.what:8} {used['at']:6.0f} s  {used['memory'] / 2**20:6.1f} MiB  {used['threads']:3} threads  "
            f"{used['descriptors']:3} descriptors  {share * 100:5.1f} % of a core  {note}",
            flush=True,
        )

    def growth(self):
        """By how much each has grown, and whether that is too much."""
        quarter = len(self.samples) // 4
        early, late = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        if quarter < 2:
            raise SystemExit(f"{self.what}: too short to tell")
        grown = {}
        for field, slack in SLACK.items():
            before, after = (median(one[field] for one in part) for part in (early, late))
            grown[field] = (before, after, after - before > slack)
        return grown


def simulated(run, recording):
    begin = time.time()
    # Something to talk about.
    subprocess.run([*run, "do", "new session build"], stdin=subprocess.DEVNULL, capture_output=True)
    command = [*run, "--json", "hear", str(recording)]
    troubles = tempfile.TemporaryFile("w+")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=troubles, text=True)
    watch, turns = Watch(process.pid, "hear"), 0
    # The first turns load what is loaded once.
    for line in process.stdout:
        if '"event":"replied"' in line:
            turns += 1
            if turns >= 5 and turns % 5 == 0:
                watch.look(f"{turns} turns")
    process.wait()
    troubles.seek(0)
    trouble = troubles.read()
    print(f"{turns} turns in {time.time() - begin:.0f} s {trouble.strip()}")
    return watch, turns


def living(make_run, everything, minutes):
    said = sources(everything)
    with Room() as room:
        daemon = Daemon(make_run(room.for_program), room)
        try:
            watch, turns, answered = Watch(daemon.pid, "daemon"), 0, 0
            end = time.time() + minutes * 60
            while time.time() < end:
                one = said[turns % len(said)]
                path = Path(one["file"])
                done = turn(daemon, path.parent.parent.parent / "source" / one["voice"] / path.name)
                turns += 1
                answered += done is not None
                daemon.events.clear()
                if turns > 4:
                    watch.look(f"{turns} turns, {answered} answered aloud")
            return watch, answered
        finally:
            daemon.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=CACHE / "models")
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()

    def run(environment=None):
        return program(options.binary, ["terminal.socket=vt-bench"], options.models, environment)

    everything = make(run(), CACHE / "bench" / "recordings")
    failed = False
    hearing = run()
    parts = [simulated(hearing, an_hour(everything, options.hours))]
    end_tmux(hearing)
    if options.minutes:
        parts.append(living(run, everything, options.minutes))
    print()
    for watch, turns in parts:
        if turns == 0:
            print(f"{watch.what}: nothing was answered")
            failed = True
            continue
        for field, (before, after, grew) in watch.growth().items():
            scale, unit = (2**20, " MiB") if field == "memory" else (1, "")
            print(f"{watch.what}: {field} {before / scale:.1f} → {after / scale:.1f}{unit}{'  GREW' if grew else ''}")
            failed |= grew
    sys.exit(failed)


if __name__ == "__main__":
    main()

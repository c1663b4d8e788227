"""How well a binary understands the recordings, per voice and noise; needs nothing but Python.

    accuracy.py --binary PATH [--every N] [--voices slt,piper] [--conditions clean,white-10] [--set KEY=VALUE]… [--wrong]

The recordings must have been made (`recordings.py`). --every N takes each N-th phrase only. Prints command accuracy
and word error rate; with --wrong also each command that was misunderstood.
"""

import argparse
import atexit
import json
import math
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from scoring import Meanings, Score

CACHE = Path(__file__).parent.parent.parent / ".cache"


def program(binary, settings=(), models=CACHE / "models", environment=None):
    """The command line up to the subcommand, with a home of its own."""
    home = Path(tempfile.mkdtemp(prefix="vt-bench-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    data = home / "data" / "voice-terminal"
    data.mkdir(parents=True)
    (data / "models").symlink_to(Path(models).resolve())
    places = {"HOME": home, "XDG_DATA_HOME": home / "data", "XDG_STATE_HOME": home / "state"}
    places |= {"XDG_CONFIG_HOME": home / "config", "XDG_RUNTIME_DIR": home / "run", "TMUX_TMPDIR": home / "run"}
    (home / "run").mkdir(mode=0o700)
    places |= {"PATH": os.environ["PATH"], "SHELL": "/bin/bash"} | (environment or {})
    set_up = [f"{name}={value}" for name, value in places.items()]
    return ["env", "-i", *set_up, str(binary), *(word for setting in settings for word in ("--set", setting))]


def transcribe(program, recordings):
    """What is heard in each, and how long that took."""
    command = [*program, "transcribe", "--commands", "--json", *(recording["file"] for recording in recordings)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    if len(told) != len(recordings):
        raise SystemExit(f"{len(told)} of {len(recordings)} recordings were heard: {done.stderr.strip()}")
    return told


def seconds(duration):
    return duration["secs"] + duration["nanos"] / 1e9 if isinstance(duration, dict) else duration


def percent(share):
    return "–" if share is None else f"{100 * share:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--recordings", type=Path, default=CACHE / "bench" / "recordings")
    parser.add_argument("--models", type=Path, default=CACHE / "models")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--voices")
    parser.add_argument("--conditions")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--wrong", action="store_true")
    options = parser.parse_args()

    listed = json.loads((options.recordings / "list.json").read_text())
    groups = {}
    for recording in listed:
        groups.setdefault((recording["voice"], recording["condition"]), []).append(recording)
    voices = options.voices.split(",") if options.voices else list(dict.fromkeys(voice for voice, _ in groups))
    conditions = list(dict.fromkeys(condition for _, condition in groups))
    conditions = options.conditions.split(",") if options.conditions else conditions
    run = program(options.binary, options.settings, options.models)
    meanings = Meanings(program(options.binary, (), options.models))
    began, wrong, took, table = time.time(), [], [], {}
    for voice in voices:
        for condition in conditions:
            recordings = groups[voice, condition][:: options.every]
            score = table[voice, condition] = Score()
            for recording, told in zip(recordings, transcribe(run, recordings), strict=True):
                score.add(recording, told["text"], meanings)
                took.append(seconds(told["took"]))
                if recording["means"] and not meanings.right(told["text"], recording["means"]):
                    wrong.append((voice, condition, recording["words"], told["text"]))
    print("command accuracy in % / word error rate in %\n")
    print(f"{'':8}" + "".join(f"{condition:>15}" for condition in [*conditions, "all"]))
    for voice in [*voices, "all"]:
        line = f"{voice:8}"
        for condition in [*conditions, "all"]:
            total = Score()
            for (of, at), score in table.items():
                if voice in (of, "all") and condition in (at, "all"):
                    total = total.plus(score)
            line += f"{percent(total.accuracy) + ' / ' + percent(total.word_error_rate):>15}"
        print(line)
    took.sort()
    print(f"\nrecognition: median {took[len(took) // 2]:.3f} s, p95 {took[math.ceil(len(took) * 0.95) - 1]:.3f} s", end="")
    print(f"; {len(took)} recordings in {time.time() - began:.0f} s")
    if options.wrong:
        for voice, condition, said, heard in wrong:
            print(f"{voice}\t{condition}\t{said}\t{heard}")


if __name__ == "__main__":
    main()

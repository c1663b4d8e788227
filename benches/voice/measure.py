"""Measures voice-terminal and its peers in one run, turn by turn, and writes what came of it as JSON.

    measure.py --binary PATH --out FILE [--quick]
"""

import argparse
import datetime
import json
import os
import platform
import random
import subprocess
import sys
import time
import tomllib
import zlib
from pathlib import Path

import procs
from accuracy import CACHE, program, seconds, transcribe
from recordings import make
from room import Room
from live import listen
from scoring import Meanings, Score
from speaking import Peer, synthesis_in_rounds

HERE = Path(__file__).parent
SEED = 20_261_124
# Where the peer is also told beforehand what is likely.
TOLD = ("clean", "white-10", "babble-10")


def machine():
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split()
    return {
        "cpu": cpu,
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "rust": " ".join(rust[:2]),
        "date": datetime.date.today().isoformat(),
        "load": os.getloadavg()[0],
    }


def length(file):
    # 16 kHz, 16 bit, mono, and a header of 44 bytes.
    return (Path(file).stat().st_size - 44) / 32_000


def likely():
    """What our recogniser is told beforehand, as faster-whisper can be told it."""
    grammar = tomllib.loads((HERE.parent.parent / "config" / "grammar.toml").read_text())
    return " ".join(f"{phrase.capitalize()}." for phrase in reversed(grammar["likely"]))


def is_other_noise(recording):
    """Whether a voice says a phrase in the noise that is not its turn: half of all suffices."""
    if recording["means"] is None or recording["condition"] == "clean":
        return False
    turn = zlib.crc32(f"{recording['voice']} {recording['words']}".encode()) % 2
    return recording["condition"].startswith(("white", "babble")[turn])


def recognition(run, peer, meanings, recordings):
    """Each group by one, then by the other, in turns; and by the other told what is likely."""
    groups = {}
    for recording in recordings:
        groups.setdefault((recording["voice"], recording["condition"]), []).append(recording)
    results = []
    for at, ((voice, condition), group) in enumerate(groups.items()):
        told = {}
        three = ["ours", "theirs"] + ["told"] * (condition in TOLD)
        for who in three if at % 2 == 0 else reversed(three):
            if who == "ours":
                heard = transcribe(run, group)
                told[who] = [(one["text"], seconds(one["took"])) for one in heard]
            else:
                more = {"told": likely()} if who == "told" else {}
                heard = [peer.ask(do="transcribe", file=one["file"], threads=os.cpu_count(), **more) for one in group]
                told[who] = [(one["text"], one["took"]) for one in heard]
        result = {"voice": voice, "condition": condition, "lengths": [length(one["file"]) for one in group]}
        for who, heard in told.items():
            score = Score()
            for recording, (text, _) in zip(group, heard, strict=True):
                score.add(recording, text, meanings)
            result[who] = vars(score) | {"took": [took for _, took in heard], "texts": [text for text, _ in heard]}
        results.append(result)
        print(f"  {voice} {condition}: {result['ours']['right']} and {result['theirs']['right']}", end="", file=sys.stderr)
        print(f" of {result['ours']['commands']} commands", file=sys.stderr)
    return results


def threads(make_run, peer, recordings, rounds):
    """Recognition by one and two threads, with both cores free and with both busy, in turns."""
    took = {}
    for busy in (False, True) * rounds:
        with procs.Busy(busy):
            for count in (1, 2):
                told = transcribe(make_run([f"speech.stt.threads={count}"]), recordings)
                took.setdefault(("ours", count, busy), []).extend(seconds(one["took"]) for one in told)
                told = [peer.ask(do="transcribe", file=one["file"], threads=count) for one in recordings]
                took.setdefault(("theirs", count, busy), []).extend(one["took"] for one in told)
    return [{"who": who, "threads": count, "busy": busy, "took": all} for (who, count, busy), all in took.items()]


def peers_memory(recordings):
    """The most that faster-whisper and Piper use in one process of their own."""
    peer = Peer()
    with procs.Peak(peer.process.pid) as peak:
        for recording in recordings:
            peer.ask(do="transcribe", file=recording["file"], threads=os.cpu_count())
            peer.ask(do="speak", text="Three windows are open. Nothing is waiting for an answer.")
    peer.close()
    return peak.most


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=CACHE / "models")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", help="one part: recognition, threads, synthesis, live")
    options = parser.parse_args()

    def make_run(settings=(), environment=None):
        # What is slow is to be measured, and not cut off.
        settings = ["breakers.default.timeout=60s", *settings]
        return program(options.binary, settings, options.models, environment)

    def wanted(part):
        if options.only in (None, part):
            print(f"{time.strftime('%H:%M:%S')} {part}", file=sys.stderr)
            return True
        return False

    results = json.loads(options.out.read_text()) if options.only and options.out.exists() else {}
    results |= {"machine": machine(), "quick": options.quick}
    print(f"{time.strftime('%H:%M:%S')} recordings", file=sys.stderr)
    everything = make(make_run(), CACHE / "bench" / "recordings")
    commands = [one for one in everything if one["means"]]
    clean = [one for one in commands if one["condition"] == "clean"]
    some = random.Random(SEED).sample(clean, 10 if options.quick else 30)
    meanings = Meanings(make_run())

    def keep():
        """After each part, so that none is lost with a later one."""
        options.out.write_text(json.dumps(results, indent=1))

    peer = Peer()
    peer.ask(do="transcribe", file=clean[0]["file"], threads=os.cpu_count())
    if wanted("recognition"):
        # Each phrase by each voice in the one noise or the other, by turns.
        chosen = [one for one in everything if not is_other_noise(one)]
        if options.quick:
            # Each voice says every tenth phrase, in the quiet and in middling noise.
            few = {one["words"] for one in clean[: len(clean) // 5 : 10]}
            chosen = [one for one in everything if one["condition"] in TOLD]
            chosen = [one for one in chosen if one["means"] is None or one["words"] in few]
        results["recognition"] = recognition(make_run(), peer, meanings, chosen)
        keep()
    if wanted("threads"):
        results["threads"] = threads(make_run, peer, some, 1 if options.quick else 3)
        keep()
    if wanted("synthesis"):
        replies = (HERE / "replies.txt").read_text().splitlines()
        told = synthesis_in_rounds(make_run(), peer, replies, 1 if options.quick else 5)
        results |= {"synthesis": told[False], "synthesis_busy": told[True]}
        keep()
    peer.close()
    if wanted("live"):
        with Room() as room:
            results["live"] = listen(make_run, room, clean, 8 if options.quick else 40, 15 if options.quick else 60)
        results["peers_memory"] = peers_memory(some)
        keep()
    print(f"{time.strftime('%H:%M:%S')} done", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Speaking, beside Piper's own package with the same voice: how soon, how fast, and in how much memory.

    speaking.py --binary PATH [--models DIRECTORY] [--rounds N]

Prints markdown. Replies are short (up to four words), medium (one clause) and long (several). Each round is a process
of its own, since a phrase that was said before would come out of the cache.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import procs
from accuracy import CACHE, program, seconds

HERE = Path(__file__).parent
CLASSES = ("short", "medium", "long")


class Peer:
    """`peer.py`, asked a line at a time."""

    def __init__(self):
        command = [sys.executable, str(HERE / "peer.py")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("the peer has died")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Speaker:
    """`voice-terminal say -`, a line at a time."""

    def __init__(self, run):
        command = [*run, "--json", "say", "--out", "/dev/null", "-"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def speak(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        return {field: seconds(told[field]) for field in ("first", "took", "length")} | {"tiers": told["tiers"]}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def kind(text):
    """Whether a reply is short, medium or long."""
    words = len(text.split())
    return "short" if words <= 4 else "medium" if words <= 10 else "long"


def synthesis(run, peer, replies):
    """Each reply by one, then by the other, in turns; both are warm."""
    speaker = Speaker(run)
    speaker.speak("Ready when you are.")
    peer.ask(do="speak", text="Ready when you are.")
    results = []
    for at, text in enumerate(replies):
        result = {"text": text}
        for who in ("ours", "theirs") if at % 2 == 0 else ("theirs", "ours"):
            result[who] = speaker.speak(text) if who == "ours" else peer.ask(do="speak", text=text)
        results.append(result)
    speaker.close()
    return results


def synthesis_in_rounds(run, peer, replies, rounds):
    """Each reply, so often with the cores free and once with them busy, each time in a process of its own."""
    told = {False: [], True: []}
    for busy in (False,) * rounds + (True,):
        with procs.Busy(busy):
            told[busy] += synthesis(run, peer, replies)
    return told


def memory(run, replies):
    """The most that each uses to say all of it, in a process of its own."""
    speaker, peer = Speaker(run), Peer()
    with procs.Peak(speaker.process.pid, every=0.02) as ours:
        for text in replies:
            speaker.speak(text)
    speaker.close()
    with procs.Peak(peer.process.pid, every=0.02) as theirs:
        for text in replies:
            peer.ask(do="speak", text=text)
    peer.close()
    return ours.most, theirs.most


def again(run, replies):
    """How soon a short reply is there that was said before."""
    speaker = Speaker(run)
    took = []
    for text in replies:
        speaker.speak(text)
        took += [speaker.speak(text)["first"] for _ in range(3)]
    speaker.close()
    return took


def main():
    from report import median, mib, ms, p95, ratio, table

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=CACHE / "models")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    # What is slow is to be measured, and not cut off.
    run = program(options.binary, ["breakers.default.timeout=60s"], options.models)
    replies = (HERE / "replies.txt").read_text().splitlines()
    peer = Peer()
    results = synthesis_in_rounds(run, peer, replies, options.rounds)
    peer.close()
    rows = []
    for busy, when in ((False, "cores free"), (True, "both busy")):
        for which in CLASSES:
            some = [one for one in results[busy] if kind(one["text"]) == which]
            row = [f"{which}, {when}"]
            for field in ("first", "took"):
                for of in (median, p95):
                    ours, theirs = (of([one[who][field] for one in some]) for who in ("ours", "theirs"))
                    row.append(f"**{ms(ours)}** · {ms(theirs)}")
            ours, theirs = (
                sum(one[who]["took"] for one in some) / sum(one[who]["length"] for one in some)
                for who in ("ours", "theirs")
            )
            rows.append([*row, f"**{ours:.3f}** · {theirs:.3f}"])
    head = ["voice-terminal · piper-tts", "first sample, median", "p95", "the whole, median", "p95", "real-time factor"]
    print(table(head, rows))
    ours, theirs = memory(run, replies)
    short = [text for text in replies if kind(text) == "short"]
    print(f"\nMost memory: **{mib(ours)}** · {mib(theirs)} ({ratio(ours, theirs)}).")
    print(f"A short reply that was said before: {median(again(run, short)) * 1000:.1f} ms to its first sample.")


if __name__ == "__main__":
    main()

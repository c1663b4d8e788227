"""What a process and all that it has started use: memory, threads, file descriptors, time; and cores kept busy."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


class Busy:
    """All cores at work on something else, if that is wanted."""

    def __init__(self, wanted):
        self.count = os.cpu_count() if wanted else 0

    def __enter__(self):
        self.loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(self.count)]

    def __exit__(self, *_):
        for loop in self.loops:
            loop.kill()
            loop.wait()


def tree(pid):
    """The process and its descendants."""
    found, todo = [], [pid]
    while todo:
        at = todo.pop()
        found.append(at)
        try:
            for task in Path(f"/proc/{at}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def memory(pids):
    """Bytes. What several share is counted once, by each one's share of it."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass
    return total


def stat(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return {"time": (int(fields[11]) + int(fields[12])) / TICK, "threads": int(fields[17])}


def use(pids):
    """Memory in bytes, threads, open file descriptors, processor time in seconds; summed."""
    sums = {"memory": memory(pids), "threads": 0, "descriptors": 0, "time": 0.0}
    for pid in pids:
        try:
            told = stat(pid)
            sums["threads"] += told["threads"]
            sums["time"] += told["time"]
            sums["descriptors"] += len(os.listdir(f"/proc/{pid}/fd"))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return sums


class Peak:
    """The most memory that a tree of processes has between `with` and its end."""

    def __init__(self, pid, every=0.1):
        self.pid, self.every, self.most = pid, every, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.ended.is_set():
            self.most = max(self.most, memory(tree(self.pid)))
            time.sleep(self.every)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

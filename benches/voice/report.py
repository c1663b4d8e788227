"""What `measure.py` found, as markdown and as a plot.

    report.py RESULTS [--document docs/voice.md --plot docs/voice.svg]

With --document, what stands between its two marks is replaced; without, it is printed.
"""

import argparse
import json
import math
from pathlib import Path

import plot
from scoring import words
from speaking import CLASSES, kind

# We, the peer, and the peer told beforehand what is likely.
ALL = ("ours", "theirs", "told")
BEGIN, END = "<!-- begin: scripts/bench voice -->", "<!-- end -->"


def median(values):
    return share(values, 0.5)


def p95(values):
    return share(values, 0.95)


def share(values, part):
    """The smallest of them that so large a part does not exceed."""
    values = sorted(values)
    return values[math.ceil(len(values) * part) - 1] if values else None


def ms(value):
    return "–" if value is None else f"{value * 1000:.0f} ms"


def percent(value):
    return "–" if value is None else f"{value * 100:.1f} %"


def mib(value):
    return f"{value / 2**20:.0f} MiB"


def ratio(ours, theirs):
    return f"{ours / theirs:.2f} ×" if ours is not None and theirs else "–"


def sums(groups, who, wanted=lambda group: True):
    total = {field: 0 for field in ("errors", "words", "right", "commands")}
    for group in groups:
        if wanted(group) and who in group:
            for field in total:
                total[field] += group[who][field]
    return total


def accuracy(total):
    return total["right"] / total["commands"] if total["commands"] else None


def errors(total):
    return total["errors"] / total["words"] if total["words"] else None


def times(groups, who):
    """How long each took in which we found somebody to recognise; the others cost us nothing, and would flatter us."""
    pairs = (pair for group in groups if who in group for pair in zip(group[who]["took"], group["ours"]["took"], strict=True))
    return [took for took, ours in pairs if ours > 0]


def real_time(groups, who):
    return sum(times(groups, who)) / sum(
        length for group in groups for length, took in zip(group["lengths"], group["ours"]["took"]) if took > 0
    )


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def both(groups, of, wanted, form):
    return [form(of(sums(groups, who, wanted))) for who in ("ours", "theirs")]


def summary(results):
    groups = results["recognition"]
    synthetic = lambda group: group["voice"] != "people"
    clean = lambda group: synthetic(group) and group["condition"] == "clean"
    noisy = lambda group: synthetic(group) and group["condition"] != "clean"
    human = lambda group: not synthetic(group) and group["condition"] == "clean"
    rows = []

    def row(what, ours, theirs, form, target="", told=None):
        told = "" if told is None else form(told)
        rows.append([what, f"**{form(ours)}**", form(theirs), told, ratio(ours, theirs), target])

    ten = lambda group: synthetic(group) and group["condition"].endswith("-10")
    for what, wanted in (("clean", clean), ("in noise, 10 dB", ten), ("in noise, 20 to 5 dB", noisy)):
        ours, theirs, told = (accuracy(sums(groups, who, wanted)) for who in ALL)
        # It was not told in every noise.
        told = None if wanted is noisy else told
        row(f"commands understood, {what}", ours, theirs, percent, told=told)
        ours, theirs, told = (errors(sums(groups, who, wanted)) for who in ALL)
        row(f"word error rate, {what}", ours, theirs, percent, "≤ 1 ×", None if wanted is noisy else told)
    ours, theirs, told = (errors(sums(groups, who, human)) for who in ALL)
    row("word error rate, people", ours, theirs, percent, "≤ 1 ×", told)
    for what, wanted, aim in (
        ("commands, clean", clean, "≤ 0.45 ×"),
        ("commands, in noise", noisy, ""),
        ("people", lambda group: not synthetic(group), ""),
    ):
        ours, theirs, told = (times([group for group in groups if wanted(group)], who) for who in ALL)
        told = [] if wanted is noisy else told
        row(f"endpoint → text, {what}, median", median(ours), median(theirs), ms, aim, median(told))
        row(f"endpoint → text, {what}, p95", p95(ours), p95(theirs), ms, told=p95(told))
    row("real-time factor", real_time(groups, "ours"), real_time(groups, "theirs"), lambda value: f"{value:.3f}")
    for of, what, aim in ((("short",), "a short reply", "≤ 150 ms"), (("medium", "long"), "a longer one", "")):
        some = [one for one in results["synthesis"] if kind(one["text"]) in of]
        ours, theirs = ([one[who]["first"] for one in some] for who in ("ours", "theirs"))
        row(f"text → first sample of {what}, median", median(ours), median(theirs), ms, aim)
        row(f"text → first sample of {what}, p95", p95(ours), p95(theirs), ms)
    ours, theirs = ([one[who]["took"] for one in results["synthesis"]] for who in ("ours", "theirs"))
    row("reply text → the whole, median", median(ours), median(theirs), ms)
    ours, theirs = (
        sum(one[who]["took"] for one in results["synthesis"]) / sum(one[who]["length"] for one in results["synthesis"])
        for who in ("ours", "theirs")
    )
    row("synthesis, real-time factor", ours, theirs, lambda value: f"{value:.3f}")
    row("most memory, all processes", results["live"]["memory"], results["peers_memory"], mib, "≤ 400 MiB")
    rows.append(["listening to a quiet room, of one core", f"**{percent(results['live']['idle_cpu'])}**", "", "", "", "≤ 3 %"])
    theirs = "faster-whisper told the same beforehand"
    return table(["", "voice-terminal", "faster-whisper, piper-tts", theirs, "ratio", "aim"], rows)


def by_condition(results):
    groups = results["recognition"]
    conditions = list(dict.fromkeys(group["condition"] for group in groups))
    voices = [voice for voice in dict.fromkeys(group["voice"] for group in groups) if voice != "people"]

    def cell(wanted):
        ours, theirs = (sums(groups, who, wanted) for who in ("ours", "theirs"))
        if not ours["commands"]:
            return f"– · {percent(errors(ours))}<br>– · {percent(errors(theirs))}"
        return "<br>".join(f"{percent(accuracy(total))} · {percent(errors(total))}" for total in (ours, theirs))

    rows = []
    for voice in voices:
        rows.append([voice] + [cell(lambda g: g["voice"] == voice and g["condition"] == at) for at in conditions])
    rows.append(["**all of them**"] + [cell(lambda g: g["voice"] != "people" and g["condition"] == at) for at in conditions])
    rows.append(["people"] + [cell(lambda g: g["voice"] == "people" and g["condition"] == at) for at in conditions])
    return table(["", *(at.replace("-", ", ") + (" dB" if "-" in at else "") for at in conditions)], rows)


def by_threads(results):
    rows = []
    for who, name in (("ours", "**voice-terminal**"), ("theirs", "faster-whisper")):
        for count in (1, 2):
            row = [name, str(count)]
            for busy in (False, True):
                took = next(
                    one["took"]
                    for one in results["threads"]
                    if (one["who"], one["threads"], one["busy"]) == (who, count, busy)
                )
                row += [ms(median(took)), ms(p95(took))]
            rows.append(row)
    return table(["", "threads", "cores free: median", "p95", "both cores busy: median", "p95"], rows)


def busy_speaking(results):
    rows = []
    for which in CLASSES:
        row = [which]
        for part in ("synthesis", "synthesis_busy"):
            some = [one for one in results[part] if kind(one["text"]) == which]
            for of in (median, p95):
                ours, theirs = (of([one[who]["first"] for one in some]) for who in ("ours", "theirs"))
                row.append(f"**{ms(ours)}** · {ms(theirs)}")
        rows.append(row)
    head = ["voice-terminal · piper-tts", "cores free: median", "p95", "both cores busy: median", "p95"]
    return table(head, rows)


def live(results):
    turns = results["live"]["turns"]
    # Whoever says "run" may go on, and is waited for longer.
    open_ended = lambda turn: turn["words"].startswith("run")
    steps = [
        ("last sound → endpoint, of a whole command", "endpoint", lambda turn: not open_ended(turn)),
        ("last sound → endpoint, after \"run …\"", "endpoint", open_ended),
        ("endpoint → text", "endpoint_to_text"),
        ("text → reply (tmux has acted)", "text_to_reply"),
        ("reply → first sample in the loudspeaker", "reply_to_sound"),
        ("**last sound → text**", "speech_to_text"),
        ("**last sound → first sample of the reply**", "speech_to_sound"),
    ]
    rows = []
    for what, field, *of in steps:
        values = [turn[field] for turn in turns if not of or of[0](turn)]
        rows.append([what, str(len(values)), ms(median(values)), ms(p95(values))])
    return table(["", "commands", "median", "p95"], rows)


def report(results):
    machine, alive = results["machine"], results["live"]
    wholes = sum(len(group["lengths"]) for group in results["recognition"])
    guessed = sum(turn["endpoint_to_text"] <= 0.06 for turn in alive["turns"])
    alike = sum(words(turn["text"]) == words(turn["words"]) for turn in alive["turns"])
    parts = [
        f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['system']}, {machine['rust']}, {machine['date']}; "
        f"load when it began: {machine['load']:.2f}.{' A quick run.' if results['quick'] else ''}",
        f"{wholes} recordings, {len(results['synthesis'])} replies, {len(alive['turns'])} commands to the daemon.",
        summary(results),
        "Commands understood · word error rate; above voice-terminal, below faster-whisper and the same grammar:",
        by_condition(results),
        "Recognition by threads, both with free cores and with two busy loops beside it:",
        by_threads(results),
        "The text of a reply → its first sample, likewise; replies are short (up to four words), medium (one clause) or long:",
        busy_speaking(results),
        "The daemon, a virtual microphone and a virtual loudspeaker (±20 ms, what the sound server takes included):",
        live(results),
        f"In {guessed} of {len(alive['turns'])} commands the words were there within 60 ms of the endpoint (the aim); "
        f"{alike} were heard word for word; {alive['missed']} got no spoken answer. Then it listened to the soft noise of "
        f"the room for {alive['idle_seconds']} s.",
    ]
    return "\n\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--document", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    results = json.loads(options.results.read_text())
    text = report(results)
    if options.plot:
        options.plot.write_text(plot.draw(results, times))
    if options.document:
        document = options.document.read_text()
        before, _, rest = document.partition(BEGIN)
        _, _, after = rest.partition(END)
        options.document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    else:
        print(text)


if __name__ == "__main__":
    main()

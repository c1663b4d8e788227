"""What `measure.py` found, as markdown and as a plot.

    report.py RESULTS [--document docs/voice.md --plot docs/voice.svg]

With --document, what stands between its two marks is replaced; without, it is printed.
"""

import argparse
import json
from pathlib import Path

import plot

# We, the peer, and the peer told beforehand what is likely.
ALL = ("ours", "theirs", "told")
BEGIN, END = "<!-- begin: scripts/bench voice -->", "<!-- end -->"


def median(values):
    return share(values, 0.5)


def p95(values):
    return share(values, 0.95)


def share(values, part):
    values = sorted(values)
    return values[min(int(len(values) * part), len(values) - 1)] if values else None


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
        if wanted(group):
            for field in total:
                total[field] += group[who][field]
    return total


def accuracy(total):
    return total["right"] / total["commands"] if total["commands"] else None


def errors(total):
    return total["errors"] / total["words"] if total["words"] else None


def times(groups, who):
    """How long each took in which we found somebody to recognise; the others cost us nothing, and would flatter us."""
    pairs = ((group[who]["took"][at], group["ours"]["took"][at]) for group in groups for at in range(len(group["lengths"])))
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

    for what, wanted in (("clean", clean), ("in noise", noisy)):
        ours, theirs, told = (accuracy(sums(groups, who, wanted)) for who in ALL)
        row(f"commands understood, {what}", ours, theirs, percent, told=told)
        ours, theirs, told = (errors(sums(groups, who, wanted)) for who in ALL)
        row(f"word error rate, {what}", ours, theirs, percent, "≤ 1 ×", told)
    ours, theirs, told = (errors(sums(groups, who, human)) for who in ALL)
    row("word error rate, people", ours, theirs, percent, "≤ 1 ×", told)
    ours, theirs, told = (times(groups, who) for who in ALL)
    row("endpoint → text, median", median(ours), median(theirs), ms, "≤ 0.45 ×", median(told))
    row("endpoint → text, p95", p95(ours), p95(theirs), ms, told=p95(told))
    row("real-time factor", real_time(groups, "ours"), real_time(groups, "theirs"), lambda value: f"{value:.3f}")
    for what, field in (("first sample, median", "first"), ("the whole, median", "took")):
        ours, theirs = ([one[who][field] for one in results["synthesis"]] for who in ("ours", "theirs"))
        short = " ≤ 150 ms" if field == "first" else ""
        row(f"reply text → {what}", median(ours), median(theirs), ms, short)
        if field == "first":
            row("reply text → first sample, p95", p95(ours), p95(theirs), ms)
    ours, theirs = (
        sum(one[who]["took"] for one in results["synthesis"]) / sum(one[who]["length"] for one in results["synthesis"])
        for who in ("ours", "theirs")
    )
    row("synthesis, real-time factor", ours, theirs, lambda value: f"{value:.3f}")
    row("most memory, all processes", results["live"]["memory"], results["peers_memory"], mib, "≤ 400 MiB")
    return table(["", "voice-terminal", "faster-whisper, piper-tts", "told what is likely", "ratio", "aim"], rows)


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


def live(results):
    turns = results["live"]["turns"]
    steps = [
        ("last sound → endpoint", "endpoint"),
        ("endpoint → text", "endpoint_to_text"),
        ("text → reply (tmux has acted)", "text_to_reply"),
        ("reply → first sample in the loudspeaker", "reply_to_sound"),
        ("**last sound → text**", "speech_to_text"),
        ("**last sound → first sample of the reply**", "speech_to_sound"),
    ]
    rows = []
    for what, field in steps:
        values = [turn[field] for turn in turns]
        rows.append([what, ms(median(values)), ms(p95(values))])
    return table(["", "median", "p95"], rows)


def report(results):
    machine, alive = results["machine"], results["live"]
    wholes = sum(len(group["lengths"]) for group in results["recognition"])
    guessed = sum(turn["endpoint_to_text"] <= 0.06 for turn in alive["turns"])
    parts = [
        f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['system']}, {machine['rust']}, {machine['date']}; "
        f"load when it began: {machine['load']:.2f}.{' A quick run.' if results['quick'] else ''}",
        f"{wholes} recordings, {len(results['synthesis'])} replies, {len(alive['turns'])} commands to the daemon.",
        summary(results),
        "Commands understood · word error rate; above voice-terminal, below faster-whisper and the same grammar:",
        by_condition(results),
        "Recognition by threads, both with free cores and with two busy loops beside it:",
        by_threads(results),
        "The daemon, a virtual microphone and a virtual loudspeaker (±20 ms, what the sound server takes included):",
        live(results),
        f"In {guessed} of {len(alive['turns'])} commands the words were there within 60 ms of the endpoint; "
        f"{alive['missed']} got no spoken answer. Listening to silence for {alive['idle_seconds']} s took "
        f"{alive['idle_cpu'] * 100:.1f} % of one core.",
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

"""The plot: commands understood by noise, and how long recognition takes, beside faster-whisper's."""

OURS, THEIRS, GREY, INK = "#0a7d5a", "#c4622d", "#8a8f98", "#24292f"
WIDTH, HEIGHT = 860, 330
FONT = "font-family='system-ui, sans-serif'"


def text(x, y, words, size=12, anchor="start", fill=INK, weight="normal"):
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='{fill}' "
        f"font-weight='{weight}'>{words}</text>"
    )


def line(points, colour, dash="", width=2):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f" stroke-dasharray='{dash}'" if dash else ""
    return f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='{width}'{dashes}/>"


def grid(left, top, wide, high, ticks_x, ticks_y):
    parts = []
    for y, label in ticks_y:
        parts.append(line([(left, y), (left + wide, y)], "#e3e5e8", width=1))
        parts.append(text(left - 8, y + 4, label, 11, "end", GREY))
    for x, label in ticks_x:
        parts.append(text(x, top + high + 18, label, 11, "middle", GREY))
    return parts


def understood(groups, left, top, wide, high):
    share = {}
    for group in groups:
        if group["voice"] != "people":
            for who in ("ours", "theirs"):
                right, commands = share.get((who, group["condition"]), (0, 0))
                share[who, group["condition"]] = (right + group[who]["right"], commands + group[who]["commands"])
    ratios = sorted({int(at.split("-")[1]) for _, at in share if "-" in at}, reverse=True)
    steps = ["clean", *ratios]
    across = {step: left + wide * (at + 0.5) / len(steps) for at, step in enumerate(steps)}
    up = lambda value: top + high * (1 - value)
    parts = [text(left - 30, top - 22, "Commands understood, by noise", 14, weight="600")]
    parts += grid(
        left,
        top,
        wide,
        high,
        [(x, step if step == "clean" else f"{step} dB") for step, x in across.items()],
        [(up(tenth / 5), f"{tenth * 20} %") for tenth in range(6)],
    )
    for who, colour in (("theirs", THEIRS), ("ours", OURS)):
        for noise, dash in (("white", ""), ("babble", "5 4")):
            points = []
            for step in steps:
                right, commands = share.get((who, step if step == "clean" else f"{noise}-{step}"), (0, 0))
                if commands:
                    points.append((across[step], up(right / commands)))
            parts.append(line(points, colour, dash))
            parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'/>" for x, y in points]
    parts.append(line([(left + 6, top + high - 28), (left + 32, top + high - 28)], GREY))
    parts.append(text(left + 38, top + high - 24, "white noise", 11, fill=GREY))
    parts.append(line([(left + 6, top + high - 12), (left + 32, top + high - 12)], GREY, "5 4"))
    parts.append(text(left + 38, top + high - 8, "babble", 11, fill=GREY))
    return parts


def latency(groups, times, left, top, wide, high):
    """The share of recordings that were text after so long."""
    took = {who: sorted(times(groups, who)) for who in ("ours", "theirs")}
    end = max(values[len(values) * 98 // 100] for values in took.values()) * 1.1
    step = next(step for step in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if end / step <= 7)
    across = lambda seconds: left + wide * min(seconds / end, 1)
    up = lambda share: top + high * (1 - share)
    ticks = [(across(at * step), f"{at * step:.10g} s") for at in range(int(end / step) + 1)]
    parts = [text(left - 30, top - 22, "Endpoint → text, share of recordings", 14, weight="600")]
    parts += grid(left, top, wide, high, ticks, [(up(fifth / 5), f"{fifth * 20} %") for fifth in range(6)])
    for who, colour in (("theirs", THEIRS), ("ours", OURS)):
        values = took[who]
        points = [(across(0), up(0))]
        points += [(across(value), up((at + 1) / len(values))) for at, value in enumerate(values)][:: max(len(values) // 300, 1)]
        parts.append(line([*points, (across(end), up(1))], colour))
    return parts


def draw(results, times):
    """`times` gives one's times in groups of recordings."""
    groups = results["recognition"]
    top, high = 62, 205
    parts = understood(groups, 60, top, 330, high) + latency(groups, times, 490, top, 340, high)
    for at, (name, colour) in enumerate((("voice-terminal", OURS), ("faster-whisper int8, same weights", THEIRS))):
        x = 60 + at * 150
        parts.append(line([(x, HEIGHT - 18), (x + 26, HEIGHT - 18)], colour, width=3))
        parts.append(text(x + 32, HEIGHT - 14, name))
    body = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' {FONT}>\n"
        f"<title>voice-terminal beside faster-whisper</title>\n<rect width='{WIDTH}' height='{HEIGHT}' fill='white'/>\n{body}\n</svg>\n"
    )

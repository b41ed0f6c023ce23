"""What the uplink bench found, as a table, and as docs/uplink.md with docs/uplink.svg."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from uplink_score import Score

NEAR_KBIT, NEAR_RATIO, FAR_RATIO = 450, 1.25, 2.5
FRAMES_KBIT, FRAMES_SHARE = 700, 0.95
LOST_S, BACK_S, SPLIT_MS = 0.05, 3.0, 300
STEP_DOWN = "2000->400"
BUSY_LIMIT, LATE_LIMIT_MS = 0.6, 3.0
NAMES = {
    "none": "await every send",
    "64k": "64 KiB of write buffer",
    "unsent": "… and 16 KiB unsent in the kernel",
    "ours": "field-agent",
    "ideal": "ideal (computed)",
}
COLOURS = {"none": "#999", "64k": "#c60", "unsent": "#06c", "ours": "#c00", "ideal": "#000"}
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 780, 400, 70, 20, 270, 50
AXIS_MS = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)


def constant(score: Score) -> float | None:
    """Return the rate of a scenario with one rate only."""
    return float(score.scenario) if score.scenario.isdigit() else None


def targets(score: Score, ideal: Score | None) -> list[tuple[bool, str]]:
    """Return what is demanded of a run, and whether it was met."""
    found: list[tuple[bool, str]] = []
    rate = constant(score)
    if ideal and (rate or "shallow" in score.scenario):
        ratio = NEAR_RATIO if not rate or rate >= NEAR_KBIT else FAR_RATIO
        found.append((score.p99 <= ratio * ideal.p99, f"p99 <= {ratio} x ideal"))
    if rate and rate >= FRAMES_KBIT:
        found.append((score.frames >= FRAMES_SHARE, f"frames >= {FRAMES_SHARE:.0%}"))
    if score.scenario == STEP_DOWN:
        found.append(((score.recovery_s or 0) <= BACK_S, f"back in {BACK_S:.0f} s"))
    if "split" in score.scenario:
        found.append((score.p99 <= SPLIT_MS, f"p99 <= {SPLIT_MS} ms"))
    found.append((score.lost_s <= LOST_S, "nothing lost"))
    return found


def ideal_of(score: Score, scores: Iterable[Score]) -> Score | None:
    """Return what was computed for the same scenario."""
    return next((each for each in scores if each.policy == "ideal" and each.scenario == score.scenario), None)


def cells(score: Score, scores: list[Score]) -> list[str]:
    """Return one line of the table."""
    ideal = ideal_of(score, scores)
    ratio = f"{score.p99 / ideal.p99:.2f}" if ideal else ""
    demanded = [] if score.policy == "ideal" else targets(score, ideal)
    missed_text = [what for met, what in demanded if not met]
    verdict = "; ".join(score.verdicts) or (
        "missed: " + ", ".join(missed_text) if missed_text else "met" if demanded else ""
    )
    back = "" if score.recovery_s is None else "never" if math.isinf(score.recovery_s) else f"{score.recovery_s:.1f}"
    numbers = [
        f"{score.p50:.0f}",
        f"{score.p99:.0f}",
        f"{score.max:.0f}",
        f"{score.start:.0f}",
        ratio,
        f"{score.frames:.0%}",
    ]
    numbers += [f"{score.frame_kb:.1f}", f"{score.lost_s:.2f}", f"{score.drain_s:.1f}", back]
    return [score.scenario, score.policy, *numbers, str(score.connections - 1), f"{score.low_rate:.0%}", verdict]


HEAD = [
    "line",
    "policy",
    "p50 ms",
    "p99 ms",
    "max ms",
    "start ms",
    "x ideal",
    "frames",
    "kB",
    "lost s",
    "drain s",
    "back s",
]
HEAD += ["reconn", "8 kHz", "targets"]
LEFTMOST = ("line", "policy", "targets")


def table(scores: list[Score], facts: dict[str, Any]) -> str:
    """Return everything in one table."""
    rows = [HEAD, *(cells(score, scores) for score in scores)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    left = [name in LEFTMOST for name in HEAD]
    lines = [
        "  ".join(
            cell.ljust(size) if west else cell.rjust(size) for cell, size, west in zip(row, widths, left, strict=True)
        )
        for row in rows
    ]
    return "\n".join([*(line.rstrip() for line in lines), "", how(facts)])


def how(facts: dict[str, Any]) -> str:
    """Return in one line how this was measured, and whether to believe it."""
    line = "packet bottleneck" if facts["packets"] else "TCP proxy (not root: flatters whoever looks at the socket)"
    text = f"{facts['seconds']:.0f} s of speech each, {line}, processors {facts['cpu']:.0%} busy"
    if facts["packets"]:
        text += f", packets up to {facts['late_ms']:.1f} ms late (p99 of the worst run)"
    if facts["cpu"] > BUSY_LIMIT or facts["late_ms"] > LATE_LIMIT_MS:
        text += "; TOO BUSY: use fewer --jobs"
    return text


# documents


def documents(scores: list[Score], facts: dict[str, Any], folder: Path) -> None:
    """Write docs/uplink.md and docs/uplink.svg."""
    rates = sorted({rate for score in scores if (rate := constant(score))}, reverse=True)
    policies = [policy for policy in NAMES if any(score.policy == policy for score in scores)]
    found = {(score.scenario, score.policy): score for score in scores}
    parts = [INTRODUCTION]
    if rates:
        parts += ["## p99 from capture to arrival\n", matrix(rates, policies, found, latency)]
        parts += ["![p99 over rate](uplink.svg)\n"]
        parts += ["## Frames delivered of two a second, and their mean size\n", matrix(rates, policies, found, frames)]
        (folder / "uplink.svg").write_text(plot(rates, policies, found), "utf-8")
    rows = ["| " + " | ".join(row) + " |" for row in (HEAD, ["---"] * len(HEAD))]
    rows += ["| " + " | ".join(cells(score, scores)) + " |" for score in scores]
    parts += ["## Everything\n", "\n".join(rows) + "\n", METHOD, how(facts) + ".\n"]
    (folder / "uplink.md").write_text("\n".join(parts), "utf-8")


def matrix(rates: list[float], policies: list[str], found: dict[tuple[str, str], Score], show: Any) -> str:  # noqa: ANN401 - a function
    """Return policies over rates."""
    head = ["kbit/s", *(f"{rate:.0f}" for rate in rates)]
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head))]
    for policy in policies:
        row = [NAMES[policy], *(show(found.get((f"{rate:.0f}", policy))) for rate in rates)]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def latency(score: Score | None) -> str:
    """Return p99 as a reader wants it."""
    if score is None or math.isnan(score.p99):
        return "-"
    return f"{score.p99:.0f} ms" if score.p99 < 1000 else f"{score.p99 / 1000:.1f} s"  # noqa: PLR2004 - a second


def frames(score: Score | None) -> str:
    """Return share and size."""
    return "-" if score is None else f"{score.frames:.0%}, {score.frame_kb:.0f} kB"


def plot(rates: list[float], policies: list[str], found: dict[tuple[str, str], Score]) -> str:
    """Return p99 over rate, both logarithmic, as SVG."""
    low, high = math.log(min(rates)), math.log(max(*rates, min(rates) + 1))
    bottom, top = math.log(AXIS_MS[0]), math.log(AXIS_MS[-1])

    def across(rate: float) -> float:
        return LEFT + (math.log(rate) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        share = (math.log(min(max(value, AXIS_MS[0]), AXIS_MS[-1])) - bottom) / (top - bottom)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        "<style>text { font: 12px sans-serif }</style>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for mark in AXIS_MS:
        label = f"{mark} ms" if mark < 1000 else f"{mark // 1000} s"  # noqa: PLR2004 - a second
        parts.append(f'<path d="M{LEFT} {up(mark):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{up(mark) + 4:.1f}" text-anchor="end">{label}</text>')
    below = f'y="{HEIGHT - BOTTOM + 18}" text-anchor="middle"'
    parts += [f'<text x="{across(rate):.1f}" {below}>{rate:.0f}</text>' for rate in rates]
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">kbit/s</text>')
    for number, policy in enumerate(policies):
        points = [(across(rate), up(score.p99)) for rate in rates if (score := found.get((f"{rate:.0f}", policy)))]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dashes = ' stroke-dasharray="5 4"' if policy == "ideal" else ""
        parts.append(f'<path d="{path}" fill="none" stroke="{COLOURS[policy]}" stroke-width="2"{dashes}/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[policy]}"/>' for x, y in points]
        y, x = TOP + 16 + number * 20, WIDTH - RIGHT + 14
        parts.append(f'<path d="M{x} {y}h18" stroke="{COLOURS[policy]}" stroke-width="2"{dashes}/>')
        parts.append(f'<text x="{x + 24}" y="{y + 4}">{NAMES[policy]}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


INTRODUCTION = """# The uplink, measured

How late speech arrives at the service, and how many camera frames do, over a thin line. Written by
`scripts/bench/uplink --write-docs`.
"""

METHOD = """## How to read it

Latency is that of every 20 ms of speech, from the moment its last sample was captured to its arrival at the server,
however it was cut into messages; speech that never came counts as if it had come when the run was stopped. A frame
counts if it arrived at most one second after the end of the speech. `start ms`
is the most in the first two seconds, which p50, p99 and max leave out: a press becomes a hold after 0.4 s, and what was
said meanwhile goes out at once. `x ideal` compares p99. `lost s` is speech that had
not come when the server had waited as long again as the speech lasts; `drain s` is how long after the last word the
last speech came; `back s` is when, counted from the step or from the end of the outage, latency fell under 350 ms and
stayed there for two seconds; `reconn` counts further connections. What a later connection repeats is not counted twice.

- **await every send**: speech and frames are sent with `await send()`; one that is due meanwhile is
  not taken.
- **64 KiB**: a frame is left out while `transport.get_write_buffer_size()` is above that.
- **unsent**: and while SIOCOUTQNSD says that the kernel holds more than 16 KiB that it has not sent.
- **field-agent**: the whole agent with bench devices, push-to-talk, the button held throughout.
- **ideal**: computed, no network: knows the rate at every moment, audio first, one frame at a time, never interrupted,
  at most 0.25 s or three quarters of what audio leaves; 6 kB every five seconds where that is less; 8 kHz where 16 kHz
  does not fit.

Targets: p99 at most 1.25 x ideal from 450 kbit/s on and 2.5 x below; 95 % of the frames from 700 kbit/s on; no speech
lost; back within 3 s of 2000->400; 300 ms behind a proxy that splits TCP.

## How it was measured

Continuous speech without pauses (16 kHz, 20 ms chunks) and two frames of up to 30 kB a second over one TLS WebSocket
between two network namespaces. A process between two TUN devices is the line: MTU 1500, each packet takes its length
over the rate, a drop-tail queue of 1 s at the rate (`shallow`: 150 ms), 30 ms each way, no loss but that of the queue;
the kernel's cubic. `split`: a proxy on the client's side takes everything at once and has the kernel's buffers to put
it in. All on one clock. Policies run on the same machine, a few at a time, each in namespaces of its own.
"""

"""What an uplink did over time, as one SVG: how late speech was, which frames went, what the line carried."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hardware.files import create_private

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agent.status import Snapshot

WIDTH, LEFT, RIGHT = 900, 70, 20
PANEL, GAP, TOP = 130, 46, 34
TICKS = 4


@dataclass(frozen=True, slots=True)
class Look:
    """One moment: seconds since the start, how late speech is, frames so far, bytes/s assumed and really there."""

    at: float
    lag_s: float
    frames: int
    dropped: int
    assumed: float
    line: float


@dataclass(slots=True)
class Diary:
    """Looks at an agent, one after the other."""

    snapshot: Callable[[], Snapshot]
    line_kbit: Callable[[float], float]  # what the line really carries, by seconds since the start
    clock: Callable[[], float]
    origin: float = field(init=False)
    looks: list[Look] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Count time from now."""
        self.origin = self.clock()

    def look(self) -> None:
        """Look once."""
        at, now = self.clock() - self.origin, self.snapshot()
        dropped = sum(now.totals.frames_dropped.values())
        line = self.line_kbit(at) * 125
        self.looks.append(Look(at, now.link.lag_s, now.totals.frames_sent, dropped, now.link.rate, line))


def save(looks: Sequence[Look], path: Path) -> None:
    """Write the picture. Raises OSError."""
    with create_private(path) as file:
        file.write(draw(looks).encode())


def draw(looks: Sequence[Look]) -> str:
    """Return three panels above each other on one time axis."""
    end = max(looks[-1].at, 1.0)
    panels = [
        _panel(0, "speech is late by, ms", end, [("#c0392b", [(look.at, 1000 * look.lag_s) for look in looks])]),
        _panel(
            1,
            "frames: sent, dropped",
            end,
            [
                ("#2471a3", [(look.at, float(look.frames)) for look in looks]),
                ("#999999", [(look.at, float(look.dropped)) for look in looks]),
            ],
        ),
        _panel(
            2,
            "line: real, assumed, kbit/s",
            end,
            [
                ("#222222", [(look.at, look.line / 125) for look in looks]),
                ("#1e8449", [(look.at, look.assumed / 125) for look in looks]),
            ],
        ),
    ]
    height = TOP + 3 * (PANEL + GAP)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="white"/>', *panels, "</svg>\n"])


def _panel(number: int, title: str, end: float, curves: list[tuple[str, list[tuple[float, float]]]]) -> str:
    top = TOP + number * (PANEL + GAP)
    most = max([1.0, *(value for _, points in curves for _, value in points)])
    lines = [f'<text x="{LEFT}" y="{top - 8}" font-size="13">{title}</text>']
    for tick in range(TICKS + 1):
        y = top + PANEL * (1 - tick / TICKS)
        lines.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        label = f"{most * tick / TICKS:.0f}"
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" font-size="11" text-anchor="end">{label}</text>')
        x = LEFT + (WIDTH - LEFT - RIGHT) * tick / TICKS
        second = f"{end * tick / TICKS:.0f} s"
        lines.append(f'<text x="{x:.1f}" y="{top + PANEL + 15}" font-size="11" text-anchor="middle">{second}</text>')
    for colour, points in curves:
        path = " ".join(
            f"{LEFT + (WIDTH - LEFT - RIGHT) * at / end:.1f},{top + PANEL * (1 - value / most):.1f}"
            for at, value in points
        )
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return "\n".join(lines)

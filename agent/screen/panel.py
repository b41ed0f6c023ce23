"""A running agent as a live picture; needs the extra ``demo``."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from math import log10
from typing import TYPE_CHECKING, Any

from agent import notices
from agent.link.state import LinkState
from agent.outside.text import one_line
from agent.screen.lines import PHASES
from hardware.panel.rhythm import brightness, picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.metrics import TurnSummary
    from agent.notices import Notice
    from agent.status import Snapshot, Totals
    from hardware.ports import Rhythm

REFRESH_S = 0.1
"""Ten pictures a second look alive and cost little."""
LEAST_ROWS = 12
"""A smaller terminal has no room for the live picture."""
FRAME_COLUMNS, FRAME_ROWS = 4, 4
"""What border, padding, rule and the line below take of the terminal."""


def can_be_drawn_on() -> bool:
    """Whether standard output is a terminal on which the live picture has room and can be drawn."""
    drawing = os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    return sys.stdout.isatty() and drawing and shutil.get_terminal_size().lines >= LEAST_ROWS


class Panel:
    """A live picture of the box."""

    def __init__(self, snapshot: Callable[[], Snapshot], title: str) -> None:
        """Show what ``snapshot()`` says. Raises ImportError without rich."""
        from rich.console import Console  # noqa: PLC0415 - only the live picture needs rich, which is an extra
        from rich.live import Live  # noqa: PLC0415 - the same

        self._snapshot = snapshot
        self._title = title
        self._loop = asyncio.get_running_loop()
        self._live = Live(console=Console(), refresh_per_second=1 / REFRESH_S, transient=False)
        self._turns: list[TurnSummary] = []  # that are over
        self._meter = _Meter(self._loop.time())
        self._rhythm: tuple[Rhythm | None, float] = (None, 0.0)  # and since when

    def observe(self, notice: Notice) -> None:
        """Remember each turn that is over."""
        if isinstance(notice, notices.TurnEnded):
            self._turns.append(notice.turn)

    def restore(self) -> None:
        """Show the terminal's cursor again."""
        self._live.console.show_cursor()

    async def run(self) -> None:
        """Draw until cancelled."""
        with self._live:
            try:
                while True:
                    self._live.update(self._draw())
                    await asyncio.sleep(REFRESH_S)
            finally:
                self._live.update(self._draw())

    def _draw(self) -> Any:  # noqa: ANN401 - a rich renderable; rich is imported late
        from rich.console import Group  # noqa: PLC0415 - as above
        from rich.panel import Panel as Frame  # noqa: PLC0415 - as above
        from rich.rule import Rule  # noqa: PLC0415 - as above

        console, now = self._live.console, self._snapshot()
        width = console.options.update(width=max(1, console.width - FRAME_COLUMNS))
        box = self._box(now)
        room = console.height - FRAME_ROWS - len(console.render_lines(box, width))
        current = [] if now.turn is None or now.turn.over else [now.turn]
        turns = [_words(turn) for turn in (*self._turns, *current)]
        heights = [len(console.render_lines(turn, width)) for turn in turns]
        shown = turns[fitting(heights, room) :]
        return Frame(Group(box, Rule(style="dim"), *shown), title=self._title, border_style="cyan")

    def _box(self, now: Snapshot) -> Any:  # noqa: ANN401 - as above
        from rich.table import Table  # noqa: PLC0415 - as above

        link, totals = now.link, now.totals
        everything, video = self._meter.rates(self._loop.time(), link.bytes_sent, totals.frame_bytes)
        last = self._turns[-1].ttfab_s if self._turns else None
        table = Table.grid(padding=(0, 2))
        table.add_row("phase", f"[bold]{PHASES[now.phase]}[/]", "link", _link(link.state))
        table.add_row("light", f"{_lamp(self._brightness(now))} {now.rhythm.value}", "rhythm", picture(now.rhythm)[:30])
        table.add_row("mic", _bar(now.level), "uplink", f"{everything:6.0f} kbit/s  video {video:5.0f} kbit/s")
        table.add_row("TTFAB", "-" if last is None else f"{last:.2f} s", "frames", _frames(totals))
        line = f"{link.rate / 125:.0f} kbit/s, audio at {link.audio_rate // 1000} kHz"
        table.add_row("late by", f"{1000 * link.lag_s:.0f} ms", "line", line)
        return table

    def _brightness(self, now: Snapshot) -> float:
        """Return how bright the light is now: a rhythm begins when it is first seen."""
        at = self._loop.time()
        if now.rhythm is not self._rhythm[0]:
            self._rhythm = (now.rhythm, at)
        return brightness(now.rhythm, at - self._rhythm[1], now.level)


def _words(turn: TurnSummary) -> Any:  # noqa: ANN401 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    shown = turn.played_text if turn.played_out else turn.answer_text
    text = Text(f"technician  {one_line(turn.question_text) or '…'}\n", style="green")
    text.append(f"box         {one_line(shown) or '…'}{' …' if turn.interrupted else ''}", style="white")
    return text


def _frames(totals: Totals) -> str:
    dropped = totals.frames_dropped
    reasons = ", ".join(f"{count} {reason}" for reason, count in list(dropped.items())[:2])
    return f"{totals.frames_sent} sent, {sum(dropped.values())} dropped{f' ({reasons})' if reasons else ''}"


def fitting(heights: list[int], room: int) -> int:
    """Return the index from which on turns of these heights fit into ``room`` rows; the last is always shown."""
    first = len(heights)
    for height in reversed(heights):
        room -= height
        if room < 0:
            break
        first -= 1
    return min(first, max(0, len(heights) - 1))


class _Meter:
    """Smoothed rates from running totals."""

    def __init__(self, now: float) -> None:
        self._at = now
        self._totals = (0, 0)
        self._rates = (0.0, 0.0)

    def rates(self, now: float, total: int, video: int) -> tuple[float, float]:
        """Return kbit/s of everything and of video over about the last second."""
        elapsed = now - self._at
        if elapsed >= 1.0:
            before = self._totals
            self._rates = tuple(
                (new - old) * 8 / 1000 / elapsed for new, old in zip((total, video), before, strict=True)
            )  # type: ignore[assignment] # two of them
            self._at, self._totals = now, (total, video)
        return self._rates


def _bar(level: float) -> str:
    """Draw a peak level (0..1) on a decibel scale of 60 dB."""
    width = 24
    filled = 0 if level <= 0 else max(0, min(width, round((1 + 20 * log10(level) / 60) * width)))
    return f"[green]{'█' * filled}[/][dim]{'░' * (width - filled)}[/]"


def _lamp(level: float) -> str:
    shade = round(60 + 195 * level)
    return f"[rgb({shade},{shade // 3},{shade // 4})]●[/]"


def _link(state: LinkState) -> str:
    colour = {LinkState.UP: "green", LinkState.REFUSED: "red", LinkState.OFFLINE: "red"}.get(state, "yellow")
    return f"[{colour}]{state.value}[/]"

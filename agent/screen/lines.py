"""What a person at a terminal sees of a running agent: lines that can be read one by one, or a live panel."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, TextIO

from agent.link.state import LinkState
from agent.terminal import printable
from agent.turn.phase import Phase
from hardware.panel.rhythm import brightness, picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app import Agent
    from agent.metrics import TurnRecord
    from hardware.ports import Rhythm

PHASES = {
    Phase.ASLEEP: "asleep",
    Phase.LISTENING: "listening",
    Phase.HEARING: "hearing speech",
    Phase.TALKING: "push-to-talk",
    Phase.THINKING: "thinking",
    Phase.ANSWERING: "answering",
    Phase.SPEAKING: "speaking",
}
REFRESH_S = 0.1
"""Ten pictures a second look alive and cost little."""
LEAST_ROWS = 12
"""A smaller terminal has no room for the live picture."""
FRAME_COLUMNS, FRAME_ROWS = 4, 4
"""What border, padding, rule and the line below take of the terminal."""


class Lines:
    """One line per thing that happened: a time, who, what."""

    def __init__(
        self,
        clock: Callable[[], float],
        out: TextIO | None = None,
        *,
        latest: Callable[[], TurnRecord | None] = lambda: None,
        typed: Callable[[], str] | None = None,
        aloud: bool = True,
    ) -> None:
        """Count time from now on ``clock``; print to ``out``, else to standard output.

        ``latest()`` is the turn being answered; ``typed()`` what stands in the line at which somebody types, which is
        printed anew below each line of ours; without ``aloud`` nothing is said of playing.
        """
        self._clock = clock
        self._origin = clock()
        self._out = out or sys.stdout
        self._latest = latest
        self._typed = typed
        self._aloud = aloud
        self._heard = ""
        self._link = ""
        self._cut = False  # the answer has just been silenced
        self._answered: tuple[TurnRecord | None, str] = (None, "")  # whose words were printed last, and the words

    def say(self, who: str, what: str) -> None:
        """Print one line."""
        line = f"{self._clock() - self._origin:7.2f}  {who:<11} {printable(what)}\n"
        self._out.write(line if self._typed is None else f"\r\x1b[K{line}{printable(self._typed())}")
        self._out.flush()

    def observe(self, name: str, fields: dict[str, Any]) -> None:
        """Take an event of the agent."""
        if self._cut:  # by now it is known how much of it was played
            self._cut = False
            self._answer_over()
        match name:
            case "phase":
                self.say("box", PHASES[Phase[fields["phase"]]])
            case "button":
                self.say("button", "down" if fields["down"] else "up")
            case "link":
                self._link_changed(fields["state"], fields["problem"])
            case "Play":
                self.say("earcon", fields["earcon"].name.lower().replace("_", " "))
            case "CutAnswer":
                self.say("box", "silences the answer")
                self._cut = True
            case "Drained":
                self._answer_over()
            case "heard":
                self._heard += fields["text"]
            case "AnswerBegan":
                self.say("technician", self._heard.strip() or "…")
                self._heard = ""
            case "turn":
                self._answer(fields["record"])
                self.say("turn", figures(fields["record"], aloud=self._aloud))

    def _link_changed(self, state: str, problem: str) -> None:
        """A state that was told with its problem is not told again without."""
        if problem or state != self._link:
            self.say("link", f"{state} {problem}".rstrip())
        self._link = state

    def _answer_over(self) -> None:
        """Print an answer when it has sounded: the service may close the turn seconds later."""
        record = self._latest()
        if record is not None and record.speaker_done:
            self._answer(record)

    def _answer(self, record: TurnRecord) -> None:
        words = (
            " ".join(filter(None, (record.played_text, "…(interrupted)" if record.interrupted else ""))) or "(nothing)"
        )
        if self._answered[0] is not record or self._answered[1] != words:
            self._answered = (record, words)
            self.say("answer", words)


def figures(record: TurnRecord, *, aloud: bool = True) -> str:
    """Return a turn's numbers in one line; without ``aloud`` nothing was played."""
    ttfab = "no audio" if record.ttfab_s is None else f"TTFAB {record.ttfab_s:.2f} s"
    played = f"played {record.played_s:.1f} of {record.answer.audio_s:.1f} s"
    return f"{ttfab}, {played if aloud else f'{record.answer.audio_s:.1f} s of speech'}, {record.tokens} tokens"


def can_be_drawn_on() -> bool:
    """Whether standard output is a terminal on which the live picture has room and can be drawn."""
    drawing = os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    return sys.stdout.isatty() and drawing and shutil.get_terminal_size().lines >= LEAST_ROWS


class Panel:
    """A live picture of the box (needs rich)."""

    def __init__(self, agent: Agent, title: str) -> None:
        """Show ``agent``. Raises ImportError without rich."""
        from rich.console import Console  # noqa: PLC0415 - only the live picture needs rich, which is an extra
        from rich.live import Live  # noqa: PLC0415 - the same

        self._agent = agent
        self._title = title
        self._loop = asyncio.get_running_loop()
        self._live = Live(console=Console(), refresh_per_second=1 / REFRESH_S, transient=False)
        self._history: list[TurnRecord] = []
        self._meter = _Meter(self._loop.time())
        self._rhythm: tuple[Rhythm, float] = (agent.turn.rhythm, self._loop.time())

    def observe(self, name: str, fields: dict[str, Any]) -> None:
        """Take an event of the agent."""
        if name == "turn":
            self._history.append(fields["record"])

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

        console = self._live.console
        width = console.options.update(width=max(1, console.width - FRAME_COLUMNS))
        box = self._box()
        room = console.height - FRAME_ROWS - len(console.render_lines(box, width))
        turns = [self._words(record) for record in self._turns()]
        heights = [len(console.render_lines(turn, width)) for turn in turns]
        shown = turns[fitting(heights, room) :]
        return Frame(Group(box, Rule(style="dim"), *shown), title=self._title, border_style="cyan")

    def _turns(self) -> list[TurnRecord]:
        current = self._agent.conversation.dialogue.latest
        return [*self._history, *([] if current is None or current.settled else [current])]

    def _box(self) -> Any:  # noqa: ANN401 - as above
        from rich.table import Table  # noqa: PLC0415 - as above

        agent, now = self._agent, self._loop.time()
        rhythm = agent.turn.rhythm
        if rhythm is not self._rhythm[0]:
            self._rhythm = (rhythm, now)
        level = brightness(rhythm, now - self._rhythm[1], agent.ear.level)
        everything, video = self._meter.rates(now, agent.conversation.link.bytes_sent, agent.counters.frame_bytes)
        last = self._history[-1].ttfab_s if self._history else None
        dropped = agent.counters.frames_dropped
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.most_common(2))
        table = Table.grid(padding=(0, 2))
        table.add_row("phase", f"[bold]{PHASES[agent.turn.phase]}[/]", "link", _link(agent.conversation.link.state))
        table.add_row("light", f"{_lamp(level)} {rhythm.value}", "rhythm", picture(rhythm)[:30])
        table.add_row("mic", _bar(agent.ear.level), "uplink", f"{everything:6.0f} kbit/s  video {video:5.0f} kbit/s")
        table.add_row(
            "TTFAB",
            "-" if last is None else f"{last:.2f} s",
            "frames",
            f"{agent.counters.frames_sent} sent, {dropped.total()} dropped{f' ({reasons})' if reasons else ''}",
        )
        conversation = agent.conversation
        kilohertz = conversation.outbox.degradation.rate // 1000
        line = f"{conversation.link.uplink.rate / 125:.0f} kbit/s, audio at {kilohertz} kHz"
        table.add_row("late by", f"{1000 * conversation.lag_s:.0f} ms", "line", line)
        return table

    def _words(self, record: TurnRecord) -> Any:  # noqa: ANN401 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        shown = record.played_text if record.speaker_done else record.answer.text
        text = Text(f"technician  {printable(record.question_text.strip()) or '…'}\n", style="green")
        text.append(f"box         {printable(shown) or '…'}{' …' if record.interrupted else ''}", style="white")
        return text


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
    from math import log10  # noqa: PLC0415 - ten times a second, on a terminal

    width = 24
    filled = 0 if level <= 0 else max(0, min(width, round((1 + 20 * log10(level) / 60) * width)))
    return f"[green]{'█' * filled}[/][dim]{'░' * (width - filled)}[/]"


def _lamp(level: float) -> str:
    shade = round(60 + 195 * level)
    return f"[rgb({shade},{shade // 3},{shade // 4})]●[/]"


def _link(state: LinkState) -> str:
    colour = {LinkState.UP: "green", LinkState.REFUSED: "red", LinkState.OFFLINE: "red"}.get(state, "yellow")
    return f"[{colour}]{state.value}[/]"

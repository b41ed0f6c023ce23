"""What a person at a terminal sees of a running agent: lines that can be read one by one, or a live panel."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, TextIO

from agent.moves import LinkState, Phase
from hardware.rhythm import brightness, picture

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


class Lines:
    """One line per thing that happened: a time, who, what."""

    def __init__(self, clock: Callable[[], float], out: TextIO | None = None) -> None:
        """Count time from now on ``clock``; print to ``out``, else to standard output."""
        self._clock = clock
        self._origin = clock()
        self._out = out or sys.stdout
        self._heard = ""

    def say(self, who: str, what: str) -> None:
        """Print one line."""
        self._out.write(f"{self._clock() - self._origin:7.2f}  {who:<11} {what}\n")
        self._out.flush()

    def observe(self, name: str, fields: dict[str, Any]) -> None:
        """Take an event of the agent."""
        match name:
            case "phase":
                self.say("box", PHASES[Phase[fields["phase"]]])
            case "button":
                self.say("button", "down" if fields["down"] else "up")
            case "link":
                self.say("link", " ".join(filter(None, (fields["state"], fields["problem"]))))
            case "Play":
                self.say("earcon", fields["earcon"].name.lower().replace("_", " "))
            case "CutAnswer":
                self.say("box", "silences the answer")
            case "heard":
                self._heard += fields["text"]
            case "AnswerBegan":
                self.say("technician", self._heard.strip() or "…")
                self._heard = ""
            case "turn":
                self._turn(fields["record"])

    def _turn(self, record: TurnRecord) -> None:
        self.say("answer", record.spoken + (" …(interrupted)" if record.interrupted else ""))
        self.say("turn", figures(record))


def figures(record: TurnRecord) -> str:
    """Return a turn's numbers in one line."""
    ttfab = "no audio" if record.ttfab_s is None else f"TTFAB {record.ttfab_s:.2f} s"
    return f"{ttfab}, played {record.played_s:.1f} of {record.said.audio_s:.1f} s, {record.tokens} tokens"


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

        return Frame(Group(self._box(), Rule(style="dim"), self._words()), title=self._title, border_style="cyan")

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
        kilohertz = conversation.outbox.thinning.rate // 1000
        line = f"{conversation.link.uplink.rate / 125:.0f} kbit/s, audio at {kilohertz} kHz"
        table.add_row("late by", f"{1000 * conversation.lag_s:.0f} ms", "line", line)
        return table

    def _words(self) -> Any:  # noqa: ANN401 - as above
        from rich.text import Text  # noqa: PLC0415 - as above

        text = Text()
        current = self._agent.conversation.dialogue.latest
        records = self._history[-3:]
        if current is not None and not current.settled:
            records = [*records, current]
        for record in records:
            text.append(f"technician  {record.heard.strip() or '…'}\n", style="green")
            shown = record.spoken if record.speaker_done else record.said.text
            text.append(f"box         {shown or '…'}{' …' if record.interrupted else ''}\n\n", style="white")
        return text


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

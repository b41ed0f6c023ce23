"""The live picture of a running agent."""

from __future__ import annotations

import asyncio
import io
import re

import pytest
from rich.console import Console

from agent import notices
from agent.link.state import LinkState
from agent.metrics import TurnRecord
from agent.outside.text import learn
from agent.screen.lines import PHASES
from agent.screen.panel import Panel, _words, can_be_drawn_on, fitting
from agent.turn.phase import Phase
from tests.support.stage import play, stage


@pytest.mark.parametrize(
    ("terminal", "kind", "rows", "drawn"),
    [
        (True, "xterm", "24", True),
        (True, "dumb", "24", False),
        (True, "xterm", "11", False),
        (False, "xterm", "24", False),
    ],
)
def test_the_live_picture_needs_a_terminal_that_can_show_it(
    monkeypatch: pytest.MonkeyPatch, kind: str, rows: str, *, terminal: bool, drawn: bool
) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setenv("LINES", rows)
    assert can_be_drawn_on() is drawn


def test_as_many_of_the_latest_turns_are_shown_as_fit() -> None:
    assert fitting([], 5) == 0
    assert fitting([2, 2, 2], 6) == 0
    assert fitting([2, 2, 2], 5) == 1
    assert fitting([2, 2, 9], 5) == 2

    async def scene(height: int) -> str:
        async with stage() as s:
            panel = Panel(s.agent.snapshot, "the title")
            panel._live.console = console = Console(file=io.StringIO(), width=100, height=height)
            for number in range(9):
                turn = TurnRecord(number, question_text=f"question {number}", settled=True)
                panel.observe(notices.TurnEnded(turn.summary()))
            with console.capture() as shown:
                console.print(panel._draw())
            return shown.get()

    for height in (14, 24):
        text = play(scene(height))
        assert text.count("\n") in (height - 2, height - 1)
        assert "question 8" in text
        assert "question 0" not in text


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_panel_draws_every_phase_and_link(width: int) -> None:
    async def scene() -> str:
        async with stage() as s:
            panel = Panel(s.agent.snapshot, "the title")
            out = io.StringIO()
            console = Console(file=out, width=width, force_terminal=True)
            asleep = s.agent.turn.phase
            for phase in Phase:
                s.agent.turn.phase = phase
                console.print(panel._draw())
                await asyncio.sleep(0.6)
            s.agent.turn.phase = asleep
            for state in LinkState:
                s.agent.conversation.link.state = state
                console.print(panel._draw())
            s.agent.conversation.link.state = LinkState.UP
            return out.getvalue()

    text = re.sub(r"\x1b\[[0-9;]*m", "", play(scene()))
    assert text.count("the title") == len(Phase) + len(LinkState)
    for words in (*PHASES.values(), *(state.value for state in LinkState)):
        assert words.split()[0] in text


def test_the_panel_follows_a_conversation() -> None:
    async def scene() -> str:
        async with stage() as s:
            panel = Panel(s.agent.snapshot, "the title")
            out = io.StringIO()
            panel._live.console = Console(file=out, width=100)
            drawing = asyncio.create_task(panel.run())
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("gauge")
            await s.until(Phase.ANSWERING)
            await asyncio.sleep(1)
            await s.box.button.tap()
            while not s.turns:
                await asyncio.sleep(0.1)
            panel.observe(notices.TurnEnded(s.turns[0]))
            console = Console(file=out, width=100)
            console.print(panel._draw())
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
            return out.getvalue()

    text = play(scene())
    assert "technician  What does the pressure gauge" in text
    assert "TTFAB" in text
    assert " kbit/s" in text


def test_the_panel_shows_no_secret_and_nothing_invisible() -> None:
    learn("opensesame")
    evil = "opense\u200bsame \x1b[2J\u202e\nline"
    turn = TurnRecord(1, question_text=evil, settled=True)
    turn.answer.add_text(evil)
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as shown:
        console.print(_words(turn.summary()))
    assert shown.get().splitlines() == ["technician  [redacted] [2J line", "box         [redacted] [2J line"]

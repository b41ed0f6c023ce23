"""The demo: what it plays, what it leaves behind, and that its live picture can be drawn."""

from __future__ import annotations

import asyncio
import io
import json
import re
import signal
import wave
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from agent.commands.demo import faults, summary
from agent.link.state import LinkState
from agent.metrics import TurnRecord
from agent.screen.lines import PHASES, Lines, Panel, can_be_drawn_on, figures, fitting
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon
from tests.support.command import PATIENCE_S, field_agent, started
from tests.support.stage import play, stage

if TYPE_CHECKING:
    from pathlib import Path


def loudest(path: Path) -> int:
    with wave.open(str(path), "rb") as wav:
        samples = memoryview(wav.readframes(wav.getnframes())).cast("h")
    return max(map(abs, samples), default=0)


def test_the_fast_demo_plays_the_whole_conversation(tmp_path: Path) -> None:
    done = field_agent("demo", "--fast", "--out", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    turns = re.findall(r"^ +(\d)  \S.* TTFAB \d", done.stdout, re.MULTILINE)
    assert turns == ["1", "2", "3", "4"]
    assert done.stdout.count(", cut\n") == 2
    for name in ("server-received.wav", "speaker-played.wav"):
        assert loudest(tmp_path / name) > 3000
        assert str(tmp_path / name) in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(report["utterances"]) == 4
    assert report["warnings"]["count"] == {}


def test_what_is_not_a_terminal_gets_one_line_per_thing(tmp_path: Path) -> None:
    lines = field_agent("demo", "--fast", "--out", str(tmp_path)).stdout.split("\n\n")[0].splitlines()
    assert len(lines) > 20
    assert all(re.fullmatch(r" *\d+\.\d\d  (box|button|link|earcon|technician|answer|turn) .+", line) for line in lines)
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times)
    assert not re.search(r"\x1b", "".join(lines))


def test_a_demo_without_a_single_answer_fails(tmp_path: Path) -> None:
    done = field_agent("demo", "--fast", "--scenario", "handshake_401", "--out", str(tmp_path))
    assert done.returncode == 69
    (line,) = done.stderr.splitlines()
    assert line.startswith("field-agent: no answer came: API key refused")


def test_the_demo_says_what_the_scenario_did(tmp_path: Path) -> None:
    done = field_agent("demo", "--fast", "--scenario", "reset", "--out", str(tmp_path))
    assert done.returncode == 0
    assert re.search(r"^faults: reset at \d+\.\d s$", done.stdout, re.MULTILINE)
    mine = tmp_path / "late.toml"
    mine.write_text('[[fault]]\nkind = "reset"\nturn = 99\nwhen = "speech"\n')
    done = field_agent("demo", "--fast", "--scenario", str(mine), "--out", str(tmp_path))
    assert "\nthe scenario's fault never came\n" in done.stdout
    many = {"faults": [{"fault": "hang", "at_s": 1.0}, {"fault": "hang", "at_s": 2.0}]}
    assert faults(many, due=True) == ["faults: hang at 1.0 s (2 times)"]
    assert faults({"faults": []}, due=False) == []


def test_the_table_fits_the_terminal(tmp_path: Path) -> None:
    for columns in ("80", "100"):
        done = field_agent("demo", "--fast", "--out", str(tmp_path), COLUMNS=columns)
        table = done.stdout.split("\n\n")[1].splitlines()[:5]
        assert all("tokens" in row for row in table[1:])
        assert max(map(len, table)) in range(int(columns) - 5, int(columns) + 1)


def test_ctrl_c_ends_the_demo_with_its_own_code(tmp_path: Path) -> None:
    with started("demo", "--plain", "--out", str(tmp_path)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, error) == (130, "")


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
            panel = Panel(s.agent, "the title")
            panel._live.console = console = Console(file=io.StringIO(), width=100, height=height)
            for number in range(9):
                panel.observe("turn", {"record": TurnRecord(number, question_text=f"question {number}", settled=True)})
            with console.capture() as shown:
                console.print(panel._draw())
            return shown.get()

    for height in (14, 24):
        text = play(scene(height))
        assert text.count("\n") in (height - 2, height - 1)
        assert "question 8" in text
        assert "question 0" not in text


def test_the_lines_say_who_did_what() -> None:
    out = io.StringIO()
    lines = Lines(lambda: 5.0, out)
    record = TurnRecord(1, interrupted=True)
    for name, fields in (
        ("phase", {"phase": "LISTENING"}),
        ("button", {"down": True}),
        ("button", {"down": False}),
        ("link", {"state": "offline", "problem": "no network"}),
        ("Play", {"earcon": Earcon.LISTENING}),
        ("CutAnswer", {}),
        ("AnswerBegan", {}),
        ("heard", {"text": " What"}),
        ("heard", {"text": " now?"}),
        ("AnswerBegan", {}),
        ("turn", {"record": record}),
        ("change_over", {}),
    ):
        lines.observe(name, fields)
    assert out.getvalue().splitlines() == [
        "   0.00  box         listening",
        "   0.00  button      down",
        "   0.00  button      up",
        "   0.00  link        offline no network",
        "   0.00  earcon      listening",
        "   0.00  box         silences the answer",
        "   0.00  technician  …",
        "   0.00  technician  What now?",
        "   0.00  answer      …(interrupted)",
        f"   0.00  turn        {figures(record)}",
    ]


def test_an_answer_is_printed_when_it_has_sounded_and_only_once() -> None:
    out = io.StringIO()
    record = TurnRecord(1)
    lines = Lines(lambda: 0.0, out, latest=lambda: record)
    lines.observe("Drained", {})  # of something else: this answer still plays
    assert out.getvalue() == ""
    record.answer.add_text("Four bar.")
    record.answer.add_audio(1.0)
    record.played_s, record.speaker_done = 1.0, True
    lines.observe("Drained", {})
    assert out.getvalue().splitlines() == ["   0.00  answer      Four bar."]
    lines.observe("turn", {"record": record})
    assert [line.split()[1] for line in out.getvalue().splitlines()] == ["answer", "turn"]


def test_a_silenced_answer_is_printed_as_soon_as_it_is_known_how_much_was_played() -> None:
    out = io.StringIO()
    record = TurnRecord(1)
    lines = Lines(lambda: 0.0, out, latest=lambda: record)
    lines.observe("CutAnswer", {})
    record.interrupted = record.speaker_done = True
    lines.observe("phase", {"phase": "LISTENING"})
    lines.observe("turn", {"record": record})
    assert [line.split()[1:3] for line in out.getvalue().splitlines()] == [
        ["box", "silences"],
        ["answer", "…(interrupted)"],
        ["box", "listening"],
        ["turn", "no"],
    ]


def test_small_things_of_the_lines() -> None:
    out = io.StringIO()
    lines = Lines(lambda: 0.0, out, typed=lambda: "half a li", aloud=False)
    lines.observe("link", {"state": "connecting", "problem": "connection dropped: 1006"})
    lines.observe("link", {"state": "connecting", "problem": ""})  # the same once more
    lines.observe("link", {"state": "up", "problem": ""})
    lines.observe("turn", {"record": TurnRecord(1)})
    printed = out.getvalue()
    assert printed.count("connecting") == 1
    assert printed.count("link") == 2
    assert "answer      (nothing)\n" in printed
    assert "played" not in printed
    assert all(part.endswith("\nhalf a li") for part in printed.split("\r\x1b[K")[1:])


def test_every_phase_has_words() -> None:
    assert set(PHASES) == set(Phase)


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_panel_draws_every_phase_and_link(width: int) -> None:
    async def scene() -> str:
        async with stage() as s:
            panel = Panel(s.agent, "the title")
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
            panel = Panel(s.agent, "the title")
            out = io.StringIO()
            panel._live.console = Console(file=out, width=100)
            drawing = asyncio.create_task(panel.run())
            await asyncio.sleep(0.5)
            await s.wake()
            await s.say("gauge")
            await s.until(Phase.ANSWERING)
            await asyncio.sleep(1)
            await s.box.button.tap()
            while not s.records:
                await asyncio.sleep(0.1)
            panel.observe("turn", {"record": s.records[0]})
            console = Console(file=out, width=100)
            console.print(panel._draw())
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
            return out.getvalue()

    text = play(scene())
    assert "technician  What does the pressure gauge" in text
    assert "TTFAB" in text
    assert " kbit/s" in text


def test_the_summary_shortens_what_is_too_long_for_its_column() -> None:
    report = {"utterances": [{"seconds": 2.0}, {"seconds": 1.5}], "frames": {"count": 3, "bytes": 4000}}
    record = TurnRecord(1, question_text=" " + "long " * 20, tokens=7)
    _, row, total = summary([record], report).splitlines()
    assert "…" in row
    assert row.endswith("no audio, played 0.0 of 0.0 s, 7 tokens")
    assert total == "the service received 3.5 s of speech in 2 utterances and 3 frames (4 kB)"

"""A running agent as lines."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from agent import notices
from agent.link.state import LinkState
from agent.metrics import TurnRecord
from agent.outside.text import learn
from agent.screen.lines import PHASES, Lines, figures
from agent.turn.phase import Phase
from agent.voice.earcons import Earcon

if TYPE_CHECKING:
    from agent.notices import Notice


def test_nothing_that_was_said_commands_the_terminal() -> None:
    evil, out = "red \x1b[31m bell \x07\0 \x9b2J", io.StringIO()
    lines = Lines(lambda: 0.0, out)
    lines.observe(notices.QuestionHeard(evil))
    lines.observe(notices.AnswerStarted())
    lines.observe(notices.LinkStateChanged(LinkState.REFUSED, evil))
    typing = Lines(lambda: 0.0, out, typed=lambda: evil)
    typing.say("box", "asleep")
    shown = out.getvalue().replace("\r\x1b[K", "")
    assert shown.count("red [31m bell 2J\n") == 2
    assert shown.endswith("red [31m bell  2J")
    assert all(char.isprintable() for char in shown.replace("\n", ""))


def test_the_lines_say_who_did_what() -> None:
    out = io.StringIO()
    lines = Lines(lambda: 5.0, out)
    turn = TurnRecord(1, interrupted=True).summary()
    told: tuple[Notice, ...] = (
        notices.PhaseChanged(Phase.LISTENING),
        notices.ButtonMoved(down=True),
        notices.ButtonMoved(down=False),
        notices.LinkStateChanged(LinkState.OFFLINE, "no network"),
        notices.EarconPlayed(Earcon.LISTENING, ()),
        notices.FaultBegan("microphone"),
        notices.FaultEnded("microphone"),
        notices.AnswerSilenced(),
        notices.AnswerStarted(),
        notices.QuestionHeard(" What"),
        notices.QuestionHeard(" now?"),
        notices.AnswerStarted(),
        notices.TurnEnded(turn),
        notices.ConnectionReplaced(),
    )
    for notice in told:
        lines.observe(notice)
    assert out.getvalue().splitlines() == [
        "   0.00  box         listening",
        "   0.00  button      down",
        "   0.00  button      up",
        "   0.00  link        offline no network",
        "   0.00  earcon      listening",
        "   0.00  box         microphone fails",
        "   0.00  box         microphone works again",
        "   0.00  box         silences the answer",
        "   0.00  technician  …",
        "   0.00  technician  What now?",
        "   0.00  answer      …(interrupted)",
        f"   0.00  turn        {figures(turn)}",
    ]


def test_an_answer_is_printed_when_it_has_sounded_and_only_once() -> None:
    out = io.StringIO()
    record = TurnRecord(1)
    lines = Lines(lambda: 0.0, out, latest=record.summary)
    lines.observe(notices.AnswerPlayed())  # of something else: this answer still plays
    assert out.getvalue() == ""
    record.answer.add_text("Four bar.")
    record.answer.add_audio(1.0)
    record.played_s, record.speaker_done = 1.0, True
    lines.observe(notices.AnswerPlayed())
    assert out.getvalue().splitlines() == ["   0.00  answer      Four bar."]
    lines.observe(notices.TurnEnded(record.summary()))
    assert [line.split()[1] for line in out.getvalue().splitlines()] == ["answer", "turn"]


def test_a_silenced_answer_is_printed_as_soon_as_it_is_known_how_much_was_played() -> None:
    out = io.StringIO()
    record = TurnRecord(1)
    lines = Lines(lambda: 0.0, out, latest=record.summary)
    lines.observe(notices.AnswerSilenced())
    record.interrupted = record.speaker_done = True
    lines.observe(notices.PhaseChanged(Phase.LISTENING))
    lines.observe(notices.TurnEnded(record.summary()))
    assert [line.split()[1:3] for line in out.getvalue().splitlines()] == [
        ["box", "silences"],
        ["answer", "…(interrupted)"],
        ["box", "listening"],
        ["turn", "no"],
    ]


def test_small_things_of_the_lines() -> None:
    out = io.StringIO()
    lines = Lines(lambda: 0.0, out, typed=lambda: "half a li", aloud=False)
    lines.observe(notices.LinkStateChanged(LinkState.CONNECTING, "connection dropped: 1006"))
    lines.observe(notices.LinkStateChanged(LinkState.CONNECTING, ""))  # the same once more
    lines.observe(notices.LinkStateChanged(LinkState.UP, ""))
    lines.observe(notices.TurnEnded(TurnRecord(1).summary()))
    printed = out.getvalue()
    assert printed.count("connecting") == 1
    assert printed.count("link") == 2
    assert "answer      (nothing)\n" in printed
    assert "played" not in printed
    assert all(part.endswith("\nhalf a li") for part in printed.split("\r\x1b[K")[1:])


def test_every_phase_has_words() -> None:
    assert set(PHASES) == set(Phase)


def test_no_line_shows_a_secret_or_is_forged() -> None:
    learn("opensesame")
    out = io.StringIO()
    lines = Lines(lambda: 0.0, out, typed=lambda: " opensesame \u202e")
    lines.say("link", "offline opense\nsame\n   9.99  box         answering")
    assert out.getvalue() == ("\r\x1b[K   0.00  link        offline [redacted] 9.99 box answering\n [redacted] ")

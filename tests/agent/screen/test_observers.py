"""Who watches an agent, and that nobody who watches can harm it."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

import pytest

from agent import notices
from agent.errors import ConfigError
from agent.link.state import LinkState
from agent.metrics import TurnRecord
from agent.outside.text import learn
from agent.screen.observers import SCREEN, Observers, Outcome, event_file

if TYPE_CHECKING:
    from pathlib import Path

    from agent.notices import Notice


def test_a_complaint_of_the_service_commands_no_terminal() -> None:
    outcome = Outcome()
    outcome.observe(notices.UtteranceTyped("?"))
    outcome.observe(notices.LinkStateChanged(LinkState.CONNECTING, "quota\x1b[2J"))
    assert outcome.complaint() == "no answer came: quota[2J"


def test_an_observer_that_fails_is_left_out_and_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    observers, told = Observers(), list[str]()

    def fail(notice: Notice) -> None:
        assert isinstance(notice, notices.QuestionHeard)
        told.append(notice.text)
        raise errors[len(told) - 1]

    errors: list[Exception] = [UnicodeEncodeError("ascii", "ä", 0, 1, "no such letter"), OSError(errno.EIO, "broken")]
    observers.add("one", fail)
    observers(notices.QuestionHeard("a"))
    observers.add("two", fail)
    for text in "bcd":
        observers(notices.QuestionHeard(text))
    assert told == ["a", "b"]
    assert observers.report() == 74
    one, two = capsys.readouterr().err.splitlines()
    assert "no such letter" in one
    assert two == "field-agent: two: broken"
    assert not observers.left.is_set()


def test_a_closed_pipe_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    observers = Observers()

    def fail(_: Notice) -> None:
        raise BrokenPipeError

    observers.add(SCREEN, fail)
    observers(notices.Greeted())
    assert observers.left.is_set()
    assert observers.report() == 141
    assert capsys.readouterr().err == ""


def test_the_tally_complains_of_questions_in_vain() -> None:
    outcome = Outcome()
    assert outcome.complaint() == ""
    outcome.observe(notices.UtteranceTyped("?"))
    assert outcome.complaint() == "no answer came: the service said nothing"
    outcome.observe(notices.LinkStateChanged(LinkState.CONNECTING, "quota used up"))
    assert outcome.complaint() == "no answer came: quota used up"
    outcome.observe(notices.AnswerStarted())
    assert outcome.complaint() == ""


def test_what_the_service_ended_a_turn_with_is_the_complaint() -> None:
    outcome = Outcome()
    outcome.observe(notices.UtteranceEnded())
    outcome.observe(notices.TurnEnded(TurnRecord(1, reason="RESPONSE_REJECTED").summary()))
    assert outcome.complaint() == "no answer came: the service ended the turn: RESPONSE_REJECTED"


def test_an_event_file_has_a_header_and_one_notice_a_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with event_file(path) as observe:
        observe(notices.ButtonMoved(down=True))
    header, moved = map(json.loads, path.read_text().splitlines())
    assert (header["event"], header["format"], header["version"]) == ("file_began", "field-agent-events", 1)
    assert (moved["event"], moved["down"]) == ("button_moved", True)
    assert header["t"] <= moved["t"]
    with pytest.raises(ConfigError, match="--events"), event_file(tmp_path):
        pass


def test_an_event_file_shows_no_secret_and_nothing_invisible(tmp_path: Path) -> None:
    learn("opensesame")
    path = tmp_path / "events.jsonl"
    with event_file(path) as observe:
        observe(notices.QuestionHeard(" opense\u200bsame\u202e\x1b[2J"))
        observe(notices.TurnEnded(TurnRecord(1, question_text="opensesame", reason="opensesame").summary()))
    _, heard, ended = map(json.loads, path.read_text().splitlines())
    assert heard["text"] == " [redacted][2J"
    assert (ended["turn"]["question_text"], ended["turn"]["reason"]) == ("[redacted]", "[redacted]")

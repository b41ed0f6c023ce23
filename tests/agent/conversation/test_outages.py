"""The log of outages: each is told once, however often the link tries again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import pytest

from agent.conversation.outages import OutageLog
from agent.link.state import LinkState
from agent.link.verdicts import Next, Verdict

if TYPE_CHECKING:
    from agent.store.store import Store

AWAY = Verdict(Next.RESUME, "connection refused", "check service.url")
LOCKED_OUT = Verdict(Next.REFUSED, "API key refused", "check the API key")


class Line:
    """One link, and the events that are kept of it."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str]] = []
        self.outages = OutageLog(cast("Store", self))
        self.now = 0.0
        self.connections = 0

    def event(self, kind: str, text: str) -> None:
        self.kept.append((kind, text))

    def changed(self, *changes: tuple[LinkState, Verdict | None]) -> None:
        """Go through ``changes``, two seconds apart."""
        for state, verdict in changes:
            self.now += 2.0
            self.connections += state is LinkState.UP
            self.outages.changed(state, verdict, self.now, self.connections)


CONNECTING, UP, FAILED = (LinkState.CONNECTING, None), (LinkState.UP, None), (LinkState.OFFLINE, AWAY)


@pytest.fixture
def line(caplog: pytest.LogCaptureFixture) -> Line:
    caplog.set_level(logging.DEBUG, logger="agent.conversation.outages")
    return Line()


def levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records]


def test_a_first_failure_is_loud_repeats_are_quiet_and_recovery_is_said_once(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    line.changed(*(CONNECTING, FAILED) * 3, CONNECTING, UP, FAILED)
    assert levels(caplog) == ["WARNING", "DEBUG", "DEBUG", "INFO", "WARNING"]
    assert caplog.messages[0] == "link: connection refused (check service.url)"
    assert caplog.messages[3] == "link: up, connection 1"


def test_an_outage_is_kept_with_its_first_reason_and_its_length(line: Line) -> None:
    line.changed(UP, FAILED, CONNECTING, (LinkState.REFUSED, LOCKED_OUT), CONNECTING, UP)
    assert line.kept == [
        ("network", "no connection: connection refused (check service.url)"),
        ("network", "connected again after 8 s"),
    ]


def test_each_outage_is_kept(line: Line) -> None:
    line.changed(FAILED, UP, FAILED, UP)
    assert [text for _, text in line.kept][1::2] == ["connected again after 2 s"] * 2
    assert len(line.kept) == 4


def test_a_connection_that_broke_is_loud_though_it_is_tried_again_at_once(
    line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    line.changed(UP, (LinkState.CONNECTING, AWAY), UP)
    assert levels(caplog) == ["INFO", "WARNING", "INFO"]
    assert len(line.kept) == 2


def test_a_connection_that_nobody_wants_any_more_is_no_outage(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    line.changed(CONNECTING, UP, (LinkState.IDLE, None), CONNECTING, UP)
    assert line.kept == []
    assert levels(caplog) == ["INFO", "INFO"]


def test_a_failure_after_a_rest_is_loud_again(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    line.changed(CONNECTING, FAILED, (LinkState.IDLE, None), CONNECTING, FAILED)
    assert levels(caplog) == ["WARNING", "WARNING"]


def test_the_last_state_is_known(line: Line) -> None:
    assert line.outages.state is LinkState.IDLE
    line.changed(CONNECTING, FAILED)
    assert line.outages.state is LinkState.OFFLINE

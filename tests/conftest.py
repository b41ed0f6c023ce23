"""For every test: no thread is left, state has a folder of its own, and what the agent sends satisfies the protos."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from agent.auth import environment
from agent.link import connection
from agent.outside import text

if TYPE_CHECKING:
    from collections.abc import Iterator

# A run that decides whether something lands must not depend on luck; a developer's run explores.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

THREAD_GRACE_S = 2.0


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + THREAD_GRACE_S
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"threads left behind: {left}"


@pytest.fixture(autouse=True)
def what_one_test_hides_the_next_one_shows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Secrets, hooks and log records belong to the process, which the tests share."""
    for place, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(place, name, getattr(place, name))
    factory = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(factory)
    text.forget_all()
    environment._taken.clear()


@pytest.fixture(autouse=True)
def state_is_kept_nowhere_near_the_developers_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(autouse=True)
def sent_messages_are_strictly_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    send = connection.broadcast  # type: ignore[attr-defined] # the library's function, as the link knows it

    def judged(connections: Any, message: bytes, **options: Any) -> None:
        from tests.support.judge import strict_client_message

        strict_client_message(message)
        send(connections, message, **options)

    monkeypatch.setattr(connection, "broadcast", judged)

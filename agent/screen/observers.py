"""Who watches an agent: screens, event files, what came of it all. What fails them must not fail the agent."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
import time
from typing import TYPE_CHECKING

from agent import notices
from agent.errors import ConfigError, ExitCode
from agent.outside.text import cleaned, one_line
from agent.terminal import fail, silence
from hardware.files import create_stream
from hardware.ports import reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.notices import Notice, Observer

SCREEN = "standard output"


class Observers:
    """Several observers as one. One that fails is told nothing more and is reported at the end."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._observers: dict[str, Observer] = {}
        self._failed: dict[str, Exception] = {}
        self.left = asyncio.Event()
        """Set when the reader of the screen has gone away: there is nobody left to go on for."""

    def add(self, name: str, observer: Observer) -> None:
        """Tell ``observer`` from now on; ``name`` is what it writes to."""
        self._observers[name] = observer

    def __call__(self, notice: Notice) -> None:
        """Tell everybody. Never raises what writing may."""
        for name, observer in tuple(self._observers.items()):
            try:
                observer(notice)
            except (OSError, ValueError) as error:  # ValueError: closed, or not to be encoded
                self._drop(name, error)

    def _drop(self, name: str, error: Exception) -> None:
        del self._observers[name]
        self._failed[name] = error
        if name == SCREEN:
            silence(sys.stdout)
            if isinstance(error, BrokenPipeError):
                self.left.set()

    def report(self) -> int:
        """Say who failed, one line each; returns the exit code that this comes to."""
        for name, error in self._failed.items():
            if not (name == SCREEN and isinstance(error, BrokenPipeError)):
                fail(f"{name}: {getattr(error, 'strerror', None) or error}", ExitCode.UNUSABLE)
        if self.left.is_set() and len(self._failed) == 1:
            return ExitCode.CLOSED_PIPE
        return ExitCode.UNUSABLE if self._failed else 0


class Outcome:
    """Whether anything was asked, whether anything was answered, and what the link last complained of."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.asked = False
        self.answered = False
        self.problem = ""

    def observe(self, notice: Notice) -> None:
        """Handle a notice of the agent."""
        match notice:
            case notices.UtteranceTyped() | notices.UtteranceEnded() | notices.Greeted():
                self.asked = True
            case notices.AnswerStarted():
                self.answered = True
            case notices.LinkStateChanged(problem=problem) if problem:
                self.problem = problem
            case notices.AnswerMissed(reason=reason):
                self.problem = (
                    f"the service ended the turn: {reason}" if reason else "the service answered with nothing"
                )
            case notices.TurnEnded(turn=turn) if turn.reason and not self.answered:
                self.problem = f"the service ended the turn: {turn.reason}"

    def complaint(self) -> str:
        """Return one line if all questions were in vain, else nothing."""
        if not self.asked or self.answered:
            return ""
        return f"no answer came: {one_line(self.problem) or 'the service said nothing'}"


@contextlib.contextmanager
def event_file(path: Path) -> Iterator[Observer]:
    """Give an observer that writes one notice a line as JSON, ``t`` being monotonic seconds. Raises ConfigError.

    A file is for this user only, as it holds what was said; it may be a pipe or a device as well.
    """
    try:
        file = io.TextIOWrapper(create_stream(path), encoding="utf-8", line_buffering=True)
    except OSError as error:
        raise ConfigError(f"--events {path}: {reason(error)} (name another file)") from None

    def write(event: dict[str, object]) -> None:
        file.write(json.dumps({"t": round(time.monotonic(), 6), **event}) + "\n")

    try:
        with contextlib.suppress(OSError):  # it fails again with the first notice, which is reported
            write(notices.header())
        yield lambda notice: write(cleaned(notices.as_json(notice)))
    finally:
        with contextlib.suppress(OSError):  # what cannot be written has been reported by then
            file.close()

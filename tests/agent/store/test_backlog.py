"""What waits for the disk: in which order it is done, how long it waits, and who is told."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent.store import backlog
from agent.store.backlog import MOST_BYTES, Backlog, Job, Lane
from agent.store.errors import StorageError

if TYPE_CHECKING:
    import pytest


@dataclass
class Rig:
    """A backlog, a disk that refuses some jobs, and what came of them."""

    backlog: Backlog = field(default_factory=Backlog)
    refused: dict[str, bool] = field(default_factory=dict)
    """Jobs that fail, and whether that passes."""
    done: list[str] = field(default_factory=list)

    def do(self, name: str) -> str:
        for word, passing in self.refused.items():
            if word in name:
                raise StorageError(Path(word), "refused", "wait", passing=passing)
        self.done.append(name)
        return name

    def job(self, name: str, size: int = 0, after: Lane | None = None) -> Job:
        return Job(partial(self.do, name), size=size, after=after)

    def add(self, name: str, lane: Lane = Lane.ROWS, size: int = 0, after: Lane | None = None) -> list[str]:
        """Return what is known of jobs after it: the names of those done, "-" for one that failed."""
        return [each.result or "-" for each in self.backlog.add(lane, self.job(name, size, after))]

    def repeat(self) -> list[str]:
        return [each.result or "-" for each in self.backlog.repeat()]


def test_what_the_disk_takes_does_not_wait() -> None:
    rig = Rig()
    assert rig.add("one") == ["one"]
    assert (len(rig.backlog), rig.backlog.problem) == (0, "")


def test_what_the_disk_refuses_for_now_is_repeated_in_order() -> None:
    rig = Rig(refused={"two": True})
    assert rig.add("one") == ["one"]
    assert rig.add("two") == rig.add("three") == rig.repeat() == []
    assert len(rig.backlog) == 2
    assert "refused" in rig.backlog.problem
    rig.refused.clear()
    assert rig.add("four") == [], "it does not overtake"
    assert rig.repeat() == ["two", "three", "four"]
    assert rig.done == ["one", "two", "three", "four"]
    assert (len(rig.backlog), rig.backlog.problem) == (0, "")


def test_what_fails_for_good_does_not_keep_others_waiting() -> None:
    rig = Rig(refused={"bad": False})
    assert rig.add("bad") == ["-"]
    rig.refused["row"] = True
    rig.add("row")
    rig.add("bad row")
    del rig.refused["row"]
    assert rig.repeat() == ["row", "-"]


def test_a_locked_journal_keeps_no_word_off_the_disk() -> None:
    rig = Rig(refused={"row": True})
    rig.add("row")
    assert rig.add("speech", Lane.SPEECH) == ["speech"]


def test_a_row_that_says_that_speech_is_on_disk_waits_for_it() -> None:
    rig = Rig(refused={"speech": True})
    rig.add("speech", Lane.SPEECH)
    assert rig.add("saved", after=Lane.SPEECH) == rig.repeat() == []
    rig.refused.clear()
    assert rig.repeat() == ["speech", "saved"]


def test_so_much_waits_and_no_more_and_a_row_fits_when_no_speech_does() -> None:
    rig = Rig(refused={"": True})
    assert rig.add("much", size=MOST_BYTES) == []
    assert rig.add("too much", size=1) == ["-"]
    assert rig.add("a row") == []
    rig.refused.clear()
    assert rig.repeat() == ["much", "a row"]
    assert rig.add("as much again", size=MOST_BYTES) == ["as much again"]


def test_no_more_jobs_wait_than_memory_bears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST_JOBS", 2)
    rig = Rig(refused={"": True})
    assert [rig.add(name) for name in ("one", "two", "three")] == [[], [], ["-"]]


def test_an_end_waits_for_the_disk_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(refused={"row": True})
    rig.add("row")
    threading.Timer(0.2, rig.refused.clear).start()
    assert [each.result for each in rig.backlog.finish()] == ["row"]
    monkeypatch.setattr(backlog, "END_S", 0.2)
    rig.refused["row"] = True
    rig.add("row")
    assert rig.backlog.finish() == []
    assert len(rig.backlog) == 1

"""The thread alone: order, what the loop is told, one word of trouble and one of its end."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent.store import backlog
from agent.store.errors import FULL, NEARLY_FULL, StorageError
from agent.store.writer import RETRY_S, Writer
from tests.support.stage import play

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


@dataclass
class Rig:
    """A writer, and what it said."""

    told: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warning: str = ""
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.writer = Writer((LookupError,), warning=lambda: self.warning, on_problem=self.problems.append)

    def works(self, name: str) -> None:
        self.writer.submit(lambda: name, self.told.append)

    def fails(self, name: str) -> None:
        def job() -> None:
            raise LookupError(name)

        self.writer.submit(job, lambda _: self.told.append("never"), lambda: self.told.append(f"no {name}"))

    def warns(self, warning: str) -> None:
        def job() -> None:
            self.warning = warning

        self.writer.submit(job)

    async def done(self) -> None:
        end = asyncio.Event()
        self.writer.submit(lambda: None, lambda _: end.set())
        await end.wait()


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    try:
        yield made
    finally:
        await made.writer.aclose(lambda: None)


def test_jobs_are_done_in_their_order_by_one_other_thread_and_told_on_the_loop() -> None:
    async def scene() -> None:
        threads: list[int] = []
        told: list[tuple[int, int]] = []

        def job(number: int) -> int:
            threads.append(threading.get_ident())
            return number

        async with rig() as made:
            for number in range(20):
                made.writer.submit(partial(job, number), lambda number: told.append((number, threading.get_ident())))
            await made.done()
        assert told == [(number, threading.get_ident()) for number in range(20)]
        assert len(set(threads)) == 1
        assert threading.get_ident() not in threads

    play(scene())


def test_a_job_that_fails_is_told_to_whoever_asked_and_takes_no_other_along() -> None:
    async def scene() -> None:
        async with rig() as made:
            made.works("one")
            made.fails("two")
            made.works("three")
            await made.done()
            assert made.told == ["one", "no two", "three"]

    play(scene())


def test_a_problem_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async with rig() as made:
            made.works("all well")
            for name in ("first", "second"):
                made.fails(name)
            await asyncio.sleep(0.1)
            assert made.problems == ["first"]
            for _ in range(2):
                made.works("again")
            await made.done()
            assert made.problems[1:] == [""]

    with caplog.at_level("INFO", "agent.store"):
        play(scene())
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "store: first"),
        ("INFO", "store: is written again"),
    ]


def test_what_becomes_another_trouble_is_told_again() -> None:
    async def scene() -> None:
        async with rig() as made:
            made.warns(NEARLY_FULL)
            made.fails(FULL)
            made.fails("database or disk is full")
            made.fails("broken")
            await made.done()
            assert made.problems == [NEARLY_FULL, FULL, "broken", NEARLY_FULL]

    play(scene())


def test_what_fails_because_nothing_more_fits_is_no_trouble_of_its_own() -> None:
    async def scene() -> None:
        async with rig() as made:
            made.warns(FULL)
            made.fails("there is no such recording")
            await made.done()
            assert made.problems == [FULL]

    play(scene())


def test_a_warning_lasts_while_jobs_succeed_and_until_a_job_has_lifted_it() -> None:
    async def scene() -> None:
        async with rig() as made:
            made.warns("nearly full")
            made.works("all the same")
            made.fails("something else")
            made.works("and this")
            await made.done()
            assert made.problems == ["nearly full"]
            made.warns("")
            await made.done()
            assert made.problems == ["nearly full", ""]

    play(scene())


def test_what_is_submitted_before_the_end_is_done_and_nothing_after_it() -> None:
    async def scene() -> None:
        made, order = Rig(), list[str]()
        made.writer.submit(lambda: order.append("job"))
        for _ in range(2):
            await made.writer.aclose(lambda: order.append("last"))
        made.works("too late")
        made.fails("this too")
        await asyncio.sleep(0)
        assert order == ["job", "last"]
        assert made.told == ["no this too"]
        assert made.problems == []

    play(scene())


def test_anything_else_that_a_job_raises_is_a_bug_and_shown_as_one() -> None:
    async def scene() -> None:
        shown: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: shown.append(context.get("exception")))
        async with rig() as made:
            made.writer.submit(lambda: 1 // 0, otherwise=lambda: made.told.append("not done"))
            await made.done()
            assert made.told == ["not done"]
            assert made.problems == []
        assert [type(error) for error in shown] == [ZeroDivisionError]

    play(scene())


def test_what_the_disk_refuses_is_kept_told_of_once_and_repeated_by_itself() -> None:
    async def scene() -> None:
        made, asleep = Rig(), [True]

        def job() -> str:
            if asleep[0]:
                raise StorageError(Path("journal.db"), "locked", "wait", passing=True)
            return "written"

        made.writer.keep(job, made.told.append, lambda: made.told.append("given up"))
        made.works("something else")
        await asyncio.sleep(3 * RETRY_S)
        assert made.told == ["something else"]
        assert made.problems == ["journal.db: locked (wait)"]
        asleep[0] = False
        await asyncio.sleep(1.5 * RETRY_S)
        assert made.told == ["something else", "written"]
        assert made.problems[1:] == [""]
        asleep[0] = True
        made.writer.keep(job, made.told.append)
        await made.done()
        asleep[0] = False
        await made.writer.aclose(lambda: made.told.append("last"))
        assert made.told[2:] == ["written", "last"]

    play(scene())


def test_too_much_that_waits_is_given_up_and_told_as_the_trouble_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST_JOBS", 1)
    monkeypatch.setattr(backlog, "END_S", 0.0)

    def job() -> str:
        raise StorageError(Path("journal.db"), "locked", "wait", passing=True)

    async def scene() -> None:
        async with rig() as made:
            made.writer.keep(job)
            made.writer.keep(job, otherwise=lambda: made.told.append("given up"))
            await made.done()
            assert made.told == ["given up"]
            assert made.problems == ["journal.db: locked (wait)"]

    play(scene())

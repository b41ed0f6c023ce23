"""Attempts in parallel, first come."""

from __future__ import annotations

import asyncio

import pytest

from agent.link.redial import first_of
from tests.support.stage import play


def attempts(*lasts: float | Exception) -> tuple[list[float], list[str], object]:
    """An attempt that takes its time, or fails; when each began, what was discarded."""
    begun: list[float] = []
    discarded: list[str] = []

    async def attempt() -> str:
        number = len(begun)
        begun.append(asyncio.get_running_loop().time())
        plan = lasts[min(number, len(lasts) - 1)]
        if isinstance(plan, Exception):
            raise plan
        try:
            await asyncio.sleep(plan)
        except asyncio.CancelledError:
            return f"late {number}"  # it had just come through
        return f"attempt {number}"

    return begun, discarded, attempt


def test_a_hanging_attempt_is_overtaken_by_the_next() -> None:
    async def scene() -> None:
        begun, discarded, attempt = attempts(100.0, 100.0, 0.2)
        started = asyncio.get_running_loop().time()
        won = await first_of(attempt, discarded.append, every_s=1.0, within_s=10.0)  # type: ignore[arg-type] # see above
        assert won == "attempt 2"
        assert [at - started for at in begun] == pytest.approx([0.0, 1.0, 2.0])
        assert sorted(discarded) == ["late 0", "late 1"]

    play(scene())


def test_a_failure_with_nothing_else_waiting_is_raised_at_once() -> None:
    async def scene() -> None:
        _, discarded, attempt = attempts(ConnectionRefusedError())
        with pytest.raises(ConnectionRefusedError):
            await first_of(attempt, discarded.append, every_s=1.0, within_s=10.0)  # type: ignore[arg-type] # see above

    play(scene())


def test_a_failure_does_not_end_those_that_still_wait() -> None:
    async def scene() -> None:
        _, discarded, attempt = attempts(1.5, ConnectionRefusedError(), 100.0)
        assert await first_of(attempt, discarded.append, every_s=1.0, within_s=10.0) == "attempt 0"  # type: ignore[arg-type] # see above

    play(scene())


def test_it_gives_up_in_time() -> None:
    async def scene() -> None:
        _, discarded, attempt = attempts(100.0)
        started = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await first_of(attempt, discarded.append, every_s=1.0, within_s=3.5)  # type: ignore[arg-type] # see above
        assert asyncio.get_running_loop().time() - started == pytest.approx(3.5)

    play(scene())

"""Connect again over a line that may be back any moment: one attempt after the other, in parallel, first come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

REDIAL_S = 1.0
"""TCP waits 1, 3, 7 s between its own attempts; a fresh one each second finds a line that returned within one."""


async def first_of(
    attempt: Callable[[], Coroutine[None, None, T]], discard: Callable[[T], None], *, every_s: float, within_s: float
) -> T:
    """Return what the first successful ``attempt`` returns; those that come late are given to ``discard``.

    A new attempt is begun every ``every_s`` while the others still wait. Raises what the last one raised when all have
    failed, or TimeoutError after ``within_s``.
    """
    attempts: set[asyncio.Task[T]] = set()
    try:
        async with asyncio.timeout(within_s):
            while True:
                attempts.add(asyncio.ensure_future(attempt()))
                done, _ = await asyncio.wait(attempts, timeout=every_s, return_when=asyncio.FIRST_COMPLETED)
                won = next((task for task in done if not task.exception()), None)
                if won is not None:
                    attempts.discard(won)
                    return won.result()
                attempts -= done
                if not attempts:
                    return done.pop().result()  # raises: nothing waits any more
    finally:
        for task in attempts:
            task.cancel()
        for result in await asyncio.gather(*attempts, return_exceptions=True):
            if not isinstance(result, BaseException):
                discard(result)

"""Connects over a line that may be back any moment: staggered parallel attempts, of which the first to succeed wins."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

REDIAL_S = 1.0
"""TCP repeats its own attempt after 1, 3 and 7 s; a new attempt every second finds a returned line within a second."""


async def first_of(
    attempt: Callable[[], Coroutine[None, None, T]], discard: Callable[[T], None], *, every_s: float, within_s: float
) -> T:
    """Return the result of the first successful ``attempt``; later results are given to ``discard``.

    A new attempt begins every ``every_s`` seconds while the others still wait. Raises what the last attempt raised if
    all have failed, or TimeoutError after ``within_s`` seconds.
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
                    return done.pop().result()  # raises: every attempt has failed
    finally:
        for task in attempts:
            task.cancel()
        for result in await asyncio.gather(*attempts, return_exceptions=True):
            if not isinstance(result, BaseException):
                discard(result)

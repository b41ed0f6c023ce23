"""The store's one thread: jobs are done there in their order, and what came of each is told on the event loop."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
T = TypeVar("T")


def nothing(*_: object) -> None:
    """Do nothing."""


class Writer:
    """Does jobs in the order in which they were submitted. Needs a running loop."""

    def __init__(
        self, failures: tuple[type[Exception], ...], *, warning: Callable[[], str], on_problem: Callable[[str], None]
    ) -> None:
        """``warning()``: what is wrong although the last job succeeded, or ''; it is called in the thread, as jobs are.

        ``on_problem`` is told on the loop what is wrong, once, and '' once nothing is any more. A job fails by raising
        one of ``failures``; anything else that it raises is a bug.
        """
        self._failures = failures
        self._warning = warning
        self._on_problem = on_problem
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._problem = ""
        self._closed = False

    def submit(
        self, job: Callable[[], T], then: Callable[[T], None] = nothing, otherwise: Callable[[], None] = nothing
    ) -> None:
        """Do ``job`` in the thread, and on the loop ``then`` with its result, or ``otherwise`` if it fails.

        After :meth:`aclose` nothing is done any more: ``otherwise`` is called at once.
        """

        def done(future: asyncio.Future[tuple[T, str]]) -> None:
            if future.cancelled():
                return
            error = future.exception()
            if error is None:
                result, warning = future.result()
                self._report(warning)
                then(result)
                return
            otherwise()
            if not isinstance(error, self._failures):
                raise error
            self._report(str(error))

        if self._closed:
            otherwise()
            return
        self._loop.run_in_executor(self._thread, lambda: (job(), self._warning())).add_done_callback(done)

    async def aclose(self, last: Callable[[], None]) -> None:
        """Do what was submitted, and ``last`` after it. Idempotent."""
        if not self._closed:
            self._closed = True
            await self._loop.run_in_executor(self._thread, last)
            self._thread.shutdown()

    def _report(self, problem: str) -> None:
        if bool(problem) != bool(self._problem):
            level = logging.WARNING if problem else logging.INFO
            log.log(level, "store: %s", problem or "is written again")
            self._on_problem(problem)
        self._problem = problem

"""The store's only thread: does jobs in order, and reports the outcome of each on the event loop."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from agent.store.errors import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
T = TypeVar("T")


def nothing(*_: object) -> None:
    """Do nothing; the default for callbacks."""


class Writer:
    """Does jobs in the order in which they were submitted. Needs a running loop."""

    def __init__(
        self, failures: tuple[type[Exception], ...], *, warning: Callable[[], str], on_problem: Callable[[str], None]
    ) -> None:
        """Start without a thread; it starts with the first job.

        A job fails by raising one of ``failures``; anything else that it raises is a bug. ``warning()`` is called after
        each job, in any thread, and returns what is wrong whether or not it succeeded, or ''. ``on_problem`` is called
        on the loop: once for each kind of trouble with what is wrong, and with '' once that is over.
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
        """Do ``job`` in the thread; then, on the loop, call ``then`` with its result, or ``otherwise`` if it failed.

        After :meth:`aclose` the job is not done, and ``otherwise`` is called at once.
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
            warning = self._warning()
            # Where nothing more fits, what else fails is what was not written before.
            self._report(warning if Trouble.of(warning) is Trouble.FULL else str(error))

        if self._closed:
            otherwise()
            return
        self._loop.run_in_executor(self._thread, lambda: (job(), self._warning())).add_done_callback(done)

    async def aclose(self, last: Callable[[], None]) -> None:
        """Do all submitted jobs, and ``last`` after them. Idempotent."""
        if not self._closed:
            self._closed = True
            await self._loop.run_in_executor(self._thread, last)
            self._thread.shutdown()

    def _report(self, problem: str) -> None:
        if Trouble.of(problem) is not Trouble.of(self._problem):
            level = logging.WARNING if problem else logging.INFO
            log.log(level, "store: %s", problem or "is written again")
            self._on_problem(problem)
        self._problem = problem

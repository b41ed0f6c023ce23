"""The store's only thread: does jobs in order, and reports the attempt of each on the event loop."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from agent.store.backlog import Backlog, Job, Lane, nothing, tried
from agent.store.errors import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.store.backlog import Attempt

log = logging.getLogger(__name__)
T = TypeVar("T")

RETRY_S = 1.0
"""How soon the disk is asked again whether it takes what waits."""


class _Done(NamedTuple):
    """What a visit to the thread brought: attempts, how many jobs wait and why, and what else is wrong."""

    attempts: list[Attempt]
    waiting: int
    problem: str
    warning: str


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
        self._failures = (*failures, OverflowError)
        self._warning = warning
        self._on_problem = on_problem
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._backlog = Backlog()  # only the thread uses it
        self._retry: asyncio.TimerHandle | None = None
        self._problem = ""
        self._closed = False

    def submit(
        self, do: Callable[[], T], then: Callable[[T], None] = nothing, otherwise: Callable[[], None] = nothing
    ) -> None:
        """Do a job once; then, on the loop, call ``then`` with its result, or ``otherwise`` if it failed.

        After :meth:`aclose` the job is not done, and ``otherwise`` is called at once.
        """
        job = Job(do, then, otherwise)
        self._visit(job, lambda: [tried(job)])

    def keep(  # noqa: PLR0913 - what, whom to tell, and where it stands in line
        self,
        do: Callable[[], T],
        then: Callable[[T], None] = nothing,
        otherwise: Callable[[], None] = nothing,
        *,
        lane: Lane = Lane.ROWS,
        after: Lane | None = None,
        size: int = 0,
    ) -> None:
        """Do a job as :meth:`submit` does, but repeat it in the order of its ``lane`` while the disk refuses it.

        ``otherwise`` is called when it is given up: the error will not pass, or too much waits. ``after``: it also
        waits until nothing waits in that lane. ``size``: the bytes that it holds in memory meanwhile.
        """
        job = Job(do, then, otherwise, size, after)
        self._visit(job, lambda: self._backlog.add(lane, job))

    async def aclose(self, last: Callable[[], None]) -> None:
        """Do all submitted jobs, those that wait included if the disk takes them soon, and ``last``. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        done = await self._loop.run_in_executor(self._thread, lambda: self._done(self._backlog.finish()))
        self._tell(done)
        if done.waiting:
            log.error("store: %d changes could not be written: %s", done.waiting, done.problem)
        await self._loop.run_in_executor(self._thread, last)
        self._thread.shutdown()

    def _visit(self, job: Job, do: Callable[[], list[Attempt]]) -> None:
        if self._closed:
            job.otherwise()
            return
        self._loop.run_in_executor(self._thread, lambda: self._done(do())).add_done_callback(self._visited)

    def _done(self, attempts: list[Attempt]) -> _Done:
        return _Done(attempts, len(self._backlog), self._backlog.problem, self._warning())

    def _visited(self, future: asyncio.Future[_Done]) -> None:
        if not future.cancelled():
            self._tell(future.result())

    def _tell(self, done: _Done) -> None:
        problem, bugs = done.problem or done.warning, list[Exception]()
        for attempt in done.attempts:
            attempt.tell()
            if attempt.error is not None and not isinstance(attempt.error, self._failures):
                bugs.append(attempt.error)
            elif attempt.error is not None and Trouble.of(problem) is not Trouble.FULL:
                problem = str(attempt.error)  # where nothing more fits, what else fails is what was not written before
        if not bugs:
            self._report(problem)
        if done.waiting and self._retry is None and not self._closed:
            self._retry = self._loop.call_later(RETRY_S, self._again)
        for bug in bugs:
            raise bug

    def _again(self) -> None:
        self._retry = None
        self._visit(Job(nothing), self._backlog.repeat)

    def _report(self, problem: str) -> None:
        if Trouble.of(problem) is not Trouble.of(self._problem):
            level = logging.WARNING if problem else logging.INFO
            log.log(level, "store: %s", problem or "is written again")
            self._on_problem(problem)
        self._problem = problem

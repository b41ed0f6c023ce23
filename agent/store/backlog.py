"""What the disk refuses for now, in order: kept, and repeated until the disk takes it. No loop, no thread of its own.

A disk that is busy, full or read-only for a moment must not make the journal forget what became of a question: it would
be asked again after the next start. Rows and speech wait in lanes of their own, so that a locked journal keeps no word
off the disk.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.store.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_JOBS = 5000
"""Jobs that may wait, about 1 kB each: some hundred turns."""
MOST_BYTES = 8_000_000
"""Speech and pictures that may wait: four minutes of speech."""
END_S = 3.0
"""How long an orderly end waits for the disk."""
PAUSE_S = 0.1
"""Between two attempts then."""


def nothing(*_: object) -> None:
    """Do nothing; the default for callbacks."""


class Lane(Enum):
    """Jobs of one lane are done in order, and wait for nothing in the other unless they say so."""

    SPEECH = auto()  # the recordings
    ROWS = auto()  # the journal, and the files that its rows name


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do in the store's thread; ``size``: the bytes that it holds; ``after``: a lane it waits for."""

    do: Callable[[], Any]
    then: Callable[[Any], None] = nothing
    otherwise: Callable[[], None] = nothing
    size: int = 0
    after: Lane | None = None


class Attempt(NamedTuple):
    """What came of a job: its result, or why it failed for good."""

    job: Job
    result: Any
    error: Exception | None

    def tell(self) -> None:
        """Call whoever waits for it."""
        if self.error is None:
            self.job.then(self.result)
        else:
            self.job.otherwise()


class Backlog:
    """Jobs that wait for the disk. Only one thread at a time may use it."""

    def __init__(self) -> None:
        """Begin with nothing waiting."""
        self._lanes: dict[Lane, deque[Job]] = {lane: deque() for lane in Lane}
        self._bytes = 0
        self.problem = ""
        """Why the disk takes no more; '' if nothing waits."""

    def __len__(self) -> int:
        """Return how many jobs wait."""
        return sum(map(len, self._lanes.values()))

    def waits(self, lane: Lane) -> bool:
        """Whether a job of ``lane`` waits."""
        return bool(self._lanes[lane])

    def add(self, lane: Lane, job: Job) -> list[Attempt]:
        """Do ``job``, unless others of its lane wait: then it waits behind them. Return what came of it, if it did."""
        if self._bytes + job.size > MOST_BYTES or len(self) >= MOST_JOBS:
            return [Attempt(job, None, OverflowError(self.problem))]
        behind = self.waits(lane)
        self._lanes[lane].append(job)
        self._bytes += job.size
        return [] if behind else self._work_off(lane)

    def repeat(self) -> list[Attempt]:
        """Try again what waits; return what came of the jobs that wait no more."""
        attempts = [attempt for lane in Lane for attempt in self._work_off(lane)]
        if not len(self):
            self.problem = ""
        return attempts

    def finish(self) -> list[Attempt]:
        """Repeat until nothing waits, for as long as ``END_S``."""
        until = time.monotonic() + END_S
        attempts = self.repeat()
        while len(self) and time.monotonic() < until:
            time.sleep(PAUSE_S)
            attempts += self.repeat()
        return attempts

    def _work_off(self, lane: Lane) -> list[Attempt]:
        attempts, jobs = list[Attempt](), self._lanes[lane]
        while jobs and not (jobs[0].after is not None and self.waits(jobs[0].after)):
            attempt = tried(jobs[0])
            if isinstance(attempt.error, StorageError) and attempt.error.passing:
                self.problem = str(attempt.error)
                break
            self._bytes -= jobs.popleft().size
            attempts.append(attempt)
        return attempts


def tried(job: Job) -> Attempt:
    """Do ``job`` once."""
    try:
        return Attempt(job, job.do(), None)
    except Exception as error:  # noqa: BLE001 - the writer tells a bug from a failing disk
        return Attempt(job, None, error)

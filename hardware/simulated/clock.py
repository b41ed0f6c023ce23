"""Loop time: a metronome that does not drift, and an event loop whose clock jumps instead of waiting."""

from __future__ import annotations

import asyncio
import selectors
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

FIRST_MOMENT_S = 1000.0
"""Where virtual time begins: not at 0, which code may use for "never"."""
IDLE_POLLS = 3
"""How often the sockets are polled before a jump. Once would do, as loopback delivers within the sending call."""
JOB_PATIENCE_S = 10.0
"""Real seconds that the clock stands still for a thread; after that, the thread must be waiting for a timer."""
ROUNDING_S = 1e-6
"""A timer may fire this much early: sums of floats are not exact."""


class Metronome:
    """Calls ``tick()`` on the loop at ``t0 + k * period``, k = 1, 2, …; missed ticks are made up at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, period_s: float, tick: Callable[[], None]) -> None:
        """Create it stopped; :meth:`start` starts it."""
        self._loop = loop
        self._period = period_s
        self._tick = tick
        self._timer: asyncio.TimerHandle | None = None
        self._origin = 0.0
        self._count = 0

    @property
    def running(self) -> bool:
        """Whether it ticks."""
        return self._timer is not None

    def start(self) -> None:
        """Start; the first tick comes one period later. No effect while running."""
        if self._timer is None:
            self._origin = self._loop.time()
            self._count = 0
            self._arm()

    def stop(self) -> None:
        """Stop; no tick comes after this returns. Idempotent, and allowed inside ``tick``."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = self._loop.call_at(self._due(), self._fire)

    def _due(self) -> float:
        return self._origin + (self._count + 1) * self._period

    def _fire(self) -> None:
        timer = self._timer
        while self._timer is timer and self._due() <= self._loop.time() + ROUNDING_S:
            self._count += 1
            self._tick()
        if self._timer is timer:
            self._arm()


class _JumpingSelector(selectors.DefaultSelector):
    """The system's selector, except that waiting for a timer moves ``now`` instead."""

    def __init__(self, held: Callable[[], bool]) -> None:
        super().__init__()
        self.now = FIRST_MOMENT_S
        self._held = held

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)  # no timer at all: only a thread or another process can wake us
        for _ in range(IDLE_POLLS if timeout > 0 else 1):
            if ready := super().select(0):
                return ready
        if timeout > 0:
            if self._held() and (ready := super().select(JOB_PATIENCE_S)):
                return ready
            self.now += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on which an hour of sleeping takes milliseconds, while real loopback sockets work.

    ``time()`` starts at ``FIRST_MOMENT_S`` and moves only when nothing else is left to do: no callback is ready, no
    socket is readable, no executor job is running. Deterministic as long as both ends of every connection are on this
    loop. Other threads and child processes must be fenced with :meth:`hold`.
    """

    def __init__(self) -> None:
        """Wrap the system's selector."""
        self._jobs: set[object] = set()
        self._jumping = _JumpingSelector(lambda: bool(self._jobs))
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._jumping.now

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the clock from jumping inside the ``with`` block, while something outside this loop works."""
        mark = object()
        self._jobs.add(mark)
        try:
            yield
        finally:
            self._jobs.discard(mark)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]  # noqa: ANN401 - narrower than the stub, which leaves the type variables open
        """Run ``func`` in a thread; the clock stands still until its result is back on the loop."""
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        self._jobs.add(future)
        future.add_done_callback(self._jobs.discard)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:  # noqa: ANN401 - 3.12 added a timeout, which must not be jumped over
        """Join the executor's threads in real time."""
        with self.hold():
            await super().shutdown_default_executor(*args)


def run_virtual(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine`` to its end on a fresh :class:`VirtualTimeLoop` and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)

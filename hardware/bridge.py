"""The only way from another thread onto the event loop."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

T = TypeVar("T")


class Inlet(Generic[T]):
    """Hands items from any thread to ``sink(item)`` on the loop, in order; beyond ``bound``, the oldest are dropped.

    Only one wake-up of the loop is pending at a time, however many items wait: a stalled loop finds a short queue of
    fresh items and not a pile of wake-ups.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sink: Callable[[T], None], bound: int) -> None:
        """Start empty; ``bound`` is a number of items, at least 1."""
        self._loop = loop
        self._sink = sink
        self._items: deque[T] = deque(maxlen=bound)
        self._lock = Lock()
        self._awake = False
        self._closed = False
        self.dropped = 0
        """How many items were dropped."""

    def post(self, item: T) -> None:
        """Queue ``item``; from any thread. Never blocks for long, never raises. After ``close``, discards it."""
        with self._lock:
            if self._closed:
                return
            if len(self._items) == self._items.maxlen:
                self.dropped += 1
            self._items.append(item)
            if self._awake:
                return
            self._awake = True
        self._wake()

    def close(self) -> None:
        """Deliver nothing from now on, not even queued items. Idempotent; call it on the loop."""
        with self._lock:
            self._closed = True
            self._items.clear()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:  # the loop is closed, which is the end of all delivery
            self.close()

    def _deliver(self) -> None:
        """Deliver the items queued now; items posted meanwhile wait their turn behind other callbacks."""
        with self._lock:
            waiting = len(self._items)
        try:
            for _ in range(waiting):
                with self._lock:
                    if not self._items:  # closed by the sink
                        break
                    item = self._items.popleft()
                self._sink(item)
        finally:
            with self._lock:
                self._awake = bool(self._items)
            if self._awake:
                self._wake()

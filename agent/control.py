"""The control plane: events one at a time, each handled completely, and one timer for whatever is due next."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from agent.turn import events
from agent.turn.gestures import Gestures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.turn.gestures import Gesture


class Control:
    """Brings events, the button's gestures and the passing of time to ``handle``, with no await in between."""

    def __init__(
        self,
        handle: Callable[[events.Event], None],
        handled: Callable[[], None],
        due: Callable[[], Iterable[float | None]],
        on_time: Callable[[], None],
    ) -> None:
        """Needs a running loop.

        ``handle`` handles an event and performs its effects; ``handled`` follows when no more events wait. ``due``
        tells the deadlines of others, in the loop's time; ``on_time`` and a Tick follow when one has come.
        """
        self._loop = asyncio.get_running_loop()
        self._handle = handle
        self._handled = handled
        self._due = due
        self._on_time = on_time
        self._gestures = Gestures()
        self._waiting: deque[events.Event] = deque()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None

    def dispatch(self, event: events.Event) -> None:
        """Handle one event completely; one that an effect causes waits for its turn."""
        self._waiting.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting:
                self._handle(self._waiting.popleft())
        finally:
            self._busy = False
        self._handled()
        self._set_timer()

    def button(self, *, down: bool) -> None:
        """Handle a movement of the button."""
        self._gesture(self._gestures.edge(down=down, now=self._loop.time()))
        self._set_timer()

    def stop(self) -> None:
        """Let nothing become due any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _gesture(self, gestures: list[Gesture]) -> None:
        for gesture in gestures:
            self.dispatch(gesture)

    def _set_timer(self) -> None:
        """Arm the timer for what is due next, unless it fires sooner anyway: then it is armed anew when it does."""
        due = min((at for at in (*self._due(), self._gestures.deadline) if at is not None), default=None)
        if due is not None and self._timer is not None and self._timer.when() <= due:
            return
        self.stop()
        if due is not None:
            self._timer = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._gesture(self._gestures.tick(self._loop.time()))
        self._on_time()
        self.dispatch(events.Tick())

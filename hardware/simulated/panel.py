"""A button that a script presses, lights that remember or log, and stand-ins for a box without button or light."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from hardware.ports import DeviceHealth, Rhythm

if TYPE_CHECKING:
    from collections.abc import Callable

    from hardware.ports import DeviceError

TAP_S = 0.12
"""How long a tap keeps the button down: gloved thumbs take 80 to 200 ms."""
BETWEEN_TAPS_S = 0.12
"""Pause inside a double tap."""
HISTORY = 1000
"""How many changes of the light are remembered."""

log = logging.getLogger("hardware.light")


class ScriptedButton:
    """A button that a script presses. Edges before ``start`` or after ``aclose`` are not reported."""

    def __init__(self) -> None:
        """Begin released."""
        self.down = False
        self._on_edge: Callable[[bool], None] | None = None

    def start(self, on_edge: Callable[[bool], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Report edges from now on. Never faults."""
        del on_fault
        self._on_edge = on_edge

    def health(self) -> DeviceHealth:
        """Return zeros: a script's edges are not lost."""
        return DeviceHealth()

    async def aclose(self) -> None:
        """Stop reporting. Idempotent."""
        self._on_edge = None

    def press(self) -> None:
        """Press; no effect while down."""
        self._move(down=True)

    def release(self) -> None:
        """Release; no effect while up."""
        self._move(down=False)

    async def tap(self) -> None:
        """Press and release, too briefly for a hold."""
        await self.hold(TAP_S)

    async def hold(self, seconds: float) -> None:
        """Press for ``seconds``; released even if cancelled."""
        self.press()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.release()

    async def taps(self, count: int) -> None:
        """Tap ``count`` times in quick succession."""
        for number in range(count):
            if number:
                await asyncio.sleep(BETWEEN_TAPS_S)
            await self.tap()

    async def double_tap(self) -> None:
        """Tap twice."""
        await self.taps(2)

    async def triple_tap(self) -> None:
        """Tap three times."""
        await self.taps(3)

    def _move(self, *, down: bool) -> None:
        if down != self.down:
            self.down = down
            if self._on_edge is not None:
                self._on_edge(down)


class NoButton:
    """Stands in for the button of a box that has none."""

    def start(self, on_edge: Callable[[bool], None], on_fault: Callable[[DeviceError], None]) -> None:
        """Do nothing: there are no edges to report."""

    def health(self) -> DeviceHealth:
        """Return zeros."""
        return DeviceHealth()

    async def aclose(self) -> None:
        """Nothing to release."""


class RecordingLight:
    """Remembers the rhythms it was asked to show, in ``history`` as (loop time, rhythm)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, observer: Callable[[Rhythm], None] | None = None) -> None:
        """Call ``observer`` with each new rhythm."""
        self._loop = loop
        self._observer = observer
        self.level = 0.0
        """The latest level."""
        self.history: deque[tuple[float, Rhythm]] = deque(maxlen=HISTORY)

    @property
    def rhythm(self) -> Rhythm | None:
        """The rhythm that it shows now, None before the first."""
        return self.history[-1][1] if self.history else None

    def show(self, rhythm: Rhythm, level: float = 1.0) -> None:
        """Remember ``rhythm`` if it is new."""
        self.level = level
        if rhythm is not self.rhythm:
            self.history.append((self._loop.time(), rhythm))
            if self._observer is not None:
                self._observer(rhythm)

    async def aclose(self) -> None:
        """Nothing to release."""


class LogLight:
    """Writes each change of rhythm to the log (logger ``hardware.light``, INFO)."""

    def __init__(self) -> None:
        """Begin dark."""
        self._rhythm: Rhythm | None = None

    def show(self, rhythm: Rhythm, level: float = 1.0) -> None:
        """Log ``rhythm`` if it is new."""
        del level
        if rhythm is not self._rhythm:
            self._rhythm = rhythm
            log.info("light: %s", rhythm.value)

    async def aclose(self) -> None:
        """Nothing to release."""


class NoLight:
    """Stands in for the light of a box that has none."""

    def show(self, rhythm: Rhythm, level: float = 1.0) -> None:
        """Show nothing."""

    async def aclose(self) -> None:
        """Nothing to release."""

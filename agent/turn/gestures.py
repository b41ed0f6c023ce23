"""PURE: turns the edges of one button into taps and holds.

``Down`` comes with the press and ``Tap`` with the release, without delay. Only ``Settled`` waits until no further tap
can come, for the two things that must not happen by mistake (hanging up, ending an utterance).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from agent.values import Bare

HOLD_S = 0.400
"""A press this long is a hold: longer than a gloved tap, short enough that push-to-talk feels immediate."""
SERIES_S = 0.350
"""A press within this time after a release continues the series of taps; a later press begins a new series."""
MAX_TAPS = 3
"""Four taps have no meaning, so the third tap settles the series at once."""


@dataclass(frozen=True, slots=True)
class Down:
    """The button went down; ``first`` unless it continues a series of taps."""

    first: bool


class Hold(Bare):
    """The button has now been down for HOLD_S."""


class HoldEnd(Bare):
    """The button was released after a hold."""


@dataclass(frozen=True, slots=True)
class Tap:
    """The button was released before HOLD_S, for the ``count``-th time in a series."""

    count: int


@dataclass(frozen=True, slots=True)
class Settled:
    """A series of ``count`` taps is over."""

    count: int


Gesture = Down | Hold | HoldEnd | Tap | Settled


class _State(Enum):
    UP = auto()
    DOWN = auto()
    HELD = auto()
    BETWEEN = auto()  # released early, a further tap may come


class Gestures:
    """Turns debounced edges and time into gestures; repeated edges are ignored."""

    def __init__(self) -> None:
        """Start with the button released."""
        self._state = _State.UP
        self._taps = 0
        self.deadline: float | None = None
        """When :meth:`tick` must be called next, on the clock that edges are given in."""

    @property
    def pressed(self) -> bool:
        """Whether the button is down now."""
        return self._state in (_State.DOWN, _State.HELD)

    def edge(self, *, down: bool, now: float) -> list[Gesture]:
        """Handle one edge; return the gestures that are due before it and those it completes."""
        due = self.tick(now)
        return due + (self._press(now) if down else self._release(now))

    def tick(self, now: float) -> list[Gesture]:
        """Return the gestures that are due by now; none before :attr:`deadline`."""
        if self.deadline is None or now < self.deadline:
            return []
        self.deadline = None
        if self._state is _State.DOWN:
            self._state = _State.HELD
            return [Hold()]
        self._state = _State.UP
        return [Settled(self._taps)]

    def _press(self, now: float) -> list[Gesture]:
        if self.pressed:
            return []
        first = self._state is _State.UP
        if first:
            self._taps = 0
        self._state, self.deadline = _State.DOWN, now + HOLD_S
        return [Down(first)]

    def _release(self, now: float) -> list[Gesture]:
        if self._state is _State.HELD:
            self._state = _State.UP
            return [HoldEnd()]
        if self._state is not _State.DOWN:
            return []
        self._taps += 1
        if self._taps == MAX_TAPS:
            self._state, self.deadline = _State.UP, None
            return [Tap(self._taps), Settled(self._taps)]
        self._state, self.deadline = _State.BETWEEN, now + SERIES_S
        return [Tap(self._taps)]

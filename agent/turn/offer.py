"""PURE: when answers that wait begin: after some silence; tested in tests/agent/turn/test_machine.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.turn.timer import Timer

if TYPE_CHECKING:
    from collections.abc import MutableMapping

OFFER_S = 1.5
"""The silence after which waiting answers begin: whoever woke the box to ask something has begun by then."""
OFFER_MOST_S = 6.0
"""How long a voice from which no question comes, as in a loud place, may keep waiting answers from beginning."""


class Offer:
    """Sets the timer at which waiting answers begin. They are offered until the technician silences one."""

    def __init__(self, timers: MutableMapping[Timer, float]) -> None:
        """Use ``timers``, which entering a phase replaces."""
        self._timers = timers
        self._until = 0.0  # when they begin at the latest
        self.declined = False
        """Whether the technician silenced an answer, and has asked nothing since."""

    @property
    def open(self) -> bool:
        """Whether the silence is being waited for in which they begin."""
        return Timer.OFFER in self._timers

    def begin(self, now: float) -> None:
        """Play the answers that wait after some silence: who presses to ask something goes first."""
        if not self.declined and not self.open:
            self._timers[Timer.OFFER], self._until = now + OFFER_S, now + OFFER_MOST_S

    def voiced(self, now: float) -> None:
        """Push back the beginning: there is a voice, from which a question may come."""
        if self.open:
            self._timers[Timer.OFFER] = min(now + OFFER_S, self._until)

    def decline(self) -> None:
        """The technician silenced an answer: those that wait do not begin by themselves."""
        self.declined = True

    def renew(self) -> None:
        """The technician woke the box or asked something: answers are offered again."""
        self.declined = False

"""PURE: how long to wait before the next attempt to connect, and how many attempts a minute may hold."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

FIRST_S = 0.5
LONGEST_S = 30.0
QUOTA_LONGEST_S = 300.0
STABLE_S = 30.0
"""Only a connection that lived this long resets the back-off. Otherwise a connection that opens and dies at once would
reset it every time and reconnect every second for hours."""
ATTEMPTS = 10
"""Attempts in ``MINUTE_S``, whoever asks for them: the ladder of waits makes seven in its first minute, and a voice or
a press each another. A refused key, or a service that sends everybody away, is not hammered."""
MINUTE_S = 60.0


@dataclass(slots=True)
class Backoff:
    """Doubling waits with jitter. Counts connections in a row that were not stable, by the kind of their failure."""

    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> int:
        """How many connections in a row were not stable."""
        return self.kinds.total()

    def lived(self, seconds: float) -> None:
        """Note that a connection lived for ``seconds``: if it was stable, what failed before it no longer counts."""
        if seconds >= STABLE_S:
            self.kinds.clear()

    def failed(self, kind: str) -> None:
        """Note that a connection or an attempt failed in this way."""
        self.kinds[kind] += 1

    def wait(self, kind: str, at_least_s: float, jitter: float) -> float:
        """Return the seconds to wait after a failure of this kind; ``jitter`` is a random number from 0 to 1.

        ``at_least_s`` above 0 (quota, refusal) starts a slower back-off at that value, which failures of other kinds
        do not lengthen.
        """
        if at_least_s > 0:
            doublings = min(max(self.kinds[kind] - 1, 0), 8)
            return min(at_least_s * 2.0**doublings, QUOTA_LONGEST_S) * (1 + 0.1 * jitter)
        return min(FIRST_S * 2.0 ** min(self.failures - 1, 16), LONGEST_S) * (0.5 + 0.5 * jitter)


class Budget:
    """Allows ``ATTEMPTS`` in any ``MINUTE_S``."""

    def __init__(self) -> None:
        """Start with all of them."""
        self._made: deque[float] = deque(maxlen=ATTEMPTS)

    def spend(self, now: float) -> None:
        """Note an attempt."""
        self._made.append(now)

    def wait(self, now: float) -> float:
        """Return the seconds until another attempt is allowed; 0 if it is."""
        return max(0.0, self._made[0] + MINUTE_S - now) if len(self._made) == ATTEMPTS else 0.0
